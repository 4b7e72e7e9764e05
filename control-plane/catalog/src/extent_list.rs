//! The extents of one partition, in offset order without gaps; neighbours in one place are one extent.
//!
//! They are kept in chunks behind `Arc`, so that the first append after a freeze copies a chunk and not a million
//! extents. How they are cut into chunks never shows: not in the encoding, not in the hash.

use std::sync::Arc;

use tidelog_catalog_api::{Extent, Location, ObjectRange};
use tidelog_format::codec::{Corrupt, Decode, Encode, Reader, Writer};
use tidelog_model::{Offset, TimestampMs};

/// Extents per chunk: 6 KiB of them.
const CHUNK_EXTENTS_MAX: usize = 128;

#[derive(Clone, Debug, Default)]
pub(crate) struct ExtentList {
    /// Never an empty one among them.
    chunks: Vec<Arc<Chunk>>,
}

#[derive(Clone, Debug)]
struct Chunk {
    /// The greatest of its extents', so that a search by time passes over whole chunks.
    max_timestamp: TimestampMs,
    extents: Vec<Extent>,
}

impl Chunk {
    fn new(extent: Extent) -> Chunk {
        Chunk { max_timestamp: extent.max_timestamp, extents: vec![extent] }
    }

    fn first(&self) -> &Extent {
        self.extents.first().expect("no chunk is empty")
    }

    fn last(&self) -> &Extent {
        self.extents.last().expect("no chunk is empty")
    }

    fn greatest(&self) -> Option<TimestampMs> {
        self.extents.iter().map(|extent| extent.max_timestamp).max()
    }
}

impl ExtentList {
    pub fn iter(&self) -> impl Iterator<Item = &Extent> {
        self.chunks.iter().flat_map(|chunk| chunk.extents.iter())
    }

    pub fn last(&self) -> Option<&Extent> {
        self.chunks.last().map(|chunk| chunk.last())
    }

    /// From the extent that holds `from` on; nothing when none does.
    pub fn iter_from(&self, from: Offset) -> impl Iterator<Item = &Extent> {
        let (chunk, at) = self.find(from).unwrap_or((self.chunks.len(), 0));
        let head = self.chunks.get(chunk).map_or(&[][..], |chunk| &chunk.extents[at..]);
        let tail = self.chunks.get(chunk + 1..).unwrap_or(&[]);
        head.iter().chain(tail.iter().flat_map(|chunk| chunk.extents.iter()))
    }

    /// Appends an extent that begins where the last one ends. Says whether it became part of that one.
    pub fn push(&mut self, extent: Extent) -> bool {
        let Some(chunk) = self.chunks.last_mut() else {
            self.chunks.push(Arc::new(Chunk::new(extent)));
            return false;
        };
        assert_eq!(chunk.last().end_offset(), extent.base_offset, "offsets are dense");
        if let Some(joined) = join(chunk.last(), &extent) {
            let chunk = Arc::make_mut(chunk);
            chunk.max_timestamp = chunk.max_timestamp.max(extent.max_timestamp);
            *chunk.extents.last_mut().expect("no chunk is empty") = joined;
            return true;
        }
        if chunk.extents.len() >= CHUNK_EXTENTS_MAX {
            self.chunks.push(Arc::new(Chunk::new(extent)));
        } else {
            let chunk = Arc::make_mut(chunk);
            chunk.max_timestamp = chunk.max_timestamp.max(extent.max_timestamp);
            chunk.extents.push(extent);
        }
        false
    }

    /// The extent that begins at `base`.
    pub fn at(&self, base: Offset) -> Option<&Extent> {
        let (chunk, at) = self.find(base)?;
        Some(&self.chunks[chunk].extents[at]).filter(|extent| extent.base_offset == base)
    }

    /// Gives the extent that begins at `base` another place and joins it with its neighbours where they now touch. Returns
    /// how many neighbours it was joined with.
    pub fn relocate(&mut self, base: Offset, to: Location) -> u32 {
        let (chunk, at) = self.find(base).expect("the caller has found it");
        let own = Arc::make_mut(&mut self.chunks[chunk]);
        assert_eq!(own.extents[at].base_offset, base, "the caller has found it");
        own.extents[at].location = to;
        // The next one first: joining with the one before moves this one.
        let next = u32::from(self.join_with_next(chunk, at));
        let before = match (chunk, at) {
            (0, 0) => return next,
            (_, 0) => (chunk - 1, self.chunks[chunk - 1].extents.len() - 1),
            (_, _) => (chunk, at - 1),
        };
        next + u32::from(self.join_with_next(before.0, before.1))
    }

    fn join_with_next(&mut self, chunk: usize, at: usize) -> bool {
        let (next_chunk, next_at) =
            if at + 1 < self.chunks[chunk].extents.len() { (chunk, at + 1) } else { (chunk + 1, 0) };
        let Some(next) = self.chunks.get(next_chunk).map(|chunk| &chunk.extents[next_at]) else { return false };
        let Some(joined) = join(&self.chunks[chunk].extents[at], next) else { return false };
        let own = Arc::make_mut(&mut self.chunks[chunk]);
        own.max_timestamp = own.max_timestamp.max(joined.max_timestamp);
        own.extents[at] = joined;
        let emptied = Arc::make_mut(&mut self.chunks[next_chunk]);
        emptied.extents.remove(next_at);
        match emptied.greatest() {
            Some(greatest) => emptied.max_timestamp = greatest,
            None => drop(self.chunks.remove(next_chunk)),
        }
        true
    }

    /// Takes out the extents that end at `offset` or before it.
    pub fn drop_before(&mut self, offset: Offset) -> Vec<Extent> {
        let whole = self.chunks.partition_point(|chunk| chunk.last().end_offset() <= offset);
        let mut dropped = Vec::new();
        for chunk in self.chunks.drain(..whole) {
            dropped.extend(Arc::unwrap_or_clone(chunk).extents);
        }
        if let Some(chunk) = self.chunks.first_mut() {
            let count = chunk.extents.partition_point(|extent| extent.end_offset() <= offset);
            if count > 0 {
                let own = Arc::make_mut(chunk);
                dropped.extend(own.extents.drain(..count));
                own.max_timestamp = own.greatest().expect("its last extent ends later");
            }
        }
        dropped
    }

    /// The first extent with a record at or after `timestamp`, of those that end beyond `from`.
    pub fn by_time(&self, timestamp: TimestampMs, from: Offset) -> Option<&Extent> {
        let late = |extent: &&Extent| extent.max_timestamp >= timestamp && extent.end_offset() > from;
        let mut chunks = self.chunks.iter();
        chunks
            .find(|chunk| chunk.max_timestamp >= timestamp && chunk.extents.iter().any(|extent| late(&extent)))?
            .extents
            .iter()
            .find(late)
    }

    /// The greatest timestamp of the extents that end beyond `from`.
    pub fn max_timestamp(&self, from: Offset) -> Option<TimestampMs> {
        let at = self.chunks.partition_point(|chunk| chunk.last().end_offset() <= from);
        let (first, rest) = self.chunks.get(at..)?.split_first()?;
        let here = first.extents.iter().filter(|extent| extent.end_offset() > from).map(|extent| extent.max_timestamp);
        here.chain(rest.iter().map(|chunk| chunk.max_timestamp)).max()
    }

    /// Bytes of all extents.
    pub fn bytes(&self) -> u64 {
        self.iter().map(|extent| u64::from(extent.bytes())).sum()
    }

    /// Chunk and position in it of the extent that holds `offset`.
    fn find(&self, offset: Offset) -> Option<(usize, usize)> {
        let chunk = self.chunks.partition_point(|chunk| chunk.first().base_offset <= offset).checked_sub(1)?;
        let extents = &self.chunks[chunk].extents;
        let at = extents.partition_point(|extent| extent.base_offset <= offset).checked_sub(1)?;
        (offset < extents[at].end_offset()).then_some((chunk, at))
    }

    /// What is wrong with it: gaps, empty extents, neighbours that should be one, stale chunk timestamps.
    pub fn violation(&self) -> Option<String> {
        for chunk in &self.chunks {
            if chunk.greatest() != Some(chunk.max_timestamp) {
                return Some(format!("a chunk says {} is its greatest timestamp", chunk.max_timestamp));
            }
        }
        let mut previous: Option<&Extent> = None;
        for extent in self.iter() {
            if extent.records == 0 || extent.bytes() == 0 {
                return Some(format!("the extent at {} is empty", extent.base_offset));
            }
            if let Some(previous) = previous {
                if previous.end_offset() != extent.base_offset {
                    return Some(format!("{} is followed by {}", previous.end_offset(), extent.base_offset));
                }
                if join(previous, extent).is_some() {
                    return Some(format!("the extent at {} should be part of the one before", extent.base_offset));
                }
            }
            previous = Some(extent);
        }
        None
    }
}

/// The two as one, when the second continues the first in offsets and in place.
fn join(first: &Extent, second: &Extent) -> Option<Extent> {
    if first.end_offset() != second.base_offset {
        return None;
    }
    let continues = |position: u32, bytes: u32, next: u32| position.checked_add(bytes) == Some(next);
    let location = match (first.location, second.location) {
        (
            Location::Object { range: a, copies, encoding },
            Location::Object { range: b, copies: copies_b, encoding: encoding_b },
        ) if a.object == b.object
            && (copies, encoding) == (copies_b, encoding_b)
            && continues(a.position, a.bytes, b.position) =>
        {
            let range = ObjectRange { bytes: a.bytes.checked_add(b.bytes)?, ..a };
            Location::Object { range, copies, encoding }
        }
        (
            Location::Inline { index, position, bytes },
            Location::Inline { index: index_b, position: b, bytes: more },
        ) if index == index_b && continues(position, bytes, b) => {
            Location::Inline { index, position, bytes: bytes.checked_add(more)? }
        }
        _ => return None,
    };
    Some(Extent {
        base_offset: first.base_offset,
        records: first.records.checked_add(second.records)?,
        max_timestamp: first.max_timestamp.max(second.max_timestamp),
        location,
    })
}

impl Encode for ExtentList {
    /// The first offset, then of each extent all but its base offset: they are dense.
    fn encode(&self, out: &mut Writer) {
        let count = self.chunks.iter().map(|chunk| chunk.extents.len()).sum::<usize>();
        out.varint(count as u64);
        if let Some(first) = self.chunks.first() {
            out.put(&first.first().base_offset);
        }
        for extent in self.iter() {
            out.put(&extent.records);
            out.put(&extent.max_timestamp);
            out.put(&extent.location);
        }
    }
}

impl Decode for ExtentList {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        // Records, timestamp, and a location of four bytes at least.
        let count = input.count(6)?;
        let mut list = ExtentList::default();
        let mut base: Offset = if count > 0 { input.get()? } else { Offset(0) };
        for _ in 0..count {
            let records: u32 = input.get()?;
            let extent = Extent { base_offset: base, records, max_timestamp: input.get()?, location: input.get()? };
            base = Offset(base.0.saturating_add(u64::from(records)));
            if records == 0 || base.0 > i64::MAX as u64 {
                return Err(input.corrupt("has an extent without records or beyond the last offset"));
            }
            if list.push(extent) {
                return Err(input.corrupt("has two extents that should be one"));
            }
        }
        Ok(list)
    }
}

#[cfg(test)]
#[path = "extent_list_test.rs"]
mod tests;
