//! Client quotas: what clients use is charged to them, and who uses too much is told how long to wait and is not read for that
//! time (KIP-219).
//!
//! `charge.rs` is what one request uses, `connection.rs` finds whom it is charged to, `mute.rs` holds a connection up;
//! `describe.rs` and `alter.rs` are for administrators. The arithmetic is `tidelog_access`.

mod alter;
mod charge;
mod connection;
mod describe;
mod entities;
mod mute;

pub(crate) use alter::answer as alter;
pub(crate) use charge::{Charge, Mutations, TOO_MANY, TooMany};
pub(crate) use connection::ConnectionQuotas;
pub(crate) use describe::frame as describe;
pub(crate) use mute::{Input, Mute};

use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tidelog_access::{Buckets, Limit, limit_of_address};
use tokio::time::Instant;

use crate::gateway::Shared;

/// Nobody can authenticate, so everybody is Kafka's user for that.
const USER: &str = "ANONYMOUS";
/// How long somebody is told to wait for time spent on requests at most, and how long a connection too many is kept: Kafka's
/// window.
const WINDOW: Duration = Duration::from_secs(1);

/// What clients have used, on this node.
pub(crate) struct Quotas {
    began: Instant,
    buckets: Mutex<Buckets>,
}

impl Quotas {
    pub(crate) fn new(now: Instant) -> Quotas {
        Quotas { began: now, buckets: Mutex::default() }
    }

    fn take(&self, limit: &Limit, amount: f64, now: Instant) -> Duration {
        self.buckets.lock().take(limit, amount, now.saturating_duration_since(self.began))
    }

    fn debt(&self, limit: &Limit, now: Instant) -> Duration {
        self.buckets.lock().debt(limit, now.saturating_duration_since(self.began))
    }
}

/// A connection has come from an address. When there are too many, how long it is to be kept without being served before it is
/// closed, so that who connects again at once does not do so at once.
pub(crate) fn connected(shared: &Shared, ip: IpAddr) -> Option<Duration> {
    let quotas = shared.parts.catalog.client_quotas(shared.options.tenant);
    let limit = limit_of_address(&quotas, ip)?;
    let now = shared.parts.clock.now();
    let owed = shared.quotas.debt(&limit, now);
    if owed > Duration::ZERO {
        // It is not served, so it is not counted.
        return Some(owed.min(WINDOW));
    }
    shared.quotas.take(&limit, 1.0, now);
    None
}

#[cfg(test)]
mod administration_test;
#[cfg(test)]
mod quotas_test;
