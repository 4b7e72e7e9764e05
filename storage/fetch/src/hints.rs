//! Where readers left off: an extent is entered at the byte where the last read ended, not walked from its start.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use tidelog_catalog_api::{Extent, Location};
use tidelog_model::{Offset, PartitionId};

/// Hints kept; beyond it the oldest goes. A missing hint costs a walk over batch headers, nothing else.
const HINTS_MAX: usize = 16_384;

/// Byte positions of offsets inside extents.
pub(crate) struct Hints {
    state: Mutex<State>,
}

struct State {
    hints: HashMap<(PartitionId, Offset), (u64, Location, u32)>,
    by_age: BTreeMap<u64, (PartitionId, Offset)>,
    age: u64,
}

impl Hints {
    pub(crate) fn new() -> Hints {
        Hints { state: Mutex::new(State { hints: HashMap::new(), by_age: BTreeMap::new(), age: 0 }) }
    }

    /// Remembers that the batch with `offset` begins `skip` bytes into the extent.
    pub(crate) fn remember(&self, partition: PartitionId, offset: Offset, extent: &Extent, skip: u32) {
        let mut state = self.state.lock();
        state.age += 1;
        let age = state.age;
        let key = (partition, offset);
        if let Some((old, ..)) = state.hints.insert(key, (age, extent.location, skip)) {
            state.by_age.remove(&old);
        }
        state.by_age.insert(age, key);
        if state.hints.len() > HINTS_MAX
            && let Some((_, oldest)) = state.by_age.pop_first()
        {
            state.hints.remove(&oldest);
        }
    }

    /// How far into the extent the batch with `offset` begins. An extent that has grown since still begins at the same
    /// place, so only that is compared.
    pub(crate) fn recall(&self, partition: PartitionId, offset: Offset, extent: &Extent) -> Option<u32> {
        let state = self.state.lock();
        let (_, location, skip) = state.hints.get(&(partition, offset))?;
        (start(location) == start(&extent.location) && *skip < extent.bytes()).then_some(*skip)
    }
}

fn start(location: &Location) -> (u8, u64, u32) {
    match location {
        Location::Object { range, .. } => (1, range.object.0, range.position),
        Location::Inline { index, position, .. } => (2, index.0, *position),
    }
}
