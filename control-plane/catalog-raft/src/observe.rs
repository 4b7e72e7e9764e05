//! Where the replica stands, for whoever collects metrics.

use openraft::async_runtime::watch::WatchReceiver;

use crate::measure::{self, Standing};
use crate::raft_catalog::RaftCatalog;

impl RaftCatalog {
    /// Says in the metrics where this replica stands. Waits for nothing.
    pub fn observe(&self) {
        let status = self.status();
        let is_leader = self.raft.metrics().borrow_watched().state.is_leader();
        measure::standing(&Standing {
            term: status.term,
            is_leader,
            last: self.term_and_last().1,
            committed: status.committed.0,
            applied: self.machine.visible(),
            snapshot: status.snapshot.0,
            since_snapshot_bytes: status.log_bytes,
            is_accepting: self.log.accepting().is_ok(),
        });
    }
}
