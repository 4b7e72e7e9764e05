//! Walks the batches of one extent.

use std::sync::Arc;

use bytes::Bytes;
use tidelog_cache::{ObjectReader, Origin};
use tidelog_catalog_api::{Catalog, Extent, Location, ObjectRange};
use tidelog_model::{BatchHeader, BatchPlacement, ErrorKind, HEADER_BYTES, Offset, PartitionId, mutant};

use crate::rope::{Rope, join};
use crate::{ReadError, meters};

/// What one step of a walk may find wrong.
pub(crate) enum ScanError {
    /// The extent has moved since it was planned: plan again.
    Moved,
    /// No.
    Read(ReadError),
}

/// A batch as it lies at rest: its base offset and leader epoch are not the reader's.
pub(crate) struct ScannedBatch {
    pub base_offset: Offset,
    pub header: BatchHeader,
    /// Bytes from the extent's start.
    pub skip: u32,
    /// Of the first batch of what was read at once: bytes of the cached blocks, or the payload, that it is in and keeps alive. 0 of
    /// an object that was just written, which is in memory anyway.
    pub new_window: Option<usize>,
    pub pieces: Vec<Bytes>,
}

impl ScannedBatch {
    pub(crate) fn end_offset(&self) -> Offset {
        self.base_offset.plus(self.header.offset_count())
    }
}

/// A walk over an extent, window by window.
pub(crate) struct Scan<'a> {
    pub catalog: &'a Arc<dyn Catalog>,
    pub reader: &'a Arc<ObjectReader>,
    pub partition: PartitionId,
    pub extent: &'a Extent,
    /// Bytes to read at a time.
    pub window: usize,
    skip: u32,
    next_offset: Offset,
    rope: Rope,
    /// The object, when the bytes have been out of our hands and must be checked.
    suspect: Option<ObjectRange>,
    reread: bool,
    /// Until its first batch is taken: bytes of the blocks that the rope is in.
    new_window: Option<usize>,
    /// Whether the store was asked for any of it.
    pub from_store: bool,
}

impl<'a> Scan<'a> {
    /// Starts `skip` bytes into the extent, where the batch with `next_offset` begins.
    pub(crate) fn new(
        catalog: &'a Arc<dyn Catalog>,
        reader: &'a Arc<ObjectReader>,
        partition: PartitionId,
        extent: &'a Extent,
        (skip, next_offset): (u32, Offset),
        window: usize,
    ) -> Scan<'a> {
        let rope = Rope::new(Vec::new());
        Scan {
            catalog,
            reader,
            partition,
            extent,
            window,
            skip,
            next_offset,
            rope,
            suspect: None,
            reread: false,
            new_window: None,
            from_store: false,
        }
    }

    /// Reads the first window, so that several walks can wait for theirs side by side.
    pub(crate) async fn begin(mut self) -> Result<Scan<'a>, ScanError> {
        let left = self.extent.bytes() - self.skip;
        if left > 0 {
            self.fill(self.window.max(HEADER_BYTES).min(left as usize)).await?;
        }
        Ok(self)
    }

    /// The next batch, whole and checked; `None` at the extent's end. A cancelled caller leaves nothing behind.
    pub(crate) async fn next(&mut self) -> Result<Option<ScannedBatch>, ScanError> {
        let left = self.extent.bytes() - self.skip;
        if left == 0 {
            if self.next_offset != self.extent.end_offset() {
                return Err(self.damaged(format!("its batches end at offset {}", self.next_offset)));
            }
            return Ok(None);
        }
        let mut want = self.window.max(HEADER_BYTES).min(left as usize);
        loop {
            match self.rope.batch_bytes() {
                Some(bytes) if bytes <= self.rope.len() => match self.take(bytes) {
                    Ok(batch) => return Ok(Some(batch)),
                    Err(problem) => self.read_again(problem, want).await?,
                },
                Some(bytes) if bytes > left as usize => {
                    self.read_again(format!("a batch of {bytes} bytes goes past its end"), want).await?;
                }
                Some(bytes) => {
                    want = want.max(bytes);
                    self.fill(want).await?;
                }
                None if self.rope.len() >= left as usize => {
                    self.read_again(format!("{left} bytes are no batch"), want).await?;
                }
                None => self.fill(want).await?,
            }
        }
    }

    fn take(&mut self, bytes: usize) -> Result<ScannedBatch, String> {
        let mut pieces = self.rope.take(bytes);
        let suspect = if mutant!("unchecked-read") { None } else { self.suspect };
        let header = match suspect {
            Some(range) => {
                let whole = join(pieces);
                let place = BatchPlacement { object: range.object, position: range.position + self.skip };
                let header = place.check(&whole).map_err(|error| error.to_string())?;
                pieces = vec![whole];
                header
            }
            None => {
                let mut first = [0; HEADER_BYTES];
                copy_front(&pieces, &mut first);
                BatchHeader::parse(&first).map_err(|error| error.to_string())?
            }
        };
        let new_window = self.new_window.take();
        let batch = ScannedBatch { base_offset: self.next_offset, header, skip: self.skip, new_window, pieces };
        if batch.end_offset() > self.extent.end_offset() {
            return Err(format!("its batches go past offset {}", self.extent.end_offset()));
        }
        self.skip += u32::try_from(bytes).expect("a batch is smaller than its extent");
        self.next_offset = batch.end_offset();
        Ok(batch)
    }

    /// Reads `want` bytes from where the walk is, in place of what is left of the last window.
    async fn fill(&mut self, want: usize) -> Result<(), ScanError> {
        let want = u32::try_from(want).expect("the window is no larger than the extent");
        match self.extent.location {
            Location::Inline { index, position, bytes } => {
                let payload = self.catalog.inline_payload(index).ok_or(ScanError::Moved)?;
                let range = (position + self.skip) as usize..(position + bytes) as usize;
                self.new_window = Some(payload.len());
                self.rope = Rope::new(vec![payload.slice(range)]);
            }
            Location::Object { range, .. } => {
                let from = range.position + self.skip;
                let read = match self.reader.read(range.object, from..from + want).await {
                    Ok(read) => read,
                    // Gone or too short: a store may have answered wrongly once.
                    Err(error) if is_damage(&error) => return self.read_again(error.to_string(), want as usize).await,
                    Err(error) => return Err(self.unreadable(&error)),
                };
                self.from_store |= read.origin == Origin::Store;
                self.new_window = Some(read.held_bytes);
                self.suspect = match read.origin {
                    Origin::Written => None,
                    Origin::Cache | Origin::Store => Some(range),
                };
                self.rope = Rope::new(read.parts);
            }
        }
        Ok(())
    }

    /// The bytes are not what was written. Caches may be wrong, and a store may have answered wrongly once: past all
    /// caches, once more. Then it is damage, and nothing is delivered.
    async fn read_again(&mut self, problem: String, want: usize) -> Result<(), ScanError> {
        let Location::Object { range, .. } = self.extent.location else { return Err(self.damaged(problem)) };
        if self.reread {
            return Err(self.damaged(problem));
        }
        self.reread = true;
        meters::reread();
        tracing::warn!(partition = %self.partition, object = %range.object, %problem, "read bad bytes, reading again");
        let from = range.position + self.skip;
        let want = u32::try_from(want).expect("the window is no larger than the extent");
        let read = self.reader.reread(range.object, from..from + want).await;
        let read = read.map_err(|error| self.unreadable(&error))?;
        self.suspect = Some(range);
        self.new_window = Some(read.held_bytes);
        self.rope = Rope::new(read.parts);
        Ok(())
    }

    fn unreadable(&self, error: &tidelog_cache::ReadError) -> ScanError {
        if is_damage(error) {
            return self.damaged(error.to_string());
        }
        ScanError::Read(ReadError::Unavailable(error.to_string()))
    }

    fn damaged(&self, problem: String) -> ScanError {
        meters::damaged();
        let place = place_of(self.extent.location);
        tracing::error!(partition = %self.partition, %place, %problem, "stored records are damaged");
        ScanError::Read(ReadError::Corrupt(format!("extent at offset {}: {problem}", self.extent.base_offset)))
    }
}

/// Where bytes are, as people look for them.
fn place_of(location: Location) -> String {
    match location {
        Location::Object { range: ObjectRange { object, position, bytes }, .. } => {
            format!("object {object}, bytes {position} to {}", u64::from(position) + u64::from(bytes))
        }
        Location::Inline { index, position, bytes } => {
            format!(
                "entry {index} of the catalog's log, bytes {position} to {}",
                u64::from(position) + u64::from(bytes)
            )
        }
    }
}

/// Whether no waiting will help: the object is gone, or shorter than it was written.
fn is_damage(error: &tidelog_cache::ReadError) -> bool {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Corrupt => true,
        ErrorKind::Throttled
        | ErrorKind::Unavailable
        | ErrorKind::Invalid
        | ErrorKind::Conflict
        | ErrorKind::Fenced
        | ErrorKind::Internal => false,
    }
}

fn copy_front(pieces: &[Bytes], to: &mut [u8]) {
    let mut filled = 0;
    for piece in pieces {
        let count = piece.len().min(to.len() - filled);
        to[filled..filled + count].copy_from_slice(&piece[..count]);
        filled += count;
    }
    assert_eq!(filled, to.len(), "a batch is longer than its header");
}
