//! Some of a node's groups behind one lock, with the requests that wait in them.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::durable::Durable;
use super::machine::{Answer, Group, Waiter};
use super::messages::{GroupKey, JoinAnswer, SyncAnswer};

#[derive(Default)]
pub(super) struct Shard {
    pub groups: BTreeMap<GroupKey, Entry>,
    /// Requests that wait for an answer: at most two for each member, and those whose answers wait for a record to be stored.
    waiting: BTreeMap<Waiter, Waiting>,
    last_waiter: u64,
    /// When to look at which group. A group that needs it later than this says so then: most heartbeats change nothing here.
    pub alarms: BTreeSet<(Instant, GroupKey)>,
    pub stopped: bool,
}

pub(super) struct Entry {
    pub group: Group,
    /// Its entry in the alarms.
    pub alarm: Option<Instant>,
    /// As counted in the total.
    pub bytes: usize,
    pub durable: Durable,
}

pub(super) enum Waiting {
    Join(oneshot::Sender<JoinAnswer>),
    Sync(oneshot::Sender<SyncAnswer>),
}

impl Shard {
    /// Keeps a request until it is answered.
    pub fn wait(&mut self, waiting: Waiting) -> Waiter {
        self.last_waiter += 1;
        let waiter = Waiter(self.last_waiter);
        self.waiting.insert(waiter, waiting);
        waiter
    }

    /// Hands answers over. That a receiver has gone is no concern of the group.
    pub fn answer(&mut self, answers: Vec<Answer>) {
        for answer in answers {
            match answer {
                Answer::Join(waiter, answer) => match self.waiting.remove(&waiter) {
                    Some(Waiting::Join(sender)) => drop(sender.send(answer)),
                    Some(Waiting::Sync(_)) | None => panic!("{waiter:?} does not wait for a join"),
                },
                Answer::Sync(waiter, answer) => match self.waiting.remove(&waiter) {
                    Some(Waiting::Sync(sender)) => drop(sender.send(answer)),
                    Some(Waiting::Join(_)) | None => panic!("{waiter:?} does not wait for an assignment"),
                },
            }
        }
    }

    /// Answers everyone and takes no request any more.
    pub fn stop(&mut self) {
        self.stopped = true;
        let mut groups = std::mem::take(&mut self.groups);
        self.alarms.clear();
        for entry in groups.values_mut() {
            self.answer(entry.durable.refuse_withheld());
            self.answer(entry.group.stop());
        }
        assert!(self.waiting.is_empty(), "every request that waited has been answered");
    }
}
