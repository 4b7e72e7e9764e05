//! One fetch session: what its client knows, and which partitions have something new to tell.
//!
//! A session may have tens of thousands of partitions of which few are in use, so a Fetch looks at those only that are
//! *ready*: asked for anew, not read to their end last time, or changed since, which the session's watch tells. The Fetch
//! under way takes the watch along. When it does not bring it back (its connection was lost, or another request of the same
//! session came in between), what the watch has told is lost with it, and the next Fetch looks at all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use tidelog_model::{PartitionId, TopicId};
use tokio::time::Instant;

use super::sessions::{Asked, PartitionKey, Told};
use crate::storage::WatchTail;
use crate::topics::TopicKey;

pub(super) struct Session {
    /// The epoch that the next request has to carry.
    pub epoch: i32,
    pub by_id: bool,
    partitions: BTreeMap<PartitionKey, Cached>,
    /// Those that the next Fetch has to look at.
    ready: BTreeSet<PartitionKey>,
    /// How the topics of watched partitions are named here, and how many of their partitions are watched.
    topics: BTreeMap<TopicId, (TopicKey, usize)>,
    /// Registered for every partition that has a `watched`. `None` while a Fetch has it.
    watch: Option<Box<dyn WatchTail>>,
    /// The last partition that had records. The next answer begins behind it, so that a busy partition does not starve
    /// the others.
    last_served: Option<PartitionKey>,
    pub used: Instant,
}

struct Cached {
    asked: Asked,
    /// What the client knows; −1 for nothing.
    high_watermark: i64,
    log_start: i64,
    watched: Option<PartitionId>,
}

/// A partition, and what is asked of it.
type Wish = (PartitionKey, Asked);

/// A partition's answer.
pub(crate) type Answered = (PartitionKey, Asked, Told);

impl Cached {
    fn new(asked: Asked) -> Cached {
        Cached { asked, high_watermark: -1, log_start: -1, watched: None }
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

impl Session {
    pub fn new(by_id: bool, now: Instant) -> Session {
        Session {
            epoch: 1,
            by_id,
            partitions: BTreeMap::new(),
            ready: BTreeSet::new(),
            topics: BTreeMap::new(),
            watch: None,
            last_served: None,
            used: now,
        }
    }

    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    /// The client asks for a partition, or for something else of one.
    pub fn ask(&mut self, key: PartitionKey, asked: Asked) {
        self.ready.insert(key.clone());
        self.partitions.entry(key).and_modify(|cached| cached.asked = asked).or_insert(Cached::new(asked));
    }

    /// The client no longer wants a partition.
    pub fn forget(&mut self, key: &PartitionKey) {
        self.ready.remove(key);
        let Some(Cached { watched: Some(watched), .. }) = self.partitions.remove(key) else { return };
        self.unwatch(watched);
    }

    /// What a Fetch has to look at, beginning behind the partition that was served last, and the watch that tells it of more.
    pub fn begin(&mut self) -> (Vec<Wish>, Option<Box<dyn WatchTail>>) {
        let mut watch = self.watch.take();
        match &mut watch {
            Some(watch) => {
                let changed = self.named(watch.take_changed());
                self.ready.extend(changed);
            }
            None => {
                self.partitions.values_mut().for_each(|cached| cached.watched = None);
                self.topics.clear();
                self.ready = self.partitions.keys().cloned().collect();
            }
        }
        let asked = |key: &PartitionKey| (key.clone(), self.partitions[key].asked);
        let ready = match &self.last_served {
            None => self.ready.iter().map(asked).collect(),
            Some(last) => {
                let behind = self.ready.range((Bound::Excluded(last), Bound::Unbounded));
                behind.chain(self.ready.range(..=last)).map(asked).collect()
            }
        };
        (ready, watch)
    }

    /// Takes note of an answer; which partitions are news to the client.
    pub fn tell(&mut self, answered: &[Answered]) -> Vec<bool> {
        let tell = |(key, _, told): &Answered| {
            if told.has_records {
                self.last_served = Some(key.clone());
            }
            self.partitions.get_mut(key).is_none_or(|cached| cached.tell(*told))
        };
        answered.iter().map(tell).collect()
    }

    /// Takes the watch back. Of what was answered, that is done with which will not change without the watch telling.
    pub fn end(&mut self, answered: &[Answered], watch: Box<dyn WatchTail>) {
        self.watch = Some(watch);
        for (key, asked, told) in answered {
            let Some(cached) = self.partitions.get_mut(key) else { continue };
            if cached.watched != told.found {
                let before = std::mem::replace(&mut cached.watched, told.found);
                if let Some(found) = told.found {
                    self.topics.entry(found.topic).or_insert((key.0.clone(), 0)).1 += 1;
                }
                before.into_iter().for_each(|before| self.unwatch(before));
            }
            let is_at_end = !told.has_records && !told.is_error && asked.offset >= told.high_watermark;
            if is_at_end && told.found.is_some() {
                self.ready.remove(key);
            } else {
                self.ready.insert(key.clone());
            }
        }
    }

    /// Partitions that a Fetch of this session learns of while it waits.
    pub fn asked(&self, changed: Vec<PartitionId>) -> Vec<Wish> {
        let asked = |key: PartitionKey| Some((key.clone(), self.partitions.get(&key)?.asked));
        self.named(changed).into_iter().filter_map(asked).collect()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Wish> {
        self.partitions.iter().map(|(key, cached)| (key.clone(), cached.asked)).collect()
    }

    /// Those that belong to the session, as its client names them.
    fn named(&self, changed: Vec<PartitionId>) -> Vec<PartitionKey> {
        let named = |id: PartitionId| {
            let (topic, _) = self.topics.get(&id.topic)?;
            let key = (topic.clone(), i32::try_from(id.index).ok()?);
            self.partitions.contains_key(&key).then_some(key)
        };
        changed.into_iter().filter_map(named).collect()
    }

    fn unwatch(&mut self, watched: PartitionId) {
        if let Some(watch) = &mut self.watch {
            watch.remove(watched);
        }
        if let Some((_, count)) = self.topics.get_mut(&watched.topic) {
            *count -= 1;
            if *count == 0 {
                self.topics.remove(&watched.topic);
            }
        }
    }
}
