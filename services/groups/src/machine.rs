//! A group: the classic protocol's states as a pure state machine. The states and what leads from one to the next are drawn in
//! `mod.rs`.
//!
//! Time comes in as a value, ids of members too. What goes out is answers: a JoinGroup or SyncGroup that cannot be answered
//! at once is kept as a [`Waiter`], and every waiter is answered exactly once, by this step or a later one. Who owns a group
//! calls [`Group::time_passed`] at [`Group::deadline`].
//!
//! Codes and transitions are Apache Kafka's (`GroupMetadataManager`, classic groups; compared with a 4.3.1 broker). On purpose
//! different: where Kafka forgets a waiting request (a second JoinGroup of a member, a member that leaves while it waits), it
//! is answered here; and a client that gives back a member id it never joined with causes no rebalance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::GroupError;
use super::limits::{EMPTY_GROUP_KEPT, REBALANCE_TIMEOUT_MIN};
use super::member::{Member, select_protocol};
use super::messages::{Claim, JoinAnswer, JoinRefused, SyncAnswer};

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Waiter(pub u64);

/// An answer to a request that waited, or would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a JoinGroup.
    Join(Waiter, JoinAnswer),
    /// To a SyncGroup.
    Sync(Waiter, SyncAnswer),
}

/// Kafka's names of the states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// No members.
    Empty,
    /// A rebalance waits for members to join.
    PreparingRebalance,
    /// The members are known; the leader's assignment is awaited.
    CompletingRebalance,
    /// Every member has its share.
    Stable,
    /// Forgotten, or its node is stopping.
    Dead,
}

/// A group.
#[derive(Debug)]
pub struct Group {
    pub(super) membership: Membership,
    pub(super) phase: Phase,
    /// Member ids that were handed out and have not joined yet, each with the time until which it may.
    pub(super) pending: BTreeMap<String, Instant>,
    pub(super) initial_rebalance_delay: Duration,
    /// Counts the decisions that have to be stored before anybody hears of them.
    pub(super) decisions: u64,
}

/// What a rebalance decides, by whom and with what result.
///
/// Stored in the catalog, all of it except each member's [`super::member::Session`], whenever [`Group`] becomes Stable or
/// Empty and at the replacement of a static member, before the answers go out: so it outlives its node.
#[derive(Debug, Default)]
pub struct Membership {
    /// Counts the rebalances.
    pub generation: i32,
    /// Of the members; stays when the last one has gone.
    pub protocol_type: String,
    /// Selected by the last rebalance; empty before the first, and for a group without members.
    pub protocol: String,
    /// Member id of the leader; `None` without members.
    pub leader: Option<String>,
    /// By member id.
    pub members: BTreeMap<String, Member>,
}

/// [`GroupState`] with what each state needs.
#[derive(Debug)]
pub(super) enum Phase {
    Empty {
        /// Then it may be forgotten.
        until: Instant,
    },
    PreparingRebalance {
        /// Then the rebalance goes on with those who have joined.
        deadline: Instant,
        /// Set in the first rebalance of a group that was empty.
        initial: Option<InitialDelay>,
    },
    CompletingRebalance(SyncRound),
    Stable(SyncRound),
    Dead,
}

/// The first rebalance waits for more members, a little longer after each one, in all no longer than the rebalance timeout.
#[derive(Clone, Copy, Debug)]
pub(super) struct InitialDelay {
    pub remaining: Duration,
    pub member_added: bool,
}

/// Who has not asked for its share yet.
#[derive(Debug)]
pub(super) struct SyncRound {
    /// Then those who have not are removed.
    pub deadline: Instant,
    pub missing: BTreeSet<String>,
}

impl Group {
    /// An empty group.
    pub fn new(initial_rebalance_delay: Duration, now: Instant) -> Group {
        Group {
            membership: Membership::default(),
            phase: Phase::Empty { until: now + EMPTY_GROUP_KEPT },
            pending: BTreeMap::new(),
            initial_rebalance_delay,
            decisions: 0,
        }
    }

    /// Its state, by Kafka's name.
    pub fn state(&self) -> GroupState {
        match self.phase {
            Phase::Empty { .. } => GroupState::Empty,
            Phase::PreparingRebalance { .. } => GroupState::PreparingRebalance,
            Phase::CompletingRebalance(_) => GroupState::CompletingRebalance,
            Phase::Stable(_) => GroupState::Stable,
            Phase::Dead => GroupState::Dead,
        }
    }

    /// Counts what was decided for good: a rebalance, or a new process in a static member's place. See `durable.rs`.
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    /// What was decided last.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Since a join into it failed, nothing about this group is worth remembering.
    pub fn is_untouched(&self) -> bool {
        self.state() == GroupState::Empty && self.membership.generation == 0 && self.pending.is_empty()
    }

    /// Bytes it keeps in memory, near enough.
    pub fn bytes(&self) -> usize {
        let members = self.membership.members.iter().map(|(id, member)| id.len() + member.bytes());
        members.sum::<usize>() + self.pending.keys().map(String::len).sum::<usize>()
    }

    /// The node stops: everyone who waits is told to look for another coordinator, and so is everyone who comes.
    pub fn stop(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        for (id, member) in &mut self.membership.members {
            answer_waiting(id, member, GroupError::NotAvailable, &mut answers);
        }
        self.membership.members.clear();
        self.membership.leader = None;
        self.pending.clear();
        self.phase = Phase::Dead;
        answers
    }

    /// Checks a member's claim to be who it says it is; not its generation.
    pub(super) fn check_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), GroupError> {
        let member = self.membership.members.get(member_id);
        let Some(instance_id) = instance_id else {
            return member.map(|_| ()).ok_or(GroupError::UnknownMember);
        };
        if member.is_some_and(|member| member.instance_id.as_deref() == Some(instance_id)) {
            return Ok(());
        }
        let taken = self.member_of_instance(instance_id).is_some();
        Err(if taken { GroupError::FencedInstance } else { GroupError::UnknownMember })
    }

    /// Checks a claim, its generation too.
    pub(super) fn check_claim(&self, claim: &Claim) -> Result<(), GroupError> {
        self.check_member(&claim.member_id, claim.instance_id.as_deref())?;
        if claim.generation != self.membership.generation {
            return Err(GroupError::IllegalGeneration);
        }
        Ok(())
    }

    /// The member id that an instance has.
    pub(super) fn member_of_instance(&self, instance_id: &str) -> Option<&String> {
        let mut members = self.membership.members.iter();
        members.find(|(_, member)| member.instance_id.as_deref() == Some(instance_id)).map(|(id, _)| id)
    }

    pub(super) fn is_leader(&self, member_id: &str) -> bool {
        self.membership.leader.as_deref() == Some(member_id)
    }

    /// The protocol that the members would select now.
    pub(super) fn selection(&self) -> Option<&str> {
        let leader = self.membership.members.get(self.membership.leader.as_ref()?)?;
        select_protocol(leader, self.membership.members.values())
    }

    /// How long a rebalance waits: for the slowest of the members.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.membership.members.values().map(|member| member.rebalance_timeout);
        timeouts.max().unwrap_or_default().max(REBALANCE_TIMEOUT_MIN)
    }

    /// Removes a member and lets go of what it waits for; whether that calls for a rebalance is the caller's business.
    pub(super) fn remove(&mut self, member_id: &str, out: &mut Vec<Answer>) {
        self.pending.remove(member_id);
        if let Phase::CompletingRebalance(round) | Phase::Stable(round) = &mut self.phase {
            round.missing.remove(member_id);
        }
        let Some(mut member) = self.membership.members.remove(member_id) else { return };
        answer_waiting("", &mut member, GroupError::UnknownMember, out);
        if self.is_leader(member_id) {
            self.membership.leader = self.membership.members.keys().next().cloned();
        }
    }
}

/// Refuses what a member waits for.
pub(super) fn answer_waiting(member_id: &str, member: &mut Member, error: GroupError, out: &mut Vec<Answer>) {
    if let Some(waiter) = member.session.joining.take() {
        out.push(refuse_join(waiter, member_id, error));
    }
    if let Some(waiter) = member.session.syncing.take() {
        out.push(Answer::Sync(waiter, Err(error)));
    }
}

/// A refused join.
pub(super) fn refuse_join(waiter: Waiter, member_id: &str, error: GroupError) -> Answer {
    Answer::Join(waiter, Err(JoinRefused { member_id: member_id.to_owned(), error }))
}
