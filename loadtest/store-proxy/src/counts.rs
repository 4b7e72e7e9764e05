//! What was asked and answered, counted by operation while it happens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::faults::FaultKind;
use crate::operation::Operation;

/// Times are kept in microseconds up to ten minutes, in steps of a hundredth of themselves.
const TIME_US_MAX: u64 = 600_000_000;
const TIME_DIGITS: u8 = 2;

/// Answers by their class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Done, and what is said before that.
    #[serde(rename = "2xx")]
    pub success: u64,
    /// Elsewhere, or not changed.
    #[serde(rename = "3xx")]
    pub redirect: u64,
    /// Refused, or not there.
    #[serde(rename = "4xx")]
    pub client_error: u64,
    /// Failed.
    #[serde(rename = "5xx")]
    pub server_error: u64,
}

impl Answers {
    fn add(&mut self, status: u16) {
        let class = match status {
            0..300 => &mut self.success,
            300..400 => &mut self.redirect,
            400..500 => &mut self.client_error,
            500.. => &mut self.server_error,
        };
        *class += 1;
    }

    /// All of them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.success + self.redirect + self.client_error + self.server_error
    }
}

/// Of one operation, or of all. `requests` = `answers` + `unanswered` + `in_flight`; when nothing is under way,
/// `store_requests` = `store_answers` + `store_failures` + `store_given_up`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationCounts {
    /// Begun by a client.
    pub requests: u64,
    /// What clients were answered, be it by the store or in its place.
    pub answers: Answers,
    /// Ended without an answer: reset, timed out, or given up by the client.
    pub unanswered: u64,
    /// Neither of both yet.
    pub in_flight: u64,
    /// Answers that ended before their bodies did.
    pub cut_off: u64,
    /// Passed on to the store.
    pub store_requests: u64,
    /// What the store answered.
    pub store_answers: Answers,
    /// The store could not be reached, or ended the connection without an answer.
    pub store_failures: u64,
    /// The client went before the store had answered. Whether the store did it, nobody knows.
    #[serde(default)]
    pub store_given_up: u64,
    /// What S3 charges for: answered by the store with anything but 5xx, or given up by the client when all of it had been passed on,
    /// which a store does all the same.
    pub billed: u64,
    /// Of the bodies of requests.
    pub bytes_in: u64,
    /// Of the bodies of answers.
    pub bytes_out: u64,
    /// Of bodies that the store said it keeps.
    pub bytes_stored: u64,
    /// What was made to go wrong.
    pub injected: BTreeMap<FaultKind, u64>,
}

impl OperationCounts {
    /// Adds those of another operation.
    pub(crate) fn add(&mut self, other: &OperationCounts) {
        self.combine(other, |mine, others| mine + others);
    }

    /// What was counted after `earlier`, which is the same operation's. Nothing where counting has begun anew between the two.
    #[must_use]
    pub fn since(&self, earlier: &OperationCounts) -> OperationCounts {
        let mut since = self.clone();
        since.combine(earlier, u64::saturating_sub);
        since
    }

    fn combine(&mut self, other: &OperationCounts, with: fn(u64, u64) -> u64) {
        let mut pairs = vec![
            (&mut self.requests, other.requests),
            (&mut self.unanswered, other.unanswered),
            (&mut self.in_flight, other.in_flight),
            (&mut self.cut_off, other.cut_off),
            (&mut self.store_requests, other.store_requests),
            (&mut self.store_failures, other.store_failures),
            (&mut self.store_given_up, other.store_given_up),
            (&mut self.billed, other.billed),
            (&mut self.bytes_in, other.bytes_in),
            (&mut self.bytes_out, other.bytes_out),
            (&mut self.bytes_stored, other.bytes_stored),
        ];
        for (mine, others) in [(&mut self.answers, &other.answers), (&mut self.store_answers, &other.store_answers)] {
            pairs.push((&mut mine.success, others.success));
            pairs.push((&mut mine.redirect, others.redirect));
            pairs.push((&mut mine.client_error, others.client_error));
            pairs.push((&mut mine.server_error, others.server_error));
        }
        for (mine, others) in pairs {
            *mine = with(*mine, others);
        }
        for (kind, count) in &other.injected {
            let mine = self.injected.entry(*kind).or_default();
            *mine = with(*mine, *count);
        }
    }
}

/// One operation's counts and times.
#[derive(Clone)]
pub(crate) struct Measured {
    pub(crate) counts: OperationCounts,
    /// From the end of a request to the first byte of its answer, as the client had it.
    pub(crate) first_byte_us: Histogram<u64>,
    /// The same of the store alone.
    pub(crate) store_us: Histogram<u64>,
}

impl Measured {
    pub(crate) fn new() -> Measured {
        let times = || Histogram::new_with_bounds(1, TIME_US_MAX, TIME_DIGITS).expect("these bounds are in order");
        Measured { counts: OperationCounts::default(), first_byte_us: times(), store_us: times() }
    }
}

/// The counters.
pub(crate) struct Counts {
    inner: Mutex<Inner>,
}

struct Inner {
    since: Instant,
    /// Rises when counting begins anew: what began before is not counted any further.
    epoch: u64,
    operations: BTreeMap<Operation, Measured>,
}

impl Counts {
    pub(crate) fn new() -> Counts {
        Counts { inner: Mutex::new(Inner { since: Instant::now(), epoch: 0, operations: BTreeMap::new() }) }
    }

    /// Counts a request that begins.
    pub(crate) fn begin(self: &Arc<Counts>, operation: Operation) -> (Arc<Flight>, Pending) {
        let epoch = self.inner.lock().epoch;
        let body = Mutex::new(Body { bytes: 0, last: Instant::now(), is_whole: false, is_broken: false });
        let flight = Flight { counts: self.clone(), operation, epoch, body };
        let flight = Arc::new(flight);
        flight.count(|counts| {
            counts.requests += 1;
            counts.in_flight += 1;
        });
        (flight.clone(), Pending { flight, is_answered: false })
    }

    /// Time of counting, and what was counted.
    pub(crate) fn read(&self) -> (Duration, BTreeMap<Operation, Measured>) {
        let inner = self.inner.lock();
        (inner.since.elapsed(), inner.operations.clone())
    }

    /// Begins anew.
    pub(crate) fn reset(&self) {
        let mut inner = self.inner.lock();
        inner.since = Instant::now();
        inner.epoch += 1;
        inner.operations.clear();
    }
}

/// One request, as long as something of it or of its answer is under way.
pub(crate) struct Flight {
    counts: Arc<Counts>,
    pub(crate) operation: Operation,
    epoch: u64,
    body: Mutex<Body>,
}

/// What has come of a request's body.
#[derive(Clone, Copy)]
struct Body {
    bytes: u64,
    /// When the last of them came, or the head.
    last: Instant,
    is_whole: bool,
    /// It ended before its end: the client has gone.
    is_broken: bool,
}

impl Flight {
    fn measure(&self, change: impl FnOnce(&mut Measured)) {
        let mut inner = self.counts.inner.lock();
        if inner.epoch == self.epoch {
            change(inner.operations.entry(self.operation).or_insert_with(Measured::new));
        }
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut OperationCounts)) {
        self.measure(|measured| change(&mut measured.counts));
    }

    /// Bytes of the request have come.
    pub(crate) fn bytes_in(&self, bytes: u64) {
        {
            let mut body = self.body.lock();
            *body = Body { bytes: body.bytes + bytes, last: Instant::now(), ..*body };
        }
        self.count(|counts| counts.bytes_in += bytes);
    }

    /// All of the request has come.
    pub(crate) fn is_whole(&self) {
        self.body.lock().is_whole = true;
    }

    /// The client has gone in the middle of it.
    pub(crate) fn breaks(&self) {
        self.body.lock().is_broken = true;
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.body.lock().is_broken
    }

    /// When the last byte of the request came, or its head when it has no body.
    pub(crate) fn last_byte_in(&self) -> Instant {
        self.body.lock().last
    }

    /// Counts a request that is passed on, and what becomes of it.
    pub(crate) fn send(self: &Arc<Flight>) -> Sending {
        self.count(|counts| counts.store_requests += 1);
        Sending { flight: self.clone(), is_over: false }
    }

    pub(crate) fn injected(&self, kind: FaultKind) {
        self.count(|counts| *counts.injected.entry(kind).or_default() += 1);
    }
}

/// A request that the store has not answered yet. Dropped so, its client has gone.
pub(crate) struct Sending {
    flight: Arc<Flight>,
    is_over: bool,
}

impl Sending {
    /// The store has answered.
    pub(crate) fn answered(mut self, status: u16) {
        self.is_over = true;
        let Body { bytes, last, .. } = *self.flight.body.lock();
        let took_us = micros(last.elapsed());
        let is_kept = status < 300 && self.flight.operation.keeps_its_body();
        self.flight.measure(|measured| {
            measured.counts.store_answers.add(status);
            measured.counts.billed += u64::from(status < 500);
            measured.counts.bytes_stored += if is_kept { bytes } else { 0 };
            measured.store_us.saturating_record(took_us);
        });
    }

    /// The store could not be reached, or did not answer.
    pub(crate) fn failed(mut self) {
        self.is_over = true;
        self.flight.count(|counts| counts.store_failures += 1);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.is_over {
            let is_whole = self.flight.body.lock().is_whole;
            self.flight.count(|counts| {
                counts.store_given_up += 1;
                counts.billed += u64::from(is_whole);
            });
        }
    }
}

/// A request that has no answer yet. Dropped so, it has none.
pub(crate) struct Pending {
    flight: Arc<Flight>,
    is_answered: bool,
}

impl Pending {
    /// The head of its answer is on its way.
    pub(crate) fn answered(mut self, status: u16) {
        self.is_answered = true;
        let took_us = micros(self.flight.last_byte_in().elapsed());
        self.flight.measure(|measured| {
            measured.counts.in_flight -= 1;
            measured.counts.answers.add(status);
            measured.first_byte_us.saturating_record(took_us);
        });
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.is_answered {
            self.flight.count(|counts| {
                counts.in_flight -= 1;
                counts.unanswered += 1;
            });
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(counts: &Counts, operation: Operation) -> OperationCounts {
        counts.read().1.get(&operation).map_or_else(OperationCounts::default, |measured| measured.counts.clone())
    }

    #[test]
    fn a_request_is_answered_unanswered_or_under_way() {
        let counts = Arc::new(Counts::new());
        let (_, answered) = counts.begin(Operation::PutObject);
        let (_, dropped) = counts.begin(Operation::PutObject);
        let (_, _under_way) = counts.begin(Operation::PutObject);
        answered.answered(503);
        drop(dropped);
        let found = of(&counts, Operation::PutObject);
        assert_eq!((found.requests, found.answers.server_error, found.unanswered, found.in_flight), (3, 1, 1, 1));
        assert_eq!(found.requests, found.answers.count() + found.unanswered + found.in_flight);
    }

    #[test]
    fn what_began_before_is_not_counted_after() {
        let counts = Arc::new(Counts::new());
        let (flight, pending) = counts.begin(Operation::GetObject);
        counts.reset();
        flight.bytes_in(7);
        flight.send().answered(200);
        pending.answered(200);
        assert_eq!(of(&counts, Operation::GetObject), OperationCounts::default());
    }

    #[test]
    fn a_request_that_is_given_up_is_charged_when_all_of_it_had_left() {
        let counts = Arc::new(Counts::new());
        for is_whole in [true, false] {
            let (flight, _pending) = counts.begin(Operation::PutObject);
            let sending = flight.send();
            if is_whole {
                flight.is_whole();
            }
            drop(sending);
        }
        let found = of(&counts, Operation::PutObject);
        assert_eq!((found.store_requests, found.store_given_up, found.billed, found.unanswered), (2, 2, 1, 2));
    }

    #[test]
    fn what_was_counted_since_is_a_difference() {
        let mut earlier = OperationCounts { requests: 3, bytes_in: 10, ..OperationCounts::default() };
        earlier.injected.insert(FaultKind::SlowDown, 1);
        let mut later = OperationCounts { requests: 5, bytes_in: 4, ..OperationCounts::default() };
        later.injected.insert(FaultKind::SlowDown, 4);
        let since = later.since(&earlier);
        assert_eq!((since.requests, since.bytes_in, since.injected[&FaultKind::SlowDown]), (2, 0, 3));
    }

    #[test]
    fn only_what_the_store_keeps_is_stored_and_5xx_are_free() {
        let counts = Arc::new(Counts::new());
        let begin = |operation, status| {
            let (flight, pending) = counts.begin(operation);
            flight.bytes_in(10);
            flight.send().answered(status);
            pending.answered(status);
        };
        begin(Operation::PutObject, 200);
        begin(Operation::PutObject, 412);
        begin(Operation::PutObject, 503);
        begin(Operation::DeleteObjects, 200);
        let put = of(&counts, Operation::PutObject);
        assert_eq!((put.bytes_in, put.bytes_stored, put.billed), (30, 10, 2));
        assert_eq!(of(&counts, Operation::DeleteObjects).bytes_stored, 0);
        let mut total = put.clone();
        total.add(&of(&counts, Operation::DeleteObjects));
        assert_eq!((total.requests, total.bytes_in, total.store_answers.count()), (4, 40, 4));
    }
}
