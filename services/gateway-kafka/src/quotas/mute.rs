//! A connection that is not read for a while.

use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tidelog_host::Clock;
use tokio::io::{AsyncRead, Interest};
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::Instant;

/// How often it is looked whether the client of a muted connection is still there.
const LOOK: Duration = Duration::from_secs(1);
/// How long a connection stays whose client has said everything, over all times that it is muted afterwards. The client may
/// still wait for answers; more likely it has gone, and its connection takes the place of another.
const LEFT_MAX: Duration = Duration::from_secs(2);

/// Where a connection's requests come from.
pub(crate) trait Input: AsyncRead + Unpin {
    /// Whether the other side has broken the connection off. Who has only said everything may still be heard.
    fn is_broken(&self) -> bool;

    /// Whether the other side will say nothing more than what has come, read or not.
    fn is_ended(&self) -> bool;
}

impl Input for OwnedReadHalf {
    fn is_broken(&self) -> bool {
        !matches!(self.as_ref().take_error(), Ok(None))
    }

    fn is_ended(&self) -> bool {
        // What is not known yet is looked at again.
        let state = self.ready(Interest::READABLE).now_or_never();
        state.is_some_and(|state| state.is_ok_and(|state| state.is_read_closed()))
    }
}

/// Until when a connection is muted. Nothing is held for it meanwhile beyond the eight bytes that begin its next request.
#[derive(Debug, Default)]
pub(crate) struct Mute {
    until: Mutex<Option<Instant>>,
    /// When it was seen that its client has said everything.
    ended_at: Mutex<Option<Instant>>,
}

impl Mute {
    /// Not before then is the connection read again.
    pub(crate) fn until(&self, then: Instant) {
        let mut until = self.until.lock();
        *until = Some(until.map_or(then, |until| until.max(then)));
    }

    /// Whether there is something to wait for, or was not long ago.
    pub(crate) fn is_on(&self) -> bool {
        self.until.lock().is_some()
    }

    /// Waits until the connection may be read. Says whether its client is still there, or went so little ago that it is
    /// answered. A cancelled caller leaves nothing behind.
    pub(crate) async fn over(&self, clock: &Clock, input: &impl Input) -> bool {
        loop {
            let Some(until) = *self.until.lock() else { return true };
            let now = clock.now();
            let left = until.saturating_duration_since(now);
            if left.is_zero() {
                *self.until.lock() = None;
                return true;
            }
            if input.is_broken() || (input.is_ended() && self.has_left(now)) {
                return false;
            }
            clock.sleep(left.min(LOOK)).await;
        }
    }

    /// Whether a client that has said everything has done so for too long.
    fn has_left(&self, now: Instant) -> bool {
        let ended_at = *self.ended_at.lock().get_or_insert(now);
        now.saturating_duration_since(ended_at) >= LEFT_MAX
    }
}

#[cfg(test)]
impl Input for tokio::io::ReadHalf<tokio::io::DuplexStream> {
    fn is_broken(&self) -> bool {
        false
    }

    fn is_ended(&self) -> bool {
        false
    }
}
