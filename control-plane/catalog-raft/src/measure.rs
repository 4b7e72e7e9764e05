//! What the replica measures.

use std::time::Duration;

use tidelog_host::metric::{counter, gauge, histogram};

/// How many fsyncs does the log cost, and how long do they take (seconds)?
const LOG_FSYNC_SECONDS: &str = "catalog_raft_log_fsync_seconds";
/// How many bytes does the log write?
const LOG_BYTES: &str = "catalog_raft_log_bytes_total";
/// How many proposals wait for their answer?
const PROPOSALS_WAITING: &str = "catalog_raft_proposals_waiting";
/// How many proposals were refused because the queue or the disk was full?
const PROPOSALS_REFUSED: &str = "catalog_raft_proposals_refused_total";
/// How many entries are applied at once?
const APPLY_ENTRIES: &str = "catalog_raft_apply_batch_entries";
/// How long does a batch of entries hold the state's lock (seconds)?
const APPLY_SECONDS: &str = "catalog_raft_apply_seconds";
/// How long does writing a snapshot take (seconds)?
const SNAPSHOT_SECONDS: &str = "catalog_raft_snapshot_seconds";
/// How many bytes did snapshots write, not counting reused parts?
const SNAPSHOT_BYTES: &str = "catalog_raft_snapshot_bytes_total";
/// How many rounds of ReadIndex were made?
const READ_ROUNDS: &str = "catalog_raft_read_rounds_total";

pub(crate) fn log_fsync(took: Duration) {
    histogram!(LOG_FSYNC_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn log_bytes(bytes: usize) {
    counter!(LOG_BYTES).increment(bytes as u64);
}

pub(crate) fn proposals_waiting(count: usize) {
    gauge!(PROPOSALS_WAITING).set(count as f64);
}

pub(crate) fn proposal_refused() {
    counter!(PROPOSALS_REFUSED).increment(1);
}

pub(crate) fn applied(entries: usize, took: Duration) {
    histogram!(APPLY_ENTRIES).record(entries as f64);
    histogram!(APPLY_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn snapshot(bytes: usize, took: Duration) {
    histogram!(SNAPSHOT_SECONDS).record(took.as_secs_f64());
    counter!(SNAPSHOT_BYTES).increment(bytes as u64);
}

pub(crate) fn read_round() {
    counter!(READ_ROUNDS).increment(1);
}
