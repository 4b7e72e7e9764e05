//! Counters: how much is read, from where, and what that costs the store.

use std::sync::atomic::{AtomicU64, Ordering};

use tidelog_host::metric::{Counter, Gauge, counter, gauge};

use crate::Origin;

/// Reads by the layer that answered (`written`, `cache`, `store`): is the hot window large enough?
pub(crate) const PIECES_TOTAL: &str = "tidelog_cache_pieces_total";
/// Bytes of those.
pub(crate) const PIECE_BYTES_TOTAL: &str = "tidelog_cache_piece_bytes_total";
/// GETs: does single flight hold?
pub(crate) const LOADS_TOTAL: &str = "tidelog_cache_loads_total";
/// Bytes they brought: more than were asked for, because blocks are loaded whole.
pub(crate) const LOAD_BYTES_TOTAL: &str = "tidelog_cache_load_bytes_total";
/// GETs that failed.
pub(crate) const LOAD_ERRORS_TOTAL: &str = "tidelog_cache_load_errors_total";
/// Reads repeated past all caches because bytes were not what was written: is something damaging them?
pub(crate) const REREADS_TOTAL: &str = "tidelog_cache_rereads_total";
/// Bytes of objects just written that are held.
pub(crate) const WRITTEN_BYTES: &str = "tidelog_cache_written_bytes";

pub(crate) struct Metrics {
    layers: [(Counter, Counter); 3],
    /// Those that were here, and those that the store was asked for: counted beside, as handles of counters cannot be read.
    hits: AtomicU64,
    misses: AtomicU64,
    pub(crate) loads: Counter,
    pub(crate) load_bytes: Counter,
    pub(crate) load_errors: Counter,
    pub(crate) rereads: Counter,
    pub(crate) written_bytes: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let layer = |name| (counter!(PIECES_TOTAL, "layer" => name), counter!(PIECE_BYTES_TOTAL, "layer" => name));
        Metrics {
            layers: [layer("written"), layer("cache"), layer("store")],
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            loads: counter!(LOADS_TOTAL),
            load_bytes: counter!(LOAD_BYTES_TOTAL),
            load_errors: counter!(LOAD_ERRORS_TOTAL),
            rereads: counter!(REREADS_TOTAL),
            written_bytes: gauge!(WRITTEN_BYTES),
        }
    }

    pub(crate) fn piece(&self, origin: Origin, bytes: usize) {
        let ((pieces, piece_bytes), counted) = match origin {
            Origin::Written => (&self.layers[0], &self.hits),
            Origin::Cache => (&self.layers[1], &self.hits),
            Origin::Store => (&self.layers[2], &self.misses),
        };
        counted.fetch_add(1, Ordering::Relaxed);
        pieces.increment(1);
        piece_bytes.increment(bytes as u64);
    }

    /// Pieces that were here, and pieces that the store was asked for.
    pub(crate) fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}
