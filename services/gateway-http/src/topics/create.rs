//! Creating topics: when asked to, and on their first use.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tidelog_catalog_api::{Command, CreateTopicError, NewTopic, Outcome, TopicView};
use tidelog_http_api::{Problem, TopicCreated, TopicInput};
use tidelog_model::limits::TOPIC_PARTITIONS_MAX;
use tidelog_model::{TopicId, check_topic_name};
use tidelog_topic_configs::topic_configs;

use crate::errors::{self, Code};
use crate::gateway::Shared;
use crate::json_body;
use crate::memory::TakerOf;
use crate::negotiate::JSON;
use crate::options::ADMIN_BODY_BYTES_MAX;
use crate::problem::Refused;
use crate::query::Query;
use crate::quotas::Mutations;

/// Replicas mean nothing here: durability is the store's.
const REPLICATION_FACTOR: i16 = 1;

/// Creates a topic.
#[utoipa::path(
    post,
    path = "/v1/topics",
    operation_id = "create_topic",
    tag = "topics",
    request_body = TopicInput,
    responses(
        (status = 201, description = "It exists now.", body = TopicCreated),
        (status = "4XX", description = "It does not, as the problem says.", body = Problem,
            content_type = "application/problem+json"),
        (status = "5XX", description = "It may exist if the problem says so.", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    TakerOf(taker): TakerOf,
    mutations: Mutations,
    body: Body,
) -> Result<Response, Refused> {
    Query::parse(query.as_deref(), &[])?;
    let input: TopicInput = json_body::read(&shared, (taker.address(), &headers), body, ADMIN_BODY_BYTES_MAX).await?;
    let new = judge(&shared, input)?;
    let created = TopicCreated { name: new.name.clone(), id: new.id.to_string(), partitions: new.partitions };
    // What exists already is refused for that.
    if shared.topic_here(&new.name).is_none() {
        mutations.take(new.partitions)?;
    }
    propose(&shared, new).await?.map_err(|error| errors::of_create_topic(&error))?;
    tracing::info!(topic = created.name, id = created.id, partitions = created.partitions, "topic created");
    let body = json_body::bytes_of(&created);
    Ok((StatusCode::CREATED, [(CONTENT_TYPE, JSON)], body).into_response())
}

/// The length that a body is said to have.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn judge(shared: &Shared, input: TopicInput) -> Result<NewTopic, Refused> {
    let TopicInput { name, partitions, configs } = input;
    check_topic_name(&name).map_err(|error| Refused::new(Code::InvalidTopicName, error.to_string()).field("name"))?;
    let partitions = partitions.unwrap_or(shared.options.partitions_default);
    if !(1..=TOPIC_PARTITIONS_MAX).contains(&partitions) {
        let detail = format!("partitions is {partitions}; 1 to {TOPIC_PARTITIONS_MAX} work");
        return Err(Refused::new(Code::InvalidPartitions, detail).field("partitions"));
    }
    let configs: BTreeMap<String, String> =
        configs.into_iter().map(|(name, value)| (name, value.to_string())).collect();
    for (name, value) in &configs {
        topic_configs::check(name, Some(value))
            .map_err(|text| Refused::new(Code::InvalidConfig, text).field(&format!("configs.{name}")))?;
    }
    topic_configs::check_together(&configs).map_err(|text| Refused::new(Code::InvalidConfig, text).field("configs"))?;
    Ok(NewTopic {
        tenant: shared.options.tenant,
        id: TopicId::from_random(shared.parts.random.bytes()),
        name,
        partitions,
        replication_factor: REPLICATION_FACTOR,
        configs,
    })
}

async fn propose(shared: &Shared, new: NewTopic) -> Result<Result<(), CreateTopicError>, Refused> {
    let proposal = shared.parts.catalog.propose(Command::CreateTopics { topics: vec![new] });
    match in_time(shared, proposal).await? {
        Outcome::TopicsCreated(mut results) => {
            let result = results.pop().expect("the catalog answers each topic");
            Ok(result.map(|_| ()))
        }
        other => unreachable!("the catalog answers CreateTopics with TopicsCreated, not {other:?}"),
    }
}

/// What the catalog answers, if it does so in time.
///
/// # Errors
/// What was proposed may have happened when the problem says so.
pub(crate) async fn in_time(shared: &Shared, proposal: tidelog_catalog_api::Proposal) -> Result<Outcome, Refused> {
    match tokio::time::timeout(shared.options.admin_timeout, proposal).await {
        Ok(outcome) => outcome.map_err(|error| errors::of_catalog(&error)),
        Err(_) => Err(Refused::new(Code::Timeout, "the catalog has not answered in time").uncertain(true)),
    }
}

/// The topic that records are for. One that is not there comes into being, if that is wanted.
///
/// # Errors
/// When there is none, or its client has created too much.
pub(crate) async fn create_on_first_use(
    shared: &Shared,
    name: &str,
    request: &Extensions,
) -> Result<Arc<TopicView>, Refused> {
    let missing = match shared.topic(name).await {
        Err(refused) if refused.code() == Code::UnknownTopic && shared.options.auto_create_topics => refused,
        other => return other,
    };
    Mutations::of(request).take(shared.options.partitions_default)?;
    let new = NewTopic {
        tenant: shared.options.tenant,
        id: TopicId::from_random(shared.parts.random.bytes()),
        name: name.to_owned(),
        partitions: shared.options.partitions_default,
        replication_factor: REPLICATION_FACTOR,
        configs: BTreeMap::new(),
    };
    match propose(shared, new).await? {
        Ok(()) => tracing::info!(topic = name, "topic created on first use"),
        // Another request was first.
        Err(CreateTopicError::Exists(_)) => {}
        Err(error @ (CreateTopicError::Collides { .. } | CreateTopicError::Invalid(_))) => {
            return Err(errors::of_create_topic(&error));
        }
    }
    shared.topic_here(name).ok_or(missing)
}
