//! Client telemetry (KIP-714): clients ask which of their metrics somebody wants, and push them from time to time.
//!
//! **Owns:** what the settings of metrics subscriptions mean (`settings.rs`), which clients a subscription is about
//! (`subscriptions.rs`, `known.rs`), the pace of each client instance (`instances.rs`), and the requests (`handlers.rs`). **Promises:**
//! what is pushed is looked at under limits and counted by subscription; everything a client can make this hold is bounded.
//! **Does not know:** the metrics' meaning: nothing of them is kept.

pub(crate) mod handlers;
mod instances;
mod known;
mod otlp;
mod pushed;
pub(crate) mod settings;
mod software;
mod subscriptions;

#[cfg(test)]
mod handlers_test;

use std::sync::Arc;

use parking_lot::Mutex;

pub(crate) use software::Software;

use instances::Instances;
pub(crate) use pushed::METRICS;
use pushed::PushMeters;
use subscriptions::Subscriptions;

/// Telemetry of one node.
#[derive(Default)]
pub(crate) struct Telemetry {
    /// As the catalog has them now.
    subscriptions: Mutex<Arc<Subscriptions>>,
    instances: Mutex<Instances>,
    meters: PushMeters,
}

/// Bytes of one push as it is sent; Kafka's `telemetry.max.bytes`.
pub(crate) const TELEMETRY_BYTES_MAX: usize = 1 << 20;
