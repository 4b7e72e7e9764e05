//! Room in memory that many share: who waits for it is counted, so that who holds it idly can be asked to go.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::options::{ANSWER_BYTES_WHEN_SHORT, LARGE_FRAME_BYTES};

/// Bytes per permit, so that the count fits a semaphore.
const UNIT: usize = 1024;

/// Who waits.
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

/// Large frames that are on their way wait here for each other, so that small ones never wait behind them.
pub(crate) struct LargeFrames {
    units: usize,
    room: Arc<Semaphore>,
}

impl LargeFrames {
    pub(crate) fn new(bytes_max: usize) -> LargeFrames {
        let units = (bytes_max / UNIT).max(1);
        LargeFrames { units, room: Arc::new(Semaphore::new(units)) }
    }

    /// To be held until the frame is there. One that is larger than all the room takes all of it.
    pub(crate) async fn enter(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes <= LARGE_FRAME_BYTES {
            return None;
        }
        Some(acquire(&self.room, bytes.div_ceil(UNIT).min(self.units)).await)
    }
}

/// Memory for the records of Fetch answers. When it is short, answers become smaller: they then fit the kernel's buffers,
/// so that a client that takes nothing holds little, and a part that is kept for them goes round quickly.
pub(crate) struct AnswerMemory {
    main: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    spare_bytes: usize,
    pub(crate) waiting: Waiting,
}

impl AnswerMemory {
    pub(crate) fn new(bytes_max: usize) -> AnswerMemory {
        let spare_bytes = (bytes_max / 4).max(UNIT);
        let main = bytes_max.saturating_sub(spare_bytes);
        AnswerMemory {
            main: Arc::new(Semaphore::new(main / UNIT)),
            spare: Arc::new(Semaphore::new(spare_bytes / UNIT)),
            spare_bytes: spare_bytes / UNIT * UNIT,
            waiting: Waiting::default(),
        }
    }

    /// Room for `bytes`, or when it is short, for fewer; and for how many. Waits for answers of other connections to be
    /// written, which takes no longer than clients that do not read are put up with.
    pub(crate) async fn take(&self, bytes: usize) -> (OwnedSemaphorePermit, usize) {
        let units = u32::try_from(bytes.div_ceil(UNIT)).expect("one answer is far below 4 TiB");
        if let Ok(room) = self.main.clone().try_acquire_many_owned(units) {
            return (room, bytes);
        }
        let bytes = bytes.min(ANSWER_BYTES_WHEN_SHORT).min(self.spare_bytes);
        (self.waiting.wait(acquire(&self.spare, bytes.div_ceil(UNIT))).await, bytes)
    }
}

async fn acquire(room: &Arc<Semaphore>, units: usize) -> OwnedSemaphorePermit {
    let units = u32::try_from(units).expect("bounds in memory are far below 4 TiB");
    room.clone().acquire_many_owned(units).await.expect("the semaphore is never closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test]
    async fn answers_become_smaller_when_memory_is_short() {
        let memory = AnswerMemory::new(16 * MIB);
        let (main, granted) = memory.take(12 * MIB).await;
        assert_eq!(granted, 12 * MIB);
        let (spare, granted) = memory.take(12 * MIB).await;
        assert_eq!(granted, ANSWER_BYTES_WHEN_SHORT);
        drop((main, spare));
        assert_eq!(memory.take(12 * MIB).await.1, 12 * MIB);
    }

    #[tokio::test]
    async fn whoever_waits_is_counted_until_it_has_room_or_gives_up() {
        let memory = AnswerMemory::new(4 * MIB);
        let (held, granted) = memory.take(16 * MIB).await;
        assert_eq!(granted, MIB);
        let waits = memory.take(16 * MIB);
        let mut waits = std::pin::pin!(waits);
        assert!(waits.as_mut().now_or_never().is_none());
        assert!(memory.waiting.is_any());
        drop(held);
        assert!(waits.as_mut().now_or_never().is_some());
        let gives_up = Waiting::default();
        assert!(gives_up.wait(std::future::pending::<()>()).now_or_never().is_none());
        assert!(!gives_up.is_any());
    }

    #[tokio::test]
    async fn small_frames_do_not_wait_for_large_ones() {
        let frames = LargeFrames::new(64 * MIB);
        let all = frames.enter(100 * MIB).await;
        assert!(all.is_some());
        assert!(frames.enter(LARGE_FRAME_BYTES + 1).now_or_never().is_none());
        assert!(frames.enter(LARGE_FRAME_BYTES).now_or_never().is_some());
    }
}
