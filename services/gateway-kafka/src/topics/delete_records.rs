//! DeleteRecords: partitions begin later, each by itself.

use tidelog_catalog_api::{Command, Outcome, RecordsDeletion};
use tidelog_kafka_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use tidelog_kafka_wire::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use tidelog_kafka_wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use tidelog_kafka_wire::{Api, ErrorCode, message};
use tidelog_model::Offset;

use crate::configs::topic_configs;
use crate::errors;
use crate::gateway::Shared;
use crate::topics::{Lookup, TopicKey, partition_of};

/// What stands for the high watermark.
const EVERYTHING: i64 = -1;
/// What stands for no low watermark.
const NO_WATERMARK: i64 = -1;

/// Answers DeleteRecords. A cancelled caller may leave records deleted.
pub(crate) async fn answer(shared: &Shared, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let keys = request.topics.iter().map(|topic| TopicKey::Name(topic.name.as_str().into())).collect::<Vec<_>>();
    let lookups = shared.topics(&keys).await;
    let judged = request
        .topics
        .iter()
        .zip(&lookups)
        .map(|(topic, lookup)| topic.partitions.iter().map(|asked| judge(lookup, asked)).collect::<Vec<_>>());
    let judged = judged.collect::<Vec<_>>();
    let good = judged.iter().flatten().filter_map(|it| it.ok()).collect::<Vec<_>>();
    let mut outcomes = delete(shared, good).await.into_iter();
    let topic = |(topic, judged): (DeleteRecordsTopic, Vec<Result<RecordsDeletion, ErrorCode>>)| {
        let partitions = topic.partitions.iter().zip(judged).map(|(asked, judged)| {
            let result = judged.and_then(|_| outcomes.next().expect("one for each that was proposed"));
            let (code, low_watermark) = match result {
                Ok(start) => (ErrorCode::None, start.as_i64()),
                Err(code) => (code, NO_WATERMARK),
            };
            shared.meters.error(Api::DeleteRecords, code);
            message!(DeleteRecordsPartitionResult {
                partition_index: asked.partition_index,
                low_watermark: low_watermark,
                error_code: code.code(),
            })
        });
        let partitions = partitions.collect();
        message!(DeleteRecordsTopicResult { name: topic.name, partitions: partitions })
    };
    message!(DeleteRecordsResponse { topics: request.topics.into_iter().zip(judged).map(topic).collect() })
}

fn judge(lookup: &Lookup, asked: &DeleteRecordsPartition) -> Result<RecordsDeletion, ErrorCode> {
    let topic = match lookup {
        Lookup::Found(topic) => topic,
        Lookup::Missing => return Err(ErrorCode::UnknownTopicOrPartition),
        Lookup::Unconfirmed(error) => return Err(errors::of_catalog(error)),
    };
    let partition = partition_of(topic, asked.partition_index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if topic_configs::is_compacted_only(topic) {
        return Err(ErrorCode::PolicyViolation);
    }
    let before = match asked.offset {
        EVERYTHING => None,
        offset => Some(Offset(u64::try_from(offset).map_err(|_| ErrorCode::OffsetOutOfRange)?)),
    };
    Ok(RecordsDeletion { partition, before })
}

async fn delete(shared: &Shared, partitions: Vec<RecordsDeletion>) -> Vec<Result<Offset, ErrorCode>> {
    let count = partitions.len();
    if count == 0 {
        return Vec::new();
    }
    match shared.parts.catalog.propose(Command::DeleteRecords { partitions }).await {
        Ok(Outcome::RecordsDeleted(results)) => {
            assert_eq!(results.len(), count, "the catalog answers each partition");
            tracing::info!(
                partitions = count,
                refused = results.iter().filter(|it| it.is_err()).count(),
                "records deleted"
            );
            results.into_iter().map(|result| result.map_err(errors::of_delete_records)).collect()
        }
        Ok(other) => unreachable!("the catalog answers DeleteRecords with RecordsDeleted, not {other:?}"),
        Err(error) => vec![Err(errors::of_catalog(&error)); count],
    }
}
