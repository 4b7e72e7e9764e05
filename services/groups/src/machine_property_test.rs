//! Whatever comes in whatever order: every request that waits is answered exactly once, generations never go back, and the
//! group is never at odds with itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tidelog_model::TenantId;
use tokio::time::Instant;

use super::machine::{Answer, Group, GroupState, Waiter};
use super::messages::*;

/// Something that happens. Members are named by small numbers, so that they meet.
#[derive(Clone, Debug)]
enum Happening {
    Join { member: Option<usize>, instance: Option<u8>, ask_twice: bool, skip: bool, protocols: u8, timeout_s: i32 },
    Sync { member: usize, instance: Option<u8>, generation_lag: i32 },
    Heartbeat { member: usize, generation_lag: i32 },
    Commit { member: usize, generation_lag: i32 },
    Leave { members: Vec<usize>, instance: Option<u8> },
    Pass { milliseconds: u64 },
    NextDeadline,
}

fn happening() -> impl Strategy<Value = Happening> {
    let instance = || prop_oneof![3 => Just(None), 1 => (0..3_u8).prop_map(Some)];
    let lag = || prop_oneof![5 => Just(0), 1 => Just(1)];
    prop_oneof![
        6 => (prop::option::of(0..12_usize), instance(), any::<bool>(), any::<bool>(), 1..8_u8, 6..60_i32).prop_map(
            |(member, instance, ask_twice, skip, protocols, timeout_s)| {
                Happening::Join { member, instance, ask_twice, skip, protocols, timeout_s }
            }
        ),
        5 => (0..12_usize, instance(), lag())
            .prop_map(|(member, instance, generation_lag)| Happening::Sync { member, instance, generation_lag }),
        2 => (0..12_usize, lag()).prop_map(|(member, generation_lag)| Happening::Heartbeat { member, generation_lag }),
        1 => (0..12_usize, lag()).prop_map(|(member, generation_lag)| Happening::Commit { member, generation_lag }),
        1 => (prop::collection::vec(0..12_usize, 0..3), instance())
            .prop_map(|(members, instance)| Happening::Leave { members, instance }),
        1 => (0..20_000_u64).prop_map(|milliseconds| Happening::Pass { milliseconds }),
        2 => Just(Happening::NextDeadline),
    ]
}

struct World {
    group: Group,
    now: Instant,
    /// Ids that the group gave to members, newest last; members are named by their place from the end.
    ids: Vec<String>,
    waiting_joins: BTreeSet<Waiter>,
    waiting_syncs: BTreeSet<Waiter>,
    waiters: u64,
    generation: i32,
}

impl World {
    fn id(&self, member: usize) -> String {
        let from_the_end = self.ids.iter().rev().nth(member);
        from_the_end.cloned().unwrap_or_else(|| format!("stranger{member}"))
    }

    fn claim(&self, member: usize, instance: Option<u8>, generation_lag: i32) -> Claim {
        let generation = self.group.membership().generation - generation_lag;
        Claim { member_id: self.id(member), instance_id: instance.map(|i| format!("i{i}")), generation }
    }

    fn happens(&mut self, happening: Happening) {
        let key = GroupKey { tenant: TenantId(1), group: Arc::from("g") };
        self.waiters += 1;
        let waiter = Waiter(self.waiters);
        let answers = match happening {
            Happening::Join { member, instance, ask_twice, skip, protocols, timeout_s } => {
                let fresh = format!("m{}", self.waiters);
                let member_id = member.map(|member| self.id(member)).unwrap_or_default();
                if member.is_none() {
                    self.ids.push(fresh.clone());
                }
                let names =
                    ["range", "sticky", "other"].iter().enumerate().filter(|(bit, _)| protocols & (1 << bit) != 0);
                self.waiting_joins.insert(waiter);
                let request = JoinRequest {
                    key,
                    member_id,
                    instance_id: instance.map(|i| format!("i{i}")),
                    client_id: "client".to_owned(),
                    client_host: "/there".to_owned(),
                    session_timeout_ms: timeout_s * 1_000,
                    rebalance_timeout_ms: timeout_s * 500,
                    protocol_type: "consumer".to_owned(),
                    protocols: names
                        .map(|(_, name)| Protocol { name: (*name).to_owned(), metadata: Bytes::new() })
                        .collect(),
                    member_id_required: ask_twice,
                    can_skip_assignment: skip,
                };
                self.group.join(request, fresh, waiter, self.now)
            }
            Happening::Sync { member, instance, generation_lag } => {
                self.waiting_syncs.insert(waiter);
                let claim = self.claim(member, instance, generation_lag);
                let request = SyncRequest { key, claim, protocol_type: None, protocol: None, assignments: Vec::new() };
                self.group.sync(request, waiter, self.now)
            }
            Happening::Heartbeat { member, generation_lag } => {
                let due = self.group.deadline();
                let _ = self.group.heartbeat(&self.claim(member, None, generation_lag), self.now);
                assert!(self.group.deadline() >= due, "a sign of life brings nothing forward");
                Vec::new()
            }
            Happening::Commit { member, generation_lag } => {
                let claim = self.claim(member, None, generation_lag);
                let due = self.group.deadline();
                let allowed = self.group.check_commit(&claim, self.now).is_ok();
                assert!(self.group.deadline() >= due, "a commit brings nothing forward");
                let without_membership = claim.generation < 0 && self.group.state() == GroupState::Empty;
                let current = claim.generation == self.generation;
                assert!(!allowed || current || without_membership, "only the current generation commits");
                Vec::new()
            }
            Happening::Leave { members, instance } => {
                let leaving = |member_id| Leaving { member_id, instance_id: None };
                let mut all: Vec<Leaving> = members.into_iter().map(|member| leaving(self.id(member))).collect();
                all.extend(instance.map(|i| Leaving { member_id: String::new(), instance_id: Some(format!("i{i}")) }));
                match self.group.leave(&all, self.now) {
                    Ok((results, answers)) => {
                        assert_eq!(results.len(), all.len());
                        answers
                    }
                    Err(_) => Vec::new(),
                }
            }
            Happening::Pass { milliseconds } => {
                self.now += Duration::from_millis(milliseconds);
                self.group.time_passed(self.now)
            }
            Happening::NextDeadline => {
                self.now = self.group.deadline().map_or(self.now, |at| at.max(self.now));
                self.group.time_passed(self.now)
            }
        };
        self.take(answers);
        self.check();
    }

    fn take(&mut self, answers: Vec<Answer>) {
        for answer in answers {
            match answer {
                Answer::Join(waiter, _) => assert!(self.waiting_joins.remove(&waiter), "{waiter:?} did not wait"),
                Answer::Sync(waiter, _) => assert!(self.waiting_syncs.remove(&waiter), "{waiter:?} did not wait"),
            }
        }
    }

    fn check(&mut self) {
        let (state, membership) = (self.group.state(), self.group.membership());
        assert!(membership.generation >= self.generation, "a generation went back");
        self.generation = membership.generation;

        let members = membership.members.values();
        let joins: BTreeSet<Waiter> = members.clone().filter_map(|member| member.session.joining).collect();
        let syncs: BTreeSet<Waiter> = members.clone().filter_map(|member| member.session.syncing).collect();
        assert_eq!(joins, self.waiting_joins, "who waits is known to the group");
        assert_eq!(syncs, self.waiting_syncs, "who waits is known to the group");
        assert!(joins.is_empty() || state == GroupState::PreparingRebalance);
        assert!(syncs.is_empty() || state == GroupState::CompletingRebalance);

        assert!(
            !membership.members.is_empty() || !matches!(state, GroupState::CompletingRebalance | GroupState::Stable)
        );
        assert!(membership.members.is_empty() || !matches!(state, GroupState::Empty | GroupState::Dead));
        let leader_is_member = membership.leader.as_ref().map(|leader| membership.members.contains_key(leader));
        assert_eq!(leader_is_member, (!membership.members.is_empty()).then_some(true));
        let mut instances: Vec<_> = members.filter_map(|member| member.instance_id.as_ref()).collect();
        let count = instances.len();
        instances.sort();
        instances.dedup();
        assert_eq!(instances.len(), count, "an instance is one member");
        if state != GroupState::Dead {
            assert!(self.group.deadline().is_some() || state == GroupState::Stable, "somebody would wait for ever");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_is_answered_once_and_generations_never_go_back(
        initial_delay_ms in prop_oneof![Just(0), Just(100), Just(3_000)],
        happenings in prop::collection::vec(happening(), 1..80),
    ) {
        let now = Instant::now();
        let mut world = World {
            group: Group::new(Duration::from_millis(initial_delay_ms), now),
            now,
            ids: Vec::new(),
            waiting_joins: BTreeSet::new(),
            waiting_syncs: BTreeSet::new(),
            waiters: 0,
            generation: 0,
        };
        for happening in happenings {
            world.happens(happening);
        }
        // When nothing comes any more, time alone answers everyone and ends the group.
        for _ in 0..1_000 {
            if world.group.state() == GroupState::Dead {
                break;
            }
            world.happens(Happening::NextDeadline);
        }
        prop_assert_eq!(world.group.state(), GroupState::Dead);
        prop_assert!(world.waiting_joins.is_empty());
        prop_assert!(world.waiting_syncs.is_empty());
    }
}
