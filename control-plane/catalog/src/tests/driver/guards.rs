//! Guards that are mostly sensible.

use tidelog_catalog_api::*;
use tidelog_model::*;

use super::super::steps::{BatchStep, CommitStep};
use super::Driver;

impl Driver {
    pub(super) fn guards(&self, step: &CommitStep, commit: &Commit) -> Vec<BatchGuard> {
        let steps = step.entries.iter().flat_map(|(_, batches)| batches);
        let batches = commit.entries.iter().flat_map(|entry| entry.batches.iter().map(|_| entry.partition));
        let all = steps.zip(batches).zip(0..);
        let mut guards: Vec<BatchGuard> =
            all.filter_map(|((step, partition), batch)| self.guard(step, partition, batch)).collect();
        // Now and then two in the wrong order, and one that guards nothing.
        match step.received {
            20..25 => guards.reverse(),
            25..30 => guards.iter_mut().for_each(|guard| guard.batch += 3),
            _ => {}
        }
        guards
    }

    fn guard(&self, step: &BatchStep, partition: PartitionId, batch: u32) -> Option<BatchGuard> {
        let fencing_token = step.guard.is_multiple_of(4).then_some(FencingToken(u64::from(step.guard / 4 % 6)));
        let key = (step.guard % 4 == 1).then(|| {
            let key = [step.guard / 4 % 3; 16];
            let known = self.model.guards.keys.get(&(partition.topic, key));
            let landed = self.model.guards.landed(partition, key);
            let layout = known.map_or(KeyLayout { partitions: 3, batch_bytes_max: 100 }, |known| known.layout);
            let (number, body, partitions) = match step.sequence {
                0..40 => (landed.saturating_sub(1), [1; 16], layout.partitions),
                40..50 => (landed + 1, [1; 16], layout.partitions),
                50..60 => (landed, [2; 16], layout.partitions),
                60..70 => (landed, [1; 16], layout.partitions + 1),
                _ => (landed, [1; 16], layout.partitions),
            };
            let batches = if step.timestamp < 5 { 0 } else { 4 };
            KeyedBatch { key, body, layout: KeyLayout { partitions, ..layout }, batches, number }
        });
        (step.guard < 160).then_some(BatchGuard { batch, fencing_token, key })
    }
}
