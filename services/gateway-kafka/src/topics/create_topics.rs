//! CreateTopics: each topic is judged by itself, the good ones are created by one command.

use std::collections::{BTreeMap, BTreeSet};

use tidelog_catalog_api::{Command, CreateTopicError, NewTopic, Outcome};
use tidelog_kafka_wire::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use tidelog_kafka_wire::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use tidelog_kafka_wire::messages::{CreateTopicsRequest, CreateTopicsResponse};
use tidelog_kafka_wire::{Api, EncodeFailed, ErrorCode, RequestHeader, StrBytes, Uuid, message};
use tidelog_model::limits::{TOPIC_PARTITIONS_MAX, TOPICS_PER_REQUEST_MAX};
use tidelog_model::{TopicId, check_topic_name};

use crate::configs::config_resources::{SOURCE_DEFAULT, SOURCE_TOPIC};
use crate::configs::describe_configs::fixed;
use crate::configs::topic_configs;
use crate::connection::Answer;
use crate::gateway::Shared;
use crate::quotas::{Mutations, TOO_MANY, TooMany};
use crate::{dispatch, errors};

/// From this version on the answer shows the settings that the topics have now.
const CONFIGS_FROM_VERSION: i16 = 5;
/// Memory that they take in the answer.
const CONFIGS_BYTES: usize = 8 * 1024;
/// The largest replication factor that is accepted. It is shown to clients and has no effect.
const REPLICATION_FACTOR_MAX: i16 = 3;

/// Partitions that one request may create: as many as a topic may have.
const REQUEST_PARTITIONS_MAX: u32 = TOPIC_PARTITIONS_MAX;

type Refusal = (ErrorCode, String);

/// Answers CreateTopics, in room that is made first. A cancelled caller may leave the topics created.
pub(crate) async fn frame(
    shared: &Shared,
    header: &RequestHeader,
    request: CreateTopicsRequest,
    mutations: &Mutations,
    room: impl Send,
) -> Result<Answer, EncodeFailed> {
    let validate_only = request.validate_only;
    let judged = decide(shared, &request, mutations).await;
    let shows_configs = header.version >= CONFIGS_FROM_VERSION;
    let good = judged.iter().filter(|(_, result)| result.is_ok()).count();
    let share = shared.memory.answer(if shows_configs { good * CONFIGS_BYTES } else { 0 }).await;
    drop(room);
    let topics = judged.into_iter().map(|(name, result)| match result {
        Ok(topic) => created(topic, validate_only, shows_configs),
        Err((code, text)) => {
            shared.meters.error(Api::CreateTopics, code);
            message!(CreatableTopicResult {
                name: name.clone(),
                error_code: code.code(),
                error_message: Some(errors::text(text)),
                configs: Some(Vec::new()),
            })
        }
    });
    let topics = topics.collect();
    dispatch::frame_in(header, message!(CreateTopicsResponse { topics: topics }), share)
}

/// Judges the topics and creates the good ones.
async fn decide<'a>(shared: &Shared, request: &'a CreateTopicsRequest, mutations: &Mutations) -> Judged<'a> {
    let mut seen = BTreeSet::new();
    let mut refused = BTreeSet::new();
    let mut partitions_left = REQUEST_PARTITIONS_MAX;
    let twice = request.topics.iter().filter(|topic| !seen.insert(topic.name.as_str())).map(|topic| topic.name.clone());
    let twice = twice.collect::<BTreeSet<_>>();
    let mut judged = Vec::with_capacity(request.topics.len());
    for (position, topic) in request.topics.iter().enumerate() {
        // A name that stands twice is answered once, as Kafka does.
        if twice.contains(&topic.name) {
            if !refused.insert(topic.name.as_str()) {
                continue;
            }
            judged.push((&topic.name, Err((ErrorCode::InvalidRequest, "Duplicate topic name.".to_owned()))));
        } else if position >= TOPICS_PER_REQUEST_MAX {
            let text = format!("a request may create {TOPICS_PER_REQUEST_MAX} topics at most");
            judged.push((&topic.name, Err((ErrorCode::InvalidRequest, text))));
        } else {
            let new = judge(shared, topic).and_then(|new| within(&mut partitions_left, new));
            let new = new.and_then(|new| affordable(shared, mutations, new));
            judged.push((&topic.name, new));
        }
    }
    if request.validate_only { rehearse(shared, judged).await } else { create(shared, judged).await }
}

/// A request of a few bytes may not ask for partitions without end: each is kept in memory and told in Metadata.
fn within(left: &mut u32, new: NewTopic) -> Result<NewTopic, Refusal> {
    match left.checked_sub(new.partitions) {
        Some(rest) => {
            *left = rest;
            Ok(new)
        }
        None => {
            let text = format!("a request may create {REQUEST_PARTITIONS_MAX} partitions at most");
            Err((ErrorCode::InvalidPartitions, text))
        }
    }
}

/// What exists already is refused for that.
fn affordable(shared: &Shared, mutations: &Mutations, new: NewTopic) -> Result<NewTopic, Refusal> {
    if shared.parts.catalog.topic_by_name(new.tenant, &new.name).is_some() {
        return Ok(new);
    }
    match mutations.take(new.partitions) {
        Ok(()) => Ok(new),
        Err(TooMany) => Err((ErrorCode::ThrottlingQuotaExceeded, TOO_MANY.to_owned())),
    }
}

fn judge(shared: &Shared, topic: &CreatableTopic) -> Result<NewTopic, Refusal> {
    check_topic_name(&topic.name)
        .map_err(|error| (errors::of_topic_name(&error), format!("Topic name is invalid: {error}")))?;
    let (partitions, replication_factor) = if topic.assignments.is_empty() {
        (partitions(shared, topic.num_partitions)?, replication_factor(topic.replication_factor)?)
    } else {
        if topic.num_partitions != -1 || topic.replication_factor != -1 {
            let text = "Both an assignment and a number of partitions or replication factor are given.";
            return Err((ErrorCode::InvalidRequest, text.to_owned()));
        }
        assigned(shared, &topic.assignments)?
    };
    let mut configs = BTreeMap::new();
    for config in &topic.configs {
        let value = config.value.as_deref();
        topic_configs::check(&config.name, value).map_err(|text| (ErrorCode::InvalidConfig, text))?;
        configs.insert(config.name.as_str().to_owned(), value.unwrap_or_default().to_owned());
    }
    topic_configs::check_together(&configs).map_err(|text| (ErrorCode::InvalidConfig, text))?;
    Ok(NewTopic {
        tenant: shared.options.tenant,
        id: TopicId::from_random(shared.parts.random.bytes()),
        name: topic.name.as_str().to_owned(),
        partitions,
        replication_factor,
        configs,
    })
}

fn partitions(shared: &Shared, asked: i32) -> Result<u32, Refusal> {
    match asked {
        -1 => Ok(shared.options.partitions_default),
        _ => u32::try_from(asked).ok().filter(|count| (1..=TOPIC_PARTITIONS_MAX).contains(count)).ok_or_else(|| {
            (
                ErrorCode::InvalidPartitions,
                format!("Number of partitions is {asked}, allowed are 1 to {TOPIC_PARTITIONS_MAX}"),
            )
        }),
    }
}

fn replication_factor(asked: i16) -> Result<i16, Refusal> {
    match asked {
        -1 => Ok(1),
        1..=REPLICATION_FACTOR_MAX => Ok(asked),
        _ => Err((
            ErrorCode::InvalidReplicationFactor,
            format!(
                "Replication factor is {asked}, allowed are -1 and 1 to {REPLICATION_FACTOR_MAX} (it has no effect)"
            ),
        )),
    }
}

/// A manual assignment is accepted when it says what is: every partition on this node.
fn assigned(shared: &Shared, assignments: &[CreatableReplicaAssignment]) -> Result<(u32, i16), Refusal> {
    let refused = |text: &str| (ErrorCode::InvalidReplicaAssignment, text.to_owned());
    let numbers = assignments.iter().map(|assignment| assignment.partition_index).collect::<BTreeSet<_>>();
    if numbers.len() != assignments.len() || !numbers.iter().copied().eq(0..assignments.len() as i32) {
        return Err(refused("Partitions must be a consecutive 0-based sequence, each given once."));
    }
    if assignments.iter().any(|assignment| assignment.broker_ids != [shared.options.broker_id()]) {
        return Err(refused("Each partition must be assigned to this broker alone."));
    }
    let count = partitions(shared, i32::try_from(assignments.len()).unwrap_or(i32::MAX))?;
    Ok((count, 1))
}

type Judged<'a> = Vec<(&'a StrBytes, Result<NewTopic, Refusal>)>;

/// What creation would answer, as far as the catalog's present state tells.
async fn rehearse<'a>(shared: &Shared, judged: Judged<'a>) -> Judged<'a> {
    let fold = |name: &str| name.replace('.', "_");
    let barrier = shared.parts.catalog.read_barrier().await;
    let existing = shared.parts.catalog.topics(shared.options.tenant);
    let existing = existing.iter().map(|topic| (fold(&topic.name), topic.name.clone())).collect::<BTreeMap<_, _>>();
    let rehearsed = judged.into_iter().map(|(name, result)| {
        let result = result.and_then(|topic| match (existing.get(&fold(&topic.name)), &barrier) {
            (Some(other), _) if other.as_ref() == topic.name => Err(refusal(&CreateTopicError::Exists(topic.name))),
            (Some(other), _) => {
                let existing = other.as_ref().to_owned();
                Err(refusal(&CreateTopicError::Collides { name: topic.name, existing }))
            }
            (None, Ok(_)) => Ok(topic),
            (None, Err(error)) => Err((errors::of_catalog(error), error.to_string())),
        });
        (name, result)
    });
    rehearsed.collect()
}

async fn create<'a>(shared: &Shared, judged: Judged<'a>) -> Judged<'a> {
    let good = judged.iter().filter_map(|(_, result)| result.as_ref().ok().cloned()).collect::<Vec<_>>();
    if good.is_empty() {
        return judged;
    }
    let count = good.len();
    let mut outcomes = match shared.parts.catalog.propose(Command::CreateTopics { topics: good }).await {
        Ok(Outcome::TopicsCreated(results)) => {
            assert_eq!(results.len(), count, "the catalog answers each topic");
            results.into_iter().map(|result| result.map_err(|error| refusal(&error))).collect::<Vec<_>>()
        }
        Ok(other) => unreachable!("the catalog answers CreateTopics with TopicsCreated, not {other:?}"),
        Err(error) => vec![Err((errors::of_catalog(&error), error.to_string())); count],
    }
    .into_iter();
    let done = judged.into_iter().map(|(name, result)| {
        let result = result.and_then(|topic| {
            let outcome = outcomes.next().expect("one for each topic that was proposed");
            outcome.map(|created| {
                tracing::info!(topic = %topic.name, id = %created.id, partitions = topic.partitions, "topic created");
                NewTopic { id: created.id, ..topic }
            })
        });
        (name, result)
    });
    done.collect()
}

fn refusal(error: &CreateTopicError) -> Refusal {
    (errors::of_create_topic(error), error.to_string())
}

fn created(topic: NewTopic, validated_only: bool, shows_configs: bool) -> CreatableTopicResult {
    let config = |shown: topic_configs::Shown<'_>| {
        message!(CreatableTopicConfigs {
            name: shown.config.map_or_else(|| shown.name.into(), |config| fixed(config.name)),
            value: Some(shown.value.into()),
            config_source: if shown.is_set { SOURCE_TOPIC } else { SOURCE_DEFAULT },
        })
    };
    let configs = if shows_configs { topic_configs::shown(&topic.configs) } else { Vec::new() };
    message!(CreatableTopicResult {
        name: topic.name.into(),
        error_message: None,
        topic_id: if validated_only { Uuid::ZERO } else { Uuid::from_bytes(topic.id.0) },
        num_partitions: i32::try_from(topic.partitions).expect("a topic has at most 100,000 partitions"),
        replication_factor: topic.replication_factor,
        configs: Some(configs.into_iter().map(config).collect()),
    })
}
