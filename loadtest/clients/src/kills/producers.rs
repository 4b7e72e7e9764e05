//! Producers of a kill run: two idempotent, which retry, and two plain, which do not; one of those pipelines.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use tidelog_history::{Append, Guarantees, Outcome};

use super::clients::{self, Appender, Client, Door};
use super::world::{TOPIC, World, config};

/// What each producer promises by its own settings. A pipelining plain one may send again what had not left wholly,
/// behind what followed.
const PRODUCERS: [(&str, Guarantees); 4] = [
    ("idempotent producer", Guarantees { idempotent: true, ordered: true }),
    ("idempotent producer", Guarantees { idempotent: true, ordered: true }),
    ("plain producer", Guarantees { idempotent: false, ordered: true }),
    ("pipelining producer", Guarantees { idempotent: false, ordered: false }),
];
/// A burst of records goes out so often.
const PACE: Duration = Duration::from_millis(20);
const BURST_RECORDS_MAX: u64 = 10;
/// Under pressure, the next record is sent when the last one was answered, or after this.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);
/// Longer than any time between two lives: a record is given up only when something is wrong.
const DELIVERY_WAIT_MAX: Duration = Duration::from_secs(60);

struct Deliveries {
    world: Arc<World>,
    client: Client,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.world.trouble(self.client, format_args!("fatal: {reason}"));
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, operation: Box<u64>) {
        let outcome = match result {
            Ok(message) => match u64::try_from(message.offset()) {
                Ok(offset) => Outcome::Ok(offset),
                Err(_) => {
                    self.world.trouble(self.client, "acknowledged without an offset");
                    Outcome::Unknown
                }
            },
            // Whatever the error: the request may have been carried out and its answer lost.
            Err(_) => Outcome::Unknown,
        };
        self.world.append_ends(self.client, *operation, outcome);
    }
}

/// Starts all producers; they end when the world stops, after their last record is answered.
pub(crate) fn start(world: &Arc<World>, seed: u64) -> Vec<JoinHandle<()>> {
    let producers = (0..).zip(PRODUCERS).map(|(process, (name, guarantees))| {
        let client = Client { process, name, door: Door::Kafka };
        clients::start(world, client, move |world| produce(world, Appender::new(client, guarantees, seed)))
    });
    producers.collect()
}

fn produce(world: &Arc<World>, mut appender: Appender) -> anyhow::Result<()> {
    let (client, guarantees) = (appender.client, appender.guarantees);
    let mut config = config(&world.address);
    config.set("linger.ms", "0").set("retry.backoff.ms", "20").set("retry.backoff.max.ms", "200");
    config.set("message.timeout.ms", DELIVERY_WAIT_MAX.as_millis().to_string());
    if guarantees.idempotent {
        config.set("enable.idempotence", "true");
    } else {
        // A plain producer that tries again may write twice, and nobody promised otherwise.
        config.set("acks", "all").set("message.send.max.retries", "0");
    }
    let pipelined = guarantees.idempotent || !guarantees.ordered;
    config.set("max.in.flight.requests.per.connection", if pipelined { "5" } else { "1" });
    let context = Deliveries { world: world.clone(), client };
    let producer: ThreadedProducer<Deliveries> = config.create_with_context(context)?;
    loop {
        let is_pressed = appender.is_pressed(world);
        let records = if is_pressed { 1 } else { 1 + appender.chance.below(BURST_RECORDS_MAX) };
        for _ in 0..records {
            let partition = appender.any_partition();
            let append = appender.begin(world, partition, is_pressed);
            let operation = append.operation;
            send(world, &producer, client, partition, append);
            if is_pressed {
                world.wait_answered(operation, ANSWER_WAIT_MAX);
            }
        }
        if world.pace(if is_pressed { Duration::ZERO } else { PACE }) {
            break;
        }
    }
    let flushed = producer.flush(DELIVERY_WAIT_MAX);
    flushed.with_context(|| format!("records unanswered after {DELIVERY_WAIT_MAX:?} without kills"))
}

fn send(world: &World, producer: &ThreadedProducer<Deliveries>, client: Client, partition: u32, append: Append) {
    let record = BaseRecord::<(), [u8], _>::with_opaque_to(TOPIC, Box::new(append.operation))
        .partition(i32::try_from(partition).expect("few"))
        .payload(&append.bytes);
    if producer.send(record).is_err() {
        // Refused by the client's own queue: it never left.
        world.append_ends(client, append.operation, Outcome::Fail);
    }
}
