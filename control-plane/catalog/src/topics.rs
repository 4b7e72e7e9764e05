//! Topics come and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidelog_catalog_api::{CreateTopicError, CreatedTopic, NewTopic, TopicView};
use tidelog_model::limits::{TOPIC_PARTITIONS_MAX, TOPICS_PER_REQUEST_MAX};
use tidelog_model::{LogIndex, PartitionId, TopicId, check_topic_name};

use crate::departed::DEPARTED_PRODUCERS_MAX;
use crate::part::Stamped;
use crate::shard::{StoredTopic, TopicKey, shard_of_topic};
use crate::state::State;

impl State {
    pub(crate) fn create_topics(
        &mut self,
        index: LogIndex,
        topics: &[NewTopic],
    ) -> Vec<Result<CreatedTopic, CreateTopicError>> {
        let one = |(position, topic): (usize, &NewTopic)| {
            if position >= TOPICS_PER_REQUEST_MAX {
                let why = format!("more than {TOPICS_PER_REQUEST_MAX} topics in one request");
                return Err(CreateTopicError::Invalid(why));
            }
            self.create_topic(index, topic)
        };
        topics.iter().enumerate().map(one).collect()
    }

    fn create_topic(&mut self, index: LogIndex, topic: &NewTopic) -> Result<CreatedTopic, CreateTopicError> {
        check_topic_name(&topic.name).map_err(|error| CreateTopicError::Invalid(error.to_string()))?;
        if let Some(existing) = self.derived.names.get(&topic.tenant).and_then(|names| names.collision(&topic.name)) {
            return Err(if **existing == topic.name {
                CreateTopicError::Exists(topic.name.clone())
            } else {
                CreateTopicError::Collides { name: topic.name.clone(), existing: existing.to_string() }
            });
        }
        if topic.partitions == 0 || topic.partitions > TOPIC_PARTITIONS_MAX {
            let why = format!("partition count {} is outside 1..={TOPIC_PARTITIONS_MAX}", topic.partitions);
            return Err(CreateTopicError::Invalid(why));
        }
        let shard = &mut self.shards[shard_of_topic(topic.id)];
        if topic.id == TopicId::ZERO || shard.body.topics.contains_key(&topic.id) {
            return Err(CreateTopicError::Invalid(format!("topic id {} is taken", topic.id)));
        }
        let view = Arc::new(TopicView {
            id: topic.id,
            tenant: topic.tenant,
            name: Arc::from(topic.name.as_str()),
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            configs: Arc::new(topic.configs.clone()),
        });
        Stamped::write(shard, index).topics.insert(topic.id, StoredTopic(Arc::clone(&view)));
        self.derived.names.entry(topic.tenant).or_default().insert(&view);
        let key = TopicKey { tenant: view.tenant, name: Arc::clone(&view.name) };
        self.take_over_departed(index, &key, view.id, view.partitions);
        Ok(CreatedTopic { id: topic.id })
    }

    pub(crate) fn delete_topics(
        &mut self,
        index: LogIndex,
        topics: &[TopicId],
        remember: bool,
        changed: &mut Vec<PartitionId>,
    ) -> Vec<bool> {
        let mut departed = Vec::new();
        let mut one = |topic: &TopicId| {
            if remember && let Some(stored) = self.shards[shard_of_topic(*topic)].body.topics.get(topic) {
                let key = TopicKey { tenant: stored.0.tenant, name: Arc::clone(&stored.0.name) };
                let departing = self.departing(*topic);
                if (1..=DEPARTED_PRODUCERS_MAX).contains(&departing.producers()) {
                    departed.push((key, departing));
                }
            }
            self.delete_topic(index, *topic, changed)
        };
        let existed: Vec<bool> = topics.iter().map(&mut one).collect();
        self.remember_departed(index, departed);
        let deleted = topics.iter().zip(&existed).filter(|(_, existed)| **existed).map(|(topic, _)| *topic);
        self.forget_group_offsets(index, &deleted.collect());
        existed
    }

    fn delete_topic(&mut self, index: LogIndex, topic: TopicId, changed: &mut Vec<PartitionId>) -> bool {
        let home = &mut self.shards[shard_of_topic(topic)];
        if !home.body.topics.contains_key(&topic) {
            return false;
        }
        let stored = Stamped::write(home, index).topics.remove(&topic).expect("just found");
        let names = self.derived.names.get_mut(&stored.0.tenant).expect("a topic's name is indexed");
        names.remove(&stored.0);
        if names.by_name.is_empty() {
            self.derived.names.remove(&stored.0.tenant);
        }
        for shard in 0..self.shards.len() {
            self.delete_partitions(index, shard, topic);
        }
        self.derived.totals.removed(topic);
        self.forget_guards(index, stored.0.tenant, topic);
        // Also those that never had a record: somebody may wait for the first.
        changed.extend((0..stored.0.partitions).map(|index| PartitionId { topic, index }));
        true
    }

    /// Deletes the topic's partitions in one shard with what refers to objects and payloads.
    fn delete_partitions(&mut self, index: LogIndex, shard: usize, topic: TopicId) {
        let here: Vec<PartitionId> = self.shards[shard].body.partitions_of(topic).map(|(id, _)| *id).collect();
        for id in here {
            let partitions = &mut Stamped::write(&mut self.shards[shard], index).partitions;
            let partition = partitions.remove(&id).expect("just listed");
            for extent in partition.extents.iter() {
                self.release_extent(index, id, extent);
            }
        }
    }

    /// One pass over the groups, however many topics go.
    fn forget_group_offsets(&mut self, index: LogIndex, deleted: &BTreeSet<TopicId>) {
        if deleted.is_empty() {
            return;
        }
        for shard in &mut self.shards {
            let affected = shard
                .body
                .groups
                .iter()
                .filter(|(_, offsets)| offsets.keys().any(|partition| deleted.contains(&partition.topic)));
            let affected: Vec<_> = affected.map(|(key, _)| key.clone()).collect();
            for key in affected {
                let groups = &mut Stamped::write(shard, index).groups;
                let offsets = groups.get_mut(&key).expect("just found").write();
                offsets.retain(|partition, _| !deleted.contains(&partition.topic));
                if offsets.is_empty() {
                    groups.remove(&key);
                }
            }
        }
    }
}
