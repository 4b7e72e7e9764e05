//! Batches as they were read: in pieces that end anywhere. A batch that lies in one piece is not copied.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use tidelog_format::records::{OpenBatch, RecordsError};
use tidelog_model::{BatchError, BatchHeader, HEADER_BYTES};

/// Whole batches, one after the other.
#[derive(Default)]
pub(super) struct Rope {
    /// None of them is empty.
    pieces: VecDeque<Bytes>,
    /// They are in memory of their own.
    is_own: bool,
}

impl Rope {
    pub(super) fn new(pieces: Vec<Bytes>) -> Rope {
        Rope { pieces: pieces.into_iter().filter(|piece| !piece.is_empty()).collect(), is_own: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Opens the first batch.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn open(&self) -> Result<OpenBatch, RecordsError> {
        let mut first = [0; HEADER_BYTES];
        let copied = self.copy_to(&mut first);
        if copied < HEADER_BYTES {
            return Err(BatchError::CutOff { needed: HEADER_BYTES, available: copied }.into());
        }
        let header = BatchHeader::parse(&first)?;
        let body = self.slice(HEADER_BYTES, header.bytes - HEADER_BYTES)?;
        OpenBatch::of_parts(header, body)
    }

    /// Passes `count` bytes that are there.
    pub(super) fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let piece = self.pieces.front_mut().expect("the caller has seen these bytes");
            let here = count.min(piece.len());
            piece.advance(here);
            count -= here;
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
    }

    /// Takes all of it into memory of its own: what it lies in may be much larger, and is not to be kept for as long as a slow
    /// client takes.
    pub(super) fn own(&mut self) {
        if !std::mem::replace(&mut self.is_own, true) {
            let mut joined = BytesMut::with_capacity(self.pieces.iter().map(Bytes::len).sum());
            self.pieces.drain(..).for_each(|piece| joined.extend_from_slice(&piece));
            self.pieces.push_back(joined.freeze());
        }
    }

    /// The body of the first batch.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn first_body(&self, header: &BatchHeader) -> Result<Bytes, RecordsError> {
        self.slice(HEADER_BYTES, header.bytes - HEADER_BYTES)
    }

    fn copy_to(&self, out: &mut [u8]) -> usize {
        let mut copied = 0;
        for piece in &self.pieces {
            let here = piece.len().min(out.len() - copied);
            out[copied..copied + here].copy_from_slice(&piece[..here]);
            copied += here;
        }
        copied
    }

    /// `count` bytes from `from` on: those of a piece when they lie in one.
    fn slice(&self, mut from: usize, count: usize) -> Result<Bytes, RecordsError> {
        let mut gathered = BytesMut::new();
        for piece in &self.pieces {
            if from >= piece.len() {
                from -= piece.len();
                continue;
            }
            let end = piece.len().min(from + count - gathered.len());
            if gathered.is_empty() && end - from == count {
                return Ok(piece.slice(from..end));
            }
            if gathered.is_empty() {
                gathered.reserve(count);
            }
            gathered.extend_from_slice(&piece[from..end]);
            from = 0;
            if gathered.len() == count {
                return Ok(gathered.freeze());
            }
        }
        Err(BatchError::CutOff { needed: count, available: gathered.len() }.into())
    }
}

#[cfg(test)]
mod tests {
    use tidelog_format::records::BatchBuilder;
    use tidelog_model::TimestampMs;

    use super::*;

    fn batches() -> Vec<u8> {
        let mut all = Vec::new();
        for number in 0..3_u8 {
            let mut builder = BatchBuilder::default();
            for record in 0..=number {
                builder.push(TimestampMs(5), None, Some(&vec![record; 100 * usize::from(number)]), &[]);
            }
            all.extend(builder.finish().into_bytes());
        }
        all
    }

    fn read(rope: &mut Rope) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        while !rope.is_empty() {
            let mut open = rope.open().unwrap();
            let bytes = open.header().bytes;
            let passed = open.visit(|record| {
                values.push(record.value.unwrap().to_vec());
                std::ops::ControlFlow::<()>::Continue(())
            });
            assert_eq!(passed, Ok(None));
            rope.advance(bytes);
        }
        values
    }

    #[test]
    fn batches_are_the_same_wherever_pieces_end() {
        let all = Bytes::from(batches());
        let expected = read(&mut Rope::new(vec![all.clone()]));
        assert_eq!(expected.len(), 6);
        for at in 0..all.len() {
            let (first, second) = (all.slice(..at), all.slice(at..));
            assert_eq!(read(&mut Rope::new(vec![first.clone(), Bytes::new(), second.clone()])), expected, "{at}");
            let mut owned = Rope::new(vec![first, second]);
            owned.own();
            assert_eq!(read(&mut owned), expected, "{at}");
        }
        let bytes = all.iter().map(|byte| Bytes::copy_from_slice(&[*byte])).collect();
        assert_eq!(read(&mut Rope::new(bytes)), expected);
    }

    #[test]
    fn what_lies_in_one_piece_is_not_copied() {
        let all = Bytes::from(batches());
        let rope = Rope::new(vec![all.slice(..16), all.slice(16..)]);
        let header = *rope.open().unwrap().header();
        assert_eq!(rope.first_body(&header).unwrap().as_ptr(), all[HEADER_BYTES..].as_ptr());
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let all = Bytes::from(batches());
        assert!(Rope::new(vec![all.slice(..HEADER_BYTES - 1)]).open().is_err());
        assert!(Rope::new(vec![all.slice(..10), all.slice(10..HEADER_BYTES)]).open().is_err());
    }
}
