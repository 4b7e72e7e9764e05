//! A connection that is not read for a while.

use std::time::Duration;

use parking_lot::Mutex;
use tidelog_host::Clock;
use tokio::io::AsyncRead;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::Instant;

/// How often it is looked whether the client of a muted connection is still there.
const LOOK: Duration = Duration::from_secs(1);

/// Where a connection's requests come from.
pub(crate) trait Input: AsyncRead + Unpin {
    /// Whether the other side has broken the connection off. Who has only said everything may still be heard.
    fn is_broken(&self) -> bool;
}

impl Input for OwnedReadHalf {
    fn is_broken(&self) -> bool {
        !matches!(self.as_ref().take_error(), Ok(None))
    }
}

/// Until when a connection is muted. Nothing is held for it meanwhile beyond the eight bytes that begin its next request.
#[derive(Debug, Default)]
pub(crate) struct Mute(Mutex<Option<Instant>>);

impl Mute {
    /// Not before then is the connection read again.
    pub(crate) fn until(&self, then: Instant) {
        let mut until = self.0.lock();
        *until = Some(until.map_or(then, |until| until.max(then)));
    }

    /// Whether there is something to wait for, or was not long ago.
    pub(crate) fn is_on(&self) -> bool {
        self.0.lock().is_some()
    }

    /// Waits until the connection may be read. Says whether its client is still there. A cancelled caller leaves nothing
    /// behind.
    pub(crate) async fn over(&self, clock: &Clock, input: &impl Input) -> bool {
        loop {
            let Some(until) = *self.0.lock() else { return true };
            let left = until.saturating_duration_since(clock.now());
            if left.is_zero() {
                *self.0.lock() = None;
                return true;
            }
            if input.is_broken() {
                return false;
            }
            clock.sleep(left.min(LOOK)).await;
        }
    }
}

#[cfg(test)]
impl Input for tokio::io::ReadHalf<tokio::io::DuplexStream> {
    fn is_broken(&self) -> bool {
        false
    }
}
