//! The one way to read objects.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use tidelog_blob::{BlobStore, Key};
use tidelog_host::tasks::OnPanic;
use tidelog_host::{Tasks, follow};
use tidelog_model::ObjectId;
use tidelog_model::limits::CACHE_BLOCK_BYTES;
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::flights::{Flight, Flights, Loaded};
use crate::loader::{Loader, RUN_BLOCKS_MAX};
use crate::metrics::Metrics;
use crate::written::Written;
use crate::{BlockCache, BlockKey, Origin, ReadBytes, ReadError};

/// How much an [`ObjectReader`] may hold and do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderLimits {
    /// Objects just written are kept up to this: trades memory for reads of the tail without a copy.
    pub written_bytes_max: usize,
    /// GETs under way. Each may hold four blocks.
    pub loads_max: usize,
}

impl Default for ReaderLimits {
    fn default() -> ReaderLimits {
        ReaderLimits { written_bytes_max: 96 * 1024 * 1024, loads_max: 16 }
    }
}

/// What an [`ObjectReader`] holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReaderUsage {
    /// Bytes of objects just written that are held.
    pub written_bytes: u64,
    /// Pieces that were read from what was just written or from the block cache.
    pub hits: u64,
    /// Pieces that the store was asked for.
    pub misses: u64,
}

/// Reads ranges of objects: from objects just written, then from the block cache, then from the store, once for all who
/// wait. Clones share everything.
///
/// Blocks are asked of the store whole and may come back shorter, which means that the object ends there; nobody needs to
/// know an object's length. A cached block that does not reach far enough is a miss, so a block that was cut short on its
/// way costs another GET and never a wrong answer.
#[derive(Clone)]
pub struct ObjectReader {
    inner: Arc<Inner>,
}

struct Inner {
    written: Written,
    flights: Arc<Flights>,
    loader: Loader,
    tasks: Tasks,
}

/// The part of a block that a read needs.
struct Wanted {
    key: BlockKey,
    part: Range<usize>,
}

impl ObjectReader {
    /// A reader of the objects in `blob` that are named by `key_of`. `blocks` should hold blocks of this cluster and
    /// incarnation only.
    #[must_use]
    pub fn new(
        blob: Arc<dyn BlobStore>,
        blocks: Arc<dyn BlockCache>,
        key_of: impl Fn(ObjectId) -> Key + Send + Sync + 'static,
        limits: ReaderLimits,
        tasks: Tasks,
    ) -> ObjectReader {
        let permits = Semaphore::new(limits.loads_max);
        let loader = Loader { blob, blocks, key_of: Box::new(key_of), permits, metrics: Metrics::new() };
        let written = Written::new(limits.written_bytes_max);
        ObjectReader { inner: Arc::new(Inner { written, flights: Arc::default(), loader, tasks }) }
    }

    /// Keeps an object that this node has just written, as the pieces it was written from. It is let go when newer ones
    /// need the room; the block cache then fills from the store with what is still read.
    pub fn insert_written(&self, object: ObjectId, parts: Vec<Bytes>) {
        let bytes = self.inner.written.insert(object, parts);
        self.inner.loader.metrics.written_bytes.set(bytes as f64);
    }

    /// What it holds and has done.
    #[must_use]
    pub fn usage(&self) -> ReaderUsage {
        let (hits, misses) = self.inner.loader.metrics.hits_and_misses();
        ReaderUsage { written_bytes: self.inner.written.bytes() as u64, hits, misses }
    }

    /// Reads `range`, which is not empty. The bytes are what some layer believes to be that range: whoever knows what
    /// they should be checks them, and uses [`ObjectReader::reread`] when they are not. A cancelled caller leaves a load
    /// behind that still fills the cache.
    ///
    /// # Errors
    /// When the store fails, or the object ends before the range does.
    pub async fn read(&self, object: ObjectId, range: Range<u32>) -> Result<ReadBytes, ReadError> {
        assert!(range.start < range.end, "a read is of something");
        let metrics = &self.inner.loader.metrics;
        if let Some(parts) = self.inner.written.read(object, range.start as usize..range.end as usize) {
            metrics.piece(Origin::Written, range.len());
            return Ok(ReadBytes { parts, origin: Origin::Written, held_bytes: 0 });
        }
        let wanted = wanted_blocks(object, &range);
        let mut parts = Vec::with_capacity(wanted.len());
        let (mut origin, mut held_bytes) = (Origin::Cache, 0);
        for (wanted, loaded) in wanted.iter().zip(self.blocks(&wanted).await?) {
            if loaded.block.len() < wanted.part.end {
                return Err(ReadError::TooShort { object, end: range.end });
            }
            metrics.piece(loaded.origin, wanted.part.len());
            origin = origin.max(loaded.origin);
            held_bytes += loaded.block.len();
            parts.push(loaded.block.slice(wanted.part.clone()));
        }
        Ok(ReadBytes { parts, origin, held_bytes })
    }

    /// Begins to bring `range`, which is not empty, into the block cache, and waits for nothing: for whoever will soon read
    /// it. Does nothing when it was just written, when as many loads wait as may be under way, or for blocks whose load is.
    pub fn load(&self, object: ObjectId, range: Range<u32>) {
        assert!(range.start < range.end, "a load is of something");
        let inner = &self.inner;
        if inner.loader.permits.available_permits() == 0 || inner.written.holds(object) {
            return;
        }
        let wanted = wanted_blocks(object, &range);
        let flights = wanted.iter().filter_map(|wanted| inner.flights.join(wanted.key, wanted.part.end).1).collect();
        self.spawn_loads(flights);
    }

    /// Reads `range`, which is not empty, with a GET of its own, and makes every layer forget what it holds of it: after
    /// a read has returned something else than was written. A cancelled caller leaves nothing behind.
    ///
    /// # Errors
    /// When the store fails, or the object ends before the range does.
    pub async fn reread(&self, object: ObjectId, range: Range<u32>) -> Result<ReadBytes, ReadError> {
        assert!(range.start < range.end, "a read is of something");
        let loader = &self.inner.loader;
        loader.metrics.rereads.increment(1);
        loader.metrics.written_bytes.set(self.inner.written.remove(object) as f64);
        for wanted in wanted_blocks(object, &range) {
            loader.blocks.remove(wanted.key);
        }
        let bytes = loader.get_fresh(object, u64::from(range.start)..u64::from(range.end)).await?;
        if bytes.len() != range.len() {
            return Err(ReadError::TooShort { object, end: range.end });
        }
        loader.metrics.piece(Origin::Store, bytes.len());
        Ok(ReadBytes { held_bytes: bytes.len(), parts: vec![bytes], origin: Origin::Store })
    }

    /// The blocks in order, from the cache or from loads.
    async fn blocks(&self, wanted: &[Wanted]) -> Result<Vec<Loaded>, ReadError> {
        let cached = join_all(wanted.iter().map(|wanted| self.inner.loader.blocks.get(wanted.key))).await;
        let mut begun = Vec::new();
        let mut waits = Vec::with_capacity(wanted.len());
        for (wanted, cached) in wanted.iter().zip(cached) {
            if let Some(block) = cached.filter(|block| block.len() >= wanted.part.end) {
                waits.push(Ok(Loaded { block, origin: Origin::Cache }));
            } else {
                let (waiter, flight) = self.inner.flights.join(wanted.key, wanted.part.end);
                waits.push(Err(waiter));
                begun.extend(flight);
            }
        }
        self.spawn_loads(begun);
        let mut loaded = Vec::with_capacity(waits.len());
        for wait in waits {
            loaded.push(match wait {
                Ok(cached) => cached,
                Err(waiter) => waiter.wait().await?,
            });
        }
        Ok(loaded)
    }

    fn spawn_loads(&self, flights: Vec<Flight>) {
        for run in runs(flights) {
            let inner = Arc::clone(&self.inner);
            // A panic loses this load only: its flights are dropped, which tells those who wait.
            let span = follow!("load", blocks = run.len());
            let load = async move { inner.loader.load(run).await };
            self.inner.tasks.spawn_detached("block load", OnPanic::Continue, load.instrument(span));
        }
    }
}

fn wanted_blocks(object: ObjectId, range: &Range<u32>) -> Vec<Wanted> {
    const BLOCK: u32 = CACHE_BLOCK_BYTES as u32;
    (range.start / BLOCK..=(range.end - 1) / BLOCK)
        .map(|block| {
            let begin = u64::from(block) * u64::from(BLOCK);
            let from = u64::from(range.start).saturating_sub(begin);
            let to = (u64::from(range.end) - begin).min(u64::from(BLOCK));
            Wanted { key: BlockKey { object, block }, part: from as usize..to as usize }
        })
        .collect()
}

/// Groups flights, which are in block order, into runs of consecutive blocks.
fn runs(flights: Vec<Flight>) -> Vec<Vec<Flight>> {
    let mut runs: Vec<Vec<Flight>> = Vec::new();
    for flight in flights {
        match runs.last_mut() {
            Some(run)
                if run.len() < RUN_BLOCKS_MAX
                    && run.last().is_some_and(|last| last.key.block + 1 == flight.key.block) =>
            {
                run.push(flight);
            }
            _ => runs.push(vec![flight]),
        }
    }
    runs
}

#[cfg(test)]
#[path = "reader_test.rs"]
mod tests;
