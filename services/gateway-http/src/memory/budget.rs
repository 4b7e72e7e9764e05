//! Bytes that may be held at once.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::turns::{Address, Turns};

/// Bytes per permit, so that the count fits a semaphore.
const UNIT: usize = 1024;

/// A part of a budget; given back when dropped.
pub(crate) type Share = OwnedSemaphorePermit;

/// Bytes that may be held at once.
pub(crate) struct Budget {
    units: usize,
    room: Arc<Semaphore>,
    /// Units that are waited for.
    waiting: AtomicUsize,
    /// Where clients wait for their turn to wait for room.
    turns: Turns,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Budget {
        let units = (bytes_max / UNIT).max(1);
        Budget { units, room: Arc::new(Semaphore::new(units)), waiting: AtomicUsize::new(0), turns: Turns::default() }
    }

    /// Waits for room. Fair: first come, first served. Who needs more than there is gets all there is, so it is alone. A
    /// cancelled caller leaves nothing behind.
    pub(crate) async fn take(&self, bytes: usize) -> Share {
        let units = self.units_of(bytes);
        let taken = self.room.clone().acquire_many_owned(units);
        let mut taken = pin!(taken.map(|share| share.expect("the semaphore is never closed")));
        if let Some(at_once) = taken.as_mut().now_or_never() {
            return at_once;
        }
        let _counted = Counted::new(&self.waiting, units as usize);
        taken.await
    }

    /// The same for a client: whoever comes from where others wait already is behind those, and not before or behind anybody
    /// else. Room that is there while nobody waits is had at once.
    pub(crate) async fn take_in_turn(&self, address: Address, bytes: usize) -> Share {
        if let Some(at_once) = self.try_take_unwanted(bytes) {
            return at_once;
        }
        let units = self.units_of(bytes);
        let _counted = Counted::new(&self.waiting, units as usize);
        let _turn = self.turns.come(address).await;
        self.room.clone().acquire_many_owned(units).await.expect("the semaphore is never closed")
    }

    /// Room that is there now and that nobody waits for, in a line or for the turn of one.
    pub(crate) fn try_take_unwanted(&self, bytes: usize) -> Option<Share> {
        if self.is_wanted() { None } else { self.try_take(bytes) }
    }

    /// Room that is there now, before those whose turn to wait for it has not come.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Share> {
        self.room.clone().try_acquire_many_owned(self.units_of(bytes)).ok()
    }

    /// Whether anybody waits for room.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// How much more is waited for than there is.
    pub(crate) fn missing_bytes(&self) -> usize {
        UNIT * self.waiting.load(Ordering::SeqCst).saturating_sub(self.room.available_permits())
    }

    /// Whether less than half of it is left.
    pub(crate) fn is_half_taken(&self) -> bool {
        self.room.available_permits() < self.units / 2
    }

    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT).min(self.units)).expect("budgets are far below 4 TiB")
    }
}

struct Counted<'a>(&'a AtomicUsize, usize);

impl<'a> Counted<'a> {
    fn new(waiting: &'a AtomicUsize, units: usize) -> Counted<'a> {
        waiting.fetch_add(units, Ordering::SeqCst);
        Counted(waiting, units)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::SeqCst);
    }
}

/// Gives back what is more than `bytes`.
pub(super) fn shrink(share: &mut Share, bytes: usize) {
    let kept = bytes.div_ceil(UNIT).max(1);
    if let Some(more) = share.num_permits().checked_sub(kept) {
        drop(share.split(more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_their_turn_however_many_wait_of_one() {
        let budget = Budget::new(2 * UNIT);
        let (one, other) = (Address::of([127, 0, 0, 1].into()), Address::of([127, 0, 0, 2].into()));
        let held = budget.take_in_turn(one, 2 * UNIT).now_or_never().expect("all of it is there");
        let mut waiting = (0..100).map(|_| Box::pin(budget.take_in_turn(one, UNIT))).collect::<Vec<_>>();
        for one in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        let mut late = Box::pin(budget.take_in_turn(other, 2 * UNIT));
        assert!(late.as_mut().now_or_never().is_none());
        assert_eq!(budget.missing_bytes(), 102 * UNIT, "all of them are waited for");
        drop(held);
        let first = waiting[0].as_mut().now_or_never().expect("it came first");
        assert!(waiting[1].as_mut().now_or_never().is_none(), "the other address is before it");
        drop(first);
        assert!(late.now_or_never().is_some());
        assert!(waiting[1].as_mut().now_or_never().is_some());
    }

    #[test]
    fn nobody_passes_those_who_wait() {
        let budget = Budget::new(UNIT);
        let address = Address::of([127, 0, 0, 1].into());
        let held = budget.try_take_unwanted(UNIT).expect("nobody waits");
        let mut first = Box::pin(budget.take_in_turn(address, UNIT));
        let mut second = Box::pin(budget.take_in_turn(address, UNIT));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        drop(held);
        drop(first.now_or_never().expect("its turn has come"));
        // The turn is the second's by now, which has not run since.
        assert!(budget.try_take_unwanted(UNIT).is_none());
        assert!(budget.take_in_turn(address, UNIT).now_or_never().is_none());
        assert!(second.now_or_never().is_some());
        assert!(budget.try_take_unwanted(UNIT).is_some());
    }

    #[tokio::test]
    async fn what_is_not_needed_is_given_back() {
        let budget = Budget::new(4 * UNIT);
        let mut share = budget.take(4 * UNIT).await;
        assert!(budget.try_take(1).is_none());
        shrink(&mut share, UNIT + 1);
        let rest = budget.try_take(2 * UNIT).expect("as much was given back");
        assert!(budget.try_take(1).is_none());
        drop(share);
        shrink(&mut budget.try_take(1).expect("and the rest with the share"), 2 * UNIT);
        drop(rest);
        assert!(budget.try_take(100 * UNIT).is_some(), "all there is");
    }
}
