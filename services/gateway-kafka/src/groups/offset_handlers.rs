//! OffsetCommit and OffsetFetch: from the wire to the coordinator and back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use tidelog_catalog_api::{CatalogError, GroupOffset, OffsetRefused, TopicView};
use tidelog_groups::CommitError;
use tidelog_groups::messages::{CommitRequest, GroupKey};
use tidelog_kafka_wire::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, offset_commit_request,
    offset_commit_response, offset_fetch_request, offset_fetch_response,
};
use tidelog_kafka_wire::{ErrorCode, RequestHeader, StrBytes, message};
use tidelog_model::limits::OFFSET_METADATA_BYTES_MAX;
use tidelog_model::{Offset, PartitionId, TopicId};

use super::handlers::{Context, claim, code_of};
use super::named_topics::{Found, Naming, partition};
use crate::errors;

/// From this version on OffsetCommit names topics by id (KIP-848).
const COMMIT_BY_ID_FROM: i16 = 10;
/// From this version on OffsetFetch does.
const FETCH_BY_ID_FROM: i16 = 10;
/// From this version on OffsetFetch has an error for all partitions.
const FETCH_ERROR_FROM: i16 = 2;
/// From this version on OffsetFetch asks for several groups (KIP-709).
const FETCH_GROUPS_FROM: i16 = 8;
/// Groups of one OffsetFetch that are looked up at once.
const GROUPS_AT_ONCE: usize = 16;
/// What Kafka writes for "no offset".
const NO_OFFSET: i64 = -1;

/// Commits offsets; they are durable when they are answered.
pub(crate) async fn offset_commit(
    context: &Context<'_>,
    header: &RequestHeader,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let by_id = header.version >= COMMIT_BY_ID_FROM;
    let names: Vec<Naming> =
        request.topics.iter().map(|topic| Naming::of(by_id, &topic.name, topic.topic_id)).collect();
    let topics = context.topics(names.iter()).await;
    let mut offsets = Vec::new();
    let mut answers: Vec<(Naming, Vec<(i32, ErrorCode)>)> = Vec::with_capacity(request.topics.len());
    for ((asked, naming), topic) in request.topics.into_iter().zip(names).zip(topics) {
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in asked.partitions {
            let index = partition.partition_index;
            match check_offset(&naming, &topic, partition) {
                Ok(offset) => {
                    offsets.push(offset);
                    partitions.push((index, ErrorCode::None));
                }
                Err(code) => partitions.push((index, code)),
            }
        }
        answers.push((naming, partitions));
    }
    let claim = claim(&request.member_id, request.group_instance_id.as_ref(), request.generation_id_or_member_epoch);
    let key = context.key(&request.group_id);
    let accepted = answers.iter_mut().flat_map(|(_, partitions)| partitions);
    let accepted = accepted.filter(|(_, code)| *code == ErrorCode::None);
    if !offsets.is_empty() {
        match context.coordinator.commit_offsets(CommitRequest { key, claim, offsets }).await {
            Ok(results) => accepted.zip(results).for_each(|((_, code), result)| {
                *code = match result {
                    Ok(()) => ErrorCode::None,
                    // It was there a moment ago, so its topic is deleted.
                    Err(OffsetRefused::UnknownPartition) if by_id => ErrorCode::UnknownTopicId,
                    Err(refused) => errors::of_offset(refused),
                };
            }),
            Err(error) => accepted.for_each(|(_, code)| *code = code_of_commit(&error)),
        }
    }
    commit_response(answers)
}

/// What can be said about one offset before the group is asked.
fn check_offset(
    naming: &Naming,
    topic: &Found,
    stated: offset_commit_request::OffsetCommitRequestPartition,
) -> Result<GroupOffset, ErrorCode> {
    let topic = match topic {
        Ok(Some(topic)) => topic,
        Ok(None) => return Err(naming.unknown()),
        // Whether the topic exists could not be found out. To commit again is always right.
        Err(_) => return Err(ErrorCode::CoordinatorNotAvailable),
    };
    let partition = partition(topic, stated.partition_index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let metadata = stated.committed_metadata.unwrap_or_default();
    if metadata.len() > OFFSET_METADATA_BYTES_MAX {
        return Err(ErrorCode::OffsetMetadataTooLarge);
    }
    let offset = u64::try_from(stated.committed_offset).map_err(|_| ErrorCode::InvalidRequest)?;
    Ok(GroupOffset {
        partition,
        offset: Offset(offset),
        leader_epoch: stated.committed_leader_epoch,
        metadata: metadata.as_str().to_owned(),
    })
}

fn commit_response(answers: Vec<(Naming, Vec<(i32, ErrorCode)>)>) -> OffsetCommitResponse {
    let partition = |(index, code): (i32, ErrorCode)| {
        message!(offset_commit_response::OffsetCommitResponsePartition {
            partition_index: index,
            error_code: code.code(),
        })
    };
    let topic = |(naming, partitions): (Naming, Vec<(i32, ErrorCode)>)| {
        message!(offset_commit_response::OffsetCommitResponseTopic {
            name: naming.name(),
            topic_id: naming.id(),
            partitions: partitions.into_iter().map(partition).collect(),
        })
    };
    message!(OffsetCommitResponse { topics: answers.into_iter().map(topic).collect() })
}

/// Says how far groups have read.
pub(crate) async fn offset_fetch(
    context: &Context<'_>,
    header: &RequestHeader,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    if header.version >= FETCH_GROUPS_FROM {
        let by_id = header.version >= FETCH_BY_ID_FROM;
        return message!(OffsetFetchResponse { groups: fetch_groups(context, request.groups, by_id).await });
    }
    let asked = request.topics.map(|topics| {
        (topics.into_iter())
            .map(|topic| Asked { naming: Naming::Name(topic.name), partitions: topic.partition_indexes })
            .collect()
    });
    let (code, topics) = match fetch_group(context, &request.group_id, asked.clone(), false).await {
        Ok(topics) => (ErrorCode::None, topics),
        // There is no other place for the error.
        Err(code) if header.version < FETCH_ERROR_FROM => (code, nothing(asked.unwrap_or_default())),
        Err(code) => (code, Vec::new()),
    };
    let partition = |answer: Answered| {
        message!(offset_fetch_response::OffsetFetchResponsePartition {
            partition_index: answer.index,
            committed_offset: answer.offset,
            committed_leader_epoch: answer.leader_epoch,
            metadata: Some(answer.metadata.into()),
            error_code: if header.version < FETCH_ERROR_FROM { code.code() } else { ErrorCode::None.code() },
        })
    };
    let topic = |(naming, partitions): (Naming, Vec<Answered>)| {
        message!(offset_fetch_response::OffsetFetchResponseTopic {
            name: naming.name(),
            partitions: partitions.into_iter().map(partition).collect(),
        })
    };
    message!(OffsetFetchResponse {
        topics: topics.into_iter().map(topic).collect(),
        error_code: if header.version < FETCH_ERROR_FROM { ErrorCode::None.code() } else { code.code() },
    })
}

async fn fetch_groups(
    context: &Context<'_>,
    groups: Vec<offset_fetch_request::OffsetFetchRequestGroup>,
    by_id: bool,
) -> Vec<offset_fetch_response::OffsetFetchResponseGroup> {
    let mut seen = BTreeSet::new();
    let answering = groups.into_iter().map(|group| {
        // One group asked for a thousand times would be answered with a thousand times its offsets.
        let repeated = !seen.insert(group.group_id.as_str().to_owned());
        async move {
            let asked = group.topics.map(|topics| {
                (topics.into_iter())
                    .map(|topic| Asked {
                        naming: Naming::of(by_id, &topic.name, topic.topic_id),
                        partitions: topic.partition_indexes,
                    })
                    .collect()
            });
            let answer = if repeated {
                Err(ErrorCode::InvalidRequest)
            } else {
                fetch_group(context, &group.group_id, asked, by_id).await
            };
            group_response(group.group_id, answer)
        }
    });
    let answering: Vec<_> = answering.collect();
    futures::stream::iter(answering).buffered(GROUPS_AT_ONCE).collect().await
}

fn group_response(
    group_id: StrBytes,
    answer: Result<Vec<(Naming, Vec<Answered>)>, ErrorCode>,
) -> offset_fetch_response::OffsetFetchResponseGroup {
    let topics = match answer {
        Ok(topics) => topics,
        Err(code) => {
            return message!(offset_fetch_response::OffsetFetchResponseGroup {
                group_id: group_id,
                error_code: code.code(),
            });
        }
    };
    let partition = |answer: Answered| {
        message!(offset_fetch_response::OffsetFetchResponsePartitions {
            partition_index: answer.index,
            committed_offset: answer.offset,
            committed_leader_epoch: answer.leader_epoch,
            metadata: Some(answer.metadata.into()),
            error_code: answer.code.code(),
        })
    };
    let topic = |(naming, partitions): (Naming, Vec<Answered>)| {
        message!(offset_fetch_response::OffsetFetchResponseTopics {
            name: naming.name(),
            topic_id: naming.id(),
            partitions: partitions.into_iter().map(partition).collect(),
        })
    };
    message!(offset_fetch_response::OffsetFetchResponseGroup {
        group_id: group_id,
        topics: topics.into_iter().map(topic).collect(),
    })
}

/// Partitions of one topic that a client asks about.
#[derive(Clone)]
struct Asked {
    naming: Naming,
    partitions: Vec<i32>,
}

/// How far a group has read one partition.
struct Answered {
    index: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: String,
    code: ErrorCode,
}

impl Answered {
    /// The group has committed nothing; also said of what does not exist, as Kafka does.
    fn none(index: i32) -> Answered {
        Answered { index, offset: NO_OFFSET, leader_epoch: -1, metadata: String::new(), code: ErrorCode::None }
    }

    /// There is no topic of the id that was asked for.
    fn unknown_topic(index: i32) -> Answered {
        Answered { code: ErrorCode::UnknownTopicId, ..Answered::none(index) }
    }

    fn some(committed: GroupOffset) -> Answered {
        Answered {
            index: i32::try_from(committed.partition.index).expect("partition numbers are below 2³¹"),
            offset: committed.offset.as_i64(),
            leader_epoch: committed.leader_epoch,
            metadata: committed.metadata,
            code: ErrorCode::None,
        }
    }
}

fn nothing(asked: Vec<Asked>) -> Vec<(Naming, Vec<Answered>)> {
    asked.into_iter().map(|topic| (topic.naming, topic.partitions.into_iter().map(Answered::none).collect())).collect()
}

/// Each partition once. Four bytes of a repetition would be answered with all the metadata of an offset.
fn once(asked: Vec<Asked>) -> Vec<Asked> {
    let mut places: BTreeMap<Naming, usize> = BTreeMap::new();
    let mut topics: Vec<(Naming, BTreeSet<i32>, Vec<i32>)> = Vec::new();
    for Asked { naming, partitions } in asked {
        let place = *places.entry(naming.clone()).or_insert(topics.len());
        if place == topics.len() {
            topics.push((naming, BTreeSet::new(), Vec::new()));
        }
        let (_, seen, kept) = &mut topics[place];
        kept.extend(partitions.into_iter().filter(|index| seen.insert(*index)));
    }
    topics.into_iter().map(|(naming, _, partitions)| Asked { naming, partitions }).collect()
}

/// The offsets of one group, for what is asked or for all.
async fn fetch_group(
    context: &Context<'_>,
    group: &StrBytes,
    asked: Option<Vec<Asked>>,
    by_id: bool,
) -> Result<Vec<(Naming, Vec<Answered>)>, ErrorCode> {
    // Old clients know just two codes after which they try again; this is one of them.
    let try_again = |_: CatalogError| ErrorCode::CoordinatorLoadInProgress;
    let key = context.key(group);
    let Some(asked) = asked else {
        let committed = context.coordinator.fetch_offsets(&key, None).await.map_err(try_again)?;
        return Ok(by_topic(context, committed, by_id));
    };
    let asked = once(asked);
    let mut found = find_all(context, &asked).await.map_err(try_again)?;
    let mut committed = fetch_found(context, &key, &asked, &found).await.map_err(try_again)?;
    if committed.len() < asked.iter().map(|topic| topic.partitions.len()).sum() {
        // What is missing was confirmed for the topics as they were found. One of them may have been created anew since, as
        // another topic; by now this node knows.
        let now = find_all(context, &asked).await.map_err(try_again)?;
        if now != found {
            committed = fetch_found(context, &key, &asked, &now).await.map_err(try_again)?;
            found = now;
        }
    }
    let answer = |(asked, topic): (Asked, Option<Arc<TopicView>>)| {
        let answer = |index: i32| {
            if topic.is_none() && by_id {
                return Answered::unknown_topic(index);
            }
            let partition = topic.as_ref().and_then(|topic| partition(topic, index));
            let offset = partition.and_then(|partition| committed.get(&partition));
            offset.cloned().map_or_else(|| Answered::none(index), Answered::some)
        };
        (asked.naming, asked.partitions.into_iter().map(answer).collect())
    };
    Ok(asked.into_iter().zip(found).map(answer).collect())
}

async fn find_all(context: &Context<'_>, asked: &[Asked]) -> Result<Vec<Option<Arc<TopicView>>>, CatalogError> {
    context.topics(asked.iter().map(|topic| &topic.naming)).await.into_iter().collect()
}

/// The offsets of a group in the topics that exist.
async fn fetch_found(
    context: &Context<'_>,
    key: &GroupKey,
    asked: &[Asked],
    found: &[Option<Arc<TopicView>>],
) -> Result<BTreeMap<PartitionId, GroupOffset>, CatalogError> {
    let known = asked.iter().zip(found).filter_map(|(asked, topic)| Some((asked, topic.as_ref()?)));
    let partitions: BTreeSet<PartitionId> =
        known.flat_map(|(asked, topic)| asked.partitions.iter().filter_map(|index| partition(topic, *index))).collect();
    let partitions: Vec<PartitionId> = partitions.into_iter().collect();
    let committed = context.coordinator.fetch_offsets(key, Some(&partitions)).await?;
    Ok(committed.into_iter().map(|offset| (offset.partition, offset)).collect())
}

/// Offsets under their topics; those of topics that are gone are left out.
fn by_topic(context: &Context<'_>, committed: Vec<GroupOffset>, by_id: bool) -> Vec<(Naming, Vec<Answered>)> {
    let mut topics: BTreeMap<TopicId, Vec<Answered>> = BTreeMap::new();
    for offset in committed {
        topics.entry(offset.partition.topic).or_default().push(Answered::some(offset));
    }
    let named = |(id, partitions)| {
        let topic = context.coordinator.catalog().topic(id)?;
        let naming = if by_id { Naming::Id(id) } else { Naming::Name(StrBytes::from(topic.name.as_ref())) };
        Some((naming, partitions))
    };
    topics.into_iter().filter_map(named).collect()
}

fn code_of_commit(error: &CommitError) -> ErrorCode {
    match error {
        CommitError::Refused(error) => code_of(*error),
        // Clients look for the coordinator and commit again. That is right even if the first try has happened.
        CommitError::Catalog(
            CatalogError::Unavailable(_)
            | CatalogError::AnswerLost(_)
            | CatalogError::Overloaded(_)
            | CatalogError::Full(_)
            | CatalogError::Stopped(_),
        ) => ErrorCode::CoordinatorNotAvailable,
    }
}
