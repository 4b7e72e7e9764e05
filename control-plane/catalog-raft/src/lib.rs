//! One replica of the catalog, kept by Raft.
//!
//! **Owns:** the order of commands, the Raft log and the snapshots on disk, the replica's folder and its lock. The only
//! door to `openraft`. **Promises:** a proposal that was answered survives any crash and power loss; what is damaged on
//! disk is refused, by file and position, and never repaired by deleting; a full disk refuses new data first and needs no
//! restart; snapshots stop nobody; a panic while applying ends the process. **Does not know:** what the commands mean
//! (`tidelog-catalog` does), who proposes them, other voters (there is one).
//!
//! In this crate's tests, `TIDELOG_MUTANT` plants one of these bugs, and the one of power loss fails:
//!
//! | name | bug | breaks |
//! |---|---|---|
//! | `skip_log_fsync` | the log answers before its bytes are durable | I1 |
//! | `skip_part_fsync` | a snapshot names parts that are not durable | I1, I19 |
//!
//! Failpoints: `commit_proposed`, `applied`, `snapshot_write`, `snapshot_switch`, `log_purge`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod barrier;
mod catalog;
mod end;
mod error;
mod folder;
#[cfg(test)]
mod lies;
mod log;
mod log_store;
mod machine;
mod measure;
mod network;
mod observe;
mod options;
mod propose;
mod raft_catalog;
mod snapshot;
mod status;
mod types;
mod wire;

pub use error::OpenError;
pub use options::RaftOptions;
pub use raft_catalog::RaftCatalog;
pub use status::RaftStatus;

/// What this crate counts.
pub const METRICS: &[&[tidelog_host::metric::Metric]] = &[measure::METRICS];

#[cfg(test)]
mod raft_catalog_test;
#[cfg(test)]
mod replay_test;
#[cfg(test)]
mod skipped_sync_test;
#[cfg(test)]
mod suite_test;
