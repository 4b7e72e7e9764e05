//! AlterConfigs and IncrementalAlterConfigs: each resource is judged by itself and altered as a whole or not at all.
//!
//! What is new is worked out here, from the settings as they are seen, and the catalog takes it only if they are still
//! those. When somebody else was faster, it is worked out again.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use tidelog_catalog_api::{AlterTopicError, Command, Outcome, TopicView};
use tidelog_kafka_wire::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    alter_configs_response, incremental_alter_configs_response,
};
use tidelog_kafka_wire::{Api, ErrorCode, StrBytes, message};
use tidelog_model::check_topic_name;

use crate::configs::config_resources::ResourceType;
use crate::configs::{subscription_configs, topic_configs};
use crate::errors;
use crate::gateway::Shared;
use crate::options::LOOKUPS_AT_ONCE;
use crate::topics::{Lookup, TopicKey};

/// How often others may be faster before a client has to come again.
pub(super) const TRIES_MAX: usize = 8;

/// Changes of one resource: many times what there are names.
const CHANGES_MAX: usize = 1_000;

pub(super) type Refusal = (ErrorCode, String);

/// What is to become of one setting.
pub(super) enum Change {
    Set(String),
    Delete,
    Append(String),
    Subtract(String),
}

/// A change of a resource, free of the request's form.
struct Wanted {
    kind: i8,
    name: StrBytes,
    /// Or what is wrong with them.
    changes: Result<Vec<(String, Change)>, Refusal>,
    /// Settings that are not named go back to their defaults.
    replaces: bool,
}

/// Answers AlterConfigs, which says all settings of a resource anew. A cancelled caller may leave them altered.
pub(crate) async fn answer(shared: &Shared, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let wanted = request.resources.into_iter().map(|resource| {
        let changes = resource.configs.into_iter().map(|config| {
            let value = config.value.map(|value| Change::Set(value.as_str().to_owned()));
            (config.name.as_str().to_owned(), value.ok_or(true))
        });
        Wanted {
            kind: resource.resource_type,
            name: resource.resource_name,
            changes: checked(changes.collect()),
            replaces: true,
        }
    });
    let results = alter_all(shared, Api::AlterConfigs, wanted.collect(), request.validate_only).await;
    let response = |(kind, name, code, text): Altered| {
        message!(alter_configs_response::AlterConfigsResourceResponse {
            error_code: code.code(),
            error_message: text.map(errors::text),
            resource_type: kind,
            resource_name: name,
        })
    };
    message!(AlterConfigsResponse { responses: results.into_iter().map(response).collect() })
}

/// Answers IncrementalAlterConfigs. A cancelled caller may leave some resources altered.
pub(crate) async fn answer_incremental(
    shared: &Shared,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let wanted = request.resources.into_iter().map(|resource| {
        let changes = resource.configs.into_iter().map(|config| {
            let value = config.value.map(|value| value.as_str().to_owned());
            let change = match (config.config_operation, value) {
                (0, Some(value)) => Ok(Change::Set(value)),
                (1, _) => Ok(Change::Delete),
                (2, Some(value)) => Ok(Change::Append(value)),
                (3, Some(value)) => Ok(Change::Subtract(value)),
                (operation, _) => Err((0..=3).contains(&operation)),
            };
            (config.name.as_str().to_owned(), change)
        });
        Wanted {
            kind: resource.resource_type,
            name: resource.resource_name,
            changes: checked(changes.collect()),
            replaces: false,
        }
    });
    let results = alter_all(shared, Api::IncrementalAlterConfigs, wanted.collect(), request.validate_only).await;
    let response = |(kind, name, code, text): Altered| {
        message!(incremental_alter_configs_response::AlterConfigsResourceResponse {
            error_code: code.code(),
            error_message: text.map(errors::text),
            resource_type: kind,
            resource_name: name,
        })
    };
    message!(IncrementalAlterConfigsResponse { responses: results.into_iter().map(response).collect() })
}

/// What can be said against changes without knowing their resource. An `Err` lacks a value (`true`) or is no operation.
fn checked(changes: Vec<(String, Result<Change, bool>)>) -> Result<Vec<(String, Change)>, Refusal> {
    if changes.len() > CHANGES_MAX {
        let text = format!("a request may change {CHANGES_MAX} settings of a resource at most");
        return Err((ErrorCode::InvalidRequest, text));
    }
    let mut names = BTreeSet::new();
    let refused = |text: String| Err((ErrorCode::InvalidRequest, text));
    if !changes.iter().all(|(name, _)| names.insert(name.as_str())) {
        return refused("Error due to duplicate config keys".to_owned());
    }
    if let Some((name, _)) = changes.iter().find(|(_, change)| matches!(change, Err(false))) {
        return refused(format!("Unknown operation for {name}: set is 0, delete 1, append 2, subtract 3"));
    }
    let lacking = changes.iter().filter(|(_, change)| change.is_err()).map(|(name, _)| name.as_str());
    let lacking = lacking.collect::<Vec<_>>();
    if !lacking.is_empty() {
        return refused(format!("Null value not supported for : {}", lacking.join(", ")));
    }
    Ok(changes.into_iter().filter_map(|(name, change)| Some((name, change.ok()?))).collect())
}

type Altered = (i8, StrBytes, ErrorCode, Option<String>);

async fn alter_all(shared: &Shared, api: Api, mut wanted: Vec<Wanted>, validate_only: bool) -> Vec<Altered> {
    let mut seen = BTreeMap::new();
    for each in &wanted {
        *seen.entry((each.kind, each.name.clone().to_string())).or_insert(0) += 1;
    }
    for each in &mut wanted {
        if seen[&(each.kind, each.name.to_string())] > 1 {
            let text = "Each resource must appear at most once.".to_owned();
            each.changes = Err((ErrorCode::InvalidRequest, text));
        }
    }
    let mut altered = Vec::with_capacity(wanted.len());
    // So many at once; what waits its turn takes no more memory than it has.
    for some in wanted.chunks(LOOKUPS_AT_ONCE) {
        let altering = some.iter().map(|each| async move {
            let result = match &each.changes {
                Ok(changes) => alter(shared, each.kind, &each.name, changes, each.replaces, validate_only).await,
                Err(refusal) => Err(refusal.clone()),
            };
            let (code, text) = result.map_or_else(|(code, text)| (code, Some(text)), |()| (ErrorCode::None, None));
            shared.meters.error(api, code);
            (each.kind, each.name.clone(), code, text)
        });
        altered.extend(join_all(altering.collect::<Vec<_>>()).await);
    }
    altered
}

async fn alter(
    shared: &Shared,
    kind: i8,
    name: &StrBytes,
    changes: &[(String, Change)],
    replaces: bool,
    validate_only: bool,
) -> Result<(), Refusal> {
    let refused = |text: String| Err((ErrorCode::InvalidRequest, text));
    let names = || changes.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    match ResourceType::of(kind) {
        Some(ResourceType::Topic) => alter_topic(shared, name, changes, replaces, validate_only).await,
        Some(ResourceType::Broker) => {
            let own = shared.options.broker_id();
            if !name.is_empty() && name.parse() != Ok(own) {
                return refused(format!("Unexpected broker id, expected {own}, but received {name}"));
            }
            // None is set by a client, so that nothing is left to be deleted: kafka-reassign-partitions does so at its end.
            let sets = |(_, change): &&(String, Change)| !matches!(change, Change::Delete);
            let names: Vec<&str> = changes.iter().filter(sets).map(|(name, _)| name.as_str()).collect();
            match names[..] {
                [] => Ok(()),
                _ => refused(format!(
                    "Cannot update these configs dynamically: [{}]; set them in the server's configuration",
                    names.join(", ")
                )),
            }
        }
        Some(ResourceType::ClientMetrics) => {
            subscription_configs::alter(shared, name, changes, replaces, validate_only).await
        }
        Some(resource @ (ResourceType::Group | ResourceType::BrokerLogger)) => match changes {
            [] => Ok(()),
            _ => {
                let which = if matches!(resource, ResourceType::Group) { "Groups" } else { "Loggers" };
                refused(format!("{which} have no settings here: [{}]", names()))
            }
        },
        None => refused(format!("Unknown resource type {kind}")),
    }
}

async fn alter_topic(
    shared: &Shared,
    name: &StrBytes,
    changes: &[(String, Change)],
    replaces: bool,
    validate_only: bool,
) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err((ErrorCode::InvalidRequest, "Default topic resources are not allowed.".to_owned()));
    }
    check_topic_name(name)
        .map_err(|error| (errors::of_topic_name(&error), format!("Topic name is invalid: {error}")))?;
    let missing = || (ErrorCode::UnknownTopicOrPartition, format!("The topic '{name}' does not exist."));
    let key = TopicKey::Name(name.as_str().into());
    for _ in 0..TRIES_MAX {
        let lookup = shared.topics(std::slice::from_ref(&key)).await.pop().expect("one for each key");
        let topic = match lookup {
            Lookup::Found(topic) => topic,
            Lookup::Missing => {
                // What is wrong with the settings is said first, as in Kafka.
                altered(&BTreeMap::new(), changes, replaces)?;
                return Err(missing());
            }
            Lookup::Unconfirmed(error) => return Err((errors::of_catalog(&error), error.to_string())),
        };
        let after = altered(&topic.configs, changes, replaces)?;
        if validate_only || after == *topic.configs {
            return Ok(());
        }
        match propose(shared, &topic, after).await? {
            Ok(()) => return Ok(()),
            Err(AlterTopicError::Changed) => {}
            Err(AlterTopicError::UnknownTopic) => return Err(missing()),
            Err(error @ (AlterTopicError::NotMore(_) | AlterTopicError::Invalid(_))) => {
                unreachable!("the catalog refuses settings that are not what was seen, and no others: {error}")
            }
        }
    }
    Err((ErrorCode::RequestTimedOut, "others keep changing the topic's settings: try again".to_owned()))
}

async fn propose(
    shared: &Shared,
    topic: &TopicView,
    after: BTreeMap<String, String>,
) -> Result<Result<(), AlterTopicError>, Refusal> {
    let names = after.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let command = Command::AlterTopicConfigs { topic: topic.id, before: topic.configs.as_ref().clone(), after };
    match shared.parts.catalog.propose(command).await {
        Ok(Outcome::TopicConfigsAltered(result)) => {
            if result.is_ok() {
                tracing::info!(topic = %topic.name, id = %topic.id, set = names, "topic settings altered");
            }
            Ok(result)
        }
        Ok(other) => unreachable!("the catalog answers AlterTopicConfigs with TopicConfigsAltered, not {other:?}"),
        Err(error) => Err((errors::of_catalog(&error), error.to_string())),
    }
}

/// The settings after the changes, checked. What is left as it is was checked when it was set.
fn altered(
    before: &BTreeMap<String, String>,
    changes: &[(String, Change)],
    replaces: bool,
) -> Result<BTreeMap<String, String>, Refusal> {
    let invalid = |text: String| (ErrorCode::InvalidConfig, text);
    let mut after = if replaces { BTreeMap::new() } else { before.clone() };
    for (name, change) in changes {
        let value = match change {
            Change::Delete => None,
            Change::Set(value) => Some(value.clone()),
            Change::Append(part) => {
                let mut list = list_of(before, name, "APPEND").map_err(invalid)?;
                for part in part.split(',') {
                    if !list.iter().any(|there| there == part) {
                        list.push(part.to_owned());
                    }
                }
                Some(list.join(","))
            }
            Change::Subtract(part) => {
                let mut list = list_of(before, name, "SUBTRACT").map_err(invalid)?;
                list.retain(|there| !part.split(',').any(|part| part == there));
                Some(list.join(","))
            }
        };
        match value {
            None => drop(after.remove(name)),
            Some(value) => {
                topic_configs::check(name, Some(&value)).map_err(invalid)?;
                after.insert(name.clone(), value);
            }
        }
    }
    topic_configs::check_together(&after).map_err(invalid)?;
    Ok(after)
}

/// The parts of a list as it is set, or as it is by default.
fn list_of(configs: &BTreeMap<String, String>, name: &str, operation: &str) -> Result<Vec<String>, String> {
    let config = topic_configs::find(name).filter(|config| config.kind.is_list());
    let config = config.ok_or_else(|| format!("Can't {operation} to key {name} because its type is not LIST."))?;
    let value = configs.get(name).map_or(config.default, String::as_str);
    Ok(value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
}
