//! What a read returns: a contiguous range, in pieces that share the memory they came from.

use bytes::{Bytes, BytesMut};

/// Where bytes came from. A range that came from several places has the farthest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// An object that this node has just written.
    Written,
    /// The block cache.
    Cache,
    /// The object store.
    Store,
}

/// A range of an object: its bytes in order.
#[derive(Clone, Debug)]
pub struct ReadBytes {
    /// The pieces, none empty.
    pub parts: Vec<Bytes>,
    /// Where they came from.
    pub origin: Origin,
    /// Bytes of the cached blocks that they are parts of and keep alive. 0 of an object that was just written.
    pub held_bytes: usize,
}

impl ReadBytes {
    /// Bytes in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Whether there are none; a read never returns that.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// All bytes in one piece: the piece itself if there is one, else a copy.
    #[must_use]
    pub fn into_contiguous(mut self) -> Bytes {
        if self.parts.len() == 1 {
            return self.parts.remove(0);
        }
        let mut all = BytesMut::with_capacity(self.len());
        for part in &self.parts {
            all.extend_from_slice(part);
        }
        all.freeze()
    }

    /// Takes the first `count` bytes off, in one piece: shared where they lie in one, copied where they do not.
    /// `None`, and nothing taken, when there are fewer.
    pub fn take_front(&mut self, count: usize) -> Option<Bytes> {
        if count > self.len() {
            return None;
        }
        if let Some(first) = self.parts.first_mut()
            && count < first.len()
        {
            return Some(first.split_to(count));
        }
        let mut taken = ReadBytes { parts: Vec::new(), origin: self.origin, held_bytes: self.held_bytes };
        let mut left = count;
        while left > 0 {
            let first = &mut self.parts[0];
            if first.len() > left {
                taken.parts.push(first.split_to(left));
                break;
            }
            left -= first.len();
            taken.parts.push(self.parts.remove(0));
        }
        Some(taken.into_contiguous())
    }
}
