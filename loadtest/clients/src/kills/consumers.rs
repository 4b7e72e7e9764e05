//! Readers of a kill run: two that follow the log, one that asks for its bounds, and the full read at the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use tidelog_history::{Bounds, Seen};

use super::world::{PARTITIONS, TOPIC, World, config, place};

/// Clients after the producers; 0 to 3 are theirs.
const FOLLOWERS: [u32; 2] = [10, 11];
const POLLER: u32 = 20;
const LAST_READER: u32 = 30;
const POLL_WAIT: Duration = Duration::from_millis(100);
const ASK_PACE: Duration = Duration::from_millis(25);
const ASK_WAIT: Duration = Duration::from_secs(5);
/// Messages written down as one read.
const READ_RECORDS_MAX: usize = 500;
/// The full read must end.
const LAST_READ_WAIT_MAX: Duration = Duration::from_secs(240);

/// Starts the followers and the poller; they end when the world stops.
pub(crate) fn start(world: &Arc<World>) -> Vec<JoinHandle<()>> {
    let mut clients = Vec::new();
    for process in FOLLOWERS {
        let world = world.clone();
        clients.push(std::thread::spawn(move || {
            if let Err(error) = follow(&world, process) {
                world.trouble(format!("consumer {process}: {error:#}"));
            }
        }));
    }
    let world = world.clone();
    clients.push(std::thread::spawn(move || {
        if let Err(error) = ask_again_and_again(&world) {
            world.trouble(format!("poller: {error:#}"));
        }
    }));
    clients
}

fn follow(world: &World, process: u32) -> anyhow::Result<()> {
    let mut follower = Follower::new(world, process)?;
    while !world.is_stopping() {
        follower.read_some(None)?;
    }
    Ok(())
}

/// Asks for the bounds of one partition after another, each time as a new question to the server.
fn ask_again_and_again(world: &World) -> anyhow::Result<()> {
    let consumer: BaseConsumer = config(&world.address).create()?;
    let mut partition = 0;
    while !world.pace(ASK_PACE) {
        partition = (partition + 1) % PARTITIONS;
        let operation = world.recorder.read_begins(POLLER, &place(partition), 0, "kafka");
        match consumer.fetch_watermarks(TOPIC, i32::try_from(partition)?, ASK_WAIT) {
            Ok((low, high)) => {
                let bounds = Bounds { low: u64::try_from(low)?, high: u64::try_from(high)? };
                world.recorder.read_ends(POLLER, operation, 0, Vec::new(), Some(bounds), false);
            }
            Err(error) if is_expected(&error) => {}
            Err(error) => return Err(error).context("asking for bounds"),
        }
    }
    Ok(())
}

/// Reads every partition from its start to its end, after all kills.
pub(crate) fn read_everything(world: &World) -> anyhow::Result<()> {
    let mut reader = Follower::new(world, LAST_READER)?;
    let mut ends = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let number = i32::try_from(partition)?;
        let asked = reader.consumer.fetch_watermarks(TOPIC, number, LAST_READ_WAIT_MAX).context("the log's end")?;
        ends.insert(partition, Bounds { low: u64::try_from(asked.0)?, high: u64::try_from(asked.1)? });
    }
    let deadline = Instant::now() + LAST_READ_WAIT_MAX;
    while ends.iter().any(|(partition, bounds)| reader.next[partition] < bounds.high) {
        if Instant::now() >= deadline {
            bail!("the full read stands at {:?}, the log ends at {ends:?}", reader.next);
        }
        reader.read_some(Some(&ends))?;
    }
    // A partition that stayed empty was read too.
    for (partition, bounds) in &ends {
        let operation = world.recorder.read_begins(LAST_READER, &place(*partition), bounds.high, "kafka");
        world.recorder.read_ends(LAST_READER, operation, bounds.high, Vec::new(), None, true);
    }
    Ok(())
}

/// A consumer of all partitions from their beginning.
struct Follower<'a> {
    world: &'a World,
    process: u32,
    consumer: BaseConsumer,
    next: BTreeMap<u32, u64>,
}

impl<'a> Follower<'a> {
    fn new(world: &'a World, process: u32) -> anyhow::Result<Follower<'a>> {
        let mut config = config(&world.address);
        config.set("group.id", format!("follower-{process}")).set("enable.auto.commit", "false");
        config.set("fetch.wait.max.ms", "100").set("check.crcs", "true").set("fetch.error.backoff.ms", "20");
        // Nothing is ever deleted here, so an offset out of range is a wrong answer and must not be hidden.
        config.set("auto.offset.reset", "error");
        let consumer: BaseConsumer = config.create()?;
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(TOPIC, i32::try_from(partition)?, Offset::Offset(0))?;
        }
        consumer.assign(&all)?;
        Ok(Follower { world, process, consumer, next: (0..PARTITIONS).map(|partition| (partition, 0)).collect() })
    }

    /// Takes what has arrived and writes it down, as part of the full read when its `ends` are given.
    fn read_some(&mut self, ends: Option<&BTreeMap<u32, Bounds>>) -> anyhow::Result<()> {
        let mut arrived: BTreeMap<u32, Vec<Seen>> = BTreeMap::new();
        let mut wait = POLL_WAIT;
        for _ in 0..READ_RECORDS_MAX {
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    let offset = u64::try_from(message.offset()).context("a message has an offset")?;
                    let seen = Seen::read(offset, message.payload().unwrap_or_default());
                    arrived.entry(u32::try_from(message.partition())?).or_default().push(seen);
                }
                Some(Err(error)) if is_expected(&error) => {}
                Some(Err(error)) => return Err(error).context("reading"),
            }
            wait = Duration::ZERO;
        }
        for (partition, records) in arrived {
            let from = self.next[&partition];
            let next = records.last().map_or(from, |one| one.offset + 1);
            // When the client asked for these is not known, and the checker needs no such time for records.
            let operation = self.world.recorder.read_begins(self.process, &place(partition), from, "kafka");
            self.world.recorder.read_ends(self.process, operation, next, records, None, ends.is_some());
            self.next.insert(partition, next);
        }
        Ok(())
    }
}

/// What a killed server looks like from outside. A wrong answer is none of these.
fn is_expected(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::BrokerNotAvailable
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::CoordinatorLoadInProgress
                | RDKafkaErrorCode::KafkaStorageError
        )
    )
}
