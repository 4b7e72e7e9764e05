//! A bench for the group's state machine: its clock is moved by hand, its answers are kept.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidelog_model::TenantId;
use tokio::time::Instant;

use super::GroupError;
use super::machine::{Answer, Group, GroupState, Waiter};
use super::messages::*;

/// A group with a clock that is moved by hand, and everything that was answered so far.
pub(super) struct Bench {
    pub(super) group: Group,
    pub(super) now: Instant,
    waiters: u64,
    pub(super) answers: Vec<Answer>,
}

pub(super) const NO_DELAY: Duration = Duration::ZERO;
pub(super) const SESSION_MS: i32 = 10_000;
pub(super) const REBALANCE_MS: i32 = 60_000;

impl Bench {
    pub(super) fn new(initial_rebalance_delay: Duration) -> Bench {
        let now = Instant::now();
        Bench { group: Group::new(initial_rebalance_delay, now), now, waiters: 0, answers: Vec::new() }
    }

    pub(super) fn waiter(&mut self) -> Waiter {
        self.waiters += 1;
        Waiter(self.waiters)
    }

    /// Sends a join; a new member gets the id `fresh`.
    pub(super) fn join_as(&mut self, request: JoinRequest, fresh: &str) -> Waiter {
        let waiter = self.waiter();
        let answers = self.group.join(request, fresh.to_owned(), waiter, self.now);
        self.answers.extend(answers);
        waiter
    }

    pub(super) fn sync(&mut self, member: &str, generation: i32, assignments: &[(&str, &'static str)]) -> Waiter {
        self.sync_request(sync_request(claim(member, generation), assignments))
    }

    pub(super) fn sync_request(&mut self, request: SyncRequest) -> Waiter {
        let waiter = self.waiter();
        let answers = self.group.sync(request, waiter, self.now);
        self.answers.extend(answers);
        waiter
    }

    pub(super) fn leave(&mut self, leaving: &[Leaving]) -> Vec<Result<(), GroupError>> {
        let (results, answers) = self.group.leave(leaving, self.now).unwrap();
        self.answers.extend(answers);
        results
    }

    /// Moves the clock, stopping at each deadline on the way.
    pub(super) fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(at) = self.group.deadline().filter(|at| *at <= until) {
            assert!(at > self.now || self.now == until, "a deadline that is due again at once would spin");
            self.now = at;
            let answers = self.group.time_passed(at);
            self.answers.extend(answers);
        }
        self.now = until;
    }

    /// The one answer to a waiter, if it has come.
    pub(super) fn answer(&self, waiter: Waiter) -> Option<&Answer> {
        let mut mine = self.answers.iter().filter(|answer| match answer {
            Answer::Join(to, _) | Answer::Sync(to, _) => *to == waiter,
        });
        let first = mine.next();
        assert!(mine.next().is_none(), "{waiter:?} was answered twice");
        first
    }

    pub(super) fn joined(&self, waiter: Waiter) -> Joined {
        match self.answer(waiter) {
            Some(Answer::Join(_, Ok(joined))) => joined.clone(),
            other => panic!("expected a joined member, found {other:?}"),
        }
    }

    pub(super) fn join_error(&self, waiter: Waiter) -> (String, GroupError) {
        match self.answer(waiter) {
            Some(Answer::Join(_, Err(refused))) => (refused.member_id.clone(), refused.error),
            other => panic!("expected a refused join, found {other:?}"),
        }
    }

    pub(super) fn synced(&self, waiter: Waiter) -> Result<Synced, GroupError> {
        match self.answer(waiter) {
            Some(Answer::Sync(_, answer)) => answer.clone(),
            other => panic!("expected an answered sync, found {other:?}"),
        }
    }

    pub(super) fn check(&self, state: GroupState, generation: i32, members: &[&str]) {
        assert_eq!(self.group.state(), state);
        assert_eq!(self.group.membership().generation, generation);
        assert_eq!(self.group.membership().members.keys().collect::<Vec<_>>(), members);
    }

    /// Makes a stable group of these members; the first one leads.
    pub(super) fn stable(members: &[JoinRequest], ids: &[&str]) -> Bench {
        let mut bench = Bench::new(Duration::from_millis(100));
        for (request, id) in members.iter().zip(ids) {
            bench.join_as(request.clone(), id);
        }
        bench.pass(Duration::from_secs(1));
        let shares: Vec<(&str, &'static str)> = ids.iter().map(|id| (*id, "share")).collect();
        for id in ids {
            bench.sync(id, 1, if *id == ids[0] { &shares } else { &[] });
        }
        bench.check(GroupState::Stable, 1, ids);
        bench.answers.clear();
        bench
    }

    /// Two dynamic members, "a" leads.
    pub(super) fn two() -> Bench {
        Bench::stable(&[new_member(), new_member()], &["a", "b"])
    }
}

pub(super) fn key() -> GroupKey {
    GroupKey { tenant: TenantId(1), group: Arc::from("g") }
}

pub(super) fn protocol(name: &str, metadata: &'static str) -> Protocol {
    Protocol { name: name.to_owned(), metadata: Bytes::from_static(metadata.as_bytes()) }
}

/// A dynamic member of an old client, which is not asked to join twice.
pub(super) fn new_member() -> JoinRequest {
    JoinRequest {
        key: key(),
        member_id: String::new(),
        instance_id: None,
        client_id: "client".to_owned(),
        client_host: "/there".to_owned(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: "consumer".to_owned(),
        protocols: vec![protocol("range", "r"), protocol("sticky", "s")],
        member_id_required: false,
        can_skip_assignment: false,
    }
}

pub(super) fn again(member: &str) -> JoinRequest {
    JoinRequest { member_id: member.to_owned(), ..new_member() }
}

pub(super) fn fixed(instance: &str) -> JoinRequest {
    JoinRequest { instance_id: Some(instance.to_owned()), can_skip_assignment: true, ..new_member() }
}

pub(super) fn claim(member: &str, generation: i32) -> Claim {
    Claim { member_id: member.to_owned(), instance_id: None, generation }
}

pub(super) fn fixed_claim(member: &str, instance: &str, generation: i32) -> Claim {
    Claim { instance_id: Some(instance.to_owned()), ..claim(member, generation) }
}

pub(super) fn sync_request(claim: Claim, assignments: &[(&str, &'static str)]) -> SyncRequest {
    SyncRequest {
        key: key(),
        claim,
        protocol_type: Some("consumer".to_owned()),
        protocol: Some("range".to_owned()),
        assignments: assignments
            .iter()
            .map(|(id, share)| ((*id).to_owned(), Bytes::from_static(share.as_bytes())))
            .collect(),
    }
}

pub(super) fn leaving(member: &str) -> Leaving {
    Leaving { member_id: member.to_owned(), instance_id: None }
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
