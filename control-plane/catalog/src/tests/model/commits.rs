//! Commits in the model: who may, what is taken, what is appended where.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use tidelog_catalog_api::*;
use tidelog_model::limits::PRODUCER_BATCHES_KEPT;
use tidelog_model::*;

use super::{Batch, Model};

impl Model {
    pub(super) fn commit(
        &mut self,
        index: LogIndex,
        commit: &Commit,
        guards: &[BatchGuard],
    ) -> Result<CommitOutcome, CommitRefused> {
        if self.is_fenced(commit.session) {
            return Err(CommitRefused::SessionFenced);
        }
        let (outcomes, received) = self.lanes.entry((commit.session, commit.lane)).or_default();
        let applied = outcomes.len() as u64;
        if commit.sequence.0 <= applied {
            let kept = commit.sequence.0 > *received;
            return if kept {
                Ok(outcomes[commit.sequence.0 as usize - 1].clone())
            } else {
                Err(CommitRefused::OutcomeForgotten)
            };
        }
        if commit.sequence.0 > applied + 1 {
            return Err(CommitRefused::SequenceGap { expected: CommitSequence(applied + 1) });
        }
        *received = (*received).max(commit.outcomes_received.0.min(applied));
        let not_received = &outcomes[*received as usize..];
        let earlier_refused = not_received.iter().any(|outcome| !matches!(outcome, CommitOutcome::Applied(_)));
        let outcome = if earlier_refused { CommitOutcome::EarlierRefused } else { self.take(index, commit, guards) };
        self.lanes.get_mut(&(commit.session, commit.lane)).unwrap().0.push(outcome.clone());
        Ok(outcome)
    }

    fn take(&mut self, index: LogIndex, commit: &Commit, guards: &[BatchGuard]) -> CommitOutcome {
        let count = commit.entries.iter().map(|entry| entry.batches.len()).sum::<usize>() as u32;
        let numbers: Vec<u32> = guards.iter().map(|guard| guard.batch).collect();
        if !numbers.is_sorted_by(|one, next| one < next) || numbers.iter().any(|number| *number >= count) {
            return CommitOutcome::ObjectRefused;
        }
        let bytes = match &commit.payload {
            Payload::Object { bytes, .. } => *bytes,
            Payload::Inline(payload) => payload.len() as u32,
        };
        let mut used = BTreeSet::new();
        for entry in &commit.entries {
            let length = entry.batches.iter().map(|batch| batch.bytes).sum::<u32>();
            let malformed = entry.batches.iter().any(|batch| batch.records == 0 || batch.bytes == 0);
            if malformed || !(entry.position..entry.position + length).all(|byte| byte < bytes && used.insert(byte)) {
                return CommitOutcome::ObjectRefused;
            }
        }
        match &commit.payload {
            Payload::Object { object, .. } => {
                if !self.name(commit.session, *object, bytes) {
                    return CommitOutcome::ObjectRefused;
                }
            }
            Payload::Inline(payload) => drop(self.payloads.insert(index, payload.clone())),
        }
        let mut outcomes = Vec::new();
        for entry in &commit.entries {
            let mut position = entry.position;
            for batch in &entry.batches {
                let location = match commit.payload {
                    Payload::Object { object, .. } => {
                        let range = ObjectRange { object, position, bytes: batch.bytes };
                        Location::Object { range, copies: 1, encoding: 0 }
                    }
                    Payload::Inline(_) => Location::Inline { index, position, bytes: batch.bytes },
                };
                let guard = guards.iter().find(|guard| guard.batch as usize == outcomes.len());
                outcomes.push(self.append(entry.partition, batch, location, guard));
                position += batch.bytes;
            }
        }
        CommitOutcome::Applied(outcomes)
    }

    fn name(&mut self, session: SessionId, object: ObjectId, bytes: u32) -> bool {
        let grant = self.grants.iter_mut().find(|grant| {
            let view = grant.view;
            !grant.ended
                && view.session == session
                && (view.first.0..view.first.0 + u64::from(view.count)).contains(&object.0)
        });
        grant.is_some_and(|grant| *grant.lengths.entry(object).or_insert(bytes) == bytes)
    }

    fn append(
        &mut self,
        partition: PartitionId,
        batch: &CommitBatch,
        location: Location,
        guard: Option<&BatchGuard>,
    ) -> BatchOutcome {
        if self.topic(partition).is_none() {
            return BatchOutcome::UnknownPartition;
        }
        let sequence = batch.producer.and_then(|producer| self.sequence(partition, producer, batch.records));
        let base_offset = self.tail(partition);
        let expects = batch.expected_offset.is_none_or(|expected| expected == base_offset);
        if let Some(refused) = self.guarded(partition, batch, guard, sequence, expects) {
            return refused;
        }
        let extent = Extent { base_offset, records: batch.records, max_timestamp: batch.max_timestamp, location };
        let at = self.tick;
        self.partitions.entry(partition).or_default().push(Batch {
            extent,
            producer: batch.producer,
            at,
            deleted: false,
        });
        BatchOutcome::Appended { base_offset }
    }

    /// Why a batch is not next. Looks through all that its producer has written here; no producer here is ever evicted, nor
    /// gets as far as `i32::MAX`.
    fn sequence(&self, partition: PartitionId, batch: ProducerBatch, records: u32) -> Option<BatchOutcome> {
        let all = self.partitions.get(&partition).into_iter().flatten();
        let own: Vec<(&Batch, ProducerBatch)> = all
            .filter_map(|it| it.producer.filter(|producer| producer.id == batch.id).map(|producer| (it, producer)))
            .collect();
        let Some(current) = own.last().map(|(_, producer)| producer.epoch) else {
            let Some((current, expected, _)) = self.continued.get(&(partition, batch.id)).copied() else {
                return (batch.sequence != 0).then_some(BatchOutcome::UnknownProducer);
            };
            return match batch.epoch.cmp(&current) {
                _ if batch.epoch >= current && batch.sequence == 0 => None,
                Ordering::Less => Some(BatchOutcome::StaleEpoch { current }),
                Ordering::Greater => Some(BatchOutcome::OutOfOrder { expected: 0 }),
                Ordering::Equal => (batch.sequence != expected).then_some(BatchOutcome::OutOfOrder { expected }),
            };
        };
        if batch.epoch < current {
            return Some(BatchOutcome::StaleEpoch { current });
        }
        if batch.epoch > current {
            return (batch.sequence != 0).then_some(BatchOutcome::OutOfOrder { expected: 0 });
        }
        let epoch: Vec<&(&Batch, ProducerBatch)> =
            own.iter().filter(|(_, producer)| producer.epoch == current).collect();
        // Idle producers are looked for once in 64 ticks; the tests let far more than that pass or none. Whoever was idle
        // keeps one batch, and what came since.
        let later = epoch.iter().skip(1).map(|(stored, _)| stored.at).chain([self.tick]);
        let mut kept = 0;
        for ((stored, _), next) in epoch.iter().zip(later) {
            kept = if next.0 - stored.at.0 >= 3_700 { 1 } else { PRODUCER_BATCHES_KEPT.min(kept + 1) };
        }
        for (stored, producer) in epoch.iter().rev().take(kept) {
            if producer.sequence == batch.sequence && stored.extent.records == records {
                return Some(BatchOutcome::Duplicate { base_offset: stored.extent.base_offset });
            }
        }
        let first = epoch[0].1.sequence;
        let expected = first + epoch.iter().map(|(stored, _)| stored.extent.records as i32).sum::<i32>();
        if batch.sequence == expected {
            return None;
        }
        if batch.sequence >= first && batch.sequence + records as i32 <= expected {
            return Some(BatchOutcome::DuplicateForgotten);
        }
        Some(BatchOutcome::OutOfOrder { expected })
    }

    pub(super) fn move_inline(&mut self, command: &MoveInline) -> Result<Vec<bool>, SessionRefused> {
        if self.is_fenced(command.session) {
            return Err(SessionRefused::Fenced);
        }
        if !self.name(command.session, command.object, command.object_bytes) {
            return Err(SessionRefused::NotGranted(command.object));
        }
        let mut used = BTreeSet::new();
        let mut one = |step: &ExtentMove| {
            let from = Location::Inline { index: step.from, position: step.from_position, bytes: step.bytes };
            let extents = self.extents(step.partition);
            let Some(extent) =
                extents.iter().find(|extent| extent.base_offset == step.base_offset && extent.location == from)
            else {
                return false;
            };
            let mut target = step.to_position..step.to_position + step.bytes;
            if target.end > command.object_bytes || target.clone().any(|byte| used.contains(&byte)) {
                return false;
            }
            used.extend(target.clone());
            for batch in self.partitions.get_mut(&step.partition).unwrap() {
                if (extent.base_offset..extent.end_offset()).contains(&batch.extent.base_offset) {
                    let bytes = batch.extent.bytes();
                    let range = ObjectRange { object: command.object, position: target.start, bytes };
                    batch.extent.location = Location::Object { range, copies: 1, encoding: 0 };
                    target.start += bytes;
                }
            }
            true
        };
        Ok(command.moves.iter().map(&mut one).collect())
    }
}

/// The place `by` bytes further on, of `bytes` length.
pub(super) fn moved(location: Location, by: u32, bytes: u32) -> Location {
    match location {
        Location::Object { range, copies, encoding } => {
            let range = ObjectRange { position: range.position + by, bytes, ..range };
            Location::Object { range, copies, encoding }
        }
        Location::Inline { index, position, .. } => Location::Inline { index, position: position + by, bytes },
    }
}

/// The place with `more` bytes at its end.
pub(super) fn longer(location: Location, more: u32) -> Location {
    match location {
        Location::Object { range, copies, encoding } => {
            Location::Object { range: ObjectRange { bytes: range.bytes + more, ..range }, copies, encoding }
        }
        Location::Inline { index, position, bytes } => Location::Inline { index, position, bytes: bytes + more },
    }
}
