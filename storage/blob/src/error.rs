//! What can go wrong at a store.

use tidelog_model::{ErrorKind, FirstTry};

/// A call to the store failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BlobError {
    /// No such object.
    #[error("object {key} does not exist")]
    NotFound {
        /// Its key.
        key: String,
    },
    /// The object is shorter than the range asked for.
    #[error("object {key} ends before byte {end}")]
    OutOfRange {
        /// Its key.
        key: String,
        /// The end of the range.
        end: u64,
    },
    /// The store has no room.
    #[error("the store is full: {0}")]
    Full(String),
    /// The store refuses us: credentials, rights, or a bucket that does not exist.
    #[error("the store refuses: {0}")]
    Refused(String),
    /// The store asks to slow down.
    #[error("the store throttles: {0}")]
    Throttled(String),
    /// The store failed, could not be reached, or did not answer in time. A put may have landed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

impl BlobError {
    /// What the caller would do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            BlobError::NotFound { .. } => ErrorKind::NotFound,
            BlobError::OutOfRange { .. } => ErrorKind::Corrupt,
            BlobError::Refused(_) => ErrorKind::Invalid,
            BlobError::Full(_) | BlobError::Throttled(_) => ErrorKind::Throttled,
            BlobError::Unavailable(_) => ErrorKind::Unavailable,
        }
    }

    /// Whether the call may have had its effect.
    #[must_use]
    pub fn first_try(&self) -> FirstTry {
        match self {
            BlobError::Unavailable(_) => FirstTry::MayHaveHappened,
            BlobError::NotFound { .. }
            | BlobError::OutOfRange { .. }
            | BlobError::Full(_)
            | BlobError::Refused(_)
            | BlobError::Throttled(_) => FirstTry::DidNotHappen,
        }
    }
}
