//! A view of the header of a Kafka record batch, format v2 (KIP-98), and the two fields of it that we own at rest.
//!
//! The batch CRC covers everything from `attributes` on, so base offset and leader epoch can be written in place
//! without touching it. At rest in a flush object these twelve bytes hold the batch's own address
//! ([`BatchPlacement`]): a read that returns the wrong range or the wrong object is recognised batch by batch.

use crc_fast::{CrcAlgorithm, checksum};

use crate::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};
use crate::{ObjectId, Offset, ProducerEpoch, ProducerId, TimestampMs};

/// Bytes of a v2 batch before its records.
pub const HEADER_BYTES: usize = 61;
/// Bytes that [`patch_prefix`] rewrites: base offset, length, leader epoch.
pub const PREFIX_BYTES: usize = 16;
/// Bytes of base offset and length, which `batchLength` does not count.
const LENGTH_OVERHEAD_BYTES: usize = 12;
/// Where the CRC's coverage begins: at `attributes`.
const CRC_FROM: usize = 21;
/// Of `attributes`: the codec.
const CODEC_BITS: i16 = 0x07;
/// Of `attributes`: whether the broker has stated the timestamps.
const APPEND_TIME_BIT: i16 = 0x08;

/// How the records of a batch are compressed: bits 0–2 of `attributes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// As they are.
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy, with or without the framing of xerial's Java library.
    Snappy,
    /// LZ4 frame format.
    Lz4,
    /// RFC 8878.
    Zstd,
}

/// Who stated a batch's timestamps: bit 3 of `attributes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker, when it was appended.
    LogAppendTime,
}

/// What is wrong with bytes that should be a record batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the header, or than its length field says.
    #[error("batch of {needed} bytes is cut off after {available}")]
    CutOff {
        /// Bytes that the batch should have.
        needed: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// A length below the header's or above [`BATCH_BYTES_MAX`].
    #[error("batch length field {0} is outside 49..={BATCH_BYTES_MAX}")]
    Length(i32),
    /// Formats v0 and v1 (Kafka before 0.11) are not accepted.
    #[error("record format v{0} is not supported, only v2 (Kafka 0.11 and newer)")]
    Magic(i8),
    /// The checksum does not fit the bytes.
    #[error("batch checksum is {found:#010x}, header says {expected:#010x}")]
    Checksum {
        /// The header's.
        expected: u32,
        /// The bytes'.
        found: u32,
    },
    /// Attributes name a codec that does not exist.
    #[error("compression codec {0} does not exist")]
    Codec(u8),
    /// Record count and last offset delta contradict each other or the body.
    #[error("record count {count} does not fit last offset delta {last_offset_delta}")]
    Count {
        /// The count field.
        count: i32,
        /// The delta field.
        last_offset_delta: i32,
    },
    /// The records themselves are malformed.
    #[error("record {index} is malformed: {what}")]
    Record {
        /// Which record, from 0.
        index: u32,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The address in the batch is not the one it was read from.
    #[error("batch at {expected} says that it belongs at {found}")]
    Misplaced {
        /// Where it was read.
        expected: BatchPlacement,
        /// Where it says it belongs.
        found: BatchPlacement,
    },
}

/// The fields of a batch header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// As on the wire; the producer's is without meaning.
    pub base_offset: i64,
    /// Bytes of the whole batch, header included.
    pub bytes: usize,
    /// As on the wire.
    pub leader_epoch: i32,
    /// CRC32C of everything from attributes on.
    pub checksum: u32,
    /// Codec, timestamp type, transactional and control bits.
    pub attributes: i16,
    /// Offset of the last record less the base offset.
    pub last_offset_delta: i32,
    /// Of the first record.
    pub base_timestamp: TimestampMs,
    /// The greatest in the batch.
    pub max_timestamp: TimestampMs,
    /// −1 when the producer is not idempotent.
    pub producer_id: ProducerId,
    /// −1 when the producer is not idempotent.
    pub producer_epoch: ProducerEpoch,
    /// Of the first record; −1 when the producer is not idempotent.
    pub base_sequence: i32,
    /// Number of records.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes` and checks what a header alone can show: that the whole batch is
    /// there, its length is within limits, the format is v2 and the codec exists. Does not touch the records.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let cut_off = |needed| BatchError::CutOff { needed, available: bytes.len() };
        if bytes.len() < LENGTH_OVERHEAD_BYTES + 5 {
            return Err(cut_off(HEADER_BYTES));
        }
        let length = i32::from_be_bytes(array(bytes, 8));
        let magic = bytes[16] as i8;
        if magic != 2 {
            return Err(BatchError::Magic(magic));
        }
        if length < (HEADER_BYTES - LENGTH_OVERHEAD_BYTES) as i32 || length as usize > BATCH_BYTES_MAX {
            return Err(BatchError::Length(length));
        }
        let whole = length as usize + LENGTH_OVERHEAD_BYTES;
        if bytes.len() < whole {
            return Err(cut_off(whole));
        }
        BatchHeader::parse(bytes.first_chunk().expect("a whole batch has a header"))
    }

    /// Reads a header whose batch may lie elsewhere: as [`BatchHeader::read`], without a look at the batch's end.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<BatchHeader, BatchError> {
        let magic = bytes[16] as i8;
        if magic != 2 {
            return Err(BatchError::Magic(magic));
        }
        let length = i32::from_be_bytes(array(bytes, 8));
        if length < (HEADER_BYTES - LENGTH_OVERHEAD_BYTES) as i32 || length as usize > BATCH_BYTES_MAX {
            return Err(BatchError::Length(length));
        }
        let header = BatchHeader {
            base_offset: i64::from_be_bytes(array(bytes, 0)),
            bytes: length as usize + LENGTH_OVERHEAD_BYTES,
            leader_epoch: i32::from_be_bytes(array(bytes, 12)),
            checksum: u32::from_be_bytes(array(bytes, 17)),
            attributes: i16::from_be_bytes(array(bytes, CRC_FROM)),
            last_offset_delta: i32::from_be_bytes(array(bytes, 23)),
            base_timestamp: TimestampMs(i64::from_be_bytes(array(bytes, 27))),
            max_timestamp: TimestampMs(i64::from_be_bytes(array(bytes, 35))),
            producer_id: ProducerId(i64::from_be_bytes(array(bytes, 43))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(array(bytes, 51))),
            base_sequence: i32::from_be_bytes(array(bytes, 53)),
            record_count: i32::from_be_bytes(array(bytes, 57)),
        };
        header.codec()?;
        Ok(header)
    }

    /// Checks the CRC32C of the batch whose header this is. `batch` starts where the header was read.
    ///
    /// # Errors
    /// [`BatchError::Checksum`].
    pub fn check_checksum(&self, batch: &[u8]) -> Result<(), BatchError> {
        let found = checksum(CrcAlgorithm::Crc32Iscsi, &batch[CRC_FROM..self.bytes]) as u32;
        if found == self.checksum { Ok(()) } else { Err(BatchError::Checksum { expected: self.checksum, found }) }
    }

    /// Checks that the counts agree: at least one record, none missing.
    ///
    /// # Errors
    /// [`BatchError::Count`].
    pub fn check_counts(&self) -> Result<u32, BatchError> {
        let count = self.record_count;
        if count < 1 || count as u32 > BATCH_RECORDS_MAX || self.last_offset_delta != count - 1 {
            return Err(BatchError::Count { count, last_offset_delta: self.last_offset_delta });
        }
        Ok(count as u32)
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// [`BatchError::Codec`] for bits that name none.
    pub fn codec(&self) -> Result<Codec, BatchError> {
        match self.attributes & CODEC_BITS {
            0 => Ok(Codec::None),
            1 => Ok(Codec::Gzip),
            2 => Ok(Codec::Snappy),
            3 => Ok(Codec::Lz4),
            4 => Ok(Codec::Zstd),
            other => Err(BatchError::Codec(other as u8)),
        }
    }

    /// Whose timestamps they are.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & APPEND_TIME_BIT == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime }
    }

    /// Whether the batch is part of a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    /// Whether it is a control batch, which only a broker may write.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    /// Offsets that the batch takes.
    #[must_use]
    pub fn offset_count(&self) -> u32 {
        (self.last_offset_delta as u32).saturating_add(1)
    }
}

/// What a topic's settings change of a batch that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// What its records are compressed with.
    pub codec: Codec,
    /// Who states its timestamps.
    pub timestamp_type: TimestampType,
    /// The greatest one; with [`TimestampType::LogAppendTime`] that of every record.
    pub max_timestamp: TimestampMs,
}

impl Rewrite {
    /// The batch `sent`, whose header was read, with `body` for its records: length, codec, timestamp type, greatest
    /// timestamp and checksum are new, everything else is as it was. The caller keeps it below [`BATCH_BYTES_MAX`].
    #[must_use]
    pub fn apply(self, sent: &[u8], body: &[u8]) -> Vec<u8> {
        let mut batch = Vec::with_capacity(HEADER_BYTES + body.len());
        batch.extend_from_slice(&sent[..HEADER_BYTES]);
        batch.extend_from_slice(body);
        let length = i32::try_from(batch.len() - LENGTH_OVERHEAD_BYTES).expect("batches are limited to far less");
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        let codec: i16 = match self.codec {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
        };
        let append_time = if self.timestamp_type == TimestampType::LogAppendTime { APPEND_TIME_BIT } else { 0 };
        let others = i16::from_be_bytes(array(&batch, CRC_FROM)) & !(CODEC_BITS | APPEND_TIME_BIT);
        batch[CRC_FROM..CRC_FROM + 2].copy_from_slice(&(others | codec | append_time).to_be_bytes());
        batch[35..43].copy_from_slice(&self.max_timestamp.0.to_be_bytes());
        let checksum = checksum(CrcAlgorithm::Crc32Iscsi, &batch[CRC_FROM..]) as u32;
        batch[17..21].copy_from_slice(&checksum.to_be_bytes());
        batch
    }
}

/// Where a batch lies in a flush object. It is written into the batch's own base offset (the object) and leader epoch
/// (the position), and checked whenever the batch comes back from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPlacement {
    /// The object.
    pub object: ObjectId,
    /// Byte position of the batch in the object.
    pub position: u32,
}

impl std::fmt::Display for BatchPlacement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{}", self.object, self.position)
    }
}

impl BatchPlacement {
    /// The batch's first bytes as they are stored at this place.
    #[must_use]
    pub fn prefix(self, batch: &[u8]) -> [u8; PREFIX_BYTES] {
        prefix(batch, self.object.0, self.position)
    }

    /// Checks that a batch read from this place was written for it, whole and unchanged: placement, then CRC32C.
    /// Returns its header.
    ///
    /// # Errors
    /// Any [`BatchError`]: all of them mean that these are not the bytes that were written.
    pub fn check(self, batch: &[u8]) -> Result<BatchHeader, BatchError> {
        let header = BatchHeader::read(batch)?;
        let found =
            BatchPlacement { object: ObjectId(header.base_offset as u64), position: header.leader_epoch as u32 };
        if found != self {
            return Err(BatchError::Misplaced { expected: self, found });
        }
        header.check_checksum(batch)?;
        Ok(header)
    }
}

/// The first bytes of a batch as a reader receives them: its final base offset, and the leader epoch.
#[must_use]
pub fn patch_prefix(batch: &[u8], base_offset: Offset, leader_epoch: u32) -> [u8; PREFIX_BYTES] {
    prefix(batch, base_offset.0, leader_epoch)
}

fn prefix(batch: &[u8], first: u64, second: u32) -> [u8; PREFIX_BYTES] {
    let mut prefix: [u8; PREFIX_BYTES] = array(batch, 0);
    prefix[..8].copy_from_slice(&first.to_be_bytes());
    prefix[12..].copy_from_slice(&second.to_be_bytes());
    prefix
}

fn array<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
    bytes[from..from + N].try_into().expect("the caller checked that the header is there")
}

#[cfg(test)]
#[path = "batch_test.rs"]
mod tests;
