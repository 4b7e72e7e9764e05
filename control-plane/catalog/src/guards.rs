//! What guards partitions: fencing tokens, producers that are halted, and requests that are known by an Idempotency-Key.
//!
//! Order of the checks of a batch, after those of its producer's epoch and of what it has written (see `partition.rs`): (1) it
//! is no repetition, which is answered like its first try whatever has happened since; (2) its producer is not halted; (3) its
//! fencing token; (4) its expected offset. A refused batch changes nothing but this: when it had a producer and its token or
//! its expected offset did not hold, the producer is halted. What it has under way behind that batch was sent in the belief
//! that the batch would land, so nothing more of it is taken until it begins a new epoch.
//!
//! **Keys.** A request's batches are numbered in each partition, and a number lands once. Which record is in which batch
//! depends on the topic's partitions and on how large batches may be; both are kept as the first try found them, because
//! under another layout the same number would be other records.
//!
//! All of it lies in parts of its own, which exist from the first guard on: a snapshot of before has none, and is still the
//! same bytes.

use std::collections::{BTreeMap, BTreeSet};

use tidelog_catalog_api::{
    BatchGuard, BatchOutcome, CommitBatch, FenceRefused, FenceView, KeyLayout, KeyView, KeyedBatch,
};
use tidelog_format::codec::{Decode, Encode, Reader, Writer};
use tidelog_format::{codec::Corrupt, stored_struct};
use tidelog_model::limits::{HALTED_PRODUCERS_MAX, KEYED_BATCHES_MAX};
use tidelog_model::{
    FencingToken, LogIndex, Offset, PartitionId, ProducerEpoch, ProducerId, TenantId, Tick, TopicId, mutant,
};

use crate::part::{GUARD_PARTS, Shared, Stamped};
use crate::partition::Partition;
use crate::shard::shard_of;
use crate::state::State;

/// Ticks for which a key is remembered: a day, as clients expect.
pub(crate) const KEY_TICKS_MAX: u64 = 86_400;
/// And at least, when there is no room for more: far above any client's patience.
pub(crate) const KEY_TICKS_MIN: u64 = 900;

stored_struct! {
    /// Of some partitions and some keys.
    #[derive(Clone, Debug, Default)]
    pub struct GuardsContent {
        pub partitions: BTreeMap<PartitionId, Shared<GuardedPartition>>,
        pub keys: BTreeMap<KeyId, Shared<KeyEntry>>,
    }

    /// One that has seen a fencing token, or has halted a producer.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct GuardedPartition {
        /// The highest that was seen.
        pub token: Option<FencingToken>,
        /// In which epoch.
        pub halted: BTreeMap<ProducerId, ProducerEpoch>,
    }

    /// A key's hash, in its topic.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct KeyId {
        pub tenant: TenantId,
        pub topic: TopicId,
        pub key: [u8; 16],
    }

    /// A request that has a key.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct KeyEntry {
        pub body: [u8; 16],
        pub layout: KeyLayout,
        /// How many it has in all.
        pub batches: u32,
        pub since: Tick,
        /// Where its batches are that have landed, by their number, in each partition.
        pub landed: BTreeMap<u32, Vec<Offset>>,
    }
}

/// See [`GuardsContent`].
#[derive(Clone, Debug, Default)]
pub struct Guards(pub GuardsContent);

impl Encode for Guards {
    fn encode(&self, out: &mut Writer) {
        if mutant!("guards-outside-snapshot") {
            out.put(&GuardsContent::default());
        } else {
            out.put(&self.0);
        }
    }
}

impl Decode for Guards {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        Ok(Guards(input.get()?))
    }
}

/// Which keys are the oldest, and how many batches they stand for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyIndex(BTreeMap<TenantId, TenantKeys>);

#[derive(Debug, Default, PartialEq, Eq)]
struct TenantKeys {
    by_age: BTreeSet<(Tick, KeyId)>,
    batches: usize,
}

impl KeyIndex {
    pub fn add(&mut self, id: KeyId, entry: &KeyEntry) {
        let tenant = self.0.entry(id.tenant).or_default();
        tenant.by_age.insert((entry.since, id));
        tenant.batches += entry.batches as usize;
    }

    fn remove(&mut self, id: KeyId, entry: &KeyEntry) {
        let tenant = self.0.get_mut(&id.tenant).expect("a key's tenant is indexed");
        assert!(tenant.by_age.remove(&(entry.since, id)), "a key is indexed");
        tenant.batches -= entry.batches as usize;
        if tenant.by_age.is_empty() {
            self.0.remove(&id.tenant);
        }
    }

    pub fn batches(&self, tenant: TenantId) -> usize {
        self.0.get(&tenant).map_or(0, |keys| keys.batches)
    }

    /// A tenant's oldest keys.
    fn oldest(&self, tenant: TenantId) -> impl Iterator<Item = &(Tick, KeyId)> {
        self.0.get(&tenant).into_iter().flat_map(|keys| keys.by_age.iter())
    }
}

pub(crate) fn guard_part_of(partition: PartitionId) -> usize {
    shard_of(partition) % GUARD_PARTS
}

pub(crate) fn key_part_of(id: &KeyId) -> usize {
    usize::from(id.key[0]) % GUARD_PARTS
}

/// What stands between a commit's batches and one partition.
pub(crate) struct Gate<'a> {
    pub parts: &'a mut [std::sync::Arc<Stamped<Guards>>],
    pub keys: &'a mut KeyIndex,
    pub id: PartitionId,
    pub tenant: TenantId,
    pub index: LogIndex,
    pub now: Tick,
}

impl Gate<'_> {
    /// Whether a batch can be appended now; if not, its outcome.
    pub fn check(
        &self,
        partition: &Partition,
        batch: &CommitBatch,
        guard: Option<&BatchGuard>,
    ) -> Result<(), BatchOutcome> {
        let own = self.parts[guard_part_of(self.id)].body.0.partitions.get(&self.id);
        if let Some(producer) = batch.producer {
            let checked = partition.producers.check(producer, batch.records);
            if let Err(
                told @ (BatchOutcome::Duplicate { .. }
                | BatchOutcome::DuplicateForgotten
                | BatchOutcome::StaleEpoch { .. }),
            ) = checked
            {
                return Err(told);
            }
            let halted = own.and_then(|own| own.halted.get(&producer.id)).copied();
            if let Some(epoch) = halted.filter(|epoch| *epoch >= producer.epoch && !mutant!("halt-forgotten")) {
                return Err(BatchOutcome::ProducerHalted { epoch });
            }
            checked?;
        }
        if let Some(key) = guard.and_then(|guard| guard.key) {
            self.check_key(&key)?;
        }
        let token = own.and_then(|own| own.token);
        if let (Some(stated), Some(token)) = (guard.and_then(|guard| guard.fencing_token), token)
            && stated < token
        {
            return Err(BatchOutcome::Fenced { token, tail: partition.tail });
        }
        match batch.expected_offset {
            Some(expected) if expected != partition.tail && !mutant!("expected-offset-ignored") => {
                Err(BatchOutcome::UnexpectedOffset { tail: partition.tail })
            }
            _ => Ok(()),
        }
    }

    fn key_id(&self, key: &KeyedBatch) -> KeyId {
        KeyId { tenant: self.tenant, topic: self.id.topic, key: key.key }
    }

    fn check_key(&self, key: &KeyedBatch) -> Result<(), BatchOutcome> {
        let id = self.key_id(key);
        let Some(entry) = self.parts[key_part_of(&id)].body.0.keys.get(&id) else {
            if key.number > 0 {
                return Err(BatchOutcome::OutOfOrder { expected: 0 });
            }
            let has_room = key.batches > 0 && self.room_for(key.batches as usize).is_some();
            return if has_room { Ok(()) } else { Err(BatchOutcome::KeysFull) };
        };
        if (entry.body != key.body || entry.batches != key.batches && entry.layout == key.layout)
            && !mutant!("key-other-body")
        {
            return Err(BatchOutcome::KeyReused);
        }
        if entry.layout != key.layout {
            return Err(BatchOutcome::OtherLayout { layout: entry.layout });
        }
        let landed = entry.landed.get(&self.id.index).map_or(&[][..], Vec::as_slice);
        if let Some(base_offset) = landed.get(key.number as usize) {
            return Err(BatchOutcome::Duplicate { base_offset: *base_offset });
        }
        let all: usize = entry.landed.values().map(Vec::len).sum();
        if key.number as usize > landed.len() || all >= entry.batches as usize {
            let expected = i32::try_from(landed.len()).unwrap_or(i32::MAX);
            return Err(BatchOutcome::OutOfOrder { expected });
        }
        Ok(())
    }

    /// The keys that have to go so that there is room for so many batches; none when they are too young.
    fn room_for(&self, batches: usize) -> Option<Vec<KeyId>> {
        let mut used = self.keys.batches(self.tenant) + batches;
        let mut go = Vec::new();
        let mut oldest = self.keys.oldest(self.tenant);
        while used > KEYED_BATCHES_MAX {
            let (since, id) = oldest.next()?;
            if self.now.0.saturating_sub(since.0) < KEY_TICKS_MIN {
                return None;
            }
            used -= self.parts[key_part_of(id)].body.0.keys.get(id).map_or(0, |entry| entry.batches as usize);
            go.push(*id);
        }
        Some(go)
    }

    /// A batch that passed [`Gate::check`] was appended at `base_offset`.
    pub fn appended(&mut self, batch: &CommitBatch, guard: Option<&BatchGuard>, base_offset: Offset) {
        let own = self.parts[guard_part_of(self.id)].body.0.partitions.get(&self.id);
        let raised = guard
            .and_then(|guard| guard.fencing_token)
            .filter(|token| own.and_then(|own| own.token) < Some(*token) && !mutant!("fence-not-raised"));
        let goes_on = batch.producer.filter(|producer| own.is_some_and(|own| own.halted.contains_key(&producer.id)));
        if raised.is_some() || goes_on.is_some() {
            self.write(|own| {
                own.token = own.token.max(raised);
                if let Some(producer) = goes_on {
                    own.halted.remove(&producer.id);
                }
            });
        }
        if let Some(key) = guard.and_then(|guard| guard.key) {
            self.remember(&key, base_offset);
        }
    }

    /// A batch was refused.
    pub fn refused(&mut self, batch: &CommitBatch, guard: Option<&BatchGuard>, outcome: BatchOutcome) {
        let is_condition = matches!(outcome, BatchOutcome::Fenced { .. } | BatchOutcome::UnexpectedOffset { .. });
        if let (true, Some(_), Some(producer)) = (is_condition, guard, batch.producer) {
            self.write(|own| {
                own.halted.insert(producer.id, producer.epoch);
                if own.halted.len() > HALTED_PRODUCERS_MAX {
                    own.halted.pop_first();
                }
            });
        }
    }

    fn write(&mut self, change: impl FnOnce(&mut GuardedPartition)) {
        let partitions = &mut Stamped::write(&mut self.parts[guard_part_of(self.id)], self.index).0.partitions;
        let own = partitions.entry(self.id).or_default().write();
        change(own);
        if *own == GuardedPartition::default() {
            partitions.remove(&self.id);
        }
    }

    fn remember(&mut self, key: &KeyedBatch, base_offset: Offset) {
        let id = self.key_id(key);
        if !self.parts[key_part_of(&id)].body.0.keys.contains_key(&id) {
            for old in self.room_for(key.batches as usize).expect("checked before the batch was appended") {
                forget(self.parts, self.keys, self.index, old);
            }
            let (body, layout, batches) = (key.body, key.layout, key.batches);
            let entry = KeyEntry { body, layout, batches, since: self.now, landed: BTreeMap::new() };
            self.keys.add(id, &entry);
            Stamped::write(&mut self.parts[key_part_of(&id)], self.index).0.keys.insert(id, Shared::new(entry));
        }
        let keys = &mut Stamped::write(&mut self.parts[key_part_of(&id)], self.index).0.keys;
        let entry = keys.get_mut(&id).expect("just looked at").write();
        entry.landed.entry(self.id.index).or_default().push(base_offset);
    }
}

fn forget(parts: &mut [std::sync::Arc<Stamped<Guards>>], keys: &mut KeyIndex, index: LogIndex, id: KeyId) {
    let entry = Stamped::write(&mut parts[key_part_of(&id)], index).0.keys.remove(&id);
    keys.remove(id, &entry.expect("an indexed key is there"));
}

impl State {
    pub(crate) fn raise_fence(
        &mut self,
        index: LogIndex,
        id: PartitionId,
        token: FencingToken,
    ) -> Result<FenceView, FenceRefused> {
        let tail = self.partition(id).ok_or(FenceRefused::UnknownPartition)?.high_watermark;
        let seen = self.fence(id);
        if let Some(seen) = seen.filter(|seen| *seen > token) {
            return Err(FenceRefused::Fenced(FenceView { token: seen, tail }));
        }
        if seen < Some(token) {
            let part = Stamped::write(&mut self.guards[guard_part_of(id)], index);
            part.0.partitions.entry(id).or_default().write().token = Some(token);
        }
        Ok(FenceView { token, tail })
    }

    /// The highest fencing token that was seen in a partition.
    #[must_use]
    pub fn fence(&self, partition: PartitionId) -> Option<FencingToken> {
        self.guards[guard_part_of(partition)].body.0.partitions.get(&partition)?.token
    }

    /// What is remembered of an Idempotency-Key in a topic, by its hash.
    #[must_use]
    pub fn idempotency_key(&self, topic: TopicId, key: [u8; 16]) -> Option<KeyView> {
        let tenant = self.topic(topic)?.tenant;
        let id = KeyId { tenant, topic, key };
        let entry = self.guards[key_part_of(&id)].body.0.keys.get(&id)?;
        Some(KeyView { body: entry.body, layout: entry.layout })
    }

    /// A topic is gone, and with it what guarded it.
    pub(crate) fn forget_guards(&mut self, index: LogIndex, tenant: TenantId, topic: TopicId) {
        let partitions = PartitionId { topic, index: 0 }..=PartitionId { topic, index: u32::MAX };
        let keys = KeyId { tenant, topic, key: [0; 16] }..=KeyId { tenant, topic, key: [u8::MAX; 16] };
        for at in 0..self.guards.len() {
            let body = &self.guards[at].body.0;
            let ids: Vec<PartitionId> = body.partitions.range(partitions.clone()).map(|(id, _)| *id).collect();
            let forgotten: Vec<KeyId> = body.keys.range(keys.clone()).map(|(id, _)| *id).collect();
            for id in ids {
                Stamped::write(&mut self.guards[at], index).0.partitions.remove(&id);
            }
            for id in forgotten {
                forget(&mut self.guards, &mut self.derived.keys, index, id);
            }
        }
    }

    /// Forgets keys that have been remembered for long enough.
    pub(crate) fn expire_keys(&mut self, index: LogIndex) {
        let now = self.meta.body.tick.0;
        let is_over = |since: Tick| now.saturating_sub(since.0) >= KEY_TICKS_MAX;
        let all = self.derived.keys.0.values();
        let over = all.flat_map(|keys| keys.by_age.iter().take_while(|(since, _)| is_over(*since)));
        let over: Vec<KeyId> = over.map(|(_, id)| *id).collect();
        for id in over {
            forget(&mut self.guards, &mut self.derived.keys, index, id);
        }
    }
}
