//! Producers of a kill run: two idempotent, which retry, and two plain, which do not; one of those pipelines.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use tidelog_history::{Guarantees, Outcome};

use super::world::{PARTITIONS, TOPIC, World, config, place};
use crate::chance::Chance;

/// What each producer promises by its own settings. A pipelining plain one may send again what had not left wholly,
/// behind what followed.
const PRODUCERS: [Guarantees; 4] = [
    Guarantees { idempotent: true, ordered: true },
    Guarantees { idempotent: true, ordered: true },
    Guarantees { idempotent: false, ordered: true },
    Guarantees { idempotent: false, ordered: false },
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
    process: u32,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.world.trouble(format!("producer {}: fatal: {reason}", self.process));
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
                    self.world.trouble(format!("producer {}: acknowledged without an offset", self.process));
                    Outcome::Unknown
                }
            },
            // Whatever the error: the request may have been carried out and its answer lost.
            Err(_) => Outcome::Unknown,
        };
        self.world.recorder.append_ends(self.process, *operation, outcome);
        self.world.answered(*operation, matches!(outcome, Outcome::Ok(_)));
    }
}

/// Starts all producers; they end when the world stops, after their last record is answered.
pub(crate) fn start(world: &Arc<World>, seed: u64) -> Vec<JoinHandle<()>> {
    let producers = (0..).zip(PRODUCERS).map(|(process, guarantees)| {
        let world = world.clone();
        std::thread::spawn(move || produce(&world, process, guarantees, seed))
    });
    producers.collect()
}

fn produce(world: &Arc<World>, process: u32, guarantees: Guarantees, seed: u64) {
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
    let context = Deliveries { world: world.clone(), process };
    let producer: ThreadedProducer<Deliveries> = match config.create_with_context(context) {
        Ok(producer) => producer,
        Err(error) => return world.trouble(format!("producer {process}: {error}")),
    };
    let mut chance = Chance::new(seed ^ (u64::from(process) << 32));
    let mut sequences = vec![0; usize::try_from(PARTITIONS).expect("few")];
    loop {
        let pressed = guarantees.idempotent && world.is_pressed();
        let records = if pressed { 1 } else { 1 + chance.below(BURST_RECORDS_MAX) };
        for _ in 0..records {
            let partition = u32::try_from(chance.below(u64::from(PARTITIONS))).expect("few");
            let sequence = &mut sequences[usize::try_from(partition).expect("few")];
            let bytes = bytes_of_a_record(&mut chance, pressed);
            let operation = send(world, &producer, process, partition, *sequence, guarantees, bytes);
            *sequence += 1;
            if pressed {
                world.wait_answered(operation, ANSWER_WAIT_MAX);
            }
        }
        if world.pace(if pressed { Duration::ZERO } else { PACE }) {
            break;
        }
    }
    if producer.flush(DELIVERY_WAIT_MAX).is_err() {
        world.trouble(format!("producer {process}: records unanswered after {DELIVERY_WAIT_MAX:?} without kills"));
    }
}

/// Mostly small, so that flushes ride in the log; now and then large enough that an object is made.
/// Under pressure all of it shall go into the log, and soon be enough for a snapshot.
fn bytes_of_a_record(chance: &mut Chance, pressed: bool) -> usize {
    let bytes = match (pressed, chance.below(50)) {
        (true, _) => 6_000,
        (false, 0) => 300_000,
        (false, _) => 100 + chance.below(1_500),
    };
    usize::try_from(bytes).expect("small")
}

fn send(
    world: &World,
    producer: &ThreadedProducer<Deliveries>,
    process: u32,
    partition: u32,
    sequence: u64,
    guarantees: Guarantees,
    bytes: usize,
) -> u64 {
    let append = world.recorder.append_begins(process, &place(partition), sequence, guarantees, "kafka", bytes);
    world.sent(append.operation, guarantees.idempotent);
    let record = BaseRecord::<(), [u8], _>::with_opaque_to(TOPIC, Box::new(append.operation))
        .partition(i32::try_from(partition).expect("few"))
        .payload(&append.bytes);
    if producer.send(record).is_err() {
        // Refused by the client's own queue: it never left.
        world.recorder.append_ends(process, append.operation, Outcome::Fail);
        world.answered(append.operation, false);
    }
    append.operation
}
