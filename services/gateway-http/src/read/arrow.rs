//! Records as columns: Arrow's IPC stream format.
//!
//! A record batch is made in two passes over records that lie where they were read: the first measures, and then each key and
//! value is copied once, to where it is sent from. So a message is one piece of memory, of the length that it has.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions, write_message};
use arrow_ipc::{FieldNode, MessageBuilder, MessageHeader, MetadataVersion, RecordBatchBuilder};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use flatbuffers::FlatBufferBuilder;
use tidelog_format::records::{OpenBatch, Record, RecordsError};

use super::cursor::CURSOR_BYTES_MAX;
use super::source::Step;
use crate::errors::Code;
use crate::problem::Refused;

/// How much longer a message is than a piece of other answers, if no record is larger: 512 KiB.
pub(super) const PIECES_PER_MESSAGE: usize = 8;
/// Ends a stream.
pub(super) const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
/// Rows of one record batch.
const ROWS_MAX: usize = 65_536;
/// Every buffer begins at a multiple of this.
const ALIGNMENT: usize = 8;
/// Begins a message; its length follows.
const CONTINUATION: [u8; 4] = [0xff; 4];
const PREFIX_BYTES: usize = 8;
/// What a message has beside its columns: the places of at most 24 buffers in 10 columns, and padding.
const MESSAGE_BYTES_MORE: usize = 2 * 1024;
/// What a row takes beside its key, value and headers, and what each of its headers takes beside name and value.
const ROW_BYTES: usize = 4 + 8 + 8 + 3 * 4 + 4 + 1;
const HEADER_BYTES: usize = 4 + 4 + 1;

/// Which columns are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    partition: bool,
    offset: bool,
    timestamp: bool,
    key: bool,
    value: bool,
    headers: bool,
    /// Of a topic as a whole.
    cursor: bool,
}

impl Chosen {
    /// As the parameter says; all of them unless it does.
    ///
    /// # Errors
    /// When it names something else.
    pub(super) fn of(text: Option<&str>, is_topic: bool) -> Result<Chosen, Refused> {
        let every =
            |on| Chosen { partition: on, offset: on, timestamp: on, key: on, value: on, headers: on, cursor: is_topic };
        let Some(text) = text else { return Ok(every(true)) };
        let mut chosen = every(false);
        for name in text.split(',').map(str::trim) {
            let column = match name {
                "partition" => &mut chosen.partition,
                "offset" => &mut chosen.offset,
                "timestamp" => &mut chosen.timestamp,
                "key" => &mut chosen.key,
                "value" => &mut chosen.value,
                "headers" => &mut chosen.headers,
                "cursor" if is_topic => continue,
                _ => {
                    let detail = format!(
                        "columns has {name:?}; partition, offset, timestamp, key, value and headers work, with commas \
                         between them"
                    );
                    return Err(Refused::parameter(Code::InvalidParameter, "columns", detail));
                }
            };
            *column = true;
        }
        Ok(chosen)
    }

    fn schema(self) -> Schema {
        let header = vec![Field::new("name", DataType::Utf8, false), Field::new("value", DataType::Binary, true)];
        let headers = DataType::List(Arc::new(Field::new("item", DataType::Struct(header.into()), false)));
        let timestamp = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let all = [
            (self.partition, Field::new("partition", DataType::Int32, false)),
            (self.offset, Field::new("offset", DataType::Int64, false)),
            (self.timestamp, Field::new("timestamp", timestamp, false)),
            (self.key, Field::new("key", DataType::Binary, true)),
            (self.value, Field::new("value", DataType::Binary, true)),
            (self.headers, Field::new("headers", headers, false)),
            (self.cursor, Field::new("cursor", DataType::Utf8, true)),
        ];
        Schema::new(all.into_iter().filter_map(|(is_chosen, field)| is_chosen.then_some(field)).collect::<Vec<_>>())
    }

    /// The message that begins a stream.
    pub(super) fn begin(self) -> Vec<u8> {
        let options =
            IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5).expect("an alignment that there is");
        let mut dictionaries = DictionaryTracker::new(false);
        let generator = IpcDataGenerator::default();
        let encoded = generator.schema_to_bytes_with_dictionary_tracker(&self.schema(), &mut dictionaries, &options);
        let mut out = Vec::new();
        write_message(&mut out, encoded, &options).expect("memory takes everything");
        out
    }
}

/// What the rows of a batch take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    rows: usize,
    null_keys: usize,
    key_bytes: usize,
    null_values: usize,
    value_bytes: usize,
    headers: usize,
    name_bytes: usize,
    null_header_values: usize,
    header_value_bytes: usize,
}

impl Size {
    fn add(&mut self, record: &Record<'_>, chosen: Chosen) {
        let piece = |piece: Option<&[u8]>| (usize::from(piece.is_none()), piece.map_or(0, <[u8]>::len));
        let sum = |nulls: &mut usize, bytes: &mut usize, (null, more): (usize, usize)| {
            *nulls += null;
            *bytes += more;
        };
        self.rows += 1;
        if chosen.key {
            sum(&mut self.null_keys, &mut self.key_bytes, piece(record.key));
        }
        if chosen.value {
            sum(&mut self.null_values, &mut self.value_bytes, piece(record.value));
        }
        if chosen.headers {
            for (name, value) in record.headers {
                self.headers += 1;
                self.name_bytes += text_of(name).len();
                sum(&mut self.null_header_values, &mut self.header_value_bytes, piece(value));
            }
        }
    }

    /// At most, padding aside.
    fn bytes(&self) -> usize {
        let pieces = self.key_bytes + self.value_bytes + self.name_bytes + self.header_value_bytes;
        ROW_BYTES * self.rows + HEADER_BYTES * self.headers + pieces
    }
}

/// A name is text to Arrow. Of what is none, that is shown which Kafka's Java client shows.
fn text_of(name: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(name)
}

/// Rows that were measured and are not copied yet: they lie in the batches they came in.
pub(super) struct Columns {
    chosen: Chosen,
    partition: u32,
    size: Size,
    parts: Vec<Part>,
}

/// Rows of one batch.
struct Part {
    batch: OpenBatch,
    base: u64,
    /// Of the first row, less the base.
    first: u32,
    rows: u32,
}

impl Columns {
    pub(super) fn new(chosen: Chosen) -> Columns {
        Columns { chosen, partition: 0, size: Size::default(), parts: Vec::new() }
    }

    /// The rows that come lie in this batch of the partition, from where it is.
    pub(super) fn enter(&mut self, partition: u32, base: u64, batch: &OpenBatch) {
        self.partition = partition;
        self.parts.retain(|part| part.rows > 0);
        self.parts.push(Part { batch: batch.clone(), base, first: 0, rows: 0 });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.size.rows == 0
    }

    /// Takes a record of the batch that was entered last, or says why not: it does not fit into a message of `room_bytes`, or
    /// is more than the `bytes_left` that are wanted and not the first one.
    pub(super) fn take(
        &mut self,
        record: &Record<'_>,
        room_bytes: usize,
        bytes_left: &mut u64,
        has_some: bool,
    ) -> Option<Step> {
        let mut size = self.size;
        size.add(record, self.chosen);
        let cursor_bytes = if self.chosen.cursor { CURSOR_BYTES_MAX } else { 0 };
        let message_bytes = size.bytes() + cursor_bytes + MESSAGE_BYTES_MORE;
        if message_bytes > room_bytes || size.rows > ROWS_MAX {
            return Some(if self.is_empty() { Step::NeedsRoom(message_bytes) } else { Step::Full });
        }
        let bytes = (size.bytes() - self.size.bytes()) as u64;
        if bytes > *bytes_left && has_some {
            return Some(Step::Done);
        }
        *bytes_left = bytes_left.saturating_sub(bytes);
        self.size = size;
        let part = self.parts.last_mut().expect("a batch was entered");
        if part.rows == 0 {
            part.first = record.offset_delta;
        }
        part.rows += 1;
        None
    }

    /// The message with all of them. The last row has the cursor.
    ///
    /// # Errors
    /// When a record is not readable that was before.
    pub(super) fn encode(self, cursor: Option<&str>) -> Result<Vec<u8>, RecordsError> {
        let Columns { chosen, partition, size, mut parts } = self;
        let rows = size.rows;
        let mut plan = Plan::default();
        if chosen.partition {
            plan.numbers(rows, size_of::<i32>());
        }
        if chosen.offset {
            plan.numbers(rows, size_of::<i64>());
        }
        if chosen.timestamp {
            plan.numbers(rows, size_of::<i64>());
        }
        if chosen.key {
            plan.pieces(rows, size.null_keys, size.key_bytes);
        }
        if chosen.value {
            plan.pieces(rows, size.null_values, size.value_bytes);
        }
        if chosen.headers {
            plan.node(rows, 0);
            plan.buffer(0);
            plan.buffer(offsets_bytes(rows));
            plan.node(size.headers, 0);
            plan.buffer(0);
            plan.pieces(size.headers, 0, size.name_bytes);
            plan.pieces(size.headers, size.null_header_values, size.header_value_bytes);
        }
        if chosen.cursor {
            plan.pieces(rows, rows - 1, cursor.map_or(0, str::len));
        }
        let (mut out, body_from) = plan.begin(rows);
        let mut body = Body(&mut out[body_from..]);
        if chosen.partition {
            // Partitions are far fewer than 2³¹.
            body.take(4 * rows).as_chunks_mut().0.fill((partition as i32).to_le_bytes());
        }
        let mut offsets = chosen.offset.then(|| Numbers::new(&mut body, rows));
        let mut timestamps = chosen.timestamp.then(|| Numbers::new(&mut body, rows));
        let mut keys = chosen.key.then(|| Pieces::new(&mut body, rows, size.null_keys, size.key_bytes));
        let mut values = chosen.value.then(|| Pieces::new(&mut body, rows, size.null_values, size.value_bytes));
        let mut headers = chosen.headers.then(|| Headers::new(&mut body, &size));
        for part in &mut parts {
            let mut left = part.rows;
            part.batch.visit(|record| {
                if left == 0 {
                    return ControlFlow::Break(());
                }
                if record.offset_delta < part.first {
                    return ControlFlow::Continue(());
                }
                left -= 1;
                if let Some(offsets) = &mut offsets {
                    offsets.push((part.base + u64::from(record.offset_delta)) as i64);
                }
                if let Some(timestamps) = &mut timestamps {
                    timestamps.push(record.timestamp.0);
                }
                if let Some(keys) = &mut keys {
                    keys.push(record.key);
                }
                if let Some(values) = &mut values {
                    values.push(record.value);
                }
                if let Some(headers) = &mut headers {
                    headers.push(record.headers);
                }
                ControlFlow::Continue(())
            })?;
        }
        if chosen.cursor {
            let mut cursors = Pieces::new(&mut body, rows, rows - 1, cursor.map_or(0, str::len));
            (1..rows).for_each(|_| cursors.push(None));
            cursors.push(cursor.map(str::as_bytes));
        }
        assert!(body.0.is_empty(), "what was planned is written");
        Ok(out)
    }
}

/// Where everything is in a message.
#[derive(Default)]
struct Plan {
    nodes: Vec<FieldNode>,
    buffers: Vec<arrow_ipc::Buffer>,
    body_bytes: usize,
}

impl Plan {
    fn node(&mut self, rows: usize, nulls: usize) {
        self.nodes.push(FieldNode::new(rows as i64, nulls as i64));
    }

    fn buffer(&mut self, bytes: usize) {
        self.buffers.push(arrow_ipc::Buffer::new(self.body_bytes as i64, bytes as i64));
        self.body_bytes += padded(bytes);
    }

    fn numbers(&mut self, rows: usize, bytes_each: usize) {
        self.node(rows, 0);
        self.buffer(0);
        self.buffer(bytes_each * rows);
    }

    fn pieces(&mut self, rows: usize, nulls: usize, bytes: usize) {
        self.node(rows, nulls);
        self.buffer(validity_bytes(rows, nulls));
        self.buffer(offsets_bytes(rows));
        self.buffer(bytes);
    }

    /// A message whose body is still zeros, and where that begins.
    fn begin(&self, rows: usize) -> (Vec<u8>, usize) {
        let mut builder = FlatBufferBuilder::new();
        let buffers = builder.create_vector(&self.buffers);
        let nodes = builder.create_vector(&self.nodes);
        let mut batch = RecordBatchBuilder::new(&mut builder);
        batch.add_length(rows as i64);
        batch.add_nodes(nodes);
        batch.add_buffers(buffers);
        let batch = batch.finish();
        let mut message = MessageBuilder::new(&mut builder);
        message.add_version(MetadataVersion::V5);
        message.add_header_type(MessageHeader::RecordBatch);
        message.add_bodyLength(self.body_bytes as i64);
        message.add_header(batch.as_union_value());
        let message = message.finish();
        builder.finish(message, None);
        let metadata = builder.finished_data();
        let metadata_bytes = padded(metadata.len());
        let body_from = PREFIX_BYTES + metadata_bytes;
        let mut out = vec![0; body_from + self.body_bytes];
        out[..4].copy_from_slice(&CONTINUATION);
        out[4..PREFIX_BYTES].copy_from_slice(&(metadata_bytes as u32).to_le_bytes());
        out[PREFIX_BYTES..PREFIX_BYTES + metadata.len()].copy_from_slice(metadata);
        (out, body_from)
    }
}

fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGNMENT)
}

fn offsets_bytes(rows: usize) -> usize {
    size_of::<i32>() * (rows + 1)
}

/// Of a column without nulls there is nothing.
fn validity_bytes(rows: usize, nulls: usize) -> usize {
    if nulls == 0 { 0 } else { rows.div_ceil(8) }
}

/// What of a body is not given out yet.
struct Body<'a>(&'a mut [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, bytes: usize) -> &'a mut [u8] {
        let (taken, rest) = std::mem::take(&mut self.0).split_at_mut(padded(bytes));
        self.0 = rest;
        &mut taken[..bytes]
    }
}

struct Numbers<'a>(std::slice::IterMut<'a, [u8; 8]>);

impl<'a> Numbers<'a> {
    fn new(body: &mut Body<'a>, rows: usize) -> Numbers<'a> {
        Numbers(body.take(size_of::<i64>() * rows).as_chunks_mut().0.iter_mut())
    }

    fn push(&mut self, number: i64) {
        *self.0.next().expect("as many as were counted") = number.to_le_bytes();
    }
}

/// Where each of a column's pieces ends.
struct Offsets<'a>(std::slice::IterMut<'a, [u8; 4]>);

impl<'a> Offsets<'a> {
    fn new(body: &mut Body<'a>, rows: usize) -> Offsets<'a> {
        let mut offsets = body.take(offsets_bytes(rows)).as_chunks_mut().0.iter_mut();
        // The first one is where the first piece begins: 0.
        offsets.next();
        Offsets(offsets)
    }

    fn push(&mut self, end: usize) {
        // A message is far smaller than 2³¹ bytes.
        *self.0.next().expect("as many as were counted") = (end as i32).to_le_bytes();
    }
}

struct Pieces<'a> {
    validity: &'a mut [u8],
    offsets: Offsets<'a>,
    bytes: &'a mut [u8],
    row: usize,
    end: usize,
}

impl<'a> Pieces<'a> {
    fn new(body: &mut Body<'a>, rows: usize, nulls: usize, bytes: usize) -> Pieces<'a> {
        let validity = body.take(validity_bytes(rows, nulls));
        let offsets = Offsets::new(body, rows);
        Pieces { validity, offsets, bytes: body.take(bytes), row: 0, end: 0 }
    }

    fn push(&mut self, piece: Option<&[u8]>) {
        if let Some(piece) = piece {
            let from = self.end;
            self.end += piece.len();
            self.bytes[from..self.end].copy_from_slice(piece);
            if let Some(byte) = self.validity.get_mut(self.row / 8) {
                *byte |= 1 << (self.row % 8);
            }
        }
        self.row += 1;
        self.offsets.push(self.end);
    }
}

struct Headers<'a> {
    ends: Offsets<'a>,
    names: Pieces<'a>,
    values: Pieces<'a>,
}

impl<'a> Headers<'a> {
    fn new(body: &mut Body<'a>, size: &Size) -> Headers<'a> {
        let ends = Offsets::new(body, size.rows);
        let names = Pieces::new(body, size.headers, 0, size.name_bytes);
        let values = Pieces::new(body, size.headers, size.null_header_values, size.header_value_bytes);
        Headers { ends, names, values }
    }

    fn push(&mut self, headers: tidelog_format::records::Headers<'_>) {
        for (name, value) in headers {
            self.names.push(Some(text_of(name).as_bytes()));
            self.values.push(value);
        }
        self.ends.push(self.names.row);
    }
}
