//! When a group that began late has come to the tail: everywhere, and not where it came first.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::plan::Plan;
use crate::schedule::Moment;

/// A record that is no older than that is at the tail.
const TAIL: Duration = Duration::from_secs(1);

/// What was acknowledged of each place, and how many places a late group has yet to catch up with.
#[derive(Debug)]
pub(crate) struct Tail {
    acknowledged: Vec<AtomicU64>,
    /// Places that are behind, and when the last one was not any more.
    state: Mutex<(usize, Moment)>,
}

impl Tail {
    /// Nothing where no group begins late.
    pub(crate) fn of(plan: &Plan) -> Option<Tail> {
        plan.workload.catch_up_after_seconds?;
        let places = plan.workload.places() as usize;
        Some(Tail {
            acknowledged: (0..places).map(|_| AtomicU64::new(0)).collect(),
            state: Mutex::new((places, Moment(0))),
        })
    }

    pub(crate) fn acknowledged(&self, place: u32) {
        self.acknowledged[place as usize].fetch_add(1, Relaxed);
    }

    /// When the last place was at the tail, if all are.
    pub(crate) fn caught_up(&self) -> Option<Moment> {
        let (behind, last) = *self.state.lock().expect("nobody panics with it");
        (behind == 0).then_some(last)
    }
}

/// The places of one consumer of the late group.
pub(crate) struct Behind<'a> {
    tail: &'a Tail,
    /// Those that are behind.
    places: Vec<u32>,
    /// By place, of all: what was received, and whether the last of it was young when it came.
    received: Vec<(u64, bool)>,
}

impl<'a> Behind<'a> {
    pub(crate) fn of(tail: &'a Tail, places: &[u32]) -> Behind<'a> {
        Behind { tail, places: places.to_vec(), received: vec![(0, false); tail.acknowledged.len()] }
    }

    /// A record came.
    pub(crate) fn note(&mut self, place: u32, intended: Moment, at: Moment) {
        let received = &mut self.received[place as usize];
        *received = (received.0 + 1, intended.plus(TAIL) > at);
    }

    /// Looks at places that were behind. One is at the tail when what comes from it is young, or when all has come that was
    /// acknowledged: of a place that is seldom written to nothing young may come.
    pub(crate) fn look(&mut self, now: Moment) {
        let before = self.places.len();
        let Behind { tail, places, received } = self;
        places.retain(|place| {
            let (count, is_young) = received[*place as usize];
            !is_young && count < tail.acknowledged[*place as usize].load(Relaxed)
        });
        if places.len() < before {
            let mut state = tail.state.lock().expect("nobody panics with it");
            *state = (state.0 - (before - places.len()), state.1.max(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Workload;

    const NOW: Moment = Moment(10_000_000_000);
    const YOUNG: Moment = Moment(9_500_000_000);
    const OLD: Moment = Moment(5_000_000_000);

    #[test]
    fn a_group_is_at_the_tail_when_every_place_is() {
        let set = ["partitions=3", "consumers=2", "catch_up_after_seconds=2"].map(str::to_owned);
        let tail = Tail::of(&Plan::new(Workload::load("w4", &set).unwrap(), 1)).unwrap();
        for place in [0, 0, 1, 1] {
            tail.acknowledged(place);
        }
        let (mut first, mut second) = (Behind::of(&tail, &[0, 2]), Behind::of(&tail, &[1]));
        // Nothing was written to place 2; of place 0 only what is old has come.
        first.note(0, OLD, NOW);
        first.look(NOW);
        second.note(1, YOUNG, NOW);
        second.look(NOW);
        assert_eq!(tail.caught_up(), None, "place 0 is behind");
        // The rest of it is as old, but nothing more was acknowledged.
        let later = NOW.plus(TAIL);
        first.note(0, OLD, later);
        first.look(later);
        assert_eq!(tail.caught_up(), Some(later));
    }

    #[test]
    fn who_has_not_begun_is_behind() {
        let set = ["partitions=3", "consumers=2", "catch_up_after_seconds=2"].map(str::to_owned);
        let tail = Tail::of(&Plan::new(Workload::load("w4", &set).unwrap(), 1)).unwrap();
        assert_eq!(tail.caught_up(), None);
        assert!(Tail::of(&Plan::new(Workload::load("w4", &[]).unwrap(), 1)).is_none());
    }
}
