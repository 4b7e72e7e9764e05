//! Why a read gave nothing.

use tidelog_catalog_api::{CatalogError, PartitionView};
use tidelog_model::ErrorKind;

/// A read failed. Every negative was confirmed by a read barrier.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The topic or partition does not exist.
    #[error("unknown topic or partition")]
    UnknownPartition,
    /// The offset is outside the partition's bounds.
    #[error("offset out of range, the log is {}..{}", view.log_start, view.high_watermark)]
    OutOfRange {
        /// The bounds.
        view: PartitionView,
    },
    /// Stored bytes are not what was written, also when read again past all caches. Nothing was delivered.
    #[error("stored records are damaged: {0}")]
    Corrupt(String),
    /// Store or catalog did not answer.
    #[error("not readable now: {0}")]
    Unavailable(String),
}

impl ReadError {
    /// What the caller would do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            ReadError::UnknownPartition => ErrorKind::NotFound,
            ReadError::OutOfRange { .. } => ErrorKind::Invalid,
            ReadError::Corrupt(_) => ErrorKind::Corrupt,
            ReadError::Unavailable(_) => ErrorKind::Unavailable,
        }
    }
}

impl From<CatalogError> for ReadError {
    fn from(error: CatalogError) -> ReadError {
        ReadError::Unavailable(error.to_string())
    }
}
