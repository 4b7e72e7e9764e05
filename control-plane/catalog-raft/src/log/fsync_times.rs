//! How long the log took to be durable, the last times.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// How many are remembered.
const TIMES: usize = 1_024;
/// Of these, one in so many may be longer than what is told.
const LONGER_ONE_IN: usize = 100;

/// A ring of durations, written by one thread and read by whoever asks.
pub(crate) struct FsyncTimes {
    noted: AtomicU64,
    micros: [AtomicU32; TIMES],
}

impl FsyncTimes {
    pub(crate) fn new() -> FsyncTimes {
        FsyncTimes { noted: AtomicU64::new(0), micros: [const { AtomicU32::new(0) }; TIMES] }
    }

    pub(crate) fn note(&self, took: Duration) {
        let at = self.noted.fetch_add(1, Ordering::Relaxed) as usize % TIMES;
        self.micros[at].store(u32::try_from(took.as_micros()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// What 99 in 100 of them did not exceed; none before the first.
    pub(crate) fn p99(&self) -> Option<Duration> {
        let noted = self.noted.load(Ordering::Relaxed).min(TIMES as u64) as usize;
        let mut micros = Vec::from_iter(self.micros[..noted].iter().map(|it| it.load(Ordering::Relaxed)));
        let at = noted.checked_sub(1 + noted / LONGER_ONE_IN)?;
        let (_, p99, _) = micros.select_nth_unstable(at);
        Some(Duration::from_micros(u64::from(*p99)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_count_and_one_in_a_hundred_may_be_longer() {
        let times = FsyncTimes::new();
        let p99 = |times: &FsyncTimes| times.p99().map(|it| it.as_micros());
        assert_eq!(p99(&times), None);
        times.note(Duration::from_micros(7));
        assert_eq!(p99(&times), Some(7));
        (1..=100).for_each(|micros| times.note(Duration::from_micros(micros)));
        assert_eq!(p99(&times), Some(99));
        times.note(Duration::from_secs(10_000));
        assert_eq!(p99(&times), Some(100), "one is longer");
        (0..TIMES).for_each(|_| times.note(Duration::from_micros(3)));
        assert_eq!(p99(&times), Some(3), "all others are forgotten");
    }
}
