//! Every advertised request in every version: decoded as encoded, and never trusted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::BytesMut;
use kafka_wire::{KafkaRequest, OutboundFrameLimits, encode_request};

use super::*;
use crate::apis::NEVER_FLEXIBLE;
use crate::messages::{
    alter_client_quotas_request, alter_configs_request, alter_partition_reassignments_request,
    create_partitions_request, create_topics_request, delete_records_request, delete_topics_request,
    describe_client_quotas_request, describe_configs_request, describe_log_dirs_request, describe_producers_request,
    describe_quorum_request, describe_topic_partitions_request, elect_leaders_request, fetch_request,
    incremental_alter_configs_request, join_group_request, leave_group_request, list_offsets_request,
    list_partition_reassignments_request, metadata_request, offset_commit_request, offset_delete_request,
    offset_fetch_request, offset_for_leader_epoch_request, produce_request, sync_group_request,
    update_features_request,
};
use crate::{ADVERTISED, message};

/// Notes the largest single allocation of each thread: other tests run beside the one that looks.
struct Watching;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.set(LARGEST.get().max(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

fn encode<R: KafkaRequest>(request: &R, version: i16) -> Bytes {
    let mut out = BytesMut::new();
    let limits = OutboundFrameLimits::new(1 << 20);
    encode_request(&mut out, 77, Some("client".into()), request, ApiVersion::new(version), limits)
        .unwrap_or_else(|error| panic!("{} v{version}: {error}", R::NAME));
    out.freeze().slice(4..)
}

/// A request of each API with something in every array, as its version allows.
fn sample(api: Api, version: i16) -> Bytes {
    let name = |up_to: i16| if version <= up_to { StrBytes::from("topic") } else { StrBytes::default() };
    let id = |from: i16| if version >= from { crate::Uuid::from_bytes([3; 16]) } else { crate::Uuid::ZERO };
    match api {
        Api::Produce => encode(
            &message!(ProduceRequest {
                acks: -1,
                timeout_ms: 1000,
                topic_data: vec![message!(produce_request::TopicProduceData {
                    name: name(12),
                    topic_id: id(13),
                    partition_data: vec![message!(produce_request::PartitionProduceData {
                        index: 1,
                        records: Some(Bytes::from_static(&[1; 80])),
                    })],
                })],
            }),
            version,
        ),
        Api::Fetch => {
            let mut request = message!(FetchRequest {
                max_wait_ms: 5,
                min_bytes: 1,
                max_bytes: 1000,
                topics: vec![message!(fetch_request::FetchTopic {
                    topic: name(12),
                    topic_id: id(13),
                    partitions: vec![message!(fetch_request::FetchPartition { partition: 1, fetch_offset: 4 })],
                })],
            });
            if version >= 7 {
                request.forgotten_topics_data = vec![message!(fetch_request::ForgottenTopic {
                    topic: name(12),
                    topic_id: id(13),
                    partitions: vec![1, 2, 3],
                })];
            }
            encode(&request, version)
        }
        Api::ListOffsets => encode(
            &message!(ListOffsetsRequest {
                topics: vec![message!(list_offsets_request::ListOffsetsTopic {
                    name: "topic".into(),
                    partitions: vec![message!(list_offsets_request::ListOffsetsPartition { timestamp: -1 })],
                })],
            }),
            version,
        ),
        Api::Metadata => encode(
            &message!(MetadataRequest {
                topics: Some(vec![message!(metadata_request::MetadataRequestTopic { name: Some("topic".into()) })]),
                allow_auto_topic_creation: true,
            }),
            version,
        ),
        Api::OffsetCommit => encode(
            &message!(OffsetCommitRequest {
                group_id: "group".into(),
                topics: vec![message!(offset_commit_request::OffsetCommitRequestTopic {
                    name: name(9),
                    topic_id: id(10),
                    partitions: vec![message!(offset_commit_request::OffsetCommitRequestPartition {
                        committed_offset: 5,
                        committed_metadata: Some("meta".into()),
                    })],
                })],
            }),
            version,
        ),
        Api::OffsetFetch if version < 8 => encode(
            &message!(OffsetFetchRequest {
                group_id: "group".into(),
                topics: Some(vec![message!(offset_fetch_request::OffsetFetchRequestTopic {
                    name: "topic".into(),
                    partition_indexes: vec![1, 2],
                })]),
            }),
            version,
        ),
        Api::OffsetFetch => encode(
            &message!(OffsetFetchRequest {
                groups: vec![message!(offset_fetch_request::OffsetFetchRequestGroup {
                    group_id: "group".into(),
                    topics: Some(vec![message!(offset_fetch_request::OffsetFetchRequestTopics {
                        name: name(9),
                        topic_id: id(10),
                        partition_indexes: vec![1, 2],
                    })]),
                })],
            }),
            version,
        ),
        Api::FindCoordinator if version < 4 => {
            encode(&message!(FindCoordinatorRequest { key: "group".into() }), version)
        }
        Api::FindCoordinator => {
            encode(&message!(FindCoordinatorRequest { coordinator_keys: vec!["group".into()] }), version)
        }
        Api::JoinGroup => encode(
            &message!(JoinGroupRequest {
                group_id: "group".into(),
                protocol_type: "consumer".into(),
                session_timeout_ms: 1,
                protocols: vec![message!(join_group_request::JoinGroupRequestProtocol {
                    name: "range".into(),
                    metadata: Bytes::from_static(b"meta"),
                })],
            }),
            version,
        ),
        Api::Heartbeat => encode(&message!(HeartbeatRequest { group_id: "group".into() }), version),
        Api::LeaveGroup if version < 3 => {
            encode(&message!(LeaveGroupRequest { group_id: "g".into(), member_id: "m".into() }), version)
        }
        Api::LeaveGroup => encode(
            &message!(LeaveGroupRequest {
                group_id: "group".into(),
                members: vec![message!(leave_group_request::MemberIdentity { member_id: "m".into() })],
            }),
            version,
        ),
        Api::SyncGroup => encode(
            &message!(SyncGroupRequest {
                group_id: "group".into(),
                assignments: vec![message!(sync_group_request::SyncGroupRequestAssignment {
                    member_id: "m".into(),
                    assignment: Bytes::from_static(b"assignment"),
                })],
            }),
            version,
        ),
        Api::ApiVersions if version < 3 => encode(&ApiVersionsRequest::default(), version),
        Api::ApiVersions => encode(
            &message!(ApiVersionsRequest { client_software_name: "x".into(), client_software_version: "1".into() }),
            version,
        ),
        Api::CreateTopics => encode(
            &message!(CreateTopicsRequest {
                topics: vec![message!(create_topics_request::CreatableTopic {
                    name: "topic".into(),
                    num_partitions: 3,
                    replication_factor: 1,
                    assignments: vec![message!(create_topics_request::CreatableReplicaAssignment {
                        broker_ids: vec![1]
                    })],
                    configs: vec![message!(create_topics_request::CreatableTopicConfig {
                        name: "retention.ms".into(),
                        value: Some("1".into()),
                    })],
                })],
            }),
            version,
        ),
        Api::DeleteTopics if version < 6 => {
            encode(&message!(DeleteTopicsRequest { topic_names: vec!["topic".into()] }), version)
        }
        Api::DeleteTopics => encode(
            &message!(DeleteTopicsRequest {
                topics: vec![message!(delete_topics_request::DeleteTopicState { name: Some("topic".into()) })],
            }),
            version,
        ),
        Api::InitProducerId => encode(&message!(InitProducerIdRequest { transaction_timeout_ms: 1 }), version),
        Api::OffsetForLeaderEpoch => encode(
            &message!(OffsetForLeaderEpochRequest {
                topics: vec![message!(offset_for_leader_epoch_request::OffsetForLeaderTopic {
                    topic: "topic".into(),
                    partitions: vec![message!(offset_for_leader_epoch_request::OffsetForLeaderPartition {
                        partition: 1,
                    })],
                })],
            }),
            version,
        ),
        Api::DescribeConfigs => encode(
            &message!(DescribeConfigsRequest {
                resources: vec![message!(describe_configs_request::DescribeConfigsResource {
                    resource_type: 2,
                    resource_name: "topic".into(),
                    configuration_keys: Some(vec!["retention.ms".into()]),
                })],
            }),
            version,
        ),
        Api::AlterConfigs => encode(
            &message!(AlterConfigsRequest {
                resources: vec![message!(alter_configs_request::AlterConfigsResource {
                    resource_type: 2,
                    resource_name: "topic".into(),
                    configs: vec![message!(alter_configs_request::AlterableConfig {
                        name: "retention.ms".into(),
                        value: Some("1".into()),
                    })],
                })],
            }),
            version,
        ),
        Api::IncrementalAlterConfigs => encode(
            &message!(IncrementalAlterConfigsRequest {
                resources: vec![message!(incremental_alter_configs_request::AlterConfigsResource {
                    resource_type: 2,
                    resource_name: "topic".into(),
                    configs: vec![message!(incremental_alter_configs_request::AlterableConfig {
                        name: "retention.ms".into(),
                        value: Some("1".into()),
                    })],
                })],
            }),
            version,
        ),
        Api::CreatePartitions => encode(
            &message!(CreatePartitionsRequest {
                topics: vec![message!(create_partitions_request::CreatePartitionsTopic {
                    name: "topic".into(),
                    count: 3,
                    assignments: Some(vec![message!(create_partitions_request::CreatePartitionsAssignment {
                        broker_ids: vec![1],
                    })]),
                })],
            }),
            version,
        ),
        Api::ListConfigResources => {
            let resource_types = if version >= 1 { vec![2, 4] } else { Vec::new() };
            encode(&message!(ListConfigResourcesRequest { resource_types: resource_types }), version)
        }
        Api::DescribeGroups => encode(&message!(DescribeGroupsRequest { groups: vec!["group".into()] }), version),
        Api::ListGroups => {
            let filter = |from: i16| if version >= from { vec!["Stable".into()] } else { Vec::new() };
            encode(&message!(ListGroupsRequest { states_filter: filter(4), types_filter: filter(5) }), version)
        }
        Api::DeleteGroups => encode(&message!(DeleteGroupsRequest { groups_names: vec!["group".into()] }), version),
        Api::OffsetDelete => encode(
            &message!(OffsetDeleteRequest {
                group_id: "group".into(),
                topics: vec![message!(offset_delete_request::OffsetDeleteRequestTopic {
                    name: "topic".into(),
                    partitions: vec![message!(offset_delete_request::OffsetDeleteRequestPartition {
                        partition_index: 1,
                    })],
                })],
            }),
            version,
        ),
        Api::DescribeClientQuotas => {
            let component = describe_client_quotas_request::ComponentData::default();
            encode(&message!(DescribeClientQuotasRequest { components: vec![component; 2], strict: true }), version)
        }
        Api::AlterClientQuotas => {
            let (entity, ops) = (vec![Default::default(); 2], vec![Default::default()]);
            let entry = message!(alter_client_quotas_request::EntryData { entity: entity, ops: ops });
            encode(&message!(AlterClientQuotasRequest { entries: vec![entry], validate_only: true }), version)
        }
        Api::DeleteRecords => encode(
            &message!(DeleteRecordsRequest {
                topics: vec![message!(delete_records_request::DeleteRecordsTopic {
                    name: "topic".into(),
                    partitions: vec![message!(delete_records_request::DeleteRecordsPartition { offset: 5 })],
                })],
            }),
            version,
        ),
        Api::DescribeLogDirs => encode(
            &message!(DescribeLogDirsRequest {
                topics: Some(vec![message!(describe_log_dirs_request::DescribableLogDirTopic {
                    topic: "topic".into(),
                    partitions: vec![1, 2],
                })]),
            }),
            version,
        ),
        Api::ElectLeaders => encode(
            &message!(ElectLeadersRequest {
                topic_partitions: Some(vec![message!(elect_leaders_request::TopicPartitions {
                    topic: "topic".into(),
                    partitions: vec![1, 2],
                })]),
            }),
            version,
        ),
        Api::AlterPartitionReassignments => encode(
            &message!(AlterPartitionReassignmentsRequest {
                topics: vec![message!(alter_partition_reassignments_request::ReassignableTopic {
                    name: "topic".into(),
                    partitions: vec![message!(alter_partition_reassignments_request::ReassignablePartition {
                        partition_index: 1,
                        replicas: Some(vec![1]),
                    })],
                })],
            }),
            version,
        ),
        Api::ListPartitionReassignments => encode(
            &message!(ListPartitionReassignmentsRequest {
                topics: Some(vec![message!(list_partition_reassignments_request::ListPartitionReassignmentsTopics {
                    name: "topic".into(),
                    partition_indexes: vec![1],
                })]),
            }),
            version,
        ),
        Api::DescribeProducers => encode(
            &message!(DescribeProducersRequest {
                topics: vec![message!(describe_producers_request::TopicRequest {
                    name: "topic".into(),
                    partition_indexes: vec![1],
                })],
            }),
            version,
        ),
        Api::DescribeTopicPartitions => encode(
            &message!(DescribeTopicPartitionsRequest {
                topics: vec![message!(describe_topic_partitions_request::TopicRequest { name: "topic".into() })],
            }),
            version,
        ),
        Api::DescribeQuorum => encode(
            &message!(DescribeQuorumRequest {
                topics: vec![message!(describe_quorum_request::TopicData {
                    topic_name: "topic".into(),
                    partitions: vec![message!(describe_quorum_request::PartitionData { partition_index: 1 })],
                })],
            }),
            version,
        ),
        Api::UpdateFeatures => encode(
            &message!(UpdateFeaturesRequest {
                feature_updates: vec![message!(update_features_request::FeatureUpdateKey {
                    feature: "feature".into(),
                    max_version_level: 2,
                })],
            }),
            version,
        ),
        Api::GetTelemetrySubscriptions => encode(
            &message!(GetTelemetrySubscriptionsRequest { client_instance_id: crate::Uuid::from_bytes([3; 16]) }),
            version,
        ),
        Api::PushTelemetry => encode(
            &message!(PushTelemetryRequest {
                client_instance_id: crate::Uuid::from_bytes([3; 16]),
                metrics: Bytes::from_static(&[1; 80]),
            }),
            version,
        ),
        Api::DescribeCluster => encode(&DescribeClusterRequest::default(), version),
    }
}

fn every_version() -> impl Iterator<Item = (Api, i16)> {
    ADVERTISED
        .iter()
        .flat_map(|row| (row.version_understood_min..=row.version_max).map(move |version| (row.api, version)))
}

#[test]
fn every_advertised_version_decodes() {
    for (api, version) in every_version() {
        let (header, _) = decode_request(sample(api, version)).unwrap_or_else(|e| panic!("{api:?} v{version}: {e}"));
        assert_eq!((header.api, header.version, header.correlation_id), (api, version, 77));
        assert_eq!(header.client_id.as_deref(), Some("client"));
    }
}

#[test]
fn the_table_is_within_the_codec_s_and_agrees_about_flexibility() {
    for row in &ADVERTISED {
        let descriptor = kafka_wire::API_DESCRIPTORS
            .iter()
            .find(|descriptor| descriptor.api_key.value() == row.api.key())
            .expect("the codec knows it");
        let supported = descriptor.supported_versions;
        assert!(supported.contains(ApiVersion::new(row.version_understood_min)), "{:?}", row.api);
        assert!(supported.contains(ApiVersion::new(row.version_max)), "{:?}", row.api);
        let flexible_from = descriptor.flexible_versions.map_or(NEVER_FLEXIBLE, |flexible| flexible.min().value());
        assert_eq!(flexible_from, row.flexible_from, "{:?}", row.api);
        assert_eq!(Api::from_key(row.api.key()), Some(row.api));
    }
}

#[test]
fn a_planted_count_is_an_error_and_costs_nothing() {
    // Warm up what is allocated once.
    let _ = decode_request(sample(Api::Fetch, 18));
    for (api, version) in every_version() {
        let frame = sample(api, version);
        for at in 0..frame.len().saturating_sub(3) {
            // A fixed-width count, and a compact one in as many bytes.
            for planted in [i32::MAX.to_be_bytes(), [0xff, 0xff, 0xff, 0x7f]] {
                let mut bytes = frame.to_vec();
                bytes[at..at + 4].copy_from_slice(&planted);
                LARGEST.set(0);
                // Some windows hold plain numbers or text, where the value is as good as any.
                let _ = decode_request(Bytes::from(bytes));
                let largest = LARGEST.get();
                assert!(largest < 64 * 1024, "{api:?} v{version} allocated {largest} bytes for a count at {at}");
            }
        }
    }
}

#[test]
fn a_count_planted_where_a_count_stands_is_refused() {
    // Metadata v1: header (2 + 2 + 4 + 2 + 6), then the count of topics.
    let mut bytes = sample(Api::Metadata, 1).to_vec();
    bytes[16..20].copy_from_slice(&i32::MAX.to_be_bytes());
    assert!(matches!(decode_request(Bytes::from(bytes)), Err(RequestError::Malformed(_))));
}

#[test]
fn a_cut_off_request_is_refused_and_what_follows_one_is_ignored() {
    for (api, version) in every_version() {
        let frame = sample(api, version);
        for length in 0..frame.len() {
            // A cut at a count that allows it may leave a shorter valid request in no version that is advertised.
            assert!(decode_request(frame.slice(..length)).is_err(), "{api:?} v{version} cut at {length}");
        }
        let mut longer = frame.to_vec();
        longer.push(0);
        assert!(decode_request(Bytes::from(longer)).is_ok(), "{api:?} v{version} with a trailing byte");
    }
}

#[test]
fn records_share_the_frame_s_memory() {
    let frame = sample(Api::Produce, 13);
    let range = frame.as_ptr_range();
    let (_, Request::Produce(request)) = decode_request(frame).unwrap() else { panic!("it is a Produce") };
    let records = request.topic_data[0].partition_data[0].records.clone().unwrap();
    assert!(range.contains(&records.as_ptr()));
}

#[test]
fn versions_that_are_not_understood() {
    let with_version = |api: Api, version: i16| {
        let mut bytes = sample(api, api.advertised().version_max).to_vec();
        bytes[2..4].copy_from_slice(&version.to_be_bytes());
        decode_request(Bytes::from(bytes)).map(|_| ())
    };
    assert_eq!(
        with_version(Api::ApiVersions, 99),
        Err(RequestError::UnsupportedApiVersions { version: 99, correlation_id: 77 })
    );
    for version in 0..3 {
        assert_eq!(
            with_version(Api::Produce, version),
            Err(RequestError::UnsupportedVersion { api: Api::Produce, version }),
            "old Produce is advertised and refused"
        );
    }
    assert_eq!(with_version(Api::Fetch, 3), Err(RequestError::UnsupportedVersion { api: Api::Fetch, version: 3 }));
    assert_eq!(with_version(Api::Fetch, -1), Err(RequestError::UnsupportedVersion { api: Api::Fetch, version: -1 }));
    let mut unknown = sample(Api::Fetch, 4).to_vec();
    unknown[0..2].copy_from_slice(&999_i16.to_be_bytes());
    assert_eq!(decode_request(Bytes::from(unknown)).map(|_| ()), Err(RequestError::UnknownApi(999)));
}

mod any_bytes {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_panic(key in 0_usize..ADVERTISED.len(), version in 0_i16..19, body: Vec<u8>) {
            let mut frame = ADVERTISED[key].api.key().to_be_bytes().to_vec();
            frame.extend_from_slice(&version.to_be_bytes());
            frame.extend_from_slice(&body);
            let _ = decode_request(Bytes::from(frame));
        }

        #[test]
        fn flipped_samples_never_panic(which in 0_usize..100, at in 0_usize..200, to: u8) {
            let all = every_version().collect::<Vec<_>>();
            let (api, version) = all[which % all.len()];
            let mut frame = sample(api, version).to_vec();
            let at = at % frame.len();
            frame[at] = to;
            let _ = decode_request(Bytes::from(frame));
        }
    }
}

#[test]
fn librdkafka_2_12_asks_for_all_topics_with_three_bytes_too_many() {
    let frame = b"\0\x03\0\x0d\0\0\0\x03\0\x07rdkafka\0\0\0\0\x01\0\0";
    let (header, request) = decode_request(Bytes::from_static(frame)).unwrap();
    assert_eq!((header.api, header.version), (Api::Metadata, 13));
    assert!(matches!(request, Request::Metadata(request) if request.topics.is_none()));
}
