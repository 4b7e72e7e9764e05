//! Topics from outside of the programs: made, read from beginning to end, and how far a group has come in them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::{WAIT_MAX, wait_until};

/// For one answer; a server that is being started again takes a second or two.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// A record's key and value as text, either empty where it has none.
pub type Pair = (String, String);

pub fn config(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("log_level", "2");
    config.set("reconnect.backoff.ms", "10").set("reconnect.backoff.max.ms", "200");
    config
}

fn admin(address: &str) -> anyhow::Result<(AdminClient<DefaultClientContext>, tokio::runtime::Runtime)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok((config(address).create()?, runtime))
}

pub fn create(address: &str, topics: &[(&str, i32)]) -> anyhow::Result<()> {
    let (admin, runtime) = admin(address)?;
    let topics: Vec<NewTopic<'_>> =
        topics.iter().map(|(name, partitions)| NewTopic::new(name, *partitions, TopicReplication::Fixed(1))).collect();
    let made = runtime.block_on(admin.create_topics(&topics, &AdminOptions::new()))?;
    ensure!(made.iter().all(Result::is_ok), "cannot create topics: {made:?}");
    Ok(())
}

/// A topic's settings by name.
pub fn settings(address: &str, topic: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let (admin, runtime) = admin(address)?;
    let described =
        runtime.block_on(admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &AdminOptions::new()))?;
    let described = described.into_iter().next().context("no answer")?.map_err(KafkaError::AdminOp)?;
    Ok(described.entries.into_iter().map(|entry| (entry.name, entry.value.unwrap_or_default())).collect())
}

/// Moves the beginning of a partition to `offset`.
pub fn delete_records(address: &str, topic: &str, partition: i32, offset: i64) -> anyhow::Result<()> {
    let (admin, runtime) = admin(address)?;
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    runtime.block_on(admin.delete_records(&before, &AdminOptions::new()))?;
    Ok(())
}

/// The first and the next offset of each partition.
pub fn ends(address: &str, topic: &str) -> anyhow::Result<Vec<(i64, i64)>> {
    let consumer: BaseConsumer = config(address).create()?;
    ends_by(&consumer, topic)
}

fn ends_by(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<Vec<(i64, i64)>> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_MAX)?;
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    ensure!(partitions > 0, "no topic {topic}");
    let ends = (0..i32::try_from(partitions)?).map(|partition| consumer.fetch_watermarks(topic, partition, ANSWER_MAX));
    Ok(ends.collect::<Result<_, _>>()?)
}

/// Everything in a topic, each partition in its order.
pub fn read(address: &str, topic: &str) -> anyhow::Result<Vec<Pair>> {
    let consumer: BaseConsumer =
        config(address).set("group.id", "none").set("enable.partition.eof", "true").create()?;
    let mut left = ends_by(&consumer, topic)?.len();
    let mut from = TopicPartitionList::new();
    for partition in 0..i32::try_from(left)? {
        from.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&from)?;
    let deadline = Instant::now() + WAIT_MAX;
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let mut read = Vec::new();
    while left > 0 {
        ensure!(Instant::now() < deadline, "{topic} is not read to its end after {WAIT_MAX:?}");
        match consumer.poll(ANSWER_MAX) {
            None => bail!("nothing comes from {topic}, and not its end either"),
            Some(Ok(record)) => read.push((text(record.key()), text(record.payload()))),
            Some(Err(KafkaError::PartitionEOF(_))) => left -= 1,
            Some(Err(error)) => return Err(error.into()),
        }
    }
    Ok(read)
}

/// How many records of `topic` the group has behind it by what it has committed, and how many are before it.
pub fn progress(address: &str, group: &str, topic: &str) -> anyhow::Result<(i64, i64)> {
    let consumer: BaseConsumer = config(address).set("group.id", group).create()?;
    let ends = ends_by(&consumer, topic)?;
    let mut asked = TopicPartitionList::new();
    for partition in 0..ends.len() {
        asked.add_partition(topic, i32::try_from(partition)?);
    }
    let committed = consumer.committed_offsets(asked, ANSWER_MAX)?;
    let (mut behind, mut before) = (0, 0);
    for (partition, (first, next)) in ends.into_iter().enumerate() {
        let found = committed.find_partition(topic, i32::try_from(partition)?).map(|found| found.offset());
        let at = if let Some(Offset::Offset(offset)) = found { offset } else { first };
        behind += at;
        before += next - at;
    }
    Ok((behind, before))
}

/// Waits until the group has committed everything that is in the topics, one after the other: what it writes into a later
/// one is then complete as well.
pub fn wait_consumed(address: &str, group: &str, topics: &[&str]) -> anyhow::Result<()> {
    for topic in topics {
        wait_until(&format!("end of {topic}"), || Ok(progress(address, group, topic)?.1 == 0))?;
    }
    Ok(())
}

/// Waits until the group has committed `more` records of `topic` beyond what it has now, and is in the middle of others.
pub fn wait_in_work(address: &str, group: &str, topic: &str, more: i64) -> anyhow::Result<()> {
    let (from, _) = progress(address, group, topic)?;
    wait_until(&format!("work in {topic}"), || {
        let (behind, before) = progress(address, group, topic)?;
        Ok(behind >= from + more && before > 0)
    })
}
