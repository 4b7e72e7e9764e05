//! A topic changes: its settings, and how many partitions it has.
//!
//! What is new is worked out here, from the settings as they are seen, and the catalog takes it only if they are still those.
//! When somebody else was faster, it is worked out again.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use tidelog_catalog_api::{AlterTopicError, Command, Outcome, TopicView};
use tidelog_http_api::{ConfigValue, Problem, TopicChanges, TopicInfo};
use tidelog_model::limits::TOPIC_PARTITIONS_MAX;
use tidelog_topic_configs::{topic_configs, unknown_config};

use super::create::in_time;
use super::describe::info;
use super::lookup::Named;
use crate::errors::{self, Code};
use crate::gateway::Shared;
use crate::json_body;
use crate::memory::TakerOf;
use crate::options::{ADMIN_BODY_BYTES_MAX, LIST_DEFAULT};
use crate::problem::Refused;
use crate::query::Query;
use crate::quotas::Mutations;

/// How often others may be faster before a client has to come again.
const TRIES_MAX: usize = 8;
/// Changes of one request: many times what there are names.
const CHANGES_MAX: usize = 1_000;

/// Changes a topic's settings, and gives it more partitions.
///
/// Settings that are not named stay as they are; null brings one back to its default. All of them change, or none does. Partitions
/// are added after that.
#[utoipa::path(
    patch,
    path = "/v1/topics/{topic}",
    operation_id = "configure_topic",
    tag = "topics",
    params(
        ("topic" = String, Path, min_length = 1, max_length = 249, pattern = "^[a-zA-Z0-9._-]+$", example = "greetings",
            description = "The topic's name."),
        ("validate_only" = Option<bool>, Query, description = "Whether only to say what would be wrong; then nothing changes."),
    ),
    request_body = TopicChanges,
    responses(
        (status = 200, description = "It is as it should be; this is how.", body = TopicInfo),
        (status = "4XX", description = "It is as it was, as the problem says.", body = Problem,
            content_type = "application/problem+json"),
        (status = "5XX", description = "It may have changed if the problem says so.", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn configure(
    State(shared): State<Arc<Shared>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    TakerOf(taker): TakerOf,
    mutations: Mutations,
    body: Body,
) -> Result<Response, Refused> {
    let query = Query::parse(query.as_deref(), &["validate_only"])?;
    let validate_only = query.flag("validate_only")?;
    let changes: TopicChanges =
        json_body::read(&shared, (taker.address(), &headers), body, ADMIN_BODY_BYTES_MAX).await?;
    if changes.configs.len() > CHANGES_MAX {
        let detail = format!("a request may change {CHANGES_MAX} settings at most");
        return Err(Refused::new(Code::InvalidConfig, detail).field("configs"));
    }
    // Both are judged before either changes.
    let topic = shared.topic(&name).await?;
    altered(&topic.configs, &changes.configs)?;
    judge_partitions(&topic, changes.partitions)?;
    if !validate_only {
        mutations.take(changes.partitions.unwrap_or(0).saturating_sub(topic.partitions))?;
        alter(&shared, &name, &changes).await?;
    }
    info(&shared, &taker, &name, 0, LIST_DEFAULT).await
}

async fn alter(shared: &Shared, name: &str, changes: &TopicChanges) -> Result<(), Refused> {
    let is_altered = alter_configs(shared, name, &changes.configs).await?;
    let topic = shared.topic(name).await?;
    let grown = match changes.partitions.filter(|count| *count > topic.partitions) {
        Some(count) => add_partitions(shared, &topic, count).await,
        None => judge_partitions(&topic, changes.partitions),
    };
    // What has been done of the request is no longer nothing.
    grown.map_err(|refused| refused.uncertain(is_altered))
}

/// Says whether there was anything to alter.
async fn alter_configs(
    shared: &Shared,
    name: &str,
    changes: &BTreeMap<String, Option<ConfigValue>>,
) -> Result<bool, Refused> {
    for _ in 0..TRIES_MAX {
        let topic = shared.topic(name).await?;
        let after = altered(&topic.configs, changes)?;
        if after == *topic.configs {
            return Ok(false);
        }
        let set = after.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let before = topic.configs.as_ref().clone();
        let proposal = shared.parts.catalog.propose(Command::AlterTopicConfigs { topic: topic.id, before, after });
        match in_time(shared, proposal).await? {
            Outcome::TopicConfigsAltered(Ok(())) => {
                tracing::info!(topic = name, id = %topic.id, set, "topic settings altered");
                return Ok(true);
            }
            Outcome::TopicConfigsAltered(Err(AlterTopicError::Changed)) => {}
            Outcome::TopicConfigsAltered(Err(error)) => return Err(errors::of_alter_topic(&error)),
            other => unreachable!("the catalog answers AlterTopicConfigs with TopicConfigsAltered, not {other:?}"),
        }
    }
    Err(errors::of_alter_topic(&AlterTopicError::Changed))
}

async fn add_partitions(shared: &Shared, topic: &TopicView, count: u32) -> Result<(), Refused> {
    let proposal = shared.parts.catalog.propose(Command::CreatePartitions { topic: topic.id, count });
    match in_time(shared, proposal).await? {
        Outcome::PartitionsCreated(Ok(())) => {
            tracing::info!(topic = %topic.name, id = %topic.id, partitions = count, "partitions created");
            Ok(())
        }
        // Somebody else asked for as many.
        Outcome::PartitionsCreated(Err(AlterTopicError::NotMore(has))) if has == count => Ok(()),
        Outcome::PartitionsCreated(Err(error)) => Err(errors::of_alter_topic(&error)),
        other => unreachable!("the catalog answers CreatePartitions with PartitionsCreated, not {other:?}"),
    }
}

fn judge_partitions(topic: &TopicView, wanted: Option<u32>) -> Result<(), Refused> {
    let has = topic.partitions;
    match wanted {
        Some(count) if !(has..=TOPIC_PARTITIONS_MAX).contains(&count) => {
            let detail = format!(
                "partitions is {count}; topic {} has {has}, of which none is given up, so {has} to {TOPIC_PARTITIONS_MAX} work",
                topic.name
            );
            Err(Refused::new(Code::InvalidPartitions, detail).field("partitions"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The settings after the changes, checked. What is left as it is was checked when it was set.
fn altered(
    before: &BTreeMap<String, String>,
    changes: &BTreeMap<String, Option<ConfigValue>>,
) -> Result<BTreeMap<String, String>, Refused> {
    let mut after = before.clone();
    for (name, value) in changes {
        let invalid = |text: String| Refused::new(Code::InvalidConfig, text).field(&format!("configs.{name}"));
        match value {
            Some(value) => {
                let value = value.to_string();
                topic_configs::check(name, Some(&value)).map_err(invalid)?;
                after.insert(name.clone(), value);
            }
            // One that is not known any more can still be given up.
            None if after.remove(name).is_none() && topic_configs::find(name).is_none() => {
                return Err(invalid(unknown_config(name)));
            }
            None => {}
        }
    }
    topic_configs::check_together(&after).map_err(|text| Refused::new(Code::InvalidConfig, text).field("configs"))?;
    Ok(after)
}
