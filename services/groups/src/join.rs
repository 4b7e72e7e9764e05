//! JoinGroup: who may join, and what a join sets off.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::GroupError;
use super::limits::{
    GROUP_BYTES_MAX, GROUP_MEMBERS_MAX, MEMBER_BYTES_MAX, MEMBER_PROTOCOLS_MAX, NEW_MEMBER_JOIN_TIMEOUT,
    SESSION_TIMEOUT_MAX, SESSION_TIMEOUT_MIN,
};
use super::machine::{Answer, Group, GroupState, Phase, Waiter, answer_waiting, refuse_join};
use super::member::{Member, Session, known_to_all, protocol_bytes, protocol_names};
use super::messages::{JoinRequest, Joined, JoinedMember, Protocol};

/// What can be said against a join without knowing its group.
///
/// # Errors
/// Says what is wrong.
pub fn check_join(request: &JoinRequest) -> Result<(), GroupError> {
    if request.protocols.len() > MEMBER_PROTOCOLS_MAX {
        return Err(GroupError::InconsistentProtocol);
    }
    let session_timeout = milliseconds(request.session_timeout_ms);
    if !(SESSION_TIMEOUT_MIN..=SESSION_TIMEOUT_MAX).contains(&session_timeout) {
        return Err(GroupError::InvalidSessionTimeout);
    }
    if request_bytes(request) > MEMBER_BYTES_MAX {
        return Err(GroupError::TooLarge);
    }
    Ok(())
}

/// Bytes that a join would add to its group, at most.
pub fn request_bytes(request: &JoinRequest) -> usize {
    protocol_bytes(&request.protocols)
        + request.protocol_type.len()
        + request.member_id.len()
        + request.client_id.len()
        + request.instance_id.as_ref().map_or(0, String::len)
}

impl Group {
    /// A member joins or joins again. `fresh_member_id` is for a new one and is used once.
    pub fn join(&mut self, request: JoinRequest, fresh_member_id: String, waiter: Waiter, now: Instant) -> Vec<Answer> {
        let mut out = Vec::new();
        let new = request.member_id.is_empty();
        if let Err(error) = self.admit(&request) {
            if error == GroupError::GroupFull {
                // It may be a member that was overtaken by new ones while it was away, or have been promised a place.
                self.remove(&request.member_id, &mut out);
                self.complete_join_if_all_after_first(now, &mut out);
            }
            let member_id = if error == GroupError::GroupFull { "" } else { &request.member_id };
            out.push(refuse_join(waiter, member_id, error));
        } else if new {
            self.join_new(request, fresh_member_id, waiter, now, &mut out);
        } else if self.pending.contains_key(&request.member_id) && request.instance_id.is_none() {
            let member_id = request.member_id.clone();
            self.add(request, member_id, waiter, now, &mut out);
        } else {
            self.rejoin(request, waiter, now, &mut out);
        }
        out
    }

    /// Whether a join can be considered at all.
    fn admit(&self, request: &JoinRequest) -> Result<(), GroupError> {
        let members = &self.membership.members;
        let known = members.get(&request.member_id);
        let has_place = match self.phase {
            Phase::Dead => return Err(GroupError::NotAvailable),
            Phase::Empty { .. } => true,
            // Counts who has joined: the last ones to come back find their places taken.
            Phase::PreparingRebalance { .. } => {
                let joined = members.values().filter(|member| member.session.joining.is_some()).count();
                known.is_some_and(|member| member.session.joining.is_some()) || joined < GROUP_MEMBERS_MAX
            }
            Phase::CompletingRebalance(_) | Phase::Stable(_) => known.is_some() || members.len() < GROUP_MEMBERS_MAX,
        };
        if !has_place {
            return Err(GroupError::GroupFull);
        }
        if self.bytes_after_join(request) > GROUP_BYTES_MAX {
            return Err(GroupError::TooLarge);
        }
        if !self.shares_a_protocol(request) {
            return Err(GroupError::InconsistentProtocol);
        }
        Ok(())
    }

    /// Bytes that the group would keep, near enough: what a member says anew takes the place of what it said before.
    pub(super) fn bytes_after_join(&self, request: &JoinRequest) -> usize {
        let instance = request.instance_id.as_ref().filter(|_| request.member_id.is_empty());
        let member_id = instance.and_then(|instance| self.member_of_instance(instance)).unwrap_or(&request.member_id);
        match self.membership.members.get(member_id) {
            Some(member) => self.bytes() - protocol_bytes(&member.protocols) + protocol_bytes(&request.protocols),
            None => self.bytes() + request_bytes(request),
        }
    }

    /// Whether some protocol of the request is known to all members. Since this holds for each join, there is always one to
    /// select.
    fn shares_a_protocol(&self, request: &JoinRequest) -> bool {
        if self.state() == GroupState::Empty {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        request.protocol_type == self.membership.protocol_type
            && !known_to_all(protocol_names(&request.protocols), self.membership.members.values()).is_empty()
    }

    fn join_new(&mut self, request: JoinRequest, id: String, waiter: Waiter, now: Instant, out: &mut Vec<Answer>) {
        let replaces = request.instance_id.as_ref().and_then(|instance| self.member_of_instance(instance).cloned());
        if let Some(old_id) = replaces {
            self.replace_static(request, &old_id, id, waiter, now, out);
        } else if request.instance_id.is_some() || !request.member_id_required {
            self.add(request, id, waiter, now, out);
        } else if self.pending.len() >= GROUP_MEMBERS_MAX {
            out.push(refuse_join(waiter, "", GroupError::NotAvailable));
        } else {
            out.push(refuse_join(waiter, &id, GroupError::MemberIdRequired));
            self.pending.insert(id, now + milliseconds(request.session_timeout_ms));
        }
    }

    /// A new member, which sets off a rebalance.
    fn add(&mut self, request: JoinRequest, id: String, waiter: Waiter, now: Instant, out: &mut Vec<Answer>) {
        if let Phase::PreparingRebalance { initial: Some(initial), .. } = &mut self.phase {
            initial.member_added = true;
        }
        if self.membership.members.is_empty() {
            self.membership.protocol_type = request.protocol_type;
        }
        self.pending.remove(&id);
        self.membership.leader.get_or_insert_with(|| id.clone());
        let member = Member {
            instance_id: request.instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            session_timeout: milliseconds(request.session_timeout_ms),
            rebalance_timeout: milliseconds(request.rebalance_timeout_ms),
            protocols: distinct(request.protocols),
            assignment: Bytes::new(),
            session: Session {
                expires: now + NEW_MEMBER_JOIN_TIMEOUT,
                is_new: true,
                joining: Some(waiter),
                syncing: None,
            },
        };
        let replaced = self.membership.members.insert(id, member);
        assert!(replaced.is_none(), "a fresh member id is unique");
        self.rebalance_or_complete(now, out);
    }

    /// A member that is known joins again.
    fn rejoin(&mut self, request: JoinRequest, waiter: Waiter, now: Instant, out: &mut Vec<Answer>) {
        if let Err(error) = self.check_member(&request.member_id, request.instance_id.as_deref()) {
            out.push(refuse_join(waiter, &request.member_id, error));
            return;
        }
        let same = self.membership.members[&request.member_id].protocols == distinct(request.protocols.clone());
        let calls_for_rebalance = match self.phase {
            Phase::PreparingRebalance { .. } => true,
            // With the same metadata it has probably not received the answer to its first join.
            Phase::CompletingRebalance(_) => !same,
            // A leader that joins again asks for a new assignment: the topics' partitions may have changed.
            Phase::Stable(_) => !same || self.is_leader(&request.member_id),
            Phase::Empty { .. } | Phase::Dead => unreachable!("a group with members is neither empty nor dead"),
        };
        if calls_for_rebalance {
            self.update(&request.member_id.clone(), request, waiter, out);
            self.rebalance_or_complete(now, out);
        } else {
            out.push(Answer::Join(waiter, Ok(self.joined(&request.member_id))));
        }
    }

    /// A static member's process was restarted: it gets a new member id, the old one is fenced, the place stays.
    fn replace_static(
        &mut self,
        request: JoinRequest,
        old_id: &str,
        new_id: String,
        waiter: Waiter,
        now: Instant,
        out: &mut Vec<Answer>,
    ) {
        let mut member = self.membership.members.remove(old_id).expect("the instance was looked up among the members");
        answer_waiting(old_id, &mut member, GroupError::FencedInstance, out);
        member.session.is_new = false;
        let old_leader = self.membership.leader.clone();
        if self.is_leader(old_id) {
            self.membership.leader = Some(new_id.clone());
        }
        if let Phase::CompletingRebalance(round) | Phase::Stable(round) = &mut self.phase
            && round.missing.remove(old_id)
        {
            round.missing.insert(new_id.clone());
        }
        self.membership.members.insert(new_id.clone(), member);
        let can_skip_assignment = request.can_skip_assignment;
        self.update(&new_id, request, waiter, out);
        self.member(&new_id).touch(now);

        match self.phase {
            Phase::Stable(_) if self.selection() == Some(&self.membership.protocol) => {
                // Nothing that was assigned is touched: no rebalance. The member fetches its share with SyncGroup.
                self.member(&new_id).session.joining = None;
                self.decisions += 1;
                let mut joined = self.joined(&new_id);
                joined.skip_assignment = can_skip_assignment && self.is_leader(&new_id);
                if !can_skip_assignment {
                    // An old client would compute an assignment if it found itself the leader; so it does not.
                    joined.leader = old_leader.unwrap_or_default();
                    joined.members = Vec::new();
                }
                out.push(Answer::Join(waiter, Ok(joined)));
            }
            // The leader may be assigning to the old member id right now.
            Phase::Stable(_) | Phase::CompletingRebalance(_) => self.prepare_rebalance(now, out),
            Phase::PreparingRebalance { .. } => self.complete_join_if_all_after_first(now, out),
            Phase::Empty { .. } | Phase::Dead => unreachable!("a group with members is neither empty nor dead"),
        }
    }

    /// Takes over what a joining member says, and lets it wait.
    fn update(&mut self, member_id: &str, request: JoinRequest, waiter: Waiter, out: &mut Vec<Answer>) {
        let member = self.member(member_id);
        member.protocols = distinct(request.protocols);
        member.session_timeout = milliseconds(request.session_timeout_ms);
        member.rebalance_timeout = milliseconds(request.rebalance_timeout_ms);
        if let Some(superseded) = member.session.joining.replace(waiter) {
            // The client has sent the request again, over another connection: nobody reads this one.
            out.push(refuse_join(superseded, member_id, GroupError::RebalanceInProgress));
        }
    }

    pub(super) fn member(&mut self, member_id: &str) -> &mut Member {
        self.membership.members.get_mut(member_id).expect("the caller has checked that it is a member")
    }

    /// The answer for a member of the current generation.
    pub(super) fn joined(&self, member_id: &str) -> Joined {
        let group = &self.membership;
        let seen_by_leader = |(id, member): (&String, &Member)| JoinedMember {
            member_id: id.clone(),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(&group.protocol),
        };
        Joined {
            member_id: member_id.to_owned(),
            generation: group.generation,
            protocol_type: group.protocol_type.clone(),
            protocol: group.protocol.clone(),
            leader: group.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            members: if self.is_leader(member_id) {
                group.members.iter().map(seen_by_leader).collect()
            } else {
                Vec::new()
            },
        }
    }
}

/// Of protocols with the same name the first.
fn distinct(mut protocols: Vec<Protocol>) -> Vec<Protocol> {
    let mut names = std::collections::BTreeSet::new();
    protocols.retain(|protocol| names.insert(protocol.name.clone()));
    protocols
}

fn milliseconds(stated: i32) -> Duration {
    Duration::from_millis(u64::try_from(stated).unwrap_or(0))
}
