//! Topics change: their settings, and how many partitions they have.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidelog_catalog_api::{AlterTopicError, TopicView};
use tidelog_model::limits::TOPIC_PARTITIONS_MAX;
use tidelog_model::{LogIndex, PartitionId, TopicId};

use crate::part::Stamped;
use crate::shard::{StoredTopic, shard_of_topic};
use crate::state::State;

impl State {
    /// All settings at once, and only as an answer to all that there were: whoever appends to a list, or checks one setting
    /// against another, has seen what is being replaced.
    pub(crate) fn alter_topic_configs(
        &mut self,
        index: LogIndex,
        topic: TopicId,
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
    ) -> Result<(), AlterTopicError> {
        let view = self.topic(topic).ok_or(AlterTopicError::UnknownTopic)?;
        if *view.configs != *before {
            return Err(AlterTopicError::Changed);
        }
        if before != after {
            self.replace_topic(index, TopicView { configs: Arc::new(after.clone()), ..TopicView::clone(&view) });
        }
        Ok(())
    }

    /// The new partitions are empty, as those of a new topic.
    pub(crate) fn create_partitions(
        &mut self,
        index: LogIndex,
        topic: TopicId,
        count: u32,
        changed: &mut Vec<PartitionId>,
    ) -> Result<(), AlterTopicError> {
        let view = self.topic(topic).ok_or(AlterTopicError::UnknownTopic)?;
        if count <= view.partitions {
            return Err(AlterTopicError::NotMore(view.partitions));
        }
        if count > TOPIC_PARTITIONS_MAX {
            let why = format!("partition count {count} is outside 1..={TOPIC_PARTITIONS_MAX}");
            return Err(AlterTopicError::Invalid(why));
        }
        self.replace_topic(index, TopicView { partitions: count, ..TopicView::clone(&view) });
        // Whoever reads the topic as a whole waits for them.
        changed.extend((view.partitions..count).map(|index| PartitionId { topic, index }));
        Ok(())
    }

    /// Id, tenant and name are the old ones.
    fn replace_topic(&mut self, index: LogIndex, topic: TopicView) {
        let view = Arc::new(topic);
        let shard = &mut self.shards[shard_of_topic(view.id)];
        let old = Stamped::write(shard, index).topics.insert(view.id, StoredTopic(Arc::clone(&view)));
        let old = old.expect("the caller has found it");
        assert!(old.0.name == view.name && old.0.tenant == view.tenant, "a topic keeps its name");
        self.derived.names.entry(view.tenant).or_default().insert(&view);
    }
}
