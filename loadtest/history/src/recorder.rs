//! Writing a history while it happens, from many threads.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::event::{Bounds, Condition, Event, FenceOutcome, Outcome, Place, Seen, What};
use crate::payload::{Payload, checksum};

/// A history file that is being written. Shared between threads by reference.
///
/// Events are stamped under the same lock that writes them, so the file is in time order.
pub struct Recorder {
    began: Instant,
    operations: AtomicU64,
    records: AtomicU64,
    file: Mutex<BufWriter<File>>,
}

/// What a client promises about its own retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarantees {
    /// It lands a record at most once.
    pub idempotent: bool,
    /// It keeps the order of its records in a partition.
    pub ordered: bool,
}

/// An append to be recorded and sent.
#[derive(Clone, Debug)]
pub struct Append {
    /// Its operation, for [`Recorder::append_ends`].
    pub operation: u64,
    /// The record's id.
    pub record: u64,
    /// The bytes to send.
    pub bytes: Vec<u8>,
}

impl Recorder {
    /// Begins a history at `path`; an older file is replaced.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path) -> std::io::Result<Recorder> {
        let file = Mutex::new(BufWriter::new(File::create(path)?));
        Ok(Recorder { began: Instant::now(), operations: AtomicU64::new(1), records: AtomicU64::new(1), file })
    }

    /// Makes a record of at least `bytes_min` and notes that it is about to be sent.
    pub fn append_begins(
        &self,
        process: u32,
        place: &Place,
        sequence: u64,
        guarantees: Guarantees,
        protocol: &str,
        bytes_min: usize,
    ) -> Append {
        let operation = self.operations.fetch_add(1, Ordering::Relaxed);
        let record = self.records.fetch_add(1, Ordering::Relaxed);
        let bytes = Payload { place: place.clone(), record, process, sequence }.encode(bytes_min);
        let what = What::AppendInvoked {
            place: place.clone(),
            record,
            sequence,
            idempotent: guarantees.idempotent,
            ordered: guarantees.ordered,
            slot: None,
            checksum: checksum(&bytes),
            node: String::new(),
            protocol: protocol.to_owned(),
        };
        self.write(process, operation, what);
        Append { operation, record, bytes }
    }

    /// Notes what the append asks for that has just begun.
    pub fn append_asks(&self, process: u32, operation: u64, condition: Condition) {
        self.write(process, operation, What::AppendCondition { condition });
    }

    /// Notes that a fence is about to be raised; the answer is noted with [`Recorder::fence_ends`].
    pub fn fence_begins(&self, process: u32, place: &Place, token: u64) -> u64 {
        let operation = self.operations.fetch_add(1, Ordering::Relaxed);
        self.write(process, operation, What::FenceInvoked { place: place.clone(), token });
        operation
    }

    /// Notes how that ended.
    pub fn fence_ends(&self, process: u32, operation: u64, outcome: FenceOutcome) {
        self.write(process, operation, What::FenceCompleted { outcome });
    }

    /// Notes how an append ended.
    pub fn append_ends(&self, process: u32, operation: u64, outcome: Outcome) {
        self.write(process, operation, What::AppendCompleted { outcome });
    }

    /// Notes that a read is about to be sent; the answer is noted with [`Recorder::read_ends`].
    pub fn read_begins(&self, process: u32, place: &Place, from: u64, protocol: &str) -> u64 {
        let operation = self.operations.fetch_add(1, Ordering::Relaxed);
        let (place, protocol) = (place.clone(), protocol.to_owned());
        self.write(process, operation, What::ReadInvoked { place, from, node: String::new(), protocol });
        operation
    }

    /// Notes that a read returned all of `[from, next)`. `last` marks the full read at the end of the run.
    pub fn read_ends(
        &self,
        process: u32,
        operation: u64,
        next: u64,
        records: Vec<Seen>,
        bounds: Option<Bounds>,
        last: bool,
    ) {
        self.write(process, operation, What::ReadCompleted { next, records, bounds, last });
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// The disk's.
    pub fn flush(&self) -> std::io::Result<()> {
        self.file.lock().expect("a writer that panicked ended the run").flush()
    }

    fn write(&self, process: u32, operation: u64, what: What) {
        let mut file = self.file.lock().expect("a writer that panicked ended the run");
        let at_us = u64::try_from(self.began.elapsed().as_micros()).expect("a run is shorter than 500,000 years");
        let line = serde_json::to_vec(&Event { at_us, process, operation, what }).expect("events are plain data");
        file.write_all(&line).and_then(|()| file.write_all(b"\n")).expect("a run without its history proves nothing");
    }
}

impl Seen {
    /// A record as read: `bytes` is its payload.
    #[must_use]
    pub fn read(offset: u64, bytes: &[u8]) -> Seen {
        Seen { offset, payload: Payload::decode(bytes).ok(), checksum: checksum(bytes) }
    }
}
