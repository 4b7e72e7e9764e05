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

use crate::gateway::Shared;

/// A connection has come from an address: see [`tidelog_access::Quotas::connected`].
pub(crate) fn connected(shared: &Shared, ip: IpAddr) -> Option<Duration> {
    let quotas = shared.parts.catalog.client_quotas(shared.options.tenant);
    shared.parts.quotas.connected(&quotas, ip, shared.parts.clock.now().into_std())
}

#[cfg(test)]
mod administration_test;
#[cfg(test)]
mod quotas_test;
