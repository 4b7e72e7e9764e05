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
    /// An idempotent batch without an epoch or sequence.
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
    // Without an id the other two mean nothing, as in Kafka: aiokafka's plain batches have sequence 0.
    if id >= 0 && (epoch < 0 || sequence < 0) {
        return Err(AdmitError::Producer { id, epoch, sequence });
    }
    let records::CheckedBatch { records, max_timestamp, .. } = records::check_batch(&bytes)?;
    Ok(vec![CheckedBatch { bytes, header, records, max_timestamp }])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A batch of two records as aiokafka 0.14 sends it without idempotence: no producer id, no epoch, but sequence 0.
    const PLAIN_WITH_SEQUENCE: [u8; 80] = [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x44, 0xff, 0xff, 0xff, 0xff, 0x02, 0x2a,
        0x8c, 0x37, 0xa5, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x01, 0x74, 0x87, 0x6e, 0x80, 0x00, 0x00,
        0x00, 0x01, 0x74, 0x87, 0x6e, 0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x10, 0x00, 0x00, 0x00, 0x02, 0x6b, 0x02, 0x76, 0x00, 0x12, 0x00,
        0x02, 0x02, 0x02, 0x6b, 0x04, 0x76, 0x32, 0x00,
    ];

    #[test]
    fn a_sequence_without_a_producer_is_not_looked_at() {
        let bytes = Bytes::from_static(&PLAIN_WITH_SEQUENCE);
        let rules = AdmitRules { batch_bytes_max: 1_000 };
        let admitted = admit(bytes.clone(), &rules).unwrap();
        assert_eq!(admitted.len(), 1);
        assert_eq!((admitted[0].records, admitted[0].header.base_sequence), (2, 0));
        assert_eq!(admitted[0].bytes, bytes, "stored as sent");
    }
}
