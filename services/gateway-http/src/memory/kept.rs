//! What is kept because it may be needed again soon, for as long as nobody else needs its room.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Everything that is kept, the oldest first.
#[derive(Default)]
pub(super) struct AllKept {
    all: Mutex<BTreeMap<u64, Arc<dyn Revocable>>>,
    next: AtomicU64,
}

trait Revocable: Send + Sync {
    fn revoke(&self);
}

impl<T: Send> Revocable for Mutex<Option<T>> {
    fn revoke(&self) {
        let revoked = self.lock().take();
        drop(revoked);
    }
}

/// Something that is kept, if it still is.
pub(crate) struct Kept<T> {
    place: Arc<Mutex<Option<T>>>,
    number: u64,
    of: Arc<AllKept>,
}

impl AllKept {
    pub(super) fn keep<T: Send + 'static>(self: &Arc<Self>, value: T) -> Kept<T> {
        let place = Arc::new(Mutex::new(Some(value)));
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.all.lock().insert(number, place.clone());
        Kept { place, number, of: self.clone() }
    }

    /// Gives up what was kept for longest. False when there is nothing.
    pub(super) fn revoke_oldest(&self) -> bool {
        let oldest = self.all.lock().pop_first();
        let Some((_, oldest)) = oldest else { return false };
        oldest.revoke();
        true
    }
}

impl<T> Kept<T> {
    /// It, unless its room was needed.
    pub(crate) fn take(self) -> Option<T> {
        self.place.lock().take()
    }

    pub(super) fn revoke(&self) {
        let revoked = self.place.lock().take();
        drop(revoked);
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        self.of.all.lock().remove(&self.number);
    }
}
