//! Appending many records: gathered into batches for each partition, in order, in bounded memory.

mod batch;
mod builder;
mod deliver;
mod delivery;
mod lane;
mod partitions;
mod session;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};

pub use self::builder::ProducerBuilder;
pub use self::delivery::Delivery;

use self::builder::Options;
use self::lane::Lane;
use self::partitions::Partitions;
use crate::append::BODY_BYTES_MAX;
use crate::request::Safety;
use crate::{Client, Error, NewRecord, Problem, encode, partition_of_key};

/// Appends records of one topic, many at a time. Made by [`Client::producer`]; cheap to clone, and clones are one producer.
///
/// **Batches.** Records of a partition that are there when the one before is on its way are sent together, so that a busy
/// producer sends large batches and an idle one sends at once; [`linger`](ProducerBuilder::linger) lets them wait for more.
///
/// **Order.** Records of a partition are stored in the order in which `send` took them. Each partition has one request under
/// way, and many partitions have theirs at the same time.
///
/// **No gaps.** When a record of a partition is not stored in the end, or that is not known, nothing that was sent behind it to the
/// partition is stored: it fails with [`Error::EarlierFailed`], which certainly did not happen. So it goes on until the caller has
/// been told, by a [`Delivery`] that was awaited, by [`flush`](Producer::flush), or by `send`, which refuses one record for that;
/// what is sent from then on is stored again, and whether that leaves a gap is the caller's decision. Other partitions are not
/// concerned. (Kafka's idempotent producer goes on with what it has of a partition. This one does not.)
///
/// **Memory.** Records that are not settled take [`memory_bytes`](ProducerBuilder::memory_bytes) at most; `send` waits for room.
///
/// **Retries.** A batch is sent again, for [`delivery_timeout`](ProducerBuilder::delivery_timeout), until its answer is known, and
/// stored once all the same: batches have their places in a sequence that the server knows. What is not answered in that time is
/// told by its records' [`Delivery`] with [`Error::may_have_happened`], and what to do is for the caller to decide. A record that
/// the server does not take (too large, a time out of range) fails alone, unless
/// [`refused_alone`](ProducerBuilder::refused_alone) says that it is to be no gap either.
///
/// ```no_run
/// # async fn example(client: tidelog::Client) -> Result<(), tidelog::Error> {
/// use tidelog::NewRecord;
/// let producer = client.producer("orders").build();
/// let mut deliveries = Vec::new();
/// for number in 0..1_000 {
///     let record = NewRecord::new(format!("order {number}")).key(format!("customer {}", number % 10));
///     // Waits while there is no room; what it answers is the record's own success or failure, later.
///     deliveries.push(producer.send(record).await?);
/// }
/// for delivery in deliveries {
///     let place = delivery.await?;
///     println!("partition {}, offset {}", place.partition, place.offset);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    client: Client,
    topic: String,
    options: Options,
    /// Bytes that may still be taken.
    room: Arc<Semaphore>,
    /// Requests that may still be sent.
    requests: Semaphore,
    lanes: Mutex<HashMap<u32, Arc<Lane>>>,
    partitions: Partitions,
    /// Where records without a key go for now.
    sticky: AtomicU32,
    is_closed: AtomicBool,
    /// Whether what is not stored is given up.
    is_aborted: watch::Sender<bool>,
    /// The first failure that no flush has told.
    failed: Mutex<Option<Error>>,
}

impl Producer {
    pub(crate) fn new(client: Client, topic: String, options: Options) -> Producer {
        let shared = Shared {
            client,
            topic,
            room: Arc::new(Semaphore::new(options.memory_bytes)),
            requests: Semaphore::new(options.requests_max),
            options,
            lanes: Mutex::default(),
            partitions: Partitions::default(),
            sticky: AtomicU32::new(partitions::somewhere()),
            is_closed: AtomicBool::new(false),
            is_aborted: watch::Sender::new(false),
            failed: Mutex::default(),
        };
        Producer { shared: Arc::new(shared) }
    }

    /// Asks the server whether the topic is there, which the first [`send`](Producer::send) does otherwise. One that is not is
    /// created, if the server allows that. The client's retries hold.
    ///
    /// # Errors
    /// `unknown_topic`, and why the server cannot be asked.
    pub async fn ready(&self) -> Result<(), Error> {
        let shared = &self.shared;
        shared.partitions.count(&shared.client, &shared.topic, shared.client.inner.retries).await.map(drop)
    }

    /// Takes a record, as soon as there is room for it. When this returns, the record has its place in the order; what it
    /// answers can be awaited for the record's place in the log, or dropped: the record is sent all the same.
    ///
    /// A caller that stops waiting leaves nothing behind. The first record of a producer asks the server how many partitions
    /// the topic has; a topic that is not there is created, if the server allows that.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Invalid`] for a record that no request can carry; `unknown_partition`; why the topic's
    /// partitions cannot be had; and [`Error::EarlierFailed`], once, if that has not been told otherwise.
    pub async fn send(&self, record: impl Into<NewRecord>) -> Result<Delivery, Error> {
        let shared = &self.shared;
        let mut record = record.into();
        let count = shared.partitions.count(&shared.client, &shared.topic, shared.options.retries()).await?;
        let (partition, is_sticky) = match (record.partition, &record.key) {
            (Some(partition), _) if partition < count => (partition, false),
            (Some(partition), _) => {
                let problem = Problem::of_missing_partition(&shared.topic, partition, count);
                return Err(Error::Refused(Arc::new(problem)));
            }
            (None, Some(key)) => (partition_of_key(key, count), false),
            (None, None) => (shared.sticky.load(Ordering::Relaxed) % count, true),
        };
        record.partition = Some(partition);
        let mut encoded = Vec::new();
        encode::record(&mut encoded, &record);
        if encode::BEGIN.len() + encoded.len() + encode::END.len() > BODY_BYTES_MAX {
            let why = format!("a record takes {} bytes as JSON; {BODY_BYTES_MAX} fit into a request", encoded.len());
            return Err(Error::invalid(why));
        }
        let room_bytes = u32::try_from(encoded.len().min(shared.options.memory_bytes)).expect("8 MiB at most");
        let room = shared.room.clone().acquire_many_owned(room_bytes).await.map_err(|_| Error::Closed)?;
        if shared.is_closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        let lane = shared.lanes().entry(partition).or_insert_with(|| Arc::new(Lane::new(partition))).clone();
        lane.push(shared, &encoded, room, is_sticky)
    }

    /// Waits until every record that was taken before is stored or has failed. Nothing waits for more records meanwhile.
    ///
    /// # Errors
    /// The first failure since the last flush, also of records whose [`Delivery`] nobody awaits.
    pub async fn flush(&self) -> Result<(), Error> {
        let lanes = self.shared.lanes().values().cloned().collect::<Vec<_>>();
        let unsettled = lanes.iter().filter_map(|lane| lane.hurry()).collect::<Vec<_>>();
        for outcome in unsettled {
            // Failures are told below, by the first.
            let _ = outcome.await;
        }
        // In this order: what fails in between is told twice rather than never.
        lanes.iter().for_each(|lane| lane.told());
        lock(&self.shared.failed).take().map_or(Ok(()), Err)
    }

    /// Takes no more records, by any clone, and flushes.
    ///
    /// # Errors
    /// As [`flush`](Producer::flush) tells.
    pub async fn close(self) -> Result<(), Error> {
        self.shared.close();
        self.flush().await
    }

    /// Takes no more records, by any clone, and gives up those that are not stored: they fail soon. Of what was on its way it is
    /// not known whether it is stored; of the rest it is: it is not.
    pub fn abort(&self) {
        self.shared.close();
        self.shared.is_aborted.send_replace(true);
        self.shared.lanes().values().for_each(|lane| drop(lane.hurry()));
    }
}

impl Shared {
    fn lanes(&self) -> MutexGuard<'_, HashMap<u32, Arc<Lane>>> {
        lock(&self.lanes)
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.room.close();
    }

    /// Waits until all is given up.
    async fn aborted(&self) {
        let mut aborted = self.is_aborted.subscribe();
        // The sender is here as long as anybody waits.
        let _ = aborted.wait_for(|is_aborted| *is_aborted).await;
    }

    /// Tries for as long as a batch is tried.
    async fn retrying<T, F: Future<Output = Result<T, Error>>>(
        &self,
        safety: Safety,
        attempt: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let told = |error: &Error, pause| self.options.interrupted(error, pause);
        self.client.retrying_until(self.aborted(), told, self.options.retries(), safety, attempt).await
    }

    /// A batch of this partition is on its way: records without a key go elsewhere from now on.
    fn move_on(&self, partition: u32) {
        if let Some(count) = self.partitions.known()
            && self.sticky.load(Ordering::Relaxed) % count == partition
        {
            self.sticky.store((partition + 1) % count, Ordering::Relaxed);
        }
    }

    fn failed(&self, error: &Error) {
        lock(&self.failed).get_or_insert_with(|| error.clone());
        if error.kind() == crate::ErrorKind::NotFound {
            // It was deleted, and may be another one next.
            self.partitions.forget();
        }
    }
}

/// Nothing that is locked here is left half-changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
