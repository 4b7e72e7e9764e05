//! rdkafka: librdkafka for Rust.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::runtime::Runtime;

use super::adapter::{Adapter, Poller, Record};

const WAIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(100);

pub struct Rdkafka {
    address: String,
    admin: AdminClient<DefaultClientContext>,
    runtime: Runtime,
}

impl Rdkafka {
    pub fn new(address: &str) -> anyhow::Result<Rdkafka> {
        let admin = ClientConfig::new().set("bootstrap.servers", address).create()?;
        Ok(Rdkafka { address: address.to_owned(), admin, runtime: Runtime::new()? })
    }

    fn config(&self, group: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        if !group.is_empty() {
            config.set("group.id", group).set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
            config.set("heartbeat.interval.ms", "300");
        }
        config
    }
}

impl Adapter for Rdkafka {
    fn create(&self, topic: &str, partitions: i32) -> anyhow::Result<()> {
        let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        only(self.runtime.block_on(self.admin.create_topics([&topic], &AdminOptions::new()))?)
    }

    fn delete(&self, topic: &str) -> anyhow::Result<()> {
        only(self.runtime.block_on(self.admin.delete_topics(&[topic], &AdminOptions::new()))?)
    }

    fn partitions(&self, topic: &str) -> anyhow::Result<Option<usize>> {
        // All topics: asking for one by name would create it.
        let metadata = self.admin.inner().fetch_metadata(None, WAIT)?;
        Ok(metadata.topics().iter().find(|one| one.name() == topic).map(|one| one.partitions().len()))
    }

    fn write(&self, topic: &str, records: &[Record], codec: &str, idempotent: bool) -> anyhow::Result<()> {
        let mut config = self.config("");
        config.set("compression.type", codec).set("enable.idempotence", idempotent.to_string());
        config.set("linger.ms", "5").set("batch.num.messages", "50");
        let producer: FutureProducer = config.create()?;
        self.runtime.block_on(async {
            let mut sent = Vec::new();
            for one in records {
                let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(topic).partition(one.partition);
                let mut headers = OwnedHeaders::new();
                for (key, value) in &one.headers {
                    headers = headers.insert(Header { key, value: Some(value) });
                }
                record.headers = Some(headers);
                record.key = one.key.as_deref();
                record.payload = one.value.as_deref();
                record.timestamp = one.timestamp_ms;
                sent.push(producer.send_result(record).map_err(|(error, _)| error)?);
            }
            for one in sent {
                one.await.context("the producer ended")?.map_err(|(error, _)| error)?;
            }
            Ok(())
        })
    }

    fn reader(&self, topic: &str, partitions: i32) -> anyhow::Result<Box<dyn Poller>> {
        let consumer: BaseConsumer = self.config("none").create()?;
        let mut all = TopicPartitionList::new();
        for partition in 0..partitions {
            all.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&all)?;
        Ok(Box::new(Member(consumer)))
    }

    fn member(&self, group: &str, topic: &str) -> anyhow::Result<Box<dyn Poller>> {
        let consumer: BaseConsumer = self.config(group).create()?;
        consumer.subscribe(&[topic])?;
        Ok(Box::new(Member(consumer)))
    }

    fn add_partitions(&self, topic: &str, count: usize) -> anyhow::Result<()> {
        let wanted = NewPartitions::new(topic, count);
        only(self.runtime.block_on(self.admin.create_partitions([&wanted], &AdminOptions::new()))?)
    }

    fn config(&self, topic: &str, name: &str) -> anyhow::Result<Option<String>> {
        let wanted = ResourceSpecifier::Topic(topic);
        let mut described = self.runtime.block_on(self.admin.describe_configs([&wanted], &AdminOptions::new()))?;
        let resource = described.pop().context("no answer")?.map_err(|code| anyhow::anyhow!("{code:?}"))?;
        Ok(resource.get(name).and_then(|entry| entry.value.clone()))
    }

    fn set_config(&self, topic: &str, name: &str, value: &str) -> anyhow::Result<()> {
        let wanted = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
        let altered = self.runtime.block_on(self.admin.alter_configs([&wanted], &AdminOptions::new()))?;
        altered.into_iter().try_for_each(|one| match one {
            Ok(_) => Ok(()),
            Err((_, code)) => bail!("{code:?}"),
        })
    }

    fn delete_records(&self, topic: &str, before: i64) -> anyhow::Result<()> {
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_offset(topic, 0, Offset::Offset(before))?;
        let deleted = self.runtime.block_on(self.admin.delete_records(&wanted, &AdminOptions::new()))?;
        Ok(deleted.find_partition(topic, 0).context("no answer")?.error()?)
    }

    fn groups(&self) -> anyhow::Result<Vec<String>> {
        let groups = self.admin.inner().fetch_group_list(None, WAIT)?;
        Ok(groups.groups().iter().map(|group| group.name().to_owned()).collect())
    }

    fn describe_group(&self, group: &str) -> anyhow::Result<(String, usize)> {
        let groups = self.admin.inner().fetch_group_list(Some(group), WAIT)?;
        let found = groups.groups().first().context("no such group")?;
        Ok((found.state().to_owned(), found.members().len()))
    }

    fn group_offsets(&self, group: &str, topic: &str) -> anyhow::Result<BTreeMap<i32, i64>> {
        let consumer: BaseConsumer = self.config(group).create()?;
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_range(topic, 0, 1);
        let found = consumer.committed_offsets(wanted, WAIT)?;
        let offset = |one: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            one.offset().to_raw().map(|offset| (one.partition(), offset))
        };
        Ok(found.elements().iter().filter_map(offset).collect())
    }

    fn set_group_offsets(&self, group: &str, topic: &str, offsets: &[(i32, i64)]) -> anyhow::Result<()> {
        let consumer: BaseConsumer = self.config(group).create()?;
        let mut wanted = TopicPartitionList::new();
        for (partition, offset) in offsets {
            wanted.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
        }
        Ok(consumer.commit(&wanted, CommitMode::Sync)?)
    }

    fn delete_group(&self, group: &str) -> anyhow::Result<()> {
        only(self.runtime.block_on(self.admin.delete_groups(&[group], &AdminOptions::new()))?)
    }

    fn offset_at(&self, topic: &str, timestamp_ms: i64) -> anyhow::Result<Option<i64>> {
        let consumer: BaseConsumer = self.config("none").create()?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset(topic, 0, Offset::Offset(timestamp_ms))?;
        let found = consumer.offsets_for_times(asked, WAIT)?;
        let found = found.find_partition(topic, 0).context("no answer for the partition")?;
        found.error()?;
        Ok(match found.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        })
    }
}

/// The results about one thing.
fn only(results: Vec<Result<String, (String, RDKafkaErrorCode)>>) -> anyhow::Result<()> {
    results.into_iter().try_for_each(|one| match one {
        Ok(_) => Ok(()),
        Err((name, code)) => bail!("{name}: {code:?}"),
    })
}

struct Member(BaseConsumer);

impl Poller for Member {
    fn poll(&mut self) -> anyhow::Result<Vec<Record>> {
        let mut read = Vec::new();
        let mut wait = POLL;
        while let Some(message) = self.0.poll(wait) {
            let message = message?;
            let headers = message.headers().into_iter().flat_map(Headers::iter);
            read.push(Record {
                partition: message.partition(),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
                headers: headers.map(|one| (one.key.to_owned(), one.value.unwrap_or_default().to_vec())).collect(),
                timestamp_ms: message.timestamp().to_millis(),
            });
            wait = Duration::ZERO;
        }
        Ok(read)
    }

    fn assigned(&mut self) -> usize {
        self.0.assignment().map_or(0, |assignment| assignment.count())
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        Ok(self.0.commit_consumer_state(CommitMode::Sync)?)
    }
}
