//! A coordinator's next life goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidelog_catalog_api::GroupRefused;
use tidelog_host::{Clock, Random, Tasks};
use tidelog_model::{Offset, PartitionId, SessionId, TenantId, TopicId};

use super::messages::{Claim, CommitRequest, GroupKey, JoinRequest, Joined, Leaving, Protocol, SyncRequest};
use super::testing_catalog::LaggingCatalog;
use super::{Coordinator, GroupError};

const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

fn key() -> GroupKey {
    GroupKey { tenant: TenantId(1), group: "readers".into() }
}

/// One life of a coordinator over the same catalog.
fn life(catalog: &Arc<LaggingCatalog>, number: u64) -> (Arc<Coordinator>, Tasks) {
    let tasks = Tasks::on_current_runtime();
    let random = Random::seeded(number);
    let delay = Duration::from_millis(10);
    let session = SessionId(number);
    (Coordinator::start(catalog.clone(), session, Clock::real(), random, &tasks, delay), tasks)
}

fn join_request(member_id: &str, instance_id: Option<&str>) -> JoinRequest {
    JoinRequest {
        key: key(),
        member_id: member_id.to_owned(),
        instance_id: instance_id.map(str::to_owned),
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout_ms: SESSION_TIMEOUT.as_millis() as i32,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![Protocol { name: "range".to_owned(), metadata: Bytes::from_static(b"topics") }],
        member_id_required: false,
        can_skip_assignment: false,
    }
}

fn claim(joined: &Joined) -> Claim {
    Claim { member_id: joined.member_id.clone(), instance_id: None, generation: joined.generation }
}

fn sync_request(joined: &Joined, assignments: &[(&str, &'static [u8])]) -> SyncRequest {
    let assignments = assignments.iter().map(|(id, share)| ((*id).to_owned(), Bytes::from_static(share))).collect();
    SyncRequest { key: key(), claim: claim(joined), protocol_type: None, protocol: None, assignments }
}

/// Two members, each with its share.
async fn two_members(coordinator: &Arc<Coordinator>) -> [Joined; 2] {
    let joins = [1, 2].map(|_| coordinator.join(join_request("", None)));
    let [first, second] = joins;
    let (first, second) = tokio::join!(first, second);
    let mut joined = [first.unwrap(), second.unwrap()];
    joined.sort_by_key(|joined| joined.member_id != joined.leader);
    let [leader, other] = &joined;
    let shares: [(&str, &'static [u8]); 2] = [(&leader.member_id, b"left"), (&other.member_id, b"right")];
    let (left, right) =
        tokio::join!(coordinator.sync(sync_request(leader, &shares)), coordinator.sync(sync_request(other, &[])));
    assert_eq!((&left.unwrap().assignment[..], &right.unwrap().assignment[..]), (&b"left"[..], &b"right"[..]));
    joined
}

fn commit(joined: &Joined) -> CommitRequest {
    CommitRequest {
        key: key(),
        claim: claim(joined),
        offsets: vec![tidelog_catalog_api::GroupOffset {
            partition: PartitionId { topic: TopicId([1; 16]), index: 0 },
            offset: Offset(3),
            leader_epoch: -1,
            metadata: String::new(),
        }],
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_no_rebalance() {
    let catalog = Arc::new(LaggingCatalog::default());
    let (before, tasks) = life(&catalog, 1);
    let [leader, other] = two_members(&before).await;
    tasks.stop().await;
    assert_eq!(before.heartbeat(&key(), &claim(&leader)), Err(GroupError::NotAvailable));

    let (after, _tasks) = life(&catalog, 2);
    tokio::time::sleep(SESSION_TIMEOUT / 2).await;
    for joined in [&leader, &other] {
        assert_eq!(after.heartbeat(&key(), &claim(joined)), Ok(()), "the generation goes on");
        after.commit_offsets(commit(joined)).await.unwrap();
    }
    let share = after.sync(sync_request(&other, &[])).await.unwrap();
    assert_eq!(&share.assignment[..], b"right", "a share whose answer was lost is still there");
    // Who is not heard of for a session's time after the restart goes.
    tokio::time::sleep(SESSION_TIMEOUT - Duration::from_secs(1)).await;
    assert_eq!(after.heartbeat(&key(), &claim(&leader)), Ok(()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(after.heartbeat(&key(), &claim(&leader)), Err(GroupError::RebalanceInProgress));
}

#[tokio::test(start_paused = true)]
async fn an_empty_group_stays_empty_and_keeps_its_generation() {
    let catalog = Arc::new(LaggingCatalog::default());
    let (before, tasks) = life(&catalog, 1);
    let joined = two_members(&before).await;
    let leaving = joined.each_ref().map(|joined| Leaving { member_id: joined.member_id.clone(), instance_id: None });
    before.leave(&key(), &leaving).unwrap();
    tasks.stop().await;
    let (after, _tasks) = life(&catalog, 2);
    assert_eq!(after.heartbeat(&key(), &claim(&joined[0])), Err(GroupError::UnknownMember));
    let again = after.join(join_request("", None)).await.unwrap();
    assert!(again.generation > joined[0].generation + 1, "{}", again.generation);
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_of_an_assignment_that_is_not_stored() {
    let catalog = Arc::new(LaggingCatalog::default());
    let (coordinator, tasks) = life(&catalog, 1);
    let joined = coordinator.join(join_request("", None)).await.unwrap();
    *catalog.down.lock() = true;
    let syncing = tokio::spawn({
        let (coordinator, request) = (coordinator.clone(), sync_request(&joined, &[(&joined.member_id, b"all")]));
        async move { coordinator.sync(request).await }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!syncing.is_finished(), "the catalog does not answer");
    *catalog.down.lock() = false;
    assert_eq!(&syncing.await.unwrap().unwrap().assignment[..], b"all");
    assert_eq!(catalog.records.lock().len(), 1);

    // A stop answers those who wait, and says nothing that is not stored.
    *catalog.down.lock() = true;
    let instance = join_request("", Some("static"));
    let second = tokio::spawn({
        let coordinator = coordinator.clone();
        async move { coordinator.join(instance).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let leader = coordinator.join(join_request(&joined.member_id, None)).await.unwrap();
    let second = second.await.unwrap().unwrap();
    assert_eq!(leader.generation, second.generation);
    let waiting = tokio::spawn({
        let (coordinator, request) = (coordinator.clone(), sync_request(&leader, &[(&leader.member_id, b"all")]));
        async move { coordinator.sync(request).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    tasks.stop().await;
    assert_eq!(waiting.await.unwrap(), Err(GroupError::NotAvailable));
    let stored = catalog.records.lock().values().next().cloned().unwrap();
    assert_eq!(stored.generation, joined.generation);
}

#[tokio::test(start_paused = true)]
async fn a_static_member_s_new_process_is_known_after_a_restart() {
    let catalog = Arc::new(LaggingCatalog::default());
    let (before, tasks) = life(&catalog, 1);
    let joined = before.join(join_request("", Some("static"))).await.unwrap();
    before.sync(sync_request(&joined, &[(&joined.member_id, b"all")])).await.unwrap();
    let again = before.join(join_request("", Some("static"))).await.unwrap();
    assert_eq!(again.generation, joined.generation, "no rebalance");
    assert_ne!(again.member_id, joined.member_id);
    tasks.stop().await;
    let (after, _tasks) = life(&catalog, 2);
    let claim = |joined: &Joined| Claim { instance_id: Some("static".to_owned()), ..claim(joined) };
    assert_eq!(after.heartbeat(&key(), &claim(&again)), Ok(()));
    assert_eq!(after.heartbeat(&key(), &claim(&joined)), Err(GroupError::FencedInstance));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_not_told_and_decided_again() {
    let catalog = Arc::new(LaggingCatalog::default());
    let (coordinator, _tasks) = life(&catalog, 1);
    let joined = coordinator.join(join_request("", None)).await.unwrap();
    *catalog.refusal.lock() = Some(GroupRefused::GenerationBack(41));
    let all: [(&str, &'static [u8]); 1] = [(&joined.member_id, b"all")];
    assert_eq!(coordinator.sync(sync_request(&joined, &all)).await, Err(GroupError::NotAvailable));
    *catalog.refusal.lock() = None;
    let stale = coordinator.sync(sync_request(&joined, &all)).await;
    assert_eq!(stale, Err(GroupError::IllegalGeneration), "nothing holds that was not stored");
    let again = coordinator.join(join_request(&joined.member_id, None)).await.unwrap();
    assert_eq!(again.generation, 42, "beyond what is stored");
    assert_eq!(&coordinator.sync(sync_request(&again, &all)).await.unwrap().assignment[..], b"all");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_makes_a_group_wait_and_not_go_round_in_rebalances() {
    let catalog = Arc::new(LaggingCatalog::default());
    let (coordinator, _tasks) = life(&catalog, 1);
    let joined = coordinator.join(join_request("", None)).await.unwrap();
    *catalog.is_full.lock() = true;
    let syncing = tokio::spawn({
        let (coordinator, request) = (coordinator.clone(), sync_request(&joined, &[(&joined.member_id, b"all")]));
        async move { coordinator.sync(request).await }
    });
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(coordinator.heartbeat(&key(), &claim(&joined)), Ok(()), "nobody is asked to join again");
    }
    assert!(!syncing.is_finished(), "what is not stored is not told");
    let proposals = *catalog.record_proposals.lock();
    assert!((25..=31).contains(&proposals), "{proposals} proposals in 30 s");
    *catalog.is_full.lock() = false;
    let began = tokio::time::Instant::now();
    assert_eq!(&syncing.await.unwrap().unwrap().assignment[..], b"all");
    assert!(began.elapsed() <= Duration::from_secs(1), "{:?}", began.elapsed());
    let stored = catalog.records.lock().values().next().cloned().unwrap();
    assert_eq!(stored.generation, joined.generation);

    // Who joins while there is no room sets off one rebalance, and what it decides waits like any other.
    *catalog.is_full.lock() = true;
    let (second, first) = tokio::join!(
        coordinator.join(join_request("", None)),
        coordinator.join(join_request(&joined.member_id, None)),
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.generation, second.generation), (joined.generation + 1, joined.generation + 1));
    let shares: [(&str, &'static [u8]); 2] = [(&first.member_id, b"left"), (&second.member_id, b"right")];
    let syncs = async {
        tokio::join!(coordinator.sync(sync_request(&first, &shares)), coordinator.sync(sync_request(&second, &[])))
    };
    let waited = tokio::time::timeout(Duration::from_secs(5), syncs).await;
    assert!(waited.is_err(), "{waited:?}");
    // They ask again, as clients do whose request was not answered in time.
    *catalog.is_full.lock() = false;
    let share = coordinator.sync(sync_request(&second, &[])).await.unwrap();
    assert_eq!(&share.assignment[..], b"right");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_begins_again_goes_on_from_the_generation_that_is_stored() {
    let catalog = Arc::new(LaggingCatalog::default());
    let (before, tasks) = life(&catalog, 1);
    two_members(&before).await;
    tasks.stop().await;
    let left = catalog.records.lock().values().next().cloned().unwrap();
    catalog.records.lock().clear();
    let (after, _tasks) = life(&catalog, 2);
    // Its removal was lost, and this coordinator has not seen it when it began.
    catalog.records.lock().insert((TenantId(1), "readers".to_owned()), left.clone());
    let joined = after.join(join_request("", None)).await.unwrap();
    assert_eq!(joined.generation, left.generation + 1);
}

#[tokio::test(start_paused = true)]
async fn answers_that_wait_for_the_catalog_are_bounded() {
    let catalog = Arc::new(LaggingCatalog::default());
    let (coordinator, _tasks) = life(&catalog, 1);
    let request = || JoinRequest {
        protocols: vec![Protocol { name: "range".to_owned(), metadata: Bytes::from(vec![7; 100 << 10]) }],
        can_skip_assignment: true,
        ..join_request("", Some("static"))
    };
    let joined = coordinator.join(request()).await.unwrap();
    let claim = Claim { instance_id: Some("static".to_owned()), ..claim(&joined) };
    let request_share = SyncRequest { claim, ..sync_request(&joined, &[(&joined.member_id, b"all")]) };
    coordinator.sync(request_share).await.unwrap();
    *catalog.down.lock() = true;
    let mut waiting = Vec::new();
    for _ in 0..100 {
        let (coordinator, request) = (coordinator.clone(), request());
        waiting.push(tokio::spawn(async move { coordinator.join(request).await }));
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let refused = waiting.iter().filter(|join| join.is_finished()).count();
    assert!(refused >= 60, "{refused} of 100 were refused, of 10 MiB of answers");
    *catalog.down.lock() = false;
    let mut told = 0;
    for join in waiting {
        told += usize::from(join.await.unwrap().is_ok());
    }
    assert_eq!(told, 100 - refused, "the others hear of it once it is stored");
}
