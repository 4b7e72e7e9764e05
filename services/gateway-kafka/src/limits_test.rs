//! What a few bytes must not set in motion, and who must not wait for whom.

use std::sync::atomic::Ordering;

use tidelog_kafka_wire::messages::create_topics_request::CreatableTopic;
use tidelog_kafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use tidelog_kafka_wire::messages::elect_leaders_request::TopicPartitions;
use tidelog_kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use tidelog_kafka_wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use tidelog_kafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use tidelog_kafka_wire::messages::metadata_request::MetadataRequestTopic;
use tidelog_kafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use tidelog_kafka_wire::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteGroupsRequest, DeleteGroupsResponse, DescribeConfigsRequest,
    DescribeConfigsResponse, DescribeGroupsRequest, DescribeGroupsResponse, ElectLeadersRequest, ElectLeadersResponse,
    FetchRequest, FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, ListOffsetsRequest, ListOffsetsResponse,
    MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse,
};
use tidelog_kafka_wire::{ErrorCode, PRODUCE_ENTRIES_MAX, Uuid, message};
use tidelog_model::PartitionId;
use tidelog_model::limits::TOPIC_PARTITIONS_MAX;

use crate::testing::{Door, TENANT, batch};

const REPEATS: usize = 10_000;

fn produce(partitions: usize) -> ProduceRequest {
    let partition = |_| message!(PartitionProduceData { index: 0, records: None });
    message!(ProduceRequest {
        acks: -1,
        topic_data: vec![message!(TopicProduceData {
            name: "t".into(),
            partition_data: (0..partitions).map(partition).collect(),
        })],
    })
}

#[tokio::test]
async fn a_topic_asked_for_again_and_again_is_answered_once() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1_000);
    let mut client = door.connect().await;
    let by_name = message!(MetadataRequestTopic { name: Some("t".into()) });
    let by_id = message!(MetadataRequestTopic { topic_id: Uuid::from_bytes(id.0) });
    let nothing = message!(MetadataRequestTopic { name: Some("nope".into()) });
    let topics = [by_name, nothing, by_id].into_iter().cycle().take(REPEATS).collect();
    let response: MetadataResponse =
        client.call(12, &message!(MetadataRequest { topics: Some(topics), allow_auto_topic_creation: false })).await;
    let partitions = response.topics.iter().map(|topic| topic.partitions.len()).collect::<Vec<_>>();
    assert_eq!(partitions, [1_000, 0, 1_000], "in the order in which they stand first");
}

#[tokio::test]
async fn a_partition_listed_twice_is_refused_and_the_others_are_not() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 3);
    let mut client = door.connect().await;
    let partition = |index: i32| message!(ListOffsetsPartition { partition_index: index, timestamp: -1 });
    let topic = |indexes: &[i32]| {
        message!(ListOffsetsTopic { name: "t".into(), partitions: indexes.iter().copied().map(partition).collect() })
    };
    let request = message!(ListOffsetsRequest { topics: vec![topic(&[0, 1, 1]), topic(&[2, 0])] });
    let response: ListOffsetsResponse = client.call(6, &request).await;
    let told = response.topics.iter().flat_map(|topic| &topic.partitions);
    let told = told.map(|each| (each.partition_index, each.error_code)).collect::<Vec<_>>();
    let refused = ErrorCode::InvalidRequest.code();
    assert_eq!(told, [(0, refused), (1, refused), (2, 0)]);
}

#[tokio::test]
async fn a_request_creates_so_many_partitions_and_judges_repetitions_quickly() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let topic = |name: &str, partitions: u32| {
        message!(CreatableTopic { name: name.into(), num_partitions: partitions as i32, replication_factor: 1 })
    };
    let mut topics = vec![topic("half", TOPIC_PARTITIONS_MAX / 2), topic("more", TOPIC_PARTITIONS_MAX / 2 + 1)];
    topics.push(topic("rest", TOPIC_PARTITIONS_MAX / 2));
    // Each name twice, as far apart as can be.
    topics.extend((0..20_000).map(|number| topic(&format!("twice-{}", number % 10_000), 1)));
    let response: CreateTopicsResponse = client.call(7, &message!(CreateTopicsRequest { topics: topics })).await;
    let codes = response.topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>();
    assert_eq!(codes[..3], [0, ErrorCode::InvalidPartitions.code(), 0]);
    assert_eq!(codes.len(), 3 + 10_000);
    assert!(codes[3..].iter().all(|code| *code == ErrorCode::InvalidRequest.code()));
}

#[tokio::test]
async fn a_coordinator_asked_for_again_and_again_is_answered_once() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let request = message!(FindCoordinatorRequest { coordinator_keys: vec!["g".into(); REPEATS] });
    let response: FindCoordinatorResponse = client.call(4, &request).await;
    assert_eq!(response.coordinators.len(), 1);
}

#[tokio::test]
async fn a_partition_fetched_twice_is_read_once_as_it_stands_last() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 2);
    door.fetch.advance(PartitionId { topic: id, index: 0 }, 3);
    let mut client = door.connect().await;
    let partition = |index: i32, offset: i64| {
        message!(FetchPartition { partition: index, fetch_offset: offset, partition_max_bytes: 10_000 })
    };
    let request = message!(FetchRequest {
        max_bytes: 1_000_000,
        session_epoch: -1,
        topics: vec![message!(FetchTopic {
            topic: "t".into(),
            partitions: vec![partition(0, 0), partition(1, 0), partition(0, 2)],
        })],
    });
    let response: FetchResponse = client.call(12, &request).await;
    let partitions = &response.responses[0].partitions;
    let bytes = partitions.iter().map(|each| each.records.as_ref().map_or(0, |records| records.len()));
    assert_eq!(bytes.collect::<Vec<_>>(), [1_000, 0]);
}

#[tokio::test]
async fn a_fetch_asks_for_as_much_as_may_be_there() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    let request = message!(FetchRequest {
        max_bytes: 1_000_000,
        min_bytes: 1,
        session_epoch: -1,
        topics: vec![message!(FetchTopic {
            topic: "t".into(),
            partitions: vec![message!(FetchPartition { partition_max_bytes: 10_000 })],
        })],
    });
    let _: FetchResponse = client.call(12, &request).await;
    door.fetch.advance(PartitionId { topic: id, index: 0 }, 3);
    let _: FetchResponse = client.call(12, &request).await;
    assert_eq!(*door.fetch.bytes_asked.lock(), [0, 10_000], "nothing at the tail");
}

#[tokio::test]
async fn too_many_entries_of_produce_end_the_connection() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    let response: ProduceResponse = client.call(9, &produce(REPEATS)).await;
    let codes = response.responses[0].partition_responses.iter().map(|each| each.error_code);
    assert!(codes.into_iter().all(|code| code == ErrorCode::InvalidRecord.code()));
    let two = produce(PRODUCE_ENTRIES_MAX / 2).topic_data.remove(0);
    client.send(9, &message!(ProduceRequest { acks: -1, topic_data: vec![two.clone(), two] })).await;
    assert!(client.frame().await.is_none());
}

#[tokio::test]
async fn signs_of_life_do_not_wait_for_room_in_the_write_path() {
    let mut door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    door.is_full.store(true, Ordering::SeqCst);
    let mut producer = door.connect().await;
    let mut request = produce(1);
    request.topic_data[0].partition_data[0].records = Some(batch());
    producer.send(9, &request).await;
    let mut member = door.connect().await;
    let heartbeat = message!(HeartbeatRequest { group_id: "g".into(), member_id: "m".into(), generation_id: 1 });
    for _ in 0..10 {
        let response: HeartbeatResponse = member.call(4, &heartbeat).await;
        assert_eq!(response.error_code, ErrorCode::UnknownMemberId.code());
    }
    assert!(door.appends.try_recv().is_err(), "the producer waits for room");
}

#[tokio::test]
async fn so_many_resources_are_described_and_no_more() {
    const RESOURCES_MAX: usize = 2_000;
    let door = Door::open().await;
    let mut client = door.connect().await;
    let names = (0..=RESOURCES_MAX).map(|number| format!("t-{number}")).collect::<Vec<_>>();
    for name in &names {
        door.catalog.add(TENANT, name, 1);
    }
    let resource =
        |name: &String| message!(DescribeConfigsResource { resource_type: 2, resource_name: name.as_str().into() });
    // And each again.
    let resources = names.iter().chain(&names).map(resource).collect();
    let response: DescribeConfigsResponse =
        client.call(1, &message!(DescribeConfigsRequest { resources: resources })).await;
    let (last, rest) = response.results.split_last().unwrap();
    assert!(rest.len() == RESOURCES_MAX && rest.iter().all(|it| it.error_code == 0 && it.configs.len() == 33));
    assert_eq!((last.error_code, last.configs.len()), (ErrorCode::InvalidRequest.code(), 0));
    assert!(last.error_message.as_ref().unwrap().contains("2000"));
}

#[tokio::test]
async fn a_group_asked_for_again_and_again_is_described_once() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let request = message!(DescribeGroupsRequest { groups: vec!["g".into(); REPEATS] });
    let response: DescribeGroupsResponse = client.call(5, &request).await;
    assert_eq!(response.groups.len(), 1);
    let request = message!(DeleteGroupsRequest { groups_names: vec!["g".into(); REPEATS] });
    let response: DeleteGroupsResponse = client.call(2, &request).await;
    assert_eq!(response.results.len(), 1);
}

#[tokio::test]
async fn so_many_partitions_are_judged_with_words() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let topic = message!(TopicPartitions { topic: "n".repeat(249).into(), partitions: (0..60_000).collect() });
    let request = message!(ElectLeadersRequest { topic_partitions: Some(vec![topic.clone(), topic]) });
    let response: ElectLeadersResponse = client.call(2, &request).await;
    let results = response.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
    let (with, without) = results.partition::<Vec<_>, _>(|it| it.error_message.is_some());
    assert_eq!((with.len(), without.len()), (100_000, 20_000));
    assert!(without.iter().all(|it| it.error_code == ErrorCode::InvalidRequest.code()));
}

#[tokio::test]
async fn a_topic_s_settings_are_not_changed_by_the_thousand() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    let config = |number: usize| {
        message!(AlterableConfig { name: format!("n{number}").into(), config_operation: 1, value: None })
    };
    let resource = |count: usize| {
        message!(AlterConfigsResource {
            resource_type: 2,
            resource_name: "t".into(),
            configs: (0..count).map(config).collect(),
        })
    };
    for (count, code) in [(1_000, ErrorCode::None), (1_001, ErrorCode::InvalidRequest)] {
        let request = message!(IncrementalAlterConfigsRequest { resources: vec![resource(count)] });
        let response: IncrementalAlterConfigsResponse = client.call(1, &request).await;
        assert_eq!(response.responses[0].error_code, code.code(), "{count}");
    }
}
