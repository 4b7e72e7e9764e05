//! Records of a partition, or of all partitions of a topic in turn, read a little at a time.

use std::ops::ControlFlow;
use std::sync::Arc;

use tidelog_catalog_api::TopicView;
use tidelog_fetch::{Read, ReadError};
use tidelog_format::records::{OpenBatch, RecordsError};
use tidelog_model::{BatchError, BatchHeader, Offset, PartitionId, TopicId, mutant};

use super::arrow::Columns;
use super::encode::{self, Framing, Placed, ValueFormat};
use super::rope::Rope;
use super::{cursor, from};
use crate::errors::{self, Code};
use crate::gateway::Shared;
use crate::memory::{Kept, Share};
use crate::problem::Refused;

/// Bytes that are read at once.
const READ_BYTES: usize = 256 * 1024;

/// What is read, and how far that has come.
pub(super) struct Source {
    shared: Arc<Shared>,
    topic: TopicId,
    /// The topic as a whole is read, so records tell a cursor.
    is_topic: bool,
    partitions: Vec<Part>,
    /// Whose records come next.
    turn: usize,
    /// What was read of it. Of the others nothing is held: whoever holds some must not wait for room for more.
    held: Option<Held>,
    /// That, while the client has its time to take what was written.
    kept: Option<Kept<Held>>,
}

struct Part {
    id: PartitionId,
    next: Offset,
}

/// Batches that were read.
struct Held {
    /// From the one that holds the next offset on. Never empty.
    batches: Rope,
    /// The first of them, when it is kept open, and the room for what it has unfolded.
    open: Option<(OpenBatch, Option<Share>)>,
    _room: Share,
}

/// Whether there are records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    Ready,
    /// Confirmed: there was none when this was asked.
    Tail,
}

/// Why no more was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// What was read is written.
    Empty,
    /// There is no room for more.
    Full,
    /// The first record needs this much room.
    NeedsRoom(usize),
    /// No more is wanted.
    Done,
}

/// Where records are written.
pub(super) struct Sink {
    pub(super) out: Vec<u8>,
    /// Bytes that there is room for.
    pub(super) room_bytes: usize,
    pub(super) framing: Framing,
    pub(super) value_format: ValueFormat,
    /// Records that are still wanted, and bytes of them.
    pub(super) records_left: u64,
    pub(super) bytes_left: u64,
    /// Whether one was written already, here or before.
    pub(super) has_some: bool,
    /// Where they are gathered when they are written as columns.
    pub(super) columns: Option<Columns>,
}

impl Source {
    pub(super) fn of_partition(shared: &Arc<Shared>, id: PartitionId, next: Offset) -> Source {
        Source::new(shared, id.topic, false, vec![Part { id, next }])
    }

    pub(super) fn of_topic(shared: &Arc<Shared>, topic: TopicId, nexts: Vec<Offset>) -> Source {
        let part = |(index, next): (usize, Offset)| Part { id: PartitionId { topic, index: index as u32 }, next };
        Source::new(shared, topic, true, nexts.into_iter().enumerate().map(part).collect())
    }

    fn new(shared: &Arc<Shared>, topic: TopicId, is_topic: bool, partitions: Vec<Part>) -> Source {
        Source { shared: shared.clone(), topic, is_topic, partitions, turn: 0, held: None, kept: None }
    }

    /// All that is read.
    pub(super) fn partitions(&self) -> Vec<PartitionId> {
        self.partitions.iter().map(|part| part.id).collect()
    }

    /// All of which a change matters: of a topic as a whole also the partition that it would get next.
    pub(super) fn watched(&self) -> Vec<PartitionId> {
        let mut watched = self.partitions();
        if self.is_topic {
            watched.push(PartitionId { topic: self.topic, index: watched.len() as u32 });
        }
        watched
    }

    /// Adds the partitions that the topic got since, from their beginning on, as far as this node knows; whether there are some.
    ///
    /// # Errors
    /// When they are too many to be read as one.
    pub(super) fn grow(&mut self) -> Result<bool, Refused> {
        let Some(topic) = self.grown() else { return Ok(false) };
        super::check_merged(&topic)?;
        for index in self.partitions.len() as u32..topic.partitions {
            let id = PartitionId { topic: topic.id, index };
            let Some(view) = self.shared.parts.catalog.partition(id) else { break };
            self.partitions.push(Part { id, next: view.log_start });
        }
        Ok(true)
    }

    /// The topic, if it has more partitions than are read. One that is gone is noticed when it is read.
    pub(super) fn grown(&self) -> Option<Arc<TopicView>> {
        let topic = if self.is_topic { self.shared.parts.catalog.topic(self.topic)? } else { return None };
        (topic.partitions as usize > self.partitions.len()).then_some(topic)
    }

    /// The id of the record before the one that comes next, whether or not there is such a record; there is none before the
    /// first offset of a partition.
    pub(super) fn place(&self) -> Option<String> {
        if self.is_topic {
            return Some(cursor::encode(self.topic, self.partitions.iter().map(|part| part.next.0)));
        }
        self.partitions[0].next.0.checked_sub(1).map(|last| last.to_string())
    }

    /// The offset that comes next, of the one partition.
    pub(super) fn next(&self) -> Offset {
        self.partitions[0].next
    }

    /// Sees to it that there are records to write, if there are any. A cancelled caller leaves nothing behind.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) async fn fill(&mut self) -> Result<Filled, Refused> {
        if let Some(kept) = self.kept.take() {
            self.held = kept.take();
        }
        if self.held.is_some() {
            return Ok(Filled::Ready);
        }
        let count = self.partitions.len();
        let catalog = self.shared.parts.catalog.clone();
        let mut is_confirmed = false;
        loop {
            for place in 0..count {
                let at = (self.turn + place) % count;
                let part = &self.partitions[at];
                match catalog.partition(part.id) {
                    Some(view) if view.high_watermark > part.next => {
                        self.held = part.read(&self.shared).await?;
                    }
                    None if is_confirmed => {
                        return Err(Refused::new(Code::UnknownTopic, "the topic does not exist any more"));
                    }
                    Some(_) | None => {}
                }
                if self.held.is_some() {
                    self.turn = at;
                    return Ok(Filled::Ready);
                }
            }
            if is_confirmed {
                return Ok(Filled::Tail);
            }
            catalog.read_barrier().await.map_err(|error| errors::of_catalog(&error))?;
            is_confirmed = true;
        }
    }

    /// Keeps what was read and not written as long as nobody else needs its room; else it is read again.
    pub(super) fn keep(&mut self) {
        if let Some(held) = self.held.take() {
            self.kept = Some(self.shared.memory.keep(held));
        }
    }

    /// Gives back what was read and not written.
    pub(super) fn release(&mut self) {
        self.held = None;
        self.kept = None;
    }

    /// Writes records that [`Source::fill`] has seen to, of one partition.
    ///
    /// # Errors
    /// When they are not what they should be.
    pub(super) fn write(&mut self, sink: &mut Sink) -> Result<Step, Refused> {
        let nexts = self.partitions.iter().map(|part| part.next.0).collect::<Vec<_>>();
        let (topic, turn, is_topic) = (self.topic, self.turn, self.is_topic);
        let cursor = |next: u64| {
            let places = nexts.iter().enumerate().map(|(at, other)| if at == turn { next } else { *other });
            is_topic.then(|| cursor::encode(topic, places))
        };
        // Of columns the last row alone has one.
        let is_each_told = sink.columns.is_none();
        let cursor_of_each = |next: u64| if is_each_told { cursor(next) } else { None };
        let Some(held) = &mut self.held else { return Ok(Step::Empty) };
        let part = &mut self.partitions[turn];
        let step = part.write(held, sink, cursor_of_each, &self.shared);
        let step = match (step, sink.columns.take_if(|columns| !columns.is_empty())) {
            (Ok(step), Some(columns)) => columns.encode(cursor(part.next.0).as_deref()).map(|message| {
                sink.out = message;
                step
            }),
            (step, _) => step,
        };
        if matches!(step, Ok(Step::Empty)) {
            self.held = None;
            self.turn = (turn + 1) % self.partitions.len();
        }
        step.map_err(|error| {
            tracing::error!(topic = %topic, partition = turn, %error, "records are not readable");
            Refused::new(Code::RecordsDamaged, format!("stored records are damaged: {error}"))
        })
    }
}

impl Part {
    /// Reads from `next` on, in room that is made first.
    async fn read(&self, shared: &Shared) -> Result<Option<Held>, Refused> {
        let mut bytes_max = READ_BYTES;
        loop {
            let room = shared.memory.room_to_read(bytes_max).await;
            let read = Read { partition: self.id, offset: self.next, bytes_max, at_least_one: true };
            let outcome = shared.parts.fetch.read(read).await.map_err(|error| match error {
                ReadError::OutOfRange { view } => from::out_of_range(self.id, self.next, view),
                error => errors::of_read(self.id, &error),
            })?;
            if outcome.bytes > bytes_max {
                // One large batch: once more, with room for it.
                bytes_max = outcome.bytes;
                continue;
            }
            let held = |batches| Held { batches, open: None, _room: room };
            return Ok((outcome.bytes > 0).then(|| held(Rope::new(outcome.chunks))));
        }
    }

    /// Writes records; [`Step::Empty`] when all that is held is written.
    fn write(
        &mut self,
        held: &mut Held,
        sink: &mut Sink,
        cursor: impl Fn(u64) -> Option<String>,
        shared: &Shared,
    ) -> Result<Step, RecordsError> {
        while !held.batches.is_empty() {
            let (mut open, mut kept) = match held.open.take() {
                Some(open) => open,
                None => (held.batches.open()?, None),
            };
            match self.write_batch(&mut open, sink, &cursor)? {
                None => {
                    let header = *open.header();
                    let base = base_of(&header)?;
                    self.next = self.next.max(base.plus(header.offset_count()));
                    held.batches.advance(header.bytes);
                }
                Some(step) => {
                    // It is kept while the client takes what was written: in memory of its own, not in that of whatever it
                    // was read from.
                    held.batches.own();
                    open.move_to(held.batches.first_body(open.header())?);
                    // What was unfolded is kept when there is room; else it is unfolded again.
                    let unfolded = open.unfolded_bytes();
                    if unfolded > 0 && kept.is_none() {
                        kept = shared.memory.reads.try_take(unfolded);
                    }
                    held.open = (unfolded == 0 || kept.is_some()).then_some((open, kept));
                    return Ok(step);
                }
            }
        }
        Ok(Step::Empty)
    }

    /// Writes records of a batch; `None` when all of them are written.
    fn write_batch(
        &mut self,
        open: &mut OpenBatch,
        sink: &mut Sink,
        cursor: &impl Fn(u64) -> Option<String>,
    ) -> Result<Option<Step>, RecordsError> {
        let header = *open.header();
        let base = base_of(&header)?;
        if header.is_control() {
            return Ok(None);
        }
        if let Some(columns) = &mut sink.columns {
            columns.enter(self.id.index, base.0, open);
        }
        open.visit(|record| {
            let offset = base.plus(record.offset_delta);
            if offset >= self.next {
                let next = offset.plus(1);
                let told = if mutant!("http-cursor-behind") { offset } else { next };
                let placed = Placed { partition: self.id.index, offset: offset.0, record, cursor: cursor(told.0) };
                if let Some(step) = sink.take(placed) {
                    return ControlFlow::Break(step);
                }
                if !mutant!("http-read-again-repeats") {
                    self.next = next;
                }
            }
            ControlFlow::Continue(())
        })
    }
}

impl Sink {
    /// Writes a record, or says why not.
    fn take(&mut self, placed: Placed<'_>) -> Option<Step> {
        if self.records_left == 0 {
            return Some(Step::Done);
        }
        if let Some(columns) = &mut self.columns {
            let step = columns.take(&placed.record, self.room_bytes, &mut self.bytes_left, self.has_some);
            if step.is_none() {
                self.records_left -= 1;
                self.has_some = true;
            }
            return step;
        }
        let cursor_bytes = placed.cursor.as_ref().map_or(0, |cursor| 2 * cursor.len());
        let left = self.room_bytes - self.out.len();
        if encode::bytes_max(&placed.record) + cursor_bytes > left {
            // Few records come near the most that they could take, so it is looked at more closely.
            let needed = encode::measure(&placed, self.framing, self.value_format, !self.has_some);
            if needed > left {
                return Some(if self.out.is_empty() { Step::NeedsRoom(needed) } else { Step::Full });
            }
        }
        let before = self.out.len();
        encode::write(&mut self.out, &placed, self.framing, self.value_format, !self.has_some);
        let bytes = (self.out.len() - before) as u64;
        if bytes > self.bytes_left && self.has_some {
            self.out.truncate(before);
            return Some(Step::Done);
        }
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        self.records_left -= 1;
        self.has_some = true;
        None
    }
}

fn base_of(header: &BatchHeader) -> Result<Offset, RecordsError> {
    let base = u64::try_from(header.base_offset);
    // Offsets are ours: this is what was delivered, not what a client sent.
    base.map(Offset).map_err(|_| BatchError::Record { index: 0, what: "its offset is negative" }.into())
}
