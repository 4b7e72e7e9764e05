//! Topics by name or id, and "there is none" only when that is certain.

use std::sync::Arc;

use tidelog_catalog_api::{CatalogError, TopicView};
use tidelog_model::{PartitionId, TopicId};

use crate::gateway::Shared;

/// How a client names a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TopicKey {
    Name(Arc<str>),
    Id(TopicId),
}

/// What became of a look-up.
#[derive(Clone, Debug)]
pub(crate) enum Lookup {
    Found(Arc<TopicView>),
    /// Confirmed: when this was asked, there was none.
    Missing,
    /// It is not known here, and whether it exists could not be found out.
    Unconfirmed(CatalogError),
}

impl Shared {
    /// A topic as this node sees it now.
    pub(crate) fn topic_here(&self, key: &TopicKey) -> Option<Arc<TopicView>> {
        let tenant = self.options.tenant;
        match key {
            TopicKey::Name(name) => self.parts.catalog.topic_by_name(tenant, name),
            // Ids are global: another tenant's topic is as good as none.
            TopicKey::Id(id) => self.parts.catalog.topic(*id).filter(|topic| topic.tenant == tenant),
        }
    }

    /// Looks all of them up; one read barrier for all that are not known here.
    pub(crate) async fn topics(&self, keys: &[TopicKey]) -> Vec<Lookup> {
        let here = keys.iter().map(|key| self.topic_here(key)).collect::<Vec<_>>();
        if here.iter().all(Option::is_some) {
            return here.into_iter().flatten().map(Lookup::Found).collect();
        }
        let barrier = self.parts.catalog.read_barrier().await;
        let again = |(found, key): (Option<Arc<TopicView>>, &TopicKey)| match (
            found.or_else(|| self.topic_here(key)),
            &barrier,
        ) {
            (Some(topic), _) => Lookup::Found(topic),
            (None, Ok(_)) => Lookup::Missing,
            (None, Err(error)) => Lookup::Unconfirmed(error.clone()),
        };
        here.into_iter().zip(keys).map(again).collect()
    }
}

/// A partition of a topic, if the topic has one of this number.
pub(crate) fn partition_of(topic: &TopicView, index: i32) -> Option<PartitionId> {
    let index = u32::try_from(index).ok()?;
    (index < topic.partitions).then_some(PartitionId { topic: topic.id, index })
}
