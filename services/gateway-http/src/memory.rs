//! What clients can make this node hold, beside the records that they append, which the write path bounds.
//!
//! Nobody waits for one budget while holding another that the first one's holders could be waiting for. The order is: pages,
//! uploads, records (the write path's), reads, pieces. What waits for a client holds pieces or pages that were made, or an
//! upload, and a client that is too slow with them is cut off, sooner when others wait.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use parking_lot::Mutex;
use tidelog_host::Clock;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::options::{BYTES_PER_SECOND_MIN, GatewayOptions, SLOW_WHEN_WANTED_MAX};

/// Bytes per permit, so that the count fits a semaphore.
const UNIT: usize = 1024;

/// A part of a budget; given back when dropped.
pub(crate) type Share = OwnedSemaphorePermit;

/// The budgets of one node.
pub(crate) struct Memory {
    /// Bodies that arrive.
    pub(crate) uploads: Budget,
    /// Records that were read.
    pub(crate) reads: Budget,
    /// Answers in pieces.
    pub(crate) pieces: Budget,
    /// Answers as a whole.
    pub(crate) pages: Budget,
}

impl Memory {
    pub(crate) fn new(options: &GatewayOptions) -> Memory {
        Memory {
            uploads: Budget::new(options.uploads_bytes_max),
            reads: Budget::new(options.reads_bytes_max),
            pieces: Budget::new(options.pieces_bytes_max),
            pages: Budget::new(options.pages_bytes_max),
        }
    }

    /// Whether somebody waits for what a client that does not read holds.
    fn is_answer_wanted(&self) -> bool {
        self.reads.is_wanted() || self.pieces.is_wanted() || self.pages.is_wanted()
    }
}

/// Bytes that may be held at once.
pub(crate) struct Budget {
    units: usize,
    room: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Budget {
        let units = (bytes_max / UNIT).max(1);
        Budget { units, room: Arc::new(Semaphore::new(units)), waiting: AtomicUsize::new(0) }
    }

    /// Waits for room. Fair: first come, first served. Who needs more than there is gets all there is, so it is alone. A
    /// cancelled caller leaves nothing behind.
    pub(crate) async fn take(&self, bytes: usize) -> Share {
        let taken = self.room.clone().acquire_many_owned(self.units_of(bytes));
        let mut taken = pin!(taken.map(|share| share.expect("the semaphore is never closed")));
        if let Some(at_once) = taken.as_mut().now_or_never() {
            return at_once;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(&self.waiting);
        taken.await
    }

    /// Room that is there now.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Share> {
        self.room.clone().try_acquire_many_owned(self.units_of(bytes)).ok()
    }

    /// Whether anybody waits for room.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT).min(self.units)).expect("budgets are far below 4 TiB")
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one connection's client has not taken yet.
pub(crate) struct Untaken {
    pieces: Mutex<Pieces>,
    /// Told when there is some after there was none.
    pub(crate) some: Notify,
}

#[derive(Default)]
struct Pieces {
    next: u64,
    /// Number, length, and since when.
    held: BTreeMap<u64, (usize, Instant)>,
}

impl Untaken {
    pub(crate) fn new() -> Arc<Untaken> {
        Arc::new(Untaken { pieces: Mutex::new(Pieces::default()), some: Notify::new() })
    }

    /// Bytes for a client, with the room that they take until they are written.
    pub(crate) fn hold(self: &Arc<Self>, bytes: Vec<u8>, share: Share, clock: &Clock) -> Bytes {
        let mut pieces = self.pieces.lock();
        let number = pieces.next;
        pieces.next += 1;
        pieces.held.insert(number, (bytes.len(), clock.now()));
        if pieces.held.len() == 1 {
            self.some.notify_one();
        }
        drop(pieces);
        Bytes::from_owner(Held { bytes, number, of: self.clone(), _share: share })
    }

    /// Whether there is any, and whether the client is slower with it than it may be.
    pub(crate) fn look(&self, memory: &Memory, options: &GatewayOptions, clock: &Clock) -> (bool, bool) {
        let oldest = self.pieces.lock().held.first_key_value().map(|(_, held)| *held);
        let Some((bytes, since)) = oldest else { return (false, false) };
        let hurried = SLOW_WHEN_WANTED_MAX.min(options.write_timeout);
        let patience = if memory.is_answer_wanted() { hurried } else { options.write_timeout };
        let patience = patience + Duration::from_secs((bytes / BYTES_PER_SECOND_MIN) as u64);
        (true, clock.now().saturating_duration_since(since) > patience)
    }
}

struct Held {
    bytes: Vec<u8>,
    number: u64,
    of: Arc<Untaken>,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.pieces.lock().held.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use tidelog_model::{TenantId, TimestampMs};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_take_its_answer_is_noticed_sooner_when_others_wait() {
        let options = GatewayOptions { pieces_bytes_max: 64 << 10, ..GatewayOptions::embedded(TenantId(1)) };
        let clock = Clock::manual(TimestampMs(0));
        let memory = Memory::new(&options);
        let untaken = Untaken::new();
        assert_eq!(untaken.look(&memory, &options, &clock), (false, false));
        let piece = untaken.hold(vec![1; 64 << 10], memory.pieces.take(64 << 10).await, &clock);
        untaken.some.notified().await;
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(untaken.look(&memory, &options, &clock), (true, false));
        let wanting = memory.pieces.take(1);
        let mut wanting = pin!(wanting);
        assert!(wanting.as_mut().now_or_never().is_none());
        assert_eq!(untaken.look(&memory, &options, &clock), (true, true));
        drop(piece);
        assert_eq!(untaken.look(&memory, &options, &clock), (false, false));
        assert!(wanting.now_or_never().is_some(), "its room is free");
        let _piece = untaken.hold(vec![1; 64 << 10], memory.pieces.take(1).await, &clock);
        tokio::time::advance(Duration::from_secs(32)).await;
        assert_eq!(untaken.look(&memory, &options, &clock), (true, true));
    }
}
