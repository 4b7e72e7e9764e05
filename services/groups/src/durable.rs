//! Groups outlive their coordinator: what a rebalance has decided is stored in the catalog before the members hear of it.
//!
//! ```text
//! the leader's SyncGroup ─► Stable ─► StoreGroup proposed ······► applied ─► SyncGroups answered
//!                                     answers of the group are withheld
//! ```
//!
//! What is refused is not told: the group rebalances again, beyond the generation that is stored. While the disk is full the
//! decision stands and its members wait: told to try again, they would rebalance for nothing until there is room. A group that is forgotten
//! here is forgotten there, or asked to be until it is; one that comes into being again goes on from the generation that is
//! stored.
//!
//! Proposals are made with the group locked, so they are applied in the order of its steps; and offsets, which the catalog
//! takes from members of the stored generation only, come behind the record that makes them members.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tidelog_catalog_api::{CatalogError, Command, GroupRefused, Outcome, Proposal};
use tidelog_host::{Clock, Tasks};
use tokio::sync::mpsc;

use super::limits::GROUP_BYTES_MAX;
use super::machine::{Answer, Group, GroupState};
use super::messages::{GroupKey, JoinRefused};
use super::shard::{Entry, Shard};
use super::{Coordinator, GroupError};

/// Before a record whose fate is not known is proposed again.
const STORE_RETRY_DELAY: Duration = Duration::from_millis(200);
/// Before a record is proposed again that was refused for want of room: the disk is looked at once a second.
const STORE_FULL_RETRY_DELAY: Duration = Duration::from_secs(1);
/// Answers of one group that wait for a record to be stored: those of a whole group of the largest size.
const WITHHELD_BYTES_MAX: usize = GROUP_BYTES_MAX;
/// What an answer takes beside its texts, and a member in it.
const ANSWER_OVERHEAD_BYTES: usize = 256;
const LISTED_MEMBER_OVERHEAD_BYTES: usize = 128;

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
    /// The last revision was refused for want of room. So that this is said once.
    lacks_room: bool,
    /// Answers that may go out when a revision is stored, each with its bytes.
    withheld: VecDeque<(u64, Answer, usize)>,
    withheld_bytes: usize,
}

impl Durable {
    /// Of a group that was stored by another coordinator or in an earlier life.
    pub(super) fn restored() -> Durable {
        Durable { has_record: true, ..Durable::default() }
    }

    /// All answers that wait, as refusals: nothing was promised yet.
    pub(super) fn refuse_withheld(&mut self) -> Vec<Answer> {
        self.withheld_bytes = 0;
        std::mem::take(&mut self.withheld).into_iter().map(|(_, answer, _)| refused(answer)).collect()
    }

    /// Bytes of answers that wait.
    pub(super) fn bytes(&self) -> usize {
        self.withheld_bytes
    }

    /// Keeps answers until the last revision is stored. At the bound the oldest are refused: as a rule their clients have
    /// asked again since, or have gone.
    fn withhold(&mut self, answers: Vec<Answer>) -> Vec<Answer> {
        for answer in answers {
            let bytes = bytes_of(&answer);
            self.withheld_bytes += bytes;
            self.withheld.push_back((self.revision, answer, bytes));
        }
        let mut superseded = Vec::new();
        while self.withheld_bytes > WITHHELD_BYTES_MAX
            && let Some((_, answer, bytes)) = self.withheld.pop_front()
        {
            self.withheld_bytes -= bytes;
            superseded.push(refused(answer));
        }
        superseded
    }

    /// What may go out now.
    fn due(&mut self) -> Vec<Answer> {
        let mut due = Vec::new();
        while let Some((_, answer, bytes)) = self.withheld.pop_front_if(|(of, _, _)| *of <= self.stored) {
            self.withheld_bytes -= bytes;
            due.push(answer);
        }
        due
    }
}

/// A record on its way. Their number is bounded by the proposals that the catalog takes at once: the others are refused there,
/// and of those that are tried again there is one per group.
pub(super) struct Storing {
    key: GroupKey,
    /// `None` when it is to be forgotten.
    revision: Option<u64>,
    proposal: Proposal,
}

enum Stored {
    Yes,
    /// It may be stored or not.
    Unknown(String),
    /// It is not, and can be when there is room.
    NoRoom(String),
    /// For good; with the generation that is stored, if that is why.
    Refused(String, Option<i32>),
}

impl Coordinator {
    /// Hands out a step's answers, now or when what they tell is stored.
    pub(super) fn answer(&self, shard: &mut Shard, key: &GroupKey, has_decided: bool, answers: Vec<Answer>) {
        if has_decided {
            self.store(shard, key);
        }
        let entry = shard.groups.get_mut(key).expect("its step was just taken");
        let durable = &mut entry.durable;
        let now = if durable.revision == durable.stored { answers } else { durable.withhold(answers) };
        shard.answer(now);
    }

    /// Proposes the group's record, if there is no rebalance.
    fn store(&self, shard: &mut Shard, key: &GroupKey) -> bool {
        let Entry { group, durable, .. } = shard.groups.get_mut(key).expect("the caller looked");
        let revision = self.revisions.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(record) = group.record(self.session, revision) else { return false };
        durable.revision = revision;
        durable.has_record = true;
        let storing = Storing { key: key.clone(), revision: Some(revision), proposal: self.propose(key, Some(record)) };
        // The other end goes when the node stops, after which nobody is answered.
        let _ = self.stores.send(storing);
        true
    }

    /// Lets the catalog forget a group that is being forgotten here.
    pub(super) fn forget_record(&self, key: &GroupKey, entry: &Entry) {
        if entry.durable.has_record {
            let _ = self.stores.send(Storing { key: key.clone(), revision: None, proposal: self.propose(key, None) });
        }
    }

    /// A group that comes into being: from nothing, or from what is left of an earlier one in the catalog.
    pub(super) fn begin(&self, key: &GroupKey) -> (Group, Durable) {
        let mut group = Group::new(self.initial_rebalance_delay, self.time.now());
        let Some(left) = self.catalog.group_record(key.tenant, &key.group) else { return (group, Durable::default()) };
        group.go_on_from(left.generation);
        (group, Durable::restored())
    }

    fn propose(&self, key: &GroupKey, record: Option<tidelog_catalog_api::GroupRecord>) -> Proposal {
        let (session, tenant, group) = (self.session, key.tenant, key.group.as_ref().to_owned());
        self.catalog.propose(Command::StoreGroup { session, tenant, group, record })
    }

    /// Takes up the groups that the catalog knows.
    pub(super) fn restore(&self) {
        let now = self.time.now();
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

    fn on_stored(&self, key: &GroupKey, revision: Option<u64>, stored: Stored) {
        let Some(revision) = revision else {
            self.on_forgotten(key, &stored);
            return;
        };
        let mut shard = self.shard(key).lock();
        let Some(entry) = shard.groups.get_mut(key) else { return };
        if revision > entry.durable.revision {
            // It was about an earlier group of this name.
            return;
        }
        match stored {
            Stored::Yes => {
                entry.durable.stored = entry.durable.stored.max(revision);
                if std::mem::take(&mut entry.durable.lacks_room) {
                    tracing::info!(group = &*key.group, "group stored, there is room again");
                }
                let due = entry.durable.due();
                shard.answer(due);
                self.settle(&mut shard, key);
            }
            // A later one is on its way.
            Stored::Unknown(_) | Stored::NoRoom(_) | Stored::Refused(..) if revision < entry.durable.revision => {}
            Stored::Unknown(problem) => {
                tracing::warn!(group = &*key.group, problem, "group not stored, trying again");
                self.store_again(&mut shard, key);
            }
            Stored::NoRoom(problem) => {
                if !std::mem::replace(&mut entry.durable.lacks_room, true) {
                    tracing::warn!(
                        group = &*key.group,
                        problem,
                        "group not stored, its members wait until there is room"
                    );
                }
                self.store_again(&mut shard, key);
            }
            Stored::Refused(problem, generation) => {
                tracing::warn!(group = &*key.group, problem, "group not stored, rebalancing again");
                self.refuse(&mut shard, key);
                let now = self.time.now();
                // It is known: it was looked up above.
                let _ = self.step(&mut shard, key, |group| ((), group.undo_decision(generation, now)));
            }
        }
    }

    fn store_again(&self, shard: &mut Shard, key: &GroupKey) {
        if !self.store(shard, key) {
            // A new rebalance has begun, whose outcome will be stored; what waits would come too late.
            self.refuse(shard, key);
        }
    }

    fn on_forgotten(&self, key: &GroupKey, stored: &Stored) {
        let shard = self.shard(key).lock();
        // If there is a group of that name again, its records follow.
        if matches!(stored, Stored::Unknown(_)) && !shard.groups.contains_key(key) && !shard.stopped {
            let _ = self.stores.send(Storing { key: key.clone(), revision: None, proposal: self.propose(key, None) });
        }
    }

    fn refuse(&self, shard: &mut Shard, key: &GroupKey) {
        let entry = shard.groups.get_mut(key).expect("the caller looked");
        entry.durable.stored = entry.durable.revision;
        let answers = entry.durable.refuse_withheld();
        shard.answer(answers);
    }
}

async fn outcome(storing: Storing, clock: &Clock) -> (GroupKey, Option<u64>, Stored) {
    let Storing { key, revision, proposal } = storing;
    let stored = match proposal.await {
        Ok(Outcome::GroupStored(Ok(()))) => Stored::Yes,
        Ok(Outcome::GroupStored(Err(refused))) => {
            let generation = match refused {
                GroupRefused::GenerationBack(generation) => Some(generation),
                GroupRefused::Fenced | GroupRefused::Invalid | GroupRefused::Full => None,
            };
            Stored::Refused(refused.to_string(), generation)
        }
        Ok(other) => unreachable!("the catalog answers StoreGroup with GroupStored, not {other:?}"),
        // What forgets a group is taken also then.
        Err(CatalogError::Full(why)) if revision.is_some() => {
            clock.sleep(STORE_FULL_RETRY_DELAY).await;
            Stored::NoRoom(why)
        }
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

/// Bytes that an answer keeps in memory, near enough.
fn bytes_of(answer: &Answer) -> usize {
    let told = match answer {
        Answer::Join(_, Ok(joined)) => joined
            .members
            .iter()
            .map(|member| {
                let instance = member.instance_id.as_ref().map_or(0, String::len);
                LISTED_MEMBER_OVERHEAD_BYTES + member.member_id.len() + instance + member.metadata.len()
            })
            .sum(),
        Answer::Sync(_, Ok(synced)) => synced.assignment.len(),
        Answer::Join(_, Err(_)) | Answer::Sync(_, Err(_)) => 0,
    };
    ANSWER_OVERHEAD_BYTES + told
}
