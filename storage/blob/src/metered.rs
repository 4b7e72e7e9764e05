//! Counts calls, bytes and time by call and purpose.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use tidelog_host::metric::{Counter, Histogram, counter, histogram};
use tidelog_host::{Clock, declare_metrics};
use tidelog_model::{ErrorKind, TimestampMs};
use tokio::time::Instant;

use crate::{BlobError, BlobStore, Call, Key, ListedObject, Purpose};

declare_metrics! {
    counter CALLS_TOTAL = "tidelog_blob_calls_total", ["call", "purpose"],
        "Calls to the object store. What is asked of it, and paid for?";
    counter FAILURES_TOTAL = "tidelog_blob_failures_total", ["purpose", "kind"],
        "Calls to the store that failed for good, retries included. What fails, and how?";
    counter BYTES_TOTAL = "tidelog_blob_bytes_total", ["call", "purpose"],
        "Payload bytes that went to the store or came from it. How much goes over that network?";
    seconds CALL_SECONDS = "tidelog_blob_call_seconds", ["call", "purpose"],
        "Time of a call to the store, retries included. Is the store slow?";
}

/// A store that is counted. Made after the metrics recorder, whose handles it keeps.
pub struct Metered {
    inner: Arc<dyn BlobStore>,
    clock: Clock,
    meters: Vec<Meter>,
}

struct Meter {
    calls: Counter,
    bytes: Counter,
    /// Of those that were ever made: a histogram is many lines for whoever collects.
    seconds: OnceLock<Histogram>,
}

impl Metered {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn BlobStore>, clock: Clock) -> Metered {
        let mut meters = Vec::with_capacity(Call::ALL.len() * Purpose::ALL.len());
        for call in Call::ALL.map(Call::as_str) {
            for purpose in Purpose::ALL.map(Purpose::as_str) {
                meters.push(Meter {
                    calls: counter!(CALLS_TOTAL, "call" => call, "purpose" => purpose),
                    bytes: counter!(BYTES_TOTAL, "call" => call, "purpose" => purpose),
                    seconds: OnceLock::new(),
                });
            }
        }
        // There from the beginning, so that the first failure is seen as one more.
        Purpose::ALL.iter().for_each(|purpose| KINDS.iter().for_each(|kind| drop(failures(*purpose, *kind))));
        Metered { inner, clock, meters }
    }

    /// `bytes` of the payload sent; those of an answer are counted by the caller. A cancelled call is not counted.
    fn done<T>(&self, call: Call, purpose: Purpose, start: Instant, bytes: u64, answer: &Result<T, BlobError>) {
        let meter = &self.meters[call as usize * Purpose::ALL.len() + purpose as usize];
        meter.calls.increment(1);
        meter.bytes.increment(bytes);
        let seconds = meter
            .seconds
            .get_or_init(|| histogram!(CALL_SECONDS, "call" => call.as_str(), "purpose" => purpose.as_str()));
        seconds.record((self.clock.now() - start).as_secs_f64());
        if let Err(error) = answer {
            failures(purpose, error.kind()).increment(1);
        }
    }
}

/// How calls fail; see [`BlobError::kind`].
const KINDS: [ErrorKind; 5] =
    [ErrorKind::NotFound, ErrorKind::Corrupt, ErrorKind::Invalid, ErrorKind::Throttled, ErrorKind::Unavailable];

fn failures(purpose: Purpose, kind: ErrorKind) -> Counter {
    counter!(FAILURES_TOTAL, "purpose" => purpose.as_str(), "kind" => kind.as_str())
}

fn answered(answer: &Result<Bytes, BlobError>) -> u64 {
    answer.as_ref().map_or(0, |bytes| bytes.len() as u64)
}

#[async_trait]
impl BlobStore for Metered {
    async fn put(&self, key: &Key, payload: Vec<Bytes>, purpose: Purpose) -> Result<(), BlobError> {
        let (start, bytes) = (self.clock.now(), payload.iter().map(|slice| slice.len() as u64).sum());
        let answer = self.inner.put(key, payload, purpose).await;
        self.done(Call::Put, purpose, start, bytes, &answer);
        answer
    }

    async fn put_if_absent(&self, key: &Key, payload: Bytes, purpose: Purpose) -> Result<bool, BlobError> {
        let (start, bytes) = (self.clock.now(), payload.len() as u64);
        let answer = self.inner.put_if_absent(key, payload, purpose).await;
        self.done(Call::PutIfAbsent, purpose, start, bytes, &answer);
        answer
    }

    async fn get(&self, key: &Key, range: Range<u64>, purpose: Purpose) -> Result<Bytes, BlobError> {
        let start = self.clock.now();
        let answer = self.inner.get(key, range, purpose).await;
        self.done(Call::Get, purpose, start, answered(&answer), &answer);
        answer
    }

    async fn get_up_to(&self, key: &Key, range: Range<u64>, purpose: Purpose) -> Result<Bytes, BlobError> {
        let start = self.clock.now();
        let answer = self.inner.get_up_to(key, range, purpose).await;
        self.done(Call::Get, purpose, start, answered(&answer), &answer);
        answer
    }

    async fn get_all(&self, key: &Key, purpose: Purpose) -> Result<Bytes, BlobError> {
        let start = self.clock.now();
        let answer = self.inner.get_all(key, purpose).await;
        self.done(Call::GetAll, purpose, start, answered(&answer), &answer);
        answer
    }

    async fn written_at(&self, key: &Key, purpose: Purpose) -> Result<Option<TimestampMs>, BlobError> {
        let start = self.clock.now();
        let answer = self.inner.written_at(key, purpose).await;
        self.done(Call::Get, purpose, start, 0, &answer);
        answer
    }

    async fn delete(&self, keys: &[Key], purpose: Purpose) -> Result<(), BlobError> {
        let start = self.clock.now();
        let answer = self.inner.delete(keys, purpose).await;
        self.done(Call::Delete, purpose, start, 0, &answer);
        answer
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, count_max: usize) -> Result<Vec<ListedObject>, BlobError> {
        let start = self.clock.now();
        let answer = self.inner.list(prefix, after, count_max).await;
        self.done(Call::List, Purpose::Administration, start, 0, &answer);
        answer
    }

    fn is_remote(&self) -> bool {
        self.inner.is_remote()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
