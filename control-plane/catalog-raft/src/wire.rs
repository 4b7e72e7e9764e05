//! The encoding of Raft's own values: log ids, votes, memberships, entries. Numbers once written are never reused.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::BasicNode;
use openraft::impls::leader_id_adv::LeaderId;
use tidelog_format::codec::{Corrupt, Reader, Writer};

use crate::types::{Entry, EntryPayload, LogId, Logged, Membership, StoredMembership, Vote};

const PAYLOAD_BLANK: u8 = 1;
const PAYLOAD_COMMAND: u8 = 2;
const PAYLOAD_MEMBERSHIP: u8 = 3;

pub(crate) fn put_log_id(out: &mut Writer, id: &LogId) {
    out.varint(id.leader_id.term);
    out.varint(id.leader_id.node_id);
    out.varint(id.index);
}

pub(crate) fn get_log_id(input: &mut Reader) -> Result<LogId, Corrupt> {
    let leader_id = LeaderId { term: input.varint()?, node_id: input.varint()? };
    Ok(LogId { leader_id, index: input.varint()? })
}

/// Present or absent.
pub(crate) fn put_option<T>(out: &mut Writer, value: Option<&T>, put: impl FnOnce(&mut Writer, &T)) {
    out.byte(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

pub(crate) fn get_option<T>(
    input: &mut Reader,
    get: impl FnOnce(&mut Reader) -> Result<T, Corrupt>,
) -> Result<Option<T>, Corrupt> {
    match input.byte()? {
        0 => Ok(None),
        1 => Ok(Some(get(input)?)),
        other => Err(input.corrupt(format!("has {other} where 0 or 1 is expected"))),
    }
}

pub(crate) fn put_vote(out: &mut Writer, vote: &Vote) {
    out.varint(vote.leader_id.term);
    out.varint(vote.leader_id.node_id);
    out.byte(u8::from(vote.committed));
}

pub(crate) fn get_vote(input: &mut Reader) -> Result<Vote, Corrupt> {
    let leader_id = LeaderId { term: input.varint()?, node_id: input.varint()? };
    let committed = match input.byte()? {
        0 => false,
        1 => true,
        other => return Err(input.corrupt(format!("has {other} where 0 or 1 is expected"))),
    };
    Ok(Vote { leader_id, committed })
}

pub(crate) fn put_membership(out: &mut Writer, membership: &Membership) {
    let configs = membership.get_joint_config();
    out.varint(configs.len() as u64);
    for config in configs {
        out.varint(config.len() as u64);
        for node in config {
            out.varint(*node);
        }
    }
    let nodes: Vec<_> = membership.nodes().collect();
    out.varint(nodes.len() as u64);
    for (id, node) in nodes {
        out.varint(*id);
        out.varint(node.addr.len() as u64);
        out.raw(node.addr.as_bytes());
    }
}

pub(crate) fn get_membership(input: &mut Reader) -> Result<Membership, Corrupt> {
    let mut configs = Vec::new();
    for _ in 0..input.count(1)? {
        let count = input.count(1)?;
        configs.push((0..count).map(|_| input.varint()).collect::<Result<BTreeSet<u64>, _>>()?);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..input.count(2)? {
        let id = input.varint()?;
        let length = input.count(1)?;
        let addr = String::from_utf8(input.raw(length)?.to_vec())
            .map_err(|_| input.corrupt("has an address that is not UTF-8"))?;
        nodes.insert(id, BasicNode { addr });
    }
    if configs.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(configs, nodes).map_err(|error| input.corrupt(format!("has a membership that is none: {error}")))
}

pub(crate) fn put_stored_membership(out: &mut Writer, membership: &StoredMembership) {
    put_option(out, membership.log_id().as_ref(), put_log_id);
    put_membership(out, membership.membership());
}

pub(crate) fn get_stored_membership(input: &mut Reader) -> Result<StoredMembership, Corrupt> {
    let log_id = get_option(input, get_log_id)?;
    Ok(StoredMembership::new(log_id, get_membership(input)?))
}

/// An entry's bytes: a head, and the command's bytes by reference.
pub(crate) fn entry_bytes(entry: &Entry) -> (Bytes, Bytes) {
    let mut out = Writer::with_capacity(40);
    put_log_id(&mut out, &entry.log_id);
    match &entry.payload {
        EntryPayload::Blank => {
            out.byte(PAYLOAD_BLANK);
            (out.finish(), Bytes::new())
        }
        EntryPayload::Normal(logged) => {
            out.byte(PAYLOAD_COMMAND);
            (out.finish(), logged.bytes().clone())
        }
        EntryPayload::Membership(membership) => {
            out.byte(PAYLOAD_MEMBERSHIP);
            put_membership(&mut out, membership);
            (out.finish(), Bytes::new())
        }
    }
}

pub(crate) fn decode_entry(bytes: Bytes) -> Result<Entry, Corrupt> {
    let mut input = Reader::new("raft entry", bytes);
    let log_id = get_log_id(&mut input)?;
    let payload = match input.byte()? {
        PAYLOAD_BLANK => EntryPayload::Blank,
        PAYLOAD_COMMAND => {
            let rest = input.remaining();
            EntryPayload::Normal(Logged::decode(input.raw(rest)?)?)
        }
        PAYLOAD_MEMBERSHIP => EntryPayload::Membership(get_membership(&mut input)?),
        other => return Err(input.corrupt(format!("has payload kind {other}, which is not known here"))),
    };
    input.end()?;
    Ok(Entry { log_id, payload })
}
