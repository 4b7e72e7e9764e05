//! DescribeTopicPartitions: topics with their partitions, a page at a time (KIP-966).

use std::collections::BTreeSet;

use tidelog_catalog_api::TopicView;
use tidelog_kafka_wire::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use tidelog_kafka_wire::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use tidelog_kafka_wire::{Api, ErrorCode, StrBytes, Uuid, message};
use tidelog_model::check_topic_name;

use crate::cluster::TOPIC_OPERATIONS;
use crate::errors;
use crate::gateway::Shared;
use crate::options::TOPIC_PARTITIONS_PER_ANSWER_MAX;
use crate::topics::{Lookup, TopicKey};

/// Answers DescribeTopicPartitions: topics by name, each once, from the cursor on.
pub(crate) async fn answer(
    shared: &Shared,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let (from_topic, from_partition) = match &request.cursor {
        None => (String::new(), 0),
        Some(cursor) => match u32::try_from(cursor.partition_index) {
            Ok(index) => (cursor.topic_name.as_str().to_owned(), index),
            Err(_) => return refused(shared, &request),
        },
    };
    let names = request.topics.iter().map(|topic| topic.name.as_str().to_owned()).collect::<BTreeSet<_>>();
    let topics = if names.is_empty() {
        // A list says "there are no others", so it must not be stale; as in Metadata.
        if let Err(error) = shared.parts.catalog.read_barrier().await {
            tracing::warn!(%error, "topics are listed as they are known here");
        }
        let all = shared.parts.catalog.topics(shared.options.tenant).into_iter();
        all.map(|topic| (topic.name.as_ref().to_owned(), Lookup::Found(topic))).collect::<Vec<_>>()
    } else {
        let keys = names.iter().map(|name| TopicKey::Name(name.as_str().into())).collect::<Vec<_>>();
        let lookups = shared.topics(&keys).await;
        names.into_iter().zip(lookups).collect()
    };
    let asked = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let left = asked.clamp(1, TOPIC_PARTITIONS_PER_ANSWER_MAX);
    let topics = topics.into_iter().filter(|(name, _)| *name >= from_topic);
    page(shared, topics, (&from_topic, from_partition), left)
}

fn page(
    shared: &Shared,
    topics: impl Iterator<Item = (String, Lookup)>,
    from: (&str, u32),
    mut left: usize,
) -> DescribeTopicPartitionsResponse {
    let mut described = Vec::new();
    let mut next = None;
    for (name, lookup) in topics {
        if left == 0 {
            next = Some((name, 0));
            break;
        }
        let code = match lookup {
            Lookup::Found(view) => {
                let first = if name == from.0 { from.1 } else { 0 };
                let there = view.partitions.saturating_sub(first) as usize;
                let count = there.min(left);
                described.push(whole(shared, &view, first, count));
                left -= count;
                if count < there {
                    let index = first as usize + count;
                    next = Some((name, i32::try_from(index).expect("a topic has at most 100,000 partitions")));
                    break;
                }
                continue;
            }
            Lookup::Missing => match check_topic_name(&name) {
                Ok(()) => ErrorCode::UnknownTopicOrPartition,
                Err(error) => errors::of_topic_name(&error),
            },
            // Retriable, and says nothing about whether it exists.
            Lookup::Unconfirmed(_) => ErrorCode::LeaderNotAvailable,
        };
        described.push(absent(shared, name.into(), code));
    }
    let cursor = |(name, index): (String, i32)| message!(Cursor { topic_name: name.into(), partition_index: index });
    message!(DescribeTopicPartitionsResponse { topics: described, next_cursor: next.map(cursor) })
}

fn whole(shared: &Shared, topic: &TopicView, first: u32, count: usize) -> DescribeTopicPartitionsResponseTopic {
    let node = shared.options.broker_id();
    let partition = |index: u32| {
        message!(DescribeTopicPartitionsResponsePartition {
            partition_index: i32::try_from(index).expect("a topic has at most 100,000 partitions"),
            leader_id: node,
            leader_epoch: 0,
            replica_nodes: vec![node],
            isr_nodes: vec![node],
            eligible_leader_replicas: Some(Vec::new()),
            last_known_elr: Some(Vec::new()),
        })
    };
    message!(DescribeTopicPartitionsResponseTopic {
        name: Some(topic.name.as_ref().into()),
        topic_id: Uuid::from_bytes(topic.id.0),
        partitions: (first..topic.partitions).take(count).map(partition).collect(),
        topic_authorized_operations: TOPIC_OPERATIONS,
    })
}

fn absent(shared: &Shared, name: StrBytes, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    shared.meters.error(Api::DescribeTopicPartitions, code);
    message!(DescribeTopicPartitionsResponseTopic {
        error_code: code.code(),
        name: Some(name),
        topic_authorized_operations: TOPIC_OPERATIONS,
    })
}

/// There is no other place for what is wrong with the cursor.
fn refused(shared: &Shared, request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let topics = request.topics.iter().map(|topic| absent(shared, topic.name.clone(), ErrorCode::InvalidRequest));
    message!(DescribeTopicPartitionsResponse { topics: topics.collect() })
}
