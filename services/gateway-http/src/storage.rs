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
    /// Waits for room for records; what is returned goes along with each of their appends.
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
    /// Interest in some partitions from now on.
    fn watch(&self, partitions: &[PartitionId]) -> Box<dyn WatchTail>;
    /// The first record at or after a time.
    fn offset_for_time(
        &self,
        partition: PartitionId,
        timestamp: TimestampMs,
    ) -> BoxFuture<'_, Result<Option<(Offset, TimestampMs)>, ReadError>>;
    /// The partition's bounds, confirmed.
    fn bounds(&self, partition: PartitionId) -> BoxFuture<'_, Result<PartitionView, ReadError>>;
}

/// See [`Watch`].
pub trait WatchTail: Send {
    /// Resolves when one of the partitions has advanced since the watch was made.
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

    fn watch(&self, partitions: &[PartitionId]) -> Box<dyn WatchTail> {
        let mut watch = Fetch::watch(self);
        partitions.iter().for_each(|partition| watch.add(*partition));
        Box::new(watch)
    }

    fn offset_for_time(
        &self,
        partition: PartitionId,
        timestamp: TimestampMs,
    ) -> BoxFuture<'_, Result<Option<(Offset, TimestampMs)>, ReadError>> {
        Fetch::offset_for_time(self, partition, timestamp).boxed()
    }

    fn bounds(&self, partition: PartitionId) -> BoxFuture<'_, Result<PartitionView, ReadError>> {
        Fetch::bounds(self, partition).boxed()
    }
}

impl WatchTail for Watch {
    fn changed(&mut self) -> BoxFuture<'_, ()> {
        async move {
            Watch::changed(self).await;
            // Whoever waits reads all of its partitions then, and waits again.
            self.take_changed();
        }
        .boxed()
    }
}
