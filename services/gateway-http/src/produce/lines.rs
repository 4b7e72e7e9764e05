//! NDJSON: a record a line, appended as they come, however many there are.
//!
//! What is held is bounded: the line that is arriving, the batches that are gathered, and a few that are under way. Batches
//! are appended when enough is gathered, and at once when nothing more is here: a client that writes slowly has its records
//! stored as it writes them.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use futures::future::BoxFuture;
use tidelog_ingest::Appended;

use super::batches::{Batches, Pending, Span};
use super::conditions::Gate;
use super::input::{NewRecord, RecordText, Rules};
use super::json_text::{check_text, json_error};
use super::report::Report;
use crate::body::Arriving;
use crate::errors::Code;
use crate::gateway::Shared;
use crate::negotiate::JSON;
use crate::problem::Refused;

/// Bytes of batches that are gathered before they are appended.
const GATHERED_BYTES: usize = 512 * 1024;
/// Times that gathered batches are under way at once.
const UNDER_WAY_MAX: usize = 8;
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
    let is_repeatable = gate.is_repeatable();
    let line_bytes_max = rules.admit.batch_bytes_max * LINE_BYTES_PER_RECORD_BYTE + LINE_BYTES_MORE;
    let room_bytes = line_bytes_max + rules.admit.batch_bytes_max + GATHERED_BYTES;
    let mut lines = Lines {
        arriving,
        line_bytes_max,
        room_bytes,
        batches: Batches::new(shared, rules).behind(gate),
        started: Vec::new(),
        next_line: 1,
        under_way: VecDeque::new(),
        report: Report::default(),
        failed: None,
        is_whole: is_repeatable,
    };
    let read = lines.read_all().await;
    // What came before a line that is wrong is stored, unless the lines are taken as a whole.
    if lines.failed.is_none() && !(is_repeatable && read.is_err()) {
        lines.flush().await;
    }
    while !lines.under_way.is_empty() {
        lines.settle_oldest().await;
    }
    let stored = lines.report.finish();
    // A batch that failed is before the line that is wrong.
    match lines.failed.or(read.err()) {
        None => {
            let body = serde_json::to_vec(&stored).expect("numbers and texts");
            Ok(([(CONTENT_TYPE, JSON)], body).into_response())
        }
        Some(refused) => {
            // Its room is others' while the client comes to read why.
            lines.started = Vec::new();
            lines.arriving.release();
            if refused.code() != Code::RequestTimeout {
                lines.arriving.drain().await;
            }
            Err(refused.with_stored(stored))
        }
    }
}

type Settling = BoxFuture<'static, (u32, Vec<Span>, Result<Appended, Refused>)>;

struct Lines {
    arriving: Arriving,
    line_bytes_max: usize,
    room_bytes: usize,
    batches: Batches,
    /// Of a line that has begun.
    started: Vec<u8>,
    next_line: u64,
    /// Each of them what was appended at once.
    under_way: VecDeque<Vec<Settling>>,
    report: Report,
    failed: Option<Refused>,
    /// Nothing is appended before all of it is here.
    is_whole: bool,
}

impl Lines {
    async fn read_all(&mut self) -> Result<(), Refused> {
        loop {
            let came = match self.arriving.next_soon().await? {
                Some(came) => came,
                None => {
                    // Nothing more is here: what is gathered need not wait for it.
                    if !self.is_whole {
                        self.flush().await;
                    }
                    if self.started.is_empty() {
                        self.arriving.release();
                    }
                    self.settle_ready();
                    if self.failed.is_some() {
                        return Ok(());
                    }
                    self.arriving.next().await?
                }
            };
            let Some(bytes) = came else { break };
            let held = self.started.len() + self.batches.bytes() + bytes.len();
            self.arriving.make_room(held, self.room_bytes).await;
            self.batches.come_now();
            self.take(&bytes).await?;
            if self.failed.is_some() {
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
            if self.batches.is_full(GATHERED_BYTES) {
                self.flush().await;
                if self.failed.is_some() {
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
        let pushed = check_text(line)
            .and_then(|text| {
                serde_json::from_str::<RecordText<'_>>(text).map_err(|error| json_error(&error, Code::InvalidRecord))
            })
            .and_then(NewRecord::of)
            .and_then(|record| self.batches.push(number, &record));
        // The reader of JSON has seen one line only, and calls it the first.
        pushed.map_err(|refused| refused.at(|place| place.line = Some(number)))
    }

    /// Appends what is gathered.
    async fn flush(&mut self) {
        while self.under_way.len() >= UNDER_WAY_MAX {
            self.settle_oldest().await;
        }
        if self.failed.is_some() {
            return;
        }
        let pending = self.batches.append().await;
        if !pending.is_empty() {
            // Each is driven by its own flush; polling them only tells.
            let settling = pending.into_iter().map(|pending: Pending| pending.resolve().boxed());
            self.under_way.push_back(settling.collect());
        }
        self.settle_ready();
    }

    /// Takes note of what has become known of the oldest ones, without waiting.
    fn settle_ready(&mut self) {
        while let Some(oldest) = self.under_way.front_mut() {
            while let Some(first) = oldest.first_mut() {
                let Some(settled) = first.now_or_never() else { return };
                drop(oldest.remove(0));
                note(&mut self.report, &mut self.failed, settled);
            }
            self.under_way.pop_front();
        }
    }

    async fn settle_oldest(&mut self) {
        for settling in self.under_way.pop_front().into_iter().flatten() {
            let settled = settling.await;
            note(&mut self.report, &mut self.failed, settled);
        }
    }
}

fn note(
    report: &mut Report,
    failed: &mut Option<Refused>,
    (partition, spans, outcome): (u32, Vec<Span>, Result<Appended, Refused>),
) {
    match outcome {
        Ok(appended) => report.stored(partition, &spans, appended.base_offset),
        Err(refused) => {
            let uncertain = refused.may_have_happened();
            let line = spans.first().map(|span| span.first);
            let first = failed.take().unwrap_or_else(|| refused.at(|place| place.line = line));
            *failed = Some(first.uncertain(uncertain));
        }
    }
}
