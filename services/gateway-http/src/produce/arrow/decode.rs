//! What a message has: a schema, or rows. Its places are checked here, against what is there; the library then makes arrays of
//! it, and checks what is in them.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::RecordBatchDecoder;
use arrow_ipc::{BodyCompressionMethod, CompressionType, Endianness, MetadataVersion, RecordBatch};
use bytes::Bytes;

use super::columns::{Columns, Rows};
use super::lengths;
use super::messages::{BODY_BYTES_MAX, Whole, invalid, too_large, verify};
use super::unfold::unfold;
use crate::problem::Refused;

/// Rows of one record batch: a row may take next to nothing.
const ROWS_MAX: i64 = 1_000_000;

/// # Errors
/// When it is none, or has columns that are not taken.
pub(super) fn columns(message: &Whole) -> Result<Columns, Refused> {
    let parsed = message.message()?;
    let schema = parsed.header_as_schema().ok_or_else(|| invalid("the schema is not there"))?;
    if schema.endianness() != Endianness::Little {
        return Err(invalid("the stream is big-endian; little-endian works"));
    }
    let schema = guarded(|| try_fb_to_schema(schema).map_err(|error| error.to_string()));
    Columns::of(schema.map_err(|problem| invalid(format!("the schema is not valid: {problem}")))?)
}

/// # Errors
/// When it is no record batch of these columns, or more than is taken.
pub(super) fn rows(columns: &Columns, message: &Whole) -> Result<Rows, Refused> {
    let parsed = message.message()?;
    let batch = parsed.header_as_record_batch().ok_or_else(|| invalid("the record batch is not there"))?;
    check_places(&batch, message.body.len())?;
    let rows = match batch.compression() {
        None => arrays(columns, &batch, message.body.clone(), parsed.version())?,
        Some(compression) => {
            let codec = compression.codec();
            if compression.method() != BodyCompressionMethod::BUFFER
                || ![CompressionType::LZ4_FRAME, CompressionType::ZSTD].contains(&codec)
            {
                return Err(invalid("the record batch is compressed in a way that is unknown; lz4 and zstd work"));
            }
            let (metadata, body) = unfold(&batch, codec, &message.body)?;
            let parsed = verify(&metadata).map_err(invalid)?;
            let batch = parsed.header_as_record_batch().ok_or_else(|| invalid("the record batch is not there"))?;
            arrays(columns, &batch, body, parsed.version())?
        }
    };
    if rows.bytes() > BODY_BYTES_MAX {
        return Err(too_large("a record batch has rows that share bytes, and add up to more"));
    }
    Ok(rows)
}

/// Nothing lies outside of the body, and counts are such that nothing is made of them that is not there.
fn check_places(batch: &RecordBatch<'_>, body_bytes: usize) -> Result<(), Refused> {
    if !(0..=ROWS_MAX).contains(&batch.length()) {
        let detail =
            format!("a record batch says that it has {} rows; {ROWS_MAX} are the most that work", batch.length());
        return Err(invalid(detail));
    }
    for node in batch.nodes().iter().flat_map(|nodes| nodes.iter()) {
        let (length, nulls) = (node.length(), node.null_count());
        if !(0..=i64::from(i32::MAX)).contains(&length) || !(0..=length).contains(&nulls) {
            return Err(invalid(format!("a column says that it has {length} rows, {nulls} of them null")));
        }
    }
    for buffer in batch.buffers().iter().flat_map(|buffers| buffers.iter()) {
        let (offset, length) = (buffer.offset(), buffer.length());
        let end = offset.checked_add(length).filter(|_| offset >= 0 && length >= 0);
        if end.is_none_or(|end| end > body_bytes as i64) {
            let detail = format!("a buffer of {length} bytes at {offset} is not within the message's {body_bytes}");
            return Err(invalid(detail));
        }
    }
    Ok(())
}

fn arrays(columns: &Columns, batch: &RecordBatch<'_>, body: Bytes, version: MetadataVersion) -> Result<Rows, Refused> {
    lengths::check(columns.schema.fields().iter().map(AsRef::as_ref), batch)?;
    let (body, dictionaries) = (Buffer::from(body), HashMap::new());
    let read = guarded(|| {
        let decoder = RecordBatchDecoder::try_new(&body, *batch, columns.schema.clone(), &dictionaries, &version);
        let batch = decoder.and_then(RecordBatchDecoder::read_record_batch).map_err(|error| error.to_string())?;
        Ok(columns.rows(&batch))
    });
    read.map_err(|problem| invalid(format!("a record batch is not as its schema says: {problem}")))
}

/// The library has asserts where it was not thought that bytes could be hostile.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let read = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("it is malformed".to_owned()));
    read.map_err(|problem| problem.chars().take(200).collect())
}
