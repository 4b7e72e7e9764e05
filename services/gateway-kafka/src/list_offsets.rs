//! ListOffsets: where a partition begins and ends, and what was there at a time.

use std::collections::BTreeSet;

use futures::StreamExt;
use tidelog_kafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use tidelog_kafka_wire::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use tidelog_kafka_wire::messages::{ListOffsetsRequest, ListOffsetsResponse};
use tidelog_kafka_wire::{ErrorCode, RequestHeader, message};
use tidelog_model::{Offset, PartitionId, TimestampMs};

use crate::errors;
use crate::gateway::Shared;
use crate::options::LOOKUPS_AT_ONCE;
use crate::topics::{Lookup, TopicKey, partition_of};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;
/// Since which version the special times exist.
const MAX_TIMESTAMP_FROM_VERSION: i16 = 7;
const EARLIEST_LOCAL_FROM_VERSION: i16 = 8;
const LATEST_TIERED_FROM_VERSION: i16 = 9;
const EARLIEST_PENDING_UPLOAD_FROM_VERSION: i16 = 11;
/// Since which version answers have a leader epoch.
const LEADER_EPOCH_FROM_VERSION: i16 = 4;

/// An offset and the timestamp of its record; `None` when nothing is there.
type Found = Option<(Offset, Option<TimestampMs>)>;

/// Answers ListOffsets. A cancelled caller leaves nothing behind.
pub(crate) async fn answer(
    shared: &Shared,
    header: &RequestHeader,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let keys = request.topics.iter().map(|topic| TopicKey::Name(topic.name.as_str().into())).collect::<Vec<_>>();
    let lookups = shared.topics(&keys).await;
    let repeated = repeated(&request.topics);
    let mut told = BTreeSet::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for (topic, lookup) in request.topics.into_iter().zip(&lookups) {
        let answers = topic.partitions.into_iter().filter_map(|asked| {
            let key = || (topic.name.as_str().to_owned(), asked.partition_index);
            let is_repeated = !repeated.is_empty() && repeated.contains(&key());
            (!is_repeated || told.insert(key())).then(|| one(shared, header, lookup, asked, is_repeated))
        });
        let partitions = futures::stream::iter(answers).buffered(LOOKUPS_AT_ONCE).collect().await;
        topics.push(message!(ListOffsetsTopicResponse { name: topic.name, partitions: partitions }));
    }
    message!(ListOffsetsResponse { topics: topics })
}

/// Partitions that stand more than once. As in Kafka they are refused, once: each time costs a look-up, maybe in the store.
fn repeated(topics: &[ListOffsetsTopic]) -> BTreeSet<(String, i32)> {
    let mut seen = BTreeSet::new();
    let mut repeated = BTreeSet::new();
    for topic in topics {
        for partition in &topic.partitions {
            if !seen.insert((topic.name.as_str(), partition.partition_index)) {
                repeated.insert((topic.name.as_str().to_owned(), partition.partition_index));
            }
        }
    }
    repeated
}

async fn one(
    shared: &Shared,
    header: &RequestHeader,
    lookup: &Lookup,
    asked: ListOffsetsPartition,
    is_repeated: bool,
) -> ListOffsetsPartitionResponse {
    let result = match target(lookup, &asked) {
        _ if is_repeated => Err(ErrorCode::InvalidRequest),
        Ok(partition) => look_up(shared, header, partition, asked.timestamp).await,
        Err(code) => Err(code),
    };
    let index = asked.partition_index;
    match result {
        Ok(Some((offset, timestamp))) => message!(ListOffsetsPartitionResponse {
            partition_index: index,
            timestamp: timestamp.map_or(-1, |timestamp| timestamp.0),
            offset: offset.as_i64(),
            // Older versions have no such field, and may not set it.
            leader_epoch: if header.version >= LEADER_EPOCH_FROM_VERSION { 0 } else { -1 },
        }),
        Ok(None) => message!(ListOffsetsPartitionResponse { partition_index: index }),
        Err(code) => {
            shared.meters.error(header.api, code);
            message!(ListOffsetsPartitionResponse { partition_index: index, error_code: code.code() })
        }
    }
}

fn target(lookup: &Lookup, asked: &ListOffsetsPartition) -> Result<PartitionId, ErrorCode> {
    let topic = match lookup {
        Lookup::Found(topic) => topic,
        Lookup::Missing => return Err(ErrorCode::UnknownTopicOrPartition),
        Lookup::Unconfirmed(_) => return Err(ErrorCode::NotLeaderOrFollower),
    };
    let partition = partition_of(topic, asked.partition_index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    // The epoch is 0 for ever; a client that knows a later one means another topic of that name.
    if asked.current_leader_epoch > 0 { Err(ErrorCode::UnknownLeaderEpoch) } else { Ok(partition) }
}

async fn look_up(
    shared: &Shared,
    header: &RequestHeader,
    partition: PartitionId,
    timestamp: i64,
) -> Result<Found, ErrorCode> {
    let fetch = &shared.parts.fetch;
    let version = header.version;
    let with_time = |found: Option<(Offset, TimestampMs)>| found.map(|(offset, at)| (offset, Some(at)));
    let found = match timestamp {
        LATEST => fetch.bounds(partition).await.map(|view| Some((view.high_watermark, None))),
        EARLIEST => fetch.bounds(partition).await.map(|view| Some((view.log_start, None))),
        MAX_TIMESTAMP if version >= MAX_TIMESTAMP_FROM_VERSION => {
            fetch.offset_of_max_timestamp(partition).await.map(with_time)
        }
        // Nothing is kept on a local disk only, so this is the beginning, as it is in Kafka without tiered storage.
        EARLIEST_LOCAL if version >= EARLIEST_LOCAL_FROM_VERSION => {
            fetch.bounds(partition).await.map(|view| Some((view.log_start, None)))
        }
        // And nothing has been moved to a tier of Kafka's kind.
        LATEST_TIERED if version >= LATEST_TIERED_FROM_VERSION => fetch.bounds(partition).await.map(|_| None),
        // Nor waits anything to be.
        EARLIEST_PENDING_UPLOAD if version >= EARLIEST_PENDING_UPLOAD_FROM_VERSION => {
            fetch.bounds(partition).await.map(|_| None)
        }
        0.. => fetch.offset_for_time(partition, TimestampMs(timestamp)).await.map(with_time),
        _ => return Err(ErrorCode::UnsupportedVersion),
    };
    found.map_err(|error| errors::of_read(&error))
}
