//! The words of Tidelog as types.
//!
//! **Owns:** identifiers and counts, the view of a Kafka v2 record batch, the named limits, topic name rules and
//! [`ErrorKind`]. **Promises:** no I/O, no allocation beyond what is returned, no panic on any input bytes.
//! **Does not know:** tokio, serde, Kafka requests, where bytes are stored.

mod batch;
mod error_kind;
mod ids;
pub mod limits;
pub mod mutant;
mod topic_name;

pub use batch::{BatchError, BatchHeader, BatchPlacement, Codec, HEADER_BYTES, Rewrite, TimestampType};
pub use batch::{PREFIX_BYTES, patch_prefix};
pub use error_kind::{ErrorKind, FirstTry};
pub use ids::{
    CommitSequence, FencingToken, Incarnation, LaneId, LogIndex, NodeId, ObjectId, Offset, PartitionId, ProducerEpoch,
    ProducerId, SessionId, TenantId, Tick, TimestampMs, TopicId,
};
pub use topic_name::{TopicNameError, check_topic_name};
