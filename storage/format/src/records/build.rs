//! Making a v2 batch of records that came one by one, as a producer does (`DefaultRecordBatch` and `DefaultRecord` of Apache
//! Kafka are the reference).

use crc_fast::{CrcAlgorithm, checksum};
use tidelog_model::limits::BATCH_RECORDS_MAX;
use tidelog_model::{HEADER_BYTES, ProducerEpoch, ProducerId, TimestampMs};

/// What a record takes at most beside its key, value, header names and values: its own length, attributes, timestamp,
/// offset, the lengths of key and value, the count of headers. Each header takes [`HEADER_OVERHEAD_BYTES_MAX`] more.
pub const RECORD_OVERHEAD_BYTES_MAX: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;
/// The lengths of a header's name and value.
const HEADER_OVERHEAD_BYTES_MAX: usize = 5 + 5;
const MAGIC: u8 = 2;
const CRC_FROM: usize = 21;
const LENGTH_OVERHEAD_BYTES: usize = 12;

/// A batch that grows: uncompressed, of no idempotent producer, with its records' own timestamps.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    /// With room for the batch's header in front.
    bytes: Vec<u8>,
    records: u32,
    base_timestamp: i64,
    min_timestamp: i64,
    max_timestamp: i64,
    has_keyless: bool,
}

/// A batch that was made here, with what a check of it would find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltBatch {
    bytes: Vec<u8>,
    records: u32,
    min_timestamp: TimestampMs,
    max_timestamp: TimestampMs,
    has_keyless: bool,
}

impl BuiltBatch {
    /// The batch, whole.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The batch, whole.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// How many records it has, one at least.
    #[must_use]
    pub fn records(&self) -> u32 {
        self.records
    }

    /// The least timestamp of its records.
    #[must_use]
    pub fn min_timestamp(&self) -> TimestampMs {
        self.min_timestamp
    }

    /// The greatest timestamp of its records.
    #[must_use]
    pub fn max_timestamp(&self) -> TimestampMs {
        self.max_timestamp
    }

    /// Whether one of its records has no key.
    #[must_use]
    pub fn has_keyless(&self) -> bool {
        self.has_keyless
    }
}

impl BatchBuilder {
    /// An empty one with room for a batch of `bytes`: one that grows step by step is copied at each step.
    #[must_use]
    pub fn with_room(bytes: usize) -> BatchBuilder {
        BatchBuilder { bytes: Vec::with_capacity(bytes), ..BatchBuilder::default() }
    }

    /// Bytes of the batch as it is now; an empty one has none.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many records there are.
    #[must_use]
    pub fn records(&self) -> u32 {
        self.records
    }

    /// Bytes that a record takes in a batch, at most. Those of a batch itself are [`HEADER_BYTES`].
    #[must_use]
    pub fn record_bytes_max(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&[u8], Option<&[u8]>)]) -> usize {
        let headers =
            headers.iter().map(|(name, value)| HEADER_OVERHEAD_BYTES_MAX + name.len() + value.map_or(0, <[u8]>::len));
        RECORD_OVERHEAD_BYTES_MAX + key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + headers.sum::<usize>()
    }

    /// Adds a record behind those that are there.
    ///
    /// # Panics
    /// When a batch may not have so many records, or one of its parts has more than 2³¹ bytes: the caller has bounds far
    /// below.
    pub fn push(
        &mut self,
        timestamp: TimestampMs,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) {
        assert!(self.records < BATCH_RECORDS_MAX, "the caller ends a batch before it has too many records");
        if self.records == 0 {
            self.base_timestamp = timestamp.0;
            self.min_timestamp = timestamp.0;
            self.max_timestamp = timestamp.0;
        }
        self.min_timestamp = self.min_timestamp.min(timestamp.0);
        self.max_timestamp = self.max_timestamp.max(timestamp.0);
        self.has_keyless |= key.is_none();
        let timestamp_delta = timestamp.0.wrapping_sub(self.base_timestamp);
        let offset_delta = i64::from(self.records);
        let pieces = |name: &[u8], value: Option<&[u8]>| piece_bytes(Some(name)) + piece_bytes(value);
        let body_bytes = 1
            + varint_bytes(timestamp_delta)
            + varint_bytes(offset_delta)
            + pieces_of(key, value)
            + varint_bytes(length(headers.len()))
            + headers.iter().map(|(name, value)| pieces(name, *value)).sum::<usize>();
        let out = &mut self.bytes;
        if self.records == 0 {
            // Most batches of small requests have one record: room for it is taken once.
            out.reserve_exact(HEADER_BYTES + varint_bytes(length(body_bytes)) + body_bytes);
            out.resize(HEADER_BYTES, 0);
        }
        varint(out, length(body_bytes));
        let from = out.len();
        out.push(0);
        varint(out, timestamp_delta);
        varint(out, offset_delta);
        piece(out, key);
        piece(out, value);
        varint(out, length(headers.len()));
        for (name, value) in headers {
            piece(out, Some(name));
            piece(out, *value);
        }
        assert_eq!(out.len() - from, body_bytes, "a record is as long as it says");
        self.records += 1;
    }

    /// The batch, which has a record at least; the builder is empty afterwards.
    ///
    /// # Panics
    /// When there is no record.
    #[must_use]
    pub fn finish(&mut self) -> BuiltBatch {
        self.finish_as(ProducerId(-1), ProducerEpoch(-1), -1)
    }

    /// The batch as [`BatchBuilder::finish`] gives it, of an idempotent producer: `sequence` is its first record's.
    ///
    /// # Panics
    /// When there is no record.
    #[must_use]
    pub fn finish_as(&mut self, producer: ProducerId, epoch: ProducerEpoch, sequence: i32) -> BuiltBatch {
        assert!(self.records > 0, "a batch has a record at least");
        let mut batch = std::mem::take(&mut self.bytes);
        if batch.capacity() > 2 * batch.len() {
            // What is held of it is counted by its length.
            batch.shrink_to_fit();
        }
        let records = i32::try_from(self.records).expect("bounded when it was pushed");
        let length = wire_length(batch.len() - LENGTH_OVERHEAD_BYTES);
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[16] = MAGIC;
        batch[23..27].copy_from_slice(&(records - 1).to_be_bytes());
        batch[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        batch[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        batch[43..51].copy_from_slice(&producer.0.to_be_bytes());
        batch[51..53].copy_from_slice(&epoch.0.to_be_bytes());
        batch[53..57].copy_from_slice(&sequence.to_be_bytes());
        batch[57..61].copy_from_slice(&records.to_be_bytes());
        let checksum = checksum(CrcAlgorithm::Crc32Iscsi, &batch[CRC_FROM..]) as u32;
        batch[17..21].copy_from_slice(&checksum.to_be_bytes());
        let built = BuiltBatch {
            bytes: batch,
            records: self.records,
            min_timestamp: TimestampMs(self.min_timestamp),
            max_timestamp: TimestampMs(self.max_timestamp),
            has_keyless: self.has_keyless,
        };
        *self = BatchBuilder::default();
        built
    }
}

fn pieces_of(key: Option<&[u8]>, value: Option<&[u8]>) -> usize {
    piece_bytes(key) + piece_bytes(value)
}

fn wire_length(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("the caller has bounds far below")
}

fn length(count: usize) -> i64 {
    i64::from(wire_length(count))
}

fn piece_bytes(piece: Option<&[u8]>) -> usize {
    piece.map_or(1, |piece| varint_bytes(length(piece.len())) + piece.len())
}

fn piece(out: &mut Vec<u8>, piece: Option<&[u8]>) {
    varint(out, piece.map_or(-1, |piece| length(piece.len())));
    out.extend_from_slice(piece.unwrap_or_default());
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn varint_bytes(value: i64) -> usize {
    let bits = 64 - zigzag(value).leading_zeros() as usize;
    bits.div_ceil(7).max(1)
}

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut value = zigzag(value);
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
