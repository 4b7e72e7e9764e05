//! One account: it fills with time, is emptied by use, and may be overdrawn.

use std::time::Duration;

/// The longest that somebody is told to wait. What it owes beyond that it still owes afterwards.
pub const THROTTLE_MAX: Duration = Duration::from_secs(3_600);

/// What may still be used. Kafka looks back over windows of a second, of which ten are whole; that allows as much in the
/// long run as ten seconds' worth to begin with and the rate from then on, and this needs no windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    /// Negative when more was used than there was.
    left: f64,
    /// In a second.
    rate: f64,
    /// What there may be at most.
    burst: f64,
    at: Duration,
}

impl Bucket {
    /// Of somebody who has used nothing lately.
    pub(crate) fn full(rate: f64, burst_seconds: f64, now: Duration) -> Bucket {
        let burst = rate * burst_seconds;
        Bucket { left: burst, rate, burst, at: now }
    }

    /// Goes on at another rate from `now` on. What is owed is owed still.
    pub(crate) fn set(&mut self, rate: f64, burst_seconds: f64, now: Duration) {
        self.fill(now);
        self.rate = rate;
        self.burst = rate * burst_seconds;
        self.left = self.left.min(self.burst);
    }

    /// Uses some. Says how long it takes until nothing is owed.
    pub(crate) fn take(&mut self, amount: f64, now: Duration) -> Duration {
        self.fill(now);
        self.left -= amount;
        self.wait()
    }

    /// How long it takes until nothing is owed.
    pub(crate) fn debt(&mut self, now: Duration) -> Duration {
        self.fill(now);
        self.wait()
    }

    /// Whether it is as good as a new one.
    pub(crate) fn is_full(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.left >= self.burst
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at);
        self.at = self.at.max(now);
        self.left = (self.left + passed.as_secs_f64() * self.rate).min(self.burst);
    }

    fn wait(&self) -> Duration {
        if self.left >= 0.0 {
            return Duration::ZERO;
        }
        // A rate is more than zero. One that is tiny makes this larger than a duration can be.
        Duration::try_from_secs_f64(-self.left / self.rate).unwrap_or(THROTTLE_MAX).min(THROTTLE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BURST_SECONDS: f64 = 10.0;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn ten_seconds_worth_is_free_and_what_is_beyond_takes_its_time() {
        let mut bucket = Bucket::full(100.0, BURST_SECONDS, seconds(5.0));
        assert_eq!(bucket.take(1_000.0, seconds(5.0)), Duration::ZERO);
        assert_eq!(bucket.take(50.0, seconds(5.0)), seconds(0.5));
        assert_eq!(bucket.debt(seconds(5.2)), seconds(0.3));
        assert_eq!(bucket.take(100.0, seconds(5.5)), seconds(1.0));
        assert_eq!(bucket.debt(seconds(6.5)), Duration::ZERO);
        assert!(!bucket.is_full(seconds(16.4)) && bucket.is_full(seconds(16.6)));
        assert_eq!(bucket.take(1_000.0, seconds(1_000.0)), Duration::ZERO, "it never holds more than when it was new");
        assert_eq!(bucket.take(1.0, seconds(1_000.0)), seconds(0.01));
    }

    #[test]
    fn time_that_goes_back_gives_nothing() {
        let mut bucket = Bucket::full(1.0, BURST_SECONDS, seconds(10.0));
        bucket.take(10.0, seconds(10.0));
        assert_eq!(bucket.take(1.0, seconds(3.0)), seconds(1.0));
        assert_eq!(bucket.debt(seconds(10.5)), seconds(0.5));
    }

    #[test]
    fn nobody_waits_for_ever() {
        let mut bucket = Bucket::full(1e-300, BURST_SECONDS, Duration::ZERO);
        assert_eq!(bucket.take(1e9, Duration::ZERO), THROTTLE_MAX);
        assert_eq!(bucket.debt(THROTTLE_MAX), THROTTLE_MAX, "what is owed is owed still");
    }

    #[test]
    fn another_rate_holds_from_now_on() {
        let mut bucket = Bucket::full(100.0, BURST_SECONDS, Duration::ZERO);
        bucket.take(1_100.0, Duration::ZERO);
        bucket.set(10.0, BURST_SECONDS, Duration::ZERO);
        assert_eq!(bucket.debt(Duration::ZERO), seconds(10.0));
        bucket.set(1_000.0, BURST_SECONDS, seconds(5.0));
        assert_eq!(bucket.debt(seconds(5.0)), seconds(0.05));
        let mut bucket = Bucket::full(100.0, BURST_SECONDS, Duration::ZERO);
        bucket.set(1.0, BURST_SECONDS, Duration::ZERO);
        assert_eq!(bucket.take(11.0, Duration::ZERO), seconds(1.0), "no more than the new one may hold");
    }

    proptest! {
        /// Somebody who waits as long as it is told each time gets its rate and ten seconds' worth, and one amount at most.
        #[test]
        fn who_waits_gets_its_rate(rate in 1.0..1e6_f64, amounts in prop::collection::vec(0.0..1e6_f64, 1..200)) {
            let mut bucket = Bucket::full(rate, BURST_SECONDS, Duration::ZERO);
            let (mut now, mut used) = (0.0, 0.0);
            for amount in &amounts {
                // No wait is cut short here.
                let wait = bucket.take(amount.min(rate * 1_000.0), seconds(now)).as_secs_f64();
                used += amount.min(rate * 1_000.0);
                now += wait;
                prop_assert!(used <= rate * (now + BURST_SECONDS) * 1.000_001 + 1.0, "{used} in {now} s at {rate}");
                if wait > 0.0 {
                    prop_assert!(used >= rate * (now + BURST_SECONDS) * 0.999_999 - 1.0, "{used} in {now} s at {rate}");
                }
            }
        }
    }
}
