//! Metadata, topics, producer ids and offsets from outside.

use std::time::Instant;

use tidelog_kafka_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use tidelog_kafka_wire::messages::delete_topics_request::DeleteTopicState;
use tidelog_kafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use tidelog_kafka_wire::messages::metadata_request::MetadataRequestTopic;
use tidelog_kafka_wire::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use tidelog_kafka_wire::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, DescribeClusterRequest,
    DescribeClusterResponse, FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest,
    InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};
use tidelog_kafka_wire::{ErrorCode, Uuid, message};
use tidelog_model::{PartitionId, TenantId};

use crate::testing::{Door, TENANT};
use crate::testing_client::Client;

fn by_name(names: &[&str], create: bool) -> MetadataRequest {
    let topic = |name: &&str| message!(MetadataRequestTopic { name: Some((*name).into()) });
    message!(MetadataRequest { topics: Some(names.iter().map(topic).collect()), allow_auto_topic_creation: create })
}

async fn metadata(client: &mut Client, version: i16, request: &MetadataRequest) -> Vec<(i16, Option<String>, usize)> {
    let response: MetadataResponse = client.call(version, request).await;
    assert_eq!((response.brokers.len(), response.brokers[0].node_id), (1, 7));
    let topics = response.topics.into_iter();
    topics.map(|each| (each.error_code, each.name.map(|name| name.to_string()), each.partitions.len())).collect()
}

#[tokio::test]
async fn metadata_in_every_version() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "a", 2);
    door.catalog.add(TenantId(2), "theirs", 2);
    let mut client = door.connect().await;
    for version in 0..=13 {
        let all = if version == 0 { Some(Vec::new()) } else { None };
        let found = metadata(&mut client, version, &message!(MetadataRequest { topics: all })).await;
        assert_eq!(found, [(0, Some("a".to_owned()), 2)], "v{version}");
        let found = metadata(&mut client, version, &by_name(&["a"], true)).await;
        assert_eq!(found, [(0, Some("a".to_owned()), 2)], "v{version}");
        if version > 0 {
            let found = metadata(&mut client, version, &by_name(&[], true)).await;
            assert!(found.is_empty(), "v{version}");
        }
    }
}

#[tokio::test]
async fn metadata_by_id_and_of_what_is_not_there() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "a", 2);
    let theirs = door.catalog.add(TenantId(2), "theirs", 2);
    let mut client = door.connect().await;
    let topics = [id, theirs].map(|id| message!(MetadataRequestTopic { topic_id: Uuid::from_bytes(id.0) }));
    let found = metadata(&mut client, 12, &message!(MetadataRequest { topics: Some(topics.into()) })).await;
    assert_eq!(found, [(0, Some("a".to_owned()), 2), (ErrorCode::UnknownTopicId.code(), None, 0)]);
    let found = metadata(&mut client, 12, &by_name(&["nope", "not allowed"], false)).await;
    assert_eq!(found[0].0, ErrorCode::UnknownTopicOrPartition.code());
    assert_eq!(found[1].0, ErrorCode::InvalidTopic.code());
    *door.catalog.is_down.lock() = true;
    let found = metadata(&mut client, 12, &by_name(&["nope"], true)).await;
    assert_eq!(found[0].0, ErrorCode::LeaderNotAvailable.code(), "whether it exists is not known");
}

#[tokio::test]
async fn metadata_by_id_before_ids_could_be_asked_for_is_refused() {
    let door = Door::open().await;
    let id = Uuid::from_bytes(door.catalog.add(TENANT, "a", 2).0);
    let mut client = door.connect().await;
    for version in 10..=11 {
        let named = message!(MetadataRequestTopic { name: Some("a".into()) });
        let topics = vec![message!(MetadataRequestTopic { topic_id: id, name: None }), named];
        let response: MetadataResponse =
            client.call(version, &message!(MetadataRequest { topics: Some(topics) })).await;
        let refused = response.topics.iter().map(|it| (it.error_code, it.name.as_deref(), it.topic_id));
        let code = ErrorCode::InvalidRequest.code();
        assert_eq!(refused.collect::<Vec<_>>(), [(code, Some(""), id), (code, Some("a"), Uuid::ZERO)]);
    }
}

#[tokio::test]
async fn topics_come_into_being_when_both_sides_allow_it() {
    let door = Door::open_with(|options| options.partitions_default = 3).await;
    let mut client = door.connect().await;
    let found = metadata(&mut client, 12, &by_name(&["new", "not allowed"], true)).await;
    assert_eq!(found[0], (0, Some("new".to_owned()), 3));
    assert_eq!(found[1].0, ErrorCode::InvalidTopic.code());
    let door = Door::open_with(|options| options.auto_create_topics = false).await;
    let mut client = door.connect().await;
    let found = metadata(&mut client, 12, &by_name(&["new"], true)).await;
    assert_eq!(found[0].0, ErrorCode::UnknownTopicOrPartition.code());
}

#[tokio::test]
async fn metadata_of_ten_thousand_partitions_is_quick() {
    let door = Door::open().await;
    for topic in 0..100 {
        door.catalog.add(TENANT, &format!("topic-{topic}"), 100);
    }
    let mut client = door.connect().await;
    let mut best = u128::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        client.send(12, &message!(MetadataRequest { topics: None })).await;
        let frame = client.frame().await.unwrap();
        best = best.min(start.elapsed().as_millis());
        assert!(frame.len() > 10_000 * 20);
    }
    assert!(best <= 20, "metadata took {best} ms");
}

fn new_topic(name: &str, partitions: i32, replication_factor: i16) -> CreatableTopic {
    message!(CreatableTopic { name: name.into(), num_partitions: partitions, replication_factor: replication_factor })
}

#[tokio::test]
async fn topics_are_created_each_by_itself() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "there", 1);
    let mut with_config = new_topic("config", 1, 1);
    with_config.configs = vec![message!(CreatableTopicConfig { name: "retention.ms".into(), value: Some("5".into()) })];
    let mut with_unknown = new_topic("unknown", 1, 1);
    with_unknown.configs = vec![message!(CreatableTopicConfig { name: "colour".into(), value: Some("5".into()) })];
    let topics = vec![
        new_topic("good", 3, 3),
        new_topic("default", -1, -1),
        new_topic("there", 1, 1),
        new_topic("bad name", 1, 1),
        new_topic("zero", 0, 1),
        new_topic("four", 1, 4),
        new_topic("twice", 1, 1),
        new_topic("twice", 1, 1),
        with_config,
        with_unknown,
    ];
    let expected = [
        ("good", ErrorCode::None),
        ("default", ErrorCode::None),
        ("there", ErrorCode::TopicAlreadyExists),
        ("bad name", ErrorCode::InvalidTopic),
        ("zero", ErrorCode::InvalidPartitions),
        ("four", ErrorCode::InvalidReplicationFactor),
        ("twice", ErrorCode::InvalidRequest),
        ("config", ErrorCode::None),
        ("unknown", ErrorCode::InvalidConfig),
    ];
    let mut client = door.connect().await;
    for (validate_only, version) in [(true, 7), (false, 7), (true, 2)] {
        if version == 2 {
            for topic in ["good", "default", "config"] {
                let request = message!(DeleteTopicsRequest { topic_names: vec![topic.into()] });
                let _: DeleteTopicsResponse = client.call(5, &request).await;
            }
        }
        let request = message!(CreateTopicsRequest { topics: topics.clone(), validate_only: validate_only });
        let response: CreateTopicsResponse = client.call(version, &request).await;
        let results = response.topics.iter().map(|each| (each.name.as_str(), each.error_code)).collect::<Vec<_>>();
        assert_eq!(results, expected.map(|(name, code)| (name, code.code())), "validate only: {validate_only}");
        assert!(response.topics.iter().all(|each| each.error_message.is_some() == (each.error_code != 0)));
    }
    let found = metadata(&mut client, 12, &by_name(&["config"], false)).await;
    assert_eq!(found[0].0, ErrorCode::UnknownTopicOrPartition.code());
}

#[tokio::test]
async fn topics_are_deleted_by_name_and_id() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "a", 1);
    let id = door.catalog.add(TENANT, "b", 1);
    let theirs = door.catalog.add(TenantId(2), "theirs", 1);
    let mut client = door.connect().await;
    let topics = vec![
        message!(DeleteTopicState { name: Some("a".into()) }),
        message!(DeleteTopicState { topic_id: Uuid::from_bytes(id.0) }),
        message!(DeleteTopicState { topic_id: Uuid::from_bytes(theirs.0) }),
        message!(DeleteTopicState { name: Some("nope".into()) }),
        message!(DeleteTopicState { name: Some("a".into()), topic_id: Uuid::from_bytes(id.0) }),
    ];
    let response: DeleteTopicsResponse = client.call(6, &message!(DeleteTopicsRequest { topics: topics })).await;
    let codes = response.responses.iter().map(|each| each.error_code).collect::<Vec<_>>();
    let expected = [
        ErrorCode::None,
        ErrorCode::None,
        ErrorCode::UnknownTopicId,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::InvalidRequest,
    ];
    assert_eq!(codes, expected.map(ErrorCode::code));
    assert_eq!(response.responses[1].name.as_deref(), Some("b"));
    let both = &response.responses[4];
    assert_eq!((both.name.as_deref(), both.topic_id.to_bytes()), (Some("a"), id.0), "who named both is told both");
}

#[tokio::test]
async fn a_topic_that_is_to_be_deleted_twice_stays() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "a", 1);
    let mut client = door.connect().await;
    let by_both = vec![
        message!(DeleteTopicState { topic_id: Uuid::from_bytes(id.0) }),
        message!(DeleteTopicState { name: Some("a".into()) }),
    ];
    let response: DeleteTopicsResponse = client.call(6, &message!(DeleteTopicsRequest { topics: by_both })).await;
    assert_eq!(response.responses.len(), 1);
    assert_eq!(response.responses[0].error_code, ErrorCode::InvalidRequest.code());
    let names = vec!["a".into(), "a".into()];
    let response: DeleteTopicsResponse = client.call(5, &message!(DeleteTopicsRequest { topic_names: names })).await;
    let codes = response.responses.iter().map(|each| each.error_code).collect::<Vec<_>>();
    assert_eq!(codes, [ErrorCode::InvalidRequest.code()]);
    let nameless = vec![message!(DeleteTopicState { name: None })];
    let response: DeleteTopicsResponse = client.call(6, &message!(DeleteTopicsRequest { topics: nameless })).await;
    assert_eq!(response.responses[0].error_code, ErrorCode::InvalidRequest.code());
    assert!(door.events.all().is_empty(), "nothing was proposed");
}

#[tokio::test]
async fn producer_ids_are_handed_out_once() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..1_001 {
        let response: InitProducerIdResponse =
            client.call(4, &message!(InitProducerIdRequest { transactional_id: None })).await;
        assert_eq!((response.error_code, response.producer_epoch), (0, 0));
        assert!(ids.insert(response.producer_id), "id {} was handed out twice", response.producer_id);
    }
    assert_eq!(door.events.all(), ["allocate", "allocate"], "a thousand ids per proposal");
    let transactional = message!(InitProducerIdRequest { transactional_id: Some("tx".into()) });
    let response: InitProducerIdResponse = client.call(4, &transactional).await;
    assert_eq!(response.error_code, ErrorCode::TransactionalIdAuthorizationFailed.code());
    for (producer_id, producer_epoch) in [(5, -1), (-1, 5)] {
        let half = message!(InitProducerIdRequest {
            transactional_id: None,
            producer_id: producer_id,
            producer_epoch: producer_epoch,
        });
        let response: InitProducerIdResponse = client.call(4, &half).await;
        assert_eq!(response.error_code, ErrorCode::InvalidRequest.code(), "an id and its epoch come together");
    }
}

#[tokio::test]
async fn offsets_are_listed() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1);
    door.fetch.advance(PartitionId { topic: id, index: 0 }, 10);
    let mut client = door.connect().await;
    let mut check = async |version: i16, timestamp: i64, expected: (i16, i64, i64)| {
        let request = message!(ListOffsetsRequest {
            topics: vec![message!(ListOffsetsTopic {
                name: "t".into(),
                partitions: vec![message!(ListOffsetsPartition { timestamp: timestamp })],
            })],
        });
        let response: ListOffsetsResponse = client.call(version, &request).await;
        let found = &response.topics[0].partitions[0];
        assert_eq!((found.error_code, found.offset, found.timestamp), expected, "v{version} at {timestamp}");
    };
    for version in 1..=10 {
        check(version, -1, (0, 10, -1)).await;
        check(version, -2, (0, 0, -1)).await;
        check(version, 4, (0, 4, 4)).await;
        check(version, 400, (0, -1, -1)).await;
    }
    check(10, -3, (0, 9, 9)).await;
    check(10, -4, (0, 0, -1)).await;
    check(10, -5, (0, -1, -1)).await;
    check(6, -3, (ErrorCode::UnsupportedVersion.code(), -1, -1)).await;
    check(10, -6, (ErrorCode::UnsupportedVersion.code(), -1, -1)).await;
}

#[tokio::test]
async fn the_one_epoch_ends_at_the_tail() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1);
    door.fetch.advance(PartitionId { topic: id, index: 0 }, 10);
    let mut client = door.connect().await;
    for (asked, current, expected) in
        [(0, -1, (0, 0, 10)), (0, 0, (0, 0, 10)), (3, -1, (0, -1, -1)), (0, 1, (75, -1, -1))]
    {
        let request = message!(OffsetForLeaderEpochRequest {
            replica_id: -1,
            topics: vec![message!(OffsetForLeaderTopic {
                topic: "t".into(),
                partitions: vec![message!(OffsetForLeaderPartition {
                    leader_epoch: asked,
                    current_leader_epoch: current,
                })],
            })],
        });
        let response: OffsetForLeaderEpochResponse = client.call(4, &request).await;
        let end = &response.topics[0].partitions[0];
        assert_eq!((end.error_code, end.leader_epoch, end.end_offset), expected);
    }
}

#[tokio::test]
async fn everything_is_coordinated_here() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    for version in 0..=3 {
        let response: FindCoordinatorResponse =
            client.call(version, &message!(FindCoordinatorRequest { key: "g".into() })).await;
        assert_eq!((response.error_code, response.node_id, response.host.as_str()), (0, 7, "there"));
    }
    for (version, key_type, code) in [(4, 0, 0), (5, 1, 0), (5, 2, ErrorCode::InvalidRequest.code())] {
        let request =
            message!(FindCoordinatorRequest { coordinator_keys: vec!["g".into(), "h".into()], key_type: key_type });
        let response: FindCoordinatorResponse = client.call(version, &request).await;
        assert_eq!(response.coordinators.len(), 2);
        assert_eq!(response.coordinators[1].error_code, code);
    }
    for version in 0..=2 {
        let response: DescribeClusterResponse = client.call(version, &DescribeClusterRequest::default()).await;
        assert_eq!((response.error_code, response.controller_id, response.brokers[0].broker_id), (0, 7, 7));
    }
}

#[tokio::test]
async fn the_rest_in_every_version() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    for version in 1..=6 {
        let create = message!(CreateTopicsRequest { topics: vec![new_topic("t", 1, 1), new_topic("t t", 1, 1)] });
        let response: CreateTopicsResponse = client.call((version + 1).clamp(2, 7), &create).await;
        assert_eq!(response.topics[0].error_code, 0, "v{version}");
        let epochs = message!(OffsetForLeaderEpochRequest {
            replica_id: if version >= 3 { -1 } else { -2 },
            topics: vec![message!(OffsetForLeaderTopic {
                topic: "t".into(),
                partitions: vec![
                    OffsetForLeaderPartition::default(),
                    message!(OffsetForLeaderPartition { partition: 1 })
                ],
            })],
        });
        let response: OffsetForLeaderEpochResponse = client.call(version.clamp(2, 4), &epochs).await;
        let codes = response.topics[0].partitions.iter().map(|each| each.error_code).collect::<Vec<_>>();
        assert_eq!(codes, [0, ErrorCode::UnknownTopicOrPartition.code()]);
        let delete = if version < 6 {
            message!(DeleteTopicsRequest { topic_names: vec!["t".into(), "nope".into()] })
        } else {
            let state = |name: &str| message!(DeleteTopicState { name: Some(name.into()) });
            message!(DeleteTopicsRequest { topics: vec![state("t"), state("nope")] })
        };
        let response: DeleteTopicsResponse = client.call(version, &delete).await;
        let codes = response.responses.iter().map(|each| each.error_code).collect::<Vec<_>>();
        assert_eq!(codes, [0, ErrorCode::UnknownTopicOrPartition.code()], "v{version}");
        let init = message!(InitProducerIdRequest { transactional_id: None });
        let response: InitProducerIdResponse = client.call(version - 1, &init).await;
        assert_eq!(response.error_code, 0, "v{version}");
    }
    let mut metadata = message!(MetadataRequest { topics: None });
    for version in 8..=13 {
        metadata.include_topic_authorized_operations = true;
        metadata.include_cluster_authorized_operations = version <= 10;
        let response: MetadataResponse = client.call(version, &metadata).await;
        assert_eq!(response.cluster_authorized_operations != i32::MIN, version <= 10, "v{version}");
    }
}
