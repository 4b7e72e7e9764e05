//! DescribeProducers: the idempotent producers that partitions remember.

use std::collections::BTreeSet;

use tidelog_catalog_api::ProducerView;
use tidelog_kafka_wire::messages::describe_producers_request::TopicRequest;
use tidelog_kafka_wire::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use tidelog_kafka_wire::messages::{DescribeProducersRequest, DescribeProducersResponse};
use tidelog_kafka_wire::{EncodeFailed, ErrorCode, RequestHeader, message};

use crate::connection::Answer;
use crate::gateway::Shared;
use crate::topics::metadata::missing_code;
use crate::topics::{Lookup, TopicKey, partition_of};
use crate::{dispatch, errors};

/// Memory that a producer of an answer takes.
const PRODUCER_BYTES: usize = 128;
/// Producers in one answer. Partitions beyond it are refused each.
const PRODUCERS_MAX: usize = 200_000;

type Refusal = (ErrorCode, Option<String>);
/// A partition, and the producers in it.
type Found = (i32, Result<Vec<ProducerView>, Refusal>);

/// Answers DescribeProducers, in room that is made first. A partition that is named again is answered once.
pub(crate) async fn frame(
    shared: &Shared,
    header: &RequestHeader,
    request: DescribeProducersRequest,
    room: impl Send,
) -> Result<Answer, EncodeFailed> {
    let keys = request.topics.iter().map(|topic| TopicKey::Name(topic.name.as_str().into())).collect::<Vec<_>>();
    let lookups = shared.topics(&keys).await;
    let mut left = PRODUCERS_MAX;
    let mut seen = BTreeSet::new();
    let found = request.topics.iter().zip(keys.iter().zip(&lookups)).map(|(topic, (key, lookup))| {
        let name = topic.name.as_str();
        let once = topic.partition_indexes.iter().filter(|index| seen.insert((name, **index))).copied();
        once.map(|index| (index, look(shared, key, lookup, index, &mut left))).collect::<Vec<_>>()
    });
    let found = found.collect::<Vec<_>>();
    let share = shared.memory.answer((PRODUCERS_MAX - left) * PRODUCER_BYTES).await;
    drop(room);
    let topic = |(topic, found): (TopicRequest, Vec<Found>)| {
        let partitions = found.into_iter().map(|(index, result)| {
            let (code, text, producers) = match result {
                Ok(producers) => (ErrorCode::None, None, producers),
                Err((code, text)) => (code, text, Vec::new()),
            };
            shared.meters.error(header.api, code);
            message!(PartitionResponse {
                partition_index: index,
                error_code: code.code(),
                error_message: text.map(errors::text),
                active_producers: producers.iter().map(state).collect(),
            })
        });
        let partitions = partitions.collect();
        message!(TopicResponse { name: topic.name, partitions: partitions })
    };
    let topics = request.topics.into_iter().zip(found).map(topic).collect();
    dispatch::frame_in(header, message!(DescribeProducersResponse { topics: topics }), share)
}

fn look(
    shared: &Shared,
    key: &TopicKey,
    lookup: &Lookup,
    index: i32,
    left: &mut usize,
) -> Result<Vec<ProducerView>, Refusal> {
    let unknown = || (ErrorCode::UnknownTopicOrPartition, None);
    let topic = match lookup {
        Lookup::Found(topic) => topic,
        Lookup::Missing => return Err((missing_code(key), None)),
        Lookup::Unconfirmed(error) => return Err((errors::of_catalog(error), Some(error.to_string()))),
    };
    let partition = partition_of(topic, index).ok_or_else(unknown)?;
    let producers = shared.parts.catalog.producers(partition).ok_or_else(unknown)?;
    *left = left.checked_sub(producers.len()).ok_or_else(|| {
        let text = format!("more than {PRODUCERS_MAX} producers in one answer: ask for fewer partitions at once");
        (ErrorCode::InvalidRequest, Some(text))
    })?;
    Ok(producers)
}

/// When they wrote is not kept, and there are no transactions: what stands for nothing is the default.
fn state(producer: &ProducerView) -> ProducerState {
    message!(ProducerState {
        producer_id: producer.id.0,
        producer_epoch: i32::from(producer.epoch.0),
        last_sequence: producer.last_sequence,
        last_timestamp: -1,
        coordinator_epoch: -1,
        current_txn_start_offset: -1,
    })
}
