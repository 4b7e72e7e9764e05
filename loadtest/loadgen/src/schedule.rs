//! When every record is to be sent, fixed before the first one is: nothing that the server does moves it.
//!
//! The schedule is one for the whole run. Record *k* belongs to connection *k* modulo their number, so every connection sends evenly,
//! and its neighbours do between. Moments are exact: no rounding adds up.

use std::time::{Duration, Instant};

use crate::workload::Workload;

const NANOSECONDS: u64 = 1_000_000_000;

/// Nanoseconds after the schedule began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    pub(crate) fn of_seconds(seconds: u64) -> Moment {
        Moment(seconds * NANOSECONDS)
    }

    pub(crate) fn seconds(self) -> f64 {
        self.0 as f64 / NANOSECONDS as f64
    }

    /// Microseconds since `earlier`; none when it is later.
    pub(crate) fn microseconds_since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0) / 1000
    }

    pub(crate) fn until(self, later: Moment) -> Duration {
        Duration::from_nanos(later.0.saturating_sub(self.0))
    }

    pub(crate) fn plus(self, more: Duration) -> Moment {
        Moment(self.0.saturating_add(more.as_nanos() as u64))
    }
}

/// The one clock of a run, which goes on evenly whatever happens to the time of day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    begins: Instant,
}

impl Clock {
    /// A schedule that begins a little later, when all threads are there.
    pub(crate) fn begins_in(lead: Duration) -> Clock {
        Clock { begins: Instant::now() + lead }
    }

    /// The beginning, before it.
    pub(crate) fn now(&self) -> Moment {
        Moment(Instant::now().saturating_duration_since(self.begins).as_nanos() as u64)
    }

    /// Sleeps until `moment`, whatever time it is.
    pub(crate) fn sleep_until(&self, moment: Moment) {
        let wait = (self.begins + Duration::from_nanos(moment.0)).saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }
}

/// A stretch of one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Of the run's records, the first of this stretch.
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) begins: Moment,
    pub(crate) ends: Moment,
    pub(crate) rate_per_second: u64,
}

/// The whole run: the warm-up, if there is one, then the stages.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    stretches: Vec<Stretch>,
    has_warm_up: bool,
}

impl Schedule {
    pub(crate) fn of(workload: &Workload) -> Schedule {
        let has_warm_up = workload.warm_up_seconds > 0;
        let warm_up = has_warm_up.then(|| (workload.stages[0].rate_per_second, workload.warm_up_seconds));
        let stages = workload.stages.iter().map(|stage| (stage.rate_per_second, stage.seconds));
        let (mut first, mut begins) = (0, Moment(0));
        let stretches = warm_up.into_iter().chain(stages).map(|(rate_per_second, seconds)| {
            let count = rate_per_second * u64::from(seconds);
            let ends = Moment(begins.0 + Moment::of_seconds(u64::from(seconds)).0);
            let stretch = Stretch { first, count, begins, ends, rate_per_second };
            first += count;
            begins = ends;
            stretch
        });
        Schedule { stretches: stretches.collect(), has_warm_up }
    }

    /// What is measured, without the warm-up.
    pub(crate) fn stages(&self) -> &[Stretch] {
        &self.stretches[usize::from(self.has_warm_up)..]
    }

    /// When measuring begins.
    pub(crate) fn warm_up_ends(&self) -> Moment {
        self.stages()[0].begins
    }

    pub(crate) fn ends(&self) -> Moment {
        self.stretches[self.stretches.len() - 1].ends
    }

    /// The stage of a record that was to be sent at `intended`; none in the warm-up.
    pub(crate) fn stage_of(&self, intended: Moment) -> Option<usize> {
        self.stages().iter().position(|stage| (stage.begins..stage.ends).contains(&intended))
    }

    /// When record `index` is to be sent; `from` is a stretch that is not behind it.
    fn intended(&self, index: u64, from: &mut usize) -> Option<Moment> {
        while let Some(stretch) = self.stretches.get(*from) {
            let place = index - stretch.first;
            if place < stretch.count {
                let after = u128::from(place) * u128::from(NANOSECONDS) / u128::from(stretch.rate_per_second);
                return Some(Moment(stretch.begins.0 + after as u64));
            }
            *from += 1;
        }
        None
    }
}

/// The part of a schedule that one thread sends: that of the connections it owns, which are every so many-th.
#[derive(Debug)]
pub(crate) struct Pace<'a> {
    schedule: &'a Schedule,
    connections: u64,
    threads: u64,
    thread: u64,
    next: u64,
    stretch: usize,
}

/// A record that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) connection: u32,
    pub(crate) intended: Moment,
}

impl<'a> Pace<'a> {
    pub(crate) fn new(schedule: &'a Schedule, connections: u32, threads: u32, thread: u32) -> Pace<'a> {
        let (connections, threads, thread) = (u64::from(connections), u64::from(threads), u64::from(thread));
        let mut pace = Pace { schedule, connections, threads, thread, next: 0, stretch: 0 };
        pace.skip_to_own();
        pace
    }

    /// The next record of this thread; none when there are no more.
    pub(crate) fn peek(&mut self) -> Option<Due> {
        let intended = self.schedule.intended(self.next, &mut self.stretch)?;
        Some(Due { connection: (self.next % self.connections) as u32, intended })
    }

    /// It was sent.
    pub(crate) fn pass(&mut self) {
        self.next += 1;
        self.skip_to_own();
    }

    fn skip_to_own(&mut self) {
        while self.next % self.connections % self.threads != self.thread {
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Stage;

    fn schedule(warm_up_seconds: u32, stages: &[(u64, u32)]) -> Schedule {
        let mut workload = Workload::load("w7", &[]).unwrap();
        workload.warm_up_seconds = warm_up_seconds;
        workload.stages = stages.iter().map(|&(rate_per_second, seconds)| Stage { rate_per_second, seconds }).collect();
        Schedule::of(&workload)
    }

    fn all(schedule: &Schedule, connections: u32, threads: u32, thread: u32) -> Vec<Due> {
        let mut pace = Pace::new(schedule, connections, threads, thread);
        let mut found = Vec::new();
        while let Some(due) = pace.peek() {
            found.push(due);
            pace.pass();
        }
        found
    }

    #[test]
    fn moments_are_absolute_and_exact() {
        let schedule = schedule(1, &[(3, 1), (2, 1)]);
        let moments: Vec<u64> = all(&schedule, 1, 1, 0).iter().map(|due| due.intended.0 / 1_000_000).collect();
        assert_eq!(moments, [0, 333, 666, 1000, 1333, 1666, 2000, 2500]);
        assert_eq!(schedule.warm_up_ends(), Moment::of_seconds(1));
        assert_eq!(schedule.ends(), Moment::of_seconds(3));
        assert_eq!(schedule.stage_of(Moment(999_999_999)), None);
        assert_eq!(schedule.stage_of(Moment::of_seconds(2)), Some(1));
    }

    #[test]
    fn threads_share_the_connections_and_miss_none() {
        let schedule = schedule(0, &[(1000, 1)]);
        let mut together: Vec<Due> = (0..3).flat_map(|thread| all(&schedule, 7, 3, thread)).collect();
        together.sort_by_key(|due| due.intended);
        assert_eq!(together, all(&schedule, 7, 1, 0));
        assert_eq!(together.len(), 1000);
        let of_second: Vec<u32> = all(&schedule, 7, 3, 1).iter().map(|due| due.connection).collect();
        assert!(of_second.iter().all(|connection| connection % 3 == 1));
    }
}
