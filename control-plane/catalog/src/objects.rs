//! The life of object ids. Every id that was ever given out is in exactly one of these places:
//!
//! ```text
//!   granted ──deadline, or session fenced──► referenced by extents ──the last one goes──► orphan
//!      └──────────────the same, when no extent refers to it──────────────────────────────► orphan
//! ```
//!
//! - **Granted**: the session may name it in commits and moves, more than once: ingest parks batches that are out of their
//!   producer's order and proposes them again, in a later commit that names the same object. That is safe: the bytes are
//!   there since before the first commit, and nobody deletes what is granted. Each naming states the same length, or it is
//!   refused: an id stands for one payload.
//! - A granted id whose batches were all refused, or whose topic was deleted, has no extents. It is not an orphan while it
//!   is granted (its batches may still be proposed again), and is one when the grant ends: so nothing leaks.
//! - **The fence** is the end of the grant: at its deadline, or when the node opens a newer session. From then on no
//!   command can give the id its first extent. Only after that is it listed for deletion. Upload, commit, and what is
//!   parked must therefore fit into the grant's life; proposers choose deadlines accordingly.
//! - **Orphans** are the never committed and the retired alike: nothing refers to them and nothing can again.

use std::collections::BTreeMap;

use tidelog_catalog_api::{GrantView, SessionRefused};
use tidelog_model::limits::GRANT_OBJECTS_MAX;
use tidelog_model::{NodeId, ObjectId, SessionId, Tick, mutant};

use crate::meta::{Grant, Meta, Orphans, Session};

/// Longest life of a grant: so that what was never committed is an orphan within the hour.
const GRANT_TICKS_MAX: u32 = 3_600;
/// Neighbouring orphans that were fenced within the same so many ticks are one range, which counts from the later.
/// Buckets and not distances, or a chain of merges could keep a range young for ever.
const ORPHAN_MERGE_TICKS: u64 = 60;

/// How many extents refer to each object; objects without any are absent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ObjectRefs(pub BTreeMap<ObjectId, u32>);

impl ObjectRefs {
    pub fn add(&mut self, object: ObjectId, extents: u32) {
        if extents > 0 {
            *self.0.entry(object).or_default() += extents;
        }
    }

    /// Takes one reference back. Says whether it was the last.
    fn remove(&mut self, object: ObjectId) -> bool {
        let count = self.0.get_mut(&object).expect("an extent that exists is counted");
        *count -= 1;
        if *count == 0 {
            self.0.remove(&object);
            return true;
        }
        false
    }
}

impl Meta {
    /// Begins a session and fences the node's older one.
    pub fn open_session(&mut self, node: NodeId, refs: &ObjectRefs) -> SessionId {
        let older = self.sessions.iter().find(|(_, session)| session.node == node).map(|(id, _)| *id);
        if let Some(older) = older {
            self.sessions.remove(&older);
            self.end_grants(|grant| grant.session == older, refs);
        }
        let id = self.next_session;
        self.next_session = SessionId(id.0 + 1);
        self.sessions.insert(id, Session { node, lanes: BTreeMap::new() });
        id
    }

    /// Gives a session object ids. Count and ticks are brought within their limits.
    pub fn grant_objects(&mut self, session: SessionId, count: u32, ticks: u32) -> Result<GrantView, SessionRefused> {
        if !self.sessions.contains_key(&session) {
            return Err(SessionRefused::Fenced);
        }
        let count = count.clamp(1, GRANT_OBJECTS_MAX);
        let deadline = Tick(self.tick.0 + u64::from(ticks.clamp(1, GRANT_TICKS_MAX)));
        let first = self.next_object;
        self.next_object = ObjectId(first.0 + u64::from(count));
        self.grants.insert(first, Grant { session, count, deadline, named: BTreeMap::new() });
        Ok(GrantView { session, first, count, deadline })
    }

    /// Lets a session name an object of `bytes` length, if the id is in a live grant of it.
    pub fn name_object(&mut self, session: SessionId, object: ObjectId, bytes: u32) -> bool {
        let Some(grant) = self.grant_of_mut(object) else { return false };
        grant.session == session && *grant.named.entry(object).or_insert(bytes) == bytes
    }

    /// Fences the grants whose deadline has come.
    pub fn end_expired_grants(&mut self, refs: &ObjectRefs) {
        let now = self.tick;
        self.end_grants(|grant| grant.deadline <= now, refs);
    }

    fn end_grants(&mut self, ends: impl Fn(&Grant) -> bool, refs: &ObjectRefs) {
        let ended: Vec<ObjectId> = self.grants.iter().filter(|(_, grant)| ends(grant)).map(|(id, _)| *id).collect();
        for first in ended {
            let end = ObjectId(first.0 + u64::from(self.grants[&first].count));
            if mutant!("unfenced-orphan") {
                self.grants.get_mut(&first).expect("just found").deadline = Tick(u64::MAX);
            } else {
                self.grants.remove(&first);
            }
            let mut unreferenced = first;
            for (object, _) in refs.0.range(first..end) {
                self.add_orphans(unreferenced, object.0 - unreferenced.0);
                unreferenced = ObjectId(object.0 + 1);
            }
            self.add_orphans(unreferenced, end.0 - unreferenced.0);
        }
    }

    /// An extent no longer refers to `object`.
    pub fn release_object(&mut self, object: ObjectId, refs: &mut ObjectRefs) {
        if refs.remove(object) && self.grant_of_mut(object).is_none() {
            self.add_orphans(object, 1);
        }
    }

    fn grant_of_mut(&mut self, object: ObjectId) -> Option<&mut Grant> {
        let (first, grant) = self.grants.range_mut(..=object).next_back()?;
        (object.0 - first.0 < u64::from(grant.count)).then_some(grant)
    }

    fn add_orphans(&mut self, mut first: ObjectId, mut count: u64) {
        if count == 0 {
            return;
        }
        let now = self.tick;
        let alike = |other: &Orphans| other.fenced_at.0 / ORPHAN_MERGE_TICKS == now.0 / ORPHAN_MERGE_TICKS;
        if let Some((before, orphans)) = self.orphans.range(..first).next_back()
            && before.0 + u64::from(orphans.count) == first.0
            && alike(orphans)
            && u64::from(orphans.count) + count <= u64::from(u32::MAX)
        {
            (first, count) = (*before, u64::from(orphans.count) + count);
        }
        let next = ObjectId(first.0 + count);
        if let Some(orphans) = self.orphans.get(&next)
            && alike(orphans)
            && u64::from(orphans.count) + count <= u64::from(u32::MAX)
        {
            count += u64::from(orphans.count);
            self.orphans.remove(&next);
        }
        let count = u32::try_from(count).expect("grants are small and merges are checked");
        self.orphans.insert(first, Orphans { count, fenced_at: now });
    }
}
