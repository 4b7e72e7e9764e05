//! The records inside a batch: decompression with capped output, and the checks of a batch that a client sent.
//!
//! Nothing here takes memory because a client's bytes say so: declared lengths are compared with what is there, and
//! compressed bodies are walked through a small buffer wherever the codec allows it.

mod build;
mod check;
mod compress;
mod decoder;
mod open;
mod snappy;
mod walk;

use tidelog_model::{BatchError, Codec, ErrorKind};

pub use build::{BatchBuilder, BuiltBatch, RECORD_OVERHEAD_BYTES_MAX};
pub use check::{CheckedBatch, SeenRecord, check_batch, check_batch_with, for_each_record, for_each_timestamp};
pub use compress::{Encoding, compress, recompress};
pub use decoder::decompress;
pub use open::OpenBatch;
pub use walk::{Headers, Record};

/// What is wrong with the records of a batch. The text is fit to be shown to the client that sent them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// The batch itself, or a record in it.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The body is not what its codec calls valid.
    #[error("{codec:?} body is invalid: {problem}")]
    Compressed {
        /// The codec that the batch names.
        codec: Codec,
        /// What its decoder says.
        problem: String,
    },
    /// The body unfolds to more than is allowed. Found before the memory for it is taken.
    #[error("records unfold to more than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
}

impl RecordsError {
    /// What the caller would do about it: refuse the batch. The same bytes never become valid.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            RecordsError::Batch(_) | RecordsError::Compressed { .. } | RecordsError::TooLarge { .. } => {
                ErrorKind::Invalid
            }
        }
    }
}

#[cfg(test)]
#[path = "records/build_test.rs"]
mod build_test;
#[cfg(test)]
#[path = "records/records_test.rs"]
mod tests;
