//! The Kafka door: connections, requests, answers.
//!
//! **Owns:** the listener's connections and their limits, the order of answers (Produce and Fetch of one connection overlap,
//! everything else is a barrier), what each request means in terms of catalog, write path and read path, fetch sessions,
//! the mapping of every error to Kafka's codes ([`errors`]), the classic group coordinator ([`groups`]). **Promises:** a
//! record is acknowledged only after the write path said so; a negative is answered only from a view that is not stale;
//! everything a client can make this hold is bounded. **Does not know:** how records are stored or the catalog replicates.
//!
//! A request's way, in the order of the files: `gateway.rs` accepts → `connection.rs` orders and writes, `arrival.rs` reads →
//! `dispatch.rs` → the file named after the request.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod alter_configs;
mod arrival;
mod broker_configs;
mod cluster;
mod config_kinds;
mod config_resources;
mod connection;
mod create_partitions;
mod create_topics;
mod delete_records;
mod delete_topics;
mod describe_configs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod dispatch;
pub mod errors;
mod fetch;
mod fetch_reads;
mod fetch_sessions;
mod gateway;
pub mod groups;
mod list_offsets;
mod log_dirs;
mod memory;
mod metadata;
mod meters;
mod offset_epochs;
mod options;
mod placement;
mod produce;
mod producer_ids;
mod room;
mod storage;
mod topic_config_table;
mod topic_configs;
mod topics;
mod transport;

pub use gateway::{Gateway, GatewayParts};
pub use options::GatewayOptions;
pub use storage::{Appender, Reader, WatchTail};

#[cfg(test)]
mod admin_test;
#[cfg(test)]
mod configs_test;
#[cfg(test)]
mod fetch_test;
#[cfg(test)]
mod gateway_test;
#[cfg(test)]
mod limits_test;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod testing_client;
#[cfg(test)]
mod topics_test;
