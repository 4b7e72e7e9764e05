//! One connection: what is read when, what overlaps, in which order it is answered.
//!
//! Every request holds a share of the connection until its answer is written: Produce and Fetch one share, everything else
//! all of them. So Produce and Fetch overlap up to the bound, and any other request waits until all before it are answered
//! and is worked on alone. Records get their place in the order while the reading side handles the request, one after the
//! other; only waiting for the outcome overlaps.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::FuturesOrdered;
use tidelog_host::follow_request;
use tidelog_kafka_wire::{Api, EncodeFailed, Request, RequestError, RequestHeader, decode_request};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tracing::Instrument;

use crate::gateway::Shared;
use crate::memory::{Room, Share};
use crate::quotas::{Charge, ConnectionQuotas, Input, Mute};
use crate::telemetry::Software;
use crate::transport::{self, TransportError};
use crate::{dispatch, memory};

/// An answer, and what is held until it is written.
pub(crate) enum Answer {
    /// A frame, in pieces, and what is held for it.
    Frame(Vec<Bytes>, Option<Share>),
    /// A frame whose records take memory that is bounded by this permit.
    Records(Vec<Bytes>, Option<Share>),
    /// The client asked for none (acks=0).
    None,
    /// The client asked for none and is told by the end of the connection that something went wrong.
    Close,
}

/// An answer that will be.
pub(crate) type Answering = BoxFuture<'static, Result<Answer, EncodeFailed>>;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("an error of a request that wants no answer")]
    Unanswered,
    #[error(transparent)]
    Answer(#[from] EncodeFailed),
    #[error("the node is stopping")]
    Stopping,
}

/// Serves a connection until it ends.
pub(crate) async fn run(shared: &Arc<Shared>, number: u64, stream: TcpStream) -> Ended {
    // As Kafka writes addresses, for those who look at groups.
    let address = stream.peer_addr();
    let host = address.as_ref().map_or_else(|_| "/unknown".to_owned(), |it| format!("/{}", it.ip().to_canonical()));
    let port = address.ok().map(|it| it.port());
    let (input, output) = stream.into_split();
    serve(shared, Peer { number, host: host.into(), port, software: Software::default() }, input, output).await
}

/// The other side of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Names the connection to the write path.
    pub(crate) number: u64,
    pub(crate) host: Arc<str>,
    /// Where it connected from.
    pub(crate) port: Option<u16>,
    /// As far as it has said what it is.
    pub(crate) software: Software,
}

pub(crate) async fn serve<R, W>(shared: &Arc<Shared>, peer: Peer, input: R, output: W) -> Ended
where
    R: Input,
    W: AsyncWrite + Unpin,
{
    let number = peer.number;
    let (queue, queued) = mpsc::channel(shared.options.connection_requests_max);
    let reading = read_requests(shared, peer, input, queue);
    let writing = write_answers(shared, output, queued);
    tokio::pin!(reading, writing);
    let ended = tokio::select! {
        ended = &mut reading => ended,
        ended = &mut writing => return ended,
    };
    match &ended {
        // Nobody is there to be answered. What was appended stays appended.
        Ended::Transport(TransportError::Closed | TransportError::CutOff | TransportError::Io(_)) => {}
        // Requests before the one that ended it are answered first.
        Ended::Transport(_) | Ended::Request(_) | Ended::Unanswered | Ended::Answer(_) | Ended::Stopping => {
            let _ = tokio::time::timeout(shared.options.drain_timeout, writing).await;
        }
    }
    if let Ended::Request(error) = &ended {
        shared.meters.refused("request");
        tracing::debug!(connection = number, %error, "connection refused");
    }
    ended
}

/// What a request holds until its answer is written.
struct InFlight {
    answering: Answering,
    held: Held,
}

struct Held {
    shared: Arc<Shared>,
    api: Api,
    begun: Instant,
    _share: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.meters.ended(self.api, self.begun.elapsed());
    }
}

async fn read_requests<R: Input>(
    shared: &Arc<Shared>,
    peer: Peer,
    mut input: R,
    queue: mpsc::Sender<InFlight>,
) -> Ended {
    let options = &shared.options;
    let shares = Arc::new(Semaphore::new(options.connection_requests_max));
    let kibibytes_max = options.connection_bytes_max / 1024;
    let kibibytes = Arc::new(Semaphore::new(kibibytes_max));
    // Fetches of one connection follow each other, so that what they hold is bounded by one answer, and a session's epochs
    // are seen in order. The next is not even read before: no client sends it.
    let fetches = Arc::new(Semaphore::new(1));
    let mute = Arc::new(Mute::default());
    let mut quotas = ConnectionQuotas::new(mute.clone());
    loop {
        let begun = tokio::select! {
            biased;
            () = shared.parts.tasks.stopping() => return Ended::Stopping,
            begun = transport::begin_frame(&mut input, options) => match begun {
                Ok(begun) => begun,
                Err(error) => return refused(shared, error),
            },
        };
        // Who has used too much may say that there is another request; it is not read before the time has come.
        if mute.is_on() {
            let is_there = tokio::select! {
                biased;
                () = shared.parts.tasks.stopping() => return Ended::Stopping,
                is_there = mute.over(&shared.parts.clock, &input) => is_there,
            };
            if !is_there {
                return Ended::Transport(TransportError::Closed);
            }
        }
        let begun_at = shared.parts.clock.now();
        let api = Api::from_key(begun.prefix.api_key).expect("the frame was checked: its API is offered");
        let overlaps = matches!(api, Api::Produce | Api::Fetch);
        let share = acquire(&shares, if overlaps { 1 } else { options.connection_requests_max }).await;
        let bytes = acquire(&kibibytes, begun.prefix.bytes.div_ceil(1024).min(kibibytes_max)).await;
        let turn = if api == Api::Fetch { Some(acquire(&fetches, 1).await) } else { None };
        let frame_bytes = begun.prefix.bytes;
        let (frame, room) = match memory::receive(shared, &mut input, begun, api).await {
            Ok(received) => received,
            Err(error) => return refused(shared, error),
        };
        shared.meters.begun(api, frame_bytes);
        let held = Held { shared: shared.clone(), api, begun: begun_at, _share: share, _bytes: bytes, _turn: turn };
        let answering = match decode_request(frame) {
            Ok((header, request)) => {
                let span = follow_request!(None, "kafka", otel.name = api.name(), otel.kind = "server");
                let begun = match quotas.charge(shared, begun_at, &header, frame_bytes) {
                    None => dispatch::begin(shared, &peer, header, request, room, None).left_future(),
                    Some(charge) => charged(shared, &peer, header, request, room, charge).right_future(),
                };
                let answering = begun.instrument(span.clone()).await;
                // The answer takes no room for a span that is none.
                if span.is_none() { answering } else { answering.instrument(span).boxed() }
            }
            Err(RequestError::UnsupportedApiVersions { correlation_id, .. }) => {
                futures::future::ready(crate::cluster::unsupported_api_versions(correlation_id)).boxed()
            }
            Err(error) => return Ended::Request(error),
        };
        if queue.send(InFlight { answering, held }).await.is_err() {
            return Ended::Transport(TransportError::Closed);
        }
    }
}

/// Begins a request at its client's expense. Boxed, so that whoever has no quotas does not carry its room along.
fn charged<'c>(
    shared: &'c Arc<Shared>,
    peer: &'c Peer,
    header: RequestHeader,
    request: Request,
    room: Room,
    charge: Arc<Charge>,
) -> BoxFuture<'c, Answering> {
    // Without the client's id, which would keep the frame.
    let to = RequestHeader { client_id: None, ..header };
    let begin = Box::pin(dispatch::begin(shared, peer, header, request, room, Some(charge.clone())));
    charge.run(to, begin).boxed()
}

fn refused(shared: &Shared, error: TransportError) -> Ended {
    let reason = match &error {
        TransportError::Closed | TransportError::CutOff | TransportError::Io(_) => None,
        TransportError::Idle => Some("idle"),
        TransportError::FrameTimeout => Some("slow_frame"),
        TransportError::WriteTimeout => Some("slow_reader"),
        TransportError::Frame(_) => Some("frame"),
    };
    if let Some(reason) = reason {
        shared.meters.refused(reason);
    }
    Ended::Transport(error)
}

async fn acquire(semaphore: &Arc<Semaphore>, count: usize) -> OwnedSemaphorePermit {
    let count = u32::try_from(count).expect("bounds of one connection are far below 2³²");
    semaphore.clone().acquire_many_owned(count).await.expect("the semaphore is never closed")
}

/// Works on all requests of the connection at once and writes their answers in the order in which they came.
async fn write_answers<W: AsyncWrite + Unpin>(
    shared: &Arc<Shared>,
    mut output: W,
    mut queued: mpsc::Receiver<InFlight>,
) -> Ended {
    let mut in_flight = FuturesOrdered::new();
    let mut open = true;
    loop {
        let (answer, held) = tokio::select! {
            next = queued.recv(), if open => {
                match next {
                    Some(InFlight { answering, held }) => {
                        in_flight.push_back(async move { (answering.await, held) });
                    }
                    None => open = false,
                }
                continue;
            }
            Some(answered) = in_flight.next(), if !in_flight.is_empty() => answered,
            else => return Ended::Stopping,
        };
        let written = match answer {
            Ok(Answer::Frame(pieces, memory)) => {
                shared.meters.sent(held.api, pieces.iter().map(Bytes::len).sum());
                let is_wanted = || shared.memory.is_answer_wanted();
                let written =
                    transport::write_pieces(&mut output, pieces, &shared.options, &shared.parts.clock, is_wanted).await;
                drop(memory);
                written
            }
            Ok(Answer::Records(pieces, memory)) => {
                shared.meters.sent(held.api, pieces.iter().map(Bytes::len).sum());
                let is_wanted = || shared.memory.records.is_wanted();
                let written =
                    transport::write_pieces(&mut output, pieces, &shared.options, &shared.parts.clock, is_wanted).await;
                drop(memory);
                written
            }
            Ok(Answer::None) => Ok(()),
            Ok(Answer::Close) => return Ended::Unanswered,
            Err(error) => {
                tracing::error!(%error, "an answer could not be encoded");
                return Ended::Answer(error);
            }
        };
        drop(held);
        if let Err(error) = written {
            return refused(shared, error);
        }
    }
}
