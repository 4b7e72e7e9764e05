//! Why a range could not be read.

use tidelog_blob::BlobError;
use tidelog_model::{ErrorKind, ObjectId};

/// A range of an object could not be read. No cache failure is among these: those are misses.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The store's answer.
    #[error(transparent)]
    Store(#[from] BlobError),
    /// The object ends before the range does.
    #[error("object {object} ends before byte {end}")]
    TooShort {
        /// The object.
        object: ObjectId,
        /// The end of the range.
        end: u32,
    },
    /// The task that loaded the block ended without a result.
    #[error("the load of object {object} was lost")]
    LoadLost {
        /// The object.
        object: ObjectId,
    },
}

impl ReadError {
    /// What the caller would do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            ReadError::Store(error) => error.kind(),
            ReadError::TooShort { .. } => ErrorKind::Corrupt,
            ReadError::LoadLost { .. } => ErrorKind::Unavailable,
        }
    }
}
