//! Consumer groups: who is in them, and how far they have read.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::WireOffset;

/// A group among others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupSummary {
    /// Its name.
    pub group: String,
    /// `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable` or `Dead`: Kafka's words.
    pub state: String,
    /// What its members are, `consumer` as a rule; empty for a group that never had any.
    pub protocol_type: String,
    /// How many members it has.
    pub members: u32,
}

/// Groups, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupList {
    /// As many as were asked for.
    pub groups: Vec<GroupSummary>,
    /// When there are more: what to say as `after` to get them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// All about a group but how far it has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupInfo {
    /// Its name.
    pub group: String,
    /// `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable` or `Dead`: Kafka's words.
    pub state: String,
    /// What its members are, `consumer` as a rule; empty for a group that never had any.
    pub protocol_type: String,
    /// How its members share the work, such as `range`; empty unless the group is stable.
    pub protocol: String,
    /// Its members, by id.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupMember {
    /// Its id.
    pub member_id: String,
    /// What its client calls itself.
    pub client_id: String,
    /// From where it has joined.
    pub client_host: String,
    /// `group.instance.id` of a static member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// What it reads: nothing unless the group is stable. Absent for members that are no consumers, as their words are their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Vec<AssignedTopic>>,
}

/// Partitions of a topic that a member reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssignedTopic {
    /// The topic.
    pub topic: String,
    /// Its partitions, as its client has them.
    pub partitions: Vec<u32>,
}

/// How far a group has read, by topic and partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupOffsets {
    /// Partitions of which it has committed an offset, as many as were asked for.
    pub offsets: Vec<GroupOffset>,
    /// When there are more: what to say as `after` to get them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How far a group has read one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The next offset that the group reads.
    pub offset: WireOffset,
    /// What was committed with it.
    pub metadata: String,
    /// The offset that the next record of the partition will get.
    pub tail: WireOffset,
    /// How many offsets are between the two.
    pub lag: WireOffset,
}

/// Where a group is to begin anew in a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OffsetsResetInput {
    /// The topic.
    pub topic: String,
    /// Its partitions; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1)]
    pub partitions: Option<Vec<u32>>,
    /// `earliest`, `latest`, an offset, `@` and milliseconds since 1970 or a time like `2026-01-31T12:00:00Z`. An offset that a
    /// partition does not have becomes the nearest that it has.
    #[schema(pattern = "^(earliest|latest|[0-9]+|@[0-9]+|@[0-9]{4}-.+)$", example = "earliest")]
    pub to: String,
    /// Whether only to tell what would be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// Where a group begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OffsetsReset {
    /// By partition.
    pub offsets: Vec<OffsetReset>,
}

/// Where a group begins anew in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OffsetReset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// What it had committed; absent for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<WireOffset>,
    /// The next offset that it reads.
    pub after: WireOffset,
}

/// How far somebody who is no member has read for a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OffsetsInput {
    /// Each partition once.
    #[serde(deserialize_with = "crate::list_of_objects")]
    #[schema(min_items = 1)]
    pub offsets: Vec<OffsetInput>,
}

/// How far somebody has read one partition for a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OffsetInput {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The next offset to read.
    pub offset: WireOffset,
    /// Kept with it, up to 4,096 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metadata: String,
}

/// What became of offsets that were to be committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OffsetsCommitted {
    /// In the order of the request. Those without a `code` are stored.
    pub offsets: Vec<OffsetOutcome>,
}

/// What became of an offset that was to be committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OffsetOutcome {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// Why it is not stored, as a problem's code; absent when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
