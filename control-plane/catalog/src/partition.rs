//! One partition: its bounds, its extents, its producers.
//!
//! Order of the checks of a batch: (1) its partition exists, which the commit has looked up; (2) its producer's epoch and
//! sequence; (3) what guards it, see `guards.rs`, its expected offset last. Idempotence comes before conditions, because the
//! retry of a conditional append that landed must hear where, and not that the tail has moved (by itself). A refused batch
//! changes nothing of its partition, so a condition that does not hold uses up no sequence.

use tidelog_catalog_api::{CommitBatch, Extent, Location, PartitionView};
use tidelog_format::stored_struct;
use tidelog_model::{Offset, Tick, mutant};

use crate::extent_list::ExtentList;
use crate::producers::Producers;

stored_struct! {
    /// Created at its first append; a partition that is not there is empty.
    #[derive(Clone, Debug, Default)]
    pub struct Partition {
        pub log_start: Offset,
        pub tail: Offset,
        pub extents: ExtentList,
        pub producers: Producers,
    }
}

impl Partition {
    pub fn view(&self) -> PartitionView {
        let off_by = u64::from(mutant!("high-watermark-off-by-one") && self.tail > Offset(0));
        let high_watermark = Offset(self.tail.0 + off_by);
        // Without transactions everything is stable.
        PartitionView { log_start: self.log_start, high_watermark, last_stable: high_watermark }
    }

    /// Appends a batch that passed [`crate::guards::Gate::check`]. Says where, and whether it is an extent of its own.
    pub fn append(&mut self, batch: &CommitBatch, location: Location, now: Tick) -> (Offset, bool) {
        let base_offset = self.tail;
        self.tail = base_offset.plus(batch.records);
        let extent = Extent { base_offset, records: batch.records, max_timestamp: batch.max_timestamp, location };
        let joined = self.extents.push(extent);
        if let Some(producer) = batch.producer {
            self.producers.record(producer, batch.records, base_offset, now);
        }
        (base_offset, !joined)
    }

    /// What is wrong with it.
    pub fn violation(&self) -> Option<String> {
        if let Some(violation) = self.extents.violation() {
            return Some(violation);
        }
        let first = self.extents.iter().next().map_or(self.tail, |extent| extent.base_offset);
        let end = self.extents.last().map_or(self.tail, Extent::end_offset);
        if end != self.tail || first > self.log_start || self.log_start > self.tail {
            return Some(format!("extents {first}..{end} do not fit {}..{}", self.log_start, self.tail));
        }
        if self.extents.iter().next().is_some_and(|extent| extent.end_offset() <= self.log_start) {
            return Some(format!("the extent at {first} ends before {}", self.log_start));
        }
        self.producers.violation(self.tail)
    }
}
