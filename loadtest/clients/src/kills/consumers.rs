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

use super::clients::{self, Client, Door, Reader, bounds_begin, bounds_end};
use super::world::{PARTITIONS, TOPIC, World, config};

const FOLLOWERS: [Client; 2] = [follower(10), follower(11)];
const POLLER: Client = Client { process: 20, name: "poller", door: Door::Kafka };
const LAST_READER: Client = Client { process: 30, name: "last reader", door: Door::Kafka };
const POLL_WAIT: Duration = Duration::from_millis(100);
const ASK_PACE: Duration = Duration::from_millis(25);
const ASK_WAIT: Duration = Duration::from_secs(5);
/// Messages written down as one read.
const READ_RECORDS_MAX: usize = 500;
/// The full read must end.
const LAST_READ_WAIT_MAX: Duration = Duration::from_secs(240);

const fn follower(process: u32) -> Client {
    Client { process, name: "follower", door: Door::Kafka }
}

/// Starts the followers and the poller; they end when the world stops.
pub(crate) fn start(world: &Arc<World>) -> Vec<JoinHandle<()>> {
    let followers = FOLLOWERS.map(|client| clients::start(world, client, move |world| follow(world, client)));
    let poller = clients::start(world, POLLER, |world| ask_again_and_again(world));
    followers.into_iter().chain([poller]).collect()
}

fn follow(world: &World, client: Client) -> anyhow::Result<()> {
    let mut follower = Follower::new(world, Reader::new(client))?;
    while !world.is_stopping() {
        follower.read_some()?;
    }
    Ok(())
}

/// Asks for the bounds of one partition after another, each time as a new question to the server.
fn ask_again_and_again(world: &World) -> anyhow::Result<()> {
    let consumer: BaseConsumer = config(&world.address).create()?;
    let mut partition = 0;
    while !world.pace(ASK_PACE) {
        partition = (partition + 1) % PARTITIONS;
        let operation = bounds_begin(world, POLLER, partition);
        match consumer.fetch_watermarks(TOPIC, i32::try_from(partition)?, ASK_WAIT) {
            Ok((low, high)) => {
                let bounds = Bounds { low: u64::try_from(low)?, high: u64::try_from(high)? };
                bounds_end(world, POLLER, operation, bounds);
            }
            Err(error) if is_expected(&error) => {}
            Err(error) => return Err(error).context("asking for bounds"),
        }
    }
    Ok(())
}

/// Reads every partition from its start to its end, after all kills.
pub(crate) fn read_everything(world: &World) -> anyhow::Result<()> {
    let mut follower = Follower::new(world, Reader::last(LAST_READER))?;
    let mut ends = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let number = i32::try_from(partition)?;
        let asked = follower.consumer.fetch_watermarks(TOPIC, number, LAST_READ_WAIT_MAX).context("the log's end")?;
        ends.insert(partition, Bounds { low: u64::try_from(asked.0)?, high: u64::try_from(asked.1)? });
    }
    let deadline = Instant::now() + LAST_READ_WAIT_MAX;
    while ends.iter().any(|(partition, bounds)| follower.reader.next(*partition) < bounds.high) {
        if Instant::now() >= deadline {
            bail!("the full read stands at {:?}, the log ends at {ends:?}", follower.reader);
        }
        follower.read_some()?;
    }
    // A partition that stayed empty was read too.
    for partition in ends.into_keys() {
        follower.reader.came(world, BTreeMap::from([(partition, Vec::new())]));
    }
    Ok(())
}

/// A consumer of all partitions from their beginning.
struct Follower<'a> {
    world: &'a World,
    reader: Reader,
    consumer: BaseConsumer,
}

impl<'a> Follower<'a> {
    fn new(world: &'a World, reader: Reader) -> anyhow::Result<Follower<'a>> {
        let mut config = config(&world.address);
        config.set("group.id", format!("follower-{}", reader.client.process)).set("enable.auto.commit", "false");
        config.set("fetch.wait.max.ms", "100").set("check.crcs", "true").set("fetch.error.backoff.ms", "20");
        // Nothing is ever deleted here, so an offset out of range is a wrong answer and must not be hidden.
        config.set("auto.offset.reset", "error");
        let consumer: BaseConsumer = config.create()?;
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(TOPIC, i32::try_from(partition)?, Offset::Offset(0))?;
        }
        consumer.assign(&all)?;
        Ok(Follower { world, reader, consumer })
    }

    /// Takes what has arrived and writes it down.
    fn read_some(&mut self) -> anyhow::Result<()> {
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
        self.reader.came(self.world, arrived);
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
