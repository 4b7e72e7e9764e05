//! The small things: names of the cluster, ticks, sessions with their retained outcomes, counters.

use std::collections::BTreeMap;

use tidelog_catalog_api::CommitOutcome;
use tidelog_format::stored_struct;
use tidelog_model::{CommitSequence, Incarnation, LaneId, NodeId, ObjectId, ProducerId, SessionId, Tick, TimestampMs};

use crate::part::Shared;

/// Wall time goes on by this much per tick at most, and never back: a leader whose clock jumps cannot make a day of data
/// expire in a moment. A minute per tick lets a cluster that slept catch up sixty times faster than time passes.
pub(crate) const WALL_ADVANCE_MS_MAX: i64 = 60_000;
/// Producer ids in one block.
const PRODUCER_IDS_MAX: u32 = 100_000;

stored_struct! {
    /// See the file.
    #[derive(Clone, Debug)]
    pub struct Meta {
        pub cluster: Option<Cluster>,
        pub tick: Tick,
        /// `None` before the first tick, which sets it.
        pub wall: Option<TimestampMs>,
        pub next_session: SessionId,
        pub next_object: ObjectId,
        pub next_producer: ProducerId,
        pub sessions: BTreeMap<SessionId, Session>,
        /// By their first id.
        pub grants: BTreeMap<ObjectId, Grant>,
        /// By their first id.
        pub orphans: BTreeMap<ObjectId, Orphans>,
    }

    /// The cluster's names.
    #[derive(Clone, Debug)]
    pub struct Cluster {
        pub cluster_id: [u8; 16],
        pub incarnation: Incarnation,
    }

    /// One life of a node: the newest one.
    #[derive(Clone, Debug)]
    pub struct Session {
        pub node: NodeId,
        pub lanes: BTreeMap<LaneId, Lane>,
    }

    /// A lane's commits.
    #[derive(Clone, Debug)]
    pub struct Lane {
        /// The last one that was applied.
        pub last: CommitSequence,
        /// Those that are not acknowledged: the last ones, without gaps.
        pub outcomes: BTreeMap<CommitSequence, Shared<CommitOutcome>>,
    }

    /// Object ids that a session may name in commits. See `objects.rs`.
    #[derive(Clone, Debug)]
    pub struct Grant {
        pub session: SessionId,
        pub count: u32,
        pub deadline: Tick,
        /// The length of those that were named.
        pub named: BTreeMap<ObjectId, u32>,
    }

    /// Ids that nothing references and nothing can reference any more.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Orphans {
        pub count: u32,
        pub fenced_at: Tick,
    }
}

impl Meta {
    pub fn new() -> Meta {
        Meta {
            cluster: None,
            tick: Tick(0),
            wall: None,
            next_session: SessionId(1),
            next_object: ObjectId(1),
            next_producer: ProducerId(0),
            sessions: BTreeMap::new(),
            grants: BTreeMap::new(),
            orphans: BTreeMap::new(),
        }
    }

    /// One tick later.
    pub fn tick(&mut self, wall: TimestampMs) {
        self.tick = Tick(self.tick.0 + 1);
        self.wall = Some(match self.wall {
            None => wall,
            Some(before) => wall.clamp(before, TimestampMs(before.0.saturating_add(WALL_ADVANCE_MS_MAX))),
        });
    }

    pub fn allocate_producer_ids(&mut self, count: u32) -> (ProducerId, u32) {
        let count = count.clamp(1, PRODUCER_IDS_MAX);
        let first = self.next_producer;
        self.next_producer = ProducerId(first.0 + i64::from(count));
        (first, count)
    }
}

impl Lane {
    pub fn new() -> Lane {
        Lane { last: CommitSequence(0), outcomes: BTreeMap::new() }
    }
}
