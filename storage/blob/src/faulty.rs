//! A store that fails as it is told, by a seed or by a script, and counts what is asked of it: for tests.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tidelog_host::{Clock, Random};

use crate::{BlobError, BlobStore, Call, Key, ListedObject, Purpose};

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 503: nothing is done.
    Unavailable,
    /// 429: nothing is done.
    Throttled,
    /// 403: nothing is done.
    Refused,
    /// No room: nothing is done.
    Full,
    /// Nothing is done, and no answer comes until the caller gives up.
    Hang,
    /// The call is done, and its answer is lost.
    AnswerLost,
    /// Takes longer by this much.
    Slow(Duration),
    /// Half of the bytes of a get.
    ShortRead,
    /// One bit of a get is turned over.
    FlippedBit,
    /// As many bytes as asked for, from one byte further on (or before).
    WrongRange,
    /// As many bytes as asked for, of an object other than the one asked for, or random ones when there is none.
    WrongObject,
    /// 404 for what is there.
    Missing,
}

/// A store that fails as it is told. Without faults it is the store it wraps, and counts.
pub struct FaultyStore {
    inner: Arc<dyn BlobStore>,
    clock: Clock,
    random: Random,
    script: Mutex<Script>,
}

#[derive(Default)]
struct Script {
    latency: Duration,
    next: BTreeMap<Call, VecDeque<Fault>>,
    always: BTreeMap<Call, Fault>,
    /// Each with the odds of 1 in so many.
    sometimes: Vec<(Call, Fault, u64)>,
    counts: BTreeMap<(Purpose, Call), Count>,
    last_put: Option<Key>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    calls: u64,
    bytes: u64,
}

impl FaultyStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn BlobStore>, clock: Clock, random: Random) -> FaultyStore {
        FaultyStore { inner, clock, random, script: Mutex::default() }
    }

    /// Every call takes this long before anything is done; half of it for its way there, and half for its answer.
    pub fn set_latency(&self, latency: Duration) {
        self.script.lock().latency = latency;
    }

    /// The next call of that kind, after those already scripted, suffers this.
    pub fn next(&self, call: Call, fault: Fault) {
        self.script.lock().next.entry(call).or_default().push_back(fault);
    }

    /// Every call of that kind suffers this until [`FaultyStore::heal`].
    pub fn always(&self, call: Call, fault: Fault) {
        self.script.lock().always.insert(call, fault);
    }

    /// One in `n` calls of that kind, by the seed, suffers this until [`FaultyStore::heal`].
    pub fn sometimes(&self, call: Call, fault: Fault, n: u64) {
        assert!(n > 0, "once in none is never");
        self.script.lock().sometimes.push((call, fault, n));
    }

    /// No more faults. Latency stays, and calls that hang go on hanging.
    pub fn heal(&self) {
        let mut script = self.script.lock();
        script.next.clear();
        script.always.clear();
        script.sometimes.clear();
    }

    /// Calls of that kind so far, those that failed included. Listings count as administration.
    #[must_use]
    pub fn calls(&self, purpose: Purpose, call: Call) -> u64 {
        self.script.lock().counts.get(&(purpose, call)).map_or(0, |count| count.calls)
    }

    /// Payload bytes of those calls: sent by puts, answered by gets.
    #[must_use]
    pub fn bytes(&self, purpose: Purpose, call: Call) -> u64 {
        self.script.lock().counts.get(&(purpose, call)).map_or(0, |count| count.bytes)
    }

    /// Counts a call, lets time pass, and answers what goes wrong afterwards, if it gets that far.
    async fn enter(&self, call: Call, purpose: Purpose, bytes: u64) -> Result<Option<Fault>, BlobError> {
        let (latency, fault) = {
            let mut script = self.script.lock();
            let count = script.counts.entry((purpose, call)).or_default();
            count.calls += 1;
            count.bytes += bytes;
            (script.latency, script.pick(call, &self.random))
        };
        self.pass(latency / 2).await;
        match fault {
            Some(Fault::Unavailable) => Err(BlobError::Unavailable("503, by script".to_owned())),
            Some(Fault::Throttled) => Err(BlobError::Throttled("429, by script".to_owned())),
            Some(Fault::Refused) => Err(BlobError::Refused("403, by script".to_owned())),
            Some(Fault::Full) => Err(BlobError::Full("no room, by script".to_owned())),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Slow(by)) => {
                self.clock.sleep(by).await;
                Ok(None)
            }
            fault => Ok(fault),
        }
    }

    /// The way back.
    async fn leave<T>(&self, fault: Option<Fault>, answer: Result<T, BlobError>) -> Result<T, BlobError> {
        let latency = self.script.lock().latency;
        self.pass(latency / 2).await;
        match fault {
            Some(Fault::AnswerLost) => Err(BlobError::Unavailable("answer lost, by script".to_owned())),
            _ => answer,
        }
    }

    async fn pass(&self, time: Duration) {
        if !time.is_zero() {
            self.clock.sleep(time).await;
        }
    }

    /// A get of `range` (or `up_to` it), or of everything, with what may be wrong about it.
    async fn read(
        &self,
        key: &Key,
        range: Option<Range<u64>>,
        up_to: bool,
        purpose: Purpose,
    ) -> Result<Bytes, BlobError> {
        let call = if range.is_some() { Call::Get } else { Call::GetAll };
        let fault = self.enter(call, purpose, 0).await?;
        let answer = match (fault, &range) {
            (Some(Fault::Missing), _) => Err(BlobError::NotFound { key: key.to_string() }),
            (Some(Fault::WrongRange), Some(range)) => self.shifted(key, range.clone(), purpose).await,
            (_, Some(range)) if up_to => self.inner.get_up_to(key, range.clone(), purpose).await,
            (_, Some(range)) => self.inner.get(key, range.clone(), purpose).await,
            (_, None) => self.inner.get_all(key, purpose).await,
        };
        let answer = match (answer, fault) {
            (Ok(bytes), Some(fault)) => Ok(self.damaged(key, bytes, range, fault, purpose).await),
            (answer, _) => answer,
        };
        if let Ok(bytes) = &answer {
            self.script.lock().counts.entry((purpose, call)).or_default().bytes += bytes.len() as u64;
        }
        self.leave(fault, answer).await
    }

    async fn shifted(&self, key: &Key, range: Range<u64>, purpose: Purpose) -> Result<Bytes, BlobError> {
        match self.inner.get(key, range.start + 1..range.end + 1, purpose).await {
            Err(BlobError::OutOfRange { .. }) if range.start > 0 => {
                self.inner.get(key, range.start - 1..range.end - 1, purpose).await
            }
            // The range is the whole object: rotated, it is as wrong.
            Err(BlobError::OutOfRange { .. }) => {
                let mut bytes = self.inner.get(key, range, purpose).await?.to_vec();
                bytes.rotate_left(1);
                Ok(bytes.into())
            }
            answer => answer,
        }
    }

    async fn damaged(
        &self,
        key: &Key,
        bytes: Bytes,
        range: Option<Range<u64>>,
        fault: Fault,
        purpose: Purpose,
    ) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        match fault {
            Fault::ShortRead => bytes.slice(..bytes.len() / 2),
            Fault::FlippedBit => {
                let mut damaged = BytesMut::from(&bytes[..]);
                damaged[self.random.below(bytes.len() as u64) as usize] ^= 1 << self.random.below(8);
                damaged.freeze()
            }
            Fault::WrongObject => {
                let other = self.script.lock().last_put.clone().filter(|other| other != key);
                let range = range.unwrap_or(0..bytes.len() as u64);
                let found = match other {
                    Some(other) => self.inner.get(&other, range, purpose).await.ok(),
                    None => None,
                };
                found.unwrap_or_else(|| bytes.iter().map(|_| self.random.below(256) as u8).collect())
            }
            _ => bytes,
        }
    }
}

impl Script {
    fn pick(&mut self, call: Call, random: &Random) -> Option<Fault> {
        if let Some(fault) = self.next.get_mut(&call).and_then(VecDeque::pop_front) {
            return Some(fault);
        }
        if let Some(fault) = self.always.get(&call) {
            return Some(*fault);
        }
        self.sometimes.iter().find(|(of, _, n)| *of == call && random.one_in(*n)).map(|(_, fault, _)| *fault)
    }
}

#[async_trait]
impl BlobStore for FaultyStore {
    async fn put(&self, key: &Key, payload: Vec<Bytes>, purpose: Purpose) -> Result<(), BlobError> {
        let bytes = payload.iter().map(|slice| slice.len() as u64).sum();
        let fault = self.enter(Call::Put, purpose, bytes).await?;
        let answer = self.inner.put(key, payload, purpose).await;
        self.script.lock().last_put = Some(key.clone());
        self.leave(fault, answer).await
    }

    async fn put_if_absent(&self, key: &Key, payload: Bytes, purpose: Purpose) -> Result<bool, BlobError> {
        let fault = self.enter(Call::PutIfAbsent, purpose, payload.len() as u64).await?;
        let answer = self.inner.put_if_absent(key, payload, purpose).await;
        self.leave(fault, answer).await
    }

    async fn get(&self, key: &Key, range: Range<u64>, purpose: Purpose) -> Result<Bytes, BlobError> {
        self.read(key, Some(range), false, purpose).await
    }

    async fn get_up_to(&self, key: &Key, range: Range<u64>, purpose: Purpose) -> Result<Bytes, BlobError> {
        self.read(key, Some(range), true, purpose).await
    }

    async fn get_all(&self, key: &Key, purpose: Purpose) -> Result<Bytes, BlobError> {
        self.read(key, None, false, purpose).await
    }

    async fn delete(&self, keys: &[Key], purpose: Purpose) -> Result<(), BlobError> {
        let fault = self.enter(Call::Delete, purpose, 0).await?;
        let answer = self.inner.delete(keys, purpose).await;
        self.leave(fault, answer).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, count_max: usize) -> Result<Vec<ListedObject>, BlobError> {
        let fault = self.enter(Call::List, Purpose::Administration, 0).await?;
        let answer = self.inner.list(prefix, after, count_max).await;
        self.leave(fault, answer).await
    }

    fn is_remote(&self) -> bool {
        self.inner.is_remote()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

#[cfg(test)]
#[path = "faulty_test.rs"]
mod tests;
