//! What the write path counts. Handles are made once: an append passes several of them.

use std::time::Duration;

use tidelog_host::declare_metrics;
use tidelog_host::metric::{Counter, Histogram, counter, gauge, histogram};
use tidelog_model::ErrorKind;

declare_metrics! {
    seconds APPEND_SECONDS = "tidelog_ingest_append_seconds", [],
        "From the moment when a batch has its place in the order until it is durable and committed. How long is an \
         acknowledgement?";
    counter RECORDS = "tidelog_ingest_records_total", [],
        "Records that were acknowledged. How much is written?";
    counter RECORD_BYTES = "tidelog_ingest_record_bytes_total", [],
        "Bytes of their batches, as stored. How much is written?";
    counter PARKED = "tidelog_ingest_parked_total", [],
        "Batches that came ahead of their producer's sequence and waited for what is before them. Do producers reorder?";
    counter REFUSED = "tidelog_ingest_refused_total", ["kind"],
        "Batches that were not acknowledged, by what is to be done about it. What do producers get instead?";
    counter FLUSHES = "tidelog_ingest_flushes_total", ["kind"],
        "Flushes, `inline` in the catalog's log or as an `object`. How much does each cost?";
    bytes FLUSH_BYTES = "tidelog_ingest_flush_bytes", [],
        "Bytes of a flush. Are requests to the store worth their price?";
    seconds UPLOAD_SECONDS = "tidelog_ingest_upload_seconds", [],
        "Time to put an object, the store's retries included. Is the store what appends wait for?";
    counter INLINE_MOVED = "tidelog_ingest_inline_moved_total", [],
        "Extents that were moved from the catalog's log into objects. Does the mover keep up?";
    gauge IN_FLIGHT_BYTES = "tidelog_ingest_in_flight_bytes", [],
        "Bytes received and not yet resolved. Is the bound near, at which sockets are not read?";
    gauge IN_FLIGHT_BYTES_MAX = "tidelog_ingest_in_flight_bytes_max", [],
        "Bytes that may be so, by `in_flight_bytes_max`. Is it as large as this load wants it?";
}

/// Of the lane that seals.
pub(crate) struct SealMeters {
    inline: Counter,
    objects: Counter,
    bytes: Histogram,
}

impl SealMeters {
    pub(crate) fn new() -> SealMeters {
        let flushes = |kind| counter!(FLUSHES, "kind" => kind);
        SealMeters { inline: flushes("inline"), objects: flushes("object"), bytes: histogram!(FLUSH_BYTES) }
    }

    pub(crate) fn sealed(&self, inline: bool, bytes: usize) {
        if inline { &self.inline } else { &self.objects }.increment(1);
        self.bytes.record(bytes as f64);
    }
}

/// Of the committer, which answers.
pub(crate) struct CommitMeters {
    seconds: Histogram,
    records: Counter,
    bytes: Counter,
    parked: Counter,
}

impl CommitMeters {
    pub(crate) fn new() -> CommitMeters {
        // There from the beginning, so that the first failure is seen as one more.
        ErrorKind::ALL.iter().for_each(|kind| drop(counter!(REFUSED, "kind" => kind.as_str())));
        CommitMeters {
            seconds: histogram!(APPEND_SECONDS),
            records: counter!(RECORDS),
            bytes: counter!(RECORD_BYTES),
            parked: counter!(PARKED),
        }
    }

    /// Acknowledged, also when it had landed before.
    pub(crate) fn acknowledged(&self, took: Duration, records: u32, bytes: usize) {
        self.seconds.record(took.as_secs_f64());
        self.records.increment(u64::from(records));
        self.bytes.increment(bytes as u64);
    }

    pub(crate) fn parked(&self) {
        self.parked.increment(1);
    }
}

/// Failures are rare, or many enough that this is the least of it.
pub(crate) fn refused(kind: ErrorKind) {
    counter!(REFUSED, "kind" => kind.as_str()).increment(1);
}

pub(crate) fn uploaded(took: Duration) {
    histogram!(UPLOAD_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn moved(extents: u64) {
    counter!(INLINE_MOVED).increment(extents);
}

pub(crate) fn in_flight(bytes: usize, bytes_max: usize) {
    gauge!(IN_FLIGHT_BYTES).set(bytes as f64);
    gauge!(IN_FLIGHT_BYTES_MAX).set(bytes_max as f64);
}
