//! The shell around the state machine: waiting, time, many groups, and the catalog. Time is paused and advances by itself
//! when everyone waits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidelog_catalog_api::{Catalog, CatalogError, GroupOffset};
use tidelog_host::{Clock, Random, Tasks};
use tidelog_model::{Offset, PartitionId, SessionId, TenantId, TopicId};
use tokio::time::Instant;

use super::limits::*;
use super::messages::*;
use super::testing_catalog::LaggingCatalog;
use super::{CommitError, Coordinator, GroupError};

struct Bench {
    catalog: Arc<LaggingCatalog>,
    coordinator: Arc<Coordinator>,
    tasks: Tasks,
}

fn bench() -> Bench {
    let catalog = Arc::new(LaggingCatalog::default());
    let tasks = Tasks::on_current_runtime();
    let delay = INITIAL_REBALANCE_DELAY_DEFAULT;
    let coordinator =
        Coordinator::start(catalog.clone(), SessionId(1), Clock::real(), Random::seeded(7), &tasks, delay);
    Bench { catalog, coordinator, tasks }
}

fn key(group: &str) -> GroupKey {
    GroupKey { tenant: TenantId(1), group: Arc::from(group) }
}

fn new_member(group: &str) -> JoinRequest {
    JoinRequest {
        key: key(group),
        member_id: String::new(),
        instance_id: None,
        client_id: "client".to_owned(),
        client_host: "/there".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![Protocol { name: "range".to_owned(), metadata: Bytes::from_static(b"topics") }],
        member_id_required: false,
        can_skip_assignment: false,
    }
}

fn claim(joined: &Joined) -> Claim {
    Claim { member_id: joined.member_id.clone(), instance_id: None, generation: joined.generation }
}

fn sync(joined: &Joined, assignments: Vec<(String, Bytes)>) -> SyncRequest {
    SyncRequest { key: key("g"), claim: claim(joined), protocol_type: None, protocol: None, assignments }
}

fn nobody() -> Claim {
    Claim { member_id: String::new(), instance_id: None, generation: -1 }
}

fn offset(partition: u32, offset: u64) -> GroupOffset {
    let partition = PartitionId { topic: TopicId([1; 16]), index: partition };
    GroupOffset { partition, offset: Offset(offset), leader_epoch: -1, metadata: String::new() }
}

impl Bench {
    async fn alone(&self) -> Joined {
        let joined = self.coordinator.join(new_member("g")).await.unwrap();
        let share = vec![(joined.member_id.clone(), Bytes::from_static(b"all"))];
        assert_eq!(self.coordinator.sync(sync(&joined, share)).await.unwrap().assignment, "all");
        joined
    }

    async fn commit(&self, claim: Claim, offsets: Vec<GroupOffset>) -> Result<(), CommitError> {
        let results = self.coordinator.commit_offsets(CommitRequest { key: key("g"), claim, offsets }).await?;
        assert!(results.iter().all(Result::is_ok));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn members_that_come_together_share_the_first_generation() {
    let bench = bench();
    let began = Instant::now();
    let (a, b) = tokio::join!(bench.coordinator.join(new_member("g")), bench.coordinator.join(new_member("g")));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
    assert_eq!((a.generation, b.generation), (1, 1));
    let (leader, follower) = if a.leader == a.member_id { (a, b) } else { (b, a) };
    assert_eq!(leader.members.len(), 2);
    let share = vec![(follower.member_id.clone(), Bytes::from_static(b"half"))];
    let (first, second) = tokio::join!(
        bench.coordinator.sync(sync(&follower, Vec::new())),
        bench.coordinator.sync(sync(&leader, share)),
    );
    assert_eq!(first.unwrap().assignment, "half");
    assert_eq!(second.unwrap().assignment, "");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_silent_for_its_session_timeout_is_forgotten() {
    let bench = bench();
    let joined = bench.alone().await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(bench.coordinator.heartbeat(&key("g"), &claim(&joined)), Ok(()));
    }
    tokio::time::sleep(Duration::from_millis(10_050)).await;
    assert_eq!(bench.coordinator.heartbeat(&key("g"), &claim(&joined)), Err(GroupError::UnknownMember));
}

#[tokio::test(start_paused = true)]
async fn a_rebalance_goes_on_without_the_late_at_the_rebalance_timeout() {
    let bench = bench();
    let first = bench.alone().await;
    let began = Instant::now();
    let joining = bench.coordinator.join(new_member("g"));
    tokio::pin!(joining);
    let second = loop {
        tokio::select! {
            joined = &mut joining => break joined.unwrap(),
            () = tokio::time::sleep(Duration::from_secs(3)) => {
                let told = bench.coordinator.heartbeat(&key("g"), &claim(&first));
                assert_eq!(told, Err(GroupError::RebalanceInProgress));
            }
        }
    };
    assert_eq!((second.generation, second.leader == second.member_id), (2, true));
    let waited = began.elapsed();
    assert!((Duration::from_secs(60)..Duration::from_secs(61)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restarted_node_knows_no_member() {
    let joined = bench().alone().await;
    let bench = bench();
    let claim = claim(&joined);
    assert_eq!(bench.coordinator.heartbeat(&key("g"), &claim), Err(GroupError::UnknownMember));
    assert_eq!(bench.coordinator.sync(sync(&joined, Vec::new())).await, Err(GroupError::UnknownMember));
    let again = JoinRequest { member_id: joined.member_id.clone(), ..new_member("g") };
    assert_eq!(bench.coordinator.join(again).await.unwrap_err().error, GroupError::UnknownMember);
    let leaving = Leaving { member_id: joined.member_id.clone(), instance_id: None };
    assert_eq!(bench.coordinator.leave(&key("g"), &[leaving]), Err(GroupError::UnknownMember));
    let late = bench.commit(claim, vec![offset(0, 5)]).await;
    assert_eq!(late, Err(CommitError::Refused(GroupError::IllegalGeneration)));
}

#[tokio::test(start_paused = true)]
async fn requests_are_checked_before_a_group_is_made() {
    let bench = bench();
    let refused = bench.coordinator.join(new_member("")).await.unwrap_err();
    assert_eq!(refused.error, GroupError::InvalidGroupId);
    assert_eq!(bench.coordinator.heartbeat(&key(""), &nobody()), Err(GroupError::InvalidGroupId));
    let short = JoinRequest { session_timeout_ms: 1, ..new_member("g") };
    assert_eq!(bench.coordinator.join(short).await.unwrap_err().error, GroupError::InvalidSessionTimeout);
    let none = JoinRequest { protocols: Vec::new(), ..new_member("g") };
    assert_eq!(bench.coordinator.join(none).await.unwrap_err().error, GroupError::InconsistentProtocol);
    assert_eq!(bench.coordinator.heartbeat(&key("g"), &nobody()), Err(GroupError::UnknownMember));
}

#[tokio::test(start_paused = true)]
async fn member_ids_tell_the_client_and_are_bounded() {
    let bench = bench();
    let long = JoinRequest { client_id: "ü".repeat(400), ..new_member("g") };
    let joined = bench.coordinator.join(long).await.unwrap();
    assert!(joined.member_id.starts_with("üü") && joined.member_id.len() < 300);
}

#[tokio::test(start_paused = true)]
async fn groups_of_two_tenants_do_not_meet() {
    let bench = bench();
    let joined = bench.alone().await;
    let other = GroupKey { tenant: TenantId(2), group: Arc::from("g") };
    assert_eq!(bench.coordinator.heartbeat(&other, &claim(&joined)), Err(GroupError::UnknownMember));
    assert!(bench.commit(claim(&joined), vec![offset(0, 5)]).await.is_ok());
    assert_eq!(bench.coordinator.fetch_offsets(&other, None).await, Ok(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn only_members_commit_while_there_are_members() {
    let bench = bench();
    assert_eq!(bench.commit(nobody(), vec![offset(0, 1)]).await, Ok(()));
    let joined = bench.alone().await;
    assert_eq!(bench.commit(claim(&joined), vec![offset(0, 2)]).await, Ok(()));
    let refused = Err(CommitError::Refused(GroupError::UnknownMember));
    assert_eq!(bench.commit(nobody(), vec![offset(0, 3)]).await, refused);
    let old = Claim { generation: joined.generation - 1, ..claim(&joined) };
    assert_eq!(bench.commit(old, vec![offset(0, 4)]).await, Err(CommitError::Refused(GroupError::IllegalGeneration)));
    assert_eq!(bench.catalog.proposals.lock().len(), 2, "what is refused is not proposed");
}

#[tokio::test(start_paused = true)]
async fn a_commit_has_its_place_in_the_log_before_the_next_generation_begins() {
    let bench = bench();
    let joined = bench.alone().await;
    let commit = bench.commit(claim(&joined), vec![offset(0, 2)]);
    tokio::pin!(commit);
    let _ = futures::poll!(&mut commit);
    assert_eq!(bench.catalog.proposals.lock().len(), 1, "proposed when it was checked, not later");
}

#[tokio::test(start_paused = true)]
async fn a_missing_offset_is_looked_for_behind_a_barrier() {
    let bench = bench();
    bench.commit(nobody(), vec![offset(0, 7)]).await.unwrap();
    let asked = [offset(0, 0).partition];
    assert!(bench.catalog.group_offsets(TenantId(1), "g", None).is_empty(), "this replica lags");
    assert_eq!(bench.coordinator.fetch_offsets(&key("g"), Some(&asked)).await, Ok(vec![offset(0, 7)]));

    *bench.catalog.down.lock() = true;
    assert_eq!(bench.coordinator.fetch_offsets(&key("g"), Some(&asked)).await, Ok(vec![offset(0, 7)]), "found here");
    let both = [asked[0], offset(1, 0).partition];
    assert!(bench.coordinator.fetch_offsets(&key("g"), Some(&both)).await.is_err(), "unknown is not none");
    assert!(bench.coordinator.fetch_offsets(&key("g"), None).await.is_err());
    let error = bench.commit(nobody(), vec![offset(0, 8)]).await.unwrap_err();
    assert_eq!(error, CommitError::Catalog(CatalogError::Unavailable("down".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_the_node_stops_is_answered() {
    let bench = bench();
    let first = bench.alone().await;
    let coordinator = bench.coordinator.clone();
    let waiting = tokio::spawn(async move { coordinator.join(new_member("g")).await });
    tokio::task::yield_now().await;
    bench.tasks.stop().await;
    assert_eq!(waiting.await.unwrap().unwrap_err().error, GroupError::NotAvailable);
    assert_eq!(bench.coordinator.heartbeat(&key("g"), &claim(&first)), Err(GroupError::NotAvailable));
    assert_eq!(bench.coordinator.join(new_member("h")).await.unwrap_err().error, GroupError::NotAvailable);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_while_it_waits_harms_nobody() {
    let bench = bench();
    bench.alone().await;
    let gone = tokio::time::timeout(Duration::from_secs(1), bench.coordinator.join(new_member("g"))).await;
    assert!(gone.is_err(), "it did wait");
    tokio::time::sleep(Duration::from_secs(400)).await;
    let joined = bench.coordinator.join(new_member("g")).await.unwrap();
    assert_eq!(joined.members.len(), 1, "the one that went away is not there any more");
}

#[tokio::test(start_paused = true)]
async fn an_empty_group_makes_room_for_a_new_one() {
    let bench = bench();
    for number in 0..GROUPS_MAX + 100 {
        let request = JoinRequest { member_id_required: true, ..new_member(&format!("g{number}")) };
        assert_eq!(bench.coordinator.join(request).await.unwrap_err().error, GroupError::MemberIdRequired);
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_the_place_of_something_needs_no_room() {
    let bench = bench();
    let large = |group: &str, member_id: &str| JoinRequest {
        member_id: member_id.to_owned(),
        protocols: vec![Protocol {
            name: "range".to_owned(),
            metadata: Bytes::from(vec![7; MEMBER_BYTES_MAX - (4 << 10)]),
        }],
        ..new_member(group)
    };
    // As many as there is room for, each in a group of its own; then too little is left for one more.
    let mut joined = Vec::new();
    for number in 0..ALL_GROUPS_BYTES_MAX / MEMBER_BYTES_MAX {
        let group = format!("g{number}");
        joined.push(bench.coordinator.join(large(&group, "")).await.unwrap());
    }
    let refused = bench.coordinator.join(large("one more", "")).await.unwrap_err();
    assert_eq!(refused.error, GroupError::NotAvailable);
    let again = bench.coordinator.join(large("g0", &joined[0].member_id)).await.unwrap();
    assert_eq!(again.generation, 1, "a follower of nobody: it has not fetched its share yet");
    let share = |bytes: usize| SyncRequest {
        key: key("g0"),
        ..sync(&joined[0], vec![(joined[0].member_id.clone(), Bytes::from(vec![7; bytes]))])
    };
    assert_eq!(bench.coordinator.sync(share(1 << 20)).await, Err(GroupError::NotAvailable), "that would be more");
    bench.coordinator.sync(share(100 << 10)).await.unwrap();
    // Its share is replaced by the next one.
    let again = bench.coordinator.join(large("g0", &joined[0].member_id)).await.unwrap();
    assert_eq!(again.generation, 2);
    let next = SyncRequest { claim: claim(&again), ..share(120 << 10) };
    bench.coordinator.sync(next).await.unwrap();
}
