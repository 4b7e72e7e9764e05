//! Kafka by librdkafka, as most programs speak it: a producer for each connection, with the threads that it brings.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use super::{Answer, Arrived, Driver, Offered, Receiver, Senders};
use crate::plan::Plan;
use crate::record::{Head, read_head};
use crate::schedule::{Clock, Moment};
use crate::target::Addresses;
use crate::workload::Compression;

/// A request to create topics or to learn of them.
const PATIENCE: Duration = Duration::from_secs(60);
/// A request to delete topics, of a server that may be gone.
const DELETE_PATIENCE: Duration = Duration::from_secs(15);
/// Partitions created by one request, at most.
const PARTITIONS_PER_REQUEST_MAX: u32 = 10_000;
/// What all connections together may hold of records on their way.
const QUEUED_KIBIBYTES_MAX: usize = 512 << 10;
/// Records taken from a consumer before its clock is looked at again.
const RECORDS_PER_TURN_MAX: usize = 1000;

pub(crate) struct Librdkafka {
    address: String,
}

impl Librdkafka {
    pub(crate) fn new(addresses: &Addresses) -> Librdkafka {
        Librdkafka { address: addresses.kafka.clone() }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }
}

impl Driver for Librdkafka {
    fn name(&self) -> String {
        format!("librdkafka {}", rdkafka::util::get_rdkafka_version().1)
    }

    fn create_topics(&self, plan: &Plan) -> anyhow::Result<()> {
        let admin: AdminClient<_> = self.config().create()?;
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let partitions = plan.workload.partitions;
        let topics_per_request = (PARTITIONS_PER_REQUEST_MAX / partitions).max(1) as usize;
        for names in plan.topics.chunks(topics_per_request) {
            let topics: Vec<NewTopic<'_>> =
                names.iter().map(|name| NewTopic::new(name, partitions as i32, TopicReplication::Fixed(1))).collect();
            for result in runtime.block_on(admin.create_topics(&topics, &options))? {
                result.map_err(|(name, error)| anyhow!("creating {name}: {error}"))?;
            }
        }
        Ok(())
    }

    fn delete_topics(&self, plan: &Plan) -> anyhow::Result<()> {
        let admin: AdminClient<_> = self.config().create()?;
        let options =
            AdminOptions::new().operation_timeout(Some(DELETE_PATIENCE)).request_timeout(Some(DELETE_PATIENCE));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let topics_per_request = (PARTITIONS_PER_REQUEST_MAX / plan.workload.partitions).max(1) as usize;
        for names in plan.topics.chunks(topics_per_request) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            for result in runtime.block_on(admin.delete_topics(&names, &options))? {
                match result {
                    Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                    Err((name, error)) => bail!("deleting {name}: {error}"),
                }
            }
        }
        Ok(())
    }

    fn senders<'a>(
        &'a self,
        plan: &'a Plan,
        clock: Clock,
        connections: &[u32],
    ) -> anyhow::Result<Box<dyn Senders + 'a>> {
        let workload = &plan.workload;
        let answers = Arc::new(Mutex::new(Vec::new()));
        let queued = (QUEUED_KIBIBYTES_MAX / workload.connections as usize).max(1024);
        let mut config = self.config();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", workload.linger_ms.to_string())
            .set("batch.size", workload.batch_bytes.to_string())
            .set("queue.buffering.max.kbytes", queued.to_string())
            .set("queue.buffering.max.messages", "0")
            .set("message.max.bytes", workload.batch_bytes.max(workload.record_bytes * 2).max(1 << 20).to_string())
            .set("compression.type", compression(workload.compression));
        let producer = |connection: &u32| {
            let context = Delivered { clock, answers: answers.clone() };
            Ok((*connection, config.create_with_context(context)?))
        };
        let producers = connections.iter().map(producer).collect::<Result<_, KafkaError>>()?;
        Ok(Box::new(Producers { plan, clock, producers, answers }))
    }

    fn receiver<'a>(&'a self, plan: &'a Plan, clock: Clock, places: &[u32]) -> anyhow::Result<Box<dyn Receiver + 'a>> {
        let mut config = self.config();
        config
            .set("group.id", format!("load-{:08x}", plan.run))
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.message.max.bytes", "1048576")
            .set("queued.max.messages.kbytes", "65536");
        let consumer: BaseConsumer = config.create()?;
        let mut assignment = TopicPartitionList::new();
        for place in places {
            let (topic, partition) = plan.topic_and_partition(*place);
            assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        let numbers = plan.topics.iter().map(String::as_str).zip(0..).collect();
        Ok(Box::new(OneConsumer { plan, clock, consumer, numbers }))
    }
}

fn compression(codec: Compression) -> &'static str {
    match codec {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Snappy => "snappy",
        Compression::Lz4 => "lz4",
        Compression::Zstd => "zstd",
    }
}

/// Told on the producers' own polling threads, so that nothing of ours is between an answer and its moment.
struct Delivered {
    clock: Clock,
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let at = self.clock.now();
        let (message, failure) = match result {
            Ok(message) => (message, None),
            Err((error, message)) => (message, Some(error.to_string())),
        };
        let head = read_head(message.payload().unwrap_or_default()).expect("it is what was handed over");
        self.answers.lock().expect("nobody panics with it").push(Answer { head, at, failure });
    }
}

struct Producers<'a> {
    plan: &'a Plan,
    clock: Clock,
    producers: HashMap<u32, ThreadedProducer<Delivered>>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl Senders for Producers<'_> {
    fn offer(&mut self, head: &Head, value: &[u8]) -> anyhow::Result<Offered> {
        let (topic, partition) = self.plan.topic_and_partition(head.place);
        let producer = self.producers.get(&head.producer).context("a connection of this thread")?;
        match producer.send(BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(value)) {
            Ok(()) => Ok(Offered::Taken),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(Offered::Full),
            Err((error, _)) => Err(error).context("producing"),
        }
    }

    fn turn(&mut self, until: Moment, answers: &mut Vec<Answer>) -> anyhow::Result<()> {
        self.clock.sleep_until(until);
        answers.append(&mut self.answers.lock().expect("nobody panics with it"));
        Ok(())
    }
}

struct OneConsumer<'a> {
    plan: &'a Plan,
    clock: Clock,
    consumer: BaseConsumer,
    numbers: HashMap<&'a str, u32>,
}

impl Receiver for OneConsumer<'_> {
    fn turn(&mut self, wait: Duration, visit: &mut dyn FnMut(&Arrived<'_>)) -> anyhow::Result<()> {
        let mut wait = wait;
        for _ in 0..RECORDS_PER_TURN_MAX {
            let message = match self.consumer.poll(wait) {
                None => break,
                Some(message) => message.context("consuming")?,
            };
            let number = *self.numbers.get(message.topic()).context("a topic of another run")?;
            let partition = u32::try_from(message.partition())?;
            ensure!(partition < self.plan.workload.partitions, "a partition of another run");
            visit(&Arrived {
                place: number * self.plan.workload.partitions + partition,
                offset: message.offset(),
                value: message.payload().unwrap_or_default(),
                at: self.clock.now(),
            });
            wait = Duration::ZERO;
        }
        Ok(())
    }
}
