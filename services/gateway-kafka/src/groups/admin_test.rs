//! Groups listed, described and deleted, as clients of every version ask for it.

use std::sync::Arc;

use bytes::Bytes;
use tidelog_catalog_api::Catalog;
use tidelog_groups::Coordinator;
use tidelog_groups::limits::INITIAL_REBALANCE_DELAY_DEFAULT;
use tidelog_host::{Clock, Random, Tasks};
use tidelog_kafka_wire::messages::*;
use tidelog_kafka_wire::{Api, ErrorCode, RequestHeader, encode_response, message};
use tidelog_model::{SessionId, TenantId};

use super::admin_handlers::*;
use super::handlers::*;
use super::testing_catalog::LaggingCatalog;

const TENANT: TenantId = TenantId(1);
/// A subscription to `t`.
const METADATA: &[u8] = &[0, 3, 0, 0, 0, 1, 0, 1, b't', 0xff, 0xff, 0xff, 0xff];

struct Bench {
    catalog: Arc<LaggingCatalog>,
    coordinator: Arc<Coordinator>,
}

fn bench() -> Bench {
    let catalog = Arc::new(LaggingCatalog::default());
    catalog.make_topic(TENANT, "t", 1);
    catalog.make_topic(TENANT, "u", 2);
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

    /// A group of one; stable when `synced`.
    async fn member(&self, group: &str, protocol_type: &str, synced: bool) -> JoinGroupResponse {
        let request = message!(JoinGroupRequest {
            group_id: group.into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 60_000,
            protocol_type: protocol_type.into(),
            protocols: vec![message!(join_group_request::JoinGroupRequestProtocol {
                name: "range".into(),
                metadata: Bytes::from_static(METADATA),
            })],
        });
        let header = header(Api::JoinGroup, 3);
        let joined = join_group(&self.context(), &header, "/there", request, ()).await;
        assert_eq!(joined.error_code, 0);
        if synced {
            let request = message!(SyncGroupRequest {
                group_id: group.into(),
                generation_id: joined.generation_id,
                member_id: joined.member_id.clone(),
                assignments: vec![message!(sync_group_request::SyncGroupRequestAssignment {
                    member_id: joined.member_id.clone(),
                    assignment: Bytes::from_static(b"share"),
                })],
            });
            let synced =
                sync_group(&self.context(), &RequestHeader { api: Api::SyncGroup, ..header }, request, ()).await;
            assert_eq!(synced.error_code, 0);
        }
        joined
    }

    async fn leave(&self, group: &str, joined: &JoinGroupResponse) {
        let request = message!(LeaveGroupRequest { group_id: group.into(), member_id: joined.member_id.clone() });
        assert_eq!(leave_group(&self.context(), &header(Api::LeaveGroup, 2), request).await.error_code, 0);
    }

    /// Group, protocol type, state; and the error.
    async fn list(&self, version: i16, states: &[&str], types: &[&str]) -> (i16, Vec<(String, String, String)>) {
        let request = message!(ListGroupsRequest {
            states_filter: states.iter().map(|it| (*it).into()).collect(),
            types_filter: types.iter().map(|it| (*it).into()).collect(),
        });
        let response = list_response(list_groups(&self.context(), &request).await.0);
        encode_response(&header(Api::ListGroups, version), &response).unwrap();
        assert!(response.groups.iter().all(|group| group.group_type.as_str() == "classic"));
        let one = |it: list_groups_response::ListedGroup| {
            (it.group_id.to_string(), it.protocol_type.to_string(), it.group_state.to_string())
        };
        (response.error_code, response.groups.into_iter().map(one).collect())
    }

    async fn describe(
        &self,
        version: i16,
        groups: &[&str],
        operations: bool,
    ) -> Vec<describe_groups_response::DescribedGroup> {
        let request = message!(DescribeGroupsRequest {
            groups: groups.iter().map(|it| (*it).into()).collect(),
            include_authorized_operations: operations,
        });
        let found = describe_groups(&self.context(), &request).await.0;
        let header = header(Api::DescribeGroups, version);
        let response = describe_response(&header, request, found);
        encode_response(&header, &response).unwrap();
        response.groups
    }

    async fn delete(&self, version: i16, groups: &[&str]) -> Vec<(String, i16)> {
        let request = message!(DeleteGroupsRequest { groups_names: groups.iter().map(|it| (*it).into()).collect() });
        let response = delete_groups(&self.context(), request).await;
        encode_response(&header(Api::DeleteGroups, version), &response).unwrap();
        response.results.into_iter().map(|it| (it.group_id.to_string(), it.error_code)).collect()
    }

    /// The group's error, and those of partition 0 of each topic.
    async fn forget(&self, group: &str, topics: &[&str]) -> (i16, Vec<i16>) {
        let partition = message!(offset_delete_request::OffsetDeleteRequestPartition { partition_index: 0 });
        let topic = |name: &&str| {
            message!(offset_delete_request::OffsetDeleteRequestTopic {
                name: (*name).into(),
                partitions: vec![partition.clone()],
            })
        };
        let request =
            message!(OffsetDeleteRequest { group_id: group.into(), topics: topics.iter().map(topic).collect() });
        let response = offset_delete(&self.context(), request).await;
        encode_response(&header(Api::OffsetDelete, 0), &response).unwrap();
        let codes = response.topics.iter().flat_map(|topic| &topic.partitions).map(|it| it.error_code);
        (response.error_code, codes.collect())
    }
}

fn row(group: &str, protocol_type: &str, state: &str) -> (String, String, String) {
    (group.to_owned(), protocol_type.to_owned(), state.to_owned())
}

#[tokio::test(start_paused = true)]
async fn groups_are_listed_by_state_and_type() {
    let bench = bench();
    bench.catalog.commit_elsewhere(TENANT, "committed", 1, 5);
    bench.catalog.commit_elsewhere(TenantId(2), "theirs", 1, 5);
    bench.member("half", "consumer", false).await;
    bench.member("stable", "consumer", true).await;
    let left = bench.member("left", "connect", true).await;
    bench.leave("left", &left).await;
    let all = vec![
        row("committed", "", "Empty"),
        row("half", "consumer", "CompletingRebalance"),
        row("left", "connect", "Empty"),
        row("stable", "consumer", "Stable"),
    ];
    for version in versions(Api::ListGroups) {
        assert_eq!(bench.list(version, &[], &[]).await, (0, all.clone()), "v{version}");
    }
    let states = bench.list(5, &["stable", "EMPTY"], &[]).await.1;
    assert_eq!(states, [all[0].clone(), all[2].clone(), all[3].clone()]);
    assert_eq!(bench.list(5, &["Dead"], &[]).await, (0, vec![]));
    assert_eq!(bench.list(5, &[], &["Classic", "consumer"]).await.1.len(), 4);
    assert_eq!(bench.list(5, &[], &["consumer"]).await, (0, vec![]));
    *bench.catalog.down.lock() = true;
    assert_eq!(bench.list(5, &[], &[]).await.0, ErrorCode::CoordinatorNotAvailable.code(), "there may be more");
}

#[tokio::test(start_paused = true)]
async fn groups_are_described_with_their_members() {
    let bench = bench();
    bench.catalog.commit_elsewhere(TENANT, "committed", 1, 5);
    let joined = bench.member("stable", "consumer", true).await;
    bench.member("half", "consumer", false).await;
    for version in versions(Api::DescribeGroups) {
        let groups = bench.describe(version, &["stable", "half", "committed", "nope", "stable"], false).await;
        let [stable, half, committed, nope] = &groups[..] else { panic!("four groups: {groups:?}") };
        assert_eq!((stable.error_code, stable.group_state.as_str()), (0, "Stable"));
        assert_eq!((stable.protocol_type.as_str(), stable.protocol_data.as_str()), ("consumer", "range"));
        let member = &stable.members[0];
        assert_eq!(member.member_id, joined.member_id);
        assert_eq!((member.client_id.as_str(), member.client_host.as_str()), ("client", "/there"));
        assert_eq!((&member.member_metadata[..], &member.member_assignment[..]), (METADATA, &b"share"[..]));
        assert_eq!((half.group_state.as_str(), half.protocol_data.as_str()), ("CompletingRebalance", ""));
        assert!(half.members[0].member_metadata.is_empty() && half.members[0].member_assignment.is_empty());
        assert_eq!((committed.group_state.as_str(), committed.members.len()), ("Empty", 0));
        let not_found = if version >= 6 { ErrorCode::GroupIdNotFound.code() } else { 0 };
        assert_eq!((nope.error_code, nope.group_state.as_str()), (not_found, "Dead"), "v{version}");
        assert!(groups.iter().all(|group| group.authorized_operations == i32::MIN));
    }
    assert_eq!(bench.describe(6, &["stable"], true).await[0].authorized_operations, GROUP_OPERATIONS);
    assert_eq!(GROUP_OPERATIONS, [3, 6, 8, 10, 11].map(|bit| 1 << bit).iter().sum::<i32>());
    *bench.catalog.down.lock() = true;
    assert_eq!(bench.describe(6, &["stable"], false).await[0].error_code, 0, "it is known here");
    let unsure = bench.describe(6, &["nope"], false).await;
    assert_eq!(unsure[0].error_code, ErrorCode::CoordinatorNotAvailable.code());
}

#[tokio::test(start_paused = true)]
async fn a_group_is_deleted_when_it_has_no_members() {
    let bench = bench();
    let (found, not_found) = (0, ErrorCode::GroupIdNotFound.code());
    for version in versions(Api::DeleteGroups) {
        bench.catalog.commit_elsewhere(TENANT, "committed", 1, 5);
        let joined = bench.member("g", "consumer", true).await;
        let results = bench.delete(version, &["committed", "g", "nope", "g"]).await;
        let codes = results.iter().map(|(name, code)| (name.as_str(), *code)).collect::<Vec<_>>();
        let expected = [("committed", found), ("g", ErrorCode::NonEmptyGroup.code()), ("nope", not_found)];
        assert_eq!(codes, expected, "v{version}");
        bench.leave("g", &joined).await;
        assert_eq!(bench.delete(version, &["g"]).await[0].1, found, "it was remembered, empty");
        assert_eq!(bench.delete(version, &["g", "committed"]).await.iter().filter(|it| it.1 == not_found).count(), 2);
        assert!(bench.catalog.group_offsets(TENANT, "committed", None).is_empty());
        // Whoever comes back begins anew.
        let again = bench.member("g", "connect", false).await;
        assert_eq!(again.generation_id, 1);
        bench.leave("g", &again).await;
        assert_eq!(bench.delete(version, &["g"]).await[0].1, found);
    }
    *bench.catalog.down.lock() = true;
    assert_eq!(bench.delete(2, &["nope"]).await[0].1, ErrorCode::CoordinatorNotAvailable.code());
}

#[tokio::test(start_paused = true)]
async fn offsets_are_deleted_unless_members_read_their_topic() {
    let bench = bench();
    let commit = |group: &str| {
        bench.catalog.commit_elsewhere(TENANT, group, 1, 5);
        bench.catalog.commit_elsewhere(TENANT, group, 2, 5);
    };
    commit("simple");
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(bench.forget("", &["topic"]).await, (ErrorCode::InvalidGroupId.code(), Vec::new()));
    assert_eq!(bench.forget("simple", &["t", "nope"]).await, (0, vec![0, unknown]));
    assert_eq!(bench.catalog.group_offsets(TENANT, "simple", None).len(), 1);
    assert_eq!(bench.forget("nope", &["t"]).await, (ErrorCode::GroupIdNotFound.code(), vec![]));
    // A consumer reads `t`.
    commit("g");
    bench.member("g", "consumer", true).await;
    let subscribed = ErrorCode::GroupSubscribedToTopic.code();
    assert_eq!(bench.forget("g", &["t", "u"]).await, (0, vec![subscribed, 0]));
    assert_eq!(bench.catalog.group_offsets(TENANT, "g", None).len(), 1, "that of t");
    // What others read, nobody knows.
    commit("c");
    let joined = bench.member("c", "connect", true).await;
    assert_eq!(bench.forget("c", &["u"]).await, (ErrorCode::NonEmptyGroup.code(), vec![]));
    bench.leave("c", &joined).await;
    assert_eq!(bench.forget("c", &["t", "u"]).await, (0, vec![0, 0]));
    assert!(bench.catalog.group_offsets(TENANT, "c", None).is_empty());
}
