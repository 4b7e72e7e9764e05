//! What clients have used on a node, by whatever door they came.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tidelog_catalog_api::ClientQuotas;

use crate::{Buckets, Limit, limit_of_address};

/// Nobody can authenticate, so everybody is Kafka's user for that.
pub const ANONYMOUS: &str = "ANONYMOUS";
/// How long somebody is told to wait for time spent on requests at most, and how long a connection too many is kept: Kafka's
/// window.
pub const WINDOW: Duration = Duration::from_secs(1);

/// The accounts of a node's clients, which all its doors share: a quota is one quota, however it is used.
#[derive(Debug)]
pub struct Quotas {
    began: Instant,
    buckets: Mutex<Buckets>,
}

impl Quotas {
    /// Of a node whose clients have used nothing.
    #[must_use]
    pub fn new(now: Instant) -> Quotas {
        Quotas { began: now, buckets: Mutex::default() }
    }

    /// Uses some of a limit. Says how long its user is to wait for it afterwards.
    pub fn take(&self, limit: &Limit, amount: f64, now: Instant) -> Duration {
        self.buckets.lock().take(limit, amount, now.saturating_duration_since(self.began))
    }

    /// How long its user would have to wait before it uses any.
    pub fn debt(&self, limit: &Limit, now: Instant) -> Duration {
        self.buckets.lock().debt(limit, now.saturating_duration_since(self.began))
    }

    /// A connection has come from an address. When there are too many, how long it is to be kept without being served before it
    /// is closed, so that who connects again at once does not do so at once.
    pub fn connected(&self, quotas: &ClientQuotas, ip: IpAddr, now: Instant) -> Option<Duration> {
        let limit = limit_of_address(quotas, ip)?;
        let owed = self.debt(&limit, now);
        if owed > Duration::ZERO {
            // It is not served, so it is not counted.
            return Some(owed.min(WINDOW));
        }
        self.take(&limit, 1.0, now);
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tidelog_catalog_api::{QuotaEntity, QuotaKind, QuotaName, QuotaValue};

    use super::*;

    #[test]
    fn connections_too_many_are_kept_a_while_and_not_counted() {
        let entity = QuotaEntity { ip: Some(QuotaName::Default), ..QuotaEntity::default() };
        let values = BTreeMap::from([(QuotaKind::ConnectionCreationRate, QuotaValue::new(1.0))]);
        let set = ClientQuotas::from([(entity, values)]);
        let now = Instant::now();
        let (quotas, ip) = (Quotas::new(now), "10.0.0.1".parse().unwrap());
        for _ in 0..11 {
            assert_eq!(quotas.connected(&set, ip, now), None);
        }
        for _ in 0..5 {
            assert_eq!(quotas.connected(&set, ip, now), Some(WINDOW));
        }
        assert_eq!(quotas.connected(&set, ip, now + WINDOW), None);
        assert_eq!(quotas.connected(&ClientQuotas::new(), ip, now), None);
    }
}
