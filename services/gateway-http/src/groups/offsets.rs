//! How far groups have read: told with what is still before them, and committed by those who are no members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use tidelog_catalog_api as catalog;
use tidelog_catalog_api::{OffsetRefused, TopicView};
use tidelog_groups::messages::GroupKey;
use tidelog_http_api::{
    GroupOffset, GroupOffsets, OffsetInput, OffsetOutcome, OffsetsCommitted, OffsetsInput, Problem, WireOffset,
};
use tidelog_model::limits::OFFSET_METADATA_BYTES_MAX;
use tidelog_model::{Offset, PartitionId, TopicId};

use super::{commit_offsets, find, key, unknown};
use crate::errors::{self, Code};
use crate::gateway::Shared;
use crate::json_body;
use crate::memory::TakerOf;
use crate::options::{ENTRY_BYTES, LIST_DEFAULT, LIST_MAX, OFFSETS_BODY_BYTES_MAX};
use crate::problem::Refused;
use crate::query::Query;
use crate::topics::Named;

/// Offsets that are looked up before others get their turn.
const OFFSETS_PER_TURN: usize = 256;
/// What Kafka's clients say who know of no leader's epoch.
pub(super) const NO_EPOCH: i32 = -1;

/// Tells how far a group has read.
///
/// Those of one topic come together. In which order topics come is not said, but that of one page after the other is always
/// the same.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/offsets",
    operation_id = "group_offsets",
    tag = "groups",
    params(
        ("group" = String, Path, min_length = 1, description = "The group's name."),
        ("topic" = Option<String>, Query, description = "Only of this topic."),
        ("after" = Option<String>, Query, description = "What the page before told as `next`."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000,
            description = "How many at most; 1,000 unless said. Fewer come where metadata is long."),
    ),
    responses(
        (status = 200, description = "Each partition of which the group has committed an offset.", body = GroupOffsets),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn offsets(
    State(shared): State<Arc<Shared>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
    TakerOf(taker): TakerOf,
) -> Result<Response, Refused> {
    let query = Query::parse(query.as_deref(), &["topic", "after", "limit"])?;
    let limit = query.number("limit", 1..=LIST_MAX)?.unwrap_or(LIST_DEFAULT);
    let key = key(&shared, &name)?;
    let mut from = match query.text("after") {
        Some(text) => place(text)?,
        None => PartitionId { topic: TopicId::ZERO, index: 0 },
    };
    let room = taker.page_room(&shared.memory, limit * ENTRY_BYTES).await?;
    // Tails are told: those that were acknowledged anywhere before.
    shared.parts.catalog.read_barrier().await.map_err(|error| errors::of_catalog(&error))?;
    let only = match query.text("topic") {
        Some(topic) => Some(shared.topic(topic).await?.id),
        None => None,
    };
    if let Some(topic) = only {
        from = from.max(PartitionId { topic, index: 0 });
    }
    if find(&shared, &key).await?.is_none() {
        return Err(unknown(&name));
    }
    let (mut offsets, next) = page(&shared, &key, from, only, limit).await;
    offsets.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    Ok(json_body::write(&taker, room, &GroupOffsets { offsets, next: next.map(place_text) }))
}

/// Offsets from a partition on, `limit` at most, and fewer where their metadata is long; and where the next page begins.
async fn page(
    shared: &Shared,
    key: &GroupKey,
    mut from: PartitionId,
    only: Option<TopicId>,
    limit: usize,
) -> (Vec<GroupOffset>, Option<PartitionId>) {
    let mut offsets = Vec::new();
    let mut bytes_left = limit * ENTRY_BYTES;
    loop {
        let found = shared.parts.catalog.group_offsets_from(key.tenant, &key.group, from, OFFSETS_PER_TURN);
        let is_last = found.len() < OFFSETS_PER_TURN;
        for found in found {
            if only.is_some_and(|topic| found.partition.topic != topic) {
                return (offsets, None);
            }
            if offsets.len() == limit || (found.metadata.len() > bytes_left && !offsets.is_empty()) {
                return (offsets, Some(found.partition));
            }
            bytes_left = bytes_left.saturating_sub(found.metadata.len());
            from = PartitionId { index: found.partition.index + 1, ..found.partition };
            // One whose topic is being deleted is as good as forgotten.
            offsets.extend(shown(shared, found));
        }
        if is_last {
            return (offsets, None);
        }
        tokio::task::yield_now().await;
    }
}

fn shown(shared: &Shared, committed: catalog::GroupOffset) -> Option<GroupOffset> {
    let topic = shared.parts.catalog.topic(committed.partition.topic)?;
    let tail = shared.parts.catalog.partition(committed.partition)?.high_watermark;
    Some(GroupOffset {
        topic: topic.name.to_string(),
        partition: committed.partition.index,
        offset: WireOffset(committed.offset.0),
        metadata: committed.metadata,
        tail: WireOffset(tail.0),
        lag: WireOffset(tail.0.saturating_sub(committed.offset.0)),
    })
}

/// Where a page begins, as it is told.
fn place_text(place: PartitionId) -> String {
    format!("{:032x}.{}", u128::from_be_bytes(place.topic.0), place.index)
}

fn place(text: &str) -> Result<PartitionId, Refused> {
    let parsed = || {
        let (topic, index) = text.split_once('.')?;
        let is_plain = topic.len() == 32 && topic.bytes().all(|byte| byte.is_ascii_hexdigit());
        let topic = u128::from_str_radix(topic, 16).ok().filter(|_| is_plain)?;
        Some(PartitionId { topic: TopicId(topic.to_be_bytes()), index: index.parse().ok()? })
    };
    parsed().ok_or_else(|| {
        let detail = format!("after is {text:?}; what the page before told as next works");
        Refused::parameter(Code::InvalidCursor, "after", detail)
    })
}

/// Commits how far somebody has read for a group who is no member of it.
///
/// They are taken while the group has no members, each by itself; a group that is not there comes into being. To commit them
/// again is always right.
#[utoipa::path(
    put,
    path = "/v1/groups/{group}/offsets",
    operation_id = "commit_group_offsets",
    tag = "groups",
    params(("group" = String, Path, min_length = 1, description = "The group's name.")),
    request_body = OffsetsInput,
    responses(
        (status = 200, description = "Those without a code are stored.", body = OffsetsCommitted),
        (status = "4XX", description = "None is stored, as the problem says.", body = Problem,
            content_type = "application/problem+json"),
        (status = "5XX", description = "They may be stored if the problem says so.", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn commit(
    State(shared): State<Arc<Shared>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    TakerOf(taker): TakerOf,
    body: Body,
) -> Result<Response, Refused> {
    Query::parse(query.as_deref(), &[])?;
    let key = key(&shared, &name)?;
    let input: OffsetsInput =
        json_body::read(&shared, (taker.address(), &headers), body, OFFSETS_BODY_BYTES_MAX).await?;
    check(&input)?;
    let topics = topics(&shared, &input).await?;
    let judged = input.offsets.iter().map(|offset| judge(topics[offset.topic.as_str()].as_deref(), offset));
    let judged = judged.collect::<Vec<_>>();
    let offsets = judged.iter().filter_map(|judged| judged.clone().ok()).collect::<Vec<_>>();
    let room = taker.page_room(&shared.memory, ENTRY_BYTES * (1 + judged.len())).await?;
    let mut stored = Vec::new().into_iter();
    if !offsets.is_empty() {
        stored = commit_offsets(&shared, key, offsets).await?.into_iter();
    }
    let outcome = |(input, judged): (OffsetInput, Result<catalog::GroupOffset, Refused>)| {
        let result = judged.and_then(|_| stored.next().expect("one for each").map_err(errors::of_offset));
        let refused = result.err();
        OffsetOutcome {
            topic: input.topic,
            partition: input.partition,
            code: refused.as_ref().map(|refused| refused.code().as_str().to_owned()),
            detail: refused.map(|refused| refused.detail().to_owned()),
        }
    };
    let offsets = input.offsets.into_iter().zip(judged).map(outcome).collect();
    Ok(json_body::write(&taker, room, &OffsetsCommitted { offsets }))
}

/// What can be said against offsets without knowing their topics.
fn check(input: &OffsetsInput) -> Result<(), Refused> {
    let refused = |detail: String| Err(Refused::new(Code::InvalidBody, detail).field("offsets"));
    if !(1..=LIST_MAX).contains(&input.offsets.len()) {
        return refused(format!("there are {} offsets; 1 to {LIST_MAX} work", input.offsets.len()));
    }
    let mut seen = BTreeSet::new();
    for OffsetInput { topic, partition, offset, .. } in &input.offsets {
        if i32::try_from(*partition).is_err() {
            return refused(format!("the partition of {topic:?} is {partition}; up to {} work", i32::MAX));
        }
        if !seen.insert((topic, partition)) {
            return refused(format!("partition {partition} of {topic:?} is there twice; say it once"));
        }
        if offset.0 > i64::MAX as u64 {
            return refused(format!(
                "the offset of partition {partition} of {topic:?} is {}; up to {} work",
                offset.0,
                i64::MAX
            ));
        }
    }
    Ok(())
}

/// The topics by name, those that there are; that one is missing is confirmed.
async fn topics<'a>(
    shared: &Shared,
    input: &'a OffsetsInput,
) -> Result<BTreeMap<&'a str, Option<Arc<TopicView>>>, Refused> {
    let look = |name: &'a str| (name, shared.topic_here(name));
    let names = input.offsets.iter().map(|offset| offset.topic.as_str());
    let found = names.clone().map(look).collect::<BTreeMap<_, _>>();
    if found.values().all(Option::is_some) {
        return Ok(found);
    }
    shared.parts.catalog.read_barrier().await.map_err(|error| errors::of_catalog(&error))?;
    Ok(names.map(look).collect())
}

/// What can be said about an offset before the group is asked.
fn judge(topic: Option<&TopicView>, input: &OffsetInput) -> Result<catalog::GroupOffset, Refused> {
    let topic = topic.ok_or_else(|| {
        Refused::new(Code::UnknownTopic, format!("there is no topic {:?}; POST /v1/topics creates one", input.topic))
    })?;
    if input.partition >= topic.partitions {
        let detail = format!("topic {} has the partitions 0 to {}", topic.name, topic.partitions - 1);
        return Err(Refused::new(Code::UnknownPartition, detail));
    }
    if input.metadata.len() > OFFSET_METADATA_BYTES_MAX {
        return Err(errors::of_offset(OffsetRefused::MetadataTooLarge));
    }
    Ok(catalog::GroupOffset {
        partition: PartitionId { topic: topic.id, index: input.partition },
        offset: Offset(input.offset.0),
        leader_epoch: NO_EPOCH,
        metadata: input.metadata.clone(),
    })
}
