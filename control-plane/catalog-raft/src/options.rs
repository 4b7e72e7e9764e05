//! How a replica is opened.

use std::path::PathBuf;

use tidelog_model::NodeId;

use crate::log::LogOptions;

const MIB: u64 = 1024 * 1024;

/// How a replica is opened. [`RaftOptions::new`] has sensible defaults for all but folder and node.
#[derive(Clone, Debug)]
pub struct RaftOptions {
    /// The replica's folder; made if it is new.
    pub dir: PathBuf,
    /// This node. A folder belongs to one node for ever.
    pub node: NodeId,
    /// Length of a log segment. One more is kept as reserve.
    pub segment_bytes: u64,
    /// A snapshot is written after this much log, so that a restart has no more than that to read.
    pub snapshot_every_bytes: u64,
    /// Or after this many entries.
    pub snapshot_every_entries: u64,
    /// Entries kept behind a snapshot for followers that are a little late.
    pub entries_kept: u64,
    /// Entries kept decoded in memory.
    pub recent_bytes_max: usize,
    /// With less than this free on the disk, data is refused.
    pub disk_free_bytes_min: u64,
    /// Whether the leader advances the catalog's ticks. Tests that drive ticks themselves switch it off.
    pub ticks: bool,
}

impl RaftOptions {
    /// The defaults.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, node: NodeId) -> RaftOptions {
        RaftOptions {
            dir: dir.into(),
            node,
            segment_bytes: 32 * MIB,
            snapshot_every_bytes: 64 * MIB,
            snapshot_every_entries: 100_000,
            entries_kept: 1_000,
            recent_bytes_max: 4 * MIB as usize,
            disk_free_bytes_min: 64 * MIB,
            ticks: true,
        }
    }

    pub(crate) fn log(&self) -> LogOptions {
        LogOptions {
            segment_bytes: self.segment_bytes,
            recent_bytes_max: self.recent_bytes_max,
            disk_free_bytes_min: self.disk_free_bytes_min,
        }
    }
}
