//! DescribeQuorum: who keeps the cluster's metadata, and how far they are. Kafka keeps it in a partition of a topic of its own;
//! what is shown under that name is the catalog's log.

use tidelog_kafka_wire::messages::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
use tidelog_kafka_wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse, describe_quorum_request};
use tidelog_kafka_wire::{Api, ErrorCode, RequestHeader, message};

use crate::gateway::Shared;

/// The only partition that has a quorum.
const METADATA_TOPIC: &str = "__cluster_metadata";
const METADATA_PARTITION: i32 = 0;
/// Since which version answers name the voters' addresses.
const NODES_FROM_VERSION: i16 = 2;

/// Answers DescribeQuorum.
pub(crate) fn answer(
    shared: &Shared,
    header: &RequestHeader,
    request: DescribeQuorumRequest,
) -> DescribeQuorumResponse {
    let is_metadata = |topic: &describe_quorum_request::TopicData| {
        topic.topic_name.as_str() == METADATA_TOPIC
            && topic.partitions.iter().all(|partition| partition.partition_index == METADATA_PARTITION)
    };
    // One that is asked for together with others is refused with them, as Kafka does.
    let is_one = matches!(&request.topics[..], [topic] if is_metadata(topic) && topic.partitions.len() == 1);
    let topic = |topic: describe_quorum_request::TopicData| {
        let partition = |asked: &describe_quorum_request::PartitionData| {
            if is_one { quorum(shared) } else { unknown(shared, asked.partition_index) }
        };
        message!(TopicData {
            partitions: topic.partitions.iter().map(partition).collect(),
            topic_name: topic.topic_name
        })
    };
    let options = &shared.options;
    let node = message!(Node {
        node_id: options.broker_id(),
        listeners: vec![message!(Listener {
            name: "PLAINTEXT".into(),
            host: options.advertised_host.as_str().into(),
            port: options.advertised_port,
        })],
    });
    let names_nodes = is_one && header.version >= NODES_FROM_VERSION;
    message!(DescribeQuorumResponse {
        topics: request.topics.into_iter().map(topic).collect(),
        nodes: if names_nodes { vec![node] } else { Vec::new() },
    })
}

/// The catalog has one replica, which is this node's and has everything.
fn quorum(shared: &Shared) -> PartitionData {
    let view = shared.parts.catalog.quorum();
    let now = shared.parts.clock.wall().0;
    let end = |index: tidelog_model::LogIndex| i64::try_from(index.0).unwrap_or(i64::MAX - 1) + 1;
    let replica = message!(ReplicaState {
        replica_id: shared.options.broker_id(),
        log_end_offset: end(view.last),
        last_fetch_timestamp: now,
        last_caught_up_timestamp: now,
    });
    message!(PartitionData {
        partition_index: METADATA_PARTITION,
        leader_id: shared.options.broker_id(),
        leader_epoch: i32::try_from(view.term).unwrap_or(i32::MAX),
        high_watermark: end(shared.parts.catalog.applied()),
        current_voters: vec![replica],
    })
}

fn unknown(shared: &Shared, index: i32) -> PartitionData {
    shared.meters.error(Api::DescribeQuorum, ErrorCode::UnknownTopicOrPartition);
    message!(PartitionData { partition_index: index, error_code: ErrorCode::UnknownTopicOrPartition.code() })
}
