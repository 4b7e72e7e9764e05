//! Records of a body that is appended as it comes: gathered, under way, and what is stored of them.
//!
//! Batches are appended when enough is gathered, and at once when nothing more is here: a client that writes slowly has its
//! records stored as it writes them. Of a request that may be sent again nothing is appended before all of it is here, and
//! nothing at all when a part of it is wrong.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use futures::future::BoxFuture;
use tidelog_ingest::Appended;

use super::batches::{Batches, Pending, Span};
use super::conditions::Gate;
use super::input::{NewRecord, Rules};
use super::report::Report;
use crate::body::Arriving;
use crate::errors::Code;
use crate::gateway::Shared;
use crate::json_body;
use crate::negotiate::JSON;
use crate::problem::Refused;

/// Bytes of batches that are gathered before they are appended.
pub(super) const GATHERED_BYTES: usize = 512 * 1024;
/// Times that gathered batches are under way at once.
const UNDER_WAY_MAX: usize = 8;

type Settling = BoxFuture<'static, (u32, Vec<Span>, Result<Appended, Refused>)>;

/// What became of what came so far.
pub(super) struct Flow {
    batches: Batches,
    /// Each of them what was appended at once.
    under_way: VecDeque<Vec<Settling>>,
    report: Report,
    failed: Option<Refused>,
    /// Nothing is appended before all of it is here.
    is_whole: bool,
    /// Nothing more was here when that was looked at last.
    is_quiet: bool,
}

impl Flow {
    /// Appends if what the request asks for holds.
    pub(super) fn new(shared: &Arc<Shared>, rules: Rules, gate: Gate) -> Flow {
        Flow {
            is_whole: gate.is_repeatable(),
            batches: Batches::new(shared, rules).behind(gate),
            under_way: VecDeque::new(),
            report: Report::default(),
            failed: None,
            is_quiet: false,
        }
    }

    /// Whether all that comes is gathered, because nothing is appended before all of it is here.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether something that was appended is not stored: nothing is appended after it.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Records that say no time have come now.
    pub(super) fn come_now(&mut self) {
        self.is_quiet = false;
        self.batches.come_now();
    }

    /// Gathers the record with this number.
    ///
    /// # Errors
    /// When the topic does not take it.
    pub(super) fn push(&mut self, number: u64, record: &NewRecord<'_>) -> Result<(), Refused> {
        self.batches.push(number, record)
    }

    /// Bytes that are gathered.
    pub(super) fn gathered_bytes(&self) -> usize {
        self.batches.bytes()
    }

    /// Whether so much is gathered that it should be appended.
    pub(super) fn is_full(&self) -> bool {
        self.batches.is_full(GATHERED_BYTES)
    }

    /// Nothing more is here at the moment: what is gathered need not wait for it.
    pub(super) async fn pause(&mut self) {
        self.is_quiet = true;
        if !self.is_whole {
            self.flush().await;
        }
        self.settle_ready();
    }

    /// Appends what is gathered. Not to be asked of a request that [is whole](Flow::is_whole) before all of it is here.
    pub(super) async fn flush(&mut self) {
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

    /// Tells what is stored of a body that has ended, or that was refused where it had been `read` to.
    ///
    /// # Errors
    /// What went wrong first, with what is stored all the same.
    pub(super) async fn answer(
        mut self,
        read: Result<(), Refused>,
        mut arriving: Arriving,
    ) -> Result<Response, Refused> {
        let read = match read {
            Ok(()) => self.batches.check_end().await,
            refused => refused,
        };
        // What came before what is wrong is stored, unless all of it is taken as a whole.
        if self.failed.is_none() && !(self.is_whole && read.is_err()) {
            self.flush().await;
        }
        while !self.under_way.is_empty() {
            self.settle_oldest().await;
        }
        let stored = self.report.finish();
        // A batch that failed is before the record that is wrong.
        match self.failed.or(read.err()) {
            None => {
                let body = json_body::bytes_of(&stored);
                Ok(([(CONTENT_TYPE, JSON)], body).into_response())
            }
            Some(refused) => {
                // Its room is others' while the client comes to read why.
                arriving.release();
                // Whoever has nothing more to say now is listening.
                let is_heard = self.is_quiet && refused.code() == Code::Stopping;
                if refused.code() != Code::RequestTimeout && !is_heard {
                    arriving.drain().await;
                }
                Err(refused.with_stored(stored))
            }
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
