//! A batch whose records are taken one by one, for as long as the reader likes.

use bytes::Bytes;
use tidelog_model::limits::BATCH_DECOMPRESSED_BYTES_MAX;
use tidelog_model::{BatchHeader, Codec, HEADER_BYTES};

use super::check::timestamp;
use super::walk::{self, Headers, Record};
use super::{RecordsError, decompress};

/// A batch being read. Compressed records are unfolded whole when it is opened; others stay where they are.
#[derive(Clone, Debug)]
pub struct OpenBatch {
    header: BatchHeader,
    records: u32,
    body: Bytes,
    position: usize,
    index: u32,
}

impl OpenBatch {
    /// Opens the batch at the start of `batch`. The checksum is not checked: whoever read the batch has done that.
    ///
    /// # Errors
    /// When its header is malformed, or its records do not unfold or unfold to more than [`BATCH_DECOMPRESSED_BYTES_MAX`].
    pub fn open(batch: &Bytes) -> Result<OpenBatch, RecordsError> {
        let header = BatchHeader::read(batch)?;
        let records = header.check_counts()?;
        let body = batch.slice(HEADER_BYTES..header.bytes);
        let body = match header.codec()? {
            Codec::None => body,
            codec => Bytes::from(decompress(codec, &body, BATCH_DECOMPRESSED_BYTES_MAX)?),
        };
        Ok(OpenBatch { header, records, body, position: 0, index: 0 })
    }

    /// Its header.
    #[must_use]
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Memory that it keeps beside the batch that it was opened from.
    #[must_use]
    pub fn unfolded_bytes(&self) -> usize {
        if self.header.codec() == Ok(Codec::None) { 0 } else { self.body.len() }
    }

    /// The record that is next, without passing it. `None` after the last.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn peek(&self) -> Result<Option<Record<'_>>, RecordsError> {
        Ok(self.read()?.map(|(record, _)| record))
    }

    /// Passes the next record, if there is one.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn pass(&mut self) -> Result<(), RecordsError> {
        if let Some((_, position)) = self.read()? {
            self.position = position;
            self.index += 1;
        }
        Ok(())
    }

    fn read(&self) -> Result<Option<(Record<'_>, usize)>, RecordsError> {
        if self.index == self.records {
            return Ok(None);
        }
        let mut rest = &self.body[self.position..];
        let found = walk::next(&mut rest, self.index)?;
        let timestamp = timestamp(&self.header, found.timestamp_delta);
        let headers = Headers(found.headers);
        let record = Record { offset_delta: self.index, timestamp, key: found.key, value: found.value, headers };
        Ok(Some((record, self.body.len() - rest.len())))
    }
}
