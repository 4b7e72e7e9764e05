//! Objects that this node has just written, kept as the pieces they were written from: a consumer at the tail reads them
//! without any copy and without the store.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tidelog_model::ObjectId;

/// Bounded by bytes, first in, first out: the tail moves on, and who falls behind reads blocks.
pub(crate) struct Written {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    objects: HashMap<ObjectId, Arc<Rope>>,
    /// Oldest first. May name objects that are no longer there.
    order: VecDeque<ObjectId>,
    bytes: usize,
}

struct Rope {
    parts: Vec<Bytes>,
    /// Where each part ends in the object.
    ends: Vec<usize>,
}

impl Written {
    pub(crate) fn new(bytes_max: usize) -> Written {
        Written { bytes_max, state: Mutex::default() }
    }

    /// Keeps an object, and lets go of the oldest beyond the bound. Returns the bytes now held. An object larger than
    /// the bound is not kept.
    pub(crate) fn insert(&self, object: ObjectId, mut parts: Vec<Bytes>) -> usize {
        parts.retain(|part| !part.is_empty());
        let rope = Arc::new(Rope::new(parts));
        let mut released = Vec::new();
        let mut state = self.state.lock();
        if rope.bytes() <= self.bytes_max && !state.objects.contains_key(&object) {
            state.bytes += rope.bytes();
            state.objects.insert(object, rope);
            state.order.push_back(object);
        }
        while state.bytes > self.bytes_max {
            let oldest = state.order.pop_front().expect("bytes are held, so an object is");
            released.extend(state.forget(oldest));
        }
        let bytes = state.bytes;
        // Memory is given back outside the lock.
        drop(state);
        drop(released);
        bytes
    }

    /// The pieces of `range`, if the object is here and reaches that far.
    pub(crate) fn read(&self, object: ObjectId, range: Range<usize>) -> Option<Vec<Bytes>> {
        let rope = self.state.lock().objects.get(&object).cloned()?;
        rope.slice(range)
    }

    /// Bytes that are held.
    pub(crate) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Whether the object is here.
    pub(crate) fn holds(&self, object: ObjectId) -> bool {
        self.state.lock().objects.contains_key(&object)
    }

    /// Lets go of an object. Returns the bytes now held.
    pub(crate) fn remove(&self, object: ObjectId) -> usize {
        let mut state = self.state.lock();
        let removed = state.forget(object);
        if removed.is_some() {
            state.order.retain(|kept| *kept != object);
        }
        state.bytes
    }
}

impl State {
    fn forget(&mut self, object: ObjectId) -> Option<Arc<Rope>> {
        let rope = self.objects.remove(&object)?;
        self.bytes -= rope.bytes();
        Some(rope)
    }
}

impl Rope {
    fn new(parts: Vec<Bytes>) -> Rope {
        let ends = parts
            .iter()
            .scan(0, |end, part| {
                *end += part.len();
                Some(*end)
            })
            .collect();
        Rope { parts, ends }
    }

    fn bytes(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    fn slice(&self, range: Range<usize>) -> Option<Vec<Bytes>> {
        if range.end > self.bytes() {
            return None;
        }
        let first = self.ends.partition_point(|end| *end <= range.start);
        let mut pieces = Vec::new();
        for (part, end) in self.parts[first..].iter().zip(&self.ends[first..]) {
            let begin = end - part.len();
            if begin >= range.end {
                break;
            }
            let from = range.start.saturating_sub(begin);
            pieces.push(part.slice(from..part.len().min(range.end - begin)));
        }
        Some(pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rope(pieces: &[&'static str]) -> Vec<Bytes> {
        pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect()
    }

    #[test]
    fn every_range_is_what_a_copy_would_give() {
        let whole = b"abcdefghij";
        let written = Written::new(100);
        written.insert(ObjectId(1), rope(&["abc", "", "d", "efgh", "ij"]));
        for from in 0..whole.len() {
            for to in from + 1..=whole.len() {
                let pieces = written.read(ObjectId(1), from..to).unwrap();
                assert!(pieces.iter().all(|piece| !piece.is_empty()), "{from}..{to}");
                assert_eq!(pieces.concat(), &whole[from..to], "{from}..{to}");
            }
        }
        assert!(written.read(ObjectId(1), 5..11).is_none(), "past the end");
    }

    #[test]
    fn the_oldest_goes_when_the_bound_is_reached() {
        let written = Written::new(8);
        assert_eq!(written.insert(ObjectId(1), rope(&["abcd"])), 4);
        assert_eq!(written.insert(ObjectId(2), rope(&["efgh"])), 8);
        assert_eq!(written.insert(ObjectId(3), rope(&["i"])), 5);
        assert!(written.read(ObjectId(1), 0..1).is_none());
        assert!(written.read(ObjectId(2), 0..1).is_some());
        assert_eq!(written.insert(ObjectId(4), rope(&["far too large"])), 5, "not kept");
        assert_eq!(written.remove(ObjectId(2)), 1);
        assert_eq!(written.remove(ObjectId(2)), 1);
    }
}
