//! Bodies on their way through: passed on piece by piece, counted, and held to a pace when they shall be slow. Each piece is
//! taken when the one before has gone, so what is held of a body is what one read of a socket gives.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::counts::Flight;
use crate::pool::Lease;

type Piece = Option<Result<Frame<Bytes>, hyper::Error>>;

/// Pieces of a slow body come so often.
const PIECES_PER_S: u64 = 20;

/// A body from a socket, at a pace.
struct Paced {
    inner: Incoming,
    pace: Option<Pace>,
}

struct Pace {
    piece_bytes: usize,
    /// What has come and has to wait.
    rest: Bytes,
    /// The piece before is still fresh.
    wait: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    fn new(inner: Incoming, bytes_per_s: Option<u64>) -> Paced {
        let pace = bytes_per_s.map(|bytes_per_s| Pace {
            piece_bytes: usize::try_from(bytes_per_s / PIECES_PER_S).unwrap_or(usize::MAX).max(1),
            rest: Bytes::new(),
            wait: None,
        });
        Paced { inner, pace }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        let Some(pace) = &mut self.pace else { return Pin::new(&mut self.inner).poll_frame(context) };
        if let Some(wait) = &mut pace.wait {
            ready!(wait.as_mut().poll(context));
            pace.wait = None;
        }
        if pace.rest.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => pace.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        let piece = pace.rest.split_to(pace.piece_bytes.min(pace.rest.len()));
        pace.wait = Some(Box::pin(sleep(Duration::from_millis(1_000 / PIECES_PER_S))));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn rest_bytes(&self) -> u64 {
        self.pace.as_ref().map_or(0, |pace| pace.rest.len() as u64)
    }

    fn is_over(&self) -> bool {
        self.rest_bytes() == 0 && self.inner.is_end_stream()
    }

    fn size(&self) -> SizeHint {
        let (rest, inner) = (self.rest_bytes(), self.inner.size_hint());
        let mut size = SizeHint::new();
        if let Some(upper) = inner.upper() {
            size.set_upper(upper + rest);
        }
        size.set_lower(inner.lower() + rest);
        size
    }
}

/// The body of a request, on its way to the store.
pub(crate) struct RequestBody {
    paced: Paced,
    flight: Arc<Flight>,
}

impl RequestBody {
    pub(crate) fn new(inner: Incoming, flight: Arc<Flight>, bytes_per_s: Option<u64>) -> RequestBody {
        let body = RequestBody { paced: Paced::new(inner, bytes_per_s), flight };
        body.look_for_end();
        body
    }

    fn look_for_end(&self) {
        if self.paced.is_over() {
            self.flight.is_whole();
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Piece> {
        let piece = ready!(self.paced.poll_piece(context));
        if let Some(Ok(frame)) = &piece {
            self.flight.bytes_in(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
        match &piece {
            Some(Ok(_)) => self.look_for_end(),
            Some(Err(_)) => self.flight.breaks(),
            None => self.flight.is_whole(),
        }
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.paced.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.paced.size()
    }
}

/// The body of an answer, on its way to the client.
pub(crate) enum AnswerBody {
    /// Said in the store's place.
    Own(Option<Bytes>),
    /// The store's.
    Passing(Box<Passing>),
}

pub(crate) struct Passing {
    paced: Paced,
    flight: Arc<Flight>,
    /// Given back when the body has come whole.
    lease: Option<Lease>,
    is_whole: bool,
}

impl AnswerBody {
    pub(crate) fn passing(inner: Incoming, flight: Arc<Flight>, lease: Lease, bytes_per_s: Option<u64>) -> AnswerBody {
        let mut passing =
            Passing { paced: Paced::new(inner, bytes_per_s), flight, lease: Some(lease), is_whole: false };
        passing.look_for_end();
        AnswerBody::Passing(Box::new(passing))
    }
}

impl Passing {
    fn look_for_end(&mut self) {
        if self.paced.is_over() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.is_whole = true;
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if !self.is_whole {
            self.flight.count(|counts| counts.cut_off += 1);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Piece> {
        let passing = match &mut *self {
            AnswerBody::Own(text) => return Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            AnswerBody::Passing(passing) => passing,
        };
        let piece = ready!(passing.paced.poll_piece(context));
        match &piece {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                passing.flight.count(|counts| counts.bytes_out += bytes);
                // Whoever has all that was announced does not ask for more.
                passing.look_for_end();
            }
            Some(Err(_)) => {}
            None => passing.end(),
        }
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            AnswerBody::Own(text) => text.is_none(),
            AnswerBody::Passing(passing) => passing.paced.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            AnswerBody::Passing(passing) => passing.paced.size(),
        }
    }
}
