//! All accounts of a tenant.

use std::collections::BTreeMap;
use std::time::Duration;

use tidelog_catalog_api::QuotaKind;

use crate::bucket::Bucket;
use crate::limits::{BucketKey, Limit, Sharer};

/// Accounts that are kept. Clients choose their ids, so there may be any number.
pub const BUCKETS_MAX: usize = 20_000;
/// How often it is looked which are as good as new ones, when there are so many.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);
/// What may be used at once by whoever has used nothing, in seconds of the rate: Kafka's ten whole windows.
const BURST_SECONDS: f64 = 10.0;
/// For the controller's work Kafka has a bucket itself, of all its eleven windows.
const MUTATIONS_BURST_SECONDS: f64 = 11.0;

/// The accounts of a tenant's clients.
#[derive(Debug, Default)]
pub struct Buckets {
    by_key: BTreeMap<BucketKey, Bucket>,
    swept_at: Option<Duration>,
}

impl Buckets {
    /// Uses some of a limit. Says how long its user is to wait for it afterwards.
    pub fn take(&mut self, limit: &Limit, amount: f64, now: Duration) -> Duration {
        self.bucket(limit, now).take(amount, now)
    }

    /// How long its user would have to wait before it uses any.
    pub fn debt(&mut self, limit: &Limit, now: Duration) -> Duration {
        self.bucket(limit, now).debt(now)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether nobody has used anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    fn bucket(&mut self, limit: &Limit, now: Duration) -> &mut Bucket {
        let burst_seconds = burst_seconds(limit.kind);
        let mut key = limit.key();
        if self.by_key.len() >= BUCKETS_MAX && !self.by_key.contains_key(&key) {
            self.sweep(now);
            if self.by_key.len() >= BUCKETS_MAX {
                // Too many at once: the rest have one rate among them.
                key = (limit.kind, Sharer::Others);
            }
        }
        let bucket = self.by_key.entry(key).or_insert_with(|| Bucket::full(limit.rate, burst_seconds, now));
        bucket.set(limit.rate, burst_seconds, now);
        bucket
    }

    /// Forgets those that are as good as new ones.
    fn sweep(&mut self, now: Duration) {
        if self.swept_at.is_some_and(|at| now < at + SWEEP_PAUSE) {
            return;
        }
        self.swept_at = Some(now);
        self.by_key.retain(|_, bucket| !bucket.is_full(now));
    }
}

/// What may be used at once by whoever has used nothing, in seconds of its rate.
pub(crate) fn burst_seconds(kind: QuotaKind) -> f64 {
    if kind == QuotaKind::ControllerMutationRate { MUTATIONS_BURST_SECONDS } else { BURST_SECONDS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(client: usize) -> Limit {
        Limit { kind: QuotaKind::ProducerByteRate, rate: 1.0, sharer: Sharer::Client(client.to_string().into()) }
    }

    #[test]
    fn accounts_are_each_for_itself() {
        let mut buckets = Buckets::default();
        let now = Duration::from_secs(9);
        assert_eq!(buckets.take(&limit(1), 15.0, now), Duration::from_secs(5));
        assert_eq!(buckets.take(&limit(2), 5.0, now), Duration::ZERO);
        let other = Limit { kind: QuotaKind::ConsumerByteRate, ..limit(1) };
        assert_eq!(buckets.debt(&other, now), Duration::ZERO);
        assert_eq!(buckets.debt(&limit(1), now), Duration::from_secs(5));
        let mutations = Limit { kind: QuotaKind::ControllerMutationRate, ..limit(1) };
        assert_eq!(buckets.take(&mutations, 12.0, now), Duration::from_secs(1));
    }

    #[test]
    fn any_number_of_names_takes_bounded_memory_and_those_beyond_share() {
        let mut buckets = Buckets::default();
        let now = Duration::from_secs(1);
        for client in 0..BUCKETS_MAX {
            buckets.take(&limit(client), 15.0, now);
        }
        assert_eq!(buckets.take(&limit(BUCKETS_MAX), 10.0, now), Duration::ZERO);
        assert_eq!(buckets.take(&limit(BUCKETS_MAX + 1), 1.0, now), Duration::from_secs(1), "of what is shared");
        assert_eq!(buckets.debt(&limit(3), now), Duration::from_secs(5), "who was there before has its own");
        assert_eq!(buckets.len(), BUCKETS_MAX + 1);
        // All are full again a quarter of a minute later, so nothing is lost with them.
        let later = Duration::from_secs(17);
        assert_eq!(buckets.take(&limit(BUCKETS_MAX), 10.0, later), Duration::ZERO);
        assert_eq!(buckets.len(), 1);
    }
}
