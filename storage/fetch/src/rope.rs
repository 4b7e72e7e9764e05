//! A run of bytes in several pieces, taken apart batch by batch without copying what need not be.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use tidelog_model::HEADER_BYTES;

/// Pieces that follow each other.
pub(crate) struct Rope {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Rope {
    pub(crate) fn new(pieces: Vec<Bytes>) -> Rope {
        let bytes = pieces.iter().map(Bytes::len).sum();
        Rope { pieces: pieces.into_iter().filter(|piece| !piece.is_empty()).collect(), bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// The length that a batch header at the front states; `None` when too little of it is there to tell. A length that
    /// cannot be is longer than anything.
    pub(crate) fn batch_bytes(&self) -> Option<usize> {
        let mut start = [0; 12];
        let mut filled = 0;
        for piece in &self.pieces {
            let count = piece.len().min(start.len() - filled);
            start[filled..filled + count].copy_from_slice(&piece[..count]);
            filled += count;
            if filled == start.len() {
                let length = i32::from_be_bytes([start[8], start[9], start[10], start[11]]);
                let length = usize::try_from(length).unwrap_or(usize::MAX - start.len());
                return Some((length + start.len()).max(HEADER_BYTES));
            }
        }
        None
    }

    /// Takes the first `count` bytes as pieces.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Bytes> {
        assert!(count <= self.bytes, "the caller looked at the length");
        self.bytes -= count;
        let mut taken = Vec::with_capacity(2);
        let mut left = count;
        while left > 0 {
            let front = self.pieces.front_mut().expect("the length says that more is there");
            if front.len() <= left {
                left -= front.len();
                taken.extend(self.pieces.pop_front());
            } else {
                taken.push(front.split_to(left));
                left = 0;
            }
        }
        taken
    }
}

/// The pieces as one; copied only when they are several.
pub(crate) fn join(pieces: Vec<Bytes>) -> Bytes {
    let mut pieces = pieces;
    if pieces.len() == 1 {
        return pieces.pop().expect("there is one");
    }
    let mut joined = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in pieces {
        joined.extend_from_slice(&piece);
    }
    joined.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_across_pieces() {
        let mut rope = Rope::new(vec![Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"cdef")]);
        assert_eq!(join(rope.take(3)), Bytes::from_static(b"abc"));
        assert_eq!(rope.len(), 3);
        assert_eq!(join(rope.take(3)), Bytes::from_static(b"def"));
        assert_eq!(rope.len(), 0);
    }

    #[test]
    fn sees_a_length_across_pieces() {
        let mut header = vec![0; 8];
        header.extend(100_i32.to_be_bytes());
        let second = header.split_off(10);
        let rope = Rope::new(vec![Bytes::from(header), Bytes::from(second)]);
        assert_eq!(rope.batch_bytes(), Some(112));
    }
}
