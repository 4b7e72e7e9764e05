//! How much may still ride in commits.
//!
//! Each inline byte is written twice more later, so beyond a modest rate objects are cheaper. Objects are charged to the same
//! budget: a load above the rate goes to objects as a whole, rather than to small inline flushes with small objects in
//! between.

use std::time::Duration;

use tokio::time::Instant;

/// Half a second's worth of the rate may be saved up, or owed.
const SAVED_MAX: Duration = Duration::from_millis(500);

/// What is saved up of a rate.
pub(crate) struct InlineBudget {
    bytes_per_second: f64,
    /// Less than nothing: owed.
    bytes: f64,
    at: Instant,
}

impl InlineBudget {
    /// A full one.
    pub(crate) fn new(bytes_per_second: usize, now: Instant) -> InlineBudget {
        let mut budget = InlineBudget { bytes_per_second: bytes_per_second as f64, bytes: 0.0, at: now };
        budget.bytes = budget.bytes_max();
        budget
    }

    /// Takes so much of it, if that is there.
    pub(crate) fn take(&mut self, bytes: usize, now: Instant) -> bool {
        self.save(now);
        if self.bytes < bytes as f64 {
            return false;
        }
        self.spend(bytes, now);
        true
    }

    /// Charges it with what went somewhere else, or goes inline all the same.
    pub(crate) fn spend(&mut self, bytes: usize, now: Instant) {
        self.save(now);
        self.bytes = (self.bytes - bytes as f64).max(-self.bytes_max());
    }

    /// Whether anything is there.
    pub(crate) fn has_some(&mut self, now: Instant) -> bool {
        self.save(now);
        self.bytes > 0.0
    }

    /// Whether so much is there that a load above the rate cannot have left it.
    pub(crate) fn has_plenty(&mut self, now: Instant) -> bool {
        self.save(now);
        self.bytes >= self.bytes_max() / 2.0
    }

    fn save(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.bytes = (self.bytes + passed * self.bytes_per_second).min(self.bytes_max());
        self.at = now;
    }

    fn bytes_max(&self) -> f64 {
        self.bytes_per_second * SAVED_MAX.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: usize = 1_000_000;
    const FLUSH: usize = 10_000;

    /// Sends a flush every so often, inline where the budget has it and as an object where not. Which were inline?
    fn inline(apart: Duration, flushes: u32) -> Vec<bool> {
        let start = Instant::now();
        let mut budget = InlineBudget::new(RATE, start);
        (0..flushes)
            .map(|flush| {
                let now = start + apart * flush;
                let is_inline = budget.take(FLUSH, now);
                if !is_inline {
                    budget.spend(FLUSH, now);
                }
                is_inline
            })
            .collect()
    }

    #[test]
    fn a_load_below_the_rate_is_inline_as_a_whole() {
        assert!(inline(Duration::from_millis(10), 1_000).into_iter().all(|is_inline| is_inline));
    }

    #[test]
    fn a_load_above_the_rate_is_inline_until_what_was_saved_is_gone_and_then_never() {
        let inline = inline(Duration::from_millis(9), 2_000);
        let first_object = inline.iter().position(|is_inline| !is_inline).unwrap();
        assert!((400..600).contains(&first_object), "{first_object}");
        assert!(inline[first_object..].iter().all(|is_inline| !is_inline), "small objects between small commits");
    }

    #[test]
    fn a_burst_is_paid_off_within_a_second() {
        let made = Instant::now();
        let mut budget = InlineBudget::new(RATE, made);
        // What nobody took until now is not saved up for afterwards.
        let start = made + Duration::from_secs(10);
        budget.spend(1 << 30, start);
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!budget.has_some(at(499)) && budget.has_some(at(501)) && !budget.has_plenty(at(749)));
        assert!(!budget.take(RATE / 2, at(999)) && budget.take(RATE / 2, at(1_000)));
        assert!(!budget.take(RATE / 2 + 1, at(60_000)), "no more than half a second's worth is saved");
    }
}
