//! NDJSON: a record a line, appended as they come, however many there are.
//!
//! What is held is bounded: the line that is arriving, the batches that are gathered, and a few that are under way.

use std::sync::Arc;

use axum::response::Response;
use tidelog_http_api::object_from_str;

use super::conditions::Gate;
use super::flow::{Flow, GATHERED_BYTES};
use super::input::{NewRecord, RecordText, Rules};
use super::json_text::{check_line, line_error};
use crate::body::Arriving;
use crate::errors::Code;
use crate::gateway::Shared;
use crate::problem::Refused;

/// How much longer a line may be than the largest record, for base64, escapes and the names of fields.
const LINE_BYTES_PER_RECORD_BYTE: usize = 2;
const LINE_BYTES_MORE: usize = 64 * 1024;

/// Appends lines until the body ends, or a line or a batch is refused.
pub(super) async fn append(
    shared: &Arc<Shared>,
    rules: Rules,
    gate: Gate,
    arriving: Arriving,
) -> Result<Response, Refused> {
    let line_bytes_max = rules.admit.batch_bytes_max * LINE_BYTES_PER_RECORD_BYTE + LINE_BYTES_MORE;
    let room_bytes = line_bytes_max + rules.admit.batch_bytes_max + GATHERED_BYTES;
    let mut lines = Lines {
        arriving,
        line_bytes_max,
        room_bytes,
        flow: Flow::new(shared, rules, gate),
        started: Vec::new(),
        next_line: 1,
    };
    let read = lines.read_all().await;
    let Lines { arriving, flow, started, .. } = lines;
    drop(started);
    flow.answer(read, arriving).await
}

struct Lines {
    arriving: Arriving,
    line_bytes_max: usize,
    room_bytes: usize,
    flow: Flow,
    /// Of a line that has begun.
    started: Vec<u8>,
    next_line: u64,
}

impl Lines {
    async fn read_all(&mut self) -> Result<(), Refused> {
        loop {
            let came = match self.arriving.next_soon().await? {
                Some(came) => came,
                None => {
                    // Nothing more is here: what is gathered need not wait for it.
                    self.flow.pause().await;
                    if self.started.is_empty() && self.flow.gathered_bytes() == 0 {
                        self.arriving.release();
                    }
                    if self.flow.has_failed() {
                        return Ok(());
                    }
                    self.arriving.next().await?
                }
            };
            let Some(bytes) = came else { break };
            let held = self.started.len() + self.flow.gathered_bytes() + bytes.len();
            self.arriving.make_room(held, self.room_bytes).await?;
            self.flow.come_now();
            self.take(&bytes).await?;
            if self.flow.has_failed() {
                return Ok(());
            }
        }
        // The last line need not have an end.
        let last = std::mem::take(&mut self.started);
        self.line(&last)
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            if self.started.is_empty() {
                self.line(line)?;
            } else {
                self.start(line)?;
                let whole = std::mem::take(&mut self.started);
                self.line(&whole)?;
            }
            if self.flow.is_full() {
                self.flow.flush().await;
                if self.flow.has_failed() {
                    return Ok(());
                }
            }
        }
        self.start(rest)
    }

    /// Keeps a part of a line.
    fn start(&mut self, part: &[u8]) -> Result<(), Refused> {
        self.check_length(self.started.len() + part.len())?;
        self.started.extend_from_slice(part);
        Ok(())
    }

    fn check_length(&self, bytes: usize) -> Result<(), Refused> {
        let (line, bytes_max) = (self.next_line, self.line_bytes_max);
        if bytes <= bytes_max {
            return Ok(());
        }
        let detail =
            format!("line {line} has more than {bytes_max} bytes; the topic's max.message.bytes is half of that");
        Err(Refused::new(Code::LineTooLong, detail).at(|place| place.line = Some(line)))
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Refused> {
        self.check_length(line.len())?;
        let number = self.next_line;
        self.next_line += 1;
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let pushed = check_line(line, number)
            .and_then(|text| {
                object_from_str::<RecordText<'_>>(text).map_err(|error| line_error(&error, Code::InvalidRecord, number))
            })
            .and_then(NewRecord::of)
            .and_then(|record| self.flow.push(number, &record));
        pushed.map_err(|refused| refused.at(|place| place.line = Some(number)))
    }
}
