//! Many connections of one thread: what is to be sent is written when it fits, and what comes is read when it is there.
//!
//! `poll` and not one task or thread for each: a thousand connections cost one system call a turn.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, bail};

const READ_BYTES: usize = 256 << 10;
/// The time that looking at a connection takes: with many of them it is not done as often.
const LOOK_EACH: Duration = Duration::from_micros(1);

/// A connection with what is on its way in and out.
pub(super) struct Socket {
    stream: TcpStream,
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

    /// Writes `parts` as far as they fit, and the rest later.
    pub(super) fn send(&mut self, parts: &[&[u8]]) -> anyhow::Result<()> {
        parts.iter().for_each(|part| self.out.extend_from_slice(part));
        self.write()
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
    polled: Vec<libc::pollfd>,
    part: Vec<u8>,
    /// Which of them have something new.
    pub(super) ready: Vec<usize>,
}

impl Sockets {
    pub(super) fn new(all: Vec<Socket>) -> Sockets {
        Sockets { all, polled: Vec::new(), part: vec![0; READ_BYTES], ready: Vec::new() }
    }

    /// How long a turn should be at least.
    pub(super) fn turn_min(&self) -> Duration {
        LOOK_EACH * self.all.len() as u32
    }

    /// Waits until something can be read or written, but no longer than `wait`, and does it. `ready` are those that have something new.
    pub(super) fn turn(&mut self, wait: Duration) -> anyhow::Result<()> {
        let polled = self.all.iter().map(|socket| libc::pollfd {
            fd: socket.stream.as_raw_fd(),
            events: if socket.out.is_empty() { libc::POLLIN } else { libc::POLLIN | libc::POLLOUT },
            revents: 0,
        });
        self.polled.clear();
        self.polled.extend(polled);
        self.ready.clear();
        if poll(&mut self.polled, wait) == 0 {
            return Ok(());
        }
        for (index, polled) in self.polled.iter().enumerate().filter(|(_, polled)| polled.revents != 0) {
            let socket = &mut self.all[index];
            if polled.revents & libc::POLLOUT != 0 {
                socket.write()?;
            }
            if polled.revents & !libc::POLLOUT != 0 {
                socket.read(&mut self.part)?;
                self.ready.push(index);
            }
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn poll(polled: &mut [libc::pollfd], wait: Duration) -> i32 {
    let wait = libc::timespec { tv_sec: wait.as_secs() as _, tv_nsec: wait.subsec_nanos().into() };
    // SAFETY: the pointers are to values that live as long as the call, with the length that is said.
    unsafe { libc::ppoll(polled.as_mut_ptr(), polled.len() as _, &raw const wait, std::ptr::null()) }
}

#[cfg(not(target_os = "linux"))]
fn poll(polled: &mut [libc::pollfd], wait: Duration) -> i32 {
    // SAFETY: the pointer is to values that live as long as the call, with the length that is said.
    unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as _, wait.as_millis() as _) }
}
