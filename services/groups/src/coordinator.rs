//! The coordinator of one node: all its groups behind locks, the steps that they take, and the task that watches the time.
//!
//! Decisions are made by [`Group`]; here are only the map of groups and what follows from a step: answers are handed over, a
//! decision is stored, the bytes are counted, the alarm is set. What members ask is in `requests.rs`. No lock is held across
//! an await.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tidelog_catalog_api::Catalog;
use tidelog_host::tasks::OnPanic;
use tidelog_host::{Clock, Random, Tasks};
use tidelog_model::SessionId;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tracing::info;

use super::GroupError;
use super::durable::{Durable, Storing, has_decided};
use super::group_clock::{GroupClock, TICK};
use super::limits::{GROUPS_MAX, SHARDS};
use super::machine::{Answer, Group, GroupState};
use super::messages::GroupKey;
use super::meters::GroupMeters;
use super::shard::{Entry, Shard};

/// The group coordinator of a node.
pub struct Coordinator {
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) shards: Vec<Mutex<Shard>>,
    pub(super) clock: Clock,
    /// What deadlines of groups are stated in.
    pub(super) time: GroupClock,
    pub(super) random: Random,
    pub(super) session: SessionId,
    pub(super) initial_rebalance_delay: Duration,
    pub(super) stores: mpsc::UnboundedSender<Storing>,
    /// The last that was given out; see `durable.rs`.
    pub(super) revisions: AtomicU64,
    /// Kept by all groups, counted under their locks.
    pub(super) bytes: AtomicUsize,
    meters: GroupMeters,
    /// Some group has to be looked at earlier than the timer task knows.
    earlier: Notify,
}

impl Coordinator {
    /// A coordinator of the groups that the catalog knows, which stores them as `session`. Its tasks run in `tasks` until they
    /// stop; then everyone who waits is told to look for another coordinator.
    #[must_use]
    pub fn start(
        catalog: Arc<dyn Catalog>,
        session: SessionId,
        clock: Clock,
        random: Random,
        tasks: &Tasks,
        initial_rebalance_delay: Duration,
    ) -> Arc<Coordinator> {
        let (stores, storing) = mpsc::unbounded_channel();
        let coordinator = Arc::new(Coordinator {
            catalog,
            session,
            stores,
            revisions: AtomicU64::new(0),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            time: GroupClock::new(clock.clone()),
            clock,
            random,
            initial_rebalance_delay,
            bytes: AtomicUsize::new(0),
            meters: GroupMeters::new(),
            earlier: Notify::new(),
        });
        coordinator.restore();
        // Without it nobody would be answered any more.
        tasks.spawn("group-stores", OnPanic::EndProcess, coordinator.clone().watch_stores(tasks.clone(), storing));
        let (watching, stop) = (coordinator.clone(), tasks.clone());
        // Without its timers a node would keep dead members for ever: better that clients find another node.
        tasks.spawn("group-timers", OnPanic::EndProcess, async move { watching.watch_time(&stop).await });
        coordinator
    }

    /// How long the first rebalance of a group waits.
    #[must_use]
    pub fn initial_rebalance_delay(&self) -> Duration {
        self.initial_rebalance_delay
    }

    /// The catalog that knows what groups have decided and committed.
    #[must_use]
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.catalog
    }

    /// Lets a group that is there take one step, and does what follows from it.
    pub(super) fn step<T>(
        &self,
        shard: &mut Shard,
        key: &GroupKey,
        step: impl FnOnce(&mut Group) -> (T, Vec<Answer>),
    ) -> Result<T, GroupError> {
        let entry = shard.groups.get_mut(key).ok_or(GroupError::UnknownMember)?;
        let decisions = entry.group.decisions();
        let before = (entry.group.state(), entry.group.membership().generation);
        let (result, answers) = step(&mut entry.group);
        let after = (entry.group.state(), entry.group.membership().generation);
        if before != after {
            note_change(&self.meters, key, &entry.group, before.1);
        }
        let has_decided = has_decided(decisions, &entry.group);
        self.answer(shard, key, has_decided, answers);
        self.settle(shard, key);
        Ok(result)
    }

    /// Counts a group's bytes anew, sets its alarm, and forgets it if there is nothing to remember.
    pub(super) fn settle(&self, shard: &mut Shard, key: &GroupKey) {
        let Some(entry) = shard.groups.get_mut(key) else { return };
        let bytes = entry.group.bytes() + entry.durable.bytes();
        let total = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes - entry.bytes;
        self.bytes.fetch_sub(entry.bytes, Ordering::Relaxed);
        if bytes != entry.bytes {
            entry.bytes = bytes;
            self.meters.bytes.set(total as f64);
        }
        if entry.group.state() == GroupState::Dead || entry.group.is_untouched() {
            self.forget(shard, key);
            return;
        }
        let deadline = entry.group.deadline();
        if let Some(at) = deadline
            && entry.alarm.is_none_or(|alarm| at < alarm)
        {
            if let Some(alarm) = entry.alarm.replace(at) {
                shard.alarms.remove(&(alarm, key.clone()));
            }
            shard.alarms.insert((at, key.clone()));
            if shard.alarms.first().is_some_and(|(first, _)| *first == at) {
                self.earlier.notify_one();
            }
        }
    }

    pub(super) fn forget(&self, shard: &mut Shard, key: &GroupKey) {
        let Some(mut entry) = shard.groups.remove(key) else { return };
        self.forget_record(key, &entry);
        shard.answer(entry.durable.refuse_withheld());
        let total = self.bytes.fetch_sub(entry.bytes, Ordering::Relaxed) - entry.bytes;
        self.meters.bytes.set(total as f64);
        if let Some(alarm) = entry.alarm {
            shard.alarms.remove(&(alarm, key.clone()));
        }
        self.meters.groups.decrement(1.0);
    }

    /// Makes sure that one more group has room.
    pub(super) fn make_room(&self, shard: &mut Shard) -> Result<(), GroupError> {
        if shard.groups.len() >= GROUPS_MAX / SHARDS {
            let empty = shard.groups.iter().filter(|(_, entry)| entry.group.state() == GroupState::Empty);
            let oldest = empty.min_by_key(|(_, entry)| entry.group.deadline()).map(|(key, _)| key.clone());
            self.forget(shard, &oldest.ok_or(GroupError::NotAvailable)?);
        }
        Ok(())
    }

    pub(super) fn insert(&self, shard: &mut Shard, key: &GroupKey, group: Group, durable: Durable) {
        self.meters.groups.increment(1.0);
        shard.groups.insert(key.clone(), Entry { group, alarm: None, bytes: 0, durable });
    }

    /// Looks at each group when its time has come.
    async fn watch_time(&self, tasks: &Tasks) {
        loop {
            let next = if self.time.tick() { self.look_at_due() } else { None };
            let until_next = next.map(|at| at.saturating_duration_since(self.time.now()));
            let pause = self.clock.sleep(until_next.unwrap_or(TICK).min(TICK));
            tokio::select! {
                () = tasks.stopping() => break,
                () = self.earlier.notified() => {}
                () = pause => {}
            }
        }
        for shard in &self.shards {
            shard.lock().stop();
        }
    }

    /// Does what is due in all groups; says when something will be next.
    fn look_at_due(&self) -> Option<Instant> {
        let mut next = None;
        for shard in &self.shards {
            loop {
                // The lock is given back between two groups.
                let mut shard = shard.lock();
                let now = self.time.now();
                let Some((at, key)) = shard.alarms.first().cloned() else { break };
                if at > now {
                    next = next.map_or(Some(at), |next: Instant| Some(next.min(at)));
                    break;
                }
                shard.alarms.pop_first();
                shard.groups.get_mut(&key).expect("a group that is forgotten takes its alarm along").alarm = None;
                // Known, or the line above would have said so.
                let _ = self.step(&mut shard, &key, |group| ((), group.time_passed(now)));
            }
        }
        next
    }

    pub(super) fn shard(&self, key: &GroupKey) -> &Mutex<Shard> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        &self.shards[(hasher.finish() % SHARDS as u64) as usize]
    }
}

/// Lets a group that is there take a step that puts off what is due in it, and changes nothing else: its alarm comes early
/// then and is set anew. So a heartbeat costs the same in a large group as in a small one.
pub(super) fn touch<T>(shard: &mut Shard, key: &GroupKey, step: impl FnOnce(&mut Group) -> T) -> Result<T, GroupError> {
    shard.groups.get_mut(key).map(|entry| step(&mut entry.group)).ok_or(GroupError::UnknownMember)
}

/// Says once what has become of a group.
fn note_change(meters: &GroupMeters, key: &GroupKey, group: &Group, generation_before: i32) {
    let membership = group.membership();
    if membership.generation != generation_before {
        meters.rebalances.increment(1);
    }
    info!(
        tenant = %key.tenant,
        group = &*key.group,
        state = group.state().name(),
        generation = membership.generation,
        members = membership.members.len(),
        protocol = membership.protocol,
        "group changed"
    );
}
