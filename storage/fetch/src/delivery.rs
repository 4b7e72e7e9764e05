//! What goes to the reader: prefixes and small pieces gathered, the rest by reference.
//!
//! A piece of a cached block keeps the whole block alive for as long as its reader takes. So it goes by reference only when
//! the answer has an eighth of the block at least: answers under way hold eight times their bytes at most, and as a rule, where
//! they have most of a block, little more.

use bytes::{Bytes, BytesMut};
use tidelog_model::{PREFIX_BYTES, patch_prefix};

use crate::scan::ScannedBatch;

/// Pieces below this are copied next to their neighbours; for larger ones only the prefix is.
const COPY_BYTES_MAX: usize = 4 << 10;
/// What an answer may keep alive of blocks, for each byte that it has of them by reference.
const HELD_PER_BYTE_MAX: usize = 8;
/// The leader epoch is constant: a partition's offsets never diverge between nodes.
const LEADER_EPOCH: u32 = 0;

/// An answer as it grows.
#[derive(Default)]
pub(crate) struct Delivery {
    chunks: Vec<Bytes>,
    gathered: BytesMut,
    bytes: usize,
    window: Window,
}

/// What was read at once, and is being delivered.
#[derive(Default)]
struct Window {
    /// Of the blocks that it is in.
    held_bytes: usize,
    /// The chunks that are parts of them.
    referred: Vec<usize>,
    referred_bytes: usize,
}

impl Delivery {
    /// Bytes so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is pushed next was read anew, if `held_bytes` says so: of the blocks that it is in.
    pub(crate) fn begin_window(&mut self, held_bytes: Option<usize>) {
        if let Some(held_bytes) = held_bytes {
            self.end_window();
            self.window.held_bytes = held_bytes;
        }
    }

    pub(crate) fn push(&mut self, batch: ScannedBatch) {
        let ScannedBatch { base_offset, header, pieces, new_window, .. } = batch;
        self.begin_window(new_window);
        self.bytes += header.bytes;
        let mut first = [0; PREFIX_BYTES];
        let mut filled = 0;
        let mut rest = pieces.into_iter();
        let mut left_over = None;
        // The prefix may be a piece of its own, or the start of one.
        while filled < PREFIX_BYTES {
            let mut piece = rest.next().expect("a batch is longer than its prefix");
            let front = piece.split_to(piece.len().min(PREFIX_BYTES - filled));
            first[filled..filled + front.len()].copy_from_slice(&front);
            filled += front.len();
            left_over = (!piece.is_empty()).then_some(piece);
        }
        self.gathered.extend_from_slice(&patch_prefix(&first, base_offset, LEADER_EPOCH));
        for piece in left_over.into_iter().chain(rest) {
            if piece.len() <= COPY_BYTES_MAX {
                self.gathered.extend_from_slice(&piece);
            } else {
                self.chunks.push(self.gathered.split().freeze());
                self.window.referred.push(self.chunks.len());
                self.window.referred_bytes += piece.len();
                self.chunks.push(piece);
            }
        }
    }

    /// Copies what is too little of the blocks that it would keep alive.
    fn end_window(&mut self) {
        let Window { held_bytes, referred, referred_bytes } = std::mem::take(&mut self.window);
        if referred_bytes.saturating_mul(HELD_PER_BYTE_MAX) < held_bytes {
            for at in referred {
                self.chunks[at] = Bytes::copy_from_slice(&self.chunks[at]);
            }
        }
    }

    /// All of it, in order.
    pub(crate) fn finish(mut self) -> Vec<Bytes> {
        self.end_window();
        if !self.gathered.is_empty() {
            self.chunks.push(self.gathered.freeze());
        }
        self.chunks
    }
}

#[cfg(test)]
mod tests {
    use tidelog_format::records::BatchBuilder;
    use tidelog_model::{BatchHeader, Offset, TimestampMs};

    use super::*;

    const BLOCK_BYTES: usize = 1 << 20;

    /// A batch at the start of `block`, of which `bytes` are its own.
    fn batch(block: &Bytes, bytes: usize, new_window: Option<usize>) -> ScannedBatch {
        let mut builder = BatchBuilder::with_room(1024);
        builder.push(TimestampMs(1), None, Some(b"x"), &[]);
        let header = BatchHeader { bytes, ..BatchHeader::read(builder.finish().bytes()).expect("just built") };
        ScannedBatch { base_offset: Offset(0), header, skip: 0, new_window, pieces: vec![block.slice(..bytes)] }
    }

    /// Whether any chunk is a part of the block.
    fn refers(chunks: &[Bytes], block: &Bytes) -> bool {
        let range = block.as_ptr_range();
        chunks.iter().any(|chunk| range.contains(&chunk.as_ptr()))
    }

    #[test]
    fn a_block_is_kept_alive_for_a_good_part_of_it_only() {
        let block = Bytes::from((0..BLOCK_BYTES).map(|at| (at / 7) as u8).collect::<Vec<u8>>());
        let check = |counts: &[(usize, Option<usize>)], expected: bool| {
            let mut out = Delivery::default();
            counts.iter().for_each(|(bytes, window)| out.push(batch(&block, *bytes, *window)));
            let chunks = out.finish();
            // The prefix is the reader's own, what follows it is as it was.
            let mut told = chunks.concat();
            for (bytes, _) in counts {
                let rest = told.split_off(*bytes);
                assert!(told[PREFIX_BYTES..] == block[PREFIX_BYTES..*bytes], "{counts:?}");
                told = rest;
            }
            assert!(told.is_empty());
            assert_eq!(refers(&chunks, &block), expected, "{counts:?}");
        };
        let window = Some(BLOCK_BYTES);
        check(&[(BLOCK_BYTES / 8 + 100, window)], true);
        check(&[(BLOCK_BYTES / 8 - 100, window)], false);
        // Together they are enough, in two windows they are not.
        check(&[(BLOCK_BYTES / 10, window), (BLOCK_BYTES / 10, None)], true);
        check(&[(BLOCK_BYTES / 10, window), (BLOCK_BYTES / 10, window)], false);
        // Not in a block.
        check(&[(8 << 10, Some(0))], true);
        check(&[(4 << 10, Some(0))], false);
    }
}
