//! A body of which it is known how much its client has taken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::client::Taker;

/// What is handed to the connection at once.
const PART_BYTES_MAX: usize = 64 * 1024;

/// Every answer's body.
pub(crate) struct Tracked {
    inner: Body,
    /// What came of the body and is not handed on yet.
    rest: Bytes,
    /// It has said that it is at its end, and may not be asked again.
    is_done: bool,
    taker: Arc<Taker>,
}

impl Tracked {
    pub(crate) fn new(inner: Body, taker: Arc<Taker>) -> Tracked {
        Tracked { inner, rest: Bytes::new(), is_done: false, taker }
    }
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.taker.must_wait(context) {
            return Poll::Pending;
        }
        if self.rest.is_empty() {
            if self.is_done {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.rest = bytes,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => {
                    self.is_done = true;
                    return Poll::Ready(end);
                }
            }
        }
        let bytes = self.rest.len().min(PART_BYTES_MAX);
        let part = self.rest.split_to(bytes);
        Poll::Ready(Some(Ok(Frame::data(self.taker.hand(part)))))
    }

    fn is_end_stream(&self) -> bool {
        // A stream of HTTP/2 ends when all of it was taken: until then it can be cut off.
        self.rest.is_empty() && self.inner.is_end_stream() && !(self.taker.is_stream() && self.taker.has_some())
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
