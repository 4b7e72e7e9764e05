//! The write path and the read path as this door uses them.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tidelog_catalog_api::PartitionView;
use tidelog_fetch::{Fetch, Read, ReadError, ReadOutcome, Watch};
use tidelog_ingest::{Append, AppendError, Appended, Ingest, Reservation};
use tidelog_model::{Offset, PartitionId, TimestampMs};

/// The write path; see [`Ingest`] for what its methods promise.
pub trait Appender: Send + Sync + 'static {
    /// Waits for room for the records of a request; what is returned goes along with each of its appends.
    fn reserve(&self, bytes: usize) -> BoxFuture<'_, Option<Arc<Reservation>>>;
    /// Room for more than was reserved, if there is any now: both in one.
    fn reserve_more(&self, first: Option<Arc<Reservation>>, bytes: usize) -> Result<Option<Arc<Reservation>>, NoRoom>;
    /// Gives batches their place in the order at once.
    fn append(&self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>>;
}

/// There is no room for records now; there will be.
#[derive(Clone, Copy, Debug)]
pub struct NoRoom;

/// The read path; see [`Fetch`] for what its methods promise.
pub trait Reader: Send + Sync + 'static {
    /// Reads batches from an offset on.
    fn read(&self, read: Read) -> BoxFuture<'_, Result<ReadOutcome, ReadError>>;
    /// Interest in partitions, none yet.
    fn watch(&self) -> Box<dyn WatchTail>;
    /// The first record at or after a time.
    fn offset_for_time(
        &self,
        partition: PartitionId,
        timestamp: TimestampMs,
    ) -> BoxFuture<'_, Result<Option<(Offset, TimestampMs)>, ReadError>>;
    /// The first record with the greatest timestamp.
    fn offset_of_max_timestamp(
        &self,
        partition: PartitionId,
    ) -> BoxFuture<'_, Result<Option<(Offset, TimestampMs)>, ReadError>>;
    /// The partition's bounds, confirmed.
    fn bounds(&self, partition: PartitionId) -> BoxFuture<'_, Result<PartitionView, ReadError>>;
}

/// See [`Watch`].
pub trait WatchTail: Send {
    /// Interest in a partition from now on.
    fn add(&mut self, partition: PartitionId);
    /// No more interest in a partition.
    fn remove(&mut self, partition: PartitionId);
    /// Those that have changed since this was asked last.
    fn take_changed(&mut self) -> Vec<PartitionId>;
    /// Resolves when there are some to be taken.
    fn changed(&mut self) -> BoxFuture<'_, ()>;
}

impl Appender for Ingest {
    fn reserve(&self, bytes: usize) -> BoxFuture<'_, Option<Arc<Reservation>>> {
        async move { Some(Arc::new(Ingest::reserve(self, bytes).await)) }.boxed()
    }

    fn reserve_more(&self, first: Option<Arc<Reservation>>, bytes: usize) -> Result<Option<Arc<Reservation>>, NoRoom> {
        Ingest::reserve_more(self, first, bytes).map(Some).ok_or(NoRoom)
    }

    fn append(&self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        // Not inside an async block: the place in the order is taken by this call.
        Ingest::append(self, append).boxed()
    }
}

impl Reader for Fetch {
    fn read(&self, read: Read) -> BoxFuture<'_, Result<ReadOutcome, ReadError>> {
        Fetch::read(self, read).boxed()
    }

    fn watch(&self) -> Box<dyn WatchTail> {
        Box::new(Fetch::watch(self))
    }

    fn offset_for_time(
        &self,
        partition: PartitionId,
        timestamp: TimestampMs,
    ) -> BoxFuture<'_, Result<Option<(Offset, TimestampMs)>, ReadError>> {
        Fetch::offset_for_time(self, partition, timestamp).boxed()
    }

    fn offset_of_max_timestamp(
        &self,
        partition: PartitionId,
    ) -> BoxFuture<'_, Result<Option<(Offset, TimestampMs)>, ReadError>> {
        Fetch::offset_of_max_timestamp(self, partition).boxed()
    }

    fn bounds(&self, partition: PartitionId) -> BoxFuture<'_, Result<PartitionView, ReadError>> {
        Fetch::bounds(self, partition).boxed()
    }
}

impl WatchTail for Watch {
    fn add(&mut self, partition: PartitionId) {
        Watch::add(self, partition);
    }

    fn remove(&mut self, partition: PartitionId) {
        Watch::remove(self, partition);
    }

    fn take_changed(&mut self) -> Vec<PartitionId> {
        Watch::take_changed(self)
    }

    fn changed(&mut self) -> BoxFuture<'_, ()> {
        Watch::changed(self).boxed()
    }
}
