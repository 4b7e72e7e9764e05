//! The measurements.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::server::{Server, payload};

pub const TOPIC: &str = "bench";
pub const RECORD_BYTES: usize = 1024;

/// A run that moved bytes.
pub struct Throughput {
    pub cpu_seconds_per_gibibyte: f64,
    pub mebibytes_per_second: f64,
}

/// 1 KiB records to 8 partitions, in batches of up to 1 MB (librdkafka's default), acks=all.
pub fn produce(binary: &Path, mebibytes: usize) -> anyhow::Result<Throughput> {
    let server = Server::start(binary)?;
    create(&server, 8)?;
    // Past the first touch of memory and files.
    fill(&server, 64)?;
    let before = server.cpu_seconds()?;
    let started = Instant::now();
    fill(&server, mebibytes)?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = server.cpu_seconds()? - before;
    Ok(Throughput {
        cpu_seconds_per_gibibyte: cpu / (mebibytes as f64 / 1024.0),
        mebibytes_per_second: mebibytes as f64 / seconds,
    })
}

/// Objects that the node puts in a second of the same load, on average.
pub fn objects(binary: &Path, mebibytes: usize) -> anyhow::Result<f64> {
    let server = Server::start(binary)?;
    create(&server, 8)?;
    let (before, _) = server.objects()?;
    let started = Instant::now();
    fill(&server, mebibytes)?;
    let seconds = started.elapsed().as_secs_f64();
    let put = server.objects()?.0 - before;
    anyhow::ensure!(put > 0, "no object was put");
    Ok(put as f64 / seconds)
}

/// The newest 64 MiB, read again and again by one consumer.
pub fn fetch(binary: &Path, mebibytes: usize) -> anyhow::Result<Throughput> {
    const WINDOW_MEBIBYTES: usize = 64;
    let server = Server::start(binary)?;
    create(&server, 1)?;
    fill(&server, WINDOW_MEBIBYTES)?;
    let consumer: BaseConsumer = server
        .config()
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("fetch.message.max.bytes", "8388608")
        .create()?;
    read_all(&consumer, WINDOW_MEBIBYTES)?;
    let rounds = mebibytes.div_ceil(WINDOW_MEBIBYTES);
    let before = server.cpu_seconds()?;
    let started = Instant::now();
    for _ in 0..rounds {
        read_all(&consumer, WINDOW_MEBIBYTES)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let cpu = server.cpu_seconds()? - before;
    let mebibytes = (rounds * WINDOW_MEBIBYTES) as f64;
    Ok(Throughput { cpu_seconds_per_gibibyte: cpu / (mebibytes / 1024.0), mebibytes_per_second: mebibytes / seconds })
}

/// From send to acknowledgement.
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// 1,000 records a second for ten seconds, each sent at its time whatever became of the others.
pub fn acknowledge(binary: &Path) -> anyhow::Result<Latency> {
    const RECORDS: u64 = 10_000;
    let server = Server::start(binary)?;
    create(&server, 8)?;
    let context = Acknowledged::default();
    let times = context.microseconds.clone();
    let producer: ThreadedProducer<Acknowledged> =
        server.config().set("linger.ms", "0").set("acks", "all").create_with_context(context)?;
    let value = payload(RECORD_BYTES, 3);
    let start = Instant::now() + Duration::from_millis(100);
    for i in 0..RECORDS {
        let intended = start + Duration::from_millis(i);
        std::thread::sleep(intended.saturating_duration_since(Instant::now()));
        let record = BaseRecord::<(), [u8], Box<Instant>>::with_opaque_to(TOPIC, Box::new(intended)).payload(&value);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(10))?;
    let times = times.lock().map_err(|_| anyhow::anyhow!("a callback panicked"))?;
    // The first second warms up connection and files.
    let mut histogram = Histogram::<u64>::new(3)?;
    for time in times.iter().skip(1000) {
        histogram.record(*time)?;
    }
    anyhow::ensure!(times.len() as u64 == RECORDS, "{} of {RECORDS} records were acknowledged", times.len());
    let milliseconds = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Latency { p50_ms: milliseconds(0.5), p99_ms: milliseconds(0.99) })
}

/// Resident memory.
pub struct Memory {
    pub idle_mebibytes: f64,
    pub peak_mebibytes: f64,
}

/// Idle, then with eight producers and a consumer at full speed.
pub fn memory(binary: &Path, mebibytes: usize) -> anyhow::Result<Memory> {
    let server = Server::start(binary)?;
    std::thread::sleep(Duration::from_secs(2));
    let idle_mebibytes = server.mebibytes("VmRSS")?;
    create(&server, 64)?;
    std::thread::scope(|scope| {
        let producers: Vec<_> = (0..8).map(|_| scope.spawn(|| fill(&server, mebibytes / 8))).collect();
        producers
            .into_iter()
            .try_for_each(|producer| producer.join().map_err(|_| anyhow::anyhow!("a producer panicked"))?)
    })?;
    Ok(Memory { idle_mebibytes, peak_mebibytes: server.mebibytes("VmHWM")? })
}

/// Many partitions.
pub struct Partitions {
    pub create_seconds: f64,
    pub metadata_ms: f64,
    pub restart_seconds: f64,
}

/// 10,000 in one topic: created in one request, described, and there again after a restart.
pub fn partitions(binary: &Path) -> anyhow::Result<Partitions> {
    const PARTITIONS: usize = 10_000;
    let server = Server::start(binary)?;
    let started = Instant::now();
    create(&server, PARTITIONS as i32)?;
    let create_seconds = started.elapsed().as_secs_f64();
    let metadata_ms = server.metadata_ms(TOPIC)?;
    let seen = server.partitions(Some(TOPIC))?;
    anyhow::ensure!(seen == PARTITIONS, "{seen} partitions are described");
    let folder = server.stop(tempfile::tempdir_in(".")?)?;
    let server = Server::start_in(binary, folder)?;
    let seen = server.partitions(Some(TOPIC))?;
    anyhow::ensure!(seen == PARTITIONS, "{seen} partitions are there after a restart");
    Ok(Partitions { create_seconds, metadata_ms, restart_seconds: server.start_seconds })
}

#[derive(Default)]
struct Acknowledged {
    microseconds: std::sync::Arc<std::sync::Mutex<Vec<u64>>>,
}

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, intended: Box<Instant>) {
        if result.is_ok()
            && let Ok(mut times) = self.microseconds.lock()
        {
            times.push(intended.elapsed().as_micros() as u64);
        }
    }
}

pub fn create(server: &Server, partitions: i32) -> anyhow::Result<()> {
    let admin: AdminClient<_> = server.config().create()?;
    let topic = NewTopic::new(TOPIC, partitions, TopicReplication::Fixed(1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
    let results = runtime.block_on(admin.create_topics(&[topic], &options))?;
    for result in results {
        result.map_err(|(name, error)| anyhow::anyhow!("creating {name}: {error}"))?;
    }
    Ok(())
}

pub fn fill(server: &Server, mebibytes: usize) -> anyhow::Result<()> {
    fill_partitions(server, mebibytes, |_| None)
}

/// The same with a partition for each mebibyte.
pub fn fill_partitions(
    server: &Server,
    mebibytes: usize,
    partition_of: impl Fn(usize) -> Option<i32>,
) -> anyhow::Result<()> {
    let producer: BaseProducer =
        server.config().set("linger.ms", "5").set("acks", "all").set("queue.buffering.max.kbytes", "65536").create()?;
    let value = payload(RECORD_BYTES, 5);
    for i in 0..mebibytes * 1024 {
        let mut record = BaseRecord::<(), [u8]>::to(TOPIC).payload(&value);
        if let Some(partition) = partition_of(i / 1024) {
            record = record.partition(partition);
        }
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    producer.poll(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error).context("producing"),
            }
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(60))?;
    Ok(())
}

fn read_all(consumer: &BaseConsumer, mebibytes: usize) -> anyhow::Result<()> {
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(TOPIC, 0, Offset::Beginning)?;
    consumer.assign(&from)?;
    let mut bytes = 0;
    while bytes < mebibytes << 20 {
        let message = consumer.poll(Duration::from_secs(10)).context("the consumer got nothing in 10 s")??;
        bytes += message.payload_len();
    }
    Ok(())
}
