//! Leaves the disk alone for a while after it failed or was slow, so that a bad disk costs one wait and not one per read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidelog_host::Clock;
use tokio::time::Instant;

/// How long the disk is left alone.
pub(crate) const BYPASS_MS: u64 = 5_000;

pub(crate) struct Bypass {
    clock: Clock,
    origin: Instant,
    /// Milliseconds after `origin`.
    until_ms: AtomicU64,
}

impl Bypass {
    pub(crate) fn new(clock: Clock) -> Bypass {
        let origin = clock.now();
        Bypass { clock, origin, until_ms: AtomicU64::new(0) }
    }

    pub(crate) fn begin(&self) {
        let until = self.now_ms() + BYPASS_MS;
        if self.until_ms.swap(until, Ordering::Relaxed) + BYPASS_MS < until {
            tracing::warn!(for_ms = BYPASS_MS, "cache disk failed or is slow, reading past it");
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        let until = self.until_ms.load(Ordering::Relaxed);
        until != 0 && self.now_ms() < until
    }

    /// Runs `lookup` for as long as a disk may take.
    pub(crate) async fn within<T>(&self, wait: Duration, lookup: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            found = lookup => Some(found),
            () = self.clock.sleep(wait) => None,
        }
    }

    fn now_ms(&self) -> u64 {
        (self.clock.now() - self.origin).as_millis() as u64 + 1
    }
}
