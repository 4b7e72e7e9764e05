//! Requests that are being worked on, and those that wait for room.
//!
//! Whoever waits for room waits for other clients, up to [`ROOM_WAIT_MAX`](crate::options::ROOM_WAIT_MAX), and is not being
//! worked on: else clients that take no answers would use up, by waiting for each other, the places of all requests, also of
//! those that need no room. There are so many places to wait in, and no more of them for one origin than leaves some to others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::turns::Origin;
use crate::errors::Code;
use crate::options::{ROOM_WAITERS_MAX, ROOM_WAITERS_OF_ORIGIN_MAX};
use crate::problem::Refused;

/// Counts the requests of a node.
pub(crate) struct Places {
    working_max: usize,
    /// Begun and not answered, those that wait included.
    begun: AtomicUsize,
    waiting: AtomicUsize,
    /// Those of each origin that has some.
    of_origins: Mutex<BTreeMap<Origin, usize>>,
}

impl Places {
    pub(super) fn new(working_max: usize) -> Places {
        let (begun, waiting) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Places { working_max, begun, waiting, of_origins: Mutex::default() }
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
    pub(crate) fn wait(&self, origin: Origin) -> Result<Waits<'_>, Refused> {
        let mut of_origins = self.of_origins.lock();
        let of_origin = of_origins.get(&origin).copied().unwrap_or_default();
        if of_origin >= ROOM_WAITERS_OF_ORIGIN_MAX || self.waiting.load(Ordering::Relaxed) >= ROOM_WAITERS_MAX {
            let detail = "as many requests as may be wait for room; try again in a moment";
            return Err(Refused::new(Code::Overloaded, detail));
        }
        of_origins.insert(origin, of_origin + 1);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Ok(Waits { places: self, origin })
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
    origin: Origin,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut of_origins = self.places.of_origins.lock();
        self.places.waiting.fetch_sub(1, Ordering::Relaxed);
        let of_origin = of_origins.get_mut(&self.origin).expect("it is there while somebody waits");
        *of_origin -= 1;
        if *of_origin == 0 {
            of_origins.remove(&self.origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_leaves_its_place_to_others() {
        let (places, origin) = (Places::new(1), Origin::of([127, 0, 0, 1].into()));
        let first = places.begin().expect("nobody is worked on");
        assert!(places.begin().is_none());
        assert!(places.begin().is_none(), "who was refused has no place");
        let waits = places.wait(origin).unwrap();
        let second = places.begin().expect("the first one waits");
        assert!(places.begin().is_none());
        drop(waits);
        assert!(places.begin().is_none());
        drop((first, second));
        assert!(places.begin().is_some());
    }

    #[test]
    fn no_origin_takes_all_places_to_wait_in() {
        let places = Places::new(1);
        let origin = |number: u8| Origin::of([127, 0, 0, number].into());
        let all = (0..ROOM_WAITERS_OF_ORIGIN_MAX).map(|_| places.wait(origin(1)).unwrap()).collect::<Vec<_>>();
        assert!(places.wait(origin(1)).is_err());
        let other = places.wait(origin(2)).unwrap();
        drop((all, other));
        assert!(places.of_origins.lock().is_empty());
        let mut all = Vec::new();
        for number in 0..=255 {
            all.extend((0..ROOM_WAITERS_OF_ORIGIN_MAX).map_while(|_| places.wait(origin(number)).ok()));
        }
        assert_eq!((all.len(), places.waiting()), (ROOM_WAITERS_MAX, ROOM_WAITERS_MAX));
    }
}
