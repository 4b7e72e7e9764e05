//! Reading ahead: who replays history from the store would otherwise wait for it once per answer.
//!
//! A read whose bytes came from the store, or that goes on where an earlier one was prepared for, has what follows it
//! loaded into the block cache while its answer travels. The next read then finds it there, or joins its load.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use tidelog_catalog_api::Location;
use tidelog_model::{Offset, PartitionId};

use crate::fetch::Fetch;

/// Bytes that are loaded ahead of one reader: about as much as an answer to a reader of several partitions carries.
const AHEAD_BYTES: usize = 4 << 20;
/// Partitions whose readers are remembered; beyond it the one that was read the longest ago is forgotten.
const READERS_MAX: usize = 4_096;

/// Up to where partitions were loaded ahead.
#[derive(Default)]
pub(crate) struct ReadAhead {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    until: HashMap<PartitionId, (Offset, u64)>,
    by_age: BTreeMap<u64, PartitionId>,
    age: u64,
}

impl ReadAhead {
    /// From where on to load, after a read that ended before `next`; `None` when this reader needs nothing ahead of it.
    fn start(&self, partition: PartitionId, next: Offset, from_store: bool) -> Option<Offset> {
        let until = self.state.lock().until.get(&partition).map(|(until, _)| *until);
        match until {
            // It follows what was loaded for it.
            Some(until) if until >= next => Some(until),
            _ => from_store.then_some(next),
        }
    }

    fn remember(&self, partition: PartitionId, until: Offset) {
        let mut state = self.state.lock();
        state.age += 1;
        let age = state.age;
        if let Some((_, old)) = state.until.insert(partition, (until, age)) {
            state.by_age.remove(&old);
        }
        state.by_age.insert(age, partition);
        if state.until.len() > READERS_MAX
            && let Some((_, oldest)) = state.by_age.pop_first()
        {
            state.until.remove(&oldest);
        }
    }

    fn forget(&self, partition: PartitionId) {
        let mut state = self.state.lock();
        if let Some((_, age)) = state.until.remove(&partition) {
            state.by_age.remove(&age);
        }
    }
}

impl Fetch {
    /// Begins to load what follows `next`, the offset after what was just read. Waits for nothing.
    pub(crate) fn read_ahead(&self, partition: PartitionId, next: Offset, from_store: bool) {
        let Some(mut from) = self.read_ahead.start(partition, next, from_store) else { return };
        // What is loaded and not yet read counts against the bound.
        let Some(unread) = self.catalog.extents(partition, next, AHEAD_BYTES) else { return };
        if from_store && unread.extents.iter().all(|extent| extent.end_offset() <= from) {
            // It was loaded for another reader, or is gone again.
            from = next;
        }
        let mut until = from;
        for extent in unread.extents.iter().filter(|extent| extent.end_offset() > from) {
            if let Location::Object { range, .. } = extent.location {
                self.meters.ahead.increment(1);
                self.reader.load(range.object, range.position..range.position + range.bytes.min(AHEAD_BYTES as u32));
            }
            until = until.max(extent.end_offset());
        }
        if unread.extents.is_empty() {
            // The reader has arrived at the tail, whose bytes are in memory.
            self.read_ahead.forget(partition);
        } else {
            self.read_ahead.remember(partition, until);
        }
    }
}
