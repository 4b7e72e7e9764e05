//! The rebalance: waiting for members to join, the next generation, and what time does to a group.

use tokio::time::Instant;

use super::GroupError;
use super::limits::EMPTY_GROUP_KEPT;
use super::machine::{Answer, Group, GroupState, InitialDelay, Phase, SyncRound};

impl Group {
    /// When [`Group::time_passed`] has something to do next. `None` for a dead group.
    pub fn deadline(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Empty { until: at } | Phase::PreparingRebalance { deadline: at, .. } => Some(*at),
            Phase::CompletingRebalance(round) | Phase::Stable(round) => {
                (!round.missing.is_empty()).then_some(round.deadline)
            }
            Phase::Dead => return None,
        };
        let sessions = self.membership.members.values().filter_map(|member| member.deadline());
        sessions.chain(self.pending.values().copied()).chain(phase).min()
    }

    /// Does what is due: members that gave no sign of life go, rebalances that waited long enough go on, an empty group dies.
    pub fn time_passed(&mut self, now: Instant) -> Vec<Answer> {
        let mut out = Vec::new();
        self.expire_sessions(now, &mut out);
        match &mut self.phase {
            Phase::Empty { until } if *until <= now && self.pending.is_empty() => self.phase = Phase::Dead,
            // It lives as long as the ids it has handed out.
            Phase::Empty { until } if *until <= now => *until = now + EMPTY_GROUP_KEPT,
            Phase::PreparingRebalance { deadline, initial } if *deadline <= now => match initial {
                Some(initial) if initial.member_added && !initial.remaining.is_zero() => {
                    let longer = self.initial_rebalance_delay.min(initial.remaining);
                    *deadline = now + longer;
                    *initial = InitialDelay { remaining: initial.remaining - longer, member_added: false };
                }
                _ => self.complete_join(now, &mut out),
            },
            Phase::CompletingRebalance(round) | Phase::Stable(round)
                if round.deadline <= now && !round.missing.is_empty() =>
            {
                for member_id in std::mem::take(&mut round.missing) {
                    self.remove(&member_id, &mut out);
                }
                self.prepare_rebalance(now, &mut out);
            }
            Phase::Empty { .. }
            | Phase::PreparingRebalance { .. }
            | Phase::CompletingRebalance(_)
            | Phase::Stable(_)
            | Phase::Dead => {}
        }
        out
    }

    fn expire_sessions(&mut self, now: Instant, out: &mut Vec<Answer>) {
        let promised = self.pending.len();
        self.pending.retain(|_, until| *until > now);
        let members = self.membership.members.iter();
        let expired: Vec<String> = members
            .filter(|(_, member)| member.deadline().is_some_and(|deadline| deadline <= now))
            .map(|(id, _)| id.clone())
            .collect();
        for member_id in &expired {
            self.remove(member_id, out);
        }
        match self.state() {
            GroupState::Stable | GroupState::CompletingRebalance if !expired.is_empty() => {
                self.prepare_rebalance(now, out);
            }
            GroupState::PreparingRebalance if !expired.is_empty() || self.pending.len() < promised => {
                self.complete_join_if_all(now, out);
            }
            GroupState::Empty
            | GroupState::PreparingRebalance
            | GroupState::CompletingRebalance
            | GroupState::Stable
            | GroupState::Dead => {}
        }
    }

    /// After a join or a departure: begins a rebalance, or goes on with the one under way.
    pub(super) fn rebalance_or_complete(&mut self, now: Instant, out: &mut Vec<Answer>) {
        match self.state() {
            GroupState::Empty | GroupState::CompletingRebalance | GroupState::Stable => {
                self.prepare_rebalance(now, out)
            }
            GroupState::PreparingRebalance => self.complete_join_if_all_after_first(now, out),
            GroupState::Dead => {}
        }
    }

    /// Begins a rebalance: from now on heartbeats tell the members to join again.
    pub(super) fn prepare_rebalance(&mut self, now: Instant, out: &mut Vec<Answer>) {
        if self.state() == GroupState::CompletingRebalance {
            // The assignment that these wait for will not come.
            for member in self.membership.members.values_mut() {
                member.assignment.clear();
                if let Some(waiter) = member.session.syncing.take() {
                    out.push(Answer::Sync(waiter, Err(GroupError::RebalanceInProgress)));
                    member.touch(now);
                }
            }
        }
        let timeout = self.rebalance_timeout();
        let delay = self.initial_rebalance_delay;
        if self.state() == GroupState::Empty && !delay.is_zero() {
            let initial = InitialDelay { remaining: timeout.saturating_sub(delay), member_added: false };
            self.phase = Phase::PreparingRebalance { deadline: now + delay, initial: Some(initial) };
        } else {
            self.phase = Phase::PreparingRebalance { deadline: now + timeout, initial: None };
            self.complete_join_if_all(now, out);
        }
    }

    /// Ends the waiting when nobody is missing, except in the first rebalance, which waits for members nobody knows yet.
    pub(super) fn complete_join_if_all_after_first(&mut self, now: Instant, out: &mut Vec<Answer>) {
        if matches!(self.phase, Phase::PreparingRebalance { initial: None, .. }) {
            self.complete_join_if_all(now, out);
        }
    }

    /// Ends the waiting when nobody is missing.
    pub(super) fn complete_join_if_all(&mut self, now: Instant, out: &mut Vec<Answer>) {
        let all = self.membership.members.values().all(|member| member.session.joining.is_some());
        if self.state() == GroupState::PreparingRebalance && all && self.pending.is_empty() {
            self.complete_join(now, out);
        }
    }

    /// Begins the next generation with those who have joined, and with static members, who keep their place while away.
    fn complete_join(&mut self, now: Instant, out: &mut Vec<Answer>) {
        let members = self.membership.members.iter();
        let gone: Vec<String> = members
            .filter(|(_, member)| member.session.joining.is_none() && member.instance_id.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for member_id in &gone {
            self.remove(member_id, out);
        }
        if !self.elect_leader() {
            // Static members only, and none has come back: until one does, or their sessions expire.
            let deadline = now + self.rebalance_timeout();
            self.phase = Phase::PreparingRebalance { deadline, initial: None };
            return;
        }
        // Wraps after 2³¹ rebalances; a claim from before names a member id that is long gone.
        self.membership.generation = self.membership.generation.checked_add(1).unwrap_or(1);
        if self.membership.members.is_empty() {
            self.membership.protocol.clear();
            self.decisions += 1;
            self.phase = Phase::Empty { until: now + EMPTY_GROUP_KEPT };
            return;
        }
        let selection = self.selection().expect("each join was checked to share a protocol with all members");
        self.membership.protocol = selection.to_owned();
        let missing = self.membership.members.keys().cloned().collect();
        self.phase = Phase::CompletingRebalance(SyncRound { deadline: now + self.rebalance_timeout(), missing });
        self.answer_joins(now, out);
    }

    fn answer_joins(&mut self, now: Instant, out: &mut Vec<Answer>) {
        let ids: Vec<String> = self.membership.members.keys().cloned().collect();
        for id in ids {
            let member = self.member(&id);
            member.touch(now);
            member.session.is_new = false;
            if let Some(waiter) = member.session.joining.take() {
                out.push(Answer::Join(waiter, Ok(self.joined(&id))));
            }
        }
    }

    /// Makes sure that the leader is one who has joined. False when there are members and none has.
    fn elect_leader(&mut self) -> bool {
        let Some(leader) = &self.membership.leader else {
            assert!(self.membership.members.is_empty(), "a group with members has a leader");
            return true;
        };
        if self.membership.members[leader].session.joining.is_some() {
            return true;
        }
        let mut members = self.membership.members.iter();
        let joined = members.find(|(_, member)| member.session.joining.is_some()).map(|(id, _)| id.clone());
        let elected = joined.is_some();
        if elected {
            self.membership.leader = joined;
        }
        elected
    }
}
