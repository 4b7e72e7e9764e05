//! What one request uses of its client's quotas.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use parking_lot::Mutex;
use tidelog_access::{Limit, WINDOW};
use tidelog_kafka_wire::{Api, RequestHeader, set_throttle_time};
use tokio::time::Instant;

use super::Mute;
use crate::connection::{Answer, Answering};
use crate::gateway::Shared;

/// The quotas of a client.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) producer: Option<Limit>,
    pub(super) consumer: Option<Limit>,
    pub(super) time: Option<Limit>,
    pub(super) mutations: Option<Limit>,
}

impl Limits {
    pub(super) fn is_any(&self) -> bool {
        self.producer.is_some() || self.consumer.is_some() || self.time.is_some() || self.mutations.is_some()
    }
}

/// One request of a client that has quotas.
pub(crate) struct Charge {
    shared: Arc<Shared>,
    limits: Arc<Limits>,
    mute: Arc<Mute>,
    worked: Mutex<Duration>,
    /// Until when the client is to wait.
    until: Mutex<Option<Instant>>,
    /// A Fetch that got no records for that reason, which is not charged for saying so.
    is_put_off: AtomicBool,
}

impl Charge {
    pub(super) fn new(shared: Arc<Shared>, limits: Arc<Limits>, mute: Arc<Mute>) -> Charge {
        Charge {
            shared,
            limits,
            mute,
            worked: Mutex::default(),
            until: Mutex::default(),
            is_put_off: AtomicBool::new(false),
        }
    }

    /// Of Produce its bytes are used when it has come, whatever becomes of them; so the connection is muted before the next
    /// one is read, also when there will be no answer.
    pub(super) fn produced(&self, bytes: usize) {
        if let Some(limit) = &self.limits.producer {
            self.throttle(self.take(limit, bytes as f64));
        }
    }

    /// Bytes of records that one Fetch may get: what the client may use at once.
    pub(crate) fn fetch_bytes_max(&self) -> usize {
        self.limits.consumer.as_ref().map_or(usize::MAX, |limit| limit.burst() as usize)
    }

    /// Whether the client is to have no records yet, for which it is then throttled: others of its quota had too many.
    pub(crate) fn owes_records(&self) -> bool {
        let Some(limit) = &self.limits.consumer else { return false };
        let owed = self.shared.parts.quotas.debt(limit, self.shared.parts.clock.now().into_std());
        self.throttle(owed);
        self.is_put_off.store(!owed.is_zero(), Ordering::Relaxed);
        !owed.is_zero()
    }

    fn take(&self, limit: &Limit, amount: f64) -> Duration {
        self.shared.parts.quotas.take(limit, amount, self.shared.parts.clock.now().into_std())
    }

    /// Nobody is held up for longer than it may be idle, so that its place is not taken for longer; what it owes beyond it
    /// still owes afterwards.
    fn throttle(&self, wait: Duration) {
        let wait = wait.min(self.shared.options.idle_timeout);
        if wait.is_zero() {
            return;
        }
        let then = self.shared.parts.clock.now() + wait;
        let mut until = self.until.lock();
        *until = Some(until.map_or(then, |until| until.max(then)));
        self.mute.until(then);
    }

    /// Works on a request at its client's expense: counts the time that is spent on it, and tells the answer how long the client
    /// is to wait.
    pub(crate) async fn run(
        self: Arc<Self>,
        to: RequestHeader,
        begin: impl Future<Output = Answering> + Unpin,
    ) -> Answering {
        let answering = Counted { charge: self.clone(), work: begin }.await;
        async move {
            let answer = Counted { charge: self.clone(), work: answering }.await?;
            Ok(self.told(&to, answer))
        }
        .boxed()
    }

    fn told(&self, to: &RequestHeader, mut answer: Answer) -> Answer {
        let worked = *self.worked.lock();
        if let Some(limit) = &self.limits.time {
            self.throttle(self.take(limit, worked.as_secs_f64()).min(WINDOW));
        }
        let (Answer::Frame(pieces, _) | Answer::Records(pieces, _)) = &mut answer else { return answer };
        if let (Api::Fetch, Some(limit), false) =
            (to.api, &self.limits.consumer, self.is_put_off.load(Ordering::Relaxed))
        {
            self.throttle(self.take(limit, pieces.iter().map(Bytes::len).sum::<usize>() as f64));
        }
        let until = *self.until.lock();
        let left = until.map(|until| until.saturating_duration_since(self.shared.parts.clock.now()));
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            self.shared.meters.throttled(to.api, left);
            set_throttle_time(to, pieces, milliseconds(left));
        }
        answer
    }
}

/// Whole ones, and no less: who comes back a moment early is still muted.
fn milliseconds(wait: Duration) -> i32 {
    i32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

/// Counts the time that is spent in a future, not that in which it waits.
struct Counted<F> {
    charge: Arc<Charge>,
    work: F,
}

impl<F: Future + Unpin> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.charge.limits.time.is_none() {
            return self.work.poll_unpin(context);
        }
        let begun = self.charge.shared.parts.clock.now();
        let polled = self.work.poll_unpin(context);
        *self.charge.worked.lock() += begun.elapsed();
        polled
    }
}

/// What a request may create and delete: KIP-599.
pub(crate) struct Mutations {
    charge: Option<Arc<Charge>>,
    is_strict: bool,
}

/// Too much was created and deleted.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Mutations {
    /// From `strict_from_version` on what is too much is refused; in earlier versions it is done, and its client throttled.
    pub(crate) fn of(charge: Option<Arc<Charge>>, header: &RequestHeader, strict_from_version: i16) -> Mutations {
        Mutations { charge, is_strict: header.version >= strict_from_version }
    }

    /// That many partitions are to be created or deleted.
    pub(crate) fn take(&self, partitions: u32) -> Result<(), TooMany> {
        let Some((charge, limit)) = self.limit().filter(|_| self.is_strict) else {
            self.note(partitions);
            return Ok(());
        };
        let owed = charge.shared.parts.quotas.debt(limit, charge.shared.parts.clock.now().into_std());
        if owed.is_zero() {
            charge.take(limit, f64::from(partitions));
            return Ok(());
        }
        charge.throttle(owed);
        Err(TooMany)
    }

    /// That many partitions were created, which nobody could refuse.
    pub(crate) fn note(&self, partitions: u32) {
        if let Some((charge, limit)) = self.limit() {
            charge.throttle(charge.take(limit, f64::from(partitions)));
        }
    }

    fn limit(&self) -> Option<(&Charge, &Limit)> {
        let charge = self.charge.as_deref()?;
        charge.limits.mutations.as_ref().map(|limit| (charge, limit))
    }
}

/// In Kafka's words.
pub(crate) const TOO_MANY: &str = "The throttling quota has been exceeded.";
