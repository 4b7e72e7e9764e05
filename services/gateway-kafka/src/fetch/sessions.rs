//! Fetch sessions (KIP-227): a client names its partitions once and from then on only what changes.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tidelog_host::Random;
use tidelog_kafka_wire::ErrorCode;
use tidelog_model::PartitionId;
use tokio::time::Instant;

use super::session::{Answered, Session};
use crate::options::{FETCH_SESSION_IDLE_MIN, FETCH_SESSION_PARTITIONS_MAX, FETCH_SESSIONS_MAX};
use crate::storage::WatchTail;
use crate::topics::TopicKey;

/// "No session".
pub(crate) const NO_SESSION: i32 = 0;
/// A full fetch that begins a session.
const EPOCH_INITIAL: i32 = 0;
/// A full fetch that wants none, and ends the one that it names.
const EPOCH_FINAL: i32 = -1;

/// A partition, as a client names it.
pub(crate) type PartitionKey = (TopicKey, i32);

/// What is asked of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) offset: i64,
    pub(crate) bytes_max: i32,
    pub(crate) leader_epoch: i32,
}

/// A request's part that is about its session.
#[derive(Debug)]
pub(crate) struct SessionRequest {
    pub(crate) id: i32,
    pub(crate) epoch: i32,
    /// From version 13 on topics are named by id; one session sticks to one way.
    pub(crate) by_id: bool,
    pub(crate) partitions: Vec<(PartitionKey, Asked)>,
    pub(crate) forgotten: Vec<PartitionKey>,
}

/// What to fetch, and how to answer.
pub(crate) struct Plan {
    pub(crate) mode: Mode,
    pub(crate) partitions: Vec<(PartitionKey, Asked)>,
    /// The session's, which [`FetchSessions::finish`] gets back.
    pub(crate) watch: Option<Box<dyn WatchTail>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything is answered; no session.
    Sessionless,
    /// Everything is answered; a session begins if there is room.
    Begin { by_id: bool },
    /// Only news are answered, to the request of this epoch.
    Incremental { id: i32, epoch: i32 },
}

/// What an answer says about a partition, as far as a session remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Which one it was; it is watched.
    pub(crate) found: Option<PartitionId>,
    pub(crate) high_watermark: i64,
    pub(crate) log_start: i64,
    pub(crate) has_records: bool,
    pub(crate) is_error: bool,
}

/// All sessions of the node. Bounded in number and in partitions.
pub(crate) struct FetchSessions {
    random: Random,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    sessions: BTreeMap<i32, Session>,
    partitions: usize,
}

impl FetchSessions {
    pub(crate) fn new(random: Random) -> FetchSessions {
        FetchSessions { random, inner: Mutex::new(Inner::default()) }
    }

    /// Finds out what a request asks for. Takes the request's epoch: a second request with the same is refused.
    ///
    /// # Errors
    /// The code of the whole answer; the client then begins a new session.
    pub(crate) fn begin(&self, now: Instant, request: SessionRequest) -> Result<Plan, ErrorCode> {
        let mut inner = self.inner.lock();
        if matches!(request.epoch, EPOCH_INITIAL | EPOCH_FINAL) {
            inner.remove(request.id);
            let mode =
                if request.epoch == EPOCH_FINAL { Mode::Sessionless } else { Mode::Begin { by_id: request.by_id } };
            return Ok(Plan { mode, partitions: request.partitions, watch: None });
        }
        let session = inner.sessions.get_mut(&request.id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != request.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.by_id != request.by_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        session.epoch = epoch_after(request.epoch);
        session.used = now;
        let before = session.len();
        request.partitions.into_iter().for_each(|(key, asked)| session.ask(key, asked));
        request.forgotten.iter().for_each(|key| session.forget(key));
        let after = session.len();
        let (partitions, watch) = session.begin();
        inner.partitions = inner.partitions + after - before;
        if after == 0 {
            inner.remove(request.id);
            return Ok(Plan { mode: Mode::Sessionless, partitions, watch: None });
        }
        if inner.partitions > FETCH_SESSION_PARTITIONS_MAX {
            inner.remove(request.id);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        Ok(Plan { mode: Mode::Incremental { id: request.id, epoch: request.epoch }, partitions, watch })
    }

    /// What a Fetch has to look at because it changed while it waited, as its watch says. Nothing when its session has gone
    /// on without it.
    pub(crate) fn changed(&self, mode: Mode, changed: Vec<PartitionId>) -> Vec<(PartitionKey, Asked)> {
        self.of_current(mode, |session| session.asked(changed))
    }

    /// All partitions of a Fetch's session; nothing when it has gone on without it.
    pub(crate) fn all(&self, mode: Mode) -> Vec<(PartitionKey, Asked)> {
        self.of_current(mode, |session| session.all())
    }

    fn of_current<T: Default>(&self, mode: Mode, look: impl FnOnce(&Session) -> T) -> T {
        let Mode::Incremental { id, epoch } = mode else { return T::default() };
        let inner = self.inner.lock();
        let current = inner.sessions.get(&id).filter(|session| session.epoch == epoch_after(epoch));
        current.map(look).unwrap_or_default()
    }

    /// Takes note of an answer, and takes the watch of what was answered. Returns the session id to answer with, and for each
    /// partition whether it is answered.
    pub(crate) fn finish(
        &self,
        now: Instant,
        mode: Mode,
        answered: &[Answered],
        watch: Box<dyn WatchTail>,
    ) -> (i32, Vec<bool>) {
        match mode {
            Mode::Sessionless => (NO_SESSION, vec![true; answered.len()]),
            Mode::Begin { by_id } => (self.create(now, by_id, answered, watch), vec![true; answered.len()]),
            Mode::Incremental { id, epoch } => {
                let mut inner = self.inner.lock();
                let Some(session) = inner.sessions.get_mut(&id) else {
                    // Ended by another connection in the meantime; this answer is still right.
                    return (id, vec![true; answered.len()]);
                };
                let news = session.tell(answered);
                // Else a later request has begun without this watch, and with one of its own.
                if session.epoch == epoch_after(epoch) {
                    session.end(answered, watch);
                }
                (id, news)
            }
        }
    }

    fn create(&self, now: Instant, by_id: bool, answered: &[Answered], watch: Box<dyn WatchTail>) -> i32 {
        let mut inner = self.inner.lock();
        if answered.is_empty() || !inner.make_room(now, answered.len()) {
            return NO_SESSION;
        }
        let id = loop {
            let id = (self.random.next() >> 33) as i32;
            if id != NO_SESSION && !inner.sessions.contains_key(&id) {
                break id;
            }
        };
        let mut session = Session::new(by_id, now);
        answered.iter().for_each(|(key, asked, _)| session.ask(key.clone(), *asked));
        session.tell(answered);
        session.end(answered, watch);
        inner.partitions += session.len();
        inner.sessions.insert(id, session);
        id
    }
}

fn epoch_after(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

impl Inner {
    fn remove(&mut self, id: i32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.partitions -= session.len();
        }
    }

    /// Makes room for one more session, at most by ending the one that was idle longest.
    fn make_room(&mut self, now: Instant, partitions: usize) -> bool {
        let is_full = |inner: &Inner| {
            inner.sessions.len() >= FETCH_SESSIONS_MAX || inner.partitions + partitions > FETCH_SESSION_PARTITIONS_MAX
        };
        if is_full(self) {
            let idlest = self.sessions.iter().min_by_key(|(_, session)| session.used);
            let idle = idlest.map(|(id, session)| (*id, now.duration_since(session.used)));
            if let Some((id, idle)) = idle
                && idle >= FETCH_SESSION_IDLE_MIN
            {
                self.remove(id);
            }
        }
        !is_full(self)
    }
}

#[cfg(test)]
#[path = "sessions_test.rs"]
mod tests;
