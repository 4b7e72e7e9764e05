//! The thread that writes the log: takes what is queued, writes it, one fsync, answers.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tidelog_format::codec::Writer as Encoder;
use tidelog_host::{Disk, DiskFile, failpoint};
use tidelog_model::mutant;
use tokio::sync::oneshot;

use super::record::{
    Kind, LogFacts, RECORDS_START, RecordHeader, SegmentHeader, encode_mark, encode_record_header, record_bytes,
};
use super::{Place, Segment, Shared, mark_path, segment_path};
use crate::measure;
use crate::types::{IoFlushed, LogId, Vote};
use crate::wire;

/// A group of records is cut here, so that one fsync does not wait for too many bytes.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A buffer that grew beyond this is given back.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

type Done = oneshot::Sender<io::Result<()>>;

/// What the writer is asked to do.
pub(super) enum Item {
    Append { records: Vec<(LogId, Bytes, Bytes)>, flushed: IoFlushed },
    Vote { vote: Vote, done: Done },
    Truncate { last: Option<LogId>, done: Done },
    Purge { upto: LogId, done: Done },
    Committed(Option<LogId>),
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Item::Append { records, .. } => records.iter().map(|(_, head, body)| head.len() + body.len()).sum(),
            _ => 0,
        }
    }
}

/// Work for the writer. Bounded by the proposals in flight, which are bounded where they are made.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    items: VecDeque<Item>,
    /// Items that cannot wait for company.
    urgent: usize,
    closed: bool,
}

impl Queue {
    pub(super) fn push(&self, item: Item) {
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            return answer(item, Err(io::Error::other("the raft log is closed")));
        }
        if let (Item::Committed(_), Some(Item::Committed(_))) = (&item, state.items.back()) {
            state.items.pop_back();
        }
        let urgent = !matches!(item, Item::Committed(_));
        state.urgent += usize::from(urgent);
        state.items.push_back(item);
        if urgent {
            self.changed.notify_one();
        }
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_one();
    }

    /// The next group; `None` when closed and empty.
    fn take(&self) -> Option<Vec<Item>> {
        let mut state = self.state.lock();
        while state.urgent == 0 && !state.closed {
            self.changed.wait(&mut state);
        }
        let (mut group, mut bytes) = (Vec::new(), 0);
        while bytes < GROUP_BYTES_MAX
            && let Some(item) = state.items.pop_front()
        {
            bytes += item.bytes();
            state.urgent -= usize::from(!matches!(item, Item::Committed(_)));
            group.push(item);
        }
        (!group.is_empty()).then_some(group)
    }
}

fn answer(item: Item, result: io::Result<()>) {
    match item {
        Item::Append { flushed, .. } => flushed.io_completed(result),
        // Whoever no longer waits needs no answer.
        Item::Vote { done, .. } | Item::Truncate { done, .. } | Item::Purge { done, .. } => drop(done.send(result)),
        Item::Committed(_) => {}
    }
}

/// Gives the spare its header and its name. When this returns, the segment is there for good.
pub(super) fn begin_segment(
    disk: &dyn Disk,
    dir: &Path,
    spare: &Path,
    header: &SegmentHeader,
) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.open(spare)?;
    file.write_all_at(&[&header.encode()], 0)?;
    file.sync()?;
    disk.rename(spare, &segment_path(dir, header.number))?;
    disk.sync_dir(dir)?;
    Ok(file)
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    facts: LogFacts,
    number: u64,
    active: Segment,
    /// Where the buffer's first byte goes.
    written: u64,
    buffer: Vec<u8>,
    next_sequence: u64,
    synced: u64,
    mark: Arc<dyn DiskFile>,
    placed: Vec<(LogId, Place)>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        facts: LogFacts,
        number: u64,
        active: Segment,
        end: u64,
        next_sequence: u64,
    ) -> io::Result<Writer> {
        let path = mark_path(&shared.dir);
        let mark = if shared.disk.exists(&path)? { shared.disk.open(&path)? } else { shared.disk.create(&path)? };
        // The active segment may have its name from a process that was killed before it could make that durable.
        shared.disk.sync_dir(&shared.dir)?;
        let writer = Writer {
            shared,
            facts,
            number,
            active,
            written: end,
            buffer: Vec::new(),
            next_sequence,
            synced: next_sequence - 1,
            mark,
            placed: Vec::new(),
        };
        writer.write_mark()?;
        Ok(writer)
    }

    pub(super) fn run(mut self) {
        while let Some(mut group) = self.shared.queue.take() {
            let result = self.write_group(&group);
            if let Err(error) = result {
                return self.fail(group, &error);
            }
            self.publish(&group);
            // Newest first: openraft keeps only the newest, and would else be woken for each.
            group.reverse();
            for item in group {
                answer(item, Ok(()));
            }
        }
        // A clean end leaves a mark that outlives a power loss.
        if let Err(error) = self.mark.sync() {
            tracing::warn!(%error, "mark of the raft log could not be fsynced");
        }
    }

    /// After a failed write or fsync nobody knows what is on the disk. Nothing is tried again: every waiting and later
    /// request gets the error, and the replica stops.
    fn fail(&self, group: Vec<Item>, error: &io::Error) {
        tracing::error!(%error, segment = self.number, "raft log cannot be written, the replica stops");
        let again = || Err(io::Error::new(error.kind(), format!("raft log cannot be written: {error}")));
        self.shared.queue.close();
        for item in group {
            answer(item, again());
        }
        while let Some(group) = self.shared.queue.take() {
            for item in group {
                answer(item, again());
            }
        }
    }

    fn write_group(&mut self, group: &[Item]) -> io::Result<()> {
        self.placed.clear();
        for item in group {
            match item {
                Item::Append { records, .. } => {
                    for (id, head, body) in records {
                        let place = self.put(Kind::Entry, &[head, body])?;
                        self.facts.last = Some(*id);
                        self.placed.push((*id, place));
                    }
                }
                Item::Vote { vote, .. } => {
                    let body = encode(|out| wire::put_vote(out, vote));
                    self.put(Kind::Vote, &[&body])?;
                    self.facts.vote = Some(*vote);
                }
                Item::Truncate { last, .. } => {
                    let body = encode(|out| wire::put_option(out, last.as_ref(), wire::put_log_id));
                    self.put(Kind::Truncate, &[&body])?;
                    let new_end = last.map_or(0, |last| last.index + 1);
                    if self.facts.last.is_some_and(|old| old.index >= new_end) {
                        self.facts.last = (*last).max(self.facts.purged);
                    }
                }
                Item::Purge { upto, .. } => {
                    let body = encode(|out| wire::put_log_id(out, upto));
                    self.put(Kind::Purge, &[&body])?;
                    self.facts.purged = self.facts.purged.max(Some(*upto));
                    self.facts.last = self.facts.last.max(self.facts.purged);
                }
                Item::Committed(committed) => {
                    let body = encode(|out| wire::put_option(out, committed.as_ref(), wire::put_log_id));
                    self.put(Kind::Committed, &[&body])?;
                    self.facts.committed = *committed;
                }
            }
        }
        self.sync()
    }

    /// Puts a record into the buffer; into the next segment if this one has no room left.
    fn put(&mut self, kind: Kind, body: &[&[u8]]) -> io::Result<Place> {
        let body_bytes = body.iter().map(|part| part.len()).sum();
        let bytes = record_bytes(body_bytes);
        if self.written + (self.buffer.len() + bytes) as u64 > self.active.bytes {
            self.roll(bytes as u64)?;
        }
        let position = self.written + self.buffer.len() as u64;
        let header = RecordHeader { kind, body_bytes, sequence: self.next_sequence, synced: self.synced };
        self.buffer.extend_from_slice(&encode_record_header(self.number, &header, body));
        for part in body {
            self.buffer.extend_from_slice(part);
        }
        self.buffer.resize(self.buffer.len().next_multiple_of(super::record::RECORD_ALIGNMENT), 0);
        self.next_sequence += 1;
        Ok(Place { segment: self.number, position, body_bytes: body_bytes as u32 })
    }

    /// Writes the buffer, and makes everything so far durable.
    fn sync(&mut self) -> io::Result<()> {
        self.active.file.write_all_at(&[&self.buffer], self.written)?;
        measure::log_bytes(self.buffer.len());
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        let begun = self.shared.clock.now();
        if !mutant!("skip_log_fsync") {
            self.active.file.sync()?;
        }
        let took = begun.elapsed();
        measure::log_fsync(took);
        self.shared.fsync_times.note(took);
        self.synced = self.next_sequence - 1;
        self.write_mark()
    }

    fn write_mark(&self) -> io::Result<()> {
        self.mark.write_all_at(&[&encode_mark(&self.shared.cluster, self.synced)], 0)
    }

    /// Goes on in a new segment, with room for a record of `bytes` at least.
    fn roll(&mut self, bytes: u64) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.sync()?;
        }
        let (disk, dir) = (self.shared.disk.as_ref(), &self.shared.dir);
        let number = self.number + 1;
        let header = SegmentHeader {
            number,
            cluster: self.shared.cluster,
            node: self.shared.node,
            first_sequence: self.next_sequence,
            facts: self.facts,
        };
        let spare = self.shared.reserve.take()?;
        let capacity = self.shared.options.segment_bytes.max(RECORDS_START + bytes);
        if capacity > self.shared.options.segment_bytes {
            // A record larger than a segment, which is rare: the spare is made longer.
            let file = disk.open(&spare)?;
            file.allocate(capacity)?;
            file.sync()?;
        }
        let file = begin_segment(disk, dir, &spare, &header)?;
        self.shared.reserve.taken();
        self.active = Segment { file, bytes: capacity };
        self.number = number;
        self.written = RECORDS_START;
        self.shared.segments.lock().insert(number, self.active.clone());
        Ok(())
    }

    /// Tells readers where the group is, and removes segments that hold nothing any more.
    fn publish(&mut self, group: &[Item]) {
        let mut placed = self.placed.drain(..);
        let mut memory = self.shared.memory.lock();
        for item in group {
            match item {
                Item::Append { records, .. } => {
                    for (id, place) in placed.by_ref().take(records.len()) {
                        memory.placed(id, place);
                    }
                }
                Item::Truncate { last, .. } => memory.truncate_written(*last),
                Item::Purge { upto, .. } => memory.purge_written(*upto),
                Item::Vote { .. } | Item::Committed(_) => {}
            }
        }
        assert!(placed.next().is_none(), "each entry of the group was published");
        drop(placed);
        memory.evict(self.shared.options.recent_bytes_max);
        let first_live = memory.places.front().map_or(self.number, |place| place.segment);
        drop(memory);
        if group.iter().any(|item| matches!(item, Item::Purge { .. })) {
            failpoint::hit("log_purge");
            if let Err(error) = self.remove_segments_before(first_live) {
                // They cost room only; the next purge or the next start tries again.
                tracing::warn!(%error, "purged segments of the raft log could not be removed");
            }
        }
    }

    /// Oldest first, each durably before the next: a power loss must not leave a gap.
    fn remove_segments_before(&self, first_live: u64) -> io::Result<()> {
        loop {
            let oldest = self.shared.segments.lock().first_key_value().map(|(number, _)| *number);
            let Some(oldest) = oldest.filter(|oldest| *oldest < first_live) else { return Ok(()) };
            self.shared.disk.remove(&segment_path(&self.shared.dir, oldest))?;
            self.shared.disk.sync_dir(&self.shared.dir)?;
            self.shared.segments.lock().remove(&oldest);
        }
    }
}

fn encode(put: impl FnOnce(&mut Encoder)) -> Bytes {
    let mut out = Encoder::with_capacity(32);
    put(&mut out);
    out.finish()
}
