//! What the read path counts. Handles are made once: every read passes some of them.

use tidelog_host::declare_metrics;
use tidelog_host::metric::{Counter, counter};

declare_metrics! {
    counter READS = "tidelog_fetch_reads_total", [],
        "Reads of a partition that gave an answer, also an empty one. How much is asked for?";
    counter BYTES = "tidelog_fetch_bytes_total", [],
        "Bytes of records that were delivered. How much is read?";
    counter REPLANS = "tidelog_fetch_replans_total", [],
        "Reads begun anew because their records moved meanwhile. Do readers chase the mover?";
    counter AHEAD = "tidelog_fetch_ahead_total", [],
        "Loads ahead of a reader who replays. Does it work?";
    counter REREADS = "tidelog_fetch_rereads_total", [],
        "Reads repeated because what came was not what was written. Is a cache or the store damaging bytes?";
    counter DAMAGED = "tidelog_fetch_damaged_total", [],
        "Reads that failed because stored records are damaged. Are records lost?";
}

/// Of the door to the read path.
pub(crate) struct ReadMeters {
    pub(crate) reads: Counter,
    pub(crate) bytes: Counter,
    pub(crate) replans: Counter,
    pub(crate) ahead: Counter,
}

impl ReadMeters {
    pub(crate) fn new() -> ReadMeters {
        ReadMeters {
            reads: counter!(READS),
            bytes: counter!(BYTES),
            replans: counter!(REPLANS),
            ahead: counter!(AHEAD),
        }
    }
}

pub(crate) fn reread() {
    counter!(REREADS).increment(1);
}

pub(crate) fn damaged() {
    counter!(DAMAGED).increment(1);
}
