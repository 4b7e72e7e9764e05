//! A connection's socket, that tells when it takes no bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::memory::Client;
use crate::opening::Opening;

/// Bodies are not all that is written: heads alone fill a connection too whose client sends requests and reads nothing.
pub(crate) struct Socket {
    stream: TcpStream,
    opening: Opening,
    client: Arc<Client>,
}

impl Socket {
    /// `opening` was read of it already.
    pub(crate) fn new(stream: TcpStream, opening: Opening, client: &Arc<Client>) -> Socket {
        Socket { stream, opening, client: client.clone() }
    }

    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        match written {
            Poll::Pending => self.client.is_blocked(),
            Poll::Ready(_) => self.client.goes_on(),
        }
        written
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let had_some = self.opening.hand_on(into);
        match Pin::new(&mut self.stream).poll_read(context, into) {
            // What follows is read along with it if it is here: the reader makes its buffer larger when a head does not come
            // at once.
            Poll::Pending if had_some => Poll::Ready(Ok(())),
            read => read,
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
