//! A bound on bytes that many share, and who waits for it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes per permit, so that the count fits a semaphore.
const UNIT: usize = 1024;

/// A part of a budget; given back when dropped.
pub(crate) type Share = OwnedSemaphorePermit;

/// Bytes that may be held at once.
pub(crate) struct Budget {
    units: usize,
    room: Arc<Semaphore>,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Budget {
        let units = (bytes_max / UNIT).max(1);
        Budget { units, room: Arc::new(Semaphore::new(units)) }
    }

    /// All there is.
    pub(crate) fn bytes_max(&self) -> usize {
        self.units * UNIT
    }

    /// Waits for room. Fair: first come, first served. Who needs more than there is gets all there is, so it is alone.
    pub(crate) async fn take(&self, bytes: usize) -> Share {
        self.room.clone().acquire_many_owned(self.units_of(bytes)).await.expect("the semaphore is never closed")
    }

    /// Room that is there now.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Share> {
        self.room.clone().try_acquire_many_owned(self.units_of(bytes)).ok()
    }

    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT).min(self.units)).expect("budgets are far below 4 TiB")
    }
}

/// Keeps of a share what is needed.
pub(crate) fn shrink(mut share: Share, bytes: usize) -> Share {
    let kept = bytes.div_ceil(UNIT).min(share.num_permits());
    share.split(kept).expect("no more than there are")
}

/// Who waits, so that who holds room idly can be asked to go.
#[derive(Default)]
pub(crate) struct Waiting(AtomicUsize);

impl Waiting {
    /// Whether anybody does.
    pub(crate) fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Waits for room; counted only while it is not there. A cancelled caller is no longer counted.
    pub(crate) async fn wait<T>(&self, room: impl Future<Output = T>) -> T {
        let mut room = pin!(room);
        if let Some(at_once) = room.as_mut().now_or_never() {
            return at_once;
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(&self.0);
        room.await
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
