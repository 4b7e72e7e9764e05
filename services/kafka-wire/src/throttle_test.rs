//! Throttle times are where the codec writes them, in every answer and version.

use std::collections::BTreeSet;

use crate::messages::*;
use crate::{
    ADVERTISED, Api, ErrorCode, FetchReply, FetchReplyPartition, FetchReplyTopic, RequestHeader, encode_fetch_reply,
    encode_response, message, set_throttle_time,
};
use bytes::Bytes;

fn versions(api: Api) -> impl Iterator<Item = RequestHeader> {
    let row = api.advertised();
    let header = move |version| RequestHeader { api, version, correlation_id: 7, client_id: None };
    (row.version_understood_min..=row.version_max).map(header)
}

fn check<M: Response>(api: Api, plain: &M, throttled: &M) {
    for header in versions(api) {
        let mut pieces = [encode_response(&header, plain).unwrap()];
        set_throttle_time(&header, &mut pieces, 1_234);
        assert_eq!(pieces[0], encode_response(&header, throttled).unwrap(), "{} v{}", api.name(), header.version);
    }
}

/// Checks the answers of APIs by their defaults.
macro_rules! check_all {
    ($($api:ident: $response:ident),* $(,)?) => {{
        $(check(Api::$api, &$response::default(), &message!($response { throttle_time_ms: 1_234 }));)*
        [$(Api::$api),*]
    }};
}

#[test]
fn every_answer_says_it_where_the_codec_does() {
    let checked = check_all!(
        ListOffsets: ListOffsetsResponse,
        Metadata: MetadataResponse,
        OffsetCommit: OffsetCommitResponse,
        OffsetFetch: OffsetFetchResponse,
        FindCoordinator: FindCoordinatorResponse,
        JoinGroup: JoinGroupResponse,
        Heartbeat: HeartbeatResponse,
        LeaveGroup: LeaveGroupResponse,
        SyncGroup: SyncGroupResponse,
        DescribeGroups: DescribeGroupsResponse,
        ListGroups: ListGroupsResponse,
        CreateTopics: CreateTopicsResponse,
        DeleteTopics: DeleteTopicsResponse,
        DeleteRecords: DeleteRecordsResponse,
        InitProducerId: InitProducerIdResponse,
        OffsetForLeaderEpoch: OffsetForLeaderEpochResponse,
        DescribeConfigs: DescribeConfigsResponse,
        AlterConfigs: AlterConfigsResponse,
        DescribeLogDirs: DescribeLogDirsResponse,
        CreatePartitions: CreatePartitionsResponse,
        DeleteGroups: DeleteGroupsResponse,
        ElectLeaders: ElectLeadersResponse,
        IncrementalAlterConfigs: IncrementalAlterConfigsResponse,
        AlterPartitionReassignments: AlterPartitionReassignmentsResponse,
        ListPartitionReassignments: ListPartitionReassignmentsResponse,
        OffsetDelete: OffsetDeleteResponse,
        DescribeClientQuotas: DescribeClientQuotasResponse,
        AlterClientQuotas: AlterClientQuotasResponse,
        UpdateFeatures: UpdateFeaturesResponse,
        DescribeCluster: DescribeClusterResponse,
        DescribeProducers: DescribeProducersResponse,
        GetTelemetrySubscriptions: GetTelemetrySubscriptionsResponse,
        PushTelemetry: PushTelemetryResponse,
        ListConfigResources: ListConfigResourcesResponse,
        DescribeTopicPartitions: DescribeTopicPartitionsResponse,
    );
    // Those below.
    let others = [Api::Produce, Api::Fetch, Api::ApiVersions, Api::DescribeQuorum];
    let checked = checked.into_iter().chain(others).collect::<BTreeSet<_>>();
    assert_eq!(checked, ADVERTISED.iter().map(|row| row.api).collect::<BTreeSet<_>>(), "each is looked at");
}

#[test]
fn produce_says_it_behind_what_became_of_the_records() {
    let partition = message!(produce_response::PartitionProduceResponse { index: 3, error_code: 87, base_offset: -1 });
    let topic = message!(produce_response::TopicProduceResponse { partition_responses: vec![partition; 3] });
    let plain = message!(ProduceResponse { responses: vec![topic; 200] });
    let mut throttled = plain.clone();
    throttled.throttle_time_ms = 1_234;
    check(Api::Produce, &plain, &throttled);
}

#[test]
fn api_versions_says_it_behind_the_versions() {
    for count in [0, 1, 126, 127, 128, 300] {
        let row = message!(api_versions_response::ApiVersion { api_key: 3, min_version: 1, max_version: 4 });
        let plain = message!(ApiVersionsResponse { api_keys: vec![row; count] });
        let mut throttled = plain.clone();
        throttled.throttle_time_ms = 1_234;
        check(Api::ApiVersions, &plain, &throttled);
    }
}

#[test]
fn describe_quorum_cannot_say_it() {
    for header in versions(Api::DescribeQuorum) {
        let frame = encode_response(&header, &DescribeQuorumResponse::default()).unwrap();
        let mut pieces = [frame.clone()];
        set_throttle_time(&header, &mut pieces, 1_234);
        assert_eq!(pieces[0], frame);
    }
}

#[test]
fn fetch_says_it_before_the_records() {
    let partition = FetchReplyPartition {
        index: 1,
        error: ErrorCode::None,
        high_watermark: 3,
        last_stable: 3,
        log_start: 0,
        records: vec![Bytes::from_static(b"records")],
    };
    let topic = FetchReplyTopic { name: "t".into(), id: [1; 16], partitions: vec![partition] };
    let reply = FetchReply { error: ErrorCode::None, session_id: 0, topics: vec![topic] };
    for header in versions(Api::Fetch) {
        let mut pieces = encode_fetch_reply(&header, &reply).unwrap();
        let records = pieces[1].as_ptr();
        set_throttle_time(&header, &mut pieces, 1_234);
        assert_eq!(pieces[1].as_ptr(), records, "records are not copied");
        let response =
            crate::testing::decode_response::<FetchResponse>(&header, Bytes::from(pieces.concat()).slice(4..));
        assert_eq!((response.throttle_time_ms, response.responses.len()), (1_234, 1), "v{}", header.version);
    }
}

#[test]
#[should_panic(expected = "no throttle time is said yet")]
fn it_is_said_once() {
    let header = versions(Api::Heartbeat).last().unwrap();
    let mut pieces = [encode_response(&header, &HeartbeatResponse::default()).unwrap()];
    set_throttle_time(&header, &mut pieces, 1);
    set_throttle_time(&header, &mut pieces, 2);
}
