//! The coordinator of one node: all its groups behind locks, the requests that wait, and the task that watches the time.
//!
//! Decisions are made by [`Group`]; here are only the map of groups, the hand-over of answers and the bounds over all groups.
//! No lock is held across an await.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tidelog_catalog_api::Catalog;
use tidelog_host::tasks::OnPanic;
use tidelog_host::{Clock, Random, Tasks, metric};
use tidelog_model::SessionId;
use tidelog_model::limits::GROUP_ID_BYTES_MAX;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tracing::info;

use super::GroupError;
use super::durable::{Durable, Storing, has_decided};
use super::join::{check_join, request_bytes};
use super::limits::{ALL_GROUPS_BYTES_MAX, GROUPS_MAX, MEMBER_ID_PREFIX_BYTES_MAX, SHARDS};
use super::machine::{Answer, Group, GroupState};
use super::messages::{Claim, GroupKey, JoinAnswer, JoinRefused, JoinRequest, Leaving, SyncAnswer, SyncRequest};
use super::shard::{Entry, Shard, Waiting};

/// Groups on this node. Question: how many are there, and does the bound come near?
const GROUPS: &str = "kafka_groups";
/// Bytes that they keep. Question: as above.
const GROUP_BYTES: &str = "kafka_group_bytes";
/// Generations that were begun. Question: do groups rebalance all the time?
const REBALANCES: &str = "kafka_group_rebalances_total";

/// The group coordinator of a node.
pub struct Coordinator {
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) shards: Vec<Mutex<Shard>>,
    pub(super) clock: Clock,
    random: Random,
    pub(super) session: SessionId,
    pub(super) initial_rebalance_delay: Duration,
    pub(super) stores: mpsc::UnboundedSender<Storing>,
    /// The last that was given out; see `durable.rs`.
    pub(super) revisions: AtomicU64,
    /// Kept by all groups, counted under their locks.
    bytes: AtomicUsize,
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
            clock,
            random,
            initial_rebalance_delay,
            bytes: AtomicUsize::new(0),
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

    /// JoinGroup: answers when the rebalance that it sets off, or joins, has all its members. A cancelled caller leaves the
    /// member waiting, as a client does that goes away; its session will expire.
    ///
    /// # Errors
    /// With Kafka's code and the member id that belongs into the answer.
    pub async fn join(&self, mut request: JoinRequest) -> JoinAnswer {
        let member_id = request.member_id.clone();
        let refused = |error| JoinRefused { member_id: member_id.clone(), error };
        check_group_id(&request.key).and_then(|()| check_join(&request)).map_err(refused)?;
        self.check_room(request_bytes(&request)).map_err(refused)?;
        for protocol in &mut request.protocols {
            // A slice would keep the whole frame in memory.
            protocol.metadata = Bytes::copy_from_slice(&protocol.metadata);
        }
        let (answer, answered) = oneshot::channel();
        self.begin_join(request, answer).map_err(refused)?;
        answered.await.unwrap_or_else(|_| Err(refused(GroupError::NotAvailable)))
    }

    fn begin_join(&self, request: JoinRequest, answer: oneshot::Sender<JoinAnswer>) -> Result<(), GroupError> {
        let (key, now) = (request.key.clone(), self.clock.now());
        let prefix = request.instance_id.as_ref().unwrap_or(&request.client_id);
        let fresh_member_id = self.fresh_member_id(prefix);
        let mut shard = self.shard(&key).lock();
        if shard.stopped {
            return Err(GroupError::NotAvailable);
        }
        if !shard.groups.contains_key(&key) {
            if !request.member_id.is_empty() {
                return Err(GroupError::UnknownMember);
            }
            self.make_room(&mut shard)?;
            let (group, durable) = self.begin(&key);
            self.insert(&mut shard, &key, group, durable);
        }
        let waiter = shard.wait(Waiting::Join(answer));
        self.step(&mut shard, &key, |group| ((), group.join(request, fresh_member_id, waiter, now)))
    }

    /// SyncGroup: answers when the leader has brought the assignment. About a cancelled caller see [`Coordinator::join`].
    ///
    /// # Errors
    /// With Kafka's code.
    pub async fn sync(&self, mut request: SyncRequest) -> SyncAnswer {
        check_group_id(&request.key)?;
        self.check_room(request.assignments.iter().map(|(id, assignment)| id.len() + assignment.len()).sum())?;
        for (_, assignment) in &mut request.assignments {
            *assignment = Bytes::copy_from_slice(assignment);
        }
        let (answer, answered) = oneshot::channel();
        self.begin_sync(request, answer)?;
        answered.await.unwrap_or(Err(GroupError::NotAvailable))
    }

    fn begin_sync(&self, request: SyncRequest, answer: oneshot::Sender<SyncAnswer>) -> Result<(), GroupError> {
        let (key, now) = (request.key.clone(), self.clock.now());
        let mut shard = self.known(&key)?;
        let waiter = shard.wait(Waiting::Sync(answer));
        self.step(&mut shard, &key, |group| ((), group.sync(request, waiter, now)))
    }

    /// Heartbeat.
    ///
    /// # Errors
    /// With Kafka's code.
    pub fn heartbeat(&self, key: &GroupKey, claim: &Claim) -> Result<(), GroupError> {
        check_group_id(key)?;
        let now = self.clock.now();
        let mut shard = self.known(key)?;
        self.step(&mut shard, key, |group| (group.heartbeat(claim, now), Vec::new()))?
    }

    /// LeaveGroup: one answer per member.
    ///
    /// # Errors
    /// With Kafka's code, when no member could be considered.
    pub fn leave(&self, key: &GroupKey, leaving: &[Leaving]) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        check_group_id(key)?;
        let now = self.clock.now();
        let mut shard = self.known(key)?;
        self.step(&mut shard, key, |group| match group.leave(leaving, now) {
            Ok((results, answers)) => (Ok(results), answers),
            Err(error) => (Err(error), Vec::new()),
        })?
    }

    /// Runs `commit` if offsets may be committed under this claim, with the group locked: of two generations of a group the
    /// older one's commits come first.
    pub(super) fn if_may_commit<T>(
        &self,
        key: &GroupKey,
        claim: &Claim,
        commit: impl FnOnce() -> T,
    ) -> Result<T, GroupError> {
        let now = self.clock.now();
        let mut shard = self.shard(key).lock();
        if shard.stopped {
            return Err(GroupError::NotAvailable);
        }
        if shard.groups.contains_key(key) {
            self.step(&mut shard, key, |group| (group.check_commit(claim, now), Vec::new()))??;
        } else if claim.generation >= 0 {
            // Kafka's answer; the consumer joins again.
            return Err(GroupError::IllegalGeneration);
        }
        Ok(commit())
    }

    /// Locks the shard of a group that is known here.
    fn known(&self, key: &GroupKey) -> Result<parking_lot::MutexGuard<'_, Shard>, GroupError> {
        let shard = self.shard(key).lock();
        if shard.stopped {
            return Err(GroupError::NotAvailable);
        }
        if shard.groups.contains_key(key) { Ok(shard) } else { Err(GroupError::UnknownMember) }
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
            note_change(key, &entry.group, before.1);
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
            metric::gauge!(GROUP_BYTES).set(total as f64);
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
        self.bytes.fetch_sub(entry.bytes, Ordering::Relaxed);
        if let Some(alarm) = entry.alarm {
            shard.alarms.remove(&(alarm, key.clone()));
        }
        metric::gauge!(GROUPS).decrement(1.0);
    }

    /// Makes sure that one more group has room.
    fn make_room(&self, shard: &mut Shard) -> Result<(), GroupError> {
        if shard.groups.len() >= GROUPS_MAX / SHARDS {
            let empty = shard.groups.iter().filter(|(_, entry)| entry.group.state() == GroupState::Empty);
            let oldest = empty.min_by_key(|(_, entry)| entry.group.deadline()).map(|(key, _)| key.clone());
            self.forget(shard, &oldest.ok_or(GroupError::NotAvailable)?);
        }
        Ok(())
    }

    pub(super) fn insert(&self, shard: &mut Shard, key: &GroupKey, group: Group, durable: Durable) {
        metric::gauge!(GROUPS).increment(1.0);
        shard.groups.insert(key.clone(), Entry { group, alarm: None, bytes: 0, durable });
    }

    fn check_room(&self, bytes: usize) -> Result<(), GroupError> {
        let fits = self.bytes.load(Ordering::Relaxed) + bytes <= ALL_GROUPS_BYTES_MAX;
        if fits { Ok(()) } else { Err(GroupError::NotAvailable) }
    }

    /// Looks at each group when its time has come.
    async fn watch_time(&self, tasks: &Tasks) {
        loop {
            let next = self.look_at_due();
            let pause = async {
                match next {
                    Some(at) => self.clock.sleep(at.saturating_duration_since(self.clock.now())).await,
                    None => std::future::pending().await,
                }
            };
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
                let now = self.clock.now();
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

    /// A member id that nobody else has or can guess: what Kafka makes it of, a name for people and a random part.
    fn fresh_member_id(&self, name: &str) -> String {
        let name = &name[..name.floor_char_boundary(MEMBER_ID_PREFIX_BYTES_MAX)];
        let random = tidelog_model::TopicId::from_random(self.random.bytes());
        format!("{name}-{random}")
    }
}

/// Says once what has become of a group.
fn note_change(key: &GroupKey, group: &Group, generation_before: i32) {
    let membership = group.membership();
    if membership.generation != generation_before {
        metric::counter!(REBALANCES).increment(1);
    }
    info!(
        tenant = %key.tenant,
        group = ?key.group,
        state = ?group.state(),
        generation = membership.generation,
        members = membership.members.len(),
        protocol = ?membership.protocol,
        "group changed"
    );
}

/// Group ids of members: not empty.
fn check_group_id(key: &GroupKey) -> Result<(), GroupError> {
    if key.group.is_empty() || key.group.len() > GROUP_ID_BYTES_MAX {
        return Err(GroupError::InvalidGroupId);
    }
    Ok(())
}
