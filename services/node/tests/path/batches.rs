//! Record batches as producers send them.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use tidelog_ingest::{AdmitRules, CheckedBatch, Timestamps, admit};
use tidelog_model::TimestampMs;

/// Who writes, for idempotent batches: producer id, epoch, sequence of the first record.
pub type Producer = Option<(i64, i16, i32)>;

/// An uncompressed batch with these values.
pub fn batch(producer: Producer, base_timestamp: i64, values: &[Vec<u8>]) -> Bytes {
    let mut bytes = vec![0_u8; 61];
    for (i, value) in values.iter().enumerate() {
        let mut record = vec![0];
        varint(&mut record, i as i64);
        varint(&mut record, i as i64);
        varint(&mut record, -1);
        varint(&mut record, value.len() as i64);
        record.extend_from_slice(value);
        varint(&mut record, 0);
        varint(&mut bytes, record.len() as i64);
        bytes.extend_from_slice(&record);
    }
    let (id, epoch, sequence) = producer.unwrap_or((-1, -1, -1));
    let last = values.len() as i32 - 1;
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[16] = 2;
    bytes[23..27].copy_from_slice(&last.to_be_bytes());
    bytes[27..35].copy_from_slice(&base_timestamp.to_be_bytes());
    bytes[35..43].copy_from_slice(&(base_timestamp + i64::from(last)).to_be_bytes());
    bytes[43..51].copy_from_slice(&id.to_be_bytes());
    bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
    bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
    bytes[57..61].copy_from_slice(&(values.len() as i32).to_be_bytes());
    let crc = checksum(CrcAlgorithm::Crc32Iscsi, &bytes[21..]) as u32;
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Bytes::from(bytes)
}

/// Takes any timestamp.
pub const ANY_TIME: AdmitRules = AdmitRules {
    batch_bytes_max: 16 << 20,
    encoding: None,
    timestamps: Timestamps::CreateTime { before_ms_max: i64::MAX, after_ms_max: i64::MAX },
    needs_keys: false,
};

/// A good batch, for a topic without settings of its own.
pub fn admitted(bytes: &Bytes) -> Vec<CheckedBatch> {
    admit(bytes.clone(), &ANY_TIME, TimestampMs(0)).expect("the batch is good")
}

/// Offset and value of every record in chunks that a reader received; checks every batch's checksum on the way.
pub fn records(chunks: &[Bytes]) -> Vec<(u64, Vec<u8>)> {
    let all: Vec<u8> = chunks.concat();
    let mut rest = &all[..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let header = tidelog_model::BatchHeader::read(rest).expect("whole batches are delivered");
        header.check_checksum(rest).expect("as they were written");
        let mut body = &rest[61..header.bytes];
        for i in 0..header.record_count {
            let length = read_varint(&mut body) as usize;
            let (mut record, tail) = body.split_at(length);
            body = tail;
            record = &record[1..];
            read_varint(&mut record);
            assert_eq!(read_varint(&mut record), i64::from(i));
            assert_eq!(read_varint(&mut record), -1);
            let value = read_varint(&mut record) as usize;
            found.push((header.base_offset as u64 + i as u64, record[..value].to_vec()));
        }
        rest = &rest[header.bytes..];
    }
    found
}

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn read_varint(rest: &mut &[u8]) -> i64 {
    let mut value = 0_u64;
    for i in 0.. {
        let byte = rest[i];
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            *rest = &rest[i + 1..];
            break;
        }
    }
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
