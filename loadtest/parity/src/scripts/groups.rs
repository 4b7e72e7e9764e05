//! The classic group protocol: members come, share, beat and go.

use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest};

use super::common::{leave, text};
use crate::exchange::Exchange;

/// Longer than any script takes, and within the bounds of both systems.
const SESSION_TIMEOUT_MS: i32 = 30_000;
/// From this version of JoinGroup on a new member is told its id first.
const IDS_FIRST_FROM: i16 = 4;
const STATIC_FROM: i16 = 5;
/// From these versions on the requests have the name of a static member.
const INSTANCE_FROM: i16 = 3;
const PROTOCOL_IN_SYNC_FROM: i16 = 5;

/// A member's requests, in the versions of the script.
#[derive(Clone, Copy)]
pub struct Member<'g> {
    /// What it knows, so that members can be told apart.
    pub word: &'g str,
    pub group: &'g str,
    pub instance: Option<&'g str>,
    pub protocols: &'g [&'g str],
}

impl Member<'_> {
    fn join(&self, x: &Exchange, id: &str) -> JoinGroupRequest {
        let version = x.version_of::<JoinGroupRequest>();
        let protocol = |name: &&str| {
            JoinGroupRequestProtocol::default()
                .with_name(text(name))
                .with_metadata(subscription(&format!("{} {name}", self.word)).into())
        };
        let request = JoinGroupRequest::default()
            .with_group_id(text(self.group).into())
            .with_session_timeout_ms(SESSION_TIMEOUT_MS)
            .with_member_id(text(id))
            .with_protocol_type(text("consumer"))
            .with_protocols(self.protocols.iter().map(protocol).collect());
        let request = if version >= 1 { request.with_rebalance_timeout_ms(SESSION_TIMEOUT_MS) } else { request };
        match self.instance {
            Some(instance) if version >= STATIC_FROM => request.with_group_instance_id(Some(text(instance))),
            _ => request,
        }
    }

    pub fn sync(&self, x: &Exchange, generation: i32, id: &str, assignments: &[(&str, &str)]) -> SyncGroupRequest {
        let version = x.version_of::<SyncGroupRequest>();
        let assignment = |(member, what): &(&str, &str)| {
            let assignment = what.as_bytes().to_vec().into();
            SyncGroupRequestAssignment::default().with_member_id(text(member)).with_assignment(assignment)
        };
        let request = SyncGroupRequest::default()
            .with_group_id(text(self.group).into())
            .with_generation_id(generation)
            .with_member_id(text(id))
            .with_assignments(assignments.iter().map(assignment).collect());
        let request = match self.instance {
            Some(instance) if version >= INSTANCE_FROM => request.with_group_instance_id(Some(text(instance))),
            _ => request,
        };
        if version < PROTOCOL_IN_SYNC_FROM {
            return request;
        }
        request.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text(self.protocols[0])))
    }

    fn beat(&self, x: &Exchange, generation: i32, id: &str) -> HeartbeatRequest {
        let request = HeartbeatRequest::default().with_group_id(text(self.group).into());
        let request = request.with_generation_id(generation).with_member_id(text(id));
        match self.instance {
            Some(instance) if x.version_of::<HeartbeatRequest>() >= INSTANCE_FROM => {
                request.with_group_instance_id(Some(text(instance)))
            }
            _ => request,
        }
    }

    /// Joins as the only member, which newer versions do in two steps; the steps begin with `what`.
    pub fn join_alone(&self, x: &mut Exchange, wire: u8, what: &str) -> anyhow::Result<JoinGroupResponse> {
        let id = self.id(x, wire, what)?;
        x.ask_on(wire, &format!("{what}: join"), &self.join(x, &id))
    }

    /// The id to join with: none, where the first join gives one.
    fn id(&self, x: &mut Exchange, wire: u8, what: &str) -> anyhow::Result<String> {
        if x.version_of::<JoinGroupRequest>() < IDS_FIRST_FROM || self.instance.is_some() {
            return Ok(String::new());
        }
        let answer = x.ask_on(wire, &format!("{what}: join without an id"), &self.join(x, ""))?;
        Ok(answer.member_id.to_string())
    }
}

/// What a consumer knows, in version 0 of its protocol: Kafka reads it. It subscribes to nothing and has data of its own.
fn subscription(data: &str) -> Vec<u8> {
    let length = i32::try_from(data.len()).expect("a word");
    [&[0, 0, 0, 0, 0, 0], &length.to_be_bytes()[..], data.as_bytes()].concat()
}

pub fn lifecycle(x: &mut Exchange) -> anyhow::Result<()> {
    let group = x.name("group");
    let member = Member { word: "first", group: &group, instance: None, protocols: &["range", "sticky"] };
    let joined = member.join_alone(x, 0, "first")?;
    let (first, generation) = (joined.member_id.to_string(), joined.generation_id);
    x.ask("beat before sync", &member.beat(x, generation, &first))?;
    x.ask("first: sync", &member.sync(x, generation, &first, &[(&first, "all")]))?;
    x.ask("first: sync again", &member.sync(x, generation, &first, &[]))?;
    x.ask("beat", &member.beat(x, generation, &first))?;
    x.ask("beat of an old generation", &member.beat(x, generation - 1, &first))?;
    x.ask("beat of a later generation", &member.beat(x, generation + 1, &first))?;
    x.ask("beat of a stranger", &member.beat(x, generation, "nobody"))?;
    x.ask("sync of an old generation", &member.sync(x, generation - 1, &first, &[]))?;
    x.ask("sync of a stranger", &member.sync(x, generation, "nobody", &[]))?;
    x.ask("join of a stranger", &member.join(x, "nobody"))?;
    let other_kind = Member { protocols: &["other"], ..member };
    x.ask("join without a common protocol", &other_kind.join(x, ""))?;

    // A second member comes: it waits until the first has noticed and joined again.
    let other = Member { word: "second", ..member };
    let second_id = other.id(x, 1, "second")?;
    x.send_on(1, &other.join(x, &second_id))?;
    x.settle("the rebalance", |x| {
        let beat = member.beat(x, generation, &first).with_group_instance_id(None);
        Ok((x.quietly(&beat)?.error_code == 27).then_some(()))
    })?;
    x.ask("beat while it rebalances", &member.beat(x, generation, &first))?;
    let first_again = x.ask("first: join again", &member.join(x, &first))?;
    let second = x.receive_on::<JoinGroupRequest>(1, "second: join")?;
    let second = second.map(|joined| joined.member_id.to_string()).unwrap_or_default();
    let generation = first_again.generation_id;
    x.send_on(1, &member.sync(x, generation, &second, &[]))?;
    let shares = [(first.as_str(), "one half"), (second.as_str(), "the other")];
    x.ask("first: sync for both", &member.sync(x, generation, &first, &shares))?;
    x.receive_on::<SyncGroupRequest>(1, "second: sync")?;
    x.ask_on(1, "second: beat", &member.beat(x, generation, &second))?;

    let version = x.version_of::<kafka_protocol::messages::LeaveGroupRequest>();
    x.ask("a stranger leaves", &leave(version, &group, &[("nobody", None)]))?;
    x.ask_on(1, "second leaves", &leave(version, &group, &[(&second, None)]))?;
    x.ask("first: beat after that", &member.beat(x, generation, &first))?;
    x.ask("first leaves", &leave(version, &group, &[(&first, None)]))?;
    x.ask("first leaves again", &leave(version, &group, &[(&first, None)]))?;
    x.ask("first: beat from outside", &member.beat(x, generation, &first))?;
    let again = member.join_alone(x, 0, "anew")?;
    x.ask("anew: leaves", &leave(version, &group, &[(&again.member_id, None)]))?;
    if version >= 3 {
        x.ask("two leave", &leave(version, &group, &[("a", None), ("b", None)]))?;
        x.ask("nobody leaves", &leave(version, &group, &[]))?;
    }
    Ok(())
}

pub fn refused(x: &mut Exchange) -> anyhow::Result<()> {
    let group = x.name("group");
    let member = Member { word: "first", group: &group, instance: None, protocols: &["range"] };
    let nameless = Member { group: "", ..member };
    x.ask("join without a group", &nameless.join(x, ""))?;
    x.ask("sync without a group", &nameless.sync(x, 1, "m", &[]))?;
    x.ask("beat without a group", &nameless.beat(x, 1, "m"))?;
    let version = x.version_of::<kafka_protocol::messages::LeaveGroupRequest>();
    x.ask("leave without a group", &leave(version, "", &[("m", None)]))?;
    for (what, timeout) in [("short", 1), ("long", 1_800_001), ("negative", -1)] {
        x.ask(&format!("join with a {what} session"), &member.join(x, "").with_session_timeout_ms(timeout))?;
    }
    x.ask("join without protocols", &Member { protocols: &[], ..member }.join(x, ""))?;
    x.ask("join without a kind", &member.join(x, "").with_protocol_type(text("")))?;
    x.ask("join with an id of one's own", &member.join(x, "mine"))?;
    x.ask("sync with an unknown group", &member.sync(x, 1, "m", &[]))?;
    x.ask("beat in an unknown group", &member.beat(x, 1, "m"))?;
    x.ask("leave an unknown group", &leave(version, &group, &[("m", None)]))?;
    let joined = member.join_alone(x, 0, "first")?;
    let (id, generation) = (joined.member_id.to_string(), joined.generation_id);
    x.ask("join with another kind", &member.join(x, &id).with_protocol_type(text("connect")))?;
    if x.version_of::<SyncGroupRequest>() >= PROTOCOL_IN_SYNC_FROM {
        let sync = member.sync(x, generation, &id, &[]);
        x.ask("sync with another protocol", &sync.clone().with_protocol_name(Some(text("other"))))?;
        x.ask("sync with another kind", &sync.clone().with_protocol_type(Some(text("connect"))))?;
        x.ask("sync without a protocol", &sync.with_protocol_name(None).with_protocol_type(None))?;
    }
    x.ask("sync for a stranger too", &member.sync(x, generation, &id, &[(&id, "mine"), ("nobody", "x")]))?;
    Ok(())
}

pub fn static_members(x: &mut Exchange) -> anyhow::Result<()> {
    if x.version() < STATIC_FROM {
        return Ok(());
    }
    let group = x.name("group");
    let member = Member { word: "first", group: &group, instance: Some("one"), protocols: &["range"] };
    let joined = member.join_alone(x, 0, "first")?;
    let (old, generation) = (joined.member_id.to_string(), joined.generation_id);
    x.ask("first: sync", &member.sync(x, generation, &old, &[(&old, "all")]))?;
    x.ask("first: beat", &member.beat(x, generation, &old))?;
    // It starts again, knows its id no more, and gets its place back without a rebalance.
    let joined = x.ask("back: join", &member.join(x, ""))?;
    let (id, generation) = (joined.member_id.to_string(), joined.generation_id);
    x.ask("back: sync", &member.sync(x, generation, &id, &[(&id, "all again")]))?;
    x.ask("back: beat", &member.beat(x, generation, &id))?;
    x.ask("beat by the old id", &member.beat(x, generation, &old))?;
    x.ask("join by the old id", &member.join(x, &old))?;
    x.ask("sync by the old id", &member.sync(x, generation, &old, &[]))?;
    let unknown = Member { instance: Some("two"), ..member };
    x.ask("beat of an unknown name", &unknown.beat(x, generation, &id))?;
    let version = x.version_of::<kafka_protocol::messages::LeaveGroupRequest>();
    x.ask("leave by the old id", &leave(version, &group, &[(&old, Some("one"))]))?;
    x.ask("leave by an unknown name", &leave(version, &group, &[("", Some("two"))]))?;
    x.ask("leave by name", &leave(version, &group, &[("", Some("one"))]))?;
    x.ask("beat after that", &member.beat(x, generation, &id))?;
    Ok(())
}
