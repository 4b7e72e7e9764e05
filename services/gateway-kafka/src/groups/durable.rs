//! Groups outlive their coordinator: what a rebalance has decided is stored in the catalog before the members hear of it.
//!
//! ```text
//! the leader's SyncGroup ─► Stable ─► StoreGroup proposed ······► applied ─► SyncGroups answered
//!                                     answers of the group are withheld
//! ```
//!
//! Proposals are made with the group locked, so they are applied in the order of its steps; and offsets, which the catalog
//! takes from members of the stored generation only, come behind the record that makes them members.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tidelog_catalog_api::{Command, Outcome, Proposal};
use tidelog_host::{Clock, Tasks};
use tokio::sync::mpsc;

use super::machine::{Answer, Group, GroupState};
use super::messages::{GroupKey, JoinRefused};
use super::shard::{Entry, Shard};
use super::{Coordinator, GroupError};

/// Before a record whose fate is not known is proposed again.
const STORE_RETRY_DELAY: Duration = Duration::from_millis(200);

/// What is stored of a group, and what waits for it.
#[derive(Default)]
pub(super) struct Durable {
    /// Of the last record that was proposed. Unique over all groups, so that an answer about a group that was forgotten is not
    /// taken for one about its successor of the same name.
    revision: u64,
    /// The last of them that is known to be stored.
    stored: u64,
    /// Whether the catalog has, or may have, a record.
    has_record: bool,
    /// Answers that may go out when a revision is stored.
    withheld: VecDeque<(u64, Vec<Answer>)>,
}

impl Durable {
    /// Of a group that was stored by another coordinator or in an earlier life.
    pub(super) fn restored() -> Durable {
        Durable { has_record: true, ..Durable::default() }
    }

    /// All answers that wait, as refusals: nothing was promised yet.
    pub(super) fn refuse_withheld(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.withheld).into_iter().flat_map(|(_, answers)| answers).map(refused).collect()
    }
}

/// A record on its way. Their number is bounded: a group decides anew only when its members have heard of the last time.
pub(super) struct Storing {
    key: GroupKey,
    revision: u64,
    proposal: Proposal,
}

enum Stored {
    Yes,
    /// It may be stored or not.
    Unknown(String),
    Refused(String),
}

impl Coordinator {
    /// Hands out a step's answers, now or when what they tell is stored.
    pub(super) fn answer(&self, shard: &mut Shard, key: &GroupKey, has_decided: bool, answers: Vec<Answer>) {
        if has_decided {
            self.store(shard, key);
        }
        let entry = shard.groups.get_mut(key).expect("its step was just taken");
        let durable = &mut entry.durable;
        if durable.revision == durable.stored {
            shard.answer(answers);
        } else if !answers.is_empty() {
            durable.withheld.push_back((durable.revision, answers));
        }
    }

    /// Proposes the group's record, if there is no rebalance.
    fn store(&self, shard: &mut Shard, key: &GroupKey) -> bool {
        let Entry { group, durable, .. } = shard.groups.get_mut(key).expect("the caller looked");
        let revision = self.revisions.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(record) = group.record(self.session, revision) else { return false };
        durable.revision = revision;
        durable.has_record = true;
        let storing = Storing { key: key.clone(), revision, proposal: self.propose(key, Some(record)) };
        // The other end goes when the node stops, after which nobody is answered.
        let _ = self.stores.send(storing);
        true
    }

    /// Lets the catalog forget a group that is being forgotten here.
    pub(super) fn forget_record(&self, key: &GroupKey, entry: &Entry) {
        if entry.durable.has_record {
            // Should it not arrive, an empty group is remembered for longer than need be. A proposal goes on when dropped.
            drop(self.propose(key, None));
        }
    }

    fn propose(&self, key: &GroupKey, record: Option<tidelog_catalog_api::GroupRecord>) -> Proposal {
        let (session, tenant, group) = (self.session, key.tenant, key.group.as_ref().to_owned());
        self.catalog.propose(Command::StoreGroup { session, tenant, group, record })
    }

    /// Takes up the groups that the catalog knows.
    pub(super) fn restore(&self) {
        let now = self.clock.now();
        for (tenant, name, record) in self.catalog.group_records() {
            let key = GroupKey { tenant, group: name };
            let group = Group::restore(&record, self.initial_rebalance_delay, now);
            let mut shard = self.shard(&key).lock();
            self.insert(&mut shard, &key, group, Durable::restored());
            self.settle(&mut shard, &key);
        }
    }

    /// Waits for records to be stored until the node stops.
    pub(super) async fn watch_stores(self: Arc<Self>, tasks: Tasks, mut queue: mpsc::UnboundedReceiver<Storing>) {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = tasks.stopping() => return,
                Some(storing) = queue.recv() => under_way.push(outcome(storing, &self.clock)),
                Some((key, revision, stored)) = under_way.next(), if !under_way.is_empty() => {
                    self.on_stored(&key, revision, stored);
                }
            }
        }
    }

    fn on_stored(&self, key: &GroupKey, revision: u64, stored: Stored) {
        let mut shard = self.shard(key).lock();
        let Some(entry) = shard.groups.get_mut(key) else { return };
        if revision > entry.durable.revision {
            // It was about an earlier group of this name.
            return;
        }
        match stored {
            Stored::Yes => {
                let durable = &mut entry.durable;
                durable.stored = durable.stored.max(revision);
                let mut due = Vec::new();
                while durable.withheld.front().is_some_and(|(of, _)| *of <= durable.stored) {
                    due.extend(durable.withheld.pop_front().map(|(_, answers)| answers).unwrap_or_default());
                }
                shard.answer(due);
            }
            // A later one is on its way.
            Stored::Unknown(_) | Stored::Refused(_) if revision < entry.durable.revision => {}
            Stored::Unknown(problem) => {
                tracing::warn!(group = ?key.group, problem, "group not stored, trying again");
                if !self.store(&mut shard, key) {
                    // A new rebalance has begun, whose outcome will be stored; these would come too late.
                    self.refuse(&mut shard, key);
                }
            }
            Stored::Refused(problem) => {
                tracing::error!(group = ?key.group, problem, "group cannot be stored");
                self.refuse(&mut shard, key);
            }
        }
    }

    fn refuse(&self, shard: &mut Shard, key: &GroupKey) {
        let entry = shard.groups.get_mut(key).expect("the caller looked");
        entry.durable.stored = entry.durable.revision;
        let answers = entry.durable.refuse_withheld();
        shard.answer(answers);
    }
}

async fn outcome(storing: Storing, clock: &Clock) -> (GroupKey, u64, Stored) {
    let Storing { key, revision, proposal } = storing;
    let stored = match proposal.await {
        Ok(Outcome::GroupStored(Ok(()))) => Stored::Yes,
        Ok(Outcome::GroupStored(Err(refused))) => Stored::Refused(refused.to_string()),
        Ok(other) => unreachable!("the catalog answers StoreGroup with GroupStored, not {other:?}"),
        Err(error) => {
            clock.sleep(STORE_RETRY_DELAY).await;
            Stored::Unknown(error.to_string())
        }
    };
    (key, revision, stored)
}

/// The same answer as a refusal after which clients look for their coordinator and try again.
fn refused(answer: Answer) -> Answer {
    let error = GroupError::NotAvailable;
    match answer {
        Answer::Join(waiter, Ok(joined)) => {
            Answer::Join(waiter, Err(JoinRefused { member_id: joined.member_id, error }))
        }
        Answer::Sync(waiter, Ok(_)) => Answer::Sync(waiter, Err(error)),
        Answer::Join(_, Err(_)) | Answer::Sync(_, Err(_)) => answer,
    }
}

/// Whether a group's last step has decided something that has to be stored before anybody hears of it.
pub(super) fn has_decided(before: u64, group: &Group) -> bool {
    group.decisions() != before && group.state() != GroupState::Dead
}
