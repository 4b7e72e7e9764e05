//! The first bytes of a connection, which tell what its client speaks: HTTP/2 from the first byte on, or HTTP/1.1.
//!
//! Not by hyper-util's `auto`: it waits for them for ever, hands them on alone, so that hyper makes itself a buffer of twice the
//! size, and keeps room in each connection's task for either kind. With many connections that are idle those are most of what
//! they cost.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// What an HTTP/2 client that was not asked first says before all else (RFC 9113, 3.4).
const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// As many of the first bytes as it took to know, until they are handed on.
#[derive(Default)]
pub(crate) struct Opening {
    bytes: [u8; PREFACE.len()],
    came: usize,
    handed: usize,
}

impl Opening {
    /// Reads until it is known what the client speaks, or it says nothing more.
    ///
    /// # Errors
    /// Those of the connection.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Opening> {
        let mut opening = Opening::default();
        while opening.came < PREFACE.len() && PREFACE.starts_with(&opening.bytes[..opening.came]) {
            let more = stream.read(&mut opening.bytes[opening.came..]).await?;
            if more == 0 {
                break;
            }
            opening.came += more;
        }
        Ok(opening)
    }

    /// Whether that is HTTP/2. Everything else is for HTTP/1.1 to understand or refuse.
    pub(crate) fn is_http2(&self) -> bool {
        self.bytes == PREFACE
    }

    /// Whether nothing came at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.came == 0
    }

    /// Hands on what is not yet; whether there was some.
    pub(crate) fn hand_on(&mut self, into: &mut ReadBuf<'_>) -> bool {
        let rest = &self.bytes[self.handed..self.came];
        let bytes = rest.len().min(into.remaining());
        into.put_slice(&rest[..bytes]);
        self.handed += bytes;
        bytes > 0
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// What is known when these have come, in pieces of so many bytes, and then either more may come or nothing does.
    async fn check(said: &[u8], is_http2: bool, read_bytes: usize) {
        for piece_bytes in [1, 5, said.len().max(1)] {
            let (mut client, mut stream) = tokio::io::duplex(1);
            let send = async {
                for piece in said.chunks(piece_bytes) {
                    client.write_all(piece).await.unwrap();
                }
                client.shutdown().await.unwrap();
            };
            let read = async {
                let opening = Opening::read(&mut stream).await.unwrap();
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.unwrap();
                (opening, rest)
            };
            let ((), (mut opening, rest)) = tokio::join!(send, read);
            assert_eq!((opening.is_http2(), opening.came), (is_http2, read_bytes), "{said:?}");
            // In pieces too.
            let mut handed = Vec::new();
            loop {
                let mut into = [0; 3];
                let mut into = ReadBuf::new(&mut into);
                if !opening.hand_on(&mut into) {
                    break;
                }
                handed.extend_from_slice(into.filled());
            }
            handed.extend(rest);
            assert_eq!(handed, said, "all of it is handed on, once");
        }
    }

    #[tokio::test]
    async fn a_preface_is_told_from_everything_else_by_no_more_bytes_than_that_takes() {
        // One byte at a time comes through; as many are read as are like the preface, and one more.
        check(&PREFACE, true, 24).await;
        check(&[&PREFACE[..], b"more"].concat(), true, 24).await;
        check(b"GET /livez HTTP/1.1\r\n\r\n", false, 1).await;
        check(b"POST / HTTP/1.1\r\n\r\n", false, 2).await;
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", false, 24).await;
        check(b"PRI * HTTP/1.1\r\n\r\n", false, 12).await;
        check(b"\x16\x03\x01\x02\x00", false, 1).await;
        // The client has gone.
        check(b"PRI * HT", false, 8).await;
        check(b"", false, 0).await;
    }

    #[tokio::test]
    async fn the_beginning_of_a_preface_is_waited_with() {
        let (mut client, mut stream) = tokio::io::duplex(64);
        for byte in &PREFACE[..23] {
            client.write_all(&[*byte]).await.unwrap();
        }
        let read = Opening::read(&mut stream);
        let mut read = std::pin::pin!(read);
        assert!(futures::poll!(read.as_mut()).is_pending());
        client.write_all(&PREFACE[23..]).await.unwrap();
        assert!(read.await.unwrap().is_http2());
    }
}
