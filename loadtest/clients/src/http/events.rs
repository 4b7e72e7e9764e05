//! Server-sent events, taken as a browser takes them: an event counts when the empty line behind it has come.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::{WAIT_MAX, connect, head, read_head};

/// A stream of events.
pub struct Events {
    lines: BufReader<Chunked<BufReader<TcpStream>>>,
    /// As much of a line as has come.
    line: Vec<u8>,
    coming: Event,
}

/// An event, or an id without data, which a browser keeps too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What to say as `Last-Event-ID` to go on after it.
    pub id: Option<String>,
    /// What kind it is; empty for a plain one.
    pub name: String,
    /// Its lines of data.
    pub data: String,
}

/// What came of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// An event.
    Event(Event),
    /// Nothing for a moment.
    Nothing,
    /// The end that the server meant.
    End,
}

/// Why there is no stream.
#[derive(Clone, Debug)]
pub enum NotOpened {
    /// There was no answer.
    Away,
    /// With this status and this problem.
    Refused(u16, Value),
}

impl Events {
    /// Asks for a stream, after the event with id `last_id` if there is one. [`Came::Nothing`] comes after `moment`.
    ///
    /// # Errors
    /// There is none.
    pub fn open(address: &str, path: &str, last_id: Option<&str>, moment: Duration) -> Result<Events, NotOpened> {
        let mut connection = connect(address, WAIT_MAX).map_err(|_| NotOpened::Away)?;
        let accept = ("accept", "text/event-stream".to_owned());
        let last_id = last_id.map(|id| ("last-event-id", id.to_owned()));
        let head = head("GET", path, [accept].iter().chain(&last_id));
        connection.get_mut().write_all(head.as_bytes()).map_err(|_| NotOpened::Away)?;
        let (status, length) = read_head(&mut connection).map_err(|_| NotOpened::Away)?;
        if status != 200 {
            let mut problem = vec![0; length];
            connection.read_exact(&mut problem).map_err(|_| NotOpened::Away)?;
            return Err(NotOpened::Refused(status, serde_json::from_slice(&problem).unwrap_or_default()));
        }
        connection.get_ref().set_read_timeout(Some(moment)).map_err(|_| NotOpened::Away)?;
        let lines = BufReader::with_capacity(64 * 1024, Chunked::new(connection));
        Ok(Events { lines, line: Vec::new(), coming: Event::default() })
    }

    /// Waits for the next event, for a moment.
    ///
    /// # Errors
    /// The stream broke off. What had come of an event is none.
    pub fn next_event(&mut self) -> io::Result<Came> {
        loop {
            match self.lines.read_until(b'\n', &mut self.line) {
                Ok(_) if self.line.ends_with(b"\n") => {}
                Ok(_) => return Ok(Came::End),
                Err(error) if is_nothing(&error) => return Ok(Came::Nothing),
                Err(error) => return Err(error),
            }
            let line = String::from_utf8(std::mem::take(&mut self.line))
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            if let Some(event) = self.coming.take_line(line.trim_end_matches('\n')) {
                return Ok(Came::Event(event));
            }
        }
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

impl Event {
    /// Takes a line; what it ends is an event.
    fn take_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(self);
            return (event != Event::default()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // Comments, and how long to wait before coming back.
            _ => {}
        }
        None
    }
}

/// A body in chunks, without what is around them. When a read has to be tried again it goes on where it was.
struct Chunked<R> {
    inner: R,
    /// Of the chunk that is read.
    left: usize,
    size: Vec<u8>,
    is_ended: bool,
}

impl<R: BufRead> Chunked<R> {
    fn new(inner: R) -> Chunked<R> {
        Chunked { inner, left: 0, size: Vec::new(), is_ended: false }
    }
}

impl<R: BufRead> Read for Chunked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 && !self.is_ended {
            self.inner.read_until(b'\n', &mut self.size)?;
            if !self.size.ends_with(b"\n") {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let line = std::mem::take(&mut self.size);
            let text = String::from_utf8_lossy(&line);
            // An empty line is the end of the chunk before.
            if !text.trim().is_empty() {
                let size = usize::from_str_radix(text.trim(), 16);
                self.left = size.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
                self.is_ended = self.left == 0;
            }
        }
        if self.is_ended {
            return Ok(0);
        }
        let bytes = out.len().min(self.left);
        let read = self.inner.read(&mut out[..bytes])?;
        if read == 0 && bytes > 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.left -= read;
        Ok(read)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn events(text: &str) -> Vec<Event> {
        let mut coming = Event::default();
        text.split('\n').filter_map(|line| coming.take_line(line)).collect()
    }

    fn event(id: Option<&str>, name: &str, data: &str) -> Event {
        Event { id: id.map(str::to_owned), name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn an_event_ends_with_an_empty_line() {
        let text = "retry: 1000\nid: 6\n\n:\n\nid: 7\ndata: a\ndata: b\n\nevent: problem\ndata: {}\n\nid: 8\ndata: cut";
        let expected = [event(Some("6"), "", ""), event(Some("7"), "", "a\nb"), event(None, "problem", "{}")];
        assert_eq!(events(text), expected);
    }

    fn unchunked(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        Chunked::new(bytes).read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn a_body_in_chunks_is_whole_with_its_end_only() {
        assert_eq!(unchunked(b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n").unwrap(), "abc0123456789");
        for cut in [&b"3\r\nabc\r\n"[..], b"3\r\nab", b"3", b""] {
            assert_eq!(unchunked(cut).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
        assert_eq!(unchunked(b"x\r\n").unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
