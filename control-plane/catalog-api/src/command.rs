//! Every change of the catalog.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidelog_format::codec::{Corrupt, Reader, Writer};
use tidelog_format::{stored_enum, stored_struct};
use tidelog_model::{
    FencingToken, Incarnation, NodeId, ObjectId, Offset, PartitionId, ProducerId, SessionId, TenantId, TimestampMs,
    TopicId,
};

use crate::{
    ClaimRefused, Commit, CommitOutcome, CommitRefused, FenceRefused, FenceView, GroupClaim, GroupRecord, GroupRefused,
    GuardedCommit, MoveInline, QuotaAlteration, QuotaRefused, SubscriptionRefused,
};

/// Milliseconds of the leader's monotonic clock per tick.
pub const TICK_MS: u64 = 1_000;

/// Version of the encoding of commands.
const COMMAND_VERSION: u8 = 1;

stored_enum! {
    /// A change that is proposed. Randomness and time come in here, never in `apply`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Command {
        /// Gives a new catalog its names. The first command of a cluster; a second one changes nothing.
        1 => Bootstrap {
            /// Stable for the life of the cluster.
            cluster_id: [u8; 16],
            /// Stable until a restore.
            incarnation: Incarnation,
        },
        /// One tick of the leader's clock has passed. Grants past their deadline are fenced here.
        2 => Tick {
            /// The leader's wall clock; its advance is bounded per tick.
            wall: TimestampMs,
        },
        /// A node begins a life; its earlier session and that session's grants are fenced.
        3 => OpenSession {
            /// The node.
            node: NodeId,
        },
        /// A session asks for a block of object ids.
        4 => GrantObjects {
            /// The session.
            session: SessionId,
            /// How many ids, at most [`tidelog_model::limits::GRANT_OBJECTS_MAX`].
            count: u32,
            /// After how many ticks unused ids are fenced.
            ticks: u32,
        },
        /// One flush.
        5 => Commit(Commit),
        /// Inline payloads have been put into an object.
        6 => MoveInline(MoveInline),
        /// New topics, each decided by itself.
        7 => CreateTopics {
            /// The topics.
            topics: Vec<NewTopic>,
        },
        /// Topics to delete with all their data; unknown ids are reported. Of logs of before [`Command::RemoveTopics`].
        8 => DeleteTopics {
            /// The topics.
            topics: Vec<TopicId>,
        },
        /// A session asks for a block of producer ids to hand out.
        9 => AllocateProducerIds {
            /// How many.
            count: u32,
        },
        /// A group says how far it has read. Of logs of before [`Command::CommitOffsetsAs`].
        10 => CommitOffsets {
            /// Whose group it is.
            tenant: TenantId,
            /// Its name.
            group: String,
            /// Per partition.
            offsets: Vec<GroupOffset>,
        },
        /// Gives a topic other settings, if its settings are still what the proposer saw.
        11 => AlterTopicConfigs {
            /// The topic.
            topic: TopicId,
            /// All settings it has, as the proposer saw them.
            before: BTreeMap<String, String>,
            /// All settings it is to have.
            after: BTreeMap<String, String>,
        },
        /// Gives a topic more partitions.
        12 => CreatePartitions {
            /// The topic.
            topic: TopicId,
            /// How many it is to have in all: more than it has.
            count: u32,
        },
        /// Forgets what a group has committed.
        13 => DeleteOffsets {
            /// Whose group it is.
            tenant: TenantId,
            /// Its name.
            group: String,
            /// Of these partitions; of all when `None`.
            partitions: Option<Vec<PartitionId>>,
        },
        /// Moves the beginning of partitions up; each is decided by itself.
        14 => DeleteRecords {
            /// Of which partitions, and how far.
            partitions: Vec<RecordsDeletion>,
        },
        /// A coordinator says what a group's rebalance has decided, before it tells the members.
        15 => StoreGroup {
            /// The coordinator.
            session: SessionId,
            /// Whose group it is.
            tenant: TenantId,
            /// Its name.
            group: String,
            /// What to remember; `None` to forget the group, without its offsets.
            record: Option<GroupRecord>,
        },
        /// A member of a group says how far it has read.
        16 => CommitOffsetsAs {
            /// Whose group it is.
            tenant: TenantId,
            /// Its name.
            group: String,
            /// Who says so; `None` for somebody who is no member, which is taken while the group has none.
            claim: Option<GroupClaim>,
            /// Per partition.
            offsets: Vec<GroupOffset>,
        },
        /// Gives those who connect other quotas; each entity is decided by itself.
        17 => AlterClientQuotas {
            /// Whose clients they are.
            tenant: TenantId,
            /// Per entity.
            alterations: Vec<QuotaAlteration>,
        },
        /// Gives a metrics subscription other settings, if its settings are still what the proposer saw.
        18 => AlterMetricsSubscription {
            /// Whose clients are asked.
            tenant: TenantId,
            /// Its name.
            name: String,
            /// All settings it has, as the proposer saw them; none when there is no such subscription.
            before: BTreeMap<String, String>,
            /// All settings it is to have; none to forget it.
            after: BTreeMap<String, String>,
        },
        /// As DeleteTopics. For a while it is remembered how far their producers had come: a topic that is created under the
        /// name of one of them lets them go on.
        19 => RemoveTopics {
            /// The topics.
            topics: Vec<TopicId>,
        },
        /// As Commit, and some of its batches are guarded.
        20 => GuardedCommit(GuardedCommit),
        /// From now on nothing with a lower fencing token lands in the partition.
        21 => RaiseFence {
            /// The partition.
            partition: PartitionId,
            /// Raised to this one, unless a higher one was seen.
            token: FencingToken,
        },
    }
}

stored_struct! {
    /// A topic to be created.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct NewTopic {
        /// Whose it will be.
        pub tenant: TenantId,
        /// Random; chosen by the proposer.
        pub id: TopicId,
        /// Checked by [`tidelog_model::check_topic_name`] before it is proposed, and again in `apply`.
        pub name: String,
        /// 1 to [`tidelog_model::limits::TOPIC_PARTITIONS_MAX`].
        pub partitions: u32,
        /// Shown to clients; has no effect.
        pub replication_factor: i16,
        /// Settings as the client wrote them.
        pub configs: BTreeMap<String, String>,
    }

    /// How far a group has read one partition.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct GroupOffset {
        /// The partition.
        pub partition: PartitionId,
        /// The next offset to read.
        pub offset: Offset,
        /// As the client stated it; −1 for none.
        pub leader_epoch: i32,
        /// As the client stated it.
        pub metadata: String,
    }

    /// Where a partition is to begin.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RecordsDeletion {
        /// The partition.
        pub partition: PartitionId,
        /// The first offset that stays; `None` for the tail, so that nothing stays.
        pub before: Option<Offset>,
    }
}

/// The answer of `apply` to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// To Bootstrap and Tick.
    Done,
    /// To OpenSession.
    SessionOpened(SessionId),
    /// To GrantObjects: ids `first..first + count`, usable until `deadline`.
    Granted(Result<crate::GrantView, SessionRefused>),
    /// To Commit and GuardedCommit.
    Committed(Result<CommitOutcome, CommitRefused>),
    /// To MoveInline: which of the moves took effect. `Err` when the session or the object is refused.
    Moved(Result<Vec<bool>, SessionRefused>),
    /// To CreateTopics, one each.
    TopicsCreated(Vec<Result<CreatedTopic, CreateTopicError>>),
    /// To DeleteTopics and RemoveTopics, one each: whether it existed.
    TopicsDeleted(Vec<bool>),
    /// To AllocateProducerIds: this many from `first` on.
    ProducerIds {
        /// The first.
        first: ProducerId,
        /// How many.
        count: u32,
    },
    /// To CommitOffsets, one each.
    OffsetsCommitted(Vec<Result<(), OffsetRefused>>),
    /// To AlterTopicConfigs.
    TopicConfigsAltered(Result<(), AlterTopicError>),
    /// To CreatePartitions.
    PartitionsCreated(Result<(), AlterTopicError>),
    /// To DeleteOffsets: how many there were.
    OffsetsDeleted(usize),
    /// To DeleteRecords, one each: where the partition begins now.
    RecordsDeleted(Vec<Result<Offset, DeleteRecordsError>>),
    /// To StoreGroup.
    GroupStored(Result<(), GroupRefused>),
    /// To CommitOffsetsAs: one each, or none is taken.
    OffsetsCommittedAs(Result<Vec<Result<(), OffsetRefused>>, ClaimRefused>),
    /// To AlterClientQuotas, one each.
    ClientQuotasAltered(Vec<Result<(), QuotaRefused>>),
    /// To AlterMetricsSubscription.
    MetricsSubscriptionAltered(Result<(), SubscriptionRefused>),
    /// To RaiseFence.
    FenceRaised(Result<FenceView, FenceRefused>),
}

/// A topic that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id.
    pub id: TopicId,
}

/// Why a topic was not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateTopicError {
    /// The name is taken.
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    /// Kafka's metric names fold '.' and '_', so names that differ only there collide.
    #[error("topic '{name}' collides with existing topic '{existing}': '.' and '_' are not told apart")]
    Collides {
        /// The new one.
        name: String,
        /// The old one.
        existing: String,
    },
    /// Name, partition count or id break a rule.
    #[error("{0}")]
    Invalid(String),
}

/// Why a topic was not altered; nothing of it has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlterTopicError {
    /// There is no such topic (any more).
    #[error("topic does not exist")]
    UnknownTopic,
    /// Its settings are not what the proposer saw: to be looked at and proposed again.
    #[error("the topic's settings have changed meanwhile")]
    Changed,
    /// It has as many partitions already, or more.
    #[error("the topic has {0} partitions already")]
    NotMore(u32),
    /// More partitions than a topic may have.
    #[error("{0}")]
    Invalid(String),
}

/// Why records were not deleted; nothing of the partition has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteRecordsError {
    /// The topic or partition does not exist.
    #[error("unknown topic or partition")]
    UnknownPartition,
    /// The offset is beyond the tail.
    #[error("the offset is beyond the tail, {0}")]
    BeyondTail(Offset),
}

/// Why a session's request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefused {
    /// The session is unknown, or its node has a newer one.
    #[error("session is fenced")]
    Fenced,
    /// The object is not in a live grant of the session.
    #[error("object {0} is not granted")]
    NotGranted(ObjectId),
}

/// Why a group offset was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffsetRefused {
    /// The topic or partition does not exist.
    #[error("unknown topic or partition")]
    UnknownPartition,
    /// The metadata is longer than [`tidelog_model::limits::OFFSET_METADATA_BYTES_MAX`].
    #[error("offset metadata is too large")]
    MetadataTooLarge,
}

impl Command {
    /// The commit, if it is one.
    #[must_use]
    pub fn commit(&self) -> Option<&Commit> {
        match self {
            Command::Commit(commit) | Command::GuardedCommit(GuardedCommit { commit, .. }) => Some(commit),
            _ => None,
        }
    }

    /// The commit, if it is one, to be changed.
    pub fn commit_mut(&mut self) -> Option<&mut Commit> {
        match self {
            Command::Commit(commit) | Command::GuardedCommit(GuardedCommit { commit, .. }) => Some(commit),
            _ => None,
        }
    }
}

/// The bytes of a command, as they are stored in the log.
#[must_use]
pub fn encode_command(command: &Command) -> Bytes {
    let inline = match command.commit().map(|commit| &commit.payload) {
        Some(crate::Payload::Inline(bytes)) => bytes.len(),
        Some(crate::Payload::Object { .. }) | None => 0,
    };
    let mut out = Writer::with_capacity(inline + 256);
    out.byte(COMMAND_VERSION);
    out.put(command);
    out.finish()
}

/// Reads a command back. An inline payload shares `bytes`' memory.
///
/// # Errors
/// [`Corrupt`] when the bytes are no command of a version that is known here.
pub fn decode_command(bytes: Bytes) -> Result<Command, Corrupt> {
    let mut input = Reader::new("catalog command", bytes);
    let version = input.byte()?;
    if version != COMMAND_VERSION {
        return Err(input.corrupt(format!("its version is {version}, known here is {COMMAND_VERSION}")));
    }
    let command = input.get()?;
    input.end()?;
    Ok(command)
}

#[cfg(test)]
#[path = "command_test.rs"]
mod tests;
