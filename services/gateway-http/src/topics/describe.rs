//! What topics there are and how they are, and that one is no more.

use std::ops::Bound;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use tidelog_catalog_api::{Command, Outcome, TopicView};
use tidelog_http_api::{ConfigView, PartitionInfo, Problem, TopicInfo, TopicList, TopicSummary, WireOffset};
use tidelog_model::PartitionId;
use tidelog_model::limits::TOPIC_PARTITIONS_MAX;
use tidelog_topic_configs::topic_configs;

use super::create::in_time;
use super::lookup::Named;
use crate::errors::{self, Code};
use crate::gateway::Shared;
use crate::json_body;
use crate::memory::{Taker, TakerOf};
use crate::options::{LIST_DEFAULT, LIST_MAX};
use crate::problem::Refused;
use crate::query::Query;
use crate::quotas::Mutations;

/// What an answer takes for each topic at most, for each partition, and for a topic's settings as a rule.
const TOPIC_BYTES_MAX: usize = 400;
const PARTITION_BYTES_MAX: usize = 160;
const SETTINGS_BYTES: usize = 16 * 1024;
/// Partitions that are looked at before others get their turn.
const PARTITIONS_PER_TURN: u32 = 1_000;

/// Lists topics by name.
#[utoipa::path(
    get,
    path = "/v1/topics",
    operation_id = "list_topics",
    tag = "topics",
    params(
        ("after" = Option<String>, Query, description = "Only topics whose names come after this one."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "How many at most; 1,000 unless said."),
        ("details" = Option<bool>, Query, description = "Whether to tell how much each of them holds."),
    ),
    responses(
        (status = 200, description = "Topics.", body = TopicList),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    TakerOf(taker): TakerOf,
) -> Result<Response, Refused> {
    let query = Query::parse(query.as_deref(), &["after", "limit", "details"])?;
    let limit = query.number("limit", 1..=LIST_MAX)?.unwrap_or(LIST_DEFAULT);
    let details = query.flag("details")?;
    shared.parts.catalog.read_barrier().await.map_err(|error| errors::of_catalog(&error))?;
    let all = shared.parts.catalog.topics(shared.options.tenant);
    let after = query.text("after").map_or(Bound::Unbounded, Bound::Excluded);
    let from = match after {
        Bound::Excluded(after) => all.partition_point(|topic| &*topic.name <= after),
        Bound::Included(_) | Bound::Unbounded => 0,
    };
    let summary = |topic: &Arc<TopicView>| {
        let totals = details.then(|| shared.parts.catalog.topic_totals(topic.id)).flatten();
        TopicSummary {
            name: topic.name.to_string(),
            id: topic.id.to_string(),
            partitions: topic.partitions,
            records: totals.map(|totals| totals.records),
            bytes: totals.map(|totals| totals.bytes),
        }
    };
    let count = limit.min(all.len() - from);
    let room = taker.page_room(&shared.memory, count * TOPIC_BYTES_MAX).await?;
    let topics = all[from..].iter().take(limit).map(summary).collect::<Vec<_>>();
    let is_more = from + topics.len() < all.len();
    let next = topics.last().filter(|_| is_more).map(|topic| topic.name.clone());
    Ok(json_body::write(&taker, room, &TopicList { topics, next }))
}

/// Describes a topic, its partitions and its settings.
#[utoipa::path(
    get,
    path = "/v1/topics/{topic}",
    operation_id = "describe_topic",
    tag = "topics",
    params(
        ("topic" = String, Path, min_length = 1, max_length = 249, pattern = "^[a-zA-Z0-9._-]+$", example = "greetings",
            description = "The topic's name."),
        ("from_partition" = Option<u32>, Query, maximum = 100_000, description = "The first partition to tell of."),
        ("partition_limit" = Option<u32>, Query, minimum = 1, maximum = 10_000,
            description = "Of how many partitions at most; 1,000 unless said."),
    ),
    responses(
        (status = 200, description = "All about it.", body = TopicInfo),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn describe(
    State(shared): State<Arc<Shared>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
    TakerOf(taker): TakerOf,
) -> Result<Response, Refused> {
    let query = Query::parse(query.as_deref(), &["from_partition", "partition_limit"])?;
    let limit = query.number("partition_limit", 1..=LIST_MAX)?.unwrap_or(LIST_DEFAULT);
    let from = query.number("from_partition", 0..=TOPIC_PARTITIONS_MAX)?.unwrap_or(0);
    info(&shared, &taker, &name, from, limit).await
}

/// A topic with `limit` of its partitions at most.
///
/// # Errors
/// When there is no such topic, which is confirmed.
pub(super) async fn info(
    shared: &Shared,
    taker: &Arc<Taker>,
    name: &str,
    from: u32,
    limit: usize,
) -> Result<Response, Refused> {
    // Tails are told: those that were acknowledged anywhere before.
    shared.parts.catalog.read_barrier().await.map_err(|error| errors::of_catalog(&error))?;
    let topic = shared.topic(name).await?;
    let limit = u32::try_from(limit).expect("bounded above");
    let to = topic.partitions.min(from.saturating_add(limit));
    let count = to.saturating_sub(from) as usize;
    let room = taker.page_room(&shared.memory, SETTINGS_BYTES + count * PARTITION_BYTES_MAX).await?;
    let mut partitions = Vec::new();
    for index in from..to {
        let partition = PartitionId { topic: topic.id, index };
        let view = shared.parts.catalog.partition(partition);
        let bytes = shared.parts.catalog.partition_bytes(partition);
        let (Some(view), Some(bytes)) = (view, bytes) else {
            return Err(Refused::new(Code::UnknownTopic, "the topic was deleted meanwhile"));
        };
        partitions.push(PartitionInfo {
            partition: index,
            log_start: WireOffset(view.log_start.0),
            high_watermark: WireOffset(view.high_watermark.0),
            bytes,
        });
        if index % PARTITIONS_PER_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
    let config = |shown: topic_configs::Shown<'_>| {
        (shown.name.to_owned(), ConfigView { value: shown.value, is_set: shown.is_set })
    };
    let info = TopicInfo {
        name: topic.name.to_string(),
        id: topic.id.to_string(),
        partition_count: topic.partitions,
        partitions,
        next_partition: (to < topic.partitions && from < to).then_some(to),
        configs: topic_configs::shown(&topic.configs).into_iter().map(config).collect(),
    };
    Ok(json_body::write(taker, room, &info))
}

/// Deletes a topic and all its records.
#[utoipa::path(
    delete,
    path = "/v1/topics/{topic}",
    operation_id = "delete_topic",
    tag = "topics",
    params(
        ("topic" = String, Path, min_length = 1, max_length = 249, pattern = "^[a-zA-Z0-9._-]+$", example = "greetings",
            description = "The topic's name."),
    ),
    responses(
        (status = 204, description = "It is no more."),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "It may be deleted if the problem says so.", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn delete(
    State(shared): State<Arc<Shared>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
    mutations: Mutations,
) -> Result<StatusCode, Refused> {
    Query::parse(query.as_deref(), &[])?;
    let topic = shared.topic(&name).await?;
    mutations.take(topic.partitions)?;
    let proposal = shared.parts.catalog.propose(Command::RemoveTopics { topics: vec![topic.id] });
    match in_time(&shared, proposal).await? {
        Outcome::TopicsDeleted(existed) if existed == [true] => {
            tracing::info!(topic = name, id = %topic.id, "topic deleted");
            Ok(StatusCode::NO_CONTENT)
        }
        Outcome::TopicsDeleted(_) => Err(Refused::new(Code::UnknownTopic, "the topic was deleted meanwhile")),
        other => unreachable!("the catalog answers RemoveTopics with TopicsDeleted, not {other:?}"),
    }
}
