//! openraft's own conformance suite, run on this log and state machine.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tidelog_host::{Clock, Disk, ForgetfulDisk};

use crate::log::{LogOptions, RaftLog};
use crate::machine::Machine;
use crate::snapshot::SnapshotFolder;
use crate::types::TypeConfig;

const CLUSTER: [u8; 16] = [7; 16];

/// A segment holds a few entries and nothing stays in memory, so that every path is taken.
const OPTIONS: LogOptions = LogOptions { segment_bytes: 8_192, recent_bytes_max: 0, disk_free_bytes_min: 0 };

struct Builder {
    seed: AtomicU64,
}

struct CloseLog(RaftLog);

impl Drop for CloseLog {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

impl StoreBuilder<TypeConfig, RaftLog, Machine, CloseLog> for Builder {
    async fn build(&self) -> Result<(CloseLog, RaftLog, Machine), StorageError<TypeConfig>> {
        let disk: Arc<dyn Disk> = Arc::new(ForgetfulDisk::new(self.seed.fetch_add(1, Ordering::Relaxed)));
        let (log, snapshot) = (Path::new("/data/log"), Path::new("/data/snapshot"));
        disk.create_dir_all(snapshot).unwrap();
        RaftLog::create(disk.as_ref(), log, CLUSTER, 0, &OPTIONS).unwrap();
        let log = RaftLog::open(disk.clone(), log, CLUSTER, 0, OPTIONS, Clock::real()).unwrap();
        let folder = SnapshotFolder { disk, dir: snapshot.to_owned(), cluster: CLUSTER };
        let machine = Machine::open(folder, &log.facts(), Clock::real()).unwrap();
        Ok((CloseLog(log.clone()), log, machine))
    }
}

#[tokio::test]
async fn openrafts_own_suite_passes() {
    Suite::test_all(Builder { seed: AtomicU64::new(1) }).await.unwrap();
}
