//! Many connections of one thread: what is to be sent is written when it fits, and what comes is read when it is there.
//!
//! One thread and not a task or thread for each: those that have something to do are told by one system call a turn.

mod poller;

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, bail};

use poller::{Poller, Ready};

const READ_BYTES: usize = 256 << 10;
/// The time that looking at what a connection is to send takes: with many of them it is not done as often.
pub(super) const LOOK_EACH: Duration = Duration::from_nanos(500);

/// A connection with what is on its way in and out.
pub(super) struct Socket {
    stream: TcpStream,
    /// What did not fit.
    out: Vec<u8>,
    written: usize,
    /// What came and was not taken yet.
    pub(super) input: Vec<u8>,
}

impl Socket {
    pub(super) fn connect(address: &str) -> anyhow::Result<Socket> {
        let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Socket { stream, out: Vec::new(), written: 0, input: Vec::new() })
    }

    /// Writes `parts` as far as they fit, and keeps the rest.
    fn send(&mut self, parts: &[&[u8]]) -> anyhow::Result<()> {
        let mut sent = 0;
        if self.out.is_empty() {
            let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
            sent = match self.stream.write_vectored(&slices) {
                Ok(count) => count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
                Err(error) => return Err(error).context("writing to the server"),
            };
        }
        for part in parts {
            let gone = sent.min(part.len());
            self.out.extend_from_slice(&part[gone..]);
            sent -= gone;
        }
        Ok(())
    }

    fn write(&mut self) -> anyhow::Result<()> {
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("writing to the server"),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads what is there, up to a bound: the others have their turn too. `part` is memory for all of them: a buffer of each that is
    /// cleared for each read would take longer than the rest of a turn.
    fn read(&mut self, part: &mut [u8]) -> anyhow::Result<()> {
        match self.stream.read(part) {
            Ok(0) => bail!("the server ended a connection"),
            Ok(count) => {
                self.input.extend_from_slice(&part[..count]);
                Ok(())
            }
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Err(error).context("reading from the server")
            }
            Err(_) => Ok(()),
        }
    }
}

/// The connections of a thread.
pub(super) struct Sockets {
    pub(super) all: Vec<Socket>,
    poller: Poller,
    part: Vec<u8>,
    found: Vec<Ready>,
    /// Which of them have something new.
    pub(super) ready: Vec<usize>,
}

impl Sockets {
    pub(super) fn new(all: Vec<Socket>) -> anyhow::Result<Sockets> {
        let poller = Poller::new(all.iter().map(|socket| socket.stream.as_raw_fd())).context("watching connections")?;
        Ok(Sockets { all, poller, part: vec![0; READ_BYTES], found: Vec::new(), ready: Vec::new() })
    }

    /// Writes `parts` to a connection as far as they fit, and the rest in later turns.
    pub(super) fn send(&mut self, index: usize, parts: &[&[u8]]) -> anyhow::Result<()> {
        let socket = &mut self.all[index];
        let was_writing = !socket.out.is_empty();
        socket.send(parts)?;
        if !socket.out.is_empty() && !was_writing {
            self.poller.set_writing(index, socket.stream.as_raw_fd(), true)?;
        }
        Ok(())
    }

    /// Waits until something can be read or written, but no longer than `wait`, and does it. `ready` are those that have something new.
    pub(super) fn turn(&mut self, wait: Duration) -> anyhow::Result<()> {
        self.ready.clear();
        self.found.clear();
        self.poller.wait(wait, &mut self.found);
        for Ready { index, to_read, to_write } in &self.found {
            let socket = &mut self.all[*index];
            if *to_write {
                socket.write()?;
                if socket.out.is_empty() {
                    self.poller.set_writing(*index, socket.stream.as_raw_fd(), false)?;
                }
            }
            if *to_read {
                socket.read(&mut self.part)?;
                self.ready.push(*index);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// More than sockets hold goes out in turns, and only who has something new is told of.
    #[test]
    fn what_does_not_fit_is_sent_in_later_turns() {
        const BYTES: usize = 32 << 20;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let all: Vec<Socket> = (0..3).map(|_| Socket::connect(&address).unwrap()).collect();
        let mut others: Vec<TcpStream> = (0..3).map(|_| listener.accept().unwrap().0).collect();
        let mut sockets = Sockets::new(all).unwrap();
        let whole: Vec<u8> = (0..BYTES).map(|at| (at / 7) as u8).collect();
        sockets.send(1, &[&whole[..10], &whole[10..]]).unwrap();
        assert!(!sockets.all[1].out.is_empty(), "sockets hold all of it");
        let mut other = others.remove(1);
        let reader = std::thread::spawn(move || {
            let mut come = vec![0; BYTES];
            other.read_exact(&mut come).unwrap();
            other.write_all(b"done").unwrap();
            (come, other)
        });
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while sockets.all[1].input.is_empty() {
            assert!(std::time::Instant::now() < deadline, "it is not sent");
            sockets.turn(Duration::from_millis(100)).unwrap();
        }
        assert_eq!((sockets.ready.as_slice(), sockets.all[1].input.as_slice()), (&[1][..], &b"done"[..]));
        let (come, other) = reader.join().unwrap();
        assert!(come == whole && sockets.all[1].out.is_empty());
        sockets.turn(Duration::ZERO).unwrap();
        assert!(sockets.ready.is_empty());
        drop(other);
        let ended = (0..100).any(|_| sockets.turn(Duration::from_millis(100)).is_err());
        assert!(ended, "the end of a connection is told");
    }
}
