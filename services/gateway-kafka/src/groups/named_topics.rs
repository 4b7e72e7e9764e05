//! The topics that requests of groups are about: by name, and in new versions by id.

use std::sync::Arc;

use tidelog_catalog_api::{CatalogError, TopicView};
use tidelog_kafka_wire::{ErrorCode, StrBytes, Uuid};
use tidelog_model::{PartitionId, TopicId};

use super::handlers::Context;

/// How a request names a topic, and its answer too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Naming {
    Name(StrBytes),
    Id(TopicId),
}

/// A topic, or the certainty that there is none, or neither.
pub(super) type Found = Result<Option<Arc<TopicView>>, CatalogError>;

impl Naming {
    /// What counts of the two fields that all versions of a message share.
    pub(super) fn of(by_id: bool, name: &StrBytes, id: Uuid) -> Naming {
        if by_id { Naming::Id(TopicId(id.to_bytes())) } else { Naming::Name(name.clone()) }
    }

    /// For an answer; empty where it is named by its id.
    pub(super) fn name(&self) -> StrBytes {
        match self {
            Naming::Name(name) => name.clone(),
            Naming::Id(_) => StrBytes::default(),
        }
    }

    /// For an answer; zero where it is named by its name.
    pub(super) fn id(&self) -> Uuid {
        match self {
            Naming::Name(_) => Uuid::ZERO,
            Naming::Id(id) => Uuid::from_bytes(id.0),
        }
    }

    /// That there is no such topic.
    pub(super) fn unknown(&self) -> ErrorCode {
        match self {
            Naming::Name(_) => ErrorCode::UnknownTopicOrPartition,
            Naming::Id(_) => ErrorCode::UnknownTopicId,
        }
    }
}

impl Context<'_> {
    /// Looks topics up, with one read barrier for all that are not known here.
    pub(super) async fn topics<'n>(&self, names: impl Iterator<Item = &'n Naming> + Clone) -> Vec<Found> {
        let catalog = self.coordinator.catalog();
        let look = |naming: &Naming| match naming {
            Naming::Name(name) => catalog.topic_by_name(self.tenant, name),
            // Ids are global: another tenant's topic is as good as none.
            Naming::Id(id) => catalog.topic(*id).filter(|topic| topic.tenant == self.tenant),
        };
        let here: Vec<_> = names.clone().map(look).collect();
        if here.iter().all(Option::is_some) {
            return here.into_iter().map(Ok).collect();
        }
        let barrier = catalog.read_barrier().await;
        let again = |(found, naming): (Option<Arc<TopicView>>, &Naming)| match found.or_else(|| look(naming)) {
            Some(topic) => Ok(Some(topic)),
            None => barrier.clone().map(|_| None),
        };
        here.into_iter().zip(names).map(again).collect()
    }
}

pub(super) fn partition(topic: &TopicView, index: i32) -> Option<PartitionId> {
    let index = u32::try_from(index).ok()?;
    (index < topic.partitions).then_some(PartitionId { topic: topic.id, index })
}
