//! The selection of a protocol: what it selects, and how long it takes.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::Instant;

use super::limits::*;
use super::member::{Member, Session, select_protocol};
use super::messages::{JoinRequest, Protocol};
use super::testing::*;

fn member(names: impl IntoIterator<Item = String>) -> Member {
    Member {
        instance_id: None,
        client_id: String::new(),
        client_host: String::new(),
        session_timeout: Duration::ZERO,
        rebalance_timeout: Duration::ZERO,
        protocols: protocols(names),
        assignment: Bytes::new(),
        session: Session { expires: Instant::now(), is_new: false, joining: None, syncing: None },
    }
}

fn protocols(names: impl IntoIterator<Item = String>) -> Vec<Protocol> {
    names.into_iter().map(|name| Protocol { name, metadata: Bytes::new() }).collect()
}

/// What [`select_protocol`] promises, word by word.
fn select_slowly<'a>(leader: &'a Member, members: &[Member]) -> Option<&'a str> {
    let knows = |member: &Member, name: &str| member.protocols.iter().any(|known| known.name == name);
    let candidates: Vec<&str> = (leader.protocols.iter())
        .map(|protocol| protocol.name.as_str())
        .filter(|name| members.iter().all(|member| knows(member, name)))
        .collect();
    let likes_best = |member: &Member, candidate: &str| {
        let best = member.protocols.iter().find(|protocol| candidates.contains(&protocol.name.as_str()));
        best.is_some_and(|best| best.name == candidate)
    };
    let votes = |candidate: &str| members.iter().filter(|member| likes_best(member, candidate)).count();
    candidates.iter().copied().rev().max_by_key(|candidate| votes(candidate))
}

/// A member that knows most of seven protocols, in some order.
fn any_member() -> impl Strategy<Value = Member> {
    let all: Vec<String> = (0..7).map(|number| format!("p{number}")).collect();
    (Just(all).prop_shuffle(), prop_oneof![1 => 0..7_usize, 6 => 5..8_usize])
        .prop_map(|(names, count)| member(names.into_iter().take(count)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_selection_is_what_it_promises(
        members in prop::collection::vec(any_member(), 1..9),
        leader in any::<prop::sample::Index>(),
    ) {
        let leader = leader.get(&members);
        prop_assert_eq!(select_protocol(leader, members.iter()), select_slowly(leader, &members));
    }
}

#[test]
fn the_largest_group_selects_within_a_second() {
    // Each member likes another half of the shared ones best, behind half of its own that nobody shares.
    let half = MEMBER_PROTOCOLS_MAX / 2;
    let shared = |first: usize| (0..half).map(move |number| format!("shared{}", (first + number) % half));
    let mut members = vec![member(shared(0))];
    members.extend((1..GROUP_MEMBERS_MAX).map(|number| {
        let own = (0..half).map(move |protocol| format!("own{number}-{protocol}"));
        member(own.chain(shared(number)))
    }));
    let began = Instant::now();
    // 2,000 votes for 32 protocols: the first 16 get one more than the others, and the leader likes the first of them best.
    assert_eq!(select_protocol(&members[0], members.iter()), Some("shared0"));
    assert!(began.elapsed() < Duration::from_secs(1), "took {:?}", began.elapsed());
}

#[test]
fn two_members_with_thousands_of_protocols_do_not_stop_the_node() {
    // More than a join may state today, as a group may have been stored.
    let many = || protocols((0..3_000).map(|number| format!("p{number}")));
    let mut bench = Bench::new(NO_DELAY);
    let began = Instant::now();
    bench.join_as(JoinRequest { protocols: many(), ..new_member() }, "a");
    let b = bench.join_as(JoinRequest { protocols: many(), ..new_member() }, "b");
    bench.join_as(JoinRequest { protocols: many(), ..again("a") }, "unused");
    assert_eq!(bench.joined(b).protocol, "p0");
    assert!(began.elapsed() < Duration::from_secs(1), "took {:?}", began.elapsed());
}
