//! Which of many sockets have something to do. What that costs must not grow with those that have nothing: a generator with thousands
//! of connections, each seldom used, would be busy with asking.

use std::io;
use std::os::fd::RawFd;
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Told of at once; the others are told of the next time.
#[cfg(target_os = "linux")]
const EVENTS_MAX: usize = 1024;

/// What a socket is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) index: usize,
    /// Something has come, or the connection has ended.
    pub(super) to_read: bool,
    pub(super) to_write: bool,
}

#[cfg(target_os = "linux")]
pub(super) struct Poller {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

#[cfg(target_os = "linux")]
impl Poller {
    /// Of sockets that will be known by their place.
    pub(super) fn new(sockets: impl Iterator<Item = RawFd>) -> io::Result<Poller> {
        // SAFETY: the call has no preconditions.
        let epoll = succeeded(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: it was just made, and nobody else has it.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let poller = Poller { epoll, events: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX] };
        for (index, socket) in sockets.enumerate() {
            poller.control(libc::EPOLL_CTL_ADD, index, socket, false)?;
        }
        Ok(poller)
    }

    /// From now on it is told when the socket can be written to as well, or not any more.
    pub(super) fn set_writing(&self, index: usize, socket: RawFd, is_writing: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, index, socket, is_writing)
    }

    fn control(&self, what: libc::c_int, index: usize, socket: RawFd, is_writing: bool) -> io::Result<()> {
        let wanted = if is_writing { libc::EPOLLIN | libc::EPOLLOUT } else { libc::EPOLLIN };
        let mut event = libc::epoll_event { events: wanted as u32, u64: index as u64 };
        // SAFETY: the pointer is to a value that lives as long as the call.
        succeeded(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), what, socket, &raw mut event) })?;
        Ok(())
    }

    /// Waits until one is ready, but no longer than `wait`.
    pub(super) fn wait(&mut self, wait: Duration, ready: &mut Vec<Ready>) {
        // Its own wait is in whole milliseconds. Waiting for the epoll itself is exact; an error is an interruption.
        let mut polled = libc::pollfd { fd: self.epoll.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let wait = libc::timespec { tv_sec: wait.as_secs() as _, tv_nsec: wait.subsec_nanos().into() };
        // SAFETY: the pointers are to values that live as long as the call; there is one of them.
        if unsafe { libc::ppoll(&raw mut polled, 1, &raw const wait, std::ptr::null()) } <= 0 {
            return;
        }
        // SAFETY: there is room for as many as are said.
        let count = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), self.events.as_mut_ptr(), EVENTS_MAX as i32, 0) };
        for event in &self.events[..usize::try_from(count).unwrap_or(0)] {
            let (events, index) = (event.events as i32, event.u64 as usize);
            let (to_read, to_write) = (events & !libc::EPOLLOUT != 0, events & libc::EPOLLOUT != 0);
            ready.push(Ready { index, to_read, to_write });
        }
    }
}

#[cfg(target_os = "linux")]
fn succeeded(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Asks of each of them: slower, but everywhere.
#[cfg(not(target_os = "linux"))]
pub(super) struct Poller {
    polled: Vec<libc::pollfd>,
}

#[cfg(not(target_os = "linux"))]
impl Poller {
    pub(super) fn new(sockets: impl Iterator<Item = RawFd>) -> io::Result<Poller> {
        Ok(Poller { polled: sockets.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect() })
    }

    pub(super) fn set_writing(&mut self, index: usize, _: RawFd, is_writing: bool) -> io::Result<()> {
        self.polled[index].events = if is_writing { libc::POLLIN | libc::POLLOUT } else { libc::POLLIN };
        Ok(())
    }

    pub(super) fn wait(&mut self, wait: Duration, ready: &mut Vec<Ready>) {
        // SAFETY: the pointer is to values that live as long as the call, with the length that is said.
        unsafe { libc::poll(self.polled.as_mut_ptr(), self.polled.len() as _, wait.as_millis() as _) };
        let found = self.polled.iter().enumerate().filter(|(_, polled)| polled.revents != 0);
        ready.extend(found.map(|(index, polled)| Ready {
            index,
            to_read: polled.revents & !libc::POLLOUT != 0,
            to_write: polled.revents & libc::POLLOUT != 0,
        }));
    }
}
