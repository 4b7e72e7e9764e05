//! Where partitions are: ElectLeaders, AlterPartitionReassignments, ListPartitionReassignments. All are on this node, led by
//! it, and are never on their way to another, so these say that nothing has to be done.

use std::collections::BTreeMap;

use tidelog_kafka_wire::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use tidelog_kafka_wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use tidelog_kafka_wire::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ElectLeadersRequest, ElectLeadersResponse,
    ListPartitionReassignmentsResponse,
};
use tidelog_kafka_wire::{Api, ErrorCode, StrBytes, message};

use crate::errors;
use crate::gateway::Shared;
use crate::topics::create_partitions::check_replicas;
use crate::topics::{Lookup, TopicKey, partition_of};

const ELECTION_PREFERRED: i8 = 0;
const ELECTION_UNCLEAN: i8 = 1;

/// Partitions that one request may name: the answer to four bytes may be a text with the topic's name.
const PARTITIONS_MAX: usize = 100_000;

type Refusal = (ErrorCode, Option<String>);

/// Answers ElectLeaders: every partition has its leader.
pub(crate) async fn elect_leaders(shared: &Shared, request: ElectLeadersRequest) -> ElectLeadersResponse {
    if !matches!(request.election_type, ELECTION_PREFERRED | ELECTION_UNCLEAN) {
        shared.meters.error(Api::ElectLeaders, ErrorCode::InvalidRequest);
        return message!(ElectLeadersResponse { error_code: ErrorCode::InvalidRequest.code() });
    }
    let Some(asked) = request.topic_partitions else {
        // Of all partitions those are told that were without their leader.
        return ElectLeadersResponse::default();
    };
    let lookups = lookups(shared, asked.iter().map(|topic| &topic.topic)).await;
    let mut left = PARTITIONS_MAX;
    let results = asked.into_iter().zip(lookups).map(|(topic, lookup)| {
        let results = topic.partitions.iter().map(|index| {
            let (code, text) = match &lookup {
                _ if !take(&mut left) => (ErrorCode::InvalidRequest, None),
                Lookup::Missing => {
                    (ErrorCode::UnknownTopicOrPartition, Some(format!("No such topic as {}", topic.topic)))
                }
                Lookup::Unconfirmed(error) => (errors::of_catalog(error), Some(error.to_string())),
                Lookup::Found(view) if partition_of(view, *index).is_none() => {
                    let text = format!("No such partition as {}-{index}", topic.topic);
                    (ErrorCode::UnknownTopicOrPartition, Some(text))
                }
                Lookup::Found(_) => (ErrorCode::ElectionNotNeeded, None),
            };
            message!(PartitionResult {
                partition_id: *index,
                error_code: code.code(),
                error_message: text.map(errors::text),
            })
        });
        let results = results.collect();
        message!(ReplicaElectionResult { topic: topic.topic, partition_result: results })
    });
    message!(ElectLeadersResponse { replica_election_results: results.collect() })
}

/// Answers AlterPartitionReassignments: a partition may be assigned to where it is.
pub(crate) async fn alter_reassignments(
    shared: &Shared,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let lookups = lookups(shared, request.topics.iter().map(|topic| &topic.name)).await;
    let mut left = PARTITIONS_MAX;
    let topics = request.topics.into_iter().zip(lookups).map(|(topic, lookup)| {
        let partitions = topic.partitions.iter().map(|asked| {
            if !take(&mut left) {
                let (index, code) = (asked.partition_index, ErrorCode::InvalidRequest.code());
                return message!(ReassignablePartitionResponse { partition_index: index, error_code: code });
            }
            let result = reassign(shared, &topic.name, &lookup, asked.partition_index, asked.replicas.as_deref());
            let (code, text) = result.map_or_else(|refusal| refusal, |()| (ErrorCode::None, None));
            shared.meters.error(Api::AlterPartitionReassignments, code);
            message!(ReassignablePartitionResponse {
                partition_index: asked.partition_index,
                error_code: code.code(),
                error_message: text.map(errors::text),
            })
        });
        let partitions = partitions.collect();
        message!(ReassignableTopicResponse { name: topic.name, partitions: partitions })
    });
    message!(AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: request.allow_replication_factor_change,
        responses: topics.collect(),
    })
}

fn reassign(shared: &Shared, name: &str, lookup: &Lookup, index: i32, replicas: Option<&[i32]>) -> Result<(), Refusal> {
    let unknown = |text: String| Err((ErrorCode::UnknownTopicOrPartition, Some(text)));
    match lookup {
        Lookup::Missing => return unknown(format!("Unable to find a topic named {name}.")),
        Lookup::Unconfirmed(error) => return Err((errors::of_catalog(error), Some(error.to_string()))),
        Lookup::Found(view) if partition_of(view, index).is_none() => {
            return unknown(format!("Unable to find partition {name}:{index}."));
        }
        Lookup::Found(_) => {}
    }
    match replicas {
        // A reassignment is to be cancelled.
        None => Err((ErrorCode::NoReassignmentInProgress, None)),
        Some(replicas) => {
            check_replicas(shared, replicas).map_err(|text| (ErrorCode::InvalidReplicaAssignment, Some(text)))
        }
    }
}

/// Answers ListPartitionReassignments: none is ever under way.
pub(crate) fn list_reassignments() -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}

/// Takes one of so many; says whether there was one.
fn take(left: &mut usize) -> bool {
    let is_left = *left > 0;
    *left -= usize::from(is_left);
    is_left
}

/// Looks topics up, each name once.
async fn lookups<'n>(shared: &Shared, names: impl Iterator<Item = &'n StrBytes> + Clone) -> Vec<Lookup> {
    let distinct = names.clone().map(|name| (name.as_str(), ())).collect::<BTreeMap<_, _>>();
    let keys = distinct.keys().map(|name| TopicKey::Name((*name).into())).collect::<Vec<_>>();
    let found = distinct.into_keys().zip(shared.topics(&keys).await).collect::<BTreeMap<_, _>>();
    names.map(|name| found[name.as_str()].clone()).collect()
}
