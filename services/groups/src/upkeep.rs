//! What a member does between two joins: it fetches its share, shows signs of life, commits offsets, leaves.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::time::Instant;

use super::GroupError;
use super::limits::GROUP_BYTES_MAX;
use super::machine::{Answer, Group, GroupState, Phase, Waiter};
use super::messages::{Claim, Leaving, SyncAnswer, SyncRequest, Synced};

/// Whether one member has left.
pub type Left = Result<(), GroupError>;

impl Group {
    /// A member asks for its share; the leader brings everyone's.
    pub fn sync(&mut self, request: SyncRequest, waiter: Waiter, now: Instant) -> Vec<Answer> {
        let mut out = Vec::new();
        if let Err(error) = self.check_sync(&request) {
            out.push(Answer::Sync(waiter, Err(error)));
            return out;
        }
        let member_id = request.claim.member_id;
        match &mut self.phase {
            Phase::CompletingRebalance(round) => {
                round.missing.remove(&member_id);
                if let Some(superseded) = self.member(&member_id).session.syncing.replace(waiter) {
                    // The client has sent the request again, over another connection: nobody reads this one.
                    out.push(Answer::Sync(superseded, Err(GroupError::RebalanceInProgress)));
                }
                if self.is_leader(&member_id) {
                    self.assign(request.assignments, now, &mut out);
                }
            }
            Phase::Stable(round) => {
                round.missing.remove(&member_id);
                self.member(&member_id).touch(now);
                out.push(Answer::Sync(waiter, self.synced(&member_id)));
            }
            Phase::Empty { .. } | Phase::PreparingRebalance { .. } | Phase::Dead => {
                unreachable!("check_sync lets only members of a complete generation through")
            }
        }
        out
    }

    fn check_sync(&self, request: &SyncRequest) -> Result<(), GroupError> {
        if self.state() == GroupState::Dead {
            return Err(GroupError::NotAvailable);
        }
        self.check_claim(&request.claim)?;
        let differs = |stated: &Option<String>, ours: &str| stated.as_deref().is_some_and(|stated| stated != ours);
        if differs(&request.protocol_type, &self.membership.protocol_type)
            || differs(&request.protocol, &self.membership.protocol)
        {
            return Err(GroupError::InconsistentProtocol);
        }
        if self.state() == GroupState::PreparingRebalance {
            return Err(GroupError::RebalanceInProgress);
        }
        let assigned = request.assignments.iter().map(|(_, assignment)| assignment.len()).sum();
        if self.bytes_after_assignment(assigned) > GROUP_BYTES_MAX {
            return Err(GroupError::TooLarge);
        }
        Ok(())
    }

    /// Bytes that the group would keep, near enough, with `assigned` bytes of shares in place of those it has.
    pub(super) fn bytes_after_assignment(&self, assigned: usize) -> usize {
        let replaced: usize = self.membership.members.values().map(|member| member.assignment.len()).sum();
        self.bytes() - replaced + assigned
    }

    /// Takes the leader's assignment and hands the shares to those who wait: the rebalance is complete.
    fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Instant, out: &mut Vec<Answer>) {
        let mut assignments: BTreeMap<String, Bytes> = assignments.into_iter().collect();
        for (id, member) in &mut self.membership.members {
            member.assignment = assignments.remove(id).unwrap_or_default();
        }
        let Phase::CompletingRebalance(round) = std::mem::replace(&mut self.phase, Phase::Dead) else {
            unreachable!("only a rebalance that lacks its assignment takes one");
        };
        self.phase = Phase::Stable(round);
        self.decisions += 1;
        let ids: Vec<String> = self.membership.members.keys().cloned().collect();
        for id in ids {
            if let Some(waiter) = self.member(&id).session.syncing.take() {
                out.push(Answer::Sync(waiter, self.synced(&id)));
                self.member(&id).touch(now);
            }
        }
    }

    fn synced(&self, member_id: &str) -> SyncAnswer {
        Ok(Synced {
            protocol_type: self.membership.protocol_type.clone(),
            protocol: self.membership.protocol.clone(),
            assignment: self.membership.members[member_id].assignment.clone(),
        })
    }

    /// A sign of life.
    ///
    /// # Errors
    /// [`GroupError::RebalanceInProgress`] is also a sign of life, and asks the member to join again.
    pub fn heartbeat(&mut self, claim: &Claim, now: Instant) -> Result<(), GroupError> {
        if self.state() == GroupState::Dead {
            return Err(GroupError::NotAvailable);
        }
        self.check_claim(claim)?;
        self.member(&claim.member_id).is_seen(now);
        match self.state() {
            GroupState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            GroupState::Empty | GroupState::CompletingRebalance | GroupState::Stable | GroupState::Dead => Ok(()),
        }
    }

    /// Members leave, each answered by itself; those who stay rebalance once.
    ///
    /// # Errors
    /// When none of them could even be considered.
    pub fn leave(&mut self, leaving: &[Leaving], now: Instant) -> Result<(Vec<Left>, Vec<Answer>), GroupError> {
        if self.state() == GroupState::Dead {
            return Err(GroupError::NotAvailable);
        }
        let mut out = Vec::new();
        let members_before = self.membership.members.len();
        let results = leaving.iter().map(|leaving| self.leave_one(leaving, &mut out)).collect();
        if self.membership.members.len() < members_before {
            self.rebalance_or_complete(now, &mut out);
        } else {
            // A promised place that is given back may be the last one that was waited for.
            self.complete_join_if_all_after_first(now, &mut out);
        }
        Ok((results, out))
    }

    fn leave_one(&mut self, leaving: &Leaving, out: &mut Vec<Answer>) -> Left {
        let member_id = match &leaving.instance_id {
            Some(instance) if leaving.member_id.is_empty() => {
                self.member_of_instance(instance).cloned().ok_or(GroupError::UnknownMember)?
            }
            _ => leaving.member_id.clone(),
        };
        if !self.pending.contains_key(&member_id) {
            self.check_member(&member_id, leaving.instance_id.as_deref())?;
        }
        self.remove(&member_id, out);
        Ok(())
    }

    /// Whether offsets may be committed under this claim. Consumers that do without membership (generation −1) may as long
    /// as the group has no members.
    ///
    /// # Errors
    /// When they may not.
    pub fn check_commit(&mut self, claim: &Claim, now: Instant) -> Result<(), GroupError> {
        let state = self.state();
        if state == GroupState::Dead {
            return Err(GroupError::NotAvailable);
        }
        if claim.generation < 0 && state == GroupState::Empty {
            return Ok(());
        }
        if claim.generation < 0 && claim.member_id.is_empty() && claim.instance_id.is_none() {
            return Err(GroupError::UnknownMember);
        }
        self.check_claim(claim)?;
        match state {
            GroupState::Stable | GroupState::PreparingRebalance => {
                // Before its partitions go to someone else a member commits how far it got.
                self.member(&claim.member_id).is_seen(now);
                Ok(())
            }
            // It has joined the new generation and would commit what it read in the one before.
            GroupState::CompletingRebalance => Err(GroupError::RebalanceInProgress),
            GroupState::Empty | GroupState::Dead => unreachable!("an empty group has no member to make a claim"),
        }
    }
}
