//! What is asked of the coordinator and what it answers, free of any wire format.

use std::sync::Arc;

use bytes::Bytes;
use tidelog_catalog_api::GroupOffset;
use tidelog_model::TenantId;

use super::GroupError;

/// A group of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey {
    /// Whose group it is.
    pub tenant: TenantId,
    /// Its id.
    pub group: Arc<str>,
}

/// How a member names itself after it has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// As the coordinator gave it; empty when the client has none.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// The generation it believes to be in; −1 when it is in none.
    pub generation: i32,
}

/// One way of sharing out work that a member knows, with what it says about itself in that protocol's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// For consumers the name of an assignor, such as `range`.
    pub name: String,
    /// Opaque here; for consumers the subscription.
    pub metadata: Bytes,
}

/// JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// Which group.
    pub key: GroupKey,
    /// Empty for a new member.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// As the request's header has it.
    pub client_id: String,
    /// See [`super::member::Member::client_host`].
    pub client_host: String,
    /// After this long without a sign of life the member is removed.
    pub session_timeout_ms: i32,
    /// How long a rebalance waits for this member. Before version 1 the session timeout.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect`, …; the same for all members.
    pub protocol_type: String,
    /// What the member can do, best first.
    pub protocols: Vec<Protocol>,
    /// From version 4 on a new member is first given an id and has to join again with it, so that a client that gives up
    /// leaves no member behind.
    pub member_id_required: bool,
    /// From version 9 on a leader may be told that the assignment need not be computed.
    pub can_skip_assignment: bool,
}

/// The answer to a member that is in the new generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The member's id.
    pub member_id: String,
    /// The generation.
    pub generation: i32,
    /// As the first member stated it.
    pub protocol_type: String,
    /// The protocol that was selected.
    pub protocol: String,
    /// Member id of the leader, who computes the assignment.
    pub leader: String,
    /// The leader is to keep the assignment as it is.
    pub skip_assignment: bool,
    /// All members for the leader, none for the others.
    pub members: Vec<JoinedMember>,
}

/// A member, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: String,
    /// Its `group.instance.id`.
    pub instance_id: Option<String>,
    /// What it said in the selected protocol.
    pub metadata: Bytes,
}

/// A join that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRefused {
    /// The member id to be put into the answer: with [`GroupError::MemberIdRequired`] the one to join again with.
    pub member_id: String,
    /// Why.
    pub error: GroupError,
}

/// The answer to a JoinGroup.
pub type JoinAnswer = Result<Joined, JoinRefused>;

/// SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRequest {
    /// Which group.
    pub key: GroupKey,
    /// Who asks.
    pub claim: Claim,
    /// When stated it has to be the group's.
    pub protocol_type: Option<String>,
    /// When stated it has to be the group's.
    pub protocol: Option<String>,
    /// From the leader: who gets what, by member id. Members left out get nothing; unknown ones are ignored.
    pub assignments: Vec<(String, Bytes)>,
}

/// A member's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The group's.
    pub protocol_type: String,
    /// The group's.
    pub protocol: String,
    /// In the protocol's own words; empty for nothing.
    pub assignment: Bytes,
}

/// The answer to a SyncGroup.
pub type SyncAnswer = Result<Synced, GroupError>;

/// A member that leaves, or is removed by an administrator, who names the instance only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Empty when only the instance is named.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
}

/// OffsetCommit, its topics resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRequest {
    /// Which group.
    pub key: GroupKey,
    /// Who commits; generation −1 and no member id for a consumer that does without group membership.
    pub claim: Claim,
    /// What.
    pub offsets: Vec<GroupOffset>,
}
