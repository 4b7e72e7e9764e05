//! The checks that record bytes must pass before they are buffered. Bad input stores nothing.

use bytes::Bytes;
use tidelog_format::records::{self, RecordsError};
use tidelog_model::{BatchError, BatchHeader, ErrorKind, TimestampMs};

/// What a topic allows.
#[derive(Clone, Copy, Debug)]
pub struct AdmitRules {
    /// `max.message.bytes`: of the batch as sent.
    pub batch_bytes_max: usize,
}

/// A batch that passed.
#[derive(Clone, Debug)]
pub struct CheckedBatch {
    /// As sent.
    pub bytes: Bytes,
    /// Its header.
    pub header: BatchHeader,
    /// Offsets that it takes.
    pub records: u32,
    /// The greatest timestamp of its records; the header's is only what the producer said.
    pub max_timestamp: TimestampMs,
}

/// Why records are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// No records at all.
    #[error("the request has no record batch for this partition")]
    Empty,
    /// Since Produce v3 a partition's records are one batch.
    #[error("the request has more than one record batch for a partition")]
    NotOneBatch,
    /// Malformed, cut off, a wrong checksum, counts that do not fit.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The compressed records are malformed or unfold to more than is allowed.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// Larger than the topic allows.
    #[error("the batch has {bytes} bytes, the topic's max.message.bytes is {bytes_max}")]
    TooLarge {
        /// Of the batch.
        bytes: usize,
        /// Allowed.
        bytes_max: usize,
    },
    /// Part of a transaction.
    #[error("transactional batches are not supported yet")]
    Transactional,
    /// Only a broker writes control batches.
    #[error("clients may not write control batches")]
    Control,
    /// An idempotent batch without an epoch or sequence, or the reverse.
    #[error("producer id {id}, epoch {epoch} and sequence {sequence} do not fit together")]
    Producer {
        /// As sent.
        id: i64,
        /// As sent.
        epoch: i16,
        /// As sent.
        sequence: i32,
    },
}

impl AdmitError {
    /// What the caller would do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// Checks one partition's records of one request: exactly one v2 batch, whole, with a right checksum, a known codec, as
/// many records as it says (compressed ones are unfolded under a cap to see), no control bit, within limits. The bytes are
/// not copied.
///
/// # Errors
/// The first rule that is broken.
pub fn admit(bytes: Bytes, rules: &AdmitRules) -> Result<Vec<CheckedBatch>, AdmitError> {
    if bytes.is_empty() {
        return Err(AdmitError::Empty);
    }
    let header = BatchHeader::read(&bytes)?;
    if header.bytes > rules.batch_bytes_max {
        return Err(AdmitError::TooLarge { bytes: header.bytes, bytes_max: rules.batch_bytes_max });
    }
    if header.bytes != bytes.len() {
        return Err(AdmitError::NotOneBatch);
    }
    if header.is_control() {
        return Err(AdmitError::Control);
    }
    if header.is_transactional() {
        return Err(AdmitError::Transactional);
    }
    let (id, epoch, sequence) = (header.producer_id.0, header.producer_epoch.0, header.base_sequence);
    let idempotent = id >= 0 && epoch >= 0 && sequence >= 0;
    let plain = id < 0 && sequence < 0;
    if !idempotent && !plain {
        return Err(AdmitError::Producer { id, epoch, sequence });
    }
    let records::CheckedBatch { records, max_timestamp, .. } = records::check_batch(&bytes)?;
    Ok(vec![CheckedBatch { bytes, header, records, max_timestamp }])
}
