//! Record batches (v2), right and wrong.

/// Where the bytes are that the checksum covers.
const CHECKED_FROM: usize = 21;
const CHECKSUM_AT: usize = 17;
const MAGIC_AT: usize = 16;
const LENGTH_AT: usize = 8;

/// Bits of the attributes.
pub const GZIP: i16 = 1;
pub const SNAPPY: i16 = 2;
pub const LZ4: i16 = 3;
pub const ZSTD: i16 = 4;
pub const TRANSACTIONAL: i16 = 1 << 4;
pub const CONTROL: i16 = 1 << 5;

/// What a batch says of itself; by default the truth.
#[derive(Clone, Debug)]
pub struct Batch {
    pub attributes: i16,
    pub magic: i8,
    pub count: i32,
    pub last_offset_delta: i32,
    pub producer: (i64, i16, i32),
    /// The records, compressed if the attributes say so.
    pub records: Vec<u8>,
}

impl Batch {
    /// Uncompressed records with these values.
    pub fn of(values: &[&[u8]]) -> Batch {
        let records = values.iter().enumerate().flat_map(|(index, value)| record(index, value)).collect();
        Batch::saying(0, i32::try_from(values.len()).unwrap(), records)
    }

    /// With a body made elsewhere.
    pub fn saying(attributes: i16, count: i32, records: Vec<u8>) -> Batch {
        Batch { attributes, magic: 2, count, last_offset_delta: count - 1, producer: (-1, -1, -1), records }
    }

    /// As it goes over the wire, with the checksum that belongs to it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(61 + self.records.len());
        bytes.extend(0_i64.to_be_bytes());
        bytes.extend(0_i32.to_be_bytes());
        bytes.extend((-1_i32).to_be_bytes());
        bytes.push(self.magic as u8);
        bytes.extend(0_u32.to_be_bytes());
        bytes.extend(self.attributes.to_be_bytes());
        bytes.extend(self.last_offset_delta.to_be_bytes());
        bytes.extend(1_700_000_000_000_i64.to_be_bytes());
        bytes.extend(1_700_000_000_000_i64.to_be_bytes());
        bytes.extend(self.producer.0.to_be_bytes());
        bytes.extend(self.producer.1.to_be_bytes());
        bytes.extend(self.producer.2.to_be_bytes());
        bytes.extend(self.count.to_be_bytes());
        bytes.extend(&self.records);
        assert_eq!(bytes[MAGIC_AT], self.magic as u8);
        set_length(&mut bytes);
        set_checksum(&mut bytes);
        bytes
    }
}

/// States the length that is there.
pub fn set_length(bytes: &mut [u8]) {
    let length = i32::try_from(bytes.len() - LENGTH_AT - 4).unwrap();
    bytes[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
}

/// States the checksum that is right.
pub fn set_checksum(bytes: &mut [u8]) {
    let checksum = crc32c(&bytes[CHECKED_FROM..]);
    bytes[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&checksum.to_be_bytes());
}

/// One record without a key.
pub fn record(offset_delta: usize, value: &[u8]) -> Vec<u8> {
    let mut inner = vec![0, 0];
    varint(&mut inner, i64::try_from(offset_delta).unwrap());
    varint(&mut inner, -1);
    varint(&mut inner, i64::try_from(value.len()).unwrap());
    inner.extend_from_slice(value);
    varint(&mut inner, 0);
    let mut record = Vec::with_capacity(inner.len() + 4);
    varint(&mut record, i64::try_from(inner.len()).unwrap());
    record.extend(inner);
    record
}

/// The values of the records of uncompressed batches, as they are fetched, each with its offset.
pub fn values(mut batches: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let mut found = Vec::new();
    while batches.len() >= 61 {
        let base = i64::from_be_bytes(batches[..8].try_into().unwrap());
        let length = 12 + i32::from_be_bytes(batches[8..12].try_into().unwrap()) as usize;
        if batches.len() < length {
            break;
        }
        let (batch, rest) = batches.split_at(length);
        let stated = u32::from_be_bytes(batch[CHECKSUM_AT..CHECKSUM_AT + 4].try_into().unwrap());
        assert_eq!(stated, crc32c(&batch[CHECKED_FROM..]), "a batch arrives with a right checksum");
        let count = i32::from_be_bytes(batch[57..61].try_into().unwrap());
        let mut records = &batch[61..];
        for index in 0..count {
            let _length = take_varint(&mut records);
            records = &records[1..];
            let _timestamp = take_varint(&mut records);
            assert_eq!(take_varint(&mut records), i64::from(index));
            assert_eq!(take_varint(&mut records), -1, "these have no keys");
            let length = take_varint(&mut records) as usize;
            let (value, after) = records.split_at(length);
            records = after;
            assert_eq!(take_varint(&mut records), 0, "nor headers");
            found.push((base + i64::from(index), value.to_vec()));
        }
        batches = rest;
    }
    found
}

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn take_varint(bytes: &mut &[u8]) -> i64 {
    let (mut value, mut shift) = (0_u64, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return (value >> 1) as i64 ^ -((value & 1) as i64);
        }
        shift += 7;
    }
}

/// Eight tables would be faster; one is enough for tests.
fn crc32c(bytes: &[u8]) -> u32 {
    static TABLE: std::sync::OnceLock<[u32; 256]> = std::sync::OnceLock::new();
    let table = TABLE.get_or_init(|| {
        std::array::from_fn(|index| {
            (0..8).fold(index as u32, |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 })
        })
    });
    !bytes.iter().fold(!0, |crc, byte| (crc >> 8) ^ table[((crc ^ u32::from(*byte)) & 0xFF) as usize])
}

#[test]
fn the_checksum_is_crc32c() {
    assert_eq!(crc32c(b"123456789"), 0xE306_9283);
}
