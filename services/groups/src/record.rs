//! What is stored of a group, and a group that goes on from what was stored.

use std::collections::BTreeMap;
use std::time::Duration;

use tidelog_catalog_api::{GroupMember, GroupProtocol, GroupRecord};
use tidelog_model::SessionId;
use tokio::time::Instant;

use super::limits::EMPTY_GROUP_KEPT;
use super::machine::{Answer, Group, GroupState, Membership, Phase, SyncRound};
use super::member::{Member, Session};
use super::messages::Protocol;

impl Group {
    /// The outcome of the last rebalance, to be stored; `None` while there is a rebalance, whose outcome will be.
    pub fn record(&self, session: SessionId, revision: u64) -> Option<GroupRecord> {
        let is_decided = matches!(self.state(), GroupState::Empty | GroupState::Stable);
        let Membership { generation, protocol_type, protocol, leader, members } = self.membership();
        is_decided.then(|| GroupRecord {
            session,
            revision,
            generation: *generation,
            protocol_type: protocol_type.clone(),
            protocol: protocol.clone(),
            leader: leader.clone().unwrap_or_default(),
            members: members.iter().map(|(id, member)| stored(id, member)).collect(),
        })
    }

    /// A new group under the name of an earlier one, whose generations it goes on from.
    pub fn go_on_from(&mut self, generation: i32) {
        self.membership.generation = generation;
    }

    /// What was decided could not be stored: the members decide again, beyond the generation that is stored.
    pub fn undo_decision(&mut self, stored_generation: Option<i32>, now: Instant) -> Vec<Answer> {
        let mut out = Vec::new();
        self.membership.generation = self.membership.generation.max(stored_generation.unwrap_or(0));
        if self.state() == GroupState::Stable {
            self.prepare_rebalance(now, &mut out);
        }
        out
    }

    /// A group whose coordinator was another one, or had an earlier life. Its members have a whole session's time to be
    /// heard of, so that a restart is no rebalance.
    pub fn restore(record: &GroupRecord, initial_rebalance_delay: Duration, now: Instant) -> Group {
        let members: BTreeMap<String, Member> = record.members.iter().map(|member| restored(member, now)).collect();
        let phase = if members.is_empty() {
            Phase::Empty { until: now + EMPTY_GROUP_KEPT }
        } else {
            // Who has not fetched its share yet will, or its session expires.
            Phase::Stable(SyncRound { deadline: now, missing: Default::default() })
        };
        let mut group = Group::new(initial_rebalance_delay, now);
        group.phase = phase;
        group.membership = Membership {
            generation: record.generation,
            protocol_type: record.protocol_type.clone(),
            protocol: record.protocol.clone(),
            leader: (!record.leader.is_empty()).then(|| record.leader.clone()),
            members,
        };
        group
    }
}

fn stored(id: &str, member: &Member) -> GroupMember {
    let protocol =
        |protocol: &Protocol| GroupProtocol { name: protocol.name.clone(), metadata: protocol.metadata.clone() };
    GroupMember {
        member_id: id.to_owned(),
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        session_timeout_ms: milliseconds(member.session_timeout),
        rebalance_timeout_ms: milliseconds(member.rebalance_timeout),
        protocols: member.protocols.iter().map(protocol).collect(),
        assignment: member.assignment.clone(),
    }
}

fn restored(member: &GroupMember, now: Instant) -> (String, Member) {
    let session_timeout = Duration::from_millis(u64::from(member.session_timeout_ms));
    let protocol =
        |protocol: &GroupProtocol| Protocol { name: protocol.name.clone(), metadata: protocol.metadata.clone() };
    let restored = Member {
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        session_timeout,
        rebalance_timeout: Duration::from_millis(u64::from(member.rebalance_timeout_ms)),
        protocols: member.protocols.iter().map(protocol).collect(),
        assignment: member.assignment.clone(),
        session: Session { expires: now + session_timeout, is_new: false, joining: None, syncing: None },
    };
    (member.member_id.clone(), restored)
}

/// Timeouts come from 31 bits of milliseconds.
fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
