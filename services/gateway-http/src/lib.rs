//! The HTTP door: requests under `/v1`, their answers, and streams that go on.
//!
//! **Owns:** the listener's connections and their limits, what each request means in terms of catalog, write path and read
//! path, how records look as JSON, cursors, the mapping of every error to a problem with a stable code ([`errors`]), and the
//! OpenAPI document ([`document`]). **Promises:** a record is reported as stored only after the write path said so, and what
//! is uncertain is said to be; a negative is answered only from a view that is not stale; whatever a client does, what it
//! makes this hold is bounded. **Does not know:** how records are stored, how the catalog replicates, nor the other door; what
//! the node is beside them it is told ([`NodeView`]).
//!
//! In this crate's tests, `TIDELOG_MUTANT` plants one of these bugs, which they are to find:
//!
//! | name | bug | breaks |
//! |---|---|---|
//! | `http-acknowledge-refused` | records whose append failed are told as stored | I1 |
//! | `http-torn-body-taken` | an encoded body that is cut off is taken for a whole one | I6 |
//! | `http-resume-one-later` | a stream of events goes on one record after the next | I2 |
//! | `http-last-event-forgotten` | a stream of events begins anew when its reader comes back | I3 |
//! | `http-cursor-behind` | a cursor names the record that told it, not the next | I3 |
//! | `http-read-again-repeats` | what was read, given up and is read again begins with its batch | I3 |
//!
//! A request's way, in the order of the files: `gateway.rs` accepts → `connection.rs` speaks HTTP → `router.rs` and
//! `passage.rs` → the handler, in `topics`, `produce`, `read`, `groups` or `status.rs`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod body;
#[cfg(test)]
mod conditions_test;
mod connection;
mod console;
mod cors;
mod counted;
mod encoding;
pub mod errors;
mod gateway;
mod groups;
mod health;
mod hosts;
mod json_body;
mod memory;
mod meters;
mod metrics;
mod negotiate;
mod node_view;
mod opening;
mod options;
mod partitioner;
mod passage;
mod problem;
mod produce;
mod producers;
mod query;
mod quotas;
mod read;
mod router;
mod routes;
mod socket;
mod status;
mod storage;
mod topics;

pub use gateway::{Gateway, GatewayParts};
pub use metrics::RenderMetrics;
pub use node_view::{CacheFacts, NodeFacts, NodeView, RaftFacts};
pub use options::GatewayOptions;
pub use produce::read_arrow;
pub use router::document;
pub use storage::{Appender, NoRoom, Reader, WatchTail};

/// What this crate counts.
pub const METRICS: &[&[tidelog_host::metric::Metric]] = &[meters::METRICS];

#[cfg(test)]
mod arrow_test;
#[cfg(test)]
mod connection_test;
#[cfg(test)]
mod console_test;
#[cfg(test)]
mod door_test;
#[cfg(test)]
mod follow_test;
#[cfg(test)]
mod groups_test;
#[cfg(test)]
mod meters_test;
#[cfg(test)]
mod produce_test;
#[cfg(test)]
mod read_test;
#[cfg(test)]
mod slow_test;
#[cfg(test)]
mod status_test;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod texts_test;
#[cfg(test)]
mod topics_test;
