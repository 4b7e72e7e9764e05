//! Who may join, and how a rebalance comes to its end.

use std::time::Duration;

use bytes::Bytes;

use super::GroupError::*;
use super::join::check_join;
use super::limits::*;
use super::machine::GroupState;
use super::messages::*;
use super::testing::*;

#[test]
fn a_lone_member_joins_syncs_and_is_stable() {
    let mut bench = Bench::new(NO_DELAY);
    let join = bench.join_as(new_member(), "a");
    let joined = bench.joined(join);
    assert_eq!((joined.generation, joined.leader.as_str(), joined.protocol.as_str()), (1, "a", "range"));
    assert_eq!(joined.protocol_type, "consumer");
    let seen = JoinedMember { member_id: "a".to_owned(), instance_id: None, metadata: Bytes::from_static(b"r") };
    assert_eq!(joined.members, vec![seen], "the leader gets everyone's metadata in the selected protocol");
    bench.check(GroupState::CompletingRebalance, 1, &["a"]);

    let sync = bench.sync("a", 1, &[("a", "everything")]);
    assert_eq!(bench.synced(sync).unwrap().assignment, "everything");
    bench.check(GroupState::Stable, 1, &["a"]);
    assert_eq!(bench.group.heartbeat(&claim("a", 1), bench.now), Ok(()));
}

#[test]
fn a_new_member_of_a_newer_client_joins_twice() {
    let mut bench = Bench::new(NO_DELAY);
    let first = bench.join_as(JoinRequest { member_id_required: true, ..new_member() }, "a");
    assert_eq!(bench.join_error(first), ("a".to_owned(), MemberIdRequired));
    bench.check(GroupState::Empty, 0, &[]);
    let second = bench.join_as(JoinRequest { member_id_required: true, ..again("a") }, "unused");
    assert_eq!(bench.joined(second).member_id, "a");
}

#[test]
fn an_id_that_was_handed_out_expires_with_the_session_timeout() {
    let mut bench = Bench::new(NO_DELAY);
    bench.join_as(JoinRequest { member_id_required: true, ..new_member() }, "a");
    bench.pass(seconds(11));
    let late = bench.join_as(again("a"), "unused");
    assert_eq!(bench.join_error(late), ("a".to_owned(), UnknownMember));
}

#[test]
fn a_rebalance_waits_for_an_id_that_was_handed_out() {
    let mut bench = Bench::two();
    bench.join_as(JoinRequest { member_id_required: true, ..new_member() }, "c");
    bench.join_as(again("a"), "unused");
    bench.join_as(again("b"), "unused");
    bench.check(GroupState::PreparingRebalance, 1, &["a", "b"]);
    assert_eq!(bench.leave(&[leaving("c")]), vec![Ok(())], "it gives its place back");
    bench.check(GroupState::CompletingRebalance, 2, &["a", "b"]);
}

#[test]
fn the_first_rebalance_waits_a_little_longer_for_each_new_member() {
    let mut bench = Bench::new(seconds(3));
    let a = bench.join_as(new_member(), "a");
    bench.pass(seconds(2));
    let b = bench.join_as(new_member(), "b");
    bench.pass(seconds(2));
    assert_eq!(bench.answer(a), None, "three more seconds since b came within the first three");
    bench.pass(seconds(2));
    assert_eq!(bench.joined(a).members.len(), 2);
    assert_eq!(bench.joined(b).members.len(), 0, "only the leader gets the list");
}

#[test]
fn the_first_rebalance_waits_no_longer_than_the_rebalance_timeout() {
    let mut bench = Bench::new(seconds(3));
    let request = JoinRequest { rebalance_timeout_ms: 7_000, ..new_member() };
    let first = bench.join_as(request.clone(), "a");
    for id in ["b", "c", "d", "e", "f"] {
        bench.pass(seconds(1));
        bench.join_as(request.clone(), id);
    }
    bench.pass(Duration::from_millis(2_100));
    assert_eq!(bench.joined(first).members.len(), 6);
}

#[test]
fn a_new_member_makes_the_others_join_again() {
    let mut bench = Bench::two();
    let c = bench.join_as(new_member(), "c");
    bench.check(GroupState::PreparingRebalance, 1, &["a", "b", "c"]);
    for member in ["a", "b"] {
        assert_eq!(bench.group.heartbeat(&claim(member, 1), bench.now), Err(RebalanceInProgress));
        let sync = bench.sync(member, 1, &[]);
        assert_eq!(bench.synced(sync), Err(RebalanceInProgress));
        assert_eq!(bench.group.check_commit(&claim(member, 1), bench.now), Ok(()), "a last commit before it goes on");
    }
    let a = bench.join_as(again("a"), "unused");
    assert_eq!(bench.answer(a), None);
    let b = bench.join_as(again("b"), "unused");
    for waiter in [a, b, c] {
        assert_eq!(bench.joined(waiter).generation, 2);
    }
    let (b, c) = (bench.sync("b", 2, &[]), bench.sync("c", 2, &[]));
    assert_eq!(bench.answer(b), None, "followers wait for the leader");
    assert_eq!(bench.group.check_commit(&claim("b", 2), bench.now), Err(RebalanceInProgress));
    bench.sync("a", 2, &[("a", "1"), ("b", "2"), ("stranger", "3")]);
    assert_eq!(bench.synced(b).unwrap().assignment, "2");
    assert_eq!(bench.synced(c).unwrap().assignment, "", "who is left out gets nothing");
    bench.check(GroupState::Stable, 2, &["a", "b", "c"]);
}

#[test]
fn members_that_do_not_join_again_are_removed_at_the_rebalance_timeout() {
    let mut bench = Bench::two();
    let b = bench.join_as(JoinRequest { protocols: vec![protocol("range", "new")], ..again("b") }, "unused");
    for _ in 0..11 {
        assert_eq!(bench.answer(b), None);
        assert_eq!(bench.group.heartbeat(&claim("a", 1), bench.now), Err(RebalanceInProgress));
        bench.pass(Duration::from_millis(5_500));
    }
    let joined = bench.joined(b);
    assert_eq!((joined.leader.as_str(), joined.members.len()), ("b", 1), "a leader that is late is replaced");
    assert_eq!(bench.group.heartbeat(&claim("a", 1), bench.now), Err(UnknownMember));
}

#[test]
fn a_leader_that_joins_again_asks_for_a_rebalance_and_a_follower_does_not() {
    let mut bench = Bench::two();
    let b = bench.join_as(again("b"), "unused");
    assert_eq!(bench.joined(b).generation, 1);
    bench.check(GroupState::Stable, 1, &["a", "b"]);
    bench.join_as(again("a"), "unused");
    bench.check(GroupState::PreparingRebalance, 1, &["a", "b"]);
}

#[test]
fn a_follower_with_new_metadata_asks_for_a_rebalance() {
    let mut bench = Bench::two();
    bench.join_as(JoinRequest { protocols: vec![protocol("range", "more topics")], ..again("b") }, "unused");
    bench.check(GroupState::PreparingRebalance, 1, &["a", "b"]);
}

#[test]
fn a_join_whose_answer_was_lost_is_answered_again_before_the_sync() {
    let mut bench = Bench::new(NO_DELAY);
    bench.join_as(new_member(), "a");
    let repeated = bench.join_as(again("a"), "unused");
    assert_eq!(bench.joined(repeated).members.len(), 1);
    bench.check(GroupState::CompletingRebalance, 1, &["a"]);
    let changed = bench.join_as(JoinRequest { protocols: vec![protocol("range", "other")], ..again("a") }, "unused");
    assert_eq!(bench.joined(changed).generation, 2);
}

#[test]
fn a_rebalance_lets_go_of_those_who_wait_for_the_last_one_s_assignment() {
    let mut bench = Bench::two();
    bench.join_as(again("a"), "unused");
    bench.join_as(again("b"), "unused");
    let b = bench.sync("b", 2, &[]);
    bench.join_as(new_member(), "c");
    assert_eq!(bench.synced(b), Err(RebalanceInProgress));
    bench.check(GroupState::PreparingRebalance, 2, &["a", "b", "c"]);
}

#[test]
fn the_protocol_that_most_prefer_of_those_all_know_is_selected() {
    let select = |members: &[&[&'static str]]| {
        let mut bench = Bench::new(Duration::from_millis(100));
        let mut first = None;
        for (number, names) in members.iter().enumerate() {
            let protocols = names.iter().map(|name| protocol(name, "m")).collect();
            let waiter = bench.join_as(JoinRequest { protocols, ..new_member() }, &format!("m{number}"));
            first.get_or_insert(waiter);
        }
        bench.pass(seconds(1));
        bench.joined(first.unwrap()).protocol
    };
    assert_eq!(select(&[&["range", "sticky"], &["sticky", "range"], &["sticky", "range"]]), "sticky");
    assert_eq!(select(&[&["range", "sticky"], &["sticky", "range"]]), "range", "of equals the leader's choice");
    assert_eq!(select(&[&["cooperative", "range"], &["range"]]), "range", "as in a rolling upgrade");
    assert_eq!(select(&[&["range", "range", "sticky"], &["sticky", "range"], &["sticky", "range"]]), "sticky");
}

#[test]
fn a_member_without_a_shared_protocol_is_refused() {
    let mut bench = Bench::two();
    let check = |bench: &mut Bench, request: JoinRequest| {
        let join = bench.join_as(request, "c");
        assert_eq!(bench.join_error(join).1, InconsistentProtocol);
        bench.check(GroupState::Stable, 1, &["a", "b"]);
    };
    check(&mut bench, JoinRequest { protocols: vec![protocol("other", "")], ..new_member() });
    check(&mut bench, JoinRequest { protocol_type: "connect".to_owned(), ..new_member() });
    check(&mut bench, JoinRequest { protocols: vec![protocol("other", "")], ..again("b") });
    let mut bench = Bench::new(NO_DELAY);
    for request in [
        JoinRequest { protocols: Vec::new(), ..new_member() },
        JoinRequest { protocol_type: String::new(), ..new_member() },
    ] {
        let join = bench.join_as(request, "a");
        assert_eq!(bench.join_error(join).1, InconsistentProtocol);
    }
    assert!(bench.group.is_untouched());
}

#[test]
fn the_session_timeout_has_bounds() {
    let check = |session_timeout_ms, expected| {
        assert_eq!(check_join(&JoinRequest { session_timeout_ms, ..new_member() }), expected);
    };
    check(6_000, Ok(()));
    check(1_800_000, Ok(()));
    check(5_999, Err(InvalidSessionTimeout));
    check(1_800_001, Err(InvalidSessionTimeout));
    check(-1, Err(InvalidSessionTimeout));
}

#[test]
fn members_and_their_words_are_bounded() {
    let big = Protocol { name: "range".to_owned(), metadata: Bytes::from(vec![0; MEMBER_BYTES_MAX]) };
    assert_eq!(check_join(&JoinRequest { protocols: vec![big], ..new_member() }), Err(TooLarge));

    let mut bench = Bench::two();
    let share = Bytes::from(vec![0; GROUP_BYTES_MAX]);
    let sync = SyncRequest { assignments: vec![("a".to_owned(), share)], ..sync_request(claim("a", 1), &[]) };
    let sync = bench.sync_request(sync);
    assert_eq!(bench.synced(sync), Err(TooLarge));

    let mut bench = Bench::new(seconds(3));
    for number in 0..GROUP_MEMBERS_MAX {
        bench.join_as(new_member(), &format!("m{number:04}"));
    }
    let one_too_many = bench.join_as(new_member(), "x");
    assert_eq!(bench.join_error(one_too_many), (String::new(), GroupFull));
    bench.pass(seconds(10));
    let one_too_many = bench.join_as(new_member(), "x");
    assert_eq!(bench.join_error(one_too_many), (String::new(), GroupFull));
    assert_eq!(bench.group.membership().members.len(), GROUP_MEMBERS_MAX);
}

#[test]
fn a_member_states_a_bounded_number_of_protocols() {
    let stated = |count: usize| {
        let protocols = (0..count).map(|number| protocol(&format!("p{number}"), "")).collect();
        // The count is looked at first: everything else takes time that grows with it.
        let session_timeout_ms = if count > MEMBER_PROTOCOLS_MAX { 0 } else { SESSION_MS };
        check_join(&JoinRequest { protocols, session_timeout_ms, ..new_member() })
    };
    assert_eq!(stated(MEMBER_PROTOCOLS_MAX), Ok(()));
    assert_eq!(stated(MEMBER_PROTOCOLS_MAX + 1), Err(InconsistentProtocol));
}

#[test]
fn ids_that_are_handed_out_are_bounded() {
    let mut bench = Bench::new(NO_DELAY);
    let request = JoinRequest { member_id_required: true, ..new_member() };
    for number in 0..GROUP_MEMBERS_MAX {
        bench.join_as(request.clone(), &format!("m{number}"));
    }
    let one_too_many = bench.join_as(request, "x");
    assert_eq!(bench.join_error(one_too_many).1, NotAvailable);
}
