//! What members ask of the coordinator: each request becomes one step of its group, and waits for the answer if the group has
//! none yet.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use tidelog_model::limits::GROUP_ID_BYTES_MAX;
use tokio::sync::oneshot;

use super::coordinator::touch;
use super::join::{check_join, request_bytes};
use super::limits::{ALL_GROUPS_BYTES_MAX, MEMBER_ID_PREFIX_BYTES_MAX};
use super::machine::Group;
use super::messages::{Claim, GroupKey, JoinAnswer, JoinRefused, JoinRequest, Leaving, SyncAnswer, SyncRequest};
use super::shard::{Shard, Waiting};
use super::{Coordinator, GroupError};

impl Coordinator {
    /// JoinGroup: answers when the rebalance that it sets off, or joins, has all its members. A cancelled caller leaves the
    /// member waiting, as a client does that goes away; its session will expire.
    ///
    /// # Errors
    /// With Kafka's code and the member id that belongs into the answer.
    pub async fn join(&self, mut request: JoinRequest) -> JoinAnswer {
        let member_id = request.member_id.clone();
        let refused = |error| JoinRefused { member_id: member_id.clone(), error };
        check_group_id(&request.key).and_then(|()| check_join(&request)).map_err(refused)?;
        self.check_room(&request.key, request_bytes(&request), |group| group.bytes_after_join(&request))
            .map_err(refused)?;
        for protocol in &mut request.protocols {
            // A slice would keep the whole frame in memory.
            protocol.metadata = Bytes::copy_from_slice(&protocol.metadata);
        }
        let (answer, answered) = oneshot::channel();
        self.begin_join(request, answer).map_err(refused)?;
        answered.await.unwrap_or_else(|_| Err(refused(GroupError::NotAvailable)))
    }

    fn begin_join(&self, request: JoinRequest, answer: oneshot::Sender<JoinAnswer>) -> Result<(), GroupError> {
        let (key, now) = (request.key.clone(), self.time.now());
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
        let bytes = request.assignments.iter().map(|(_, assignment)| assignment.len()).sum();
        self.check_room(&request.key, bytes, |group| group.bytes_after_assignment(bytes))?;
        for (_, assignment) in &mut request.assignments {
            *assignment = Bytes::copy_from_slice(assignment);
        }
        let (answer, answered) = oneshot::channel();
        self.begin_sync(request, answer)?;
        answered.await.unwrap_or(Err(GroupError::NotAvailable))
    }

    fn begin_sync(&self, request: SyncRequest, answer: oneshot::Sender<SyncAnswer>) -> Result<(), GroupError> {
        let (key, now) = (request.key.clone(), self.time.now());
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
        let now = self.time.now();
        let mut shard = self.known(key)?;
        touch(&mut shard, key, |group| group.heartbeat(claim, now))?
    }

    /// LeaveGroup: one answer per member.
    ///
    /// # Errors
    /// With Kafka's code, when no member could be considered.
    pub fn leave(&self, key: &GroupKey, leaving: &[Leaving]) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        check_group_id(key)?;
        let now = self.time.now();
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
        let now = self.time.now();
        let mut shard = self.shard(key).lock();
        if shard.stopped {
            return Err(GroupError::NotAvailable);
        }
        if shard.groups.contains_key(key) {
            touch(&mut shard, key, |group| group.check_commit(claim, now))??;
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

    /// Whether all groups together have room for what a request adds to its group: for `bytes` if there is no such group
    /// yet, else for what the group keeps `after` it and not before. What takes the place of something needs no room.
    fn check_room(&self, key: &GroupKey, bytes: usize, after: impl FnOnce(&Group) -> usize) -> Result<(), GroupError> {
        let growth = |group: &Group| after(group).saturating_sub(group.bytes());
        let growth = self.look(key, growth)?.unwrap_or(bytes);
        let fits = growth == 0 || self.bytes.load(Ordering::Relaxed) + growth <= ALL_GROUPS_BYTES_MAX;
        if fits { Ok(()) } else { Err(GroupError::NotAvailable) }
    }

    /// A member id that nobody else has or can guess: what Kafka makes it of, a name for people and a random part.
    fn fresh_member_id(&self, name: &str) -> String {
        let name = &name[..name.floor_char_boundary(MEMBER_ID_PREFIX_BYTES_MAX)];
        let random = tidelog_model::TopicId::from_random(self.random.bytes());
        format!("{name}-{random}")
    }
}

/// Group ids of members: not empty.
fn check_group_id(key: &GroupKey) -> Result<(), GroupError> {
    if key.group.is_empty() || key.group.len() > GROUP_ID_BYTES_MAX {
        return Err(GroupError::InvalidGroupId);
    }
    Ok(())
}
