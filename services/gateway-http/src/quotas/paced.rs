//! Bodies that go no faster than their client may.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep};

use super::client::Charge;
use crate::negotiate::EVENT_STREAM;
use crate::options::QUOTA_WAIT_MAX;
use crate::problem::Refused;
use crate::read::HEARTBEAT;

type Polled = Poll<Option<Result<Frame<Bytes>, axum::Error>>>;

/// A wait, if there is one.
#[derive(Default)]
struct Pause(Option<Pin<Box<Sleep>>>);

impl Pause {
    fn begin(&mut self, wait: Duration) {
        self.0 = (!wait.is_zero()).then(|| Box::pin(sleep(wait)));
    }

    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.0 {
            ready!(pause.as_mut().poll(context));
            self.0 = None;
        }
        Poll::Ready(())
    }
}

/// How long a request's body was not read because its client's quota was used up: that is no fault of its client's pace. Found in
/// the extensions of a request whose body is paced.
pub(crate) struct Pauses {
    charge: Arc<Charge>,
    all: Mutex<Paused>,
}

#[derive(Default)]
struct Paused {
    before: Duration,
    /// Since when, and how long, it was last.
    last: Option<(Instant, Duration)>,
}

impl Pauses {
    pub(super) fn new(charge: Arc<Charge>) -> Arc<Pauses> {
        Arc::new(Pauses { charge, all: Mutex::default() })
    }

    fn begin(&self, wait: Duration) {
        let now = self.charge.shared.parts.clock.now();
        let mut all = self.all.lock();
        if let Some((_, last)) = all.last.replace((now, wait)) {
            // Nothing comes before it is over.
            all.before += last;
        }
    }

    /// All of it until now.
    pub(crate) fn until(&self, now: Instant) -> Duration {
        let all = self.all.lock();
        let last = all.last.map_or(Duration::ZERO, |(since, wait)| now.saturating_duration_since(since).min(wait));
        all.before + last
    }

    /// Why the body is read no further.
    pub(crate) fn refused(&self) -> Refused {
        self.charge.refused(self.charge.owes_sent())
    }
}

/// A request's body, charged as it comes.
pub(super) struct PacedUpload {
    inner: Body,
    pauses: Arc<Pauses>,
    pause: Pause,
}

impl PacedUpload {
    pub(super) fn new(inner: Body, pauses: Arc<Pauses>) -> PacedUpload {
        PacedUpload { inner, pauses, pause: Pause::default() }
    }
}

impl http_body::Body for PacedUpload {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        ready!(self.pause.poll_over(context));
        let polled = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if let Some(Ok(frame)) = &polled {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            // What it owes beyond that it still owes afterwards; a body that stands still for longer would be given up.
            let wait = self.pauses.charge.sent(bytes).min(QUOTA_WAIT_MAX);
            self.pauses.begin(wait);
            self.pause.begin(wait);
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer with records, charged as it goes. While it waits nothing is made ready for it; a stream of events shows that it
/// lives.
pub(super) struct PacedAnswer {
    inner: Body,
    charge: Arc<Charge>,
    /// Until nothing is owed.
    pause: Pause,
    is_events: bool,
    heartbeat: Pause,
}

impl PacedAnswer {
    pub(super) fn new(inner: Body, headers: &HeaderMap, charge: Arc<Charge>) -> PacedAnswer {
        let is_events = headers.get(CONTENT_TYPE).is_some_and(|it| it.as_bytes() == EVENT_STREAM.as_bytes());
        PacedAnswer { inner, charge, pause: Pause::default(), is_events, heartbeat: Pause::default() }
    }
}

impl http_body::Body for PacedAnswer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        if self.pause.poll_over(context).is_pending() {
            if self.is_events && self.heartbeat.poll_over(context).is_ready() {
                let interval = self.charge.shared.options.heartbeat;
                self.heartbeat.begin(interval);
                return Poll::Ready(Some(Ok(Frame::data(HEARTBEAT))));
            }
            return Poll::Pending;
        }
        let begun = self.charge.shared.parts.clock.now();
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        self.charge.spent(begun.elapsed());
        let polled = ready!(polled);
        if let Some(Ok(frame)) = &polled {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            let wait = self.charge.read(bytes).max(self.charge.owes_time());
            let interval = self.charge.shared.options.heartbeat;
            self.pause.begin(wait);
            self.heartbeat.begin(interval);
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
