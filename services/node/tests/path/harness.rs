//! A path: write side, read side, the real state machine, and a store in memory that can be made to misbehave.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tidelog_blob::{BlobError, BlobStore, Key, ListedObject, Purpose};
use tidelog_cache::{MemoryBlockCache, ObjectReader, ReaderLimits};
use tidelog_catalog_api::{Catalog, Command, NewTopic, Outcome};
use tidelog_fetch::{Fetch, Read};
use tidelog_format::flush_object::object_key;
use tidelog_host::{Clock, Random, Tasks};
use tidelog_ingest::{AdmitRules, Append, AppendFuture, Ingest, IngestOptions, LaneProfile, Reservation, admit};
use tidelog_model::{Incarnation, NodeId, Offset, PartitionId, TenantId, TimestampMs, TopicId};

use crate::batches::{admitted, records};
use crate::local_catalog::{Faults, LocalCatalog};

pub struct PathOptions {
    pub seed: u64,
    pub catalog: Faults,
    pub store_latency: Duration,
    /// Each put takes up to this much longer, by chance.
    pub put_latency_more_max: Duration,
    /// One put in so many fails; none when zero.
    pub fail_put_one_in: u64,
    /// Whether readers find what this node wrote in its memory.
    pub remember_written: bool,
    pub lane: LaneProfile,
}

impl Default for PathOptions {
    fn default() -> PathOptions {
        PathOptions {
            seed: 1,
            catalog: Faults::default(),
            store_latency: Duration::from_millis(5),
            put_latency_more_max: Duration::ZERO,
            fail_put_one_in: 0,
            remember_written: true,
            lane: LaneProfile::local(),
        }
    }
}

#[derive(Clone)]
pub struct Path {
    pub topic: TopicId,
    pub catalog: Arc<LocalCatalog>,
    pub store: Arc<TestStore>,
    pub ingest: Arc<Ingest>,
    pub fetch: Arc<Fetch>,
}

impl Path {
    pub async fn start(options: PathOptions) -> Path {
        let random = Random::seeded(options.seed);
        let catalog = LocalCatalog::start(options.catalog, random.clone());
        let store = TestStore::new(&options, random);
        let tasks = Tasks::on_current_runtime();
        let limits = ReaderLimits {
            written_bytes_max: if options.remember_written { 64 << 20 } else { 0 },
            ..ReaderLimits::default()
        };
        let key_of = |object| Key::new(object_key(Incarnation(1), object));
        let blocks = Arc::new(MemoryBlockCache::new(64 << 20));
        let reader = Arc::new(ObjectReader::new(store.clone(), blocks, key_of, limits, tasks.clone()));
        let topic = TopicId::from_random([3; 16]);
        let new = NewTopic {
            tenant: TenantId(0),
            id: topic,
            name: "t".into(),
            partitions: 2,
            replication_factor: 1,
            configs: BTreeMap::new(),
        };
        let created = catalog.propose(Command::CreateTopics { topics: vec![new] }).await;
        assert!(matches!(created, Ok(Outcome::TopicsCreated(created)) if created[0].is_ok()));
        let fetch = Fetch::new(catalog.clone(), reader.clone());
        let ingest_options = IngestOptions::embedded(NodeId(1), options.lane, 64 << 20);
        let ingest = Ingest::start(ingest_options, catalog.clone(), store.clone(), reader, Clock::real(), tasks);
        let ingest = ingest.await.expect("the catalog answers");
        Path { topic, catalog, store, ingest, fetch }
    }

    /// Appends one batch under a share of the bytes in flight, and does not wait for what becomes of it.
    pub fn append_and_leave(&self, bytes: &Bytes, held: Reservation) {
        let batches = admitted(bytes);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        let held = Some(Arc::new(held));
        let partition = partition(self.topic, 0);
        drop(self.ingest.append(Append {
            partition,
            batches,
            source: 1,
            deadline,
            unattended: false,
            held,
            conditions: None,
        }));
    }

    /// Appends one batch; it has its place in the order when this returns.
    pub fn append(&self, source: u64, index: u32, bytes: &Bytes) -> AppendFuture {
        self.append_within(source, index, bytes, Duration::from_secs(30))
    }

    /// The same, with a time limit.
    pub fn append_within(&self, source: u64, index: u32, bytes: &Bytes, limit: Duration) -> AppendFuture {
        let batches = admitted(bytes);
        let deadline = tokio::time::Instant::now() + limit;
        self.ingest.append(Append {
            partition: partition(self.topic, index),
            batches,
            source,
            deadline,
            unattended: false,
            held: None,
            conditions: None,
        })
    }

    /// Appends one batch to a topic with such rules, as if it came in at `now`.
    pub fn append_under(&self, rules: &AdmitRules, now: TimestampMs, bytes: &Bytes) -> AppendFuture {
        let batches = admit(bytes.clone(), rules, now).expect("the batch is good");
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        self.ingest.append(Append {
            partition: partition(self.topic, 0),
            batches,
            source: 1,
            deadline,
            unattended: false,
            held: None,
            conditions: None,
        })
    }

    pub async fn read_all(&self, index: u32) -> Vec<(u64, Vec<u8>)> {
        let mut all = Vec::new();
        loop {
            let offset = Offset(all.len() as u64);
            let read = Read { partition: partition(self.topic, index), offset, bytes_max: 1 << 20, at_least_one: true };
            let outcome = self.fetch.read(read).await.expect("readable");
            assert_eq!(outcome.bytes, outcome.chunks.iter().map(Bytes::len).sum::<usize>());
            if outcome.bytes == 0 {
                return all;
            }
            all.extend(records(&outcome.chunks));
        }
    }
}

pub fn partition(topic: TopicId, index: u32) -> PartitionId {
    PartitionId { topic, index }
}

/// A value that says who wrote it, and which of theirs it is.
pub fn value(producer: i64, number: usize) -> Vec<u8> {
    format!("{producer}:{number}").into_bytes()
}

/// A value too large to ride in a commit, different for every seed.
pub fn large(seed: u64) -> Vec<u8> {
    let random = Random::seeded(seed);
    std::iter::repeat_with(|| random.next().to_le_bytes()).flatten().take(300 << 10).collect()
}

/// Ways in which a read goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum StoreFault {
    Flip,
    Short,
    WrongRange,
    WrongObject,
    /// The length field of the first batch turns negative.
    NegativeLength,
}

/// Objects in memory, as slow and as wrong as told.
pub struct TestStore {
    objects: Mutex<BTreeMap<Key, Bytes>>,
    latency: Duration,
    put_latency_more_max: Duration,
    fail_put_one_in: u64,
    random: Random,
    failing_puts: AtomicU64,
    hanging_puts: AtomicU64,
    resumed: tokio::sync::Notify,
    fault: Mutex<Option<(StoreFault, u64)>>,
    broken_reads: AtomicU64,
    pub gets: AtomicU64,
}

impl TestStore {
    fn new(options: &PathOptions, random: Random) -> Arc<TestStore> {
        let PathOptions { store_latency: latency, put_latency_more_max, fail_put_one_in, .. } = *options;
        Arc::new(TestStore {
            objects: Mutex::new(BTreeMap::new()),
            latency,
            put_latency_more_max,
            fail_put_one_in,
            random,
            failing_puts: 0.into(),
            hanging_puts: 0.into(),
            resumed: tokio::sync::Notify::new(),
            fault: Mutex::new(None),
            broken_reads: 0.into(),
            gets: 0.into(),
        })
    }

    /// The next puts get no answer until [`TestStore::resume`].
    pub fn hang_next_puts(&self, count: u64) {
        self.hanging_puts.store(count, Ordering::SeqCst);
    }

    pub fn resume(&self) {
        self.resumed.notify_waiters();
    }

    pub fn fail_next_puts(&self, count: u64) {
        self.failing_puts.store(count, Ordering::SeqCst);
    }

    /// From now on one read in so many goes wrong.
    pub fn break_reads(&self, fault: StoreFault, one_in: u64) {
        *self.fault.lock() = Some((fault, one_in));
    }

    /// From now on reads are right.
    pub fn heal(&self) {
        *self.fault.lock() = None;
    }

    pub fn broken_reads(&self) -> u64 {
        self.broken_reads.load(Ordering::SeqCst)
    }

    /// Whether these bytes are in the memory of an object, rather than a copy.
    pub fn is_part_of_an_object(&self, bytes: &Bytes) -> bool {
        self.objects.lock().values().any(|object| object.as_ptr_range().contains(&bytes.as_ptr()))
    }

    fn read(&self, key: &Key, range: Range<u64>) -> Result<Bytes, BlobError> {
        let objects = self.objects.lock();
        let object = objects.get(key).ok_or_else(|| BlobError::NotFound { key: key.to_string() })?;
        let end = range.end.min(object.len() as u64) as usize;
        let start = range.start as usize;
        if start >= end {
            return Err(BlobError::OutOfRange { key: key.to_string(), end: range.end });
        }
        let right = object.slice(start..end);
        let Some((fault, one_in)) = *self.fault.lock() else { return Ok(right) };
        if !self.random.one_in(one_in) {
            return Ok(right);
        }
        self.broken_reads.fetch_add(1, Ordering::SeqCst);
        Ok(match fault {
            StoreFault::Flip => {
                let mut flipped = right.to_vec();
                let at = self.random.below(flipped.len() as u64) as usize;
                flipped[at] ^= 1 << self.random.below(8);
                Bytes::from(flipped)
            }
            StoreFault::NegativeLength => {
                let mut flipped = right.to_vec();
                flipped[8] ^= 0x80;
                Bytes::from(flipped)
            }
            StoreFault::Short => right.slice(..right.len() / 2),
            StoreFault::WrongRange => {
                let shift = (object.len() - right.len()) as u64;
                let start = if shift == 0 { 0 } else { self.random.below(shift) as usize };
                object.slice(start..start + right.len())
            }
            StoreFault::WrongObject => {
                let others: Vec<_> = objects.values().filter(|other| other.len() >= end).collect();
                others[self.random.below(others.len() as u64) as usize].slice(start..end)
            }
        })
    }
}

#[async_trait::async_trait]
impl BlobStore for TestStore {
    async fn put(&self, key: &Key, payload: Vec<Bytes>, _: Purpose) -> Result<(), BlobError> {
        let one_less = |left: u64| left.checked_sub(1);
        if self.hanging_puts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            self.resumed.notified().await;
        }
        let more = self.random.below(self.put_latency_more_max.as_micros() as u64 + 1);
        tokio::time::sleep(self.latency + Duration::from_micros(more)).await;
        let fails_by_chance = self.fail_put_one_in > 0 && self.random.one_in(self.fail_put_one_in);
        if fails_by_chance || self.failing_puts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return Err(BlobError::Unavailable("failed for the test".into()));
        }
        let replaced = self.objects.lock().insert(key.clone(), Bytes::from(payload.concat()));
        assert!(replaced.is_none(), "an object id is used once");
        Ok(())
    }

    async fn put_if_absent(&self, _: &Key, _: Bytes, _: Purpose) -> Result<bool, BlobError> {
        unreachable!("the path puts plainly")
    }

    async fn get(&self, key: &Key, range: Range<u64>, _: Purpose) -> Result<Bytes, BlobError> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.latency).await;
        self.read(key, range)
    }

    async fn get_up_to(&self, key: &Key, range: Range<u64>, purpose: Purpose) -> Result<Bytes, BlobError> {
        self.get(key, range, purpose).await
    }

    async fn get_all(&self, key: &Key, _: Purpose) -> Result<Bytes, BlobError> {
        self.read(key, 0..u64::MAX)
    }

    async fn delete(&self, _: &[Key], _: Purpose) -> Result<(), BlobError> {
        unreachable!("nothing deletes objects yet")
    }

    async fn list(&self, _: &str, _: Option<&Key>, _: usize) -> Result<Vec<ListedObject>, BlobError> {
        unreachable!("the path does not list")
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        "a test's memory".into()
    }
}
