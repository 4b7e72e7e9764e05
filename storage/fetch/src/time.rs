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
        self.find(partition, |catalog| catalog.extent_by_time(partition, timestamp), |found| found >= timestamp).await
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
        let greatest = self.catalog.extent_of_max_timestamp(partition).map(|extent| extent.max_timestamp);
        let Some(greatest) = greatest else {
            return self.catalog.partition(partition).map(|_| None).ok_or(ReadError::UnknownPartition);
        };
        self.find(partition, |catalog| catalog.extent_of_max_timestamp(partition), |found| found >= greatest).await
    }

    async fn find(
        &self,
        partition: PartitionId,
        plan: impl Fn(&dyn tidelog_catalog_api::Catalog) -> Option<Extent>,
        wanted: impl Fn(TimestampMs) -> bool,
    ) -> Result<Option<(Offset, TimestampMs)>, ReadError> {
        let mut confirmed = false;
        for _ in 0..REPLANS_MAX {
            let Some(extent) = plan(&*self.catalog) else {
                if confirmed {
                    return self.catalog.partition(partition).map(|_| None).ok_or(ReadError::UnknownPartition);
                }
                self.catalog.read_barrier().await?;
                confirmed = true;
                continue;
            };
            match self.find_in(partition, &extent, &wanted).await {
                Ok(found) => return Ok(found),
                Err(ScanError::Moved) => {}
                Err(ScanError::Read(error)) => return Err(error),
            }
        }
        Err(ReadError::Unavailable("the records kept moving while they were read".into()))
    }

    async fn find_in(
        &self,
        partition: PartitionId,
        extent: &Extent,
        wanted: &impl Fn(TimestampMs) -> bool,
    ) -> Result<Option<(Offset, TimestampMs)>, ScanError> {
        let start = (0, extent.base_offset);
        let mut scan = Scan::new(&self.catalog, &self.reader, partition, extent, start, WINDOW_BYTES);
        while let Some(batch) = scan.next().await? {
            let mut found = None;
            let base_offset = batch.base_offset;
            // Every record is looked at: the greatest timestamp in a header is only what its producer said.
            for_each_timestamp(&join(batch.pieces), |delta, timestamp| {
                if wanted(timestamp) {
                    found = Some((base_offset.plus(delta), timestamp));
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })
            .map_err(|error| ScanError::Read(ReadError::Corrupt(error.to_string())))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}
