//! OffsetForLeaderEpoch. The epoch is 0 for ever, so it ends at the tail and no reader ever finds that it diverged.

use futures::StreamExt;
use tidelog_kafka_wire::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use tidelog_kafka_wire::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use tidelog_kafka_wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use tidelog_kafka_wire::{Api, ErrorCode, message};

use crate::errors;
use crate::gateway::Shared;
use crate::options::LOOKUPS_AT_ONCE;
use crate::topics::{Lookup, TopicKey, partition_of};

/// Answers OffsetForLeaderEpoch. A cancelled caller leaves nothing behind.
pub(crate) async fn answer(shared: &Shared, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let keys = request.topics.iter().map(|topic| TopicKey::Name(topic.topic.as_str().into())).collect::<Vec<_>>();
    let lookups = shared.topics(&keys).await;
    let mut topics = Vec::with_capacity(request.topics.len());
    for (topic, lookup) in request.topics.into_iter().zip(&lookups) {
        let answers = topic.partitions.into_iter().map(|asked| one(shared, lookup, asked));
        let partitions = futures::stream::iter(answers).buffered(LOOKUPS_AT_ONCE).collect().await;
        topics.push(message!(OffsetForLeaderTopicResult { topic: topic.topic, partitions: partitions }));
    }
    message!(OffsetForLeaderEpochResponse { topics: topics })
}

async fn one(shared: &Shared, lookup: &Lookup, asked: OffsetForLeaderPartition) -> EpochEndOffset {
    match end(shared, lookup, &asked).await {
        Ok(Some(end)) => message!(EpochEndOffset { partition: asked.partition, leader_epoch: 0, end_offset: end }),
        // Kafka's "undefined", not an error.
        Ok(None) => message!(EpochEndOffset { partition: asked.partition }),
        Err(code) => {
            shared.meters.error(Api::OffsetForLeaderEpoch, code);
            message!(EpochEndOffset { partition: asked.partition, error_code: code.code() })
        }
    }
}

async fn end(shared: &Shared, lookup: &Lookup, asked: &OffsetForLeaderPartition) -> Result<Option<i64>, ErrorCode> {
    let topic = match lookup {
        Lookup::Found(topic) => topic,
        Lookup::Missing => return Err(ErrorCode::UnknownTopicOrPartition),
        Lookup::Unconfirmed(_) => return Err(ErrorCode::NotLeaderOrFollower),
    };
    let partition = partition_of(topic, asked.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if asked.current_leader_epoch > 0 {
        return Err(ErrorCode::UnknownLeaderEpoch);
    }
    if asked.leader_epoch != 0 {
        return Ok(None);
    }
    let view = shared.parts.fetch.bounds(partition).await.map_err(|error| errors::of_read(&error))?;
    Ok(Some(view.high_watermark.as_i64()))
}
