//! Produce: records get their place in the order, then their offsets, then an answer.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tidelog_catalog_api::TopicView;
use tidelog_fetch::Read;
use tidelog_ingest::{AdmitError, AdmitRules, Append, AppendError, Appended, CheckedBatch, Reservation, admit};
use tidelog_kafka_wire::messages::ProduceRequest;
use tidelog_kafka_wire::messages::ProduceResponse;
use tidelog_kafka_wire::messages::produce_request::PartitionProduceData;
use tidelog_kafka_wire::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use tidelog_kafka_wire::{ErrorCode, RequestHeader, StrBytes, Uuid, encode_response, message};
use tidelog_model::{BatchHeader, Codec, HEADER_BYTES, PartitionId, TimestampMs, TimestampType, TopicId};
use tokio::time::Instant;

use crate::configs::topic_configs;
use crate::connection::{Answer, Answering};
use crate::errors;
use crate::gateway::Shared;
use crate::memory::Room;
use crate::options::{PRODUCE_TIMEOUT_MAX, PRODUCE_TIMEOUT_MIN};
use crate::topics::{Lookup, TopicKey, partition_of};

/// Zstandard came with this version (KIP-110); a client that speaks an older one cannot have meant it.
const ZSTD_FROM_VERSION: i16 = 7;
/// Records that are named one by one as refused, in one answer.
const RECORD_ERRORS_MAX: usize = 1_000;

struct Pending {
    index: i32,
    outcome: Outcome,
}

enum Outcome {
    Appending(BoxFuture<'static, Result<Appended, AppendError>>),
    Refused(Refusal),
}

/// Why nothing of a partition's records was taken.
struct Refusal {
    code: ErrorCode,
    text: Option<String>,
    /// Which records are to blame, where that is known, and why each.
    records: Vec<(u32, String)>,
}

impl From<(ErrorCode, Option<String>)> for Refusal {
    fn from((code, text): (ErrorCode, Option<String>)) -> Refusal {
        Refusal { code, text, records: Vec::new() }
    }
}

struct PendingTopic {
    name: StrBytes,
    id: Uuid,
    partitions: Vec<Pending>,
}

/// Checks the records and hands them to the write path; when this returns they have their place in the order. Waits only
/// when a topic is not known here. A cancelled caller leaves appended what was handed over.
pub(crate) async fn begin(
    shared: &Arc<Shared>,
    connection: u64,
    header: RequestHeader,
    request: ProduceRequest,
    room: Room,
) -> Answering {
    let acks = request.acks;
    let refusal = refuse_whole(&request);
    let deadline = deadline(shared, request.timeout_ms);
    let keys = request.topic_data.iter().map(|topic| key(&header, &topic.name, topic.topic_id)).collect::<Vec<_>>();
    let lookups = shared.topics(&keys).await;
    let now = shared.parts.clock.wall();
    let mut record_errors_left = RECORD_ERRORS_MAX;
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for (topic, lookup) in request.topic_data.into_iter().zip(lookups) {
        let found = found(&header, &lookup);
        let partitions = topic.partition_data.into_iter().map(|data| {
            let index = data.index;
            let outcome = match refusal {
                Some(code) => Outcome::Refused((code, None).into()),
                None => match check(&header, &found, data, now) {
                    Ok(Checked { partition, batches, grown_bytes }) => {
                        match hold(shared, room.records.clone(), grown_bytes) {
                            Ok(held) => {
                                let stamped = batches.iter().any(|batch| batch.log_append_time().is_some());
                                let (source, unattended) = (connection, acks == 0);
                                let append =
                                    Append { partition, batches, source, deadline, unattended, held, conditions: None };
                                let appending = shared.parts.ingest.append(append);
                                Outcome::Appending(match stamped {
                                    true => first_time(shared.clone(), partition, appending).boxed(),
                                    false => appending,
                                })
                            }
                            Err(refusal) => Outcome::Refused(refusal),
                        }
                    }
                    Err(mut refusal) => {
                        refusal.records.truncate(record_errors_left);
                        record_errors_left -= refusal.records.len();
                        Outcome::Refused(refusal)
                    }
                },
            };
            Pending { index, outcome }
        });
        let partitions = partitions.collect();
        topics.push(PendingTopic { name: topic.name, id: topic.topic_id, partitions });
    }
    let shared = shared.clone();
    async move {
        let (response, failed) = finish(&shared, &header, topics).await;
        let Room { share, records } = room;
        // What is still in the write path holds it as well.
        drop(records);
        match (acks, failed) {
            (0, false) => Ok(Answer::None),
            (0, true) => Ok(Answer::Close),
            _ => Ok(Answer::Frame(vec![encode_response(&header, &response)?], Some(share))),
        }
    }
    .boxed()
}

/// What consumers see of a batch that had been appended before is its first append time, so that is what its producer is
/// told: it stands in the log, where it was written a moment ago as a rule. If it cannot be read now, no time is told.
async fn first_time(
    shared: Arc<Shared>,
    partition: PartitionId,
    appending: BoxFuture<'static, Result<Appended, AppendError>>,
) -> Result<Appended, AppendError> {
    let mut appended = appending.await?;
    if appended.is_duplicate {
        let first = Read { partition, offset: appended.base_offset, bytes_max: 0, at_least_one: true };
        let found = shared.parts.fetch.read(first).await.ok();
        let begin = found.map(|found| found.chunks.iter().flatten().copied().take(HEADER_BYTES).collect::<Vec<u8>>());
        let header = begin.as_deref().and_then(<[u8]>::first_chunk).and_then(|begin| BatchHeader::parse(begin).ok());
        let stamped = header.filter(|header| header.timestamp_type() == TimestampType::LogAppendTime);
        appended.log_append_time = stamped.map(|header| header.max_timestamp);
    }
    Ok(appended)
}

fn refuse_whole(request: &ProduceRequest) -> Option<ErrorCode> {
    if !matches!(request.acks, -1..=1) {
        return Some(ErrorCode::InvalidRequiredAcks);
    }
    // Fatal to the producers of Java and of librdkafka, so neither retries.
    request.transactional_id.is_some().then_some(ErrorCode::TransactionalIdAuthorizationFailed)
}

fn deadline(shared: &Shared, timeout_ms: i32) -> Instant {
    let asked = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    shared.parts.clock.now() + asked.clamp(PRODUCE_TIMEOUT_MIN, PRODUCE_TIMEOUT_MAX)
}

fn key(header: &RequestHeader, name: &StrBytes, id: Uuid) -> TopicKey {
    if header.version >= 13 { TopicKey::Id(TopicId(id.to_bytes())) } else { TopicKey::Name(name.as_str().into()) }
}

/// Records that may be appended.
struct Checked {
    partition: PartitionId,
    batches: Vec<CheckedBatch>,
    /// What they have more than was sent.
    grown_bytes: usize,
}

/// A topic and what it asks of records, read from its settings once for all its partitions.
type Found<'a> = Result<(&'a TopicView, AdmitRules), (ErrorCode, Option<String>)>;

fn found<'a>(header: &RequestHeader, lookup: &'a Lookup) -> Found<'a> {
    match lookup {
        Lookup::Found(topic) => Ok((topic, topic_configs::admit_rules(topic))),
        Lookup::Missing if header.version >= 13 => Err((ErrorCode::UnknownTopicId, None)),
        Lookup::Missing => Err((ErrorCode::UnknownTopicOrPartition, None)),
        // Not "unknown", which is not known; nothing was appended, and the client tries again.
        Lookup::Unconfirmed(error) => Err((ErrorCode::NotEnoughReplicas, Some(error.to_string()))),
    }
}

fn check(
    header: &RequestHeader,
    found: &Found<'_>,
    data: PartitionProduceData,
    now: TimestampMs,
) -> Result<Checked, Refusal> {
    let (topic, rules) = found.as_ref().map_err(Clone::clone)?;
    let partition = partition_of(topic, data.index).ok_or((ErrorCode::UnknownTopicOrPartition, None))?;
    let records = data.records.unwrap_or_default();
    let sent_bytes = records.len();
    let batches = admit(records, rules, now).map_err(|error| refused(&error))?;
    let zstd = |batch: &CheckedBatch| batch.sent_codec == Codec::Zstd;
    if header.version < ZSTD_FROM_VERSION && batches.iter().any(zstd) {
        return Err((ErrorCode::UnsupportedCompressionType, None).into());
    }
    let stored_bytes = batches.iter().map(|batch| batch.bytes.len()).sum::<usize>();
    Ok(Checked { partition, batches, grown_bytes: stored_bytes.saturating_sub(sent_bytes) })
}

/// The share of the memory for records in flight that an append keeps: the request's, and what its records have grown by.
fn hold(
    shared: &Shared,
    room: Option<Arc<Reservation>>,
    grown_bytes: usize,
) -> Result<Option<Arc<Reservation>>, Refusal> {
    if grown_bytes == 0 {
        return Ok(room);
    }
    // Nothing was appended, and the client tries again.
    let text = "the records have grown in the topic's compression.type, and there is no room for that now";
    let refusal = |_| (ErrorCode::NotEnoughReplicas, Some(text.to_owned())).into();
    shared.parts.ingest.reserve_more(room, grown_bytes).map_err(refusal)
}

fn refused(error: &AdmitError) -> Refusal {
    let mut refusal = Refusal::from((errors::of_admit(error), Some(error.to_string())));
    match error {
        AdmitError::Timestamps(timestamps) => {
            let (earliest, latest) = (timestamps.range.start(), timestamps.range.end());
            let text = |timestamp| format!("timestamp {timestamp} is not within {earliest} to {latest}");
            refusal.records = timestamps.records.iter().map(|(index, timestamp)| (*index, text(timestamp.0))).collect();
        }
        AdmitError::WithoutKey { records } => {
            let text = || "a compacted topic needs records with a key".to_owned();
            refusal.records = records.iter().map(|index| (*index, text())).collect();
        }
        _ => {}
    }
    refusal
}

/// Waits for all outcomes. The second result says whether any of them is an error.
async fn finish(shared: &Shared, header: &RequestHeader, topics: Vec<PendingTopic>) -> (ProduceResponse, bool) {
    let mut failed = false;
    let mut responses = Vec::with_capacity(topics.len());
    for topic in topics {
        let mut partition_responses = Vec::with_capacity(topic.partitions.len());
        for Pending { index, outcome } in topic.partitions {
            let outcome = match outcome {
                Outcome::Appending(appending) => {
                    appending.await.map_err(|error| (append_code(header, &error), Some(error.to_string())).into())
                }
                Outcome::Refused(refusal) => Err(refusal),
            };
            partition_responses.push(match outcome {
                Ok(appended) => message!(PartitionProduceResponse {
                    index: index,
                    base_offset: appended.base_offset.as_i64(),
                    log_append_time_ms: appended.log_append_time.map_or(-1, |at| at.0),
                    log_start_offset: appended.log_start.as_i64(),
                }),
                Err(Refusal { code, text, records }) => {
                    failed = true;
                    shared.meters.error(header.api, code);
                    message!(PartitionProduceResponse {
                        index: index,
                        error_code: code.code(),
                        base_offset: -1,
                        record_errors: records.into_iter().map(record_error).collect(),
                        error_message: text.map(errors::text),
                    })
                }
            });
        }
        let response = message!(TopicProduceResponse {
            name: topic.name,
            topic_id: topic.id,
            partition_responses: partition_responses,
        });
        responses.push(response);
    }
    (message!(ProduceResponse { responses: responses }), failed)
}

fn record_error((index, text): (u32, String)) -> BatchIndexAndErrorMessage {
    message!(BatchIndexAndErrorMessage {
        batch_index: i32::try_from(index).expect("a batch has far fewer records"),
        batch_index_error_message: Some(errors::text(text)),
    })
}

/// From version 13 on topics are named by id, and the error says so.
fn append_code(header: &RequestHeader, error: &AppendError) -> ErrorCode {
    match errors::of_append(error) {
        ErrorCode::UnknownTopicOrPartition if header.version >= 13 => ErrorCode::UnknownTopicId,
        code => code,
    }
}
