//! rskafka: a client in Rust that speaks old versions only, and has neither groups nor idempotence.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use tokio::runtime::{Handle, Runtime};

use super::adapter::{Adapter, Poller, Record};

const WAIT_MS: i32 = 20_000;
const POLL_MS: i32 = 100;
const FETCH_BYTES_MAX: i32 = 4 << 20;

pub struct Rskafka {
    client: Client,
    runtime: Runtime,
}

impl Rskafka {
    pub fn new(address: &str) -> anyhow::Result<Rskafka> {
        let runtime = Runtime::new()?;
        let client = runtime.block_on(ClientBuilder::new(vec![address.to_owned()]).build())?;
        Ok(Rskafka { client, runtime })
    }

    fn partition(&self, topic: &str, partition: i32) -> anyhow::Result<PartitionClient> {
        let client = self.client.partition_client(topic, partition, UnknownTopicHandling::Error);
        Ok(self.runtime.block_on(client)?)
    }
}

impl Adapter for Rskafka {
    fn create(&self, topic: &str, partitions: i32) -> anyhow::Result<()> {
        let controller = self.client.controller_client()?;
        Ok(self.runtime.block_on(controller.create_topic(topic, partitions, 1, WAIT_MS))?)
    }

    fn delete(&self, topic: &str) -> anyhow::Result<()> {
        Ok(self.runtime.block_on(self.client.controller_client()?.delete_topic(topic, WAIT_MS))?)
    }

    fn partitions(&self, topic: &str) -> anyhow::Result<Option<usize>> {
        let topics = self.runtime.block_on(self.client.list_topics())?;
        Ok(topics.into_iter().find(|one| one.name == topic).map(|one| one.partitions.len()))
    }

    fn write(&self, topic: &str, records: &[Record], codec: &str, _idempotent: bool) -> anyhow::Result<()> {
        let codec = match codec {
            "none" => Compression::NoCompression,
            "gzip" => Compression::Gzip,
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4,
            "zstd" => Compression::Zstd,
            _ => bail!("no codec {codec}"),
        };
        // A call is a batch, and a batch of several big records would be larger than a topic allows.
        const CALL_BYTES_MAX: usize = 900_000;
        for partition in 0..=records.iter().map(|record| record.partition).max().unwrap_or(0) {
            let client = self.partition(topic, partition)?;
            let mut call: Vec<rskafka::record::Record> = Vec::new();
            for one in records.iter().filter(|record| record.partition == partition).map(to_theirs) {
                let bytes: usize = call.iter().map(rskafka::record::Record::approximate_size).sum();
                if bytes + one.approximate_size() > CALL_BYTES_MAX || call.len() == 50 {
                    self.runtime.block_on(client.produce(std::mem::take(&mut call), codec))?;
                }
                call.push(one);
            }
            self.runtime.block_on(client.produce(call, codec))?;
        }
        Ok(())
    }

    fn reader(&self, topic: &str, partitions: i32) -> anyhow::Result<Box<dyn Poller>> {
        let from_begin = |partition| -> anyhow::Result<_> {
            let client = self.partition(topic, partition)?;
            Ok((partition, self.runtime.block_on(client.get_offset(OffsetAt::Earliest))?, client))
        };
        let partitions = (0..partitions).map(from_begin).collect::<anyhow::Result<_>>()?;
        Ok(Box::new(Reader { partitions, runtime: self.runtime.handle().clone() }))
    }

    fn member(&self, _group: &str, _topic: &str) -> anyhow::Result<Box<dyn Poller>> {
        bail!("rskafka has no groups")
    }

    fn delete_records(&self, topic: &str, before: i64) -> anyhow::Result<()> {
        let client = self.partition(topic, 0)?;
        Ok(self.runtime.block_on(client.delete_records(before, WAIT_MS))?)
    }

    fn offset_at(&self, topic: &str, timestamp_ms: i64) -> anyhow::Result<Option<i64>> {
        let client = self.partition(topic, 0)?;
        let at = OffsetAt::Timestamp(time_of(timestamp_ms).into());
        let found = self.runtime.block_on(client.get_offset(at))?;
        Ok((found >= 0).then_some(found))
    }
}

fn time_of(timestamp_ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(timestamp_ms).unwrap_or(0))
}

fn to_theirs(record: &Record) -> rskafka::record::Record {
    rskafka::record::Record {
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.iter().cloned().collect(),
        timestamp: record.timestamp_ms.map_or(SystemTime::now(), time_of).into(),
    }
}

/// Each partition with the offset that comes next.
struct Reader {
    partitions: Vec<(i32, i64, PartitionClient)>,
    runtime: Handle,
}

impl Poller for Reader {
    fn poll(&mut self) -> anyhow::Result<Vec<Record>> {
        let mut read = Vec::new();
        for (partition, next, client) in &mut self.partitions {
            let (records, _) = self.runtime.block_on(client.fetch_records(*next, 1..FETCH_BYTES_MAX, POLL_MS))?;
            // The answer begins at a batch, which may begin before what was asked for.
            for one in records.into_iter().filter(|one| one.offset >= *next).collect::<Vec<_>>() {
                *next = one.offset + 1;
                let since = SystemTime::from(one.record.timestamp).duration_since(UNIX_EPOCH)?;
                read.push(Record {
                    partition: *partition,
                    key: one.record.key,
                    value: one.record.value,
                    headers: one.record.headers.into_iter().collect(),
                    timestamp_ms: Some(i64::try_from(since.as_millis())?),
                });
            }
        }
        Ok(read)
    }

    fn assigned(&mut self) -> usize {
        self.partitions.len()
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        bail!("rskafka has no groups")
    }
}
