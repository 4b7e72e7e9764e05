//! What can be set about the write path.

use std::time::Duration;

use tidelog_model::NodeId;
use tidelog_model::limits::{INLINE_FLUSH_BYTES_MAX, OBJECT_BYTES_MAX};

/// A lane's numbers: what it trades between latency and requests to the store.
#[derive(Clone, Debug)]
pub struct LaneProfile {
    /// An object is full with this much.
    pub object_bytes: usize,
    /// Flushes sealed and not yet committed, of each kind: inline, and in objects.
    pub flushes_in_flight_max: usize,
    /// Flushes up to this size ride in the commit itself.
    pub inline_flush_bytes_max: usize,
    /// Bytes a second up to which flushes are inline; beyond it they go to objects, which then are large enough to be worth
    /// a request.
    pub inline_bytes_per_second: usize,
    /// Least time between two objects, unless one is full before…
    pub object_interval: Duration,
    /// …and when the lane is busy, where what an object costs matters more than how soon it is there.
    pub object_interval_busy: Duration,
    /// An upload that takes longer fails its batches.
    pub upload_deadline: Duration,
}

impl LaneProfile {
    /// For a store that is this machine's own disk or memory: a small flush is one fsync, a large one an object.
    #[must_use]
    pub fn local() -> LaneProfile {
        LaneProfile {
            object_bytes: 8 << 20,
            flushes_in_flight_max: 8,
            inline_flush_bytes_max: INLINE_FLUSH_BYTES_MAX,
            inline_bytes_per_second: 16 << 20,
            object_interval: Duration::from_millis(3),
            object_interval_busy: Duration::from_millis(5),
            upload_deadline: Duration::from_secs(30),
        }
    }

    /// For a store whose every request has its time and price: what is too much to go inline makes ten objects a second at most,
    /// or full ones.
    #[must_use]
    pub fn remote() -> LaneProfile {
        let interval = Duration::from_millis(100);
        LaneProfile {
            inline_bytes_per_second: 8 << 20,
            object_interval: interval,
            object_interval_busy: interval,
            ..LaneProfile::local()
        }
    }
}

/// Options of [`crate::Ingest`].
#[derive(Clone, Debug)]
pub struct IngestOptions {
    /// This node.
    pub node: NodeId,
    /// The one lane there is as yet.
    pub lane: LaneProfile,
    /// Bytes of requests in memory, on the whole node.
    pub in_flight_bytes_max: usize,
    /// How long a batch that is ahead of its sequence waits for the one before it.
    pub parking: Duration,
    /// Inline payloads are moved to an object when this much has gathered…
    pub move_inline_bytes: usize,
    /// …or when the oldest has waited this long.
    pub move_inline_after: Duration,
}

impl IngestOptions {
    /// The defaults of one process, with this lane.
    #[must_use]
    pub fn embedded(node: NodeId, lane: LaneProfile, in_flight_bytes_max: usize) -> IngestOptions {
        IngestOptions {
            node,
            lane,
            in_flight_bytes_max,
            parking: Duration::from_secs(1),
            move_inline_bytes: 4 << 20,
            move_inline_after: Duration::from_secs(10),
        }
    }
}

/// Batches that one flush may take: the largest flush with its footer still fits an object.
pub(crate) const FLUSH_BYTES_MAX: usize = OBJECT_BYTES_MAX / 2;

const _: () = assert!(FLUSH_BYTES_MAX >= tidelog_model::limits::BATCH_BYTES_MAX);
