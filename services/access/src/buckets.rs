//! All accounts of a tenant.

use std::collections::BTreeMap;
use std::time::Duration;

use tidelog_catalog_api::QuotaKind;
use tidelog_model::limits::QUOTA_ENTITIES_MAX;

use crate::bucket::Bucket;
use crate::limits::{BucketKey, Limit};

/// Accounts that are kept of those who have a quota without being named. Clients choose their ids, so there may be any number.
pub const BUCKETS_MAX: usize = 20_000;
/// Accounts of quotas: one for each kind of each, that of whoever is named or that of those for whom there was no room. More
/// than there are quotas are accounts of quotas that were deleted.
const QUOTA_BUCKETS_MAX: usize = QUOTA_ENTITIES_MAX * QuotaKind::ALL.len();
/// How often it is looked which are as good as new ones, when there are so many.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);
/// What may be used at once by whoever has used nothing, in seconds of the rate: Kafka's ten whole windows.
const BURST_SECONDS: f64 = 10.0;
/// For the controller's work Kafka has a bucket itself, of all its eleven windows.
const MUTATIONS_BURST_SECONDS: f64 = 11.0;

/// The accounts of a tenant's clients.
#[derive(Debug, Default)]
pub struct Buckets {
    of_clients: BTreeMap<BucketKey, Bucket>,
    of_quotas: BTreeMap<BucketKey, Bucket>,
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
        self.of_clients.len() + self.of_quotas.len()
    }

    /// Whether nobody has used anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn bucket(&mut self, limit: &Limit, now: Duration) -> &mut Bucket {
        let burst_seconds = burst_seconds(limit.kind);
        let mut key = limit.key();
        let mut is_of_quota = limit.is_named();
        if !is_of_quota && self.of_clients.len() >= BUCKETS_MAX && !self.of_clients.contains_key(&key) {
            self.sweep(now);
            if self.of_clients.len() >= BUCKETS_MAX {
                // Too many at once: the rest have one rate among them.
                key = limit.key_of_others();
                is_of_quota = true;
            }
        }
        if is_of_quota && self.of_quotas.len() >= QUOTA_BUCKETS_MAX && !self.of_quotas.contains_key(&key) {
            self.sweep(now);
            if self.of_quotas.len() >= QUOTA_BUCKETS_MAX {
                self.of_quotas.pop_first();
            }
        }
        let (buckets, before) = match is_of_quota {
            true => (&mut self.of_quotas, &mut self.of_clients),
            false => (&mut self.of_clients, &mut self.of_quotas),
        };
        let bucket = buckets.entry(key).or_insert_with_key(|key| {
            // Whoever has got a quota of its own, or lost it, owes what it owed.
            before.remove(key).unwrap_or_else(|| Bucket::full(limit.rate, burst_seconds, now))
        });
        bucket.set(limit.rate, burst_seconds, now);
        bucket
    }

    /// Forgets those that are as good as new ones.
    fn sweep(&mut self, now: Duration) {
        if self.swept_at.is_some_and(|at| now < at + SWEEP_PAUSE) {
            return;
        }
        self.swept_at = Some(now);
        self.of_clients.retain(|_, bucket| !bucket.is_full(now));
        self.of_quotas.retain(|_, bucket| !bucket.is_full(now));
    }
}

/// What may be used at once by whoever has used nothing, in seconds of its rate.
pub(crate) fn burst_seconds(kind: QuotaKind) -> f64 {
    if kind == QuotaKind::ControllerMutationRate { MUTATIONS_BURST_SECONDS } else { BURST_SECONDS }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidelog_catalog_api::{QuotaEntity, QuotaName};

    use super::*;
    use crate::limits::Sharer;

    fn of(client: usize, name: QuotaName) -> Limit {
        Limit {
            kind: QuotaKind::ProducerByteRate,
            rate: 1.0,
            sharer: Sharer::Client(client.to_string().into()),
            entity: Arc::new(QuotaEntity { client_id: Some(name), ..QuotaEntity::default() }),
        }
    }

    fn limit(client: usize) -> Limit {
        of(client, QuotaName::Default)
    }

    fn named(client: usize) -> Limit {
        of(client, QuotaName::Named(client.to_string()))
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

    #[test]
    fn whoever_is_named_has_its_own_among_any_number_and_rates_are_not_mixed() {
        let mut buckets = Buckets::default();
        let now = Duration::from_secs(1);
        for client in 0..=BUCKETS_MAX {
            buckets.take(&limit(client), 15.0, now);
        }
        assert_eq!(buckets.debt(&limit(BUCKETS_MAX + 1), now), Duration::from_secs(5), "of what is shared");
        assert_eq!(buckets.take(&named(BUCKETS_MAX + 2), 12.0, now), Duration::from_secs(2));
        assert_eq!(buckets.take(&named(BUCKETS_MAX + 3), 11.0, now), Duration::from_secs(1));
        // Those of another quota, which is also not of somebody by name.
        let entity = QuotaEntity { user: Some(QuotaName::Default), ..QuotaEntity::default() };
        let other = Limit { rate: 100.0, entity: entity.into(), ..limit(BUCKETS_MAX + 4) };
        assert_eq!(buckets.take(&other, 1_000.0, now), Duration::ZERO);
        assert_eq!(buckets.debt(&limit(BUCKETS_MAX + 1), now), Duration::from_secs(5), "their rate fills no other's");
    }

    #[test]
    fn whoever_gets_or_loses_its_own_quota_owes_what_it_owed() {
        let mut buckets = Buckets::default();
        let now = Duration::from_secs(1);
        buckets.take(&limit(1), 15.0, now);
        assert_eq!(buckets.take(&named(1), 1.0, now), Duration::from_secs(6));
        assert_eq!(buckets.debt(&limit(1), now), Duration::from_secs(6));
        assert_eq!(buckets.len(), 1);
    }

    #[test]
    fn accounts_of_quotas_that_are_gone_take_bounded_memory() {
        let mut buckets = Buckets::default();
        let now = Duration::from_secs(1);
        for client in 0..QUOTA_BUCKETS_MAX + 10 {
            buckets.take(&named(client), 15.0, now);
        }
        assert_eq!(buckets.len(), QUOTA_BUCKETS_MAX);
        buckets.take(&named(QUOTA_BUCKETS_MAX + 10), 1.0, Duration::from_secs(17));
        assert_eq!(buckets.len(), 1);
    }
}
