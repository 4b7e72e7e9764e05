//! The coordinator's process is stopped, suspended or starved: what members sent meanwhile lies unread in its sockets, and
//! that is not held against them. A stall is a paused clock that is moved in one step: nothing ran in between.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidelog_host::{Clock, Random, Tasks};
use tidelog_model::{SessionId, TenantId};
use tokio::time::{advance, sleep};

use super::limits::INITIAL_REBALANCE_DELAY_DEFAULT;
use super::messages::*;
use super::testing_catalog::LaggingCatalog;
use super::{Coordinator, GroupError};

const SESSION: Duration = Duration::from_secs(10);
const GROUPS: usize = 50;

fn coordinator() -> Arc<Coordinator> {
    let tasks = Tasks::on_current_runtime();
    let (catalog, delay) = (Arc::new(LaggingCatalog::default()), INITIAL_REBALANCE_DELAY_DEFAULT);
    Coordinator::start(catalog, SessionId(1), Clock::real(), Random::seeded(7), &tasks, delay)
}

fn key(group: usize) -> GroupKey {
    GroupKey { tenant: TenantId(1), group: format!("g{group}").into() }
}

/// A group of one member that has its share.
async fn member(coordinator: &Coordinator, group: usize) -> Claim {
    let request = JoinRequest {
        key: key(group),
        member_id: String::new(),
        instance_id: None,
        client_id: "client".to_owned(),
        client_host: "/there".to_owned(),
        session_timeout_ms: SESSION.as_millis() as i32,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![Protocol { name: "range".to_owned(), metadata: Bytes::from_static(b"topics") }],
        member_id_required: false,
        can_skip_assignment: false,
    };
    let joined = coordinator.join(request).await.unwrap();
    let claim = Claim { member_id: joined.member_id.clone(), instance_id: None, generation: joined.generation };
    let assignments = vec![(joined.member_id, Bytes::from_static(b"all"))];
    let sync = SyncRequest { key: key(group), claim: claim.clone(), protocol_type: None, protocol: None, assignments };
    coordinator.sync(sync).await.unwrap();
    claim
}

async fn members(coordinator: &Coordinator) -> Vec<Claim> {
    futures::future::join_all((0..GROUPS).map(|group| member(coordinator, group))).await
}

fn heard(coordinator: &Coordinator, claims: &[Claim]) -> Vec<Result<(), GroupError>> {
    claims.iter().enumerate().map(|(group, claim)| coordinator.heartbeat(&key(group), claim)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_for_a_minute_expels_nobody() {
    let coordinator = coordinator();
    let claims = members(&coordinator).await;
    advance(Duration::from_secs(60)).await;
    // The timers run before anything that was sent meanwhile is read.
    sleep(Duration::from_millis(900)).await;
    assert!(heard(&coordinator, &claims).iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn members_have_after_a_stall_what_was_left_before_it() {
    let coordinator = coordinator();
    let claims = members(&coordinator).await;
    sleep(Duration::from_secs(5)).await;
    for _ in 0..4 {
        advance(Duration::from_secs(600)).await;
        sleep(Duration::from_millis(1)).await;
    }
    // By now their sessions are over: each stall is a step of two seconds. But nobody was judged, because nobody was heard.
    assert!(heard(&coordinator, &claims[..GROUPS / 2]).iter().all(Result::is_ok));
    sleep(SESSION - Duration::from_secs(1)).await;
    let heard = heard(&coordinator, &claims);
    assert!(heard[..GROUPS / 2].iter().all(Result::is_ok), "they were heard after the stalls");
    assert!(heard[GROUPS / 2..].iter().all(Result::is_err), "and who stays silent while all goes well is not kept");
}

#[tokio::test(start_paused = true)]
async fn without_a_stall_a_session_ends_in_time() {
    let coordinator = coordinator();
    let claims = members(&coordinator).await;
    sleep(SESSION - Duration::from_millis(200)).await;
    assert!(heard(&coordinator, &claims[..1]).iter().all(Result::is_ok));
    sleep(Duration::from_millis(300)).await;
    let heard = heard(&coordinator, &claims);
    assert!(heard[0].is_ok() && heard[1..].iter().all(|heard| *heard == Err(GroupError::UnknownMember)));
}
