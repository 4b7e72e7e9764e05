//! What a history consists of: one event per line, each the beginning or the end of an operation.

use serde::{Deserialize, Serialize};

use crate::payload::Payload;

/// A partition of a topic of a tenant. The topic's id, not its name: a name can be given again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The tenant's name.
    pub tenant: String,
    /// The topic's id.
    pub topic: String,
    /// The partition's number in its topic.
    pub partition: u32,
}

/// Where an idempotent producer's record belongs: it lands there once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// The producer's id.
    pub producer: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The record's sequence number in this partition.
    pub sequence: i32,
}

/// How an append ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is at this offset.
    Ok(u64),
    /// It was definitely not appended.
    Fail,
    /// It was definitely not appended, because its condition did not hold.
    Refused(Refusal),
    /// It may have been appended or not. An append that never completes counts as this.
    Unknown,
}

/// What a conditional append asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The offset that it expects.
    pub expected: Option<u64>,
    /// Its fencing token.
    pub token: Option<u64>,
}

/// How an operation under a condition was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Where the partition ended, as it was told.
    pub tail: u64,
    /// The highest token that was seen, if that was the reason; else it was the expected offset.
    pub token: Option<u64>,
}

/// How the raising of a fence ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FenceOutcome {
    /// It stands, and the partition ended there.
    Ok(u64),
    /// A higher one was seen.
    Refused(Refusal),
    /// It may stand or not.
    Unknown,
}

/// A record as a reader got it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The offset it came with.
    pub offset: u64,
    /// What its payload says; `None` when the payload is damaged or is none of ours.
    pub payload: Option<Payload>,
    /// CRC32C over the whole payload as it was read.
    pub checksum: u32,
}

/// First and next offset, as a node states them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Log start.
    pub low: u64,
    /// High watermark.
    pub high: u64,
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Microseconds since the run began, by one monotonic clock for all processes.
    pub at_us: u64,
    /// The client that did it.
    pub process: u32,
    /// Pairs the beginning and the end of one operation.
    pub operation: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// The kinds of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A record was handed to a client, not later than its first byte left.
    AppendInvoked {
        /// Where to.
        place: Place,
        /// Unique in the run. A retry of the same record is another operation with the same id.
        record: u64,
        /// The process's own count of its records for this partition.
        sequence: u64,
        /// Whether the client promises to land it at most once.
        idempotent: bool,
        /// Whether the client promises to keep the order of its records. One that pipelines and is not idempotent does
        /// not: it may send again what it had not sent wholly, behind what followed.
        ordered: bool,
        /// The Kafka producer's numbers, where the client shows them.
        slot: Option<Slot>,
        /// CRC32C over the whole payload as it was sent.
        checksum: u32,
        /// The node asked.
        node: String,
        /// The protocol spoken.
        protocol: String,
    },
    /// What the append that has just been invoked as this operation asks for.
    AppendCondition {
        /// All of it.
        condition: Condition,
    },
    /// A fence is about to be raised.
    FenceInvoked {
        /// Where.
        place: Place,
        /// To this.
        token: u64,
    },
    /// The answer came.
    FenceCompleted {
        /// What it was.
        outcome: FenceOutcome,
    },
    /// The answer came.
    AppendCompleted {
        /// What it was.
        outcome: Outcome,
    },
    /// A read was begun.
    ReadInvoked {
        /// Where.
        place: Place,
        /// The first offset asked for.
        from: u64,
        /// The node asked.
        node: String,
        /// The protocol spoken.
        protocol: String,
    },
    /// It returned everything in `[from, next)`. A read that failed has no such event.
    ReadCompleted {
        /// Where the reader goes on.
        next: u64,
        /// What was there.
        records: Vec<Seen>,
        /// The log's bounds, when the answer carried them.
        bounds: Option<Bounds>,
        /// Part of the full read at the end, after all faults were healed.
        last: bool,
    },
}
