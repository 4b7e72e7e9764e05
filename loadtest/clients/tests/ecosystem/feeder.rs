//! Writes lines for the word count: some, or on and on until it is told to stop.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, ensure};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Message};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::WAIT_MAX;
use crate::topics::config;
use crate::words::Line;

/// Lines at a time and the pause between: what a test needs to be in the middle of something, not what the server can do.
const LINES_AT_ONCE: u64 = 20;
const PAUSE: Duration = Duration::from_millis(40);
/// More than are written in [`WAIT_MAX`]: a test that forgets to stop fails.
const LINES_MAX: u64 = 100_000;

/// Counts what is acknowledged.
#[derive(Clone, Default)]
struct Acknowledged(Arc<AtomicU64>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => _ = self.0.fetch_add(1, Ordering::SeqCst),
            Err((error, message)) => println!("{} is not written: {error}", message.topic()),
        }
    }
}

/// Writes the lines of these numbers, spread over all partitions; every one is acknowledged when it returns.
pub fn feed(address: &str, base_ms: i64, numbers: std::ops::Range<u64>) -> anyhow::Result<Vec<Line>> {
    let acknowledged = Acknowledged::default();
    let producer = producer(address, acknowledged.clone())?;
    let lines: Vec<Line> = numbers.map(Line).collect();
    for line in &lines {
        write(&producer, *line, base_ms)?;
    }
    finish(&producer, &acknowledged, lines.len() as u64)?;
    Ok(lines)
}

/// Writes until it is stopped.
pub struct Feeder {
    stop: Sender<()>,
    thread: JoinHandle<anyhow::Result<Vec<Line>>>,
}

impl Feeder {
    /// Begins with the line `from`.
    pub fn start(address: &str, base_ms: i64, from: u64) -> anyhow::Result<Feeder> {
        let acknowledged = Acknowledged::default();
        let producer = producer(address, acknowledged.clone())?;
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut lines = Vec::new();
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                ensure!((lines.len() as u64) < LINES_MAX, "nobody stops it");
                for _ in 0..LINES_AT_ONCE {
                    let line = Line(from + lines.len() as u64);
                    write(&producer, line, base_ms)?;
                    lines.push(line);
                }
            }
            finish(&producer, &acknowledged, lines.len() as u64)?;
            Ok(lines)
        });
        Ok(Feeder { stop, thread })
    }

    /// What it has written, all of it acknowledged.
    pub fn stop(self) -> anyhow::Result<Vec<Line>> {
        // It fails only when the thread has ended, which then says why.
        let _ = self.stop.send(());
        self.thread.join().ok().context("the feeder panicked")?
    }
}

fn producer(address: &str, acknowledged: Acknowledged) -> anyhow::Result<ThreadedProducer<Acknowledged>> {
    // With murmur2 a key is where Java would put it, which changes nothing here but what one sees when looking.
    let mut config = config(address);
    config.set("enable.idempotence", "true").set("linger.ms", "5").set("partitioner", "murmur2_random");
    Ok(config.create_with_context(acknowledged)?)
}

fn write(producer: &ThreadedProducer<Acknowledged>, line: Line, base_ms: i64) -> anyhow::Result<()> {
    let (key, text) = (line.0.to_string(), line.text());
    let record = BaseRecord::to("lines").key(&key).payload(&text).timestamp(line.time_ms(base_ms));
    producer.send(record).map_err(|(error, _)| error)?;
    Ok(())
}

fn finish(producer: &ThreadedProducer<Acknowledged>, acknowledged: &Acknowledged, count: u64) -> anyhow::Result<()> {
    producer.flush(WAIT_MAX)?;
    let acknowledged = acknowledged.0.load(Ordering::SeqCst);
    ensure!(acknowledged == count, "{acknowledged} of {count} lines are written");
    Ok(())
}
