//! Offsets by time.

use std::ops::ControlFlow;

use tidelog_catalog_api::Extent;
use tidelog_format::records::for_each_timestamp;
use tidelog_model::{Offset, PartitionId, TimestampMs};

use crate::ReadError;
use crate::fetch::Fetch;
use crate::rope::join;
use crate::scan::{Scan, ScanError};

/// Bytes asked of an extent at once.
const WINDOW_BYTES: usize = 1 << 20;
/// How often an extent may move while it is being read before the look-up gives up.
const REPLANS_MAX: usize = 8;

impl Fetch {
    /// The first record at or after `timestamp`, and its own timestamp. `None`, confirmed, when there is none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn offset_for_time(
        &self,
        partition: PartitionId,
        timestamp: TimestampMs,
    ) -> Result<Option<(Offset, TimestampMs)>, ReadError> {
        let plan = |from| self.catalog.extent_by_time(partition, timestamp, from);
        self.find(partition, plan, |found| found >= timestamp).await
    }

    /// The first record with the partition's greatest timestamp. `None`, confirmed, when the partition is empty.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn offset_of_max_timestamp(
        &self,
        partition: PartitionId,
    ) -> Result<Option<(Offset, TimestampMs)>, ReadError> {
        // Greater ones may just have been acknowledged.
        self.catalog.read_barrier().await?;
        for _ in 0..REPLANS_MAX {
            let view = self.catalog.partition(partition).ok_or(ReadError::UnknownPartition)?;
            let Some(extent) = self.catalog.extent_of_max_timestamp(partition, Offset(0)) else { return Ok(None) };
            let mut greatest = extent.max_timestamp;
            // It may be a record before the partition's beginning that has it. Then it is among those after it in this
            // extent, which is the partition's first, or in a later one.
            if extent.base_offset < view.log_start {
                let left = match self.greatest_in(partition, &extent, view.log_start).await {
                    Ok(left) => left,
                    Err(ScanError::Moved) => continue,
                    Err(ScanError::Read(error)) => return Err(error),
                };
                let later = self.catalog.extent_of_max_timestamp(partition, extent.end_offset());
                match (left, later) {
                    (None, None) => return Ok(None),
                    (Some(left), None) => return Ok(Some(left)),
                    (Some(left), Some(later)) if left.1 >= later.max_timestamp => return Ok(Some(left)),
                    (_, Some(later)) => greatest = later.max_timestamp,
                }
            }
            let plan = |from| self.catalog.extent_by_time(partition, greatest, from);
            return self.find(partition, plan, |found| found >= greatest).await;
        }
        Err(moving())
    }

    /// The first wanted record that the partition still has, of the extent that `plan` finds.
    async fn find(
        &self,
        partition: PartitionId,
        plan: impl Fn(Offset) -> Option<Extent>,
        wanted: impl Fn(TimestampMs) -> bool,
    ) -> Result<Option<(Offset, TimestampMs)>, ReadError> {
        let mut confirmed = false;
        let mut from = Offset(0);
        for _ in 0..REPLANS_MAX {
            let Some(extent) = plan(from) else {
                if confirmed {
                    return self.catalog.partition(partition).map(|_| None).ok_or(ReadError::UnknownPartition);
                }
                self.catalog.read_barrier().await?;
                confirmed = true;
                continue;
            };
            let log_start = self.catalog.partition(partition).map_or(Offset(0), |view| view.log_start);
            let mut found = None;
            let scanned = self.scan(partition, &extent, log_start, |offset, timestamp| {
                if wanted(timestamp) {
                    found = Some((offset, timestamp));
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            match scanned.await {
                // What promised the record is deleted. Only the first extent can begin before the partition does.
                Ok(()) if found.is_none() && extent.base_offset < log_start => from = extent.end_offset(),
                Ok(()) => return Ok(found),
                Err(ScanError::Moved) => {}
                Err(ScanError::Read(error)) => return Err(error),
            }
        }
        Err(moving())
    }

    /// The first of the records with the greatest timestamp, of those in an extent from `first` on.
    async fn greatest_in(
        &self,
        partition: PartitionId,
        extent: &Extent,
        first: Offset,
    ) -> Result<Option<(Offset, TimestampMs)>, ScanError> {
        let mut greatest: Option<(Offset, TimestampMs)> = None;
        self.scan(partition, extent, first, |offset, timestamp| {
            if greatest.is_none_or(|(_, known)| timestamp > known) {
                greatest = Some((offset, timestamp));
            }
            ControlFlow::Continue(())
        })
        .await?;
        Ok(greatest)
    }

    /// Looks at the records of an extent from `first` on, until `each` has seen enough.
    async fn scan(
        &self,
        partition: PartitionId,
        extent: &Extent,
        first: Offset,
        mut each: impl FnMut(Offset, TimestampMs) -> ControlFlow<()>,
    ) -> Result<(), ScanError> {
        let start = (0, extent.base_offset);
        let mut scan = Scan::new(&self.catalog, &self.reader, partition, extent, start, WINDOW_BYTES);
        while let Some(batch) = scan.next().await? {
            let mut enough = false;
            let base_offset = batch.base_offset;
            // Every record is looked at: the greatest timestamp in a header is only what its producer said.
            for_each_timestamp(&join(batch.pieces), |delta, timestamp| {
                let offset = base_offset.plus(delta);
                let step = if offset < first { ControlFlow::Continue(()) } else { each(offset, timestamp) };
                enough = step.is_break();
                step
            })
            .map_err(|error| ScanError::Read(ReadError::Corrupt(error.to_string())))?;
            if enough {
                break;
            }
        }
        Ok(())
    }
}

fn moving() -> ReadError {
    ReadError::Unavailable("the records kept moving while they were read".into())
}
