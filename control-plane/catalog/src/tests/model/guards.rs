//! Guards in the model: the highest token that was ever stated with success, the conditions that failed, and of each key
//! every batch that landed.

use std::collections::BTreeMap;

use tidelog_catalog_api::*;
use tidelog_model::*;

use super::Model;

#[derive(Default)]
pub struct ModelGuards {
    /// All that were stated with success.
    pub tokens: BTreeMap<PartitionId, Vec<FencingToken>>,
    pub halted: BTreeMap<(PartitionId, ProducerId), ProducerEpoch>,
    pub keys: BTreeMap<(TopicId, [u8; 16]), ModelKey>,
}

pub struct ModelKey {
    pub body: [u8; 16],
    pub layout: KeyLayout,
    pub batches: u32,
    pub since: Tick,
    pub landed: Vec<(u32, u32, Offset)>,
}

impl ModelGuards {
    pub fn fence(&self, partition: PartitionId) -> Option<FencingToken> {
        self.tokens.get(&partition).into_iter().flatten().max().copied()
    }

    pub(super) fn forget(&mut self, topic: TopicId) {
        self.tokens.retain(|partition, _| partition.topic != topic);
        self.halted.retain(|(partition, _), _| partition.topic != topic);
        self.keys.retain(|key, _| key.0 != topic);
    }

    /// How many of a key's batches have landed in a partition.
    pub fn landed(&self, partition: PartitionId, key: [u8; 16]) -> u32 {
        let all = self.keys.get(&(partition.topic, key)).into_iter().flat_map(|key| &key.landed);
        all.filter(|landed| landed.0 == partition.index).count() as u32
    }
}

impl Model {
    pub(super) fn raise_fence(&mut self, id: PartitionId, token: FencingToken) -> Result<FenceView, FenceRefused> {
        if self.topic(id).is_none() {
            return Err(FenceRefused::UnknownPartition);
        }
        let tail = self.tail(id);
        match self.guards.fence(id) {
            Some(seen) if seen > token => Err(FenceRefused::Fenced(FenceView { token: seen, tail })),
            _ => {
                self.guards.tokens.entry(id).or_default().push(token);
                Ok(FenceView { token, tail })
            }
        }
    }

    /// Why a batch is refused, if it is; `sequence` is what its producer's state says, `expects` whether its expected offset
    /// is the tail. Takes note of what follows from it.
    pub(super) fn guarded(
        &mut self,
        id: PartitionId,
        batch: &CommitBatch,
        guard: Option<&BatchGuard>,
        sequence: Option<BatchOutcome>,
        expects: bool,
    ) -> Option<BatchOutcome> {
        let is_told = matches!(
            sequence,
            Some(BatchOutcome::Duplicate { .. } | BatchOutcome::DuplicateForgotten | BatchOutcome::StaleEpoch { .. })
        );
        if is_told {
            return sequence;
        }
        let halted = batch.producer.and_then(|producer| {
            let epoch = *self.guards.halted.get(&(id, producer.id))?;
            (producer.epoch <= epoch).then_some(BatchOutcome::ProducerHalted { epoch })
        });
        let tail = self.tail(id);
        let key = guard.and_then(|guard| guard.key);
        if let Some(refused) = halted.or(sequence).or_else(|| self.keyed(id, &key?)) {
            return Some(refused);
        }
        let token = guard.and_then(|guard| guard.fencing_token);
        let seen = self.guards.fence(id);
        let condition = match (token, seen) {
            (Some(token), Some(seen)) if token < seen => Some(BatchOutcome::Fenced { token: seen, tail }),
            _ => (!expects).then_some(BatchOutcome::UnexpectedOffset { tail }),
        };
        if condition.is_some() {
            if let (Some(_), Some(producer)) = (guard, batch.producer) {
                self.guards.halted.insert((id, producer.id), producer.epoch);
            }
            return condition;
        }
        self.guards.tokens.entry(id).or_default().extend(token);
        if let Some(producer) = batch.producer {
            self.guards.halted.remove(&(id, producer.id));
        }
        if let Some(KeyedBatch { key, body, layout, batches, number }) = key {
            let since = self.tick;
            let new = ModelKey { body, layout, batches, since, landed: Vec::new() };
            let entry = self.guards.keys.entry((id.topic, key)).or_insert(new);
            entry.landed.push((id.index, number, tail));
        }
        None
    }

    fn keyed(&self, id: PartitionId, batch: &KeyedBatch) -> Option<BatchOutcome> {
        let expected = self.guards.landed(id, batch.key);
        let out_of_order = Some(BatchOutcome::OutOfOrder { expected: expected as i32 });
        let Some(known) = self.guards.keys.get(&(id.topic, batch.key)) else {
            return match (batch.number, batch.batches) {
                (0, 0) => Some(BatchOutcome::KeysFull),
                (0, _) => None,
                _ => out_of_order,
            };
        };
        if known.body != batch.body || (known.layout == batch.layout && known.batches != batch.batches) {
            return Some(BatchOutcome::KeyReused);
        }
        if known.layout != batch.layout {
            return Some(BatchOutcome::OtherLayout { layout: known.layout });
        }
        let same = known.landed.iter().find(|landed| (landed.0, landed.1) == (id.index, batch.number));
        match same {
            Some((_, _, base_offset)) => Some(BatchOutcome::Duplicate { base_offset: *base_offset }),
            None if batch.number != expected || known.landed.len() as u32 >= known.batches => out_of_order,
            None => None,
        }
    }
}
