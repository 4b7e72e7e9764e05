//! What readers of the catalog see.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidelog_format::{stored_enum, stored_struct};
use tidelog_model::{
    Incarnation, LogIndex, ObjectId, Offset, PartitionId, ProducerEpoch, ProducerId, SessionId, TenantId, Tick,
    TimestampMs, TopicId,
};

/// The cluster's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterView {
    /// Stable for the life of the cluster.
    pub cluster_id: [u8; 16],
    /// Stable until a restore; part of every object key.
    pub incarnation: Incarnation,
}

/// The replicas' common log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumView {
    /// The leader's term.
    pub term: u64,
    /// The last entry of this node's log.
    pub last: LogIndex,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView {
    /// Its id.
    pub id: TopicId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, unique in the tenant.
    pub name: Arc<str>,
    /// How many partitions it has.
    pub partitions: u32,
    /// As the client asked; without effect.
    pub replication_factor: i16,
    /// Settings that were given.
    pub configs: Arc<BTreeMap<String, String>>,
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// The first offset that can be read.
    pub log_start: Offset,
    /// One past the last acknowledged record: high watermark and tail are the same here.
    pub high_watermark: Offset,
    /// The end of what `read_committed` may see.
    pub last_stable: Offset,
}

/// An idempotent producer, as a partition remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerView {
    /// The producer.
    pub id: ProducerId,
    /// Its newest epoch here.
    pub epoch: ProducerEpoch,
    /// Of the last record it wrote in that epoch.
    pub last_sequence: i32,
}

stored_struct! {
    /// A contiguous run of one partition's batches at one location.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Extent {
        /// Of the first record.
        pub base_offset: Offset,
        /// Offsets in the run.
        pub records: u32,
        /// The greatest timestamp in it.
        pub max_timestamp: TimestampMs,
        /// Where it is.
        pub location: Location,
    }

    /// A range of bytes of one object.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ObjectRange {
        /// The object.
        pub object: ObjectId,
        /// The first byte.
        pub position: u32,
        /// How many.
        pub bytes: u32,
    }
}

stored_enum! {
    /// Where an extent's bytes are. Segments (3), manifests (4) and transaction markers (5) have their numbers reserved.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Location {
        /// In a flush object.
        1 => Object {
            /// Where in it.
            range: ObjectRange,
            /// Places that hold the object, a bit each; 0 is the cluster's store.
            copies: u8,
            /// How the bytes are encoded; 0 is as they are. Encodings that need a key carry key id and nonce in a
            /// variant of their own.
            encoding: u8,
        },
        /// In the payload of the commit at `index` of the catalog's log.
        2 => Inline {
            /// The commit.
            index: LogIndex,
            /// The first byte.
            position: u32,
            /// How many.
            bytes: u32,
        },
    }
}

impl Extent {
    /// One past its last offset.
    #[must_use]
    pub fn end_offset(&self) -> Offset {
        self.base_offset.plus(self.records)
    }

    /// Length of its bytes.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        match self.location {
            Location::Object { range, .. } => range.bytes,
            Location::Inline { bytes, .. } => bytes,
        }
    }
}

/// The extents that hold a range of offsets, in order and without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtentPlan {
    /// The partition's bounds when the plan was made.
    pub partition: PartitionView,
    /// The first one holds the offset asked for; none when that is the tail.
    pub extents: Vec<Extent>,
}

/// An extent that still lives in the catalog's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineExtent {
    /// The partition.
    pub partition: PartitionId,
    /// The extent, whose location is [`Location::Inline`].
    pub extent: Extent,
}

/// What is stored of records, by where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredTotals {
    /// In payloads of the catalog's log, until they are moved.
    pub inline: StageTotals,
    /// In objects.
    pub objects: StageTotals,
}

/// What is stored in one kind of place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTotals {
    /// Bytes of batches.
    pub bytes: u64,
    /// Runs of batches.
    pub extents: u64,
}

/// What a topic holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicTotals {
    /// Offsets between the beginnings and the tails of its partitions.
    pub records: u64,
    /// Bytes of its extents; one that begins before its partition does counts whole.
    pub bytes: u64,
}

/// A block of object ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantView {
    /// Whose.
    pub session: SessionId,
    /// The first id.
    pub first: ObjectId,
    /// How many.
    pub count: u32,
    /// From this tick on a commit that names one of them is refused.
    pub deadline: Tick,
}

/// Object ids that nothing refers to and no commit can name any more: granted and never committed, or retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrphanRange {
    /// The first id.
    pub first: ObjectId,
    /// How many.
    pub count: u32,
    /// When they were fenced.
    pub fenced_at: Tick,
}
