//! A group begins anew somewhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::{StreamExt, TryStreamExt};
use tidelog_catalog_api::{GroupOffset, TopicView};
use tidelog_groups::machine::GroupState;
use tidelog_http_api::{OffsetReset, OffsetsReset, OffsetsResetInput, Problem, WireOffset};
use tidelog_model::{Offset, PartitionId};

use super::offsets::NO_EPOCH;
use super::{commit_offsets, find, key};
use crate::errors::{self, Code};
use crate::gateway::Shared;
use crate::json_body;
use crate::memory::TakerOf;
use crate::options::{ADMIN_BODY_BYTES_MAX, ENTRY_BYTES, LIST_MAX};
use crate::problem::Refused;
use crate::query::Query;
use crate::read::{From, PLACES};
use crate::topics::Named;

/// Partitions whose records are searched by time at once.
const SEARCHES_AT_ONCE: usize = 16;

/// Lets a group begin anew somewhere else in a topic.
///
/// Only while it has no members, as they would go on from where they are. All of the offsets are stored, or none is.
#[utoipa::path(
    post,
    path = "/v1/groups/{group}/offsets",
    operation_id = "reset_group_offsets",
    tag = "groups",
    params(("group" = String, Path, min_length = 1, description = "The group's name.")),
    request_body = OffsetsResetInput,
    responses(
        (status = 200, description = "Where it begins, or would.", body = OffsetsReset),
        (status = "4XX", description = "Nothing has changed, as the problem says.", body = Problem,
            content_type = "application/problem+json"),
        (status = "5XX", description = "It may begin there if the problem says so.", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn reset(
    State(shared): State<Arc<Shared>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    TakerOf(taker): TakerOf,
    body: Body,
) -> Result<Response, Refused> {
    Query::parse(query.as_deref(), &[])?;
    let key = key(&shared, &name)?;
    let input: OffsetsResetInput =
        json_body::read(&shared, (taker.address(), &headers), body, ADMIN_BODY_BYTES_MAX).await?;
    let to = From::parse(&input.to)
        .ok_or_else(|| Refused::new(Code::InvalidBody, format!("to is {:?}; {PLACES} work", input.to)).field("to"))?;
    let topic = shared.topic(&input.topic).await?;
    let partitions = partitions(&topic, input.partitions.as_deref())?;
    let room = taker.page_room(&shared.memory, ENTRY_BYTES * (1 + partitions.len())).await?;
    let has_members = |state| !matches!(state, GroupState::Empty | GroupState::Dead);
    if find(&shared, &key).await?.is_some_and(|group| has_members(group.summary.state)) {
        return Err(errors::group_not_empty());
    }
    let before = shared.parts.groups.fetch_offsets(&key, Some(&partitions)).await;
    let before = before.map_err(|error| errors::of_catalog(&error))?;
    let before = before.into_iter().map(|it| (it.partition, it.offset)).collect::<BTreeMap<_, _>>();
    // Bounds are those of after what was acknowledged anywhere before.
    shared.parts.catalog.read_barrier().await.map_err(|error| errors::of_catalog(&error))?;
    let searches = partitions.iter().map(|partition| to.nearest(&shared, *partition)).collect::<Vec<_>>();
    let after = futures::stream::iter(searches).buffered(SEARCHES_AT_ONCE).try_collect::<Vec<Offset>>().await?;
    if !input.dry_run {
        let offsets = partitions.iter().zip(&after).map(|(partition, offset)| GroupOffset {
            partition: *partition,
            offset: *offset,
            leader_epoch: NO_EPOCH,
            metadata: String::new(),
        });
        let results = commit_offsets(&shared, key, offsets.collect()).await?;
        if let Some(refused) = results.into_iter().find_map(Result::err) {
            return Err(errors::of_offset(refused));
        }
        tracing::info!(group = name, topic = input.topic, to = input.to, partitions = after.len(), "group begins anew");
    }
    let reset = |(partition, after): (&PartitionId, Offset)| OffsetReset {
        topic: topic.name.to_string(),
        partition: partition.index,
        before: before.get(partition).map(|offset| WireOffset(offset.0)),
        after: WireOffset(after.0),
    };
    let offsets = partitions.iter().zip(after).map(reset).collect();
    Ok(json_body::write(&taker, room, &OffsetsReset { offsets }))
}

/// Those that are asked for, each once, in order; all when none is named.
fn partitions(topic: &TopicView, asked: Option<&[u32]>) -> Result<Vec<PartitionId>, Refused> {
    let count = asked.map_or(topic.partitions as usize, <[u32]>::len);
    if count == 0 {
        let detail = "there are no partitions; name some, or leave partitions out for all";
        return Err(Refused::new(Code::InvalidBody, detail).field("partitions"));
    }
    if count > LIST_MAX {
        let detail = format!("these are {count} partitions, and {LIST_MAX} are reset at once; say which as partitions");
        return Err(Refused::new(Code::TooManyPartitions, detail).field("partitions"));
    }
    let indexes =
        asked.map_or_else(|| (0..topic.partitions).collect(), |asked| asked.iter().copied().collect::<BTreeSet<_>>());
    if let Some(index) = indexes.iter().find(|index| **index >= topic.partitions) {
        let detail = format!("there is no partition {index}; topic {} has 0 to {}", topic.name, topic.partitions - 1);
        return Err(Refused::new(Code::UnknownPartition, detail).field("partitions").of_partition(*index));
    }
    Ok(indexes.into_iter().map(|index| PartitionId { topic: topic.id, index }).collect())
}
