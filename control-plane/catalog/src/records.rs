//! Partitions lose their oldest records, and topics all of them.
//!
//! An extent goes when its last record is before the partition's beginning; what it lay in is released as objects.rs says.
//! The extent that holds the beginning stays whole: readers skip what is before it.

use tidelog_catalog_api::{DeleteRecordsError, Extent, Location, RecordsDeletion};
use tidelog_model::{LogIndex, Offset, PartitionId, mutant};

use crate::part::Stamped;
use crate::shard::shard_of;
use crate::state::State;

impl State {
    /// Each by itself. A partition never begins earlier than it did: to delete what is deleted changes nothing.
    pub(crate) fn delete_records(
        &mut self,
        index: LogIndex,
        deletions: &[RecordsDeletion],
        changed: &mut Vec<PartitionId>,
    ) -> Vec<Result<Offset, DeleteRecordsError>> {
        deletions.iter().map(|deletion| self.delete_before(index, deletion, changed)).collect()
    }

    fn delete_before(
        &mut self,
        index: LogIndex,
        deletion: &RecordsDeletion,
        changed: &mut Vec<PartitionId>,
    ) -> Result<Offset, DeleteRecordsError> {
        let id = deletion.partition;
        let bounds = self.partition(id).ok_or(DeleteRecordsError::UnknownPartition)?;
        let (log_start, tail) = (bounds.log_start, bounds.high_watermark);
        let before = deletion.before.unwrap_or(tail);
        if before > tail {
            return Err(DeleteRecordsError::BeyondTail(tail));
        }
        if before == log_start || (before < log_start && !mutant!("log-start-goes-back")) {
            return Ok(log_start);
        }
        let partitions = &mut Stamped::write(&mut self.shards[shard_of(id)], index).partitions;
        let partition = partitions.get_mut(&id).expect("a partition whose tail is beyond 0 is there").write();
        partition.log_start = before;
        self.derived.totals.begins(id.topic, log_start, before);
        changed.push(id);
        for extent in partition.extents.drop_before(before) {
            self.release_extent(index, id, &extent);
        }
        Ok(before)
    }

    /// An extent is no longer in its partition: what it lay in loses a reference.
    pub(crate) fn release_extent(&mut self, index: LogIndex, partition: PartitionId, extent: &Extent) {
        self.derived.totals.released(partition.topic, extent);
        match extent.location {
            Location::Object { range, .. } => {
                let meta = Stamped::write(&mut self.meta, index);
                meta.release_object(range.object, &mut self.derived.objects);
            }
            Location::Inline { index: from, .. } => self.leave_payload(index, from, (partition, extent.base_offset)),
        }
    }
}
