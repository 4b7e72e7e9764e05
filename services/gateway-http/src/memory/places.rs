//! Requests that are being worked on, and those that wait for room.
//!
//! Whoever waits for room waits for other clients, up to [`ROOM_WAIT_MAX`](crate::options::ROOM_WAIT_MAX), and is not being
//! worked on: else clients that take no answers would use up, by waiting for each other, the places of all requests, also of
//! those that need no room. There are so many places to wait in, and no more of them for one address than leaves some to others.
//! When all are taken, whoever comes from where fewer wait has the place of the one that came last from where most do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tidelog_host::Clock;
use tokio::sync::Notify;

use super::turns::Address;
use crate::errors::Code;
use crate::options::{ROOM_WAIT_MAX, ROOM_WAITERS_MAX, ROOM_WAITERS_OF_ADDRESS_MAX};
use crate::problem::Refused;

/// Counts the requests of a node.
pub(crate) struct Places {
    working_max: usize,
    /// Begun and not answered, those that wait included.
    begun: AtomicUsize,
    waiting: AtomicUsize,
    lines: Mutex<Lines>,
}

/// Those who wait, by the addresses that somebody waits from, in the order in which they came.
#[derive(Default)]
struct Lines {
    of_addresses: BTreeMap<Address, BTreeMap<u64, Arc<Notify>>>,
    next: u64,
}

impl Places {
    pub(super) fn new(working_max: usize) -> Places {
        let (begun, waiting) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Places { working_max, begun, waiting, lines: Mutex::default() }
    }

    /// A place to be worked on, while one is free. Who has waited for room goes on without asking, so that for a moment there
    /// may be as many more as there are places to wait in.
    pub(crate) fn begin(&self) -> Option<Begun<'_>> {
        let before = self.begun.fetch_add(1, Ordering::Relaxed);
        let begun = Begun(self);
        (before.saturating_sub(self.waiting.load(Ordering::Relaxed)) < self.working_max).then_some(begun)
    }

    /// The same for what is answered also when none is free. It has to begin all the same before it waits: what waits counts as
    /// one of those that have begun, and would make place for one more of them.
    pub(crate) fn begin_regardless(&self) -> Begun<'_> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Begun(self)
    }

    /// A place to wait in, whose request has begun and is not being worked on.
    ///
    /// # Errors
    /// When there are as many as may be, and nowhere more than where this comes from.
    pub(crate) fn wait(&self, address: Address) -> Result<Waits<'_>, Refused> {
        let mut lines = self.lines.lock();
        let of_address = lines.of_addresses.get(&address).map_or(0, BTreeMap::len);
        let is_full = self.waiting.load(Ordering::Relaxed) >= ROOM_WAITERS_MAX;
        if of_address >= ROOM_WAITERS_OF_ADDRESS_MAX || (is_full && !lines.give_up_one(of_address)) {
            let detail = "as many requests as may be wait for room; try again in a moment";
            return Err(Refused::new(Code::Overloaded, detail));
        }
        if !is_full {
            self.waiting.fetch_add(1, Ordering::Relaxed);
        }
        let (number, given_up) = (lines.next, Arc::new(Notify::new()));
        lines.next += 1;
        lines.of_addresses.entry(address).or_default().insert(number, given_up.clone());
        Ok(Waits { places: self, address, number, given_up })
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Lines {
    /// Takes the place of the last of the longest line, if it stays no shorter than one that has `fewer` and gets one more.
    fn give_up_one(&mut self, fewer: usize) -> bool {
        let longest = self.of_addresses.values_mut().max_by_key(|line| line.len());
        let last = longest.filter(|line| line.len() > fewer + 1).and_then(BTreeMap::pop_last);
        if let Some((_, given_up)) = &last {
            given_up.notify_one();
        }
        last.is_some()
    }
}

/// A request that has begun.
pub(crate) struct Begun<'a>(&'a Places);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.begun.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that waits.
pub(crate) struct Waits<'a> {
    places: &'a Places,
    address: Address,
    number: u64,
    /// Told when its place is another's.
    given_up: Arc<Notify>,
}

impl Waits<'_> {
    /// Waits until `room` is there. A cancelled caller leaves nothing behind that `room` does not.
    ///
    /// # Errors
    /// When there was none in time, as `detail` says, or the place to wait in was needed.
    pub(super) async fn until<T>(
        self,
        clock: &Clock,
        room: impl Future<Output = T>,
        detail: &str,
    ) -> Result<T, Refused> {
        tokio::select! {
            biased;
            room = room => Ok(room),
            () = self.given_up.notified() => {
                let detail = "too many requests from the same address wait for room, and others come; try again in a moment";
                Err(Refused::new(Code::Overloaded, detail))
            }
            () = clock.sleep(ROOM_WAIT_MAX) => Err(Refused::new(Code::Overloaded, detail)),
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut lines = self.places.lines.lock();
        // Its line is gone when all that were in it were given up.
        let Some(line) = lines.of_addresses.get_mut(&self.address) else { return };
        // Unless its place is another's, which counts in its stead.
        if line.remove(&self.number).is_some() {
            self.places.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        if line.is_empty() {
            lines.of_addresses.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn who_waits_leaves_its_place_to_others() {
        let (places, address) = (Places::new(1), Address::of([127, 0, 0, 1].into()));
        let first = places.begin().expect("nobody is worked on");
        assert!(places.begin().is_none());
        assert!(places.begin().is_none(), "who was refused has no place");
        let waits = places.wait(address).unwrap();
        let second = places.begin().expect("the first one waits");
        assert!(places.begin().is_none());
        drop(waits);
        assert!(places.begin().is_none());
        drop((first, second));
        assert!(places.begin().is_some());
    }

    #[test]
    fn no_address_takes_all_places_to_wait_in() {
        let places = Places::new(1);
        let address = |number: u8| Address::of([127, 0, 0, number].into());
        let all = (0..ROOM_WAITERS_OF_ADDRESS_MAX).map(|_| places.wait(address(1)).unwrap()).collect::<Vec<_>>();
        assert!(places.wait(address(1)).is_err());
        let other = places.wait(address(2)).unwrap();
        drop((all, other));
        assert!(places.lines.lock().of_addresses.is_empty());
    }

    #[tokio::test]
    async fn who_comes_from_elsewhere_has_a_place_of_those_who_have_most() {
        let (places, clock) = (Places::new(1), Clock::real());
        let address = |number: u8| Address::of([127, 0, 0, number].into());
        let of_four = (0..ROOM_WAITERS_MAX).map(|at| places.wait(address((at % 4) as u8)).unwrap());
        let mut of_four = of_four.collect::<Vec<_>>();
        assert!(places.wait(address(0)).is_err(), "nobody has more than it has");
        let mut fifth = Vec::new();
        while let Ok(waits) = places.wait(address(4)) {
            fifth.push(waits);
        }
        assert_eq!(places.waiting(), ROOM_WAITERS_MAX);
        assert_eq!(fifth.len(), ROOM_WAITERS_MAX / 5, "an equal share");
        // The last that came have given up theirs, the first have not.
        let last = of_four.pop().unwrap().until(&clock, std::future::pending::<()>(), "").now_or_never();
        assert_eq!(last.unwrap().unwrap_err().code(), Code::Overloaded);
        let first = of_four.swap_remove(0).until(&clock, std::future::pending::<()>(), "").now_or_never();
        assert!(first.is_none(), "it waits on");
        drop((of_four, fifth));
        assert_eq!(places.waiting(), 0);
        assert!(places.lines.lock().of_addresses.is_empty());
    }

    #[test]
    fn what_is_answered_regardless_makes_no_place_by_waiting() {
        let (places, address) = (Places::new(1), Address::of([127, 0, 0, 1].into()));
        let scrapes = (0..10).map(|_| (places.begin_regardless(), places.wait(address).unwrap())).collect::<Vec<_>>();
        let first = places.begin().expect("nobody is worked on");
        assert!(places.begin().is_none());
        drop((scrapes, first));
        assert!(places.begin().is_some());
    }
}
