//! What the replica measures. Each of these is passed some hundred times a second at most, for many commands at once.

use std::time::Duration;

use tidelog_host::declare_metrics;
use tidelog_host::metric::{counter, gauge, histogram};

declare_metrics! {
    seconds LOG_FSYNC_SECONDS = "tidelog_catalog_raft_log_fsync_seconds", [],
        "Time of an fsync of the catalog's log. Is the disk what appends wait for?";
    counter LOG_BYTES = "tidelog_catalog_raft_log_bytes_total", [],
        "Bytes written to the catalog's log. How much does the disk have to write?";
    gauge PROPOSALS_WAITING = "tidelog_catalog_raft_proposals_waiting", [],
        "Proposals that wait to be handed to Raft. Does the catalog keep up?";
    counter PROPOSALS_REFUSED = "tidelog_catalog_raft_proposals_refused_total", [],
        "Proposals refused because the queue or the disk was full. Is the catalog overloaded?";
    counts APPLY_ENTRIES = "tidelog_catalog_raft_apply_batch_entries", [],
        "Entries that were applied at once. How much is shared?";
    seconds APPLY_SECONDS = "tidelog_catalog_raft_apply_seconds", [],
        "Time that a batch of entries holds the state's lock. Do readers of the catalog wait for it?";
    seconds SNAPSHOT_SECONDS = "tidelog_catalog_raft_snapshot_seconds", [],
        "Time to write a snapshot. Does it take ever longer?";
    counter SNAPSHOT_BYTES = "tidelog_catalog_raft_snapshot_bytes_total", [],
        "Bytes that snapshots wrote, not counting reused parts. What do they cost the disk?";
    counter READ_ROUNDS = "tidelog_catalog_raft_read_rounds_total", [],
        "Rounds of ReadIndex, each for all who waited. How many confirmed reads are there?";
    gauge TERM = "tidelog_catalog_raft_term", [],
        "The term of Raft. Does the leader change?";
    gauge IS_LEADER = "tidelog_catalog_raft_is_leader", [],
        "1 on the replica that leads, 0 elsewhere. Is there a leader?";
    gauge LAST_INDEX = "tidelog_catalog_raft_last_index", [],
        "The last entry of this replica's log. How far is it?";
    gauge COMMITTED_INDEX = "tidelog_catalog_raft_committed_index", [],
        "The last entry that a majority has. How far is it?";
    gauge APPLIED_INDEX = "tidelog_catalog_raft_applied_index", [],
        "The last entry that this replica shows. Does it keep up with what is committed?";
    gauge SNAPSHOT_INDEX = "tidelog_catalog_raft_snapshot_index", [],
        "The last entry that the snapshot on disk has. How much has a start to read beyond it?";
    gauge LOG_BYTES_SINCE_SNAPSHOT = "tidelog_catalog_raft_since_snapshot_bytes", [],
        "Bytes of log that were applied since that snapshot. How much has a start to read?";
    gauge IS_ACCEPTING = "tidelog_catalog_raft_is_accepting", [],
        "1 while commands that take room are taken, 0 while the disk is too full for them. Are appends refused?";
}

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

/// Where the replica is.
pub(crate) struct Standing {
    pub term: u64,
    pub is_leader: bool,
    pub last: u64,
    pub committed: u64,
    pub applied: u64,
    pub snapshot: u64,
    pub since_snapshot_bytes: u64,
    pub is_accepting: bool,
}

pub(crate) fn standing(standing: &Standing) {
    let flag = |is: bool| if is { 1.0 } else { 0.0 };
    gauge!(TERM).set(standing.term as f64);
    gauge!(IS_LEADER).set(flag(standing.is_leader));
    gauge!(LAST_INDEX).set(standing.last as f64);
    gauge!(COMMITTED_INDEX).set(standing.committed as f64);
    gauge!(APPLIED_INDEX).set(standing.applied as f64);
    gauge!(SNAPSHOT_INDEX).set(standing.snapshot as f64);
    gauge!(LOG_BYTES_SINCE_SNAPSHOT).set(standing.since_snapshot_bytes as f64);
    gauge!(IS_ACCEPTING).set(flag(standing.is_accepting));
}
