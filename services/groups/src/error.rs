//! Why the coordinator refused.

use tidelog_catalog_api::CatalogError;
use tidelog_model::ErrorKind;

/// Why a request of a group was refused. Each variant is one of Kafka's error codes, named in its doc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// `INVALID_GROUP_ID`.
    #[error("the group id is empty or too long")]
    InvalidGroupId,
    /// `INVALID_SESSION_TIMEOUT`.
    #[error("the session timeout is outside 6 s to 30 min")]
    InvalidSessionTimeout,
    /// `MEMBER_ID_REQUIRED`: join again with the member id in the answer.
    #[error("the member has to join again with the id it was given")]
    MemberIdRequired,
    /// `UNKNOWN_MEMBER_ID`: join again as a new member.
    #[error("the group does not know the member")]
    UnknownMember,
    /// `FENCED_INSTANCE_ID`: another process has taken over this instance id.
    #[error("the instance id belongs to a newer member")]
    FencedInstance,
    /// `ILLEGAL_GENERATION`: the group has rebalanced since.
    #[error("the generation is not the current one")]
    IllegalGeneration,
    /// `REBALANCE_IN_PROGRESS`: join again.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// `INCONSISTENT_GROUP_PROTOCOL`: no protocol is known to all members.
    #[error("the member shares no protocol with the group")]
    InconsistentProtocol,
    /// `GROUP_MAX_SIZE_REACHED`.
    #[error("the group has as many members as it may have")]
    GroupFull,
    /// `UNKNOWN_SERVER_ERROR`, as Kafka answers when a group's metadata is over the size of a message.
    #[error("the members' metadata or assignments are too large")]
    TooLarge,
    /// `COORDINATOR_NOT_AVAILABLE`: later, or on another node, it may work.
    #[error("the coordinator cannot take the request now")]
    NotAvailable,
}

impl GroupError {
    /// What the caller would do about it.
    #[must_use]
    pub fn kind(self) -> ErrorKind {
        match self {
            GroupError::InvalidGroupId | GroupError::InvalidSessionTimeout | GroupError::TooLarge => ErrorKind::Invalid,
            GroupError::MemberIdRequired | GroupError::RebalanceInProgress | GroupError::InconsistentProtocol => {
                ErrorKind::Conflict
            }
            GroupError::UnknownMember => ErrorKind::NotFound,
            GroupError::FencedInstance | GroupError::IllegalGeneration => ErrorKind::Fenced,
            GroupError::GroupFull => ErrorKind::Throttled,
            GroupError::NotAvailable => ErrorKind::Unavailable,
        }
    }
}

/// Why offsets were not committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The group refused; nothing was proposed.
    #[error(transparent)]
    Refused(#[from] GroupError),
    /// The catalog did not answer.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl CommitError {
    /// What the caller would do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            CommitError::Refused(error) => error.kind(),
            CommitError::Catalog(error) => error.kind(),
        }
    }
}
