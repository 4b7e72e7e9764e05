//! What can be computed from the rest: not stored, not hashed, rebuilt by a restore, compared by `validate`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidelog_catalog_api::{Extent, Location, TopicView};
use tidelog_model::{LogIndex, Offset, PartitionId, TenantId};

use crate::guards::KeyIndex;
use crate::objects::ObjectRefs;
use crate::state::State;
use crate::totals::Totals;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Derived {
    pub names: BTreeMap<TenantId, Names>,
    pub objects: ObjectRefs,
    pub inline: InlineIndex,
    /// Of all groups' records.
    pub group_bytes: usize,
    pub totals: Totals,
    pub keys: KeyIndex,
}

/// A tenant's topic names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub by_name: BTreeMap<Arc<str>, Arc<TopicView>>,
    /// With '.' as '_', to the name itself: unique, because Kafka's metric names are.
    pub folded: BTreeMap<String, Arc<str>>,
}

/// Which extents lie in which inline payload.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct InlineIndex {
    /// Never empty ones.
    pub places: BTreeMap<LogIndex, BTreeSet<(PartitionId, Offset)>>,
    /// Of all payloads.
    pub bytes: usize,
}

impl Names {
    pub fn insert(&mut self, topic: &Arc<TopicView>) {
        self.by_name.insert(Arc::clone(&topic.name), Arc::clone(topic));
        self.folded.insert(fold(&topic.name), Arc::clone(&topic.name));
    }

    pub fn remove(&mut self, topic: &TopicView) {
        self.by_name.remove(&topic.name);
        self.folded.remove(&fold(&topic.name));
    }

    /// A topic whose name differs from `name` in '.' and '_' at most.
    pub fn collision(&self, name: &str) -> Option<&Arc<str>> {
        self.folded.get(&fold(name))
    }
}

fn fold(name: &str) -> String {
    name.replace('.', "_")
}

impl InlineIndex {
    /// An extent is no longer in the payload of `index`. Says whether it was the last.
    pub fn remove(&mut self, index: LogIndex, place: (PartitionId, Offset)) -> bool {
        let places = self.places.get_mut(&index).expect("an inline extent's payload is indexed");
        assert!(places.remove(&place), "an inline extent is indexed");
        if places.is_empty() {
            self.places.remove(&index);
            return true;
        }
        false
    }
}

impl Derived {
    /// Computes it from the parts.
    pub fn of(state: &State) -> Derived {
        let mut derived = Derived::default();
        for shard in &state.shards {
            for topic in shard.body.topics.values() {
                derived.names.entry(topic.0.tenant).or_default().insert(&topic.0);
            }
            for (id, partition) in &shard.body.partitions {
                partition.extents.iter().for_each(|extent| derived.add(*id, extent));
                derived.totals.count(id.topic, partition);
            }
        }
        for (id, entry) in state.guards.iter().flat_map(|part| part.body.0.keys.iter()) {
            derived.keys.add(*id, entry);
        }
        let payloads = state.payloads.iter().flat_map(|part| part.body.payloads.values());
        let records = state.groups.iter().flat_map(|part| part.body.records.values());
        derived.group_bytes = records.map(|record| record.bytes()).sum();
        derived.inline.bytes = payloads.map(|payload| payload.len()).sum();
        derived
    }

    fn add(&mut self, partition: PartitionId, extent: &Extent) {
        match extent.location {
            Location::Object { range, .. } => self.objects.add(range.object, 1),
            Location::Inline { index, .. } => {
                self.inline.places.entry(index).or_default().insert((partition, extent.base_offset));
            }
        }
    }
}
