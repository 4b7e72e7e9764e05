//! Loads runs of blocks from the store into the block cache.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tidelog_blob::{BlobStore, Key, Purpose};
use tidelog_model::ObjectId;
use tidelog_model::limits::CACHE_BLOCK_BYTES;
use tokio::sync::Semaphore;

use crate::flights::{Flight, Loaded};
use crate::metrics::Metrics;
use crate::{BlockCache, BlockKey, Origin, ReadError};

/// Consecutive blocks that one GET may bring: with the bound on concurrent loads this bounds their memory.
pub(crate) const RUN_BLOCKS_MAX: usize = 4;

pub(crate) struct Loader {
    pub(crate) blob: Arc<dyn BlobStore>,
    pub(crate) blocks: Arc<dyn BlockCache>,
    pub(crate) key_of: Box<dyn Fn(ObjectId) -> Key + Send + Sync>,
    pub(crate) permits: Semaphore,
    pub(crate) metrics: Metrics,
}

impl Loader {
    /// Carries out the flights of consecutive blocks of one object. Runs in a task of its own, so that a reader that
    /// gives up does not take the block away from the others.
    pub(crate) async fn load(&self, flights: Vec<Flight>) {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let mut run = Vec::new();
        for flight in flights {
            // Another load may have landed after the reader looked into the cache and before it began this flight.
            if let Some(block) = self.blocks.get(flight.key).await.filter(|block| block.len() >= flight.needed) {
                self.load_run(std::mem::take(&mut run)).await;
                flight.land(Ok(Loaded { block, origin: Origin::Cache }));
            } else {
                run.push(flight);
            }
        }
        self.load_run(run).await;
    }

    async fn load_run(&self, run: Vec<Flight>) {
        let Some(first) = run.first().map(|flight| flight.key) else { return };
        let from = u64::from(first.block) * CACHE_BLOCK_BYTES as u64;
        let range = from..from + (run.len() * CACHE_BLOCK_BYTES) as u64;
        let loaded = self.get_up_to(first.object, range).await;
        let alone = run.len() == 1;
        for (index, flight) in run.into_iter().enumerate() {
            let outcome = loaded.clone().and_then(|bytes| block_of(&bytes, index, alone, flight.key));
            if let Ok(block) = &outcome {
                self.blocks.insert(flight.key, block.clone());
            }
            flight.land(outcome.map(|block| Loaded { block, origin: Origin::Store }));
        }
    }

    async fn get_up_to(&self, object: ObjectId, range: Range<u64>) -> Result<Bytes, ReadError> {
        let result = self.blob.get_up_to(&(self.key_of)(object), range, Purpose::Read).await;
        self.count_load(result.as_ref().ok().map(Bytes::len));
        Ok(result?)
    }

    /// One GET of exactly `range`, past all caches.
    pub(crate) async fn get_fresh(&self, object: ObjectId, range: Range<u64>) -> Result<Bytes, ReadError> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let result = self.blob.get(&(self.key_of)(object), range, Purpose::Read).await;
        self.count_load(result.as_ref().ok().map(Bytes::len));
        Ok(result?)
    }

    fn count_load(&self, bytes: Option<usize>) {
        self.metrics.loads.increment(1);
        match bytes {
            Some(bytes) => self.metrics.load_bytes.increment(bytes as u64),
            None => self.metrics.load_errors.increment(1),
        }
    }
}

/// The block at `index` of a run. A slice would keep the memory of the whole run alive for as long as any cache or
/// reader holds it, uncounted; so the blocks of a longer run are copied.
fn block_of(run: &Bytes, index: usize, alone: bool, key: BlockKey) -> Result<Bytes, ReadError> {
    let from = index * CACHE_BLOCK_BYTES;
    let to = run.len().min(from + CACHE_BLOCK_BYTES);
    if from >= to {
        let end = (u64::from(key.block) * CACHE_BLOCK_BYTES as u64 + 1) as u32;
        return Err(ReadError::TooShort { object: key.object, end });
    }
    Ok(if alone { run.slice(from..to) } else { Bytes::copy_from_slice(&run[from..to]) })
}
