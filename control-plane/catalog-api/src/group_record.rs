//! What outlives the coordinator of a consumer group: the outcome of its last rebalance.

use bytes::Bytes;
use tidelog_format::stored_struct;
use tidelog_model::SessionId;

stored_struct! {
    /// A group after its last rebalance: who its members are and who has what. A coordinator stores it before it tells the
    /// members; another one, or the next life of this one, goes on from it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct GroupRecord {
        /// The coordinator that stored it.
        pub session: SessionId,
        /// Counts what that coordinator has stored of this group: of two records on their way the later one stays.
        pub revision: u64,
        /// Counts the rebalances.
        pub generation: i32,
        /// Of the members.
        pub protocol_type: String,
        /// Selected by the last rebalance.
        pub protocol: String,
        /// Member id of the leader; empty without members.
        pub leader: String,
        /// By member id, each once.
        pub members: Vec<GroupMember>,
    }

    /// A member of a group.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct GroupMember {
        /// Given out by the coordinator.
        pub member_id: String,
        /// Of a static member.
        pub instance_id: Option<String>,
        /// What the client calls itself.
        pub client_id: String,
        /// Where it connected from.
        pub client_host: String,
        /// How long it may give no sign of life.
        pub session_timeout_ms: u32,
        /// How long a rebalance waits for it.
        pub rebalance_timeout_ms: u32,
        /// What it can do, best first.
        pub protocols: Vec<GroupProtocol>,
        /// Its share of the work.
        pub assignment: Bytes,
    }

    /// A protocol that a member knows.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct GroupProtocol {
        /// Its name.
        pub name: String,
        /// What the member says about itself in it.
        pub metadata: Bytes,
    }

    /// Who says how far a group has read: a member in a generation.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct GroupClaim {
        /// The generation that it believes to be the current one.
        pub generation: i32,
        /// Its member id.
        pub member_id: String,
    }
}

impl GroupRecord {
    /// Whether it has a member of this id.
    #[must_use]
    pub fn has_member(&self, member_id: &str) -> bool {
        self.members.binary_search_by(|member| member.member_id.as_str().cmp(member_id)).is_ok()
    }

    /// Bytes that it takes, near enough.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let members = self.members.iter().map(|member| {
            let protocols = member.protocols.iter().map(|it| it.name.len() + it.metadata.len() + 64);
            let instance = member.instance_id.as_ref().map_or(0, String::len);
            let names = member.member_id.len() + instance + member.client_id.len() + member.client_host.len();
            256 + names + member.assignment.len() + protocols.sum::<usize>()
        });
        128 + self.protocol_type.len() + self.protocol.len() + self.leader.len() + members.sum::<usize>()
    }
}

/// Why a group's record was not stored; what was stored before still is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupRefused {
    /// The session is unknown, or its node has a newer one.
    #[error("session is fenced")]
    Fenced,
    /// It goes behind a generation that is stored, so somebody else is this group's coordinator now.
    #[error("generation {0} is stored already")]
    GenerationBack(i32),
    /// Larger than [`tidelog_model::limits::GROUP_RECORD_BYTES_MAX`], or its members are not in order.
    #[error("the group is too large, or its members are not in order")]
    Invalid,
    /// All groups together would take more than [`tidelog_model::limits::GROUP_RECORDS_BYTES_MAX`].
    #[error("groups take all the room that there is for them")]
    Full,
}

/// Why none of a group's offsets was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimRefused {
    /// The generation is not the current one.
    #[error("the group's generation is another")]
    IllegalGeneration,
    /// There is no such member; or none is claimed, and there are members.
    #[error("not a member of the group")]
    UnknownMember,
}
