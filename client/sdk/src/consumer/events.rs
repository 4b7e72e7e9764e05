//! Server-sent events, taken apart as they come.

use std::mem;

/// An event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its type; empty for a record.
    pub(super) kind: String,
    /// Its data. Without any, it only tells an id.
    pub(super) data: Vec<u8>,
    /// Its id, if it has one of its own.
    pub(super) id: Option<String>,
}

/// More bytes than an event may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Takes a stream of bytes apart into events. What has begun is held, in bounded memory.
pub(super) struct Events {
    bytes_max: usize,
    /// A line that has begun.
    line: Vec<u8>,
    /// An event that has begun.
    event: Event,
    has_data: bool,
}

impl Events {
    pub(super) fn new(bytes_max: usize) -> Events {
        Events { bytes_max, line: Vec::new(), event: Event::default(), has_data: false }
    }

    /// Takes what came, and hands out each event that is complete.
    ///
    /// # Errors
    /// When one is too long.
    pub(super) fn take(&mut self, bytes: &[u8], mut each: impl FnMut(Event)) -> Result<(), TooLong> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            if self.line.is_empty() {
                self.complete(line, &mut each)?;
            } else {
                let mut whole = mem::take(&mut self.line);
                self.check(whole.len() + line.len())?;
                whole.extend_from_slice(line);
                self.complete(&whole, &mut each)?;
            }
        }
        self.check(self.line.len() + rest.len())?;
        self.line.extend_from_slice(rest);
        Ok(())
    }

    fn check(&self, more: usize) -> Result<(), TooLong> {
        if self.event.data.len() + more > self.bytes_max { Err(TooLong) } else { Ok(()) }
    }

    fn complete(&mut self, line: &[u8], each: &mut impl FnMut(Event)) -> Result<(), TooLong> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            self.has_data = false;
            let event = mem::take(&mut self.event);
            if event != Event::default() {
                each(event);
            }
            return Ok(());
        }
        let colon = memchr::memchr(b':', line);
        let (name, value) = colon.map_or((line, &b""[..]), |at| (&line[..at], &line[at + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                self.check(value.len() + 1)?;
                if mem::replace(&mut self.has_data, true) {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
            }
            b"id" => self.event.id = Some(String::from_utf8_lossy(value).into_owned()),
            b"event" => self.event.kind = String::from_utf8_lossy(value).into_owned(),
            // Comments have no name, `retry` is for browsers, and of others nobody knows the meaning.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        "retry: 1000\n\n:\n\nid: 7\ndata: {\"a\":1}\n\n: comment\nevent: problem\r\ndata: x\ndata:y\n\nid: c\n\ndata\n";

    fn check(step: usize) {
        let mut events = Events::new(100);
        let mut seen = Vec::new();
        for piece in STREAM.as_bytes().chunks(step) {
            events.take(piece, |event| seen.push(event)).unwrap();
        }
        let event = |kind: &str, data: &str, id: Option<&str>| Event {
            kind: kind.to_owned(),
            data: data.as_bytes().to_vec(),
            id: id.map(str::to_owned),
        };
        let expected = [event("", "{\"a\":1}", Some("7")), event("problem", "x\ny", None), event("", "", Some("c"))];
        assert_eq!(seen, expected, "in pieces of {step}");
    }

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        (1..=STREAM.len()).for_each(check);
    }

    #[test]
    fn an_event_that_is_too_long_is_refused() {
        let mut events = Events::new(10);
        assert_eq!(events.take(b"data: 123456", |_| ()), Err(TooLong), "before its line has ended");
        let mut events = Events::new(10);
        assert_eq!(events.take(b"data: 1\ndata: 2\ndata: 3\n", |_| ()), Ok(()));
        assert_eq!(events.take(b"data: 456\ndata: 789\n", |_| ()), Err(TooLong), "in many lines");
    }
}
