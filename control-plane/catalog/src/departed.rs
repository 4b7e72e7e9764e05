//! How far producers had come in topics that were deleted. Who deletes a topic and creates it again under producers at work
//! gets a new topic, but librdkafka's producers go on with the sequences that they have, and end for good when the first is
//! refused. So a topic that is created under the name of one that was deleted takes over where its producers were: each may
//! go on where it was, or begin at 0, and nothing else (see [`Producers::departed`]). To take any sequence, as Kafka does,
//! would take a second batch for the first when the first is still to be tried again.
//!
//! They lie in one part of their own, which exists from the first one on: a snapshot of before has none, and is still the same
//! bytes. Only [`tidelog_catalog_api::Command::RemoveTopics`] leaves some, so logs of before give what they gave.

use std::collections::BTreeMap;

use tidelog_format::stored_struct;
use tidelog_model::{LogIndex, Tick, TopicId};

use crate::part::{Shared, Stamped};
use crate::partition::Partition;
use crate::producers::{PRODUCER_IDLE_TICKS, Producers};
use crate::shard::{TopicKey, shard_of};
use crate::state::State;

/// Ticks for which they are kept.
pub(crate) const DEPARTED_TICKS: u64 = PRODUCER_IDLE_TICKS;
/// Producers that are kept in all. A topic with more is not remembered; else those go first whose topics went first.
pub(crate) const DEPARTED_PRODUCERS_MAX: usize = 10_000;

stored_struct! {
    /// Of all topics that are remembered.
    #[derive(Clone, Debug, Default)]
    pub struct Departed {
        pub topics: BTreeMap<TopicKey, DepartedTopic>,
    }

    /// The last topic of a name.
    #[derive(Clone, Debug)]
    pub struct DepartedTopic {
        pub deleted_at: Tick,
        /// Of the partitions that have some, by their index.
        pub partitions: BTreeMap<u32, Shared<Producers>>,
    }
}

impl DepartedTopic {
    pub fn producers(&self) -> usize {
        self.partitions.values().map(|producers| producers.count()).sum()
    }

    fn is_over(&self, now: Tick) -> bool {
        now.0.saturating_sub(self.deleted_at.0) > DEPARTED_TICKS
    }
}

impl State {
    /// What is to be remembered of a topic that is about to be deleted.
    pub(crate) fn departing(&self, topic: TopicId) -> DepartedTopic {
        let deleted_at = self.meta.body.tick;
        let mut partitions = BTreeMap::new();
        for shard in &self.shards {
            for (id, partition) in shard.body.partitions_of(topic) {
                let producers = partition.producers.departed(deleted_at);
                if producers.count() > 0 {
                    partitions.insert(id.index, Shared::new(producers));
                }
            }
        }
        DepartedTopic { deleted_at, partitions }
    }

    pub(crate) fn remember_departed(&mut self, index: LogIndex, topics: Vec<(TopicKey, DepartedTopic)>) {
        if topics.is_empty() {
            return;
        }
        let departed = &mut Stamped::write(&mut self.departed, index).topics;
        departed.extend(topics);
        let mut count: usize = departed.values().map(DepartedTopic::producers).sum();
        let mut oldest: Vec<(Tick, TopicKey)> =
            departed.iter().map(|(key, topic)| (topic.deleted_at, key.clone())).collect();
        oldest.sort_unstable();
        for (_, key) in oldest {
            if count <= DEPARTED_PRODUCERS_MAX {
                break;
            }
            count -= departed.remove(&key).map_or(0, |topic| topic.producers());
        }
    }

    /// A topic was created: gives its partitions what is remembered under its name.
    pub(crate) fn take_over_departed(&mut self, index: LogIndex, key: &TopicKey, topic: TopicId, partitions: u32) {
        if !self.departed.body.topics.contains_key(key) {
            return;
        }
        let departed = Stamped::write(&mut self.departed, index).topics.remove(key).expect("just found");
        if departed.is_over(self.meta.body.tick) {
            return;
        }
        for (at, producers) in departed.partitions.into_iter().filter(|(at, _)| *at < partitions) {
            let id = tidelog_model::PartitionId { topic, index: at };
            let partition = Partition { producers: (*producers).clone(), ..Partition::default() };
            Stamped::write(&mut self.shards[shard_of(id)], index).partitions.insert(id, Shared::new(partition));
        }
    }

    /// Forgets what has been kept for long enough.
    pub(crate) fn forget_departed(&mut self, index: LogIndex) {
        let now = self.meta.body.tick;
        if self.departed.body.topics.values().any(|topic| topic.is_over(now)) {
            Stamped::write(&mut self.departed, index).topics.retain(|_, topic| !topic.is_over(now));
        }
    }
}
