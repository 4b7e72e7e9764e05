//! Fetch sessions (KIP-227): a client names its partitions once and from then on only what changes.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::Mutex;
use tidelog_host::Random;
use tidelog_kafka_wire::ErrorCode;
use tokio::time::Instant;

use crate::options::{FETCH_SESSION_IDLE_MIN, FETCH_SESSION_PARTITIONS_MAX, FETCH_SESSIONS_MAX};
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
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) mode: Mode,
    pub(crate) partitions: Vec<(PartitionKey, Asked)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything is answered; no session.
    Sessionless,
    /// Everything is answered; a session begins if there is room.
    Begin { by_id: bool },
    /// Only news are answered.
    Incremental { id: i32 },
}

/// What an answer says about a partition, as far as a session remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
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

struct Session {
    /// The epoch that the next request has to carry.
    epoch: i32,
    by_id: bool,
    partitions: BTreeMap<PartitionKey, Cached>,
    /// The last partition that had records. The next answer begins behind it, so that a busy partition does not starve
    /// the others.
    last_served: Option<PartitionKey>,
    used: Instant,
}

struct Cached {
    asked: Asked,
    /// What the client knows; −1 for nothing.
    high_watermark: i64,
    log_start: i64,
}

impl Cached {
    fn new(asked: Asked) -> Cached {
        Cached { asked, high_watermark: -1, log_start: -1 }
    }

    /// Takes note of what is told; whether it is news.
    fn tell(&mut self, told: Told) -> bool {
        let news = told.has_records
            || told.is_error
            || self.high_watermark != told.high_watermark
            || self.log_start != told.log_start;
        // After an error the partition is answered next time in any case.
        self.high_watermark = if told.is_error { -1 } else { told.high_watermark };
        self.log_start = if told.is_error { -1 } else { told.log_start };
        news
    }
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
            return Ok(Plan { mode, partitions: request.partitions });
        }
        let session = inner.sessions.get_mut(&request.id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != request.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.by_id != request.by_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        session.epoch = if request.epoch == i32::MAX { 1 } else { request.epoch + 1 };
        session.used = now;
        let before = session.partitions.len();
        for (key, asked) in request.partitions {
            session.partitions.entry(key).and_modify(|cached| cached.asked = asked).or_insert(Cached::new(asked));
        }
        for key in request.forgotten {
            session.partitions.remove(&key);
        }
        let (plan, after) = (session.in_turn(), session.partitions.len());
        inner.partitions = inner.partitions + after - before;
        if after == 0 {
            inner.remove(request.id);
            return Ok(Plan { mode: Mode::Sessionless, partitions: Vec::new() });
        }
        if inner.partitions > FETCH_SESSION_PARTITIONS_MAX {
            inner.remove(request.id);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        Ok(Plan { mode: Mode::Incremental { id: request.id }, partitions: plan })
    }

    /// Takes note of an answer. Returns the session id to answer with, and for each partition whether it is answered.
    pub(crate) fn finish(
        &self,
        now: Instant,
        mode: Mode,
        answered: &[(PartitionKey, Asked, Told)],
    ) -> (i32, Vec<bool>) {
        match mode {
            Mode::Sessionless => (NO_SESSION, vec![true; answered.len()]),
            Mode::Begin { by_id } => (self.create(now, by_id, answered), vec![true; answered.len()]),
            Mode::Incremental { id } => {
                let mut inner = self.inner.lock();
                let session = inner.sessions.get_mut(&id);
                let Some(session) = session else {
                    // Ended by another connection in the meantime; this answer is still right.
                    return (id, vec![true; answered.len()]);
                };
                let tell = |(key, _, told): &(PartitionKey, Asked, Told)| {
                    if told.has_records {
                        session.last_served = Some(key.clone());
                    }
                    session.partitions.get_mut(key).is_none_or(|cached| cached.tell(*told))
                };
                (id, answered.iter().map(tell).collect())
            }
        }
    }

    fn create(&self, now: Instant, by_id: bool, answered: &[(PartitionKey, Asked, Told)]) -> i32 {
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
        let mut session = Session { epoch: 1, by_id, partitions: BTreeMap::new(), last_served: None, used: now };
        for (key, asked, told) in answered {
            let mut cached = Cached::new(*asked);
            cached.tell(*told);
            session.partitions.insert(key.clone(), cached);
            if told.has_records {
                session.last_served = Some(key.clone());
            }
        }
        inner.partitions += session.partitions.len();
        inner.sessions.insert(id, session);
        id
    }
}

impl Inner {
    fn remove(&mut self, id: i32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.partitions -= session.partitions.len();
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

impl Session {
    /// All partitions, beginning behind the one that was served last.
    fn in_turn(&self) -> Vec<(PartitionKey, Asked)> {
        let asked = |(key, cached): (&PartitionKey, &Cached)| (key.clone(), cached.asked);
        match &self.last_served {
            None => self.partitions.iter().map(asked).collect(),
            Some(last) => {
                let behind = self.partitions.range((Bound::Excluded(last.clone()), Bound::Unbounded));
                let rest = self.partitions.range(..=last.clone());
                behind.chain(rest).map(asked).collect()
            }
        }
    }
}

#[cfg(test)]
#[path = "sessions_test.rs"]
mod tests;
