//! DescribeLogDirs: how large partitions are. All of them lie in the one store, which is shown as one directory.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidelog_catalog_api::TopicView;
use tidelog_kafka_wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use tidelog_kafka_wire::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use tidelog_kafka_wire::{EncodeFailed, ErrorCode, RequestHeader, message};
use tidelog_model::PartitionId;

use crate::connection::Answer;
use crate::gateway::Shared;
use crate::topics::{Lookup, TopicKey, partition_of};
use crate::{dispatch, errors};

/// The name under which the store is shown.
const DIRECTORY: &str = "/object-store";
/// Memory that a partition of an answer takes.
const PARTITION_BYTES: usize = 96;
/// Partitions in one answer; who asks for more is told to ask for fewer topics.
const PARTITIONS_MAX: usize = 500_000;
/// Partitions that are measured before others get their turn.
const PARTITIONS_PER_TURN: usize = 1_000;

/// Answers DescribeLogDirs, in room that is made first. Partitions that do not exist are left out, as by Kafka.
pub(crate) async fn frame(
    shared: &Shared,
    header: &RequestHeader,
    request: DescribeLogDirsRequest,
    room: impl Send,
) -> Result<Answer, EncodeFailed> {
    let mut asked = asked(shared, request).await;
    let partitions = |asked: &Asked| asked.iter().map(|(_, partitions)| partitions.len()).sum::<usize>();
    let mut code = asked.as_ref().err().copied().unwrap_or(ErrorCode::None);
    if asked.as_ref().is_ok_and(|asked| partitions(asked) > PARTITIONS_MAX) {
        code = ErrorCode::InvalidRequest;
        asked = Err(code);
    }
    let asked = asked.unwrap_or_default();
    let share = shared.memory.answer(partitions(&asked) * PARTITION_BYTES).await;
    drop(room);
    let mut topics = Vec::with_capacity(asked.len());
    let mut measured = 0;
    for (topic, partitions) in asked {
        let mut results = Vec::with_capacity(partitions.len());
        for partition in partitions {
            measured += 1;
            if measured % PARTITIONS_PER_TURN == 0 {
                tokio::task::yield_now().await;
            }
            // Gone since it was looked up: as if it had not been there.
            let Some(bytes) = shared.parts.catalog.partition_bytes(partition) else { continue };
            results.push(message!(DescribeLogDirsPartition {
                partition_index: i32::try_from(partition.index).expect("a topic has at most 100,000 partitions"),
                partition_size: i64::try_from(bytes).unwrap_or(i64::MAX),
            }));
        }
        if !results.is_empty() {
            topics.push(message!(DescribeLogDirsTopic { name: topic.name.as_ref().into(), partitions: results }));
        }
    }
    shared.meters.error(header.api, code);
    // How large the store is, and how much of it is free, nobody can say: their defaults stand for that.
    let directory =
        message!(DescribeLogDirsResult { error_code: code.code(), log_dir: DIRECTORY.into(), topics: topics });
    let response = message!(DescribeLogDirsResponse { error_code: code.code(), results: vec![directory] });
    dispatch::frame_in(header, response, share)
}

type Asked = Vec<(Arc<TopicView>, BTreeSet<PartitionId>)>;

/// The partitions asked for that exist, each once.
async fn asked(shared: &Shared, request: DescribeLogDirsRequest) -> Result<Asked, ErrorCode> {
    let Some(topics) = request.topics else {
        shared.parts.catalog.read_barrier().await.map_err(|error| errors::of_catalog(&error))?;
        let all = shared.parts.catalog.topics(shared.options.tenant).into_iter();
        let partitions =
            |topic: &TopicView| (0..topic.partitions).map(|index| PartitionId { topic: topic.id, index }).collect();
        return Ok(all.map(|topic| (topic.clone(), partitions(&topic))).collect());
    };
    let keys = topics.iter().map(|topic| TopicKey::Name(topic.topic.as_str().into())).collect::<Vec<_>>();
    let mut asked: Asked = Vec::new();
    let mut seen = BTreeSet::new();
    for (topic, lookup) in topics.iter().zip(shared.topics(&keys).await) {
        let view = match lookup {
            Lookup::Found(view) => view,
            Lookup::Missing => continue,
            Lookup::Unconfirmed(error) => return Err(errors::of_catalog(&error)),
        };
        let known = topic.partitions.iter().filter_map(|index| partition_of(&view, *index));
        let partitions = known.filter(|partition| seen.insert(*partition)).collect();
        asked.push((view, partitions));
    }
    Ok(asked)
}
