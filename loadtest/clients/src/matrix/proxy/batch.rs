//! A record taken out of a batch as compaction would: the batch keeps the offsets it spans.

use std::io::Read;

use anyhow::{Context, bail};
use crc_fast::CrcAlgorithm;

/// The record that is dropped. Not the last of its partition, which a reader might wait for.
pub const DROPPED_OFFSET: i64 = 1;

const HEADER_BYTES: usize = 61;
const LENGTH_AT: usize = 8;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const SPAN_AT: usize = 23;
const COUNT_AT: usize = 57;
const CODEC_BITS: u8 = 7;

/// `records` without the record at `offset`. A compressed batch that held it is sent on uncompressed.
///
/// # Errors
/// They are no batches of format 2; the last may be cut off.
pub fn without_record_at(records: &[u8], offset: i64) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(records.len());
    let mut rest = records;
    while let Some(header) = rest.get(..HEADER_BYTES) {
        let bytes = 12 + usize::try_from(i32_at(header, LENGTH_AT))?;
        let Some((batch, after)) = rest.split_at_checked(bytes) else { break };
        let first = i64::from_be_bytes(header[..8].try_into()?);
        let last = first + i64::from(i32_at(header, SPAN_AT));
        if (first..=last).contains(&offset) {
            out.extend(without(batch, offset - first)?);
        } else {
            out.extend_from_slice(batch);
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    Ok(out)
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// One batch without the record `delta` behind its first.
fn without(batch: &[u8], delta: i64) -> anyhow::Result<Vec<u8>> {
    let (header, body) = batch.split_at(HEADER_BYTES);
    let mut header = header.to_vec();
    let body = unfold(header[ATTRIBUTES_AT + 1] & CODEC_BITS, body)?;
    header[ATTRIBUTES_AT + 1] &= !CODEC_BITS;
    let mut kept = Vec::with_capacity(body.len());
    let mut rest = &body[..];
    let mut count = 0i32;
    while !rest.is_empty() {
        let (length, prefix) = read_signed(rest).context("no length of a record")?;
        let bytes = prefix + usize::try_from(length)?;
        let (record, after) = rest.split_at_checked(bytes).context("a record is cut off")?;
        // Attributes, the time since the first, then the offset since the first.
        let fields = record.get(prefix + 1..).context("a record of no bytes")?;
        let (_, time_bytes) = read_signed(fields).context("no time of a record")?;
        let (offset_delta, _) = read_signed(&fields[time_bytes..]).context("no offset of a record")?;
        if offset_delta != delta {
            kept.extend_from_slice(record);
            count += 1;
        }
        rest = after;
    }
    header[COUNT_AT..].copy_from_slice(&count.to_be_bytes());
    let length = i32::try_from(HEADER_BYTES - 12 + kept.len())?;
    header[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
    header.extend(kept);
    let checksum = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &header[ATTRIBUTES_AT..]);
    header[CRC_AT..CRC_AT + 4].copy_from_slice(&u32::try_from(checksum)?.to_be_bytes());
    Ok(header)
}

fn unfold(codec: u8, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    match codec {
        0 => out.extend_from_slice(body),
        1 => drop(flate2::read::MultiGzDecoder::new(body).read_to_end(&mut out)?),
        2 => out = unfold_snappy(body)?,
        3 => drop(lz4_flex::frame::FrameDecoder::new(body).read_to_end(&mut out)?),
        4 => out = zstd::stream::decode_all(body)?,
        _ => bail!("codec {codec}"),
    }
    Ok(out)
}

/// In the frames of Java's snappy, or bare, as librdkafka and some others send it.
fn unfold_snappy(body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut decoder = snap::raw::Decoder::new();
    if !body.starts_with(b"\x82SNAPPY\0") {
        return Ok(decoder.decompress_vec(body)?);
    }
    let mut rest = body.get(16..).context("a snappy header is cut off")?;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().context("no length of a snappy block")?;
        let length = usize::try_from(u32::from_be_bytes(*length))?;
        let (block, after) = after.split_at_checked(length).context("a snappy block is cut off")?;
        out.extend(decoder.decompress_vec(block)?);
        rest = after;
    }
    Ok(out)
}

/// A varint and how many bytes it has.
#[must_use]
pub fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// The same in zigzag order.
fn read_signed(bytes: &[u8]) -> Option<(i64, usize)> {
    let (value, length) = read_varint(bytes)?;
    Some(((value >> 1) as i64 ^ -((value & 1) as i64), length))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Base offset, then a batch of records "a", "b", "c", each with length, attributes, time, offset, key, value, headers.
    fn batch(base: i64) -> Vec<u8> {
        let records: Vec<u8> = (0u8..3).flat_map(|index| [14, 0, 0, index * 2, 1, 2, b'a' + index, 0]).collect();
        let mut bytes = base.to_be_bytes().to_vec();
        bytes.extend(i32::try_from(HEADER_BYTES - 12 + records.len()).unwrap().to_be_bytes());
        bytes.extend([0; HEADER_BYTES - 12]);
        bytes[16] = 2;
        bytes[SPAN_AT + 3] = 2;
        bytes[COUNT_AT + 3] = 3;
        bytes.extend(records);
        bytes
    }

    #[test]
    fn one_record_less_and_the_same_span() {
        let before = [batch(0), batch(3)].concat();
        let after = without_record_at(&before, 1).unwrap();
        assert_eq!(after.len(), before.len() - 8);
        assert!(after.ends_with(&batch(3)), "the other batch is untouched");
        let first = &after[..after.len() - batch(3).len()];
        assert_eq!((i32_at(first, SPAN_AT), i32_at(first, COUNT_AT)), (2, 2));
        assert_eq!(i32_at(first, LENGTH_AT), i32::try_from(first.len() - 12).unwrap());
        assert!(first.contains(&b'a') && first.contains(&b'c') && !first[HEADER_BYTES..].contains(&b'b'));
    }

    #[test]
    fn a_batch_that_is_cut_off_passes() {
        let cut = &batch(0)[..70];
        assert_eq!(without_record_at(cut, 1).unwrap(), cut);
        assert_eq!(without_record_at(&batch(2), 1).unwrap(), batch(2));
    }
}
