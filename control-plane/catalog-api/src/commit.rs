//! The commit: one flush becomes offsets.

use bytes::Bytes;
use tidelog_format::{stored_enum, stored_struct};
use tidelog_model::{
    CommitSequence, FencingToken, LaneId, LogIndex, ObjectId, Offset, PartitionId, ProducerEpoch, ProducerId,
    SessionId, TimestampMs,
};

use crate::KeyLayout;

stored_struct! {
    /// One flush of one lane. `apply` takes the commits of a (session, lane) in sequence only, and keeps each outcome
    /// until a later commit acknowledges it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Commit {
        /// Whose flush it is.
        pub session: SessionId,
        /// Of which lane.
        pub lane: LaneId,
        /// Its place in the (session, lane): 1, 2, 3…
        pub sequence: CommitSequence,
        /// Every outcome up to and including this one has been received and may be forgotten.
        pub outcomes_received: CommitSequence,
        /// Where the bytes are.
        pub payload: Payload,
        /// What is in them, in the order in which it was admitted: a partition occurs once.
        pub entries: Vec<CommitEntry>,
    }

    /// Batches of one partition, which lie one after the other in the payload.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct CommitEntry {
        /// The partition.
        pub partition: PartitionId,
        /// Byte position of the first batch in the payload.
        pub position: u32,
        /// The batches, in order.
        pub batches: Vec<CommitBatch>,
    }

    /// One batch.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct CommitBatch {
        /// Its length.
        pub bytes: u32,
        /// Offsets that it takes, one at least.
        pub records: u32,
        /// The greatest timestamp in it.
        pub max_timestamp: TimestampMs,
        /// Set when its producer is idempotent.
        pub producer: Option<ProducerBatch>,
        /// When set, the batch is appended only if this is the partition's tail.
        pub expected_offset: Option<Offset>,
    }

    /// Who wrote a batch, and where it belongs in what they write (KIP-98).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ProducerBatch {
        /// The producer.
        pub id: ProducerId,
        /// Its epoch.
        pub epoch: ProducerEpoch,
        /// Of the first record; wraps from `i32::MAX` to 0.
        pub sequence: i32,
    }

    /// Puts inline payloads into an object. Each move is checked against the state it is applied to.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct MoveInline {
        /// Who wrote the object, under a live grant.
        pub session: SessionId,
        /// The object.
        pub object: ObjectId,
        /// Its length.
        pub object_bytes: u32,
        /// What went where.
        pub moves: Vec<ExtentMove>,
    }

    /// One extent's new place.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ExtentMove {
        /// The partition.
        pub partition: PartitionId,
        /// The extent's first offset.
        pub base_offset: Offset,
        /// The payload that holds it now.
        pub from: LogIndex,
        /// Its byte position in that payload.
        pub from_position: u32,
        /// Its length; the same in both places.
        pub bytes: u32,
        /// Its byte position in the object.
        pub to_position: u32,
    }
}

stored_enum! {
    /// Where the bytes of a commit are.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Payload {
        /// In the store, durable before this was proposed.
        1 => Object {
            /// The object's id, from a live grant of the session.
            object: ObjectId,
            /// Its length.
            bytes: u32,
        },
        /// In the command itself.
        2 => Inline(Bytes),
    }

    /// What became of one batch.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum BatchOutcome {
        /// It is in the log from this offset on.
        1 => Appended {
            /// Of its first record.
            base_offset: Offset,
        },
        /// It was in the log already; nothing was appended.
        2 => Duplicate {
            /// Where it was.
            base_offset: Offset,
        },
        /// It was in the log already, so long ago that its offset is forgotten; nothing was appended.
        3 => DuplicateForgotten,
        /// It is ahead of (or otherwise not next in) its producer's sequence. Nothing was appended; once the batch before
        /// it has been, it may be proposed again.
        4 => OutOfOrder {
            /// The sequence that would be next.
            expected: i32,
        },
        /// Its producer is not known here, was not evicted, and it does not begin at sequence 0.
        5 => UnknownProducer,
        /// A newer epoch of its producer has written.
        6 => StaleEpoch {
            /// The newer one.
            current: ProducerEpoch,
        },
        /// The topic or partition does not exist (any more).
        7 => UnknownPartition,
        /// The expected offset is not the tail.
        8 => UnexpectedOffset {
            /// The tail.
            tail: Offset,
        },
        /// A higher fencing token was seen.
        9 => Fenced {
            /// The highest.
            token: FencingToken,
            /// The tail.
            tail: Offset,
        },
        /// A condition of its producer did not hold before, in this epoch or a later one: nothing more of it is taken.
        10 => ProducerHalted {
            /// Above this epoch it may go on.
            epoch: ProducerEpoch,
        },
        /// Its Idempotency-Key was used for something else.
        11 => KeyReused,
        /// The first try of its request was made into batches in another way.
        12 => OtherLayout {
            /// In this one.
            layout: KeyLayout,
        },
        /// So many keys are remembered that there is no room for one more yet.
        13 => KeysFull,
    }

    /// What became of a commit; kept in the state, so that a commit whose answer was lost can be asked again.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum CommitOutcome {
        /// It was applied: one outcome per batch, in the commit's order.
        1 => Applied(Vec<BatchOutcome>),
        /// The object is not in a live grant of the session, or the commit contradicts itself (batches outside the payload,
        /// or over each other). Nothing was appended. The sequence is used up. Within its grant an object may be named
        /// again, as parked batches need.
        2 => ObjectRefused,
        /// The budget of inline payloads is used up. Nothing was appended. The sequence is used up.
        3 => InlineFull,
        /// A commit before it was refused, and its writer did not know that yet: what it has here may have to follow what
        /// was refused there. Nothing was appended. The sequence is used up; once the refusal was acknowledged (by
        /// `outcomes_received`) the same batches may be committed again.
        4 => EarlierRefused,
    }
}

/// Why a commit was not even considered; nothing changed, its sequence is not used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitRefused {
    /// The session is unknown, or its node has a newer one.
    #[error("session is fenced")]
    SessionFenced,
    /// A commit before this one is missing.
    #[error("commit sequence {expected} is next")]
    SequenceGap {
        /// The one that is next.
        expected: CommitSequence,
    },
    /// The commit was applied and its outcome acknowledged.
    #[error("the outcome was acknowledged and is forgotten")]
    OutcomeForgotten,
    /// The session holds too many outcomes without acknowledging any.
    #[error("too many outcomes are unacknowledged")]
    TooManyOutcomes,
}
