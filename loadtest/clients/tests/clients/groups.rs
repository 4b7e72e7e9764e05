//! A consumer group outlives its coordinator: `kill -9` and a new start are no rebalance.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext};
use tidelog_clients::Server;

use crate::server;

const TOPIC: &str = "shared";
const PARTITIONS: i32 = 4;
const WAIT: Duration = Duration::from_secs(30);

/// Counts what the group does to a member.
#[derive(Default)]
struct Counting {
    rebalances: AtomicUsize,
}

struct Counted(Arc<Counting>);

impl ClientContext for Counted {}

impl ConsumerContext for Counted {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        println!("rebalance: {rebalance:?}");
        self.0.rebalances.fetch_add(1, Ordering::SeqCst);
    }
}

fn config(server: &Server) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", server.address());
    config.set("reconnect.backoff.ms", "10").set("reconnect.backoff.max.ms", "100");
    config
}

fn member(server: &Server) -> (BaseConsumer<Counted>, Arc<Counting>) {
    let counting = Arc::new(Counting::default());
    let mut config = config(server);
    config.set("group.id", "sharers").set("auto.offset.reset", "earliest").set("session.timeout.ms", "20000");
    config.set("heartbeat.interval.ms", "500").set("auto.commit.interval.ms", "200");
    let consumer: BaseConsumer<Counted> = config.create_with_context(Counted(counting.clone())).unwrap();
    consumer.subscribe(&[TOPIC]).unwrap();
    (consumer, counting)
}

fn produce(server: &Server, round: i32) {
    let producer: ThreadedProducer<DefaultProducer> =
        config(server).create_with_context(DefaultProducer).expect("settings");
    for partition in 0..PARTITIONS {
        let value = format!("{round}/{partition}");
        producer.send(BaseRecord::<(), _>::to(TOPIC).partition(partition).payload(&value)).map_err(|it| it.0).unwrap();
    }
    producer.flush(WAIT).unwrap();
}

struct DefaultProducer;

impl ClientContext for DefaultProducer {}

impl rdkafka::producer::ProducerContext for DefaultProducer {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &rdkafka::producer::DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok());
    }
}

/// Polls both until they have read a record of this round from every partition; says how many each.
fn read_round(members: [&BaseConsumer<Counted>; 2], round: i32) -> [usize; 2] {
    let mut counts = [0, 0];
    let deadline = Instant::now() + WAIT;
    while counts.iter().sum::<usize>() < PARTITIONS as usize {
        assert!(Instant::now() < deadline, "round {round}: {counts:?}");
        for (member, count) in members.iter().zip(&mut counts) {
            let Some(Ok(message)) = member.poll(Duration::from_millis(50)) else { continue };
            let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
            assert!(value.starts_with(&format!("{round}/")), "{value} again in round {round}");
            *count += 1;
        }
    }
    counts
}

#[test]
fn a_group_outlives_kill_9_without_a_rebalance() {
    let mut server = server();
    let admin: AdminClient<DefaultClientContext> = config(&server).create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let topic = NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(1));
    runtime.block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();

    let ((first, first_saw), (second, second_saw)) = (member(&server), member(&server));
    let deadline = Instant::now() + WAIT;
    // Until both have their halves.
    while [&first, &second].iter().any(|it| it.assignment().unwrap().count() != PARTITIONS as usize / 2) {
        assert!(Instant::now() < deadline, "no two halves");
        assert!(first.poll(Duration::from_millis(50)).is_none() && second.poll(Duration::from_millis(50)).is_none());
    }
    produce(&server, 0);
    assert_eq!(read_round([&first, &second], 0), [2, 2]);
    let before = [&first_saw, &second_saw].map(|it| it.rebalances.load(Ordering::SeqCst));
    // Beyond the interval of commits, so that the next life knows how far they are.
    std::thread::sleep(Duration::from_millis(600));

    server.kill9().unwrap();
    server.start_again(None).unwrap();
    server.wait_ready().unwrap();
    produce(&server, 1);
    assert_eq!(read_round([&first, &second], 1), [2, 2], "each still has its half");
    // Some heartbeats later it still is so.
    let quiet = Instant::now() + Duration::from_secs(3);
    while Instant::now() < quiet {
        assert!(first.poll(Duration::from_millis(50)).is_none() && second.poll(Duration::from_millis(50)).is_none());
    }
    let after = [&first_saw, &second_saw].map(|it| it.rebalances.load(Ordering::SeqCst));
    assert_eq!(before, after, "rebalances of the two members");
}
