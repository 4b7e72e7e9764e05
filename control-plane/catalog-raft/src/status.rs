//! How the replica is, for whoever watches.

use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use tidelog_model::{LogIndex, NodeId};

use crate::raft_catalog::RaftCatalog;

/// How a replica is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftStatus {
    /// Who leads, if somebody is known to.
    pub leader: Option<NodeId>,
    /// The leader's term.
    pub term: u64,
    /// The last entry that is known to be committed.
    pub committed: LogIndex,
    /// Bytes of commands that were applied after the last snapshot: what a restart reads.
    pub log_bytes: u64,
    /// The last entry that the last snapshot has; 0 while there is none.
    pub snapshot: LogIndex,
    /// Of the last 1,024 times that the log was made durable: how long 99 in 100 took at most.
    pub log_fsync_p99: Option<Duration>,
}

impl RaftCatalog {
    /// How it is now. Costs nothing and waits for nobody.
    #[must_use]
    pub fn status(&self) -> RaftStatus {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let index = |id: &Option<crate::types::LogId>| LogIndex(id.as_ref().map_or(0, |id| id.index));
        RaftStatus {
            leader: metrics.current_leader.map(NodeId),
            term: metrics.current_term,
            committed: index(&metrics.local_committed),
            log_bytes: self.machine.since_snapshot().0,
            snapshot: index(&metrics.snapshot),
            log_fsync_p99: self.log.fsync_p99(),
        }
    }
}
