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
use tokio::time::{Sleep, sleep};

use super::client::Charge;
use crate::negotiate::EVENT_STREAM;
use crate::options::QUOTA_WAIT_MAX;
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

/// A request's body, charged as it comes.
pub(super) struct PacedUpload {
    inner: Body,
    charge: Arc<Charge>,
    pause: Pause,
}

impl PacedUpload {
    pub(super) fn new(inner: Body, charge: Arc<Charge>) -> PacedUpload {
        PacedUpload { inner, charge, pause: Pause::default() }
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
            let wait = self.charge.sent(bytes).min(QUOTA_WAIT_MAX);
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
