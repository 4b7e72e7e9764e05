//! Shares, signs of life, commits, departures.

use std::time::Duration;

use bytes::Bytes;

use super::GroupError::*;
use super::limits::*;
use super::machine::GroupState;
use super::messages::*;
use super::testing::*;

#[test]
fn a_member_without_a_sign_of_life_is_removed() {
    let mut bench = Bench::two();
    bench.pass(seconds(9));
    assert_eq!(bench.group.heartbeat(&claim("a", 1), bench.now), Ok(()));
    bench.pass(seconds(2));
    bench.check(GroupState::PreparingRebalance, 1, &["a"]);
    assert_eq!(bench.group.heartbeat(&claim("b", 1), bench.now), Err(UnknownMember));
}

#[test]
fn a_commit_is_a_sign_of_life() {
    let mut bench = Bench::two();
    bench.pass(seconds(9));
    for member in ["a", "b"] {
        assert_eq!(bench.group.check_commit(&claim(member, 1), bench.now), Ok(()));
    }
    bench.pass(seconds(9));
    bench.check(GroupState::Stable, 1, &["a", "b"]);
}

#[test]
fn who_waits_for_us_is_alive_except_a_new_member_for_ever() {
    let mut bench = Bench::two();
    let a = bench.join_as(JoinRequest { rebalance_timeout_ms: 600_000, ..again("a") }, "unused");
    let c = bench.join_as(new_member(), "c");
    for _ in 0..100 {
        bench.pass(seconds(4));
        let _ = bench.group.heartbeat(&claim("b", 1), bench.now);
    }
    assert_eq!(
        bench.join_error(c),
        (String::new(), UnknownMember),
        "five minutes for a member nobody can tell is there"
    );
    assert_eq!(bench.answer(a), None);
    bench.check(GroupState::PreparingRebalance, 1, &["a", "b"]);
}

#[test]
fn who_does_not_ask_for_its_share_is_removed_at_the_rebalance_timeout() {
    let mut bench = Bench::two();
    bench.join_as(again("a"), "unused");
    bench.join_as(again("b"), "unused");
    bench.sync("a", 2, &[("a", "1"), ("b", "2")]);
    bench.check(GroupState::Stable, 2, &["a", "b"]);
    for _ in 0..11 {
        bench.pass(Duration::from_millis(5_500));
        let _ = bench.group.heartbeat(&claim("a", 2), bench.now);
        let _ = bench.group.heartbeat(&claim("b", 2), bench.now);
    }
    bench.check(GroupState::PreparingRebalance, 2, &["a"]);
}

#[test]
fn the_second_request_of_a_member_supersedes_the_first() {
    let mut bench = Bench::two();
    let first = bench.join_as(again("a"), "unused");
    let second = bench.join_as(again("a"), "unused");
    assert_eq!(bench.join_error(first), ("a".to_owned(), RebalanceInProgress));
    bench.join_as(again("b"), "unused");
    assert_eq!(bench.joined(second).generation, 2);
    let first = bench.sync("b", 2, &[]);
    let second = bench.sync("b", 2, &[]);
    assert_eq!(bench.synced(first), Err(RebalanceInProgress));
    bench.sync("a", 2, &[("b", "2")]);
    assert_eq!(bench.synced(second).unwrap().assignment, "2");
}

#[test]
fn a_sync_is_checked() {
    let mut bench = Bench::two();
    let stranger = bench.sync("x", 1, &[]);
    assert_eq!(bench.synced(stranger), Err(UnknownMember));
    let old = bench.sync("b", 0, &[]);
    assert_eq!(bench.synced(old), Err(IllegalGeneration));
    let other = SyncRequest { protocol: Some("sticky".to_owned()), ..sync_request(claim("b", 1), &[]) };
    let other = bench.sync_request(other);
    assert_eq!(bench.synced(other), Err(InconsistentProtocol));
    let other = SyncRequest { protocol_type: Some("connect".to_owned()), ..sync_request(claim("b", 1), &[]) };
    let other = bench.sync_request(other);
    assert_eq!(bench.synced(other), Err(InconsistentProtocol));
    let silent = SyncRequest { protocol: None, protocol_type: None, ..sync_request(claim("b", 1), &[]) };
    let silent = bench.sync_request(silent);
    assert_eq!(bench.synced(silent).unwrap().assignment, "share", "older clients do not state them");
    let mut bench = Bench::new(NO_DELAY);
    let nobody = bench.sync("a", 0, &[]);
    assert_eq!(bench.synced(nobody), Err(UnknownMember));
}

/// A member that says this much about itself.
fn talkative(request: JoinRequest, bytes: usize) -> JoinRequest {
    let range = Protocol { name: "range".to_owned(), metadata: Bytes::from(vec![0; bytes]) };
    JoinRequest { protocols: vec![range], ..request }
}

/// Lets a group's members, of whom the first leads, join again and again, each time with a share of this size for the first.
fn rebalances_ten_times(bench: &mut Bench, again: &[JoinRequest], share_bytes: usize) {
    for generation in 2..12 {
        let joins: Vec<_> = again.iter().map(|request| bench.join_as(request.clone(), "unused")).collect();
        for join in joins {
            assert_eq!(bench.joined(join).generation, generation);
        }
        let leader = claim(&again[0].member_id, generation);
        let share = Bytes::from(vec![u8::try_from(generation).unwrap(); share_bytes]);
        let assignments = vec![(leader.member_id.clone(), share.clone())];
        let sync = bench.sync_request(SyncRequest { assignments, ..sync_request(leader, &[]) });
        assert_eq!(bench.synced(sync).unwrap().assignment, share);
    }
}

#[test]
fn a_large_assignment_takes_the_place_of_the_last_one() {
    let mut bench = Bench::stable(&[talkative(new_member(), 200 * 1024)], &["a"]);
    rebalances_ten_times(&mut bench, &[talkative(again("a"), 200 * 1024)], GROUP_BYTES_MAX / 2);
    assert!(bench.group.bytes() > GROUP_BYTES_MAX / 2, "half of what there is room for, ten times");
}

#[test]
fn what_a_member_says_takes_the_place_of_what_it_said() {
    // Four of them fill the group; a fifth has no room.
    let bytes = GROUP_BYTES_MAX / 4 - 1024;
    let new = talkative(new_member(), bytes);
    let mut bench = Bench::stable(&[new.clone(), new.clone(), new.clone(), new.clone()], &["a", "b", "c", "d"]);
    let members = ["a", "b", "c", "d"].map(|id| talkative(again(id), bytes));
    rebalances_ten_times(&mut bench, &members, 100);
    let grown = bench.join_as(talkative(again("b"), bytes + 4096), "unused");
    assert_eq!(bench.join_error(grown).1, TooLarge);
    let fifth = bench.join_as(new, "e");
    assert_eq!(bench.join_error(fifth).1, TooLarge);
}

#[test]
fn what_a_restarted_static_member_says_takes_the_place_of_what_it_said() {
    let bytes = GROUP_BYTES_MAX / 4 - 1024;
    let new = |instance: &str| talkative(fixed(instance), bytes);
    let mut bench = Bench::stable(&["w", "x", "y", "z"].map(new), &["a", "b", "c", "d"]);
    for restart in 0..10 {
        let id = format!("b{restart}");
        let join = bench.join_as(new("x"), &id);
        assert_eq!(bench.joined(join).member_id, id);
    }
    let fifth = bench.join_as(new("v"), "e");
    assert_eq!(bench.join_error(fifth).1, TooLarge);
}

#[test]
fn a_heartbeat_is_checked() {
    let mut bench = Bench::two();
    assert_eq!(bench.group.heartbeat(&claim("x", 1), bench.now), Err(UnknownMember));
    assert_eq!(bench.group.heartbeat(&claim("a", 0), bench.now), Err(IllegalGeneration));
    assert_eq!(bench.group.heartbeat(&fixed_claim("a", "nobody", 1), bench.now), Err(UnknownMember));
}

#[test]
fn members_leave_together_and_cause_one_rebalance() {
    let mut bench = Bench::stable(&[new_member(), new_member(), new_member()], &["a", "b", "c"]);
    assert_eq!(bench.leave(&[leaving("a"), leaving("x"), leaving("b")]), vec![Ok(()), Err(UnknownMember), Ok(())]);
    bench.check(GroupState::PreparingRebalance, 1, &["c"]);
    let c = bench.join_as(again("c"), "unused");
    assert_eq!((bench.joined(c).leader.as_str(), bench.joined(c).generation), ("c", 2));
}

#[test]
fn the_last_member_s_leave_makes_the_group_empty() {
    let mut bench = Bench::two();
    bench.leave(&[leaving("a"), leaving("b")]);
    bench.check(GroupState::Empty, 2, &[]);
    assert_eq!(bench.group.check_commit(&claim("", -1), bench.now), Ok(()));
    let late = bench.join_as(again("a"), "unused");
    assert_eq!(bench.join_error(late), ("a".to_owned(), UnknownMember));
    let fresh = bench.join_as(JoinRequest { protocol_type: "connect".to_owned(), ..new_member() }, "c");
    bench.pass(seconds(1));
    assert_eq!(bench.joined(fresh).generation, 3, "generations go on");
    bench.leave(&[leaving("c")]);
    bench.pass(EMPTY_GROUP_KEPT);
    assert_eq!(bench.group.state(), GroupState::Dead);
}

#[test]
fn who_leaves_while_it_waits_is_answered() {
    let mut bench = Bench::two();
    let a = bench.join_as(again("a"), "unused");
    bench.leave(&[leaving("a")]);
    assert_eq!(bench.join_error(a), (String::new(), UnknownMember));
    let b = bench.join_as(again("b"), "unused");
    let c = bench.join_as(new_member(), "c");
    bench.join_as(again("b"), "unused");
    assert_eq!(bench.joined(b).generation, 2);
    assert_eq!(bench.joined(c).generation, 3);
    let c = bench.sync("c", 3, &[]);
    bench.leave(&[leaving("c")]);
    assert_eq!(bench.synced(c), Err(UnknownMember));
}

#[test]
fn commits_need_the_current_generation_or_an_empty_group() {
    let mut bench = Bench::two();
    let mut check = |claim: Claim, expected| assert_eq!(bench.group.check_commit(&claim, bench.now), expected);
    check(claim("a", 1), Ok(()));
    check(claim("a", 0), Err(IllegalGeneration));
    check(claim("x", 1), Err(UnknownMember));
    check(claim("", -1), Err(UnknownMember));
    check(claim("a", -1), Err(IllegalGeneration));
    check(fixed_claim("", "i", -1), Err(UnknownMember));
    let mut bench = Bench::new(NO_DELAY);
    let mut check = |claim: Claim, expected| assert_eq!(bench.group.check_commit(&claim, bench.now), expected);
    check(claim("", -1), Ok(()));
    check(claim("a", 0), Err(UnknownMember));
}

#[test]
fn a_group_that_stops_answers_everyone() {
    let mut bench = Bench::two();
    let a = bench.join_as(again("a"), "unused");
    bench.answers.extend(bench.group.stop());
    assert_eq!(bench.join_error(a), ("a".to_owned(), NotAvailable));
    let join = bench.join_as(new_member(), "c");
    assert_eq!(bench.join_error(join).1, NotAvailable);
    let sync = bench.sync("a", 1, &[]);
    assert_eq!(bench.synced(sync), Err(NotAvailable));
    assert_eq!(bench.group.heartbeat(&claim("a", 1), bench.now), Err(NotAvailable));
    assert_eq!(bench.group.check_commit(&claim("a", 1), bench.now), Err(NotAvailable));
    assert_eq!(bench.group.leave(&[leaving("a")], bench.now), Err(NotAvailable));
    assert_eq!(bench.group.deadline(), None);
}
