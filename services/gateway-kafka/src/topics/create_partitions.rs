//! CreatePartitions: topics grow, each by itself.

use std::collections::BTreeSet;

use futures::future::join_all;
use tidelog_catalog_api::{AlterTopicError, Command, Outcome, TopicView};
use tidelog_kafka_wire::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use tidelog_kafka_wire::messages::create_partitions_response::CreatePartitionsTopicResult;
use tidelog_kafka_wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use tidelog_kafka_wire::{Api, ErrorCode, message};
use tidelog_model::limits::{TOPIC_PARTITIONS_MAX, TOPICS_PER_REQUEST_MAX};

use crate::errors;
use crate::gateway::Shared;
use crate::options::LOOKUPS_AT_ONCE;
use crate::quotas::{Mutations, TOO_MANY, TooMany};
use crate::topics::{Lookup, TopicKey};

/// Partitions that one request may create: as many as a topic may have.
const REQUEST_PARTITIONS_MAX: u32 = TOPIC_PARTITIONS_MAX;

type Refusal = (ErrorCode, Option<String>);

/// Answers CreatePartitions. A cancelled caller may leave partitions created.
pub(crate) async fn answer(
    shared: &Shared,
    request: CreatePartitionsRequest,
    mutations: &Mutations,
) -> CreatePartitionsResponse {
    let mut seen = BTreeSet::new();
    let topics = request.topics.iter();
    let twice = topics.filter(|topic| !seen.insert(topic.name.as_str())).map(|topic| topic.name.as_str());
    let twice = twice.collect::<BTreeSet<_>>();
    // A name that stands twice is answered once, as Kafka does.
    let mut answered = BTreeSet::new();
    let asked = request.topics.iter().filter(|topic| answered.insert(topic.name.as_str())).collect::<Vec<_>>();
    let keys = asked.iter().map(|topic| TopicKey::Name(topic.name.as_str().into())).collect::<Vec<_>>();
    let lookups = shared.topics(&keys).await;
    let mut left = REQUEST_PARTITIONS_MAX;
    let judged = asked.iter().zip(lookups).enumerate().map(|(position, (topic, lookup))| {
        if twice.contains(topic.name.as_str()) {
            return Err((ErrorCode::InvalidRequest, Some("Duplicate topic name.".to_owned())));
        }
        if position >= TOPICS_PER_REQUEST_MAX {
            let text = format!("a request may extend {TOPICS_PER_REQUEST_MAX} topics at most");
            return Err((ErrorCode::InvalidRequest, Some(text)));
        }
        let view = match lookup {
            Lookup::Found(view) => view,
            Lookup::Missing => return Err((ErrorCode::UnknownTopicOrPartition, None)),
            Lookup::Unconfirmed(error) => return Err((errors::of_catalog(&error), Some(error.to_string()))),
        };
        let count = judge(shared, &view, topic)?;
        left = left.checked_sub(count - view.partitions).ok_or_else(|| {
            let text = format!("a request may create {REQUEST_PARTITIONS_MAX} partitions at most");
            (ErrorCode::InvalidPartitions, Some(text))
        })?;
        mutations
            .take(count - view.partitions)
            .map_err(|TooMany| (ErrorCode::ThrottlingQuotaExceeded, Some(TOO_MANY.to_owned())))?;
        Ok((view, count))
    });
    let judged = judged.collect::<Vec<_>>();
    let validate_only = request.validate_only;
    let mut results = Vec::with_capacity(judged.len());
    for some in judged.chunks(LOOKUPS_AT_ONCE) {
        let creating = some.iter().map(|judged| async move {
            match judged {
                Ok((view, count)) if !validate_only => create(shared, view, *count).await,
                Ok(_) => Ok(()),
                Err(refusal) => Err(refusal.clone()),
            }
        });
        results.extend(join_all(creating.collect::<Vec<_>>()).await);
    }
    let result = |(topic, result): (&CreatePartitionsTopic, Result<(), Refusal>)| {
        let (code, text) = result.map_or_else(|refusal| refusal, |()| (ErrorCode::None, None));
        shared.meters.error(Api::CreatePartitions, code);
        message!(CreatePartitionsTopicResult {
            name: topic.name.clone(),
            error_code: code.code(),
            error_message: text.map(errors::text),
        })
    };
    message!(CreatePartitionsResponse { results: asked.into_iter().zip(results).map(result).collect() })
}

fn judge(shared: &Shared, view: &TopicView, asked: &CreatePartitionsTopic) -> Result<u32, Refusal> {
    let refused = |text: String| Err((ErrorCode::InvalidPartitions, Some(text)));
    let count = u32::try_from(asked.count).unwrap_or(0);
    if count <= view.partitions {
        return Err(not_more(&view.name, view.partitions, asked.count));
    }
    if count > TOPIC_PARTITIONS_MAX {
        return refused(format!("Number of partitions is {count}, allowed are 1 to {TOPIC_PARTITIONS_MAX}"));
    }
    if let Some(assignments) = &asked.assignments {
        check_assignments(shared, count - view.partitions, assignments)
            .map_err(|text| (ErrorCode::InvalidReplicaAssignment, Some(text)))?;
    }
    Ok(count)
}

fn not_more(name: &str, has: u32, asked: i32) -> Refusal {
    let text = if u32::try_from(asked) == Ok(has) {
        format!("Topic already has {has} partition(s).")
    } else {
        format!("The topic {name} currently has {has} partition(s); {asked} would not be an increase.")
    };
    (ErrorCode::InvalidPartitions, Some(text))
}

/// A manual assignment is accepted when it says what will be: every partition on this node.
fn check_assignments(shared: &Shared, more: u32, assignments: &[CreatePartitionsAssignment]) -> Result<(), String> {
    if assignments.len() != more as usize {
        let given = assignments.len();
        return Err(format!(
            "Attempted to add {more} additional partition(s), but only {given} assignment(s) were specified."
        ));
    }
    assignments.iter().try_for_each(|assignment| check_replicas(shared, &assignment.broker_ids))
}

/// Replicas of one partition: this node, once.
///
/// # Errors
/// A text for the client, in Kafka's words.
pub(crate) fn check_replicas(shared: &Shared, brokers: &[i32]) -> Result<(), String> {
    if brokers.is_empty() {
        return Err("The manual partition assignment includes an empty replica list.".to_owned());
    }
    if let Some(other) = brokers.iter().find(|broker| **broker != shared.options.broker_id()) {
        return Err(format!(
            "The manual partition assignment includes broker {other}, but no such broker is registered."
        ));
    }
    if brokers.len() > 1 {
        return Err(format!("The manual partition assignment includes the broker {} more than once.", brokers[0]));
    }
    Ok(())
}

async fn create(shared: &Shared, view: &TopicView, count: u32) -> Result<(), Refusal> {
    match shared.parts.catalog.propose(Command::CreatePartitions { topic: view.id, count }).await {
        Ok(Outcome::PartitionsCreated(Ok(()))) => {
            tracing::info!(topic = %view.name, id = %view.id, partitions = count, "partitions created");
            Ok(())
        }
        Ok(Outcome::PartitionsCreated(Err(error))) => Err(match error {
            AlterTopicError::UnknownTopic => (ErrorCode::UnknownTopicOrPartition, None),
            // Somebody else has been faster.
            AlterTopicError::NotMore(has) => not_more(&view.name, has, i32::try_from(count).unwrap_or(i32::MAX)),
            AlterTopicError::Changed | AlterTopicError::Invalid(_) => {
                (ErrorCode::InvalidPartitions, Some(error.to_string()))
            }
        }),
        Ok(other) => unreachable!("the catalog answers CreatePartitions with PartitionsCreated, not {other:?}"),
        Err(error) => Err((errors::of_catalog(&error), Some(error.to_string()))),
    }
}
