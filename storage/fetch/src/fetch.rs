//! The door to the read path.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tidelog_cache::ObjectReader;
use tidelog_catalog_api::{Catalog, Extent, ExtentPlan, PartitionView};
use tidelog_host::follow;
use tidelog_model::{Offset, PartitionId, mutant};
use tracing::{Instrument, field};

use crate::ReadError;
use crate::delivery::Delivery;
use crate::hints::Hints;
use crate::meters::ReadMeters;
use crate::read_ahead::ReadAhead;
use crate::scan::{Scan, ScanError};
use crate::tail::{Tails, Watch};

/// How often an extent may move while it is being read before the read gives up.
const REPLANS_MAX: usize = 8;
/// Bytes asked of an extent at once: at least, and at most.
const WINDOW_BYTES_MIN: usize = 64 << 10;
const WINDOW_BYTES_MAX: usize = 4 << 20;
/// Extents of one read that are waited for side by side: neighbours are in different objects, as a rule.
const EXTENTS_AT_ONCE: usize = 8;

/// The read path of one node.
pub struct Fetch {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) reader: Arc<ObjectReader>,
    tails: Arc<Tails>,
    hints: Hints,
    pub(crate) read_ahead: ReadAhead,
    pub(crate) meters: ReadMeters,
}

/// What to read.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// From which partition.
    pub partition: PartitionId,
    /// The first record wanted; the batch that holds it is delivered whole.
    pub offset: Offset,
    /// Bytes at most.
    pub bytes_max: usize,
    /// The first batch is delivered even when it is larger than `bytes_max`.
    pub at_least_one: bool,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct ReadOutcome {
    /// Of all chunks.
    pub bytes: usize,
    /// Whole batches with their final offsets, in order.
    pub chunks: Vec<Bytes>,
    /// The partition's bounds; of an empty read, confirmed.
    pub partition: PartitionView,
}

impl Fetch {
    /// A read path over this catalog and these objects.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>, reader: Arc<ObjectReader>) -> Arc<Fetch> {
        let tails = Tails::new();
        catalog.listen(tails.clone());
        let (hints, read_ahead, meters) = (Hints::new(), ReadAhead::default(), ReadMeters::new());
        Arc::new(Fetch { catalog, reader, tails, hints, read_ahead, meters })
    }

    /// Reads batches from an offset on. At the tail the outcome is empty. A cancelled caller leaves nothing behind.
    ///
    /// # Errors
    /// [`ReadError`]; its negatives are confirmed.
    pub async fn read(&self, read: Read) -> Result<ReadOutcome, ReadError> {
        let span = follow!("read", partition = read.partition.index, offset = read.offset.0, bytes = field::Empty);
        let outcome = self.read_now(read).instrument(span.clone()).await;
        if let Ok(outcome) = &outcome {
            span.record("bytes", outcome.bytes);
        }
        outcome
    }

    async fn read_now(&self, read: Read) -> Result<ReadOutcome, ReadError> {
        for _ in 0..REPLANS_MAX {
            let plan = self.plan(read.partition, read.offset, read.bytes_max).await?;
            match self.deliver(&read, &plan).await {
                Ok(outcome) => {
                    self.meters.reads.increment(1);
                    self.meters.bytes.increment(outcome.bytes as u64);
                    return Ok(outcome);
                }
                Err(ScanError::Moved) => self.meters.replans.increment(1),
                Err(ScanError::Read(error)) => return Err(error),
            }
        }
        Err(ReadError::Unavailable("the records kept moving while they were read".into()))
    }

    /// Interest in no partition yet. To wait for records, add a partition, read, and wait only when the read was empty.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.tails.watch()
    }

    /// A partition's bounds, confirmed: nothing acknowledged before the call is missing in them.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`], or the catalog does not answer.
    pub async fn bounds(&self, partition: PartitionId) -> Result<PartitionView, ReadError> {
        self.catalog.read_barrier().await?;
        self.catalog.partition(partition).ok_or(ReadError::UnknownPartition)
    }

    /// The extents to read. Only a plan that has some may come from a view that is not confirmed.
    async fn plan(&self, partition: PartitionId, from: Offset, bytes_max: usize) -> Result<ExtentPlan, ReadError> {
        if let Some(plan) = self.catalog.extents(partition, from, bytes_max)
            && !plan.extents.is_empty()
        {
            return Ok(plan);
        }
        if !mutant!("stale-negative") {
            self.catalog.read_barrier().await?;
        }
        let plan = self.catalog.extents(partition, from, bytes_max).ok_or(ReadError::UnknownPartition)?;
        if plan.extents.is_empty() && from != plan.partition.high_watermark {
            return Err(ReadError::OutOfRange { view: plan.partition });
        }
        Ok(plan)
    }

    async fn deliver(&self, read: &Read, plan: &ExtentPlan) -> Result<ReadOutcome, ScanError> {
        let mut out = Delivery::default();
        let mut next = None;
        let mut from_store = false;
        let mut scans = self.scans(read, plan);
        let mut begun: FuturesOrdered<_> = scans.by_ref().take(EXTENTS_AT_ONCE).map(Scan::begin).collect();
        'extents: while let Some(scan) = begun.next().await {
            begun.extend(scans.next().map(Scan::begin));
            let left = read.bytes_max.saturating_sub(out.bytes());
            if left == 0 && out.bytes() > 0 {
                break;
            }
            let mut scan = match scan {
                Ok(scan) => scan,
                // What came before is good; whoever comes back for the rest hears of it.
                Err(_) if out.bytes() > 0 => break,
                Err(error) => return Err(error),
            };
            loop {
                let batch = match scan.next().await {
                    Ok(Some(batch)) => batch,
                    Ok(None) => break,
                    Err(_) if out.bytes() > 0 => break 'extents,
                    Err(error) => return Err(error),
                };
                if batch.end_offset() <= read.offset {
                    // What follows it is of the same window.
                    out.begin_window(batch.new_window);
                    continue;
                }
                let is_free = out.bytes() == 0 && read.at_least_one;
                if !is_free && out.bytes() + batch.header.bytes > read.bytes_max {
                    self.hints.remember(read.partition, batch.base_offset, scan.extent, batch.skip);
                    break 'extents;
                }
                next = Some(batch.end_offset());
                out.push(batch);
            }
            from_store |= scan.from_store;
        }
        drop(begun);
        if let Some(next) = next {
            self.read_ahead(read.partition, next, from_store);
        }
        Ok(ReadOutcome { bytes: out.bytes(), chunks: out.finish(), partition: plan.partition })
    }

    /// Walks over the planned extents, each with a first window of what will be left for it if all before it is delivered.
    fn scans<'a>(&'a self, read: &'a Read, plan: &'a ExtentPlan) -> impl Iterator<Item = Scan<'a>> {
        let mut left = read.bytes_max;
        plan.extents.iter().map(move |extent| {
            let (skip, offset) = self.start(read, extent);
            let window = left.clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_MAX);
            left = left.saturating_sub((extent.bytes() - skip) as usize);
            Scan::new(&self.catalog, &self.reader, read.partition, extent, (skip, offset), window)
        })
    }

    /// Where to enter an extent: how many bytes in, and at which offset.
    fn start(&self, read: &Read, extent: &Extent) -> (u32, Offset) {
        if read.offset <= extent.base_offset {
            return (0, extent.base_offset);
        }
        match self.hints.recall(read.partition, read.offset, extent) {
            Some(skip) => (skip, read.offset),
            None => (0, extent.base_offset),
        }
    }
}
