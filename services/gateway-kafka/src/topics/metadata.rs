//! Metadata: which topics there are and who serves them. This node serves all; its leader epoch is 0 for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidelog_catalog_api::{Command, NewTopic, Outcome, TopicView};
use tidelog_kafka_wire::messages::metadata_request::MetadataRequestTopic;
use tidelog_kafka_wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use tidelog_kafka_wire::messages::{MetadataRequest, MetadataResponse};
use tidelog_kafka_wire::{EncodeFailed, ErrorCode, RequestHeader, StrBytes, Uuid, message};
use tidelog_model::limits::TOPICS_PER_REQUEST_MAX;
use tidelog_model::{TopicId, check_topic_name};

use crate::cluster::{CLUSTER_OPERATIONS, TOPIC_OPERATIONS};
use crate::connection::Answer;
use crate::gateway::Shared;
use crate::quotas::Mutations;
use crate::topics::{Lookup, TopicKey};
use crate::{dispatch, errors};

/// Memory that a partition of an answer takes while the answer is made.
const PARTITION_BYTES: usize = 256;
/// Partitions in one answer. Topics beyond it are named without them.
const PARTITIONS_MAX: usize = 500_000;
/// From this version on a topic can be asked for by id.
const IDS_FROM_VERSION: i16 = 12;

/// Answers Metadata: a few bytes of request can ask for a great many of answer, so room for it is made first; the
/// request's is given back then. Creates topics when client and options allow it; a cancelled caller may leave them created.
pub(crate) async fn frame(
    shared: &Shared,
    header: &RequestHeader,
    request: MetadataRequest,
    mutations: &Mutations,
    room: impl Send,
) -> Result<Answer, EncodeFailed> {
    let topics = match asked(header, request.topics) {
        None => all(shared).await,
        Some(topics) if header.version < IDS_FROM_VERSION && topics.iter().any(|topic| topic.name.is_none()) => {
            return dispatch::frame_in(header, nameless(topics), None);
        }
        Some(topics) => {
            let create = request.allow_auto_topic_creation && shared.options.auto_create_topics;
            named(shared, header, &topics, create.then_some(mutations)).await
        }
    };
    let partitions = topics.iter().map(Found::partitions).sum::<usize>();
    let share = shared.memory.answer(partitions * PARTITION_BYTES).await;
    drop(room);
    let operations = if request.include_topic_authorized_operations { TOPIC_OPERATIONS } else { i32::MIN };
    let topics = describe(shared, topics, operations);
    let cluster_operations = if request.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { i32::MIN };
    dispatch::frame_in(header, response(shared, topics, cluster_operations), share)
}

fn response(shared: &Shared, topics: Vec<MetadataResponseTopic>, cluster_operations: i32) -> MetadataResponse {
    let options = &shared.options;
    message!(MetadataResponse {
        brokers: vec![message!(MetadataResponseBroker {
            node_id: options.broker_id(),
            host: options.advertised_host.as_str().into(),
            port: i32::from(options.advertised_port),
            rack: options.zone.as_deref().map(StrBytes::from),
        })],
        cluster_id: Some(shared.cluster_id.as_str().into()),
        controller_id: options.broker_id(),
        topics: topics,
        // The field exists in versions 8 to 10 only, and may be set in those only.
        cluster_authorized_operations: cluster_operations,
    })
}

/// Versions 10 and 11 have room for an id in the request, but none for a topic without a name in the answer. As Kafka does,
/// nothing is answered but that; its answer has the empty name instead of none.
fn nameless(topics: Vec<MetadataRequestTopic>) -> MetadataResponse {
    let refused = |topic: MetadataRequestTopic| {
        message!(MetadataResponseTopic {
            error_code: ErrorCode::InvalidRequest.code(),
            name: Some(topic.name.unwrap_or_default()),
            topic_id: topic.topic_id,
        })
    };
    message!(MetadataResponse { topics: topics.into_iter().map(refused).collect() })
}

/// The topics asked for; none given means all. Version 0 has no null and says "all" with an empty list.
fn asked(header: &RequestHeader, topics: Option<Vec<MetadataRequestTopic>>) -> Option<Vec<MetadataRequestTopic>> {
    topics.filter(|topics| header.version > 0 || !topics.is_empty())
}

async fn all(shared: &Shared) -> Vec<Found> {
    // A list says "there are no others", so it must not be stale. When the catalog does not answer, what is known here is
    // better than nothing: clients ask for all topics again and again.
    if let Err(error) = shared.parts.catalog.read_barrier().await {
        tracing::warn!(%error, "topics are listed as they are known here");
    }
    let topics = shared.parts.catalog.topics(shared.options.tenant);
    topics.into_iter().map(Found::Topic).collect()
}

async fn named(
    shared: &Shared,
    header: &RequestHeader,
    topics: &[MetadataRequestTopic],
    create: Option<&Mutations>,
) -> Vec<Found> {
    // A topic that is asked for again and again is answered once, as Kafka does.
    let mut seen = BTreeSet::new();
    let keys = topics.iter().map(|topic| key(header, topic)).filter(|key| seen.insert(key.clone())).collect::<Vec<_>>();
    let mut lookups = shared.topics(&keys).await;
    if let Some(mutations) = create {
        create_missing(shared, &keys, &mut lookups, mutations).await;
    }
    let found = keys.into_iter().zip(lookups).map(|(key, lookup)| match lookup {
        Lookup::Found(topic) => Found::Topic(topic),
        Lookup::Missing => Found::Not(missing_code(&key), key),
        // Retriable, and says nothing about whether it exists.
        Lookup::Unconfirmed(_) => Found::Not(ErrorCode::LeaderNotAvailable, key),
    });
    found.collect()
}

fn key(header: &RequestHeader, topic: &MetadataRequestTopic) -> TopicKey {
    match &topic.name {
        Some(name) if header.version < IDS_FROM_VERSION || topic.topic_id.is_zero() => {
            TopicKey::Name(name.as_str().into())
        }
        // Before version 12 every topic has a name here.
        _ => TopicKey::Id(TopicId(topic.topic_id.to_bytes())),
    }
}

/// What is said of a topic that there is not.
pub(crate) fn missing_code(key: &TopicKey) -> ErrorCode {
    match key {
        TopicKey::Name(name) => match check_topic_name(name) {
            Ok(()) => ErrorCode::UnknownTopicOrPartition,
            Err(error) => errors::of_topic_name(&error),
        },
        TopicKey::Id(_) => ErrorCode::UnknownTopicId,
    }
}

/// Creates what is missing by name, and looks it up again. Whoever was faster wins; both see the same topic.
async fn create_missing(shared: &Shared, keys: &[TopicKey], lookups: &mut [Lookup], mutations: &Mutations) {
    let missing = keys.iter().zip(lookups.iter()).filter_map(|(key, lookup)| match (key, lookup) {
        (TopicKey::Name(name), Lookup::Missing) if check_topic_name(name).is_ok() => Some(name.clone()),
        _ => None,
    });
    let mut names = missing.collect::<Vec<_>>();
    names.sort_unstable();
    names.dedup();
    names.truncate(TOPICS_PER_REQUEST_MAX);
    if names.is_empty() {
        return;
    }
    let new = |name: &Arc<str>| NewTopic {
        tenant: shared.options.tenant,
        id: TopicId::from_random(shared.parts.random.bytes()),
        name: name.as_ref().to_owned(),
        partitions: shared.options.partitions_default,
        replication_factor: 1,
        configs: BTreeMap::new(),
    };
    let command = Command::CreateTopics { topics: names.iter().map(new).collect() };
    match shared.parts.catalog.propose(command).await {
        Ok(Outcome::TopicsCreated(results)) => {
            for (name, result) in names.iter().zip(results) {
                match result {
                    Ok(_) => {
                        tracing::info!(topic = %name, "topic created because a client asked for it");
                        mutations.note(shared.options.partitions_default);
                    }
                    Err(reason) => tracing::debug!(topic = %name, %reason, "topic not created"),
                }
            }
        }
        Ok(other) => unreachable!("the catalog answers CreateTopics with TopicsCreated, not {other:?}"),
        Err(error) => tracing::warn!(%error, "topics not created"),
    }
    for (key, lookup) in keys.iter().zip(lookups) {
        if let (Lookup::Missing, Some(topic)) = (&lookup, shared.topic_here(key)) {
            *lookup = Lookup::Found(topic);
        }
    }
}

/// One answer of those that are made when there is room for all.
enum Found {
    Topic(Arc<TopicView>),
    Not(ErrorCode, TopicKey),
}

impl Found {
    fn partitions(&self) -> usize {
        match self {
            Found::Topic(topic) => topic.partitions as usize,
            Found::Not(..) => 0,
        }
    }
}

fn describe(shared: &Shared, topics: Vec<Found>, operations: i32) -> Vec<MetadataResponseTopic> {
    let mut left = PARTITIONS_MAX;
    let describe = |found: Found| match found {
        Found::Topic(topic) => match left.checked_sub(topic.partitions as usize) {
            Some(rest) => {
                left = rest;
                whole(shared, &topic, operations)
            }
            // It is there, and its client may ask for it again, alone.
            None => absent(&TopicKey::Name(topic.name.clone()), ErrorCode::LeaderNotAvailable),
        },
        Found::Not(code, key) => absent(&key, code),
    };
    topics.into_iter().map(describe).collect()
}

fn whole(shared: &Shared, topic: &TopicView, operations: i32) -> MetadataResponseTopic {
    let node = shared.options.broker_id();
    let partition = |index: u32| {
        message!(MetadataResponsePartition {
            partition_index: i32::try_from(index).expect("a topic has at most 100,000 partitions"),
            leader_id: node,
            leader_epoch: 0,
            replica_nodes: vec![node],
            isr_nodes: vec![node],
        })
    };
    message!(MetadataResponseTopic {
        name: Some(topic.name.as_ref().into()),
        topic_id: Uuid::from_bytes(topic.id.0),
        partitions: (0..topic.partitions).map(partition).collect(),
        topic_authorized_operations: operations,
    })
}

fn absent(key: &TopicKey, code: ErrorCode) -> MetadataResponseTopic {
    let (name, id) = match key {
        TopicKey::Name(name) => (Some(StrBytes::from(name.as_ref())), Uuid::ZERO),
        TopicKey::Id(id) => (None, Uuid::from_bytes(id.0)),
    };
    message!(MetadataResponseTopic { error_code: code.code(), name: name, topic_id: id })
}
