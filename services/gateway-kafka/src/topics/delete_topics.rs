//! DeleteTopics: by name, or from version 6 on by id too.

use std::collections::BTreeSet;

use tidelog_catalog_api::{Command, Outcome};
use tidelog_kafka_wire::messages::delete_topics_response::DeletableTopicResult;
use tidelog_kafka_wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use tidelog_kafka_wire::{ErrorCode, RequestHeader, StrBytes, Uuid, message};
use tidelog_model::TopicId;
use tidelog_model::limits::TOPICS_PER_REQUEST_MAX;

use crate::errors;
use crate::gateway::Shared;
use crate::quotas::{Mutations, TOO_MANY, TooMany};
use crate::topics::{Lookup, TopicKey};

/// From this version on the request's topics are structs.
const STRUCTS_FROM_VERSION: i16 = 6;

type Refusal = (ErrorCode, Option<String>);
/// A topic to delete, or one that is refused before it is looked for; who named an id as well is told it again.
type Asked = Result<TopicKey, (TopicKey, Option<TopicId>, Refusal)>;

/// Answers DeleteTopics. A cancelled caller may leave the topics deleted.
pub(crate) async fn answer(
    shared: &Shared,
    header: &RequestHeader,
    request: DeleteTopicsRequest,
    mutations: &Mutations,
) -> DeleteTopicsResponse {
    let keys = asked(header, request);
    let good = keys.iter().filter_map(|key| key.as_ref().ok().cloned()).collect::<Vec<_>>();
    let lookups = shared.topics(&good).await;
    let mut ids = BTreeSet::new();
    let found =
        lookups.iter().filter_map(|lookup| if let Lookup::Found(topic) = lookup { Some(topic.id) } else { None });
    let twice = found.filter(|id| !ids.insert(*id)).collect::<BTreeSet<_>>();
    let mut told = BTreeSet::new();
    let mut lookups = lookups.into_iter();
    let judged = keys.into_iter().filter_map(|key| {
        let key = match key {
            Ok(key) => key,
            Err((key, id, refusal)) => return Some(Err((key, None, id, refusal))),
        };
        match lookups.next().expect("one for each key") {
            // By id and by name.
            Lookup::Found(topic) if twice.contains(&topic.id) => {
                told.insert(topic.id).then(|| Err((key, Some(topic.name.clone()), None, repeated())))
            }
            Lookup::Found(topic) => Some(match mutations.take(topic.partitions) {
                Ok(()) => Ok((key, topic)),
                Err(TooMany) => {
                    let refusal = (ErrorCode::ThrottlingQuotaExceeded, Some(TOO_MANY.to_owned()));
                    Err((key, Some(topic.name.clone()), Some(topic.id), refusal))
                }
            }),
            Lookup::Missing => Some(Err((key.clone(), None, None, (missing(&key), None)))),
            Lookup::Unconfirmed(error) => {
                Some(Err((key, None, None, (errors::of_catalog(&error), Some(error.to_string())))))
            }
        }
    });
    let judged = judged.collect::<Vec<_>>();
    let delete = judged.iter().flatten().map(|(_, topic)| topic.id).collect::<Vec<_>>();
    let mut outcomes = delete_all(shared, delete).await.into_iter();
    let responses = judged.into_iter().map(|judged| {
        let (key, name, id, result) = match judged {
            Err((key, name, id, refusal)) => (key, name, id, Err(refusal)),
            Ok((key, topic)) => {
                let outcome = match outcomes.next().expect("one for each topic that was proposed") {
                    Ok(true) => {
                        tracing::info!(topic = %topic.name, id = %topic.id, "topic deleted");
                        Ok(topic.id)
                    }
                    Ok(false) => Err((missing(&key), None)),
                    Err(refusal) => Err(refusal),
                };
                (key, Some(topic.name.clone()), None, outcome)
            }
        };
        result_of(shared, header, key, name.as_deref(), id, result)
    });
    message!(DeleteTopicsResponse { responses: responses.collect() })
}

fn asked(header: &RequestHeader, request: DeleteTopicsRequest) -> Vec<Asked> {
    let keys = if header.version < STRUCTS_FROM_VERSION {
        request.topic_names.into_iter().map(|name| Ok(TopicKey::Name(name.as_str().into()))).collect::<Vec<_>>()
    } else {
        let key = |topic: tidelog_kafka_wire::messages::delete_topics_request::DeleteTopicState| match topic.name {
            Some(name) if topic.topic_id.is_zero() => Ok(TopicKey::Name(name.as_str().into())),
            Some(name) => {
                let text = "You may not specify both topic name and topic id.".to_owned();
                let id = TopicId(topic.topic_id.to_bytes());
                Err((TopicKey::Name(name.as_str().into()), Some(id), (ErrorCode::InvalidRequest, Some(text))))
            }
            None if topic.topic_id.is_zero() => {
                let text = "Neither topic name nor id were specified.".to_owned();
                Err((TopicKey::Id(TopicId(topic.topic_id.to_bytes())), None, (ErrorCode::InvalidRequest, Some(text))))
            }
            None => Ok(TopicKey::Id(TopicId(topic.topic_id.to_bytes()))),
        };
        request.topics.into_iter().map(key).collect()
    };
    let keys = refuse_repeated(keys);
    let bounded = keys.into_iter().enumerate().map(|(position, key)| match key {
        Ok(key) if position >= TOPICS_PER_REQUEST_MAX => {
            let text = format!("a request may delete {TOPICS_PER_REQUEST_MAX} topics at most");
            Err((key, None, (ErrorCode::InvalidRequest, Some(text))))
        }
        key => key,
    });
    bounded.collect()
}

/// What is named twice is answered once and not deleted, as in Kafka: who repeats himself may not mean what he says.
fn refuse_repeated(keys: Vec<Asked>) -> Vec<Asked> {
    let mut seen = BTreeSet::new();
    let twice = keys.iter().flatten().filter(|key| !seen.insert((*key).clone())).cloned().collect::<BTreeSet<_>>();
    let mut told = BTreeSet::new();
    let judged = keys.into_iter().filter_map(|key| match key {
        Ok(key) if twice.contains(&key) => told.insert(key.clone()).then(|| Err((key, None, repeated()))),
        key => Some(key),
    });
    judged.collect()
}

fn repeated() -> Refusal {
    (ErrorCode::InvalidRequest, Some("Duplicate topic.".to_owned()))
}

async fn delete_all(shared: &Shared, topics: Vec<TopicId>) -> Vec<Result<bool, Refusal>> {
    let count = topics.len();
    if count == 0 {
        return Vec::new();
    }
    match shared.parts.catalog.propose(Command::RemoveTopics { topics }).await {
        Ok(Outcome::TopicsDeleted(existed)) => {
            assert_eq!(existed.len(), count, "the catalog answers each topic");
            existed.into_iter().map(Ok).collect()
        }
        Ok(other) => unreachable!("the catalog answers RemoveTopics with TopicsDeleted, not {other:?}"),
        Err(error) => vec![Err((errors::of_catalog(&error), Some(error.to_string()))); count],
    }
}

fn missing(key: &TopicKey) -> ErrorCode {
    match key {
        TopicKey::Name(_) => ErrorCode::UnknownTopicOrPartition,
        TopicKey::Id(_) => ErrorCode::UnknownTopicId,
    }
}

fn result_of(
    shared: &Shared,
    header: &RequestHeader,
    key: TopicKey,
    name: Option<&str>,
    id_beside: Option<TopicId>,
    result: Result<TopicId, Refusal>,
) -> DeletableTopicResult {
    let (asked_name, asked_id) = match &key {
        TopicKey::Name(name) => (Some(name.as_ref()), id_beside),
        TopicKey::Id(id) => (None, Some(*id)),
    };
    let (id, code, text) = match result {
        Ok(id) => (Some(id), ErrorCode::None, None),
        Err((code, text)) => (asked_id, code, text),
    };
    shared.meters.error(header.api, code);
    message!(DeletableTopicResult {
        name: name.or(asked_name).map(StrBytes::from),
        topic_id: id.map_or(Uuid::ZERO, |id| Uuid::from_bytes(id.0)),
        error_code: code.code(),
        error_message: text.map(errors::text),
    })
}
