//! Records in pieces: lines, events or record batches, as the client takes them and as they come.
//!
//! A piece is made when the client has taken the one before, so a slow reader slows itself down and holds one piece. What was
//! read and is not written yet is kept meanwhile only as long as nobody else needs its room. At the tail nothing is held but
//! the interest in it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Wanted;
use super::arrow::{self, Columns};
use super::encode::Framing;
use super::source::{Filled, Sink, Source, Step};
use crate::errors::Code;
use crate::gateway::Shared;
use crate::memory::{Of, Taker};
use crate::negotiate::{ARROW, EVENT_STREAM, NDJSON};
use crate::problem::Refused;
use crate::storage::WatchTail;

/// A comment: shows that the stream lives.
pub(crate) const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");
/// What proxies that would hold events back understand.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How much is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) records_left: u64,
    pub(super) bytes_left: u64,
    /// How long to wait at the tail; `None`: for ever.
    pub(super) wait: Option<Duration>,
}

/// A stream that has begun.
pub(super) struct Follow {
    shared: Arc<Shared>,
    source: Source,
    wanted: Wanted,
    taker: Arc<Taker>,
    tail: Option<Tail>,
    /// Since when there was no record.
    quiet_since: Instant,
    /// When something was sent last.
    sent_at: Instant,
    has_some: bool,
    is_greeted: bool,
    /// No more records are wanted.
    is_done: bool,
    /// Nothing more is sent.
    is_ended: bool,
    _permit: OwnedSemaphorePermit,
}

impl Follow {
    /// # Errors
    /// When there are as many streams as may be.
    pub(super) fn begin(
        shared: &Arc<Shared>,
        source: Source,
        wanted: Wanted,
        taker: Arc<Taker>,
    ) -> Result<Follow, Refused> {
        let permit = shared.streams.clone().try_acquire_owned().map_err(|_| {
            Refused::new(Code::Overloaded, "there are as many streams as may be; try again in a moment")
        })?;
        let now = shared.parts.clock.now();
        Ok(Follow {
            shared: shared.clone(),
            source,
            wanted,
            taker,
            tail: None,
            quiet_since: now,
            sent_at: now,
            has_some: false,
            is_greeted: false,
            is_done: false,
            is_ended: false,
            _permit: permit,
        })
    }

    pub(super) fn response(self) -> Response {
        let content_type = match self.wanted.framing {
            Framing::Events => EVENT_STREAM,
            Framing::Columns => ARROW,
            Framing::Lines | Framing::List => NDJSON,
        };
        let pieces = futures::stream::unfold(self, |mut follow| async move {
            let piece = follow.next().await.transpose()?;
            Some((piece, follow))
        });
        let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store"), (BUFFERING, "no")];
        (headers, Body::from_stream(pieces)).into_response()
    }

    /// The next piece; `None` at the end.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let is_events = self.wanted.framing == Framing::Events;
        if !std::mem::replace(&mut self.is_greeted, true) {
            match self.wanted.framing {
                Framing::Events => return Ok(Some(self.greeting())),
                Framing::Columns => return Ok(Some(Bytes::from(self.wanted.chosen.begin()))),
                Framing::Lines | Framing::List => {}
            }
        }
        loop {
            if self.is_ended {
                return Ok(None);
            }
            if self.is_done {
                return Ok(self.end());
            }
            if self.shared.parts.tasks.is_stopping() {
                return self.stop();
            }
            match self.source.grow() {
                Ok(true) => self.tail = None,
                Ok(false) => {}
                Err(refused) => return self.fail(&refused),
            }
            // Before it is read, so that nothing is missed between reading and waiting.
            let shared = self.shared.clone();
            let tail = self.tail.get_or_insert_with(|| Tail::watch(&shared, &self.source));
            let piece = match self.source.fill().await {
                Ok(Filled::Ready) => self.piece().await,
                // That is known for certain since it was seen that there is no record.
                Ok(Filled::Tail) if self.source.grown().is_some() => continue,
                Ok(Filled::Tail) => {
                    let quiet_until = self.wanted.bounds.wait.map(|wait| self.quiet_since + wait);
                    let alive_at = is_events.then(|| self.sent_at + self.shared.options.heartbeat);
                    let until = quiet_until.into_iter().chain(alive_at).min();
                    if tail.changed_before(until.unwrap_or_else(|| self.quiet_since + FOREVER)).await {
                        self.tail = None;
                        continue;
                    }
                    let now = self.shared.parts.clock.now();
                    if quiet_until.is_some_and(|until| until <= now) || self.shared.parts.tasks.is_stopping() {
                        return Ok(self.end());
                    }
                    if alive_at.is_some_and(|at| at <= now) {
                        self.sent_at = now;
                        return Ok(Some(HEARTBEAT));
                    }
                    continue;
                }
                Err(refused) => Err(refused),
            };
            match piece {
                Ok(Some(piece)) => return Ok(Some(piece)),
                Ok(None) => {}
                // What it reads from stops too.
                Err(_) if self.shared.parts.tasks.is_stopping() => return self.stop(),
                Err(refused) => return self.fail(&refused),
            }
        }
    }

    /// Shows that the stream has begun, tells a browser to come back after a second when it ends, and where it has begun: an id
    /// without data, so that who loses the connection before the first record misses nothing all the same.
    fn greeting(&self) -> Bytes {
        let place = self.source.place().map(|id| format!("id: {id}\n")).unwrap_or_default();
        Bytes::from(format!("retry: 1000\n{place}\n"))
    }

    /// A piece of the records that were read, if any of them is wanted.
    async fn piece(&mut self) -> Result<Option<Bytes>, Refused> {
        let shared = self.shared.clone();
        let memory = &shared.memory;
        let pieces = if self.wanted.framing == Framing::Columns { arrow::PIECES_PER_MESSAGE } else { 1 };
        let mut room_bytes = pieces * memory.piece_bytes();
        loop {
            let room = match self.taker.try_room(memory, Of::Pieces, room_bytes) {
                Some(room) => room,
                None => {
                    // Whoever waits for clients holds nothing that others wait for.
                    self.source.keep();
                    let room = self.taker.room(memory, Of::Pieces, room_bytes).await;
                    if self.source.fill().await? == Filled::Tail {
                        return Ok(None);
                    }
                    room
                }
            };
            let mut sink = Sink {
                out: Vec::new(),
                room_bytes,
                framing: self.wanted.framing,
                value_format: self.wanted.value_format,
                records_left: self.wanted.bounds.records_left,
                bytes_left: self.wanted.bounds.bytes_left,
                has_some: self.has_some,
                columns: (self.wanted.framing == Framing::Columns).then(|| Columns::new(self.wanted.chosen)),
            };
            let step = self.source.write(&mut sink)?;
            if let Step::NeedsRoom(bytes) = step {
                room_bytes = bytes;
                continue;
            }
            self.wanted.bounds.records_left = sink.records_left;
            self.wanted.bounds.bytes_left = sink.bytes_left;
            self.has_some = sink.has_some;
            self.is_done = step == Step::Done || sink.records_left == 0;
            if self.is_done {
                self.source.release();
            }
            self.source.keep();
            if sink.out.is_empty() {
                return Ok(None);
            }
            let now = shared.parts.clock.now();
            (self.quiet_since, self.sent_at) = (now, now);
            return Ok(Some(self.taker.hold(sink.out, room)));
        }
    }

    /// All that was asked for was sent.
    fn end(&mut self) -> Option<Bytes> {
        self.is_ended = true;
        (self.wanted.framing == Framing::Columns).then(|| Bytes::from_static(&arrow::END))
    }

    /// The node stops, and there may be more that was asked for. Events go on elsewhere, and so do those who take them; nobody
    /// should take others for all there was.
    fn stop(&mut self) -> io::Result<Option<Bytes>> {
        self.is_ended = true;
        if self.wanted.framing == Framing::Events {
            return Ok(None);
        }
        Err(io::Error::other("the node is stopping"))
    }

    /// The stream cannot go on. Events tell why; lines and columns end without an end, so that nobody takes them for all there
    /// was.
    fn fail(&mut self, refused: &Refused) -> io::Result<Option<Bytes>> {
        (self.is_done, self.is_ended) = (true, true);
        tracing::debug!(code = refused.code().as_str(), detail = refused.detail(), "a stream ends");
        if self.wanted.framing != Framing::Events {
            return Err(io::Error::other(refused.detail().to_owned()));
        }
        let mut event = b"event: problem\ndata: ".to_vec();
        event.extend(refused.to_json());
        event.extend_from_slice(b"\n\n");
        Ok(Some(Bytes::from(event)))
    }
}

/// Longer than any process lives, and short enough to be added to a time.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Interest in the tail of what is read.
pub(super) struct Tail {
    shared: Arc<Shared>,
    watch: Box<dyn WatchTail>,
}

impl Tail {
    /// From now on.
    pub(super) fn watch(shared: &Arc<Shared>, source: &Source) -> Tail {
        Tail { shared: shared.clone(), watch: shared.parts.fetch.watch(&source.watched()) }
    }

    /// Waits until something came since this was made; false when nothing did by `until`, or the node stops.
    pub(super) async fn changed_before(&mut self, until: Instant) -> bool {
        tokio::select! {
            biased;
            () = self.shared.parts.tasks.stopping() => false,
            () = self.watch.changed() => true,
            () = tokio::time::sleep_until(until) => false,
        }
    }
}
