//! Static members: their places, their fences.

use super::GroupError::*;
use super::machine::GroupState;
use super::messages::*;
use super::testing::*;

#[test]
fn an_administrator_removes_a_static_member_by_its_instance() {
    let mut bench = Bench::stable(&[fixed("i1"), fixed("i2")], &["a", "b"]);
    let by_instance = |instance: &str| Leaving { member_id: String::new(), instance_id: Some(instance.to_owned()) };
    let results = bench.leave(&[by_instance("i2"), by_instance("i3"), leaving("")]);
    assert_eq!(results, vec![Ok(()), Err(UnknownMember), Err(UnknownMember)]);
    bench.check(GroupState::PreparingRebalance, 1, &["a"]);
    let wrong = Leaving { member_id: "z".to_owned(), instance_id: Some("i1".to_owned()) };
    assert_eq!(bench.leave(&[wrong]), vec![Err(FencedInstance)]);
}

#[test]
fn a_static_member_comes_back_under_a_new_id_without_a_rebalance() {
    let mut bench = Bench::stable(&[fixed("i1"), fixed("i2")], &["a", "b"]);
    let back = bench.join_as(fixed("i2"), "b2");
    let joined = bench.joined(back);
    assert_eq!((joined.generation, joined.member_id.as_str(), joined.skip_assignment), (1, "b2", false));
    bench.check(GroupState::Stable, 1, &["a", "b2"]);
    let share = bench.sync_request(sync_request(fixed_claim("b2", "i2", 1), &[]));
    assert_eq!(bench.synced(share).unwrap().assignment, "share");

    let old = fixed_claim("b", "i2", 1);
    assert_eq!(bench.group.heartbeat(&old, bench.now), Err(FencedInstance));
    assert_eq!(bench.group.check_commit(&old, bench.now), Err(FencedInstance));
    let join = bench.join_as(JoinRequest { member_id: "b".to_owned(), ..fixed("i2") }, "unused");
    assert_eq!(bench.join_error(join), ("b".to_owned(), FencedInstance));
    let sync = bench.sync_request(sync_request(old, &[]));
    assert_eq!(bench.synced(sync), Err(FencedInstance));
}

#[test]
fn a_static_leader_that_comes_back_keeps_the_assignment() {
    let mut bench = Bench::stable(&[fixed("i1"), fixed("i2")], &["a", "b"]);
    let back = bench.join_as(fixed("i1"), "a2");
    let joined = bench.joined(back);
    assert_eq!((joined.leader.as_str(), joined.skip_assignment, joined.members.len()), ("a2", true, 2));
    let back = bench.join_as(JoinRequest { can_skip_assignment: false, ..fixed("i1") }, "a3");
    let joined = bench.joined(back);
    assert_eq!(
        (joined.leader.as_str(), joined.skip_assignment),
        ("a2", false),
        "an old client does not learn that it leads"
    );
    bench.check(GroupState::Stable, 1, &["a3", "b"]);
}

#[test]
fn a_static_member_that_changes_the_selection_causes_a_rebalance() {
    let mut bench = Bench::stable(&[fixed("i1")], &["a"]);
    let back = bench.join_as(JoinRequest { protocols: vec![protocol("sticky", "s")], ..fixed("i1") }, "a2");
    let joined = bench.joined(back);
    assert_eq!((joined.generation, joined.protocol.as_str()), (2, "sticky"));
}

#[test]
fn a_static_member_that_comes_back_during_a_rebalance_fences_the_one_that_waits() {
    let mut bench = Bench::stable(&[fixed("i1"), fixed("i2")], &["a", "b"]);
    let waits = bench.join_as(JoinRequest { member_id: "a".to_owned(), ..fixed("i1") }, "unused");
    let back = bench.join_as(fixed("i1"), "a2");
    assert_eq!(bench.join_error(waits), ("a".to_owned(), FencedInstance));
    let b = bench.join_as(JoinRequest { member_id: "b".to_owned(), ..fixed("i2") }, "unused");
    assert_eq!((bench.joined(back).generation, bench.joined(b).generation), (2, 2));
    let waits = bench.sync_request(sync_request(fixed_claim("b", "i2", 2), &[]));
    bench.join_as(fixed("i2"), "b2");
    assert_eq!(bench.synced(waits), Err(FencedInstance));
    bench.check(GroupState::PreparingRebalance, 2, &["a2", "b2"]);
}

#[test]
fn static_members_keep_their_place_through_a_rebalance_they_miss() {
    let mut bench =
        Bench::stable(&[fixed("i1"), JoinRequest { session_timeout_ms: 600_000, ..fixed("i2") }], &["a", "b"]);
    bench.join_as(JoinRequest { member_id: "a".to_owned(), ..fixed("i1") }, "unused");
    bench.pass(seconds(61));
    bench.check(GroupState::CompletingRebalance, 2, &["a", "b"]);
    bench.pass(seconds(700));
    bench.check(GroupState::Empty, 3, &[]);
}

#[test]
fn when_no_static_member_comes_back_the_rebalance_waits_for_their_sessions() {
    let mut bench =
        Bench::stable(&[JoinRequest { session_timeout_ms: 600_000, ..fixed("i1") }, new_member()], &["a", "b"]);
    bench.leave(&[leaving("b")]);
    bench.pass(seconds(500));
    bench.check(GroupState::PreparingRebalance, 1, &["a"]);
    let back = bench.join_as(JoinRequest { member_id: "a".to_owned(), ..fixed("i1") }, "unused");
    assert_eq!(bench.joined(back).generation, 2);
}
