//! The Raft log on disk: append-only, segmented, preallocated.
//!
//! **Writing.** One thread (`raft-log`) writes. It takes everything that is queued, writes it with one call and makes it
//! durable with one fsync: so while an fsync runs, the next group gathers. Segments are zero-filled before they are used,
//! so that an fsync changes no file metadata and cannot run out of space.
//!
//! **A crash or damage?** A power loss may leave any part of the group that was being written: whole records, torn ones,
//! none, in any order. Nobody was told of them; what is left is erased when the log is opened ("torn tail"). Anything else
//! that does not check is damage: the log is not opened, the error names file and position, and nothing is changed. Each
//! record says which sequence was durable when it was written, so a bad record is damage if a whole one behind it says so.
//! For the last group there is the *mark*: a file of 32 bytes, written after each fsync and never fsynced itself. If it is
//! there, what it names was durable, and a flipped bit in it is damage; if a power loss took it, that last group cannot be
//! told from a torn one, which is the one gap that is left.
//!
//! **Removing.** Each segment's header repeats vote and purge position, so whole segments before the first live entry can
//! go.
//!
//! **Full disk.** One zero-filled segment is kept as reserve ([`reserve`]). When it cannot be had, or the disk has less
//! than a margin free, [`RaftLog::accepting`] says so and new data is refused *before* it is proposed. What was proposed
//! already, and Raft's own votes and purges, then still have the rest of the active segment and the reserve. As soon as
//! there is room again, the reserve is made and data is taken; nothing needs to be restarted.

#[cfg(test)]
mod damage_test;
mod fsync_times;
mod memory;
#[cfg(test)]
mod power_loss_test;
pub(crate) mod record;
mod recover;
mod reserve;
#[cfg(test)]
mod skipped_sync_test;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::Mutex;
use tidelog_host::{Clock, Disk, DiskFile};
use tokio::sync::oneshot;

use crate::error::OpenError;
use crate::types::{Entry, IoFlushed, LogId, Vote};
use crate::wire;

pub(crate) use record::LogFacts;

use fsync_times::FsyncTimes;
use memory::Memory;
use reserve::Reserve;
use writer::{Item, Queue};

/// What is read of a segment at a time to see whether it has anything in it.
const WINDOW_BYTES: usize = 256 * 1024;

/// How the log is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogOptions {
    pub segment_bytes: u64,
    /// Entries kept decoded in memory.
    pub recent_bytes_max: usize,
    /// With less free on the disk, data is refused.
    pub disk_free_bytes_min: u64,
}

/// Where an entry's record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub segment: u64,
    pub position: u64,
    pub body_bytes: u32,
}

/// A segment that is open.
#[derive(Clone)]
pub(crate) struct Segment {
    pub file: Arc<dyn DiskFile>,
    pub bytes: u64,
}

/// The log. Clones share it.
#[derive(Clone)]
pub(crate) struct RaftLog {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    cluster: [u8; 16],
    node: u64,
    options: LogOptions,
    memory: Mutex<Memory>,
    segments: Mutex<BTreeMap<u64, Segment>>,
    queue: Queue,
    reserve: Arc<Reserve>,
    fsync_times: FsyncTimes,
    clock: Clock,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.log"))
}

fn mark_path(dir: &Path) -> PathBuf {
    dir.join("mark")
}

impl RaftLog {
    /// Whether `dir` has a log with something in it: not so if its creation was cut short.
    pub(crate) fn has_records(disk: &dyn Disk, dir: &Path) -> io::Result<bool> {
        if !disk.exists(dir)? {
            return Ok(false);
        }
        for number in recover::segment_numbers(disk, dir)? {
            if number > 1 {
                return Ok(true);
            }
            let file = disk.open(&segment_path(dir, number))?;
            let bytes = file.len()?;
            // In windows: a buffer for a whole segment would stay with the allocator for as long as the process lives.
            let mut window = vec![0; WINDOW_BYTES];
            let mut at = record::RECORDS_START;
            while at < bytes {
                let window = &mut window[..WINDOW_BYTES.min((bytes - at) as usize)];
                file.read_exact_at(window, at)?;
                if window.iter().any(|byte| *byte != 0) {
                    return Ok(true);
                }
                at += window.len() as u64;
            }
        }
        Ok(false)
    }

    /// Makes an empty log in `dir`, durably. Leftovers of a creation that was cut short are removed: nothing was ever
    /// written to them.
    pub(crate) fn create(
        disk: &dyn Disk,
        dir: &Path,
        cluster: [u8; 16],
        node: u64,
        options: &LogOptions,
    ) -> io::Result<()> {
        disk.create_dir_all(dir)?;
        for path in disk.list(dir)? {
            disk.remove(&dir.join(path.file_name().unwrap_or_default()))?;
        }
        reserve::make_spare(disk, dir, options.segment_bytes)?;
        let header = record::SegmentHeader { number: 1, cluster, node, first_sequence: 1, facts: LogFacts::default() };
        writer::begin_segment(disk, dir, &reserve::spare_path(dir), &header)?;
        if let Some(parent) = dir.parent() {
            disk.sync_dir(parent)?;
        }
        Ok(())
    }

    /// Opens the log in `dir` and starts its threads.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        cluster: [u8; 16],
        node: u64,
        options: LogOptions,
        clock: Clock,
    ) -> Result<RaftLog, OpenError> {
        let found = recover::recover(disk.as_ref(), dir, &cluster, node)?;
        if found.torn_bytes > 0 {
            tracing::info!(bytes = found.torn_bytes, "raft log ended in a write that a crash cut short; it is erased");
        }
        let reserve = Arc::new(Reserve::new(disk.clone(), dir.to_owned(), &options));
        let (number, active) = found.segments.iter().next_back().map(|(n, s)| (*n, s.clone())).expect("recovered one");
        let shared = Arc::new(Shared {
            disk,
            dir: dir.to_owned(),
            cluster,
            node,
            options,
            memory: Mutex::new(Memory::new(found.facts, found.places)),
            segments: Mutex::new(found.segments),
            queue: Queue::default(),
            reserve,
            fsync_times: FsyncTimes::new(),
            clock,
            threads: Mutex::new(Vec::new()),
        });
        let writer = writer::Writer::new(shared.clone(), found.facts, number, active, found.end, found.next_sequence)
            .map_err(|error| OpenError::io(dir, error))?;
        let reserve = shared.reserve.clone();
        let threads = [
            std::thread::Builder::new().name("raft-log".to_owned()).spawn(move || writer.run()),
            std::thread::Builder::new().name("raft-reserve".to_owned()).spawn(move || reserve.run()),
        ];
        for thread in threads {
            shared.threads.lock().push(thread.map_err(|error| OpenError::io(dir, error))?);
        }
        Ok(RaftLog { shared })
    }

    /// Vote, commit hint, purge position and last entry, as far as they were handed in.
    pub(crate) fn facts(&self) -> LogFacts {
        self.shared.memory.lock().facts
    }

    /// Appends entries, which follow the last one. They can be read when this returns; `flushed` is called when they are
    /// durable, or never will be.
    pub(crate) fn append(&self, entries: Vec<Entry>, flushed: IoFlushed) -> io::Result<()> {
        let records: Vec<(LogId, Bytes, Bytes)> = entries
            .iter()
            .map(|entry| {
                let (head, body) = wire::entry_bytes(entry);
                (entry.log_id, head, body)
            })
            .collect();
        self.shared.memory.lock().append(entries, &records)?;
        self.shared.queue.push(Item::Append { records, flushed });
        Ok(())
    }

    /// Makes a vote durable.
    pub(crate) async fn save_vote(&self, vote: Vote) -> io::Result<()> {
        self.shared.memory.lock().facts.vote = Some(vote);
        self.durable(|done| Item::Vote { vote, done }).await
    }

    /// Notes how far the log is committed; written with whatever is written next.
    pub(crate) fn save_committed(&self, committed: Option<LogId>) {
        self.shared.memory.lock().facts.committed = committed;
        self.shared.queue.push(Item::Committed(committed));
    }

    /// Drops the entries after `last`, durably.
    pub(crate) async fn truncate_after(&self, last: Option<LogId>) -> io::Result<()> {
        self.shared.memory.lock().truncate(last);
        self.durable(|done| Item::Truncate { last, done }).await
    }

    /// Drops the entries up to and including `upto`, durably, and segments that have become useless.
    pub(crate) async fn purge(&self, upto: LogId) -> io::Result<()> {
        self.shared.memory.lock().purge(upto);
        self.durable(|done| Item::Purge { upto, done }).await
    }

    async fn durable(&self, item: impl FnOnce(oneshot::Sender<io::Result<()>>) -> Item) -> io::Result<()> {
        let (done, wait) = oneshot::channel();
        self.shared.queue.push(item(done));
        wait.await.unwrap_or_else(|_| Err(io::Error::other("the raft log is closed")))
    }

    /// The entries of a range, from memory or disk, until `bytes_max` are there (one at least, if there is one).
    pub(crate) fn read(&self, range: Range<u64>, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        for index in range {
            let found = self.shared.memory.lock().find(index);
            let entry = match found {
                memory::Found::Nothing if entries.is_empty() => continue,
                memory::Found::Nothing => break,
                memory::Found::Recent(entry) => entry,
                memory::Found::OnDisk(place) => self.shared.read_place(place, index)?,
            };
            bytes += memory::weight(&entry);
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Whether data may be proposed; else why not.
    pub(crate) fn accepting(&self) -> Result<(), String> {
        self.shared.reserve.accepting()
    }

    /// Of the last times that it was made durable: how long 99 in 100 took at most.
    pub(crate) fn fsync_p99(&self) -> Option<std::time::Duration> {
        self.shared.fsync_times.p99()
    }

    /// Looks at the disk's free space now, rather than when it is time.
    #[cfg(test)]
    pub(crate) fn look_at_disk(&self) {
        self.shared.reserve.look();
    }

    /// Lets the threads end when they have written what is queued. Does not wait for them.
    pub(crate) fn let_go(&self) {
        self.shared.queue.close();
        self.shared.reserve.stop();
    }

    /// Writes what is queued and ends the threads. Blocks.
    pub(crate) fn close(&self) {
        self.let_go();
        let threads = std::mem::take(&mut *self.shared.threads.lock());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the raft log panicked");
            }
        }
    }
}

impl Shared {
    fn read_place(&self, place: Place, index: u64) -> io::Result<Entry> {
        let file = self.segments.lock().get(&place.segment).map(|segment| segment.file.clone());
        let path = segment_path(&self.dir, place.segment);
        let damaged = |problem: &str| {
            let place = place.position;
            io::Error::new(io::ErrorKind::InvalidData, format!("{} at {place}: {problem}", path.display()))
        };
        let file = file.ok_or_else(|| damaged("the segment is gone"))?;
        let mut bytes = vec![0; record::RECORD_HEADER_BYTES + place.body_bytes as usize];
        file.read_exact_at(&mut bytes, place.position)?;
        let whole = record::read_record(place.segment, &bytes).is_some_and(|record| record.kind == record::Kind::Entry);
        if !whole {
            return Err(damaged("the record is not what was written"));
        }
        let body = Bytes::from(bytes).slice(record::RECORD_HEADER_BYTES..);
        let entry = wire::decode_entry(body).map_err(|corrupt| damaged(&corrupt.to_string()))?;
        if entry.log_id.index != index {
            return Err(damaged(&format!("it holds entry {}, expected is {index}", entry.log_id.index)));
        }
        Ok(entry)
    }
}
