//! One member of a group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::machine::Waiter;
use super::messages::Protocol;

/// What a member takes beside its names and bytes.
const MEMBER_OVERHEAD_BYTES: usize = 256;
/// What a protocol takes beside its name and bytes.
const PROTOCOL_OVERHEAD_BYTES: usize = 64;

/// A member.
#[derive(Clone, Debug)]
pub struct Member {
    /// `group.instance.id`: set for static members, who keep their place while they are restarted.
    pub instance_id: Option<String>,
    /// As its client calls itself.
    pub client_id: String,
    /// From where it joined, as Kafka writes addresses: `/127.0.0.1`.
    pub client_host: String,
    /// See [`super::messages::JoinRequest::session_timeout_ms`].
    pub session_timeout: Duration,
    /// How long a rebalance waits for it.
    pub rebalance_timeout: Duration,
    /// What it can do, best first; a name occurs once.
    pub protocols: Vec<Protocol>,
    /// Its share of the work; empty for nothing.
    pub assignment: Bytes,
    /// What is not stored.
    pub session: Session,
}

/// The part of a member that lives in memory only.
#[derive(Clone, Debug)]
pub struct Session {
    /// Without a sign of life until then the member is removed, unless it waits for us.
    pub expires: Instant,
    /// It waits in its first JoinGroup and does not know its id yet, so it cannot show signs of life.
    pub is_new: bool,
    /// The JoinGroup it waits in.
    pub joining: Option<Waiter>,
    /// The SyncGroup it waits in.
    pub syncing: Option<Waiter>,
}

impl Member {
    /// When the member is to be removed, if nothing happens. A member that waits for our answer is alive, except a new one,
    /// which may have given up and joined a second time under another id.
    pub fn deadline(&self) -> Option<Instant> {
        let waits = self.session.joining.is_some() || self.session.syncing.is_some();
        (self.session.is_new || !waits).then_some(self.session.expires)
    }

    /// A sign of life. One that waits in its first JoinGroup, for longer than a session lasts, loses nothing by it.
    pub fn is_seen(&mut self, now: Instant) {
        self.session.expires = self.session.expires.max(now + self.session_timeout);
    }

    /// Its session begins anew.
    pub fn touch(&mut self, now: Instant) {
        self.session.expires = now + self.session_timeout;
    }

    /// What it says about itself in a protocol.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|known| known.name == protocol)
            .map(|known| known.metadata.clone())
            .unwrap_or_default()
    }

    /// Bytes that it keeps in memory, and in the catalog, near enough.
    pub fn bytes(&self) -> usize {
        MEMBER_OVERHEAD_BYTES
            + protocol_bytes(&self.protocols)
            + self.client_id.len()
            + self.client_host.len()
            + self.instance_id.as_ref().map_or(0, String::len)
            + self.assignment.len()
    }
}

/// Bytes of names and metadata.
pub fn protocol_bytes(protocols: &[Protocol]) -> usize {
    protocols.iter().map(|protocol| PROTOCOL_OVERHEAD_BYTES + protocol.name.len() + protocol.metadata.len()).sum()
}

/// Those of `names` that all members know, in one pass over what the members know.
pub fn known_to_all<'a>(
    names: impl Iterator<Item = &'a str>,
    members: impl Iterator<Item = &'a Member>,
) -> BTreeSet<&'a str> {
    // How many of the members so far know a name, all of them without a gap.
    let mut known: BTreeMap<&str, usize> = names.map(|name| (name, 0)).collect();
    let mut seen = 0;
    for member in members {
        for protocol in &member.protocols {
            if let Some(known_to) = known.get_mut(protocol.name.as_str())
                && *known_to == seen
            {
                *known_to += 1;
            }
        }
        seen += 1;
    }
    known.into_iter().filter(|(_, known_to)| *known_to == seen).map(|(name, _)| name).collect()
}

/// The protocol that a group uses: one that all members know; of those, the one that most members like best; of equals, the
/// one that `leader` likes better. `None` when no protocol is known to all.
///
/// Runs with the group locked, so its time grows with what the members state and no faster.
pub fn select_protocol<'a>(leader: &'a Member, members: impl Iterator<Item = &'a Member> + Clone) -> Option<&'a str> {
    let candidates = known_to_all(protocol_names(&leader.protocols), members.clone());
    let mut votes: BTreeMap<&str, usize> = candidates.iter().map(|candidate| (*candidate, 0)).collect();
    for member in members {
        let likes_best = protocol_names(&member.protocols).find(|name| candidates.contains(name));
        if let Some(votes) = likes_best.and_then(|name| votes.get_mut(name)) {
            *votes += 1;
        }
    }
    let in_leaders_order = protocol_names(&leader.protocols).filter(|name| candidates.contains(name));
    // `max_by_key` takes the last of equals, so the leader's order is turned round.
    in_leaders_order.rev().max_by_key(|name| votes[name])
}

/// Their names, in their order.
pub fn protocol_names(protocols: &[Protocol]) -> impl DoubleEndedIterator<Item = &str> {
    protocols.iter().map(|protocol| protocol.name.as_str())
}
