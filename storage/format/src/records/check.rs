//! The check of a batch that came from a client, and walks over the records of one.

use std::ops::ControlFlow;

use tidelog_model::limits::BATCH_DECOMPRESSED_BYTES_MAX;
use tidelog_model::{BatchHeader, Codec, HEADER_BYTES, TimestampMs, TimestampType};

use super::walk::{Found, Headers, Record, Unfolding, walk};
use super::{RecordsError, decompress};

/// A batch that may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedBatch {
    /// Its header; `header.bytes` is the batch's length.
    pub header: BatchHeader,
    /// Its records, one at least: as many as were really found.
    pub records: u32,
    /// The greatest timestamp of its records, found by looking: the header's is only what the client says.
    pub max_timestamp: TimestampMs,
}

/// Checks the batch at the start of `bytes` as far as a broker must before it stores it: header, CRC32C, counts, and
/// the shape of every record, compressed ones too. Uncompressed bodies are not copied, compressed ones are walked
/// through a small window (an unframed snappy body is unfolded whole). What follows the batch in `bytes` is not
/// looked at. Whether it may be a control or transactional batch is the caller's question.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_batch(bytes: &[u8]) -> Result<CheckedBatch, RecordsError> {
    check_batch_with(bytes, |_| ())
}

/// What a check sees of a record on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenRecord {
    /// Its offset less the batch's base offset.
    pub offset_delta: u32,
    /// Its timestamp; the batch's when the broker stated it.
    pub timestamp: TimestampMs,
    /// Whether it has a key.
    pub has_key: bool,
}

/// [`check_batch`] that shows every record to `visit` on its way.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_batch_with(bytes: &[u8], mut visit: impl FnMut(SeenRecord)) -> Result<CheckedBatch, RecordsError> {
    let header = BatchHeader::read(bytes)?;
    header.check_checksum(bytes)?;
    let records = header.check_counts()?;
    let mut max_timestamp = TimestampMs(i64::MIN);
    walk_streamed(&header, bytes, |record| {
        visit(record);
        max_timestamp = max_timestamp.max(record.timestamp);
        ControlFlow::Continue(())
    })?;
    Ok(CheckedBatch { header, records, max_timestamp })
}

/// Shows offset delta and timestamp of every record in the batch at the start of `batch` until `visit` breaks. Takes
/// no more memory than [`check_batch`]; with LogAppendTime the records are not looked at. The checksum is not checked:
/// whoever read the batch has done that.
///
/// # Errors
/// When header or records are malformed, as far as they were visited.
pub fn for_each_timestamp(
    batch: &[u8],
    mut visit: impl FnMut(u32, TimestampMs) -> ControlFlow<()>,
) -> Result<(), RecordsError> {
    let header = BatchHeader::read(batch)?;
    let count = header.check_counts()?;
    if header.timestamp_type() == TimestampType::LogAppendTime {
        // The records' own timestamps say nothing, so they need not be unfolded.
        let _ = (0..count).try_for_each(|delta| visit(delta, header.max_timestamp));
        return Ok(());
    }
    walk_streamed(&header, batch, |record| visit(record.offset_delta, record.timestamp))
}

/// Shows every record in the batch at the start of `batch` until `visit` breaks. A compressed batch is unfolded whole,
/// up to [`BATCH_DECOMPRESSED_BYTES_MAX`]. The checksum is not checked: whoever read the batch has done that.
///
/// # Errors
/// When header or records are malformed, as far as they were visited.
pub fn for_each_record(batch: &[u8], mut visit: impl FnMut(Record<'_>) -> ControlFlow<()>) -> Result<(), RecordsError> {
    let header = BatchHeader::read(batch)?;
    let count = header.check_counts()?;
    let body = &batch[HEADER_BYTES..header.bytes];
    let unfolded;
    let mut records = match header.codec()? {
        Codec::None => body,
        codec => {
            unfolded = decompress(codec, body, BATCH_DECOMPRESSED_BYTES_MAX)?;
            &unfolded[..]
        }
    };
    walk(&mut records, count, |found| {
        let timestamp = timestamp(&header, found.timestamp_delta);
        let headers = Headers(found.headers);
        visit(Record { offset_delta: found.index, timestamp, key: found.key, value: found.value, headers })
    })?;
    Ok(())
}

/// Of the batch at the start of `batch`, whose counts were checked.
fn walk_streamed(
    header: &BatchHeader,
    batch: &[u8],
    mut visit: impl FnMut(SeenRecord) -> ControlFlow<()>,
) -> Result<(), RecordsError> {
    let count = header.offset_count();
    let mut body = &batch[HEADER_BYTES..header.bytes];
    match header.codec()? {
        Codec::None => {
            walk(&mut body, count, |found| visit(seen(header, &found)))?;
        }
        codec => {
            let mut records = Unfolding::new(codec, body, BATCH_DECOMPRESSED_BYTES_MAX)?;
            let ended = walk(&mut records, count, |found| visit(seen(header, &found)))?;
            if ended {
                records.end()?;
            }
        }
    }
    Ok(())
}

fn seen<P>(header: &BatchHeader, found: &Found<P>) -> SeenRecord {
    let timestamp = timestamp(header, found.timestamp_delta);
    SeenRecord { offset_delta: found.index, timestamp, has_key: found.key.is_some() }
}

pub(super) fn timestamp(header: &BatchHeader, delta: i64) -> TimestampMs {
    match header.timestamp_type() {
        TimestampType::CreateTime => TimestampMs(header.base_timestamp.0.saturating_add(delta)),
        TimestampType::LogAppendTime => header.max_timestamp,
    }
}
