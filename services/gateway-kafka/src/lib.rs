//! The Kafka door: connections, requests, answers.
//!
//! **Owns:** the listener's connections and their limits, the order of answers (Produce and Fetch of one connection overlap,
//! everything else is a barrier), what each request means in terms of catalog, write path and read path, fetch sessions,
//! client quotas, the mapping of every error to Kafka's codes ([`errors`]). **Promises:** a record is acknowledged only after
//! the write path said so; a negative is answered only from a view that is not stale; everything a client can make this hold
//! is bounded. **Does not know:** how records are stored, how the catalog replicates, what becomes of groups.
//!
//! A request's way, in the order of the files: `gateway.rs` accepts → `connection.rs` orders and writes, `memory/arrival.rs` reads →
//! `dispatch.rs` → the file named after the request, in `topics`, `configs`, `fetch`, `groups`, `quotas`, `telemetry` or beside
//! it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod cluster;
mod configs;
mod connection;
mod describe_producers;
mod describe_quorum;
mod dispatch;
pub mod errors;
mod features;
mod fetch;
mod gateway;
mod groups;
mod list_offsets;
mod memory;
mod meters;
mod offset_epochs;
mod options;
mod produce;
mod producer_ids;
mod quotas;
mod storage;
mod telemetry;
mod topics;
mod transport;

pub use gateway::{Gateway, GatewayParts};
pub use options::GatewayOptions;
pub use storage::{Appender, NoRoom, Reader, WatchTail};

/// What this crate counts.
pub const METRICS: &[&[tidelog_host::metric::Metric]] = &[meters::METRICS, telemetry::METRICS];

#[cfg(test)]
mod admin_test;
#[cfg(test)]
mod gateway_test;
#[cfg(test)]
mod limits_test;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod testing_client;
#[cfg(test)]
mod testing_watch;
