//! Requests that are being worked on, and those that wait for room.
//!
//! Whoever waits for room waits for other clients, up to [`ROOM_WAIT_MAX`](crate::options::ROOM_WAIT_MAX), and is not being
//! worked on: else clients that take no answers would use up, by waiting for each other, the places of all requests, also of
//! those that need no room. There are so many places to wait in, and no more of them for one address than leaves some to others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::turns::Address;
use crate::errors::Code;
use crate::options::{ROOM_WAITERS_MAX, ROOM_WAITERS_OF_ADDRESS_MAX};
use crate::problem::Refused;

/// Counts the requests of a node.
pub(crate) struct Places {
    working_max: usize,
    /// Begun and not answered, those that wait included.
    begun: AtomicUsize,
    waiting: AtomicUsize,
    /// Those of each address that has some.
    of_addresses: Mutex<BTreeMap<Address, usize>>,
}

impl Places {
    pub(super) fn new(working_max: usize) -> Places {
        let (begun, waiting) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Places { working_max, begun, waiting, of_addresses: Mutex::default() }
    }

    /// A place to be worked on, while one is free. Who has waited for room goes on without asking, so that for a moment there
    /// may be as many more as there are places to wait in.
    pub(crate) fn begin(&self) -> Option<Begun<'_>> {
        let before = self.begun.fetch_add(1, Ordering::Relaxed);
        let begun = Begun(self);
        (before.saturating_sub(self.waiting.load(Ordering::Relaxed)) < self.working_max).then_some(begun)
    }

    /// A place to wait in, whose request is not being worked on.
    ///
    /// # Errors
    /// When there are as many as may be.
    pub(crate) fn wait(&self, address: Address) -> Result<Waits<'_>, Refused> {
        let mut of_addresses = self.of_addresses.lock();
        let of_address = of_addresses.get(&address).copied().unwrap_or_default();
        if of_address >= ROOM_WAITERS_OF_ADDRESS_MAX || self.waiting.load(Ordering::Relaxed) >= ROOM_WAITERS_MAX {
            let detail = "as many requests as may be wait for room; try again in a moment";
            return Err(Refused::new(Code::Overloaded, detail));
        }
        of_addresses.insert(address, of_address + 1);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Ok(Waits { places: self, address })
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
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
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut of_addresses = self.places.of_addresses.lock();
        self.places.waiting.fetch_sub(1, Ordering::Relaxed);
        let of_address = of_addresses.get_mut(&self.address).expect("it is there while somebody waits");
        *of_address -= 1;
        if *of_address == 0 {
            of_addresses.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert!(places.of_addresses.lock().is_empty());
        let mut all = Vec::new();
        for number in 0..=255 {
            all.extend((0..ROOM_WAITERS_OF_ADDRESS_MAX).map_while(|_| places.wait(address(number)).ok()));
        }
        assert_eq!((all.len(), places.waiting()), (ROOM_WAITERS_MAX, ROOM_WAITERS_MAX));
    }
}
