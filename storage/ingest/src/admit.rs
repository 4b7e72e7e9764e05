//! The checks that record bytes must pass before they are buffered, and what a topic's settings change of them. Bad input
//! stores nothing.

use std::ops::RangeInclusive;

use bytes::Bytes;
use tidelog_format::records::{self, BuiltBatch, Encoding, RecordsError, SeenRecord};
use tidelog_model::{BatchError, BatchHeader, Codec, ErrorKind, HEADER_BYTES, Rewrite, TimestampMs, TimestampType};

/// Refused records of one batch that are told one by one; of the others only that there are some.
pub const RECORDS_TOLD_MAX: usize = 1_000;
/// What a producer writes that has no timestamp; always within range, as in Kafka.
const NO_TIMESTAMP: TimestampMs = TimestampMs(-1);

/// What a topic allows.
#[derive(Clone, Copy, Debug)]
pub struct AdmitRules {
    /// `max.message.bytes`: of the batch as sent, and as stored.
    pub batch_bytes_max: usize,
    /// `compression.type`: what batches are stored in that come in another codec. `None`: in that.
    pub encoding: Option<Encoding>,
    /// `message.timestamp.*`.
    pub timestamps: Timestamps,
    /// `cleanup.policy` has `compact`: what has no key could not be compacted.
    pub needs_keys: bool,
}

/// Whose timestamps a topic's records have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamps {
    /// The time of their append: the batch says so, whatever its producer wrote.
    LogAppendTime,
    /// Their producer's, if it is near enough to now.
    CreateTime {
        /// `message.timestamp.before.max.ms`.
        before_ms_max: i64,
        /// `message.timestamp.after.max.ms`.
        after_ms_max: i64,
    },
}

/// A batch that passed.
#[derive(Clone, Debug)]
pub struct CheckedBatch {
    /// As it is stored: as sent, unless the topic's settings have changed it.
    pub bytes: Bytes,
    /// Its header.
    pub header: BatchHeader,
    /// What it was sent in.
    pub sent_codec: Codec,
    /// Offsets that it takes.
    pub records: u32,
    /// The greatest timestamp of its records; the header's is only what the producer said.
    pub max_timestamp: TimestampMs,
}

impl CheckedBatch {
    /// When it was appended, if that is its records' timestamp.
    #[must_use]
    pub fn log_append_time(&self) -> Option<TimestampMs> {
        (self.header.timestamp_type() == TimestampType::LogAppendTime).then_some(self.header.max_timestamp)
    }
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
    /// Larger than the topic allows in the topic's own codec.
    #[error("in the topic's compression.type the batch has more bytes than its max.message.bytes, {bytes_max}")]
    StoredTooLarge {
        /// Allowed.
        bytes_max: usize,
    },
    /// Records whose timestamps the topic does not take.
    #[error("one or more records have a timestamp that is too far from now")]
    Timestamps(RefusedTimestamps),
    /// Records without a key for a topic that is compacted.
    #[error("one or more records have no key, which a compacted topic needs")]
    WithoutKey {
        /// Place in the batch of the first ones, [`RECORDS_TOLD_MAX`] at most.
        records: Vec<u32>,
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

/// Records out of range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedTimestamps {
    /// The earliest and latest that would have been taken.
    pub range: RangeInclusive<i64>,
    /// Place in the batch and timestamp of the first ones, [`RECORDS_TOLD_MAX`] at most.
    pub records: Vec<(u32, TimestampMs)>,
}

impl AdmitError {
    /// What the caller would do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// Checks one partition's records of one request: exactly one v2 batch, whole, with a right checksum, a known codec, as
/// many records as it says (compressed ones are unfolded under a cap to see), no control bit, within limits, timestamps
/// near enough to `now`, keys where the topic needs them. The bytes are copied only when the topic states the timestamps (then `now` is written into the
/// header) or has a codec of its own (then the same records are encoded anew).
///
/// # Errors
/// The first rule that is broken.
pub fn admit(bytes: Bytes, rules: &AdmitRules, now: TimestampMs) -> Result<Vec<CheckedBatch>, AdmitError> {
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
    let mut refused = RefusedTimestamps { range: rules.timestamps.range(now), records: Vec::new() };
    let mut without_key = Vec::new();
    let checked = records::check_batch_with(&bytes, |SeenRecord { offset_delta, timestamp, has_key }| {
        if !has_key && rules.needs_keys {
            if without_key.len() < RECORDS_TOLD_MAX {
                without_key.push(offset_delta);
            }
            return;
        }
        let is_refused = timestamp != NO_TIMESTAMP && !refused.range.contains(&timestamp.0);
        if is_refused && refused.records.len() < RECORDS_TOLD_MAX {
            refused.records.push((offset_delta, timestamp));
        }
    })?;
    if !refused.records.is_empty() {
        return Err(AdmitError::Timestamps(refused));
    }
    if !without_key.is_empty() {
        return Err(AdmitError::WithoutKey { records: without_key });
    }
    as_stored(bytes, checked, rules, now).map(|batch| vec![batch])
}

/// [`admit`] of a batch that was made here: what its making has shown is not looked for again.
///
/// # Errors
/// The first rule that is broken.
pub fn admit_built(batch: BuiltBatch, rules: &AdmitRules, now: TimestampMs) -> Result<CheckedBatch, AdmitError> {
    let range = rules.timestamps.range(now);
    let is_proper = batch.bytes().len() <= rules.batch_bytes_max
        && range.contains(&batch.min_timestamp().0)
        && range.contains(&batch.max_timestamp().0)
        && !(rules.needs_keys && batch.has_keyless());
    if !is_proper {
        // The whole check tells which records are wrong.
        return admit(Bytes::from(batch.into_bytes()), rules, now).map(|mut batches| batches.swap_remove(0));
    }
    let (records, max_timestamp) = (batch.records(), batch.max_timestamp());
    let bytes = Bytes::from(batch.into_bytes());
    let header = BatchHeader::read(&bytes)?;
    as_stored(bytes, records::CheckedBatch { header, records, max_timestamp }, rules, now)
}

/// What a topic's settings make of a batch.
fn as_stored(
    bytes: Bytes,
    checked: records::CheckedBatch,
    rules: &AdmitRules,
    now: TimestampMs,
) -> Result<CheckedBatch, AdmitError> {
    let records::CheckedBatch { header, records, max_timestamp } = checked;
    let sent_codec = header.codec()?;
    let encoding = rules.encoding.filter(|encoding| encoding.codec != sent_codec);
    // A type that only we may state is taken back, as Kafka does.
    let is_as_sent = rules.timestamps != Timestamps::LogAppendTime
        && header.timestamp_type() == TimestampType::CreateTime
        && encoding.is_none();
    if is_as_sent {
        return Ok(CheckedBatch { bytes, header, sent_codec, records, max_timestamp });
    }
    let (timestamp_type, max_timestamp) = match rules.timestamps {
        Timestamps::LogAppendTime => (TimestampType::LogAppendTime, now),
        Timestamps::CreateTime { .. } => (TimestampType::CreateTime, max_timestamp),
    };
    let sent_body = &bytes[HEADER_BYTES..];
    let bytes = match encoding {
        None => Rewrite { codec: sent_codec, timestamp_type, max_timestamp }.apply(&bytes, sent_body),
        Some(encoding) => {
            let body = encode(sent_codec, sent_body, encoding, rules.batch_bytes_max)?;
            Rewrite { codec: encoding.codec, timestamp_type, max_timestamp }.apply(&bytes, &body)
        }
    };
    let header = BatchHeader::read(&bytes)?;
    Ok(CheckedBatch { bytes: Bytes::from(bytes), header, sent_codec, records, max_timestamp })
}

fn encode(sent_codec: Codec, body: &[u8], encoding: Encoding, batch_bytes_max: usize) -> Result<Vec<u8>, AdmitError> {
    let body_bytes_max = batch_bytes_max.saturating_sub(HEADER_BYTES);
    records::recompress(sent_codec, body, encoding, body_bytes_max).map_err(|error| match error {
        // What was sent is valid and within limits, that was checked.
        RecordsError::TooLarge { .. } => AdmitError::StoredTooLarge { bytes_max: batch_bytes_max },
        other => AdmitError::Records(other),
    })
}

impl Timestamps {
    /// What records may say.
    fn range(self, now: TimestampMs) -> RangeInclusive<i64> {
        match self {
            Timestamps::LogAppendTime => i64::MIN..=i64::MAX,
            Timestamps::CreateTime { before_ms_max, after_ms_max } => {
                now.0.saturating_sub(before_ms_max)..=now.0.saturating_add(after_ms_max)
            }
        }
    }
}

#[cfg(test)]
#[path = "admit_test.rs"]
mod tests;
