//! What clients were given and have not taken yet.
//!
//! An answer is handed to its connection in parts, and each part tells when it was written. So it is known of every answer
//! since when it is on its way, how much of it was taken and when that went on last. `slow.rs` decides who is too slow.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Context;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;
use bytes::Bytes;
use futures::FutureExt;
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tidelog_host::Clock;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::budget::{Budget, Share, shrink};
use super::turns::Address;
use super::{Memory, Of};
use crate::options::{BYTES_PER_SECOND_MIN, CONNECTION_ANSWERS_BYTES_MAX, SMALL_PAGE_BYTES_MAX};
use crate::problem::Refused;

/// Ends a connection, or a stream of one.
#[derive(Default)]
pub(crate) struct Cut {
    at: Mutex<Option<Instant>>,
    told: Notify,
}

impl Cut {
    pub(super) fn now(&self, now: Instant) {
        self.at.lock().get_or_insert(now);
        self.told.notify_one();
    }

    /// When it was cut, if it was.
    pub(super) fn at(&self) -> Option<Instant> {
        *self.at.lock()
    }

    /// Waits until it is cut. For one to wait.
    pub(crate) async fn told(&self) {
        self.told.notified().await;
    }
}

/// Who is at the other end of a connection.
pub(crate) struct Client {
    clock: Clock,
    address: Address,
    /// Few, and none as a rule of a client that waits: a list of as many takes far less than a tree.
    pub(super) answers: Mutex<Vec<Answer>>,
    next: AtomicU64,
    /// What all its answers may hold.
    pub(super) room: Budget,
    /// Ends its connection.
    pub(crate) cut: Arc<Cut>,
    is_blocked: AtomicBool,
    blocked_since: Mutex<Option<Instant>>,
}

/// An answer of which something is held, or not taken.
pub(super) struct Answer {
    number: u64,
    /// Since when.
    pub(super) since: Instant,
    /// When some of it was taken last.
    pub(super) went_on_at: Instant,
    taken_bytes: usize,
    untaken_bytes: usize,
    /// What it takes of the budgets.
    pub(super) held: [usize; Of::COUNT],
    /// Ends it.
    pub(super) cut: Arc<Cut>,
}

impl Answer {
    /// How much longer it takes than it would at the slowest pace that is put up with when others wait.
    pub(super) fn lateness(&self, now: Instant) -> Duration {
        let paid = Duration::from_millis((self.taken_bytes as u64).saturating_mul(1_000) / BYTES_PER_SECOND_MIN as u64);
        now.saturating_duration_since(self.since).saturating_sub(paid)
    }
}

impl Client {
    pub(crate) fn new(clock: &Clock, address: Address) -> Arc<Client> {
        Arc::new(Client {
            clock: clock.clone(),
            address,
            answers: Mutex::default(),
            next: AtomicU64::new(0),
            room: Budget::new(CONNECTION_ANSWERS_BYTES_MAX),
            cut: Arc::default(),
            is_blocked: AtomicBool::new(false),
            blocked_since: Mutex::default(),
        })
    }

    /// The connection does not take bytes.
    pub(crate) fn is_blocked(&self) {
        if !self.is_blocked.swap(true, Ordering::Relaxed) {
            *self.blocked_since.lock() = Some(self.clock.now());
        }
    }

    /// The connection has taken some.
    pub(crate) fn goes_on(&self) {
        if self.is_blocked.swap(false, Ordering::Relaxed) {
            *self.blocked_since.lock() = None;
        }
    }

    pub(super) fn blocked_since(&self) -> Option<Instant> {
        *self.blocked_since.lock()
    }

    fn change(&self, number: u64, cut: &Arc<Cut>, change: impl FnOnce(&mut Answer)) {
        let mut answers = self.answers.lock();
        let at = answers.iter().position(|answer| answer.number == number).unwrap_or_else(|| {
            let now = self.clock.now();
            let cut = cut.clone();
            if answers.is_empty() {
                // Not room for several: most connections have one at a time.
                answers.reserve_exact(1);
            }
            let (taken_bytes, untaken_bytes) = (0, 0);
            let held = [0; Of::COUNT];
            answers.push(Answer { number, since: now, went_on_at: now, taken_bytes, untaken_bytes, held, cut });
            answers.len() - 1
        });
        let answer = &mut answers[at];
        change(answer);
        if answer.untaken_bytes == 0 && answer.held == [0; Of::COUNT] {
            answers.swap_remove(at);
        }
    }
}

/// Who takes one answer: an HTTP/2 stream, or the connection whose turn it is.
pub(crate) struct Taker {
    client: Arc<Client>,
    number: u64,
    cut: Arc<Cut>,
    is_stream: bool,
    /// Woken when some was taken.
    taken: AtomicWaker,
}

impl Taker {
    /// `stream` ends the stream, if it is one.
    pub(crate) fn new(client: &Arc<Client>, stream: Option<Arc<Cut>>) -> Arc<Taker> {
        let number = client.next.fetch_add(1, Ordering::Relaxed);
        let is_stream = stream.is_some();
        let cut = stream.unwrap_or_else(|| client.cut.clone());
        Arc::new(Taker { client: client.clone(), number, cut, is_stream, taken: AtomicWaker::new() })
    }

    /// Waits for room for a part of an answer. Whoever waits must hold nothing that others wait for, beside the room of
    /// this. A cancelled caller leaves nothing behind.
    pub(crate) async fn room(&self, memory: &Memory, of: Of, bytes: usize) -> Room {
        let of_client = self.client.room.take(bytes).await;
        let (budget, address) = (memory.budget(of), self.client.address);
        let mut taken = pin!(async {
            match of {
                // Whoever waits for its turn must be listening when that comes, else all of its address wait for it. Of a piece
                // that is not certain: it is asked for when the connection wants it.
                Of::Pieces => budget.take(bytes).await,
                Of::Pages | Of::SmallPages => budget.take_in_turn(address, bytes).await,
            }
        });
        if let Some(share) = taken.as_mut().now_or_never() {
            return Room { of, of_client, share };
        }
        // Once it can be seen that this waits.
        memory.wanted.notify_one();
        Room { of, of_client, share: taken.await }
    }

    /// Who takes the answer to a request.
    pub(crate) fn of(request: &Extensions) -> &Arc<Taker> {
        request.get::<Arc<Taker>>().expect("what is around the router sees to it")
    }

    /// Where its client is.
    pub(crate) fn address(&self) -> Address {
        self.client.address
    }

    /// Waits for room for an answer as a whole, though not for ever: there may be very many who do not take theirs.
    ///
    /// # Errors
    /// When there was none in time, or too many wait already.
    pub(crate) async fn page_room(&self, memory: &Memory, bytes: usize) -> Result<Room, Refused> {
        let of = if bytes <= SMALL_PAGE_BYTES_MAX { Of::SmallPages } else { Of::Pages };
        if let Some(room) = self.try_room(memory, of, bytes) {
            return Ok(room);
        }
        let waits = memory.places.wait(self.client.address)?;
        let detail = "there is no room for the answer, because others do not take theirs; try again in a moment";
        // In a place of its own, which no request has that need not wait.
        Box::pin(waits.until(&self.client.clock, self.room(memory, of, bytes), detail)).await
    }

    /// Room that is there now, and that nobody waits for.
    pub(crate) fn try_room(&self, memory: &Memory, of: Of, bytes: usize) -> Option<Room> {
        let of_client = self.client.room.try_take(bytes)?;
        Some(Room { of, of_client, share: memory.budget(of).try_take_unwanted(bytes)? })
    }

    /// Bytes of an answer, with the room that they take until they are taken.
    pub(crate) fn hold(self: &Arc<Self>, mut bytes: Vec<u8>, mut room: Room) -> Bytes {
        bytes.shrink_to_fit();
        shrink(&mut room.share, bytes.len());
        shrink(&mut room.of_client, bytes.len());
        let of = room.of as usize;
        self.client.change(self.number, &self.cut, |answer| answer.held[of] += bytes.len());
        Bytes::from_owner(Held { bytes, taker: self.clone(), room })
    }

    /// Hands bytes to the connection.
    pub(super) fn hand(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        self.client.change(self.number, &self.cut, |answer| answer.untaken_bytes += bytes.len());
        Bytes::from_owner(Handed { bytes, taker: self.clone() })
    }

    /// Whether it has been handed something that it has not taken.
    pub(super) fn has_some(&self) -> bool {
        let answers = self.client.answers.lock();
        answers.iter().any(|answer| answer.number == self.number && answer.untaken_bytes > 0)
    }

    /// Whether it is to be given no more for now; whoever asks is woken.
    ///
    /// A stream of HTTP/2 is handed its next part when it has taken the one before: what was handed cannot be taken back from
    /// a stream that has ended on this side, and is not bounded by the library. HTTP/1.1 looks after that itself.
    pub(super) fn must_wait(&self, context: &Context<'_>) -> bool {
        if !self.is_stream || !self.has_some() {
            return false;
        }
        self.taken.register(context.waker());
        self.has_some()
    }

    /// Whether it is a stream of HTTP/2.
    pub(super) fn is_stream(&self) -> bool {
        self.is_stream
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TakerOf {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<TakerOf, Infallible> {
        Ok(TakerOf(Taker::of(&parts.extensions).clone()))
    }
}

/// Who takes a request's answer.
pub(crate) struct TakerOf(pub(crate) Arc<Taker>);

/// Room for a part of an answer, of the node and of its client.
pub(crate) struct Room {
    of: Of,
    of_client: Share,
    share: Share,
}

struct Held {
    bytes: Vec<u8>,
    taker: Arc<Taker>,
    room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let of = self.room.of as usize;
        self.taker.client.change(self.taker.number, &self.taker.cut, |answer| answer.held[of] -= self.bytes.len());
    }
}

struct Handed {
    bytes: Bytes,
    taker: Arc<Taker>,
}

impl AsRef<[u8]> for Handed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        let Taker { client, number, cut, taken, .. } = &*self.taker;
        client.change(*number, cut, |answer| {
            answer.untaken_bytes -= self.bytes.len();
            answer.taken_bytes += self.bytes.len();
            answer.went_on_at = client.clock.now();
        });
        taken.wake();
    }
}
