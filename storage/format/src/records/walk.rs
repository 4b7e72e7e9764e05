//! Walking records one by one, in memory or as they are unfolded (`org.apache.kafka.common.record.DefaultRecord` is the
//! reference). As strict as Kafka's Java reader, because a record that it cannot read would stop every consumer there.

use std::ops::ControlFlow;

use tidelog_model::{BatchError, Codec, TimestampMs};

use super::RecordsError;
use super::decoder::Decoder;

/// Kafka's readers take this many bytes for a 32-bit varint at most.
const INT_BYTES_MAX: usize = 5;
/// And this many for a 64-bit one.
const LONG_BYTES_MAX: usize = 10;
/// What a streamed walk holds at once.
const WINDOW_BYTES: usize = 32 * 1024;

/// One record of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset less the batch's base offset.
    pub offset_delta: u32,
    /// Its timestamp; the batch's when the broker stated it.
    pub timestamp: TimestampMs,
    /// Its key, if it has one.
    pub key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers<'a>,
}

/// The headers of one record, in order: name, and value if there is one. A name may be there more than once, and is not
/// always UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let left = self.0.len();
        let mut rest = Inside { source: &mut self.0, left };
        let name = rest.nullable("").ok().flatten();
        let value = rest.nullable("").ok();
        Some((name?, value?))
    }
}

/// Where records are read from.
pub(super) trait Source {
    /// What is kept of a key or value.
    type Piece;
    /// A place that was passed.
    type Place;
    /// Where the source is now.
    fn place(&self) -> Self::Place;
    /// What was passed since.
    fn since(&self, place: Self::Place) -> Self::Piece;
    /// The next bytes: at least `wanted` (at most 16), or all that are left.
    fn front(&mut self, wanted: usize) -> Result<&[u8], RecordsError>;
    /// Passes bytes that [`Source::front`] has shown.
    fn advance(&mut self, count: usize);
    /// Takes `count` bytes; none when fewer are left.
    fn take(&mut self, count: usize) -> Result<Option<Self::Piece>, RecordsError>;
}

/// A record as it was found.
pub(super) struct Found<P> {
    pub(super) index: u32,
    pub(super) timestamp_delta: i64,
    pub(super) key: Option<P>,
    pub(super) value: Option<P>,
    pub(super) headers: P,
}

/// Checks that there are exactly `count` records with offset deltas 0, 1, 2…, and nothing after them, showing each to
/// `visit`. When `visit` breaks, the rest is not looked at. Returns whether the end was reached.
pub(super) fn walk<S: Source>(
    source: &mut S,
    count: u32,
    mut visit: impl FnMut(Found<S::Piece>) -> ControlFlow<()>,
) -> Result<bool, RecordsError> {
    for index in 0..count {
        let found = next(source, index)?;
        if visit(found).is_break() {
            return Ok(false);
        }
    }
    if source.front(1)?.is_empty() {
        Ok(true)
    } else {
        Err(BatchError::Record { index: count, what: "bytes follow the last record" }.into())
    }
}

/// The record at the front of `source`, which is number `index` of its batch.
pub(super) fn next<S: Source>(source: &mut S, index: u32) -> Result<Found<S::Piece>, RecordsError> {
    read_record(source, index).map_err(|bad| match bad {
        Bad::Record(what) => BatchError::Record { index, what }.into(),
        Bad::Source(error) => error,
    })
}

enum Bad {
    Record(&'static str),
    Source(RecordsError),
}

impl From<&'static str> for Bad {
    fn from(what: &'static str) -> Bad {
        Bad::Record(what)
    }
}

impl From<RecordsError> for Bad {
    fn from(error: RecordsError) -> Bad {
        Bad::Source(error)
    }
}

fn read_record<S: Source>(source: &mut S, index: u32) -> Result<Found<S::Piece>, Bad> {
    let mut outside = Inside { source, left: usize::MAX };
    let length = outside.int("its length is not a varint")?;
    let length = usize::try_from(length).map_err(|_| "its length is negative")?;
    let mut record = Inside { source: outside.source, left: length };
    record.take(1, "it is empty")?; // Attributes, unused.
    let timestamp_delta = record.varint(LONG_BYTES_MAX, "its timestamp delta is not a varint")?;
    let delta = record.int("its offset delta is not a varint")?;
    if i64::from(delta) != i64::from(index) {
        return Err(Bad::Record("its offset delta is not its position"));
    }
    let key = record.nullable("its key goes past its end")?;
    let value = record.nullable("its value goes past its end")?;
    let headers = record.int("its header count is not a varint")?;
    // A header takes two bytes at least, so a count beyond that is refused before it is walked.
    if headers < 0 || headers as usize > record.left / 2 {
        return Err(Bad::Record("its header count does not fit its length"));
    }
    let before = record.source.place();
    for _ in 0..headers {
        let key_bytes = record.int("a header key has no length")?;
        let key_bytes = usize::try_from(key_bytes).map_err(|_| "a header key is null")?;
        record.take(key_bytes, "a header key goes past its end")?;
        record.nullable("a header value goes past its end")?;
    }
    if record.left != 0 {
        return Err(Bad::Record("bytes follow its last header"));
    }
    let headers = record.source.since(before);
    Ok(Found { index, timestamp_delta, key, value, headers })
}

/// The part of a source that belongs to one record.
struct Inside<'s, S> {
    source: &'s mut S,
    left: usize,
}

impl<S: Source> Inside<'_, S> {
    fn take(&mut self, count: usize, what: &'static str) -> Result<S::Piece, Bad> {
        self.left = self.left.checked_sub(count).ok_or(what)?;
        Ok(self.source.take(count)?.ok_or(what)?)
    }

    fn nullable(&mut self, what: &'static str) -> Result<Option<S::Piece>, Bad> {
        match self.int(what)? {
            -1 => Ok(None),
            length => Ok(Some(self.take(usize::try_from(length).map_err(|_| what)?, what)?)),
        }
    }

    fn int(&mut self, what: &'static str) -> Result<i32, Bad> {
        Ok(i32::try_from(self.varint(INT_BYTES_MAX, what)?).map_err(|_| what)?)
    }

    /// A zigzag varint of at most `bytes_max` bytes.
    fn varint(&mut self, bytes_max: usize, what: &'static str) -> Result<i64, Bad> {
        let bytes_max = bytes_max.min(self.left);
        let mut value = 0_u64;
        for (i, byte) in self.source.front(bytes_max)?.iter().take(bytes_max).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if i == LONG_BYTES_MAX - 1 && bits > 1 {
                break;
            }
            value |= bits << (7 * i);
            if byte & 0x80 == 0 {
                self.source.advance(i + 1);
                self.left -= i + 1;
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(Bad::Record(what))
    }
}

/// Records in memory.
impl<'a> Source for &'a [u8] {
    type Piece = &'a [u8];
    type Place = &'a [u8];

    fn place(&self) -> &'a [u8] {
        self
    }

    fn since(&self, place: &'a [u8]) -> &'a [u8] {
        &place[..place.len() - self.len()]
    }

    fn front(&mut self, _wanted: usize) -> Result<&[u8], RecordsError> {
        Ok(self)
    }

    fn advance(&mut self, count: usize) {
        *self = &self[count..];
    }

    fn take(&mut self, count: usize) -> Result<Option<&'a [u8]>, RecordsError> {
        let Some((piece, rest)) = self.split_at_checked(count) else { return Ok(None) };
        *self = rest;
        Ok(Some(piece))
    }
}

/// Records as they are unfolded, of which nothing is kept.
pub(super) struct Unfolding<'a> {
    decoder: Decoder<'a>,
    window: Vec<u8>,
    from: usize,
    to: usize,
}

impl<'a> Unfolding<'a> {
    pub(super) fn new(codec: Codec, body: &'a [u8], bytes_max: usize) -> Result<Unfolding<'a>, RecordsError> {
        Ok(Unfolding { decoder: Decoder::new(codec, body, bytes_max)?, window: vec![0; WINDOW_BYTES], from: 0, to: 0 })
    }

    /// To be called after a walk that reached the end.
    pub(super) fn end(self) -> Result<(), RecordsError> {
        self.decoder.end()
    }
}

impl Source for Unfolding<'_> {
    type Piece = ();
    type Place = ();

    fn place(&self) {}

    fn since(&self, (): ()) {}

    fn front(&mut self, wanted: usize) -> Result<&[u8], RecordsError> {
        if self.to - self.from < wanted {
            self.window.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
            while self.to < wanted {
                match self.decoder.read(&mut self.window[self.to..])? {
                    0 => break,
                    count => self.to += count,
                }
            }
        }
        Ok(&self.window[self.from..self.to])
    }

    fn advance(&mut self, count: usize) {
        self.from += count;
    }

    fn take(&mut self, mut count: usize) -> Result<Option<()>, RecordsError> {
        loop {
            let here = count.min(self.to - self.from);
            self.from += here;
            count -= here;
            if count == 0 {
                return Ok(Some(()));
            }
            if self.front(1)?.is_empty() {
                return Ok(None);
            }
        }
    }
}
