//! Counters: how much is read, from where, and what that costs the store.

use std::sync::atomic::{AtomicU64, Ordering};

use tidelog_host::declare_metrics;
use tidelog_host::metric::{Counter, Gauge, counter, gauge};

use crate::Origin;

declare_metrics! {
    counter PIECES_TOTAL = "tidelog_cache_pieces_total", ["layer"],
        "Pieces of objects that were read, by who had them: `written` (just written here), `cache`, or the `store`. Is the \
         cache large enough?";
    counter PIECE_BYTES_TOTAL = "tidelog_cache_piece_bytes_total", ["layer"],
        "Bytes of those pieces. How much of what is read comes from where?";
    counter LOADS_TOTAL = "tidelog_cache_loads_total", [],
        "GETs for the cache. Does one load serve all who wait?";
    counter LOAD_BYTES_TOTAL = "tidelog_cache_load_bytes_total", [],
        "Bytes that they brought: more than were asked for, because blocks are loaded whole. What does that cost?";
    counter LOAD_ERRORS_TOTAL = "tidelog_cache_load_errors_total", [],
        "GETs for the cache that failed. Can readers get what is not here?";
    counter REREADS_TOTAL = "tidelog_cache_rereads_total", [],
        "Reads repeated past all caches because bytes were not what was written. Is something damaging them?";
    gauge WRITTEN_BYTES = "tidelog_cache_written_bytes", [],
        "Bytes of objects just written that are held. How far back does the tail reach in memory?";
}

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
