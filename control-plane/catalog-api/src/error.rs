//! Why the catalog gave no answer.

use tidelog_model::{ErrorKind, FirstTry};

/// The catalog did not answer. What it *answered*, good or bad, is an [`crate::Outcome`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// No leader, no quorum, or not in time; nothing was proposed.
    #[error("the catalog is unavailable: {0}")]
    Unavailable(String),
    /// The command was proposed and its answer was lost: it may have been applied, now or later.
    #[error("the catalog's answer was lost: {0}")]
    AnswerLost(String),
    /// The queue of proposals is full; nothing was proposed.
    #[error("the catalog has {0} proposals waiting, its maximum")]
    Overloaded(usize),
    /// The disk of the replica has no room for what takes some; nothing was proposed. It takes it again, without a restart,
    /// when there is room.
    #[error("the catalog's disk is full: {0}")]
    Full(String),
    /// This node's replica cannot go on (its disk failed or is damaged). It answers nothing until it is restarted.
    #[error("the catalog replica has stopped: {0}")]
    Stopped(String),
}

impl CatalogError {
    /// What the caller would do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            CatalogError::Unavailable(_) | CatalogError::AnswerLost(_) | CatalogError::Stopped(_) => {
                ErrorKind::Unavailable
            }
            CatalogError::Overloaded(_) | CatalogError::Full(_) => ErrorKind::Throttled,
        }
    }

    /// Whether the command may have had its effect.
    #[must_use]
    pub fn first_try(&self) -> FirstTry {
        match self {
            CatalogError::AnswerLost(_) | CatalogError::Stopped(_) => FirstTry::MayHaveHappened,
            CatalogError::Unavailable(_) | CatalogError::Overloaded(_) | CatalogError::Full(_) => {
                FirstTry::DidNotHappen
            }
        }
    }
}
