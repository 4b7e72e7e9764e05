//! Topics by name, and "there is none" only when that is certain.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use tidelog_catalog_api::TopicView;
use tidelog_model::{PartitionId, check_topic_name};

use crate::errors::{self, Code};
use crate::gateway::Shared;
use crate::problem::Refused;

/// The texts in a request's path.
pub(crate) struct Named<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Named<T>
where
    S: Send + Sync,
    T: Send,
    Path<T>: FromRequestParts<S, Rejection = PathRejection>,
{
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(named)) => Ok(Named(named)),
            Err(error) => Err(Refused::parameter(Code::InvalidParameter, "path", error.body_text())),
        }
    }
}

impl Shared {
    /// A topic as this node sees it now.
    pub(crate) fn topic_here(&self, name: &str) -> Option<Arc<TopicView>> {
        self.parts.catalog.topic_by_name(self.options.tenant, name)
    }

    /// A topic.
    ///
    /// # Errors
    /// That there is none is confirmed.
    pub(crate) async fn topic(&self, name: &str) -> Result<Arc<TopicView>, Refused> {
        if let Some(topic) = self.topic_here(name) {
            return Ok(topic);
        }
        check_topic_name(name).map_err(|error| Refused::new(Code::InvalidTopicName, error.to_string()))?;
        self.parts.catalog.read_barrier().await.map_err(|error| errors::of_catalog(&error))?;
        self.topic_here(name).ok_or_else(|| {
            let detail = format!("there is no topic {name:?}; POST /v1/topics creates one");
            Refused::new(Code::UnknownTopic, detail)
        })
    }
}

/// A partition of a topic.
///
/// # Errors
/// When it has none of this number.
pub(crate) fn partition_of(topic: &TopicView, text: &str) -> Result<PartitionId, Refused> {
    // Digits only: Rust reads a sign too.
    let index = text.parse::<u32>().ok().filter(|_| !text.starts_with('+')).ok_or_else(|| {
        let detail = format!("the partition is {text:?}; a number from 0 to {} works", topic.partitions - 1);
        Refused::parameter(Code::InvalidParameter, "partition", detail)
    })?;
    if index < topic.partitions {
        return Ok(PartitionId { topic: topic.id, index });
    }
    let detail = format!("topic {} has the partitions 0 to {}", topic.name, topic.partitions - 1);
    Err(Refused::parameter(Code::UnknownPartition, "partition", detail).of_partition(index))
}
