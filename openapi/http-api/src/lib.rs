//! What is said over HTTP: every body, as a type.
//!
//! **Owns:** the JSON of requests and answers, of problems (RFC 9457) and of events, with their OpenAPI schemas. **Promises:**
//! server and clients that use these types agree. **Does not know:** the server, transports, and what any of it means.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod conditions;
mod groups;
mod object;
mod offset;
mod problem;
mod records;
mod status;
mod topics;

pub use conditions::{Fence, FenceInput, ProducerOpened};
pub use groups::{
    AssignedTopic, GroupInfo, GroupList, GroupMember, GroupOffset, GroupOffsets, GroupSummary, OffsetInput,
    OffsetOutcome, OffsetReset, OffsetsCommitted, OffsetsInput, OffsetsReset, OffsetsResetInput,
};
pub use object::{list_of_objects, object_from_str};
pub use offset::WireOffset;
pub use problem::{Place, Problem, RecordOutcome};
pub use records::{
    Appended, HeaderInput, HeaderOutput, LineRun, PartitionPlaces, Produced, ProducedLines, Record, RecordInput,
    RecordPage, RecordPlace, RecordsInput,
};
pub use status::{
    AppendsStatus, CacheStatus, ConnectionsStatus, NodeStatus, RaftStatus, StageStatus, Status, StorageStatus,
};
pub use topics::{
    ConfigValue, ConfigView, PartitionInfo, TopicChanges, TopicCreated, TopicInfo, TopicInput, TopicList, TopicSummary,
};
