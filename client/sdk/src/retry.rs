//! When to try again, and when to give up.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::Error;

/// How patiently something is tried again: the pauses double from `pause_min` to `pause_max`, each shortened at random by up to
/// half, so that clients that failed together do not come back together. What the server asks to wait is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// The first pause.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// For how long it is tried, counted from the first failure. Zero: once; [`Duration::MAX`]: for ever.
    pub give_up_after: Duration,
}

impl Retries {
    /// Once, and no more.
    pub const NONE: Retries =
        Retries { pause_min: Duration::ZERO, pause_max: Duration::ZERO, give_up_after: Duration::ZERO };
}

impl Default for Retries {
    /// Pauses of 50 ms to 2 s, for 10 s.
    fn default() -> Retries {
        Retries {
            pause_min: Duration::from_millis(50),
            pause_max: Duration::from_secs(2),
            give_up_after: Duration::from_secs(10),
        }
    }
}

/// The tries of one thing.
#[derive(Debug)]
pub(crate) struct Backoff {
    retries: Retries,
    failures: u32,
    failed_at: Option<Instant>,
}

impl Backoff {
    pub(crate) fn new(retries: Retries) -> Backoff {
        Backoff { retries, failures: 0, failed_at: None }
    }

    /// It has worked: what fails next is new.
    pub(crate) fn reset(&mut self) {
        (self.failures, self.failed_at) = (0, None);
    }

    /// How long to wait before the next try; `None`: it was tried long enough.
    pub(crate) fn pause(&mut self, error: &Error) -> Option<Duration> {
        self.pause_at(Instant::now(), error)
    }

    fn pause_at(&mut self, now: Instant, error: &Error) -> Option<Duration> {
        let failed_at = *self.failed_at.get_or_insert(now);
        let doubled = self.retries.pause_min.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        let pause = doubled.min(self.retries.pause_max).mul_f64(1.0 - 0.5 * chance());
        let pause = pause.max(error.retry_after().unwrap_or_default());
        let gives_up_at = failed_at.checked_add(self.retries.give_up_after);
        gives_up_at.is_none_or(|at| now + pause < at).then_some(pause)
    }
}

/// A number from 0 to 1. It need not be good: it keeps clients apart.
fn chance() -> f64 {
    f64::from(RandomState::new().hash_one(0) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_end() {
        let retries = Retries {
            pause_min: Duration::from_millis(100),
            pause_max: Duration::from_millis(400),
            give_up_after: Duration::from_secs(5),
        };
        let mut backoff = Backoff::new(retries);
        let start = Instant::now();
        let at = |backoff: &mut Backoff, ms| backoff.pause_at(start + Duration::from_millis(ms), &Error::Closed);
        for bound_ms in [100, 200, 400, 400] {
            let pause = at(&mut backoff, 0).unwrap();
            assert!((bound_ms / 2..=bound_ms).contains(&(pause.as_millis() as u64)), "{pause:?} of {bound_ms}");
        }
        assert_eq!(at(&mut backoff, 5_000), None, "five seconds after the first failure");
        backoff.reset();
        assert!(at(&mut backoff, 5_000).unwrap() <= Duration::from_millis(100));
        assert_eq!(Backoff::new(Retries::NONE).pause(&Error::Closed), None);
    }

    #[test]
    fn what_the_server_asks_for_is_waited() {
        let problem = crate::Problem { retry_after: Some(Duration::from_secs(3)), ..Default::default() };
        let mut backoff = Backoff::new(Retries::default());
        assert_eq!(backoff.pause(&Error::Refused(problem.into())), Some(Duration::from_secs(3)));
    }
}
