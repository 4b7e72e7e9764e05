//! A batch whose records are taken one by one, for as long as the reader likes.

use std::ops::ControlFlow;

use bytes::Bytes;
use tidelog_model::limits::BATCH_DECOMPRESSED_BYTES_MAX;
use tidelog_model::{BatchError, BatchHeader, Codec, HEADER_BYTES};

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
        OpenBatch::of_parts(header, batch.slice(HEADER_BYTES..header.bytes))
    }

    /// Opens a batch whose header was read, and whose `body` is all that follows it.
    ///
    /// # Errors
    /// As [`OpenBatch::open`].
    pub fn of_parts(header: BatchHeader, body: Bytes) -> Result<OpenBatch, RecordsError> {
        let records = header.check_counts()?;
        if HEADER_BYTES + body.len() != header.bytes {
            return Err(BatchError::CutOff { needed: header.bytes, available: HEADER_BYTES + body.len() }.into());
        }
        let body = match header.codec()? {
            Codec::None => body,
            codec => Bytes::from(decompress(codec, &body, BATCH_DECOMPRESSED_BYTES_MAX)?),
        };
        Ok(OpenBatch { header, records, body, position: 0, index: 0 })
    }

    /// Goes on in a copy of the same body, so that the memory it lay in is free. Nothing changes when the records were
    /// unfolded, which have memory of their own.
    ///
    /// # Panics
    /// When the body is another one.
    pub fn move_to(&mut self, body: Bytes) {
        if self.unfolded_bytes() == 0 {
            assert_eq!(body.len(), self.body.len(), "a copy is as long as what it is a copy of");
            self.body = body;
        }
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

    /// Shows the records that are next, one after the other, and passes each that `visit` goes on after. Returns why it did
    /// not; `None` after the last record.
    ///
    /// # Errors
    /// When a record is malformed. Those before it are passed.
    pub fn visit<B>(&mut self, mut visit: impl FnMut(Record<'_>) -> ControlFlow<B>) -> Result<Option<B>, RecordsError> {
        while let Some((record, position)) = self.read()? {
            if let ControlFlow::Break(why) = visit(record) {
                return Ok(Some(why));
            }
            self.position = position;
            self.index += 1;
        }
        Ok(None)
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
