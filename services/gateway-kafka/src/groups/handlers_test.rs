//! The requests of groups, as clients of every version send them.

use std::sync::Arc;

use bytes::Bytes;
use tidelog_groups::Coordinator;
use tidelog_groups::limits::INITIAL_REBALANCE_DELAY_DEFAULT;
use tidelog_host::{Clock, Random, Tasks};
use tidelog_kafka_wire::messages::*;
use tidelog_kafka_wire::{Api, ErrorCode, RequestHeader, StrBytes, Uuid, encode_response, message};
use tidelog_model::{SessionId, TenantId};

use super::handlers::*;
use super::testing_catalog::LaggingCatalog;

const TENANT: TenantId = TenantId(1);

struct Bench {
    catalog: Arc<LaggingCatalog>,
    coordinator: Arc<Coordinator>,
}

fn bench() -> Bench {
    let catalog = Arc::new(LaggingCatalog::default());
    catalog.make_topic(TENANT, "t", 1);
    let tasks = Tasks::on_current_runtime();
    let delay = INITIAL_REBALANCE_DELAY_DEFAULT;
    let coordinator =
        Coordinator::start(catalog.clone(), SessionId(1), Clock::real(), Random::seeded(7), &tasks, delay);
    Bench { catalog, coordinator }
}

fn header(api: Api, version: i16) -> RequestHeader {
    RequestHeader { api, version, correlation_id: 1, client_id: Some("client".into()) }
}

/// Versions that are advertised; every answer has to fit each of them.
fn versions(api: Api) -> impl Iterator<Item = i16> {
    let row = api.advertised();
    row.version_understood_min..=row.version_max
}

impl Bench {
    fn context(&self) -> Context<'_> {
        Context { coordinator: &self.coordinator, tenant: TENANT }
    }

    async fn join(&self, version: i16, request: JoinGroupRequest) -> JoinGroupResponse {
        let header = header(Api::JoinGroup, version);
        let response = join_group(&self.context(), &header, "/there", request, ()).await;
        encode_response(&header, &response).unwrap();
        response
    }

    async fn sync(&self, version: i16, request: SyncGroupRequest) -> SyncGroupResponse {
        let header = header(Api::SyncGroup, version);
        let response = sync_group(&self.context(), &header, request, ()).await;
        encode_response(&header, &response).unwrap();
        response
    }

    async fn leave(&self, version: i16, request: LeaveGroupRequest) -> LeaveGroupResponse {
        let header = header(Api::LeaveGroup, version);
        let response = leave_group(&self.context(), &header, request).await;
        encode_response(&header, &response).unwrap();
        response
    }

    async fn beat(&self, version: i16, request: HeartbeatRequest) -> i16 {
        let header = header(Api::Heartbeat, version);
        let response = heartbeat(&self.context(), &header, request).await;
        encode_response(&header, &response).unwrap();
        response.error_code
    }

    async fn commit(&self, version: i16, request: OffsetCommitRequest) -> OffsetCommitResponse {
        let header = header(Api::OffsetCommit, version);
        let response = offset_commit(&self.context(), &header, request).await;
        encode_response(&header, &response).unwrap();
        response
    }

    async fn fetch(&self, version: i16, request: OffsetFetchRequest) -> OffsetFetchResponse {
        let header = header(Api::OffsetFetch, version);
        let response = offset_fetch(&self.context(), &header, request).await;
        encode_response(&header, &response).unwrap();
        response
    }

    /// Joins as a client of this version does, and syncs: a group of one.
    async fn alone(&self, version: i16) -> JoinGroupResponse {
        let mut request = join_request();
        let mut joined = self.join(version, request.clone()).await;
        if version >= 4 {
            assert_eq!(joined.error_code, ErrorCode::MemberIdRequired.code());
            request.member_id = joined.member_id;
            joined = self.join(version, request).await;
        }
        assert_eq!(joined.error_code, 0);
        let synced = self.sync(version.min(5), sync_request(&joined)).await;
        assert_eq!((synced.error_code, synced.assignment), (0, Bytes::from_static(b"share")));
        joined
    }
}

fn join_request() -> JoinGroupRequest {
    message!(JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![message!(join_group_request::JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(b"topics"),
        })],
    })
}

fn sync_request(joined: &JoinGroupResponse) -> SyncGroupRequest {
    message!(SyncGroupRequest {
        group_id: "g".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: vec![message!(sync_group_request::SyncGroupRequestAssignment {
            member_id: joined.member_id.clone(),
            assignment: Bytes::from_static(b"share"),
        })],
    })
}

fn heartbeat_request(joined: &JoinGroupResponse) -> HeartbeatRequest {
    message!(HeartbeatRequest {
        group_id: "g".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
    })
}

fn commit_request(topic: &str, offsets: &[(i32, i64)]) -> OffsetCommitRequest {
    let partition = |(index, offset): &(i32, i64)| {
        message!(offset_commit_request::OffsetCommitRequestPartition {
            partition_index: *index,
            committed_offset: *offset,
            committed_metadata: Some("note".into()),
        })
    };
    message!(OffsetCommitRequest {
        group_id: "g".into(),
        topics: vec![message!(offset_commit_request::OffsetCommitRequestTopic {
            name: topic.into(),
            partitions: offsets.iter().map(partition).collect(),
        })],
    })
}

fn commit_codes(response: &OffsetCommitResponse) -> Vec<(i32, i16)> {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| (partition.partition_index, partition.error_code)).collect()
}

fn fetch_request(topics: Option<&[(&str, &[i32])]>) -> OffsetFetchRequest {
    let topic = |(name, indexes): &(&str, &[i32])| {
        message!(offset_fetch_request::OffsetFetchRequestTopic {
            name: (*name).into(),
            partition_indexes: indexes.to_vec(),
        })
    };
    message!(OffsetFetchRequest { group_id: "g".into(), topics: topics.map(|all| all.iter().map(topic).collect()) })
}

fn fetch_groups_request(groups: &[&str], topics: Option<&[(&str, &[i32])]>) -> OffsetFetchRequest {
    let topic = |(name, indexes): &(&str, &[i32])| {
        message!(offset_fetch_request::OffsetFetchRequestTopics {
            name: (*name).into(),
            partition_indexes: indexes.to_vec(),
        })
    };
    let group = |group: &&str| {
        message!(offset_fetch_request::OffsetFetchRequestGroup {
            group_id: (*group).into(),
            topics: topics.map(|all| all.iter().map(topic).collect()),
        })
    };
    message!(OffsetFetchRequest { groups: groups.iter().map(group).collect() })
}

fn fetched(response: &OffsetFetchResponse) -> Vec<(&str, i32, i64, i16)> {
    let topics = response.topics.iter();
    topics
        .flat_map(|topic| topic.partitions.iter().map(move |p| (topic.name.as_str(), p)))
        .map(|(name, p)| (name, p.partition_index, p.committed_offset, p.error_code))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_member_lives_in_every_version() {
    for version in versions(Api::JoinGroup) {
        let bench = bench();
        let joined = bench.alone(version).await;
        assert_eq!((joined.generation_id, joined.protocol_name.as_deref()), (1, Some("range")));
        assert_eq!((joined.leader == joined.member_id, joined.members.len()), (true, 1));
        assert_eq!(bench.beat(version.min(4), heartbeat_request(&joined)).await, 0);
        let mut commit = commit_request("t", &[(0, 5)]);
        commit.generation_id_or_member_epoch = joined.generation_id;
        commit.member_id = joined.member_id.clone();
        assert_eq!(commit_codes(&bench.commit(version.max(2), commit).await), vec![(0, 0)]);
        let members = vec![message!(leave_group_request::MemberIdentity { member_id: joined.member_id.clone() })];
        let left = match version {
            0..3 => message!(LeaveGroupRequest { group_id: "g".into(), member_id: joined.member_id.clone() }),
            _ => message!(LeaveGroupRequest { group_id: "g".into(), members: members }),
        };
        let left = bench.leave(version.min(5), left).await;
        assert_eq!((left.error_code, left.members.len()), (0, usize::from(version >= 3)));
        let unknown = ErrorCode::UnknownMemberId.code();
        assert_eq!(bench.beat(version.min(4), heartbeat_request(&joined)).await, unknown);
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_fit_every_version() {
    let bench = bench();
    for version in versions(Api::JoinGroup) {
        let refused = bench.join(version, message!(JoinGroupRequest { group_id: "".into() })).await;
        assert_eq!(refused.error_code, ErrorCode::InvalidGroupId.code());
        assert_eq!((refused.generation_id, refused.protocol_name.is_none()), (-1, version >= 7));
        let mut short = join_request();
        short.session_timeout_ms = 10;
        assert_eq!(bench.join(version, short).await.error_code, ErrorCode::InvalidSessionTimeout.code());
    }
    for version in versions(Api::SyncGroup) {
        let mut sync = sync_request(&JoinGroupResponse::default());
        assert_eq!(bench.sync(version, sync.clone()).await.error_code, ErrorCode::UnknownMemberId.code());
        sync.protocol_name = None;
        let expected = if version >= 5 { ErrorCode::InconsistentGroupProtocol } else { ErrorCode::UnknownMemberId };
        assert_eq!(bench.sync(version, sync).await.error_code, expected.code());
    }
    for version in versions(Api::Heartbeat) {
        let code = bench.beat(version, heartbeat_request(&JoinGroupResponse::default())).await;
        assert_eq!(code, ErrorCode::UnknownMemberId.code());
    }
    for version in versions(Api::LeaveGroup) {
        let member = message!(leave_group_request::MemberIdentity { member_id: "x".into() });
        let request = message!(LeaveGroupRequest {
            group_id: "g".into(),
            member_id: "x".into(),
            members: vec![member.clone(), member],
        });
        let left = bench.leave(version, request).await;
        let unknown = ErrorCode::UnknownMemberId.code();
        if version < 3 {
            assert_eq!(left.error_code, unknown);
        } else {
            let codes: Vec<i16> = left.members.iter().map(|member| member.error_code).collect();
            assert_eq!((left.error_code, codes), (0, vec![unknown, unknown]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn before_version_1_the_session_timeout_bounds_the_rebalance() {
    let bench = bench();
    bench.alone(1).await;
    let mut request = join_request();
    request.rebalance_timeout_ms = -1;
    let second = bench.join(0, request).await;
    assert_eq!((second.error_code, second.generation_id), (0, 2), "the silent first one did not hold it for ever");
}

#[tokio::test(start_paused = true)]
async fn offsets_are_refused_one_by_one() {
    let bench = bench();
    for version in versions(Api::OffsetCommit).filter(|version| *version < 10) {
        let response = bench.commit(version, commit_request("t", &[(0, 5), (3, 5), (-1, 5), (1, -5), (2, 6)])).await;
        let unknown = ErrorCode::UnknownTopicOrPartition.code();
        let expected = vec![(0, 0), (3, unknown), (-1, unknown), (1, ErrorCode::InvalidRequest.code()), (2, 0)];
        assert_eq!(commit_codes(&response), expected);
        let response = bench.commit(version, commit_request("nowhere", &[(0, 5)])).await;
        assert_eq!(commit_codes(&response), vec![(0, unknown)]);
        let mut talkative = commit_request("t", &[(0, 5)]);
        talkative.topics[0].partitions[0].committed_metadata = Some(StrBytes::from("x".repeat(4_097)));
        let response = bench.commit(version, talkative).await;
        assert_eq!(commit_codes(&response), vec![(0, ErrorCode::OffsetMetadataTooLarge.code())]);
        let mut stranger = commit_request("t", &[(0, 5), (7, 5)]);
        stranger.generation_id_or_member_epoch = 4;
        stranger.member_id = "stranger".into();
        let response = bench.commit(version, stranger).await;
        assert_eq!(commit_codes(&response), vec![(0, ErrorCode::IllegalGeneration.code()), (7, unknown)]);
    }
    *bench.catalog.down.lock() = true;
    let again = ErrorCode::CoordinatorNotAvailable.code();
    let response = bench.commit(8, commit_request("t", &[(0, 5)])).await;
    assert_eq!(commit_codes(&response), vec![(0, again)]);
    let response = bench.commit(8, commit_request("nowhere", &[(0, 5)])).await;
    assert_eq!(commit_codes(&response), vec![(0, again)], "not unknown: that is not known");
}

/// The same, of the topic with this id.
fn commit_by_id(id: u8, offsets: &[(i32, i64)]) -> OffsetCommitRequest {
    let mut request = commit_request("", offsets);
    request.topics[0].topic_id = Uuid::from_bytes([id; 16]);
    request
}

/// What the group has committed, with the ids of topics.
async fn fetched_by_id(bench: &Bench, topics: Option<&[(u8, &[i32])]>) -> Vec<(u8, i32, i64, i16)> {
    let mut request = fetch_groups_request(&["g"], None);
    request.groups[0].topics = topics.map(|topics| {
        let topic = |(id, indexes): &(u8, &[i32])| {
            message!(offset_fetch_request::OffsetFetchRequestTopics {
                topic_id: Uuid::from_bytes([*id; 16]),
                partition_indexes: indexes.to_vec(),
            })
        };
        topics.iter().map(topic).collect()
    });
    let mut response = bench.fetch(10, request).await;
    let topics = std::mem::take(&mut response.groups[0].topics).into_iter();
    let partition = |id: u8, p: &offset_fetch_response::OffsetFetchResponsePartitions| {
        (id, p.partition_index, p.committed_offset, p.error_code)
    };
    topics
        .flat_map(|topic| {
            let id = topic.topic_id.to_bytes()[0];
            topic.partitions.iter().map(|p| partition(id, p)).collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn topics_go_by_their_ids_in_new_versions() {
    let bench = bench();
    let unknown = ErrorCode::UnknownTopicId.code();
    let response = bench.commit(10, commit_by_id(1, &[(0, 5), (3, 5)])).await;
    assert_eq!(response.topics[0].topic_id, Uuid::from_bytes([1; 16]));
    assert_eq!(commit_codes(&response), [(0, 0), (3, ErrorCode::UnknownTopicOrPartition.code())]);
    assert_eq!(commit_codes(&bench.commit(10, commit_by_id(2, &[(0, 5)])).await), [(0, unknown)]);
    assert_eq!(commit_codes(&bench.commit(10, commit_by_id(0, &[(0, 5)])).await), [(0, unknown)]);
    let asked: &[(u8, &[i32])] = &[(1, &[0, 1, 0]), (2, &[0]), (1, &[9])];
    assert_eq!(
        fetched_by_id(&bench, Some(asked)).await,
        [(1, 0, 5, 0), (1, 1, -1, 0), (1, 9, -1, 0), (2, 0, -1, unknown)]
    );
    assert_eq!(fetched_by_id(&bench, None).await, [(1, 0, 5, 0)]);
    let by_name = bench.fetch(9, fetch_groups_request(&["g"], Some(&[("t", &[0])]))).await;
    assert_eq!(by_name.groups[0].topics[0].partitions[0].committed_offset, 5, "the same offsets, by name");
}

#[tokio::test(start_paused = true)]
async fn a_commit_by_id_never_goes_to_a_topic_that_was_made_anew() {
    let bench = bench();
    let unknown = ErrorCode::UnknownTopicId.code();
    bench.commit(10, commit_by_id(1, &[(0, 5)])).await;
    bench.catalog.make_topic(TENANT, "t", 2);
    // It becomes visible.
    assert_eq!(fetched_by_id(&bench, Some(&[(2, &[0])])).await, [(2, 0, -1, 0)]);
    assert_eq!(commit_codes(&bench.commit(10, commit_by_id(1, &[(0, 6)])).await), [(0, unknown)]);
    assert_eq!(fetched_by_id(&bench, Some(&[(1, &[0]), (2, &[0])])).await, [(1, 0, -1, unknown), (2, 0, -1, 0)]);
    assert_eq!(fetched_by_id(&bench, None).await, [], "offsets of the old one are not told");
    // Its deletion is decided between the look-up and the commit.
    *bench.catalog.refuses_offsets.lock() = true;
    assert_eq!(commit_codes(&bench.commit(10, commit_by_id(2, &[(0, 6)])).await), [(0, unknown)]);
    let by_name = bench.commit(9, commit_request("t", &[(0, 6)])).await;
    assert_eq!(commit_codes(&by_name), [(0, ErrorCode::UnknownTopicOrPartition.code())]);
}

#[tokio::test(start_paused = true)]
async fn an_offset_asked_for_again_and_again_is_answered_once() {
    let bench = bench();
    let request = fetch_request(Some(&[("t", &[0, 0, 1]), ("t", &[1, 2]), ("nowhere", &[0])]));
    let response = bench.fetch(7, request).await;
    assert_eq!(fetched(&response), [("t", 0, -1, 0), ("t", 1, -1, 0), ("t", 2, -1, 0), ("nowhere", 0, -1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn offsets_are_fetched_in_every_version() {
    let bench = bench();
    bench.commit(8, commit_request("t", &[(0, 5), (2, 7)])).await;
    for version in 1..8 {
        let response = bench.fetch(version, fetch_request(Some(&[("t", &[0, 1, 2]), ("nowhere", &[0])]))).await;
        let expected = vec![("t", 0, 5, 0), ("t", 1, -1, 0), ("t", 2, 7, 0), ("nowhere", 0, -1, 0)];
        assert_eq!(fetched(&response), expected, "v{version}");
        assert_eq!(response.topics[0].partitions[0].metadata.as_deref(), Some("note"));
        if version >= 2 {
            let all = bench.fetch(version, fetch_request(None)).await;
            assert_eq!(fetched(&all), vec![("t", 0, 5, 0), ("t", 2, 7, 0)]);
        }
    }
    *bench.catalog.down.lock() = true;
    let again = ErrorCode::CoordinatorLoadInProgress.code();
    let response = bench.fetch(1, fetch_request(Some(&[("t", &[1])]))).await;
    assert_eq!(fetched(&response), vec![("t", 1, -1, again)]);
    let response = bench.fetch(7, fetch_request(Some(&[("t", &[1])]))).await;
    assert_eq!((response.error_code, fetched(&response)), (again, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn several_groups_are_fetched_at_once() {
    let bench = bench();
    bench.commit(8, commit_request("t", &[(0, 5), (2, 7)])).await;
    let response = bench.fetch(8, fetch_groups_request(&["g", "other", "g"], Some(&[("t", &[0, 1])]))).await;
    let groups: Vec<_> = (response.groups.iter())
        .map(|group| {
            let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
            let offsets: Vec<i64> = partitions.map(|partition| partition.committed_offset).collect();
            (group.group_id.as_str(), group.error_code, offsets)
        })
        .collect();
    let refused = ErrorCode::InvalidRequest.code();
    assert_eq!(groups, vec![("g", 0, vec![5, -1]), ("other", 0, vec![-1, -1]), ("g", refused, vec![])]);
    let all = bench.fetch(8, fetch_groups_request(&["g"], None)).await;
    assert_eq!(all.groups[0].topics[0].partitions.len(), 2);
    *bench.catalog.down.lock() = true;
    let down = bench.fetch(8, fetch_groups_request(&["g"], None)).await;
    assert_eq!(down.groups[0].error_code, ErrorCode::CoordinatorLoadInProgress.code());
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_was_made_anew_is_not_answered_from_the_old_one() {
    let bench = bench();
    bench.commit(8, commit_request("t", &[(0, 5)])).await;
    assert_eq!(fetched(&bench.fetch(7, fetch_request(Some(&[("t", &[0])]))).await), vec![("t", 0, 5, 0)]);
    // Another node makes the topic anew and commits; this one has not heard of it.
    bench.catalog.make_topic(TENANT, "t", 2);
    bench.catalog.commit_elsewhere(TENANT, "g", 2, 9);
    let response = bench.fetch(7, fetch_request(Some(&[("t", &[0, 1])]))).await;
    assert_eq!(fetched(&response), vec![("t", 0, 9, 0), ("t", 1, -1, 0)]);
}
