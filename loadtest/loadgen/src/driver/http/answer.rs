//! What HTTP/1.1 servers answer, taken from what has come so far.

use anyhow::{Context, bail, ensure};

/// Longest head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// The end of the head, and its lines.
fn head(input: &[u8]) -> anyhow::Result<Option<(usize, &str)>> {
    match input.windows(4).position(|part| part == b"\r\n\r\n") {
        Some(end) => Ok(Some((end + 4, std::str::from_utf8(&input[..end])?))),
        None if input.len() > HEAD_BYTES_MAX => bail!("an answer without a head"),
        None => Ok(None),
    }
}

fn status(head: &str) -> anyhow::Result<u16> {
    Ok(head.split(' ').nth(1).context("a status line")?.parse()?)
}

/// Takes a whole answer of a known length, when it is there: its status and body.
pub(super) fn take_answer(input: &mut Vec<u8>) -> anyhow::Result<Option<(u16, String)>> {
    let Some((end, head)) = head(input)? else { return Ok(None) };
    let status = status(head)?;
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    let length =
        headers.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value.trim()).next();
    // 204 has no body, and says so by its number.
    let length = if status == 204 { Some("0") } else { length };
    let length: usize = length.with_context(|| format!("an answer ({status}) without a length"))?.parse()?;
    if input.len() < end + length {
        return Ok(None);
    }
    let body = String::from_utf8_lossy(&input[end..end + length]).into_owned();
    input.drain(..end + length);
    Ok(Some((status, body)))
}

/// Takes the head of an answer whose body comes in chunks, when it is there.
pub(super) fn take_head(input: &mut Vec<u8>) -> anyhow::Result<Option<u16>> {
    let Some((end, head)) = head(input)? else { return Ok(None) };
    let status = status(head)?;
    let is_chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked");
    ensure!(status != 200 || is_chunked, "a stream that is not in chunks");
    input.drain(..end);
    Ok(Some(status))
}

/// Where in a body of chunks we are.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// Bytes of the chunk that have not come, with the line break behind it.
    left: usize,
}

impl Chunks {
    /// Moves what the chunks hold to `out`.
    pub(super) fn take(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>) -> anyhow::Result<()> {
        let mut at = 0;
        while at < input.len() {
            if self.left == 0 {
                let Some(length) = input[at..].windows(2).position(|part| part == b"\r\n") else { break };
                let digits = std::str::from_utf8(&input[at..at + length])?;
                let size = usize::from_str_radix(digits.trim(), 16).context("the length of a chunk")?;
                ensure!(size > 0, "a stream ended");
                self.left = size + 2;
                at += length + 2;
                continue;
            }
            let come = self.left.min(input.len() - at);
            // The last two bytes are the line break.
            let of_data = come.min(self.left.saturating_sub(2));
            out.extend_from_slice(&input[at..at + of_data]);
            self.left -= come;
            at += come;
        }
        input.drain(..at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_when_it_is_whole() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP".to_vec();
        for cut in 0..whole.len() - 4 {
            assert_eq!(take_answer(&mut whole[..cut].to_vec()).unwrap(), None, "{cut}");
        }
        let mut input = whole.clone();
        assert_eq!(take_answer(&mut input).unwrap(), Some((200, "{}".to_owned())));
        assert_eq!(input, b"HTTP");
        assert!(take_answer(&mut b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).is_err());
        let mut input = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
        assert_eq!(take_answer(&mut input).unwrap(), Some((204, String::new())));
    }

    #[test]
    fn chunks_are_put_together_wherever_they_are_cut() {
        let whole = b"5\r\nhello\r\n10\r\n, chunks of text\r\n";
        for cut in 0..=whole.len() {
            let (mut chunks, mut out, mut input) = (Chunks::default(), Vec::new(), whole[..cut].to_vec());
            chunks.take(&mut input, &mut out).unwrap();
            input.extend_from_slice(&whole[cut..]);
            chunks.take(&mut input, &mut out).unwrap();
            assert_eq!(out, b"hello, chunks of text", "{cut}");
        }
        assert!(Chunks::default().take(&mut b"0\r\n\r\n".to_vec(), &mut Vec::new()).is_err());
    }
}
