//! Arrow IPC: records as rows of record batches, appended as they come, however many there are.
//!
//! `messages.rs` takes the stream apart, `decode.rs` makes arrays of a message (`unfold.rs` when it is compressed, `lengths.rs`
//! is what is looked at first), and
//! `columns.rs` and `pieces.rs` make records of their rows. What is held is bounded: the message that is arriving, the batches
//! that are gathered, and a few that are under way.

mod columns;
mod decode;
mod lengths;
mod messages;
mod pieces;
mod unfold;

#[cfg(test)]
mod hostile_test;

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;

use self::columns::Columns;
use self::messages::{BODY_BYTES_MAX, Kind, Messages, Taken, Whole};
use super::conditions::Gate;
use super::flow::{Flow, GATHERED_BYTES};
use super::input::Rules;
use crate::body::Arriving;
use crate::errors::Code;
use crate::gateway::Shared;
use crate::options::BODY_BYTES_FREE;
use crate::problem::Refused;

/// What may be gathered of a request that may be sent again.
const WHOLE_BYTES_MAX: usize = 2 * BODY_BYTES_MAX;
/// How much room for it is asked for at once.
const GATHERED_BYTES_STEP: usize = 8 * 1024;

/// Appends rows until the body ends, or a row, a message or a batch is refused.
pub(super) async fn append(
    shared: &Arc<Shared>,
    rules: Rules,
    gate: Gate,
    arriving: Arriving,
) -> Result<Response, Refused> {
    let gathered_bytes_max = rules.admit.batch_bytes_max + GATHERED_BYTES;
    let mut stream = Stream {
        arriving,
        messages: Messages::new(),
        columns: None,
        flow: Flow::new(shared, rules, gate),
        gathered_bytes_max,
        room_bytes: 0,
        gathered_bytes: 0,
        came_bytes: 0,
        next_record: 1,
    };
    let read = stream.read_all().await;
    let Stream { arriving, messages, flow, .. } = stream;
    drop(messages);
    flow.answer(read, arriving).await
}

struct Stream {
    arriving: Arriving,
    messages: Messages,
    columns: Option<Columns>,
    flow: Flow,
    gathered_bytes_max: usize,
    /// What there is room for, that of the gathered batches aside.
    room_bytes: usize,
    /// Of a request that is taken as a whole, what there is room to gather.
    gathered_bytes: usize,
    /// Of the body, so far.
    came_bytes: usize,
    next_record: u64,
}

impl Stream {
    async fn read_all(&mut self) -> Result<(), Refused> {
        loop {
            let came = match self.arriving.next_soon().await? {
                Some(came) => came,
                None => {
                    // Nothing more is here: what is gathered need not wait for it.
                    self.flow.pause().await;
                    if self.messages.held_bytes() + self.flow.gathered_bytes() == 0 {
                        self.release();
                    }
                    if self.flow.has_failed() {
                        return Ok(());
                    }
                    self.arriving.next().await?
                }
            };
            let Some(mut bytes) = came else { return self.messages.end() };
            self.flow.come_now();
            self.came_bytes = self.came_bytes.saturating_add(bytes.len());
            if self.take(&mut bytes).await?.is_none() {
                return Ok(());
            }
        }
    }

    /// `None` when something that was appended has failed.
    async fn take(&mut self, bytes: &mut Bytes) -> Result<Option<()>, Refused> {
        loop {
            match self.messages.take(bytes)? {
                Taken::All => return Ok(Some(())),
                Taken::Begins { room_bytes } => self.make_room(room_bytes).await?,
                Taken::Message(message) => {
                    self.message(&message).await?;
                    if self.flow.has_failed() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    async fn message(&mut self, message: &Whole) -> Result<(), Refused> {
        let columns = match self.columns.take() {
            Some(columns) if message.kind == Kind::RecordBatch => columns,
            _ => {
                self.columns = Some(decode::columns(message)?);
                return Ok(());
            }
        };
        self.rows(&columns, message).await?;
        self.columns = Some(columns);
        Ok(())
    }

    async fn rows(&mut self, columns: &Columns, message: &Whole) -> Result<(), Refused> {
        let first = self.next_record;
        let rows = decode::rows(columns, message).map_err(|refused| refused.at(|place| place.line = Some(first)))?;
        for row in 0..rows.count {
            let number = self.next_record;
            self.next_record += 1;
            let pushed = rows.record(row).and_then(|record| self.flow.push(number, &record));
            pushed.map_err(|refused| refused.at(|place| place.line = Some(number)))?;
            if self.flow.is_full() {
                self.flow.flush().await;
                if self.flow.has_failed() {
                    return Ok(());
                }
            }
            if self.flow.is_whole() {
                self.gather().map_err(|refused| refused.at(|place| place.line = Some(number)))?;
            }
        }
        Ok(())
    }

    /// Makes room for what is about to be held. Whoever waits for room holds none, and no batches.
    async fn make_room(&mut self, room_bytes: usize) -> Result<(), Refused> {
        if self.flow.is_whole() {
            self.room_bytes = room_bytes;
            return self.widen(self.flow.gathered_bytes());
        }
        if room_bytes > BODY_BYTES_FREE.max(self.room_bytes) {
            self.flow.flush().await;
            self.release();
            self.arriving.make_room(room_bytes, room_bytes + self.gathered_bytes_max).await?;
            self.room_bytes = room_bytes;
        }
        Ok(())
    }

    /// Sees to it that what is gathered whole, because the request may be sent again, does not unfold to more than may be held.
    fn gather(&mut self) -> Result<(), Refused> {
        let gathered = self.flow.gathered_bytes();
        if gathered > WHOLE_BYTES_MAX {
            let detail = format!(
                "the records of a producer or with an idempotency-key may take {WHOLE_BYTES_MAX} bytes; send them in parts, \
                 each in sequence or with a key of its own"
            );
            return Err(Refused::new(Code::BodyTooLarge, detail));
        }
        if gathered > self.gathered_bytes { self.widen(gathered) } else { Ok(()) }
    }

    /// Room for the body, the message, and what is gathered, of which there is so much. Who holds a body does not wait for more.
    fn widen(&mut self, gathered_bytes: usize) -> Result<(), Refused> {
        let gathered_bytes = gathered_bytes + GATHERED_BYTES_STEP;
        if self.arriving.widen(self.came_bytes + self.room_bytes + gathered_bytes) {
            self.gathered_bytes = gathered_bytes;
            return Ok(());
        }
        let detail = "there is no room now for what the record batches unfold to; try again in a moment";
        Err(Refused::new(Code::Overloaded, detail))
    }

    fn release(&mut self) {
        self.arriving.release();
        self.room_bytes = 0;
    }
}

/// Reads a stream as an append would, without appending, and tells how many records it has. For whoever wants to know what
/// hostile bytes do.
///
/// # Errors
/// What is wrong with it.
pub fn read_arrow(body: &[u8]) -> Result<u64, String> {
    let read = || -> Result<u64, Refused> {
        let (mut messages, mut columns, mut count) = (Messages::new(), None, 0);
        let mut bytes = Bytes::copy_from_slice(body);
        loop {
            match messages.take(&mut bytes)? {
                Taken::All => break messages.end().map(|()| count),
                Taken::Begins { .. } => {}
                Taken::Message(message) => match &columns {
                    None => columns = Some(decode::columns(&message)?),
                    Some(columns) => {
                        let rows = decode::rows(columns, &message)?;
                        for row in 0..rows.count {
                            std::hint::black_box(rows.record(row)?);
                            count += 1;
                        }
                    }
                },
            }
        }
    };
    read().map_err(|refused| refused.detail().to_owned())
}
