//! What can be read from the state: the reading half of `catalog_api::Catalog`, with the same names and promises.

use std::sync::Arc;

use bytes::Bytes;
use tidelog_catalog_api::{
    ClusterView, Extent, ExtentPlan, InlineExtent, OrphanRange, PartitionView, ProducerView, StoredTotals, TopicTotals,
    TopicView,
};
use tidelog_model::{Incarnation, LogIndex, ObjectId, Offset, PartitionId, ProducerId, TenantId, TimestampMs, TopicId};

use crate::partition::Partition;
use crate::shard::{payload_part_of, shard_of, shard_of_topic};
use crate::state::State;

/// Extents in one plan: a reader asks again from where it ends.
const PLAN_EXTENTS_MAX: usize = 4_096;

impl State {
    /// The cluster's names; zeros before Bootstrap.
    #[must_use]
    pub fn cluster(&self) -> ClusterView {
        match &self.meta.body.cluster {
            Some(cluster) => ClusterView { cluster_id: cluster.cluster_id, incarnation: cluster.incarnation },
            None => ClusterView { cluster_id: [0; 16], incarnation: Incarnation(0) },
        }
    }

    /// A topic by id.
    #[must_use]
    pub fn topic(&self, topic: TopicId) -> Option<Arc<TopicView>> {
        self.shards[shard_of_topic(topic)].body.topics.get(&topic).map(|topic| Arc::clone(&topic.0))
    }

    /// A topic by name.
    #[must_use]
    pub fn topic_by_name(&self, tenant: TenantId, name: &str) -> Option<Arc<TopicView>> {
        self.derived.names.get(&tenant)?.by_name.get(name).map(Arc::clone)
    }

    /// All topics of a tenant, by name.
    #[must_use]
    pub fn topics(&self, tenant: TenantId) -> Vec<Arc<TopicView>> {
        let names = self.derived.names.get(&tenant);
        names.map_or_else(Vec::new, |names| names.by_name.values().map(Arc::clone).collect())
    }

    /// A partition's bounds.
    #[must_use]
    pub fn partition(&self, partition: PartitionId) -> Option<PartitionView> {
        self.read(partition, |partition| partition.view())
    }

    /// The extents from the one that holds `from` on, until `bytes_max` are planned (one at least), 4,096 at most. `None`
    /// when the partition is unknown; no extents when `from` is outside its bounds or at its tail.
    #[must_use]
    pub fn extents(&self, partition: PartitionId, from: Offset, bytes_max: usize) -> Option<ExtentPlan> {
        self.read(partition, |partition| {
            let mut planned = 0_usize;
            let starts = from >= partition.log_start;
            let wanted = partition.extents.iter_from(from).take_while(|extent| {
                let more = planned == 0 || planned < bytes_max;
                planned += extent.bytes() as usize;
                starts && more
            });
            let extents = wanted.take(PLAN_EXTENTS_MAX).cloned().collect();
            ExtentPlan { partition: partition.view(), extents }
        })
    }

    /// The first extent with a record at or after `timestamp`, of those that end beyond `from`.
    #[must_use]
    pub fn extent_by_time(&self, partition: PartitionId, timestamp: TimestampMs, from: Offset) -> Option<Extent> {
        self.read(partition, |partition| partition.extents.by_time(timestamp, from).cloned())?
    }

    /// The first of the extents that hold the greatest timestamp of those that end beyond `from`.
    #[must_use]
    pub fn extent_of_max_timestamp(&self, partition: PartitionId, from: Offset) -> Option<Extent> {
        self.read(partition, |partition| {
            let greatest = partition.extents.max_timestamp(from)?;
            partition.extents.by_time(greatest, from).cloned()
        })?
    }

    /// Bytes of the extents of a partition.
    #[must_use]
    pub fn partition_bytes(&self, partition: PartitionId) -> Option<u64> {
        self.read(partition, |partition| partition.extents.bytes())
    }

    /// What is stored of all records.
    #[must_use]
    pub fn stored_totals(&self) -> StoredTotals {
        self.derived.totals.stored
    }

    /// What a topic holds.
    #[must_use]
    pub fn topic_totals(&self, topic: TopicId) -> Option<TopicTotals> {
        self.topic(topic).map(|topic| self.derived.totals.of(topic.id))
    }

    /// The idempotent producers that a partition remembers, by id.
    #[must_use]
    pub fn producers(&self, partition: PartitionId) -> Option<Vec<ProducerView>> {
        self.read(partition, |partition| partition.producers.views().collect())
    }

    /// The next producer id that will be given out.
    #[must_use]
    pub fn next_producer(&self) -> ProducerId {
        self.meta.body.next_producer
    }

    /// The payload of an inline commit, as long as some extent lies in it.
    #[must_use]
    pub fn inline_payload(&self, index: LogIndex) -> Option<Bytes> {
        self.payloads[payload_part_of(index)].body.payloads.get(&index).cloned()
    }

    /// Bytes of the inline payloads that wait to be moved.
    #[must_use]
    pub fn inline_bytes(&self) -> usize {
        self.derived.inline.bytes
    }

    /// The oldest inline extents, whole payloads of `bytes_max` in all (one at least, if there is any).
    #[must_use]
    pub fn inline_extents(&self, bytes_max: usize) -> Vec<InlineExtent> {
        let mut planned = 0;
        let mut found = Vec::new();
        for (index, places) in &self.derived.inline.places {
            let payload = self.inline_payload(*index).expect("a payload with extents in it is there");
            planned += payload.len();
            if planned > bytes_max && !found.is_empty() {
                break;
            }
            found.extend(places.iter().map(|(partition, base)| {
                let extent = self.read(*partition, |partition| partition.extents.at(*base).cloned()).flatten();
                InlineExtent { partition: *partition, extent: extent.expect("an indexed extent is there") }
            }));
        }
        found
    }

    /// Orphans and the retired: object ids that nothing references and nothing can reference any more.
    #[must_use]
    pub fn orphans(&self) -> Vec<OrphanRange> {
        let orphans = self.meta.body.orphans.iter();
        orphans.map(|(first, it)| OrphanRange { first: *first, count: it.count, fenced_at: it.fenced_at }).collect()
    }

    /// Objects that extents refer to.
    #[must_use]
    pub fn object_count(&self) -> usize {
        self.derived.objects.0.len()
    }

    /// Whether extents refer to an object.
    #[must_use]
    pub fn is_referenced(&self, object: ObjectId) -> bool {
        self.derived.objects.0.contains_key(&object)
    }

    /// The topic of a partition that exists.
    pub(crate) fn topic_of(&self, partition: PartitionId) -> Option<&TopicView> {
        let topic = self.shards[shard_of_topic(partition.topic)].body.topics.get(&partition.topic)?;
        (partition.index < topic.0.partitions).then_some(&*topic.0)
    }

    pub(crate) fn partition_exists(&self, partition: PartitionId) -> bool {
        self.topic_of(partition).is_some()
    }

    /// Reads a partition that exists; one without state is empty.
    fn read<T>(&self, partition: PartitionId, read: impl FnOnce(&Partition) -> T) -> Option<T> {
        if !self.partition_exists(partition) {
            return None;
        }
        Some(match self.shards[shard_of(partition)].body.partitions.get(&partition) {
            Some(stored) => read(stored),
            None => read(&Partition::default()),
        })
    }
}
