//! Records deleted, and what administrators ask about topics and partitions.

use tidelog_kafka_wire::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use tidelog_kafka_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use tidelog_kafka_wire::messages::describe_log_dirs_request::DescribableLogDirTopic;
use tidelog_kafka_wire::messages::elect_leaders_request::TopicPartitions;
use tidelog_kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use tidelog_kafka_wire::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, DeleteRecordsRequest,
    DeleteRecordsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest,
    DescribeProducersResponse, DescribeQuorumRequest, DescribeQuorumResponse, DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse, ElectLeadersRequest, ElectLeadersResponse, FetchRequest, FetchResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse, describe_producers_request, describe_quorum_request,
    describe_topic_partitions_request, incremental_alter_configs_request,
};
use tidelog_kafka_wire::{ErrorCode, message};
use tidelog_model::{PartitionId, TenantId};

use crate::errors::TEXT_BYTES_MAX;
use crate::testing::{Door, TENANT};
use crate::testing_client::Client;

/// Low watermark and error of each partition.
async fn delete(client: &mut Client, version: i16, topic: &str, partitions: &[(i32, i64)]) -> Vec<(i64, i16)> {
    let partition =
        |(index, offset): &(i32, i64)| message!(DeleteRecordsPartition { partition_index: *index, offset: *offset });
    let request = message!(DeleteRecordsRequest {
        topics: vec![message!(DeleteRecordsTopic {
            name: topic.into(),
            partitions: partitions.iter().map(partition).collect(),
        })],
    });
    let response: DeleteRecordsResponse = client.call(version, &request).await;
    response.topics[0].partitions.iter().map(|it| (it.low_watermark, it.error_code)).collect()
}

#[tokio::test]
async fn deleted_records_are_out_of_range() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let (range, unknown) = (ErrorCode::OffsetOutOfRange.code(), ErrorCode::UnknownTopicOrPartition.code());
    for version in 0..=2 {
        let name = format!("t{version}");
        let id = door.catalog.add(TENANT, &name, 2);
        door.fetch.advance(PartitionId { topic: id, index: 0 }, 10);
        let results = delete(&mut client, version, &name, &[(0, 4), (0, 11), (0, -2), (0, 2), (1, -1), (2, 0)]).await;
        let expected = [(4, 0), (-1, range), (-1, range), (4, 0), (0, 0), (-1, unknown)];
        assert_eq!(results, expected, "v{version}: what is deleted stays deleted");
        let fetch = |offset: i64| {
            message!(FetchRequest {
                max_bytes: 1_000_000,
                session_epoch: -1,
                topics: vec![message!(FetchTopic {
                    topic: name.as_str().into(),
                    partitions: vec![message!(FetchPartition { fetch_offset: offset, partition_max_bytes: 10_000 })],
                })],
            })
        };
        let below: FetchResponse = client.call(12, &fetch(3)).await;
        assert_eq!(below.responses[0].partitions[0].error_code, range);
        let first: FetchResponse = client.call(12, &fetch(4)).await;
        let first = &first.responses[0].partitions[0];
        assert_eq!((first.error_code, first.log_start_offset), (0, 4));
        assert_eq!(delete(&mut client, version, &name, &[(0, -1)]).await, [(10, 0)]);
    }
    assert_eq!(delete(&mut client, 2, "nope", &[(0, 0)]).await, [(-1, unknown)]);
    door.catalog.add(TenantId(2), "theirs", 1);
    assert_eq!(delete(&mut client, 2, "theirs", &[(0, 0)]).await, [(-1, unknown)]);
    *door.catalog.is_down.lock() = true;
    assert_eq!(delete(&mut client, 2, "t0", &[(0, 0)]).await, [(-1, ErrorCode::NotController.code())]);
}

#[tokio::test]
async fn a_topic_that_is_only_compacted_keeps_its_records() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    let config = message!(incremental_alter_configs_request::AlterableConfig {
        name: "cleanup.policy".into(),
        value: Some("compact".into()),
    });
    let resource = message!(incremental_alter_configs_request::AlterConfigsResource {
        resource_type: 2,
        resource_name: "t".into(),
        configs: vec![config],
    });
    let request = message!(IncrementalAlterConfigsRequest { resources: vec![resource] });
    let response: IncrementalAlterConfigsResponse = client.call(1, &request).await;
    assert_eq!(response.responses[0].error_code, 0);
    assert_eq!(delete(&mut client, 2, "t", &[(0, -1)]).await, [(-1, ErrorCode::PolicyViolation.code())]);
}

#[tokio::test]
async fn partitions_are_as_large_as_the_catalog_says() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 2);
    door.catalog.add(TENANT, "u", 1);
    door.catalog.add(TenantId(2), "theirs", 1);
    door.fetch.advance(PartitionId { topic: id, index: 1 }, 10);
    let mut client = door.connect().await;
    let asked = |name: &str, partitions: &[i32]| {
        message!(DescribableLogDirTopic { topic: name.into(), partitions: partitions.to_vec() })
    };
    for version in 1..=5 {
        for (topics, expected) in [
            (None, vec![("t", 0, 0), ("t", 1, 10_000), ("u", 0, 0)]),
            (Some(vec![asked("t", &[1, 1, 7]), asked("t", &[1]), asked("nope", &[0])]), vec![("t", 1, 10_000)]),
            (Some(vec![]), vec![]),
        ] {
            let request = message!(DescribeLogDirsRequest { topics: topics });
            let response: DescribeLogDirsResponse = client.call(version, &request).await;
            assert_eq!((response.error_code, response.results.len(), response.results[0].error_code), (0, 1, 0));
            let topics = response.results[0].topics.iter();
            let sizes = topics.flat_map(|topic| {
                let partitions = topic.partitions.iter();
                partitions.map(|it| (topic.name.as_str(), it.partition_index, it.partition_size)).collect::<Vec<_>>()
            });
            assert_eq!(sizes.collect::<Vec<_>>(), expected, "v{version}");
        }
    }
    *door.catalog.is_down.lock() = true;
    let response: DescribeLogDirsResponse = client.call(5, &message!(DescribeLogDirsRequest { topics: None })).await;
    assert_eq!(response.error_code, ErrorCode::NotController.code());
}

#[tokio::test]
async fn leaders_are_elected_already() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    let (fine, unknown) = (ErrorCode::ElectionNotNeeded.code(), ErrorCode::UnknownTopicOrPartition.code());
    for version in 0..=2 {
        let topics = [("t", vec![0, 9]), ("nope", vec![0])]
            .map(|(topic, partitions)| message!(TopicPartitions { topic: topic.into(), partitions: partitions }));
        let request = message!(ElectLeadersRequest { topic_partitions: Some(topics.into()) });
        let response: ElectLeadersResponse = client.call(version, &request).await;
        let results = response.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
        assert_eq!(results.map(|it| it.error_code).collect::<Vec<_>>(), [fine, unknown, unknown], "v{version}");
        let all: ElectLeadersResponse =
            client.call(version, &message!(ElectLeadersRequest { topic_partitions: None })).await;
        assert_eq!((all.error_code, all.replica_election_results.len()), (0, 0));
    }
    let odd: ElectLeadersResponse = client.call(2, &message!(ElectLeadersRequest { election_type: 7 })).await;
    assert_eq!(odd.error_code, ErrorCode::InvalidRequest.code());
}

/// The text beside an error repeats the name, once for each partition, and has to fit a string of two bytes' length.
#[tokio::test]
async fn a_name_as_long_as_can_be_is_answered_and_not_multiplied() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let name = "é".repeat(32_766 / 2);
    for version in 0..=2 {
        let topic = message!(TopicPartitions { topic: name.as_str().into(), partitions: vec![0; 1_000] });
        let request = message!(ElectLeadersRequest { topic_partitions: Some(vec![topic]) });
        let response: ElectLeadersResponse = client.call(version, &request).await;
        let results = &response.replica_election_results[0].partition_result;
        assert_eq!(results.len(), 1_000);
        for result in results {
            assert_eq!(result.error_code, ErrorCode::UnknownTopicOrPartition.code(), "v{version}");
            let text = result.error_message.as_deref().unwrap();
            assert!(text.starts_with("No such topic as éé") && text.ends_with("é…"), "{text}");
            assert!(text.len() <= TEXT_BYTES_MAX);
        }
    }
}

#[tokio::test]
async fn partitions_can_be_assigned_to_where_they_are() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    for (topic, index, replicas, code) in [
        ("t", 0, Some(vec![7]), ErrorCode::None),
        ("t", 0, Some(vec![8]), ErrorCode::InvalidReplicaAssignment),
        ("t", 0, Some(vec![7, 7]), ErrorCode::InvalidReplicaAssignment),
        ("t", 0, Some(vec![]), ErrorCode::InvalidReplicaAssignment),
        ("t", 0, None, ErrorCode::NoReassignmentInProgress),
        ("t", 5, Some(vec![7]), ErrorCode::UnknownTopicOrPartition),
        ("nope", 0, None, ErrorCode::UnknownTopicOrPartition),
    ] {
        for version in 0..=1 {
            let partition = message!(ReassignablePartition { partition_index: index, replicas: replicas.clone() });
            let request = message!(AlterPartitionReassignmentsRequest {
                topics: vec![message!(ReassignableTopic { name: topic.into(), partitions: vec![partition] })],
            });
            let response: AlterPartitionReassignmentsResponse = client.call(version, &request).await;
            let result = &response.responses[0].partitions[0];
            assert_eq!((response.error_code, result.error_code), (0, code.code()), "{topic} {index} {replicas:?}");
        }
    }
    let listed: ListPartitionReassignmentsResponse =
        client.call(0, &message!(ListPartitionReassignmentsRequest { topics: None })).await;
    assert_eq!((listed.error_code, listed.topics.len()), (0, 0));
}

#[tokio::test]
async fn producers_of_a_partition_are_told_once() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    let topic = |name: &str, indexes: &[i32]| {
        message!(describe_producers_request::TopicRequest { name: name.into(), partition_indexes: indexes.to_vec() })
    };
    let request = message!(DescribeProducersRequest {
        topics: vec![topic("t", &[0, 0, 3]), topic("nope", &[0]), topic("b*d", &[0])]
    });
    let response: DescribeProducersResponse = client.call(0, &request).await;
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    let codes = response.topics.iter().map(|topic| topic.partitions.iter().map(|it| it.error_code).collect());
    let cannot_be = ErrorCode::InvalidTopic.code();
    assert_eq!(codes.collect::<Vec<Vec<_>>>(), [vec![0, unknown], vec![unknown], vec![cannot_be]]);
    let producer = &response.topics[0].partitions[0].active_producers[0];
    assert_eq!((producer.producer_id, producer.producer_epoch, producer.last_sequence), (5, 2, 9));
    assert_eq!((producer.last_timestamp, producer.coordinator_epoch, producer.current_txn_start_offset), (-1, -1, -1));
}

/// Topics with their partitions, and the cursor.
type Page = (Vec<(String, i16, Vec<i32>)>, Option<(String, i32)>);

async fn pages(client: &mut Client, names: &[&str], limit: i32, cursor: Option<(&str, i32)>) -> Page {
    let topic = |name: &&str| message!(describe_topic_partitions_request::TopicRequest { name: (*name).into() });
    let cursor = cursor.map(|(name, index)| {
        message!(describe_topic_partitions_request::Cursor { topic_name: name.into(), partition_index: index })
    });
    let request = message!(DescribeTopicPartitionsRequest {
        topics: names.iter().map(topic).collect(),
        response_partition_limit: limit,
        cursor: cursor,
    });
    let response: DescribeTopicPartitionsResponse = client.call(0, &request).await;
    let topics = response.topics.into_iter().map(|topic| {
        assert!(topic.partitions.iter().all(|it| (it.leader_id, &it.isr_nodes[..]) == (7, &[7])));
        let partitions = topic.partitions.iter().map(|it| it.partition_index).collect();
        (topic.name.unwrap().to_string(), topic.error_code, partitions)
    });
    let next = response.next_cursor.map(|cursor| (cursor.topic_name.to_string(), cursor.partition_index));
    (topics.collect(), next)
}

#[tokio::test]
async fn topics_are_described_a_page_at_a_time() {
    let door = Door::open().await;
    for (name, partitions) in [("a", 2), ("b", 3), ("c", 1)] {
        door.catalog.add(TENANT, name, partitions);
    }
    door.catalog.add(TENANT, "big", 5_000);
    door.catalog.add(TenantId(2), "theirs", 1);
    let mut client = door.connect().await;
    let client = &mut client;
    let row = |name: &str, code: i16, partitions: &[i32]| (name.to_owned(), code, partitions.to_vec());
    let (unknown, invalid) = (ErrorCode::UnknownTopicOrPartition.code(), ErrorCode::InvalidTopic.code());
    let (topics, next) = pages(client, &["c", "a", "b", "b"], 4, None).await;
    assert_eq!(topics, [row("a", 0, &[0, 1]), row("b", 0, &[0, 1])]);
    assert_eq!(next, Some(("b".to_owned(), 2)));
    let (topics, next) = pages(client, &["c", "a", "b"], 1, Some(("b", 2))).await;
    assert_eq!((topics, next), (vec![row("b", 0, &[2])], Some(("c".to_owned(), 0))));
    let (topics, next) = pages(client, &["c", "a", "b"], 9, Some(("c", 0))).await;
    assert_eq!((topics, next), (vec![row("c", 0, &[0])], None));
    let (topics, next) = pages(client, &["nope", "a b", "theirs"], 0, None).await;
    let expected = vec![row("a b", invalid, &[]), row("nope", unknown, &[]), row("theirs", unknown, &[])];
    assert_eq!((topics, next), (expected, None));
    let (topics, next) = pages(client, &["big"], i32::MAX, None).await;
    assert_eq!((topics[0].2.len(), next), (2_000, Some(("big".to_owned(), 2_000))));
    let (topics, next) = pages(client, &[], 3, None).await;
    assert_eq!((topics.len(), next), (2, Some(("b".to_owned(), 1))));
    let (topics, next) = pages(client, &["a"], 3, Some(("a", -1))).await;
    assert_eq!((topics, next), (vec![row("a", ErrorCode::InvalidRequest.code(), &[])], None));
    let (topics, next) = pages(client, &["a"], 3, Some(("a", 77))).await;
    assert_eq!((topics, next), (vec![row("a", 0, &[])], None));
}

#[tokio::test]
async fn the_quorum_is_this_node() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let topic = |name: &str, indexes: &[i32]| {
        let partition = |index: &i32| message!(describe_quorum_request::PartitionData { partition_index: *index });
        message!(describe_quorum_request::TopicData {
            topic_name: name.into(),
            partitions: indexes.iter().map(partition).collect(),
        })
    };
    for version in 0..=2 {
        let request = message!(DescribeQuorumRequest { topics: vec![topic("__cluster_metadata", &[0])] });
        let response: DescribeQuorumResponse = client.call(version, &request).await;
        let found = &response.topics[0].partitions[0];
        assert_eq!((response.error_code, found.error_code, found.leader_id, found.leader_epoch), (0, 0, 7, 3));
        assert_eq!((found.high_watermark, found.current_voters[0].log_end_offset), (2, 5));
        assert_eq!((found.current_voters[0].replica_id, response.nodes.len()), (7, usize::from(version == 2)));
        for topics in [
            vec![topic("t", &[0])],
            vec![topic("__cluster_metadata", &[1])],
            vec![topic("__cluster_metadata", &[0, 0])],
        ] {
            let response: DescribeQuorumResponse =
                client.call(version, &message!(DescribeQuorumRequest { topics: topics })).await;
            let unknown = ErrorCode::UnknownTopicOrPartition.code();
            assert!(
                response.topics[0].partitions.iter().all(|it| it.error_code == unknown && it.current_voters.is_empty())
            );
        }
    }
}
