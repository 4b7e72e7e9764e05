//! Record batches (v2): made right and wrong, and read back into fields.

use crate::tree::Tree;

/// Bytes of a batch before its records.
const HEADER_BYTES: usize = 61;
/// Where the bytes are that the checksum covers.
const CHECKED_FROM: usize = 21;
const CHECKSUM_AT: usize = 17;
const LENGTH_AT: usize = 8;

/// The time of the first record, unless told otherwise: all times in scripts are fixed, so that answers are.
pub const FIRST_TIMESTAMP_MS: i64 = 1_700_000_000_000;

/// What a batch says of itself; by default the truth.
#[derive(Clone, Debug)]
pub struct Batch {
    pub attributes: i16,
    pub magic: i8,
    pub count: i32,
    pub last_offset_delta: i32,
    pub first_timestamp_ms: i64,
    pub max_timestamp_ms: i64,
    /// Id, epoch, first sequence.
    pub producer: (i64, i16, i32),
    /// Added to the right checksum.
    pub checksum_error: u32,
    pub records: Vec<u8>,
}

impl Batch {
    /// Uncompressed records with these values, one millisecond apart, without keys.
    #[must_use]
    pub fn of(values: &[&[u8]]) -> Batch {
        Batch::with_keys(&values.iter().map(|value| (None, *value)).collect::<Vec<_>>())
    }

    /// Uncompressed records with these keys and values, one millisecond apart.
    #[must_use]
    pub fn with_keys(records: &[(Option<&[u8]>, &[u8])]) -> Batch {
        let count = i32::try_from(records.len()).expect("a handful");
        let records = (0..).zip(records).flat_map(|(index, (key, value))| record(index, *key, value)).collect();
        Batch {
            attributes: 0,
            magic: 2,
            count,
            last_offset_delta: count - 1,
            first_timestamp_ms: FIRST_TIMESTAMP_MS,
            max_timestamp_ms: FIRST_TIMESTAMP_MS + i64::from(count) - 1,
            producer: (-1, -1, -1),
            checksum_error: 0,
            records,
        }
    }

    /// From an idempotent producer.
    #[must_use]
    pub fn by(mut self, id: i64, epoch: i16, sequence: i32) -> Batch {
        self.producer = (id, epoch, sequence);
        self
    }

    /// As it goes over the wire.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.records.len());
        bytes.extend(0_i64.to_be_bytes());
        bytes.extend(0_i32.to_be_bytes());
        bytes.extend((-1_i32).to_be_bytes());
        bytes.extend(self.magic.to_be_bytes());
        bytes.extend(0_u32.to_be_bytes());
        bytes.extend(self.attributes.to_be_bytes());
        bytes.extend(self.last_offset_delta.to_be_bytes());
        bytes.extend(self.first_timestamp_ms.to_be_bytes());
        bytes.extend(self.max_timestamp_ms.to_be_bytes());
        bytes.extend(self.producer.0.to_be_bytes());
        bytes.extend(self.producer.1.to_be_bytes());
        bytes.extend(self.producer.2.to_be_bytes());
        bytes.extend(self.count.to_be_bytes());
        bytes.extend(&self.records);
        let length = i32::try_from(bytes.len() - LENGTH_AT - 4).expect("a small batch");
        bytes[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
        let checksum = crc32c(&bytes[CHECKED_FROM..]).wrapping_add(self.checksum_error);
        bytes[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }
}

/// One record, as many milliseconds after the first as it is records.
fn record(index: i64, key: Option<&[u8]>, value: &[u8]) -> Vec<u8> {
    let mut inner = vec![0];
    varint(&mut inner, index);
    varint(&mut inner, index);
    varint(&mut inner, key.map_or(-1, |key| i64::try_from(key.len()).expect("a small key")));
    inner.extend_from_slice(key.unwrap_or_default());
    varint(&mut inner, i64::try_from(value.len()).expect("a small value"));
    inner.extend_from_slice(value);
    varint(&mut inner, 0);
    let mut record = Vec::with_capacity(inner.len() + 4);
    varint(&mut record, i64::try_from(inner.len()).expect("a small record"));
    record.extend(inner);
    record
}

fn varint(to: &mut Vec<u8>, value: i64) {
    let mut left = (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned();
    while left >= 0x80 {
        to.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    to.push(left as u8);
}

fn crc32c(bytes: &[u8]) -> u32 {
    u32::try_from(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes)).expect("32 bits")
}

/// The batches in `bytes` as trees, whose producer ids are left as they are. What is no whole batch is named.
#[must_use]
pub fn read(mut bytes: &[u8]) -> Tree {
    let mut batches = Vec::new();
    while let Some((header, _)) = bytes.split_at_checked(HEADER_BYTES) {
        let length = 12 + number(header, LENGTH_AT, 4);
        let Some((batch, rest)) = usize::try_from(length).ok().and_then(|length| bytes.split_at_checked(length)) else {
            break;
        };
        batches.push(read_one(batch));
        bytes = rest;
    }
    if !bytes.is_empty() {
        batches.push(Tree::leaf(format!("{} bytes of a batch", bytes.len())));
    }
    Tree::Items(batches)
}

fn read_one(batch: &[u8]) -> Tree {
    let fields = [
        ("base_offset", 0, 8),
        ("batch_length", 8, 4),
        ("partition_leader_epoch", 12, 4),
        ("magic", 16, 1),
        ("attributes", 21, 2),
        ("last_offset_delta", 23, 4),
        ("base_timestamp", 27, 8),
        ("max_timestamp", 35, 8),
        ("producer_id", 43, 8),
        ("producer_epoch", 51, 2),
        ("base_sequence", 53, 4),
        ("count", 57, 4),
    ];
    let fields = fields.map(|(name, at, width)| (name.to_owned(), Tree::leaf(number(batch, at, width).to_string())));
    let mut fields = fields.to_vec();
    let stated = u32::try_from(number(batch, CHECKSUM_AT, 4) & 0xffff_ffff).expect("masked");
    let checksum = if stated == crc32c(&batch[CHECKED_FROM..]) { "right" } else { "wrong" };
    fields.push(("checksum".to_owned(), Tree::leaf(checksum)));
    let records = batch.get(HEADER_BYTES..).unwrap_or_default();
    fields.push(("content".to_owned(), Tree::leaf(format!("b\"{}\"", records.escape_ascii()))));
    Tree::Fields(fields)
}

/// A signed big-endian number of `width` bytes; 0 when the bytes are not there.
fn number(bytes: &[u8], at: usize, width: usize) -> i64 {
    let found = bytes.get(at..at + width).unwrap_or_default();
    let sign = if found.first().is_some_and(|first| *first >= 0x80) { -1 } else { 0 };
    found.iter().fold(sign, |number, byte| (number << 8) | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(tree: &Tree, name: &str) -> String {
        tree.field(name).map(Tree::brief).unwrap_or_default()
    }

    #[test]
    fn what_is_made_can_be_read() {
        let mut bytes = Batch::of(&[b"one", b"two"]).by(7, 0, 5).bytes();
        bytes.extend(Batch { checksum_error: 1, ..Batch::of(&[b"bad"]) }.bytes());
        bytes.extend([0, 0, 0]);
        let Tree::Items(batches) = read(&bytes) else { panic!("batches are a list") };
        assert_eq!(batches.len(), 3);
        assert_eq!(field(&batches[0], "checksum"), "right");
        assert_eq!(field(&batches[0], "producer_id"), "7");
        assert_eq!(field(&batches[0], "partition_leader_epoch"), "-1");
        assert_eq!(field(&batches[0], "count"), "2");
        assert_eq!(field(&batches[1], "checksum"), "wrong");
        assert_eq!(batches[2], Tree::leaf("3 bytes of a batch"));
    }
}
