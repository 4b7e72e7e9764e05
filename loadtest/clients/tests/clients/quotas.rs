//! Quotas set with Kafka's own tool, and what real clients then get: their rate, once ten seconds' worth is used up.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::FutureProducer;
use rdkafka::{Offset, TopicPartitionList};
use tidelog_clients::Server;
use tidelog_clients::server::Options;
use tidelog_clients::tools::{java, run};

use crate::librdkafka::{config, produce, read};
use crate::server;

const SECONDS: u32 = 90;
/// Bytes in a second, and what is let through at once.
const RATE: f64 = 500_000.0;
const BURST: f64 = 10.0 * RATE;

fn configs(address: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = java("kafka.admin.ConfigCommand", SECONDS)?;
    command.args(["--bootstrap-server", address]).args(arguments);
    run(command, b"")
}

#[test]
fn kafka_configs_sets_shows_and_takes_away_quotas() {
    let mut server = server();
    let of = ["--entity-type", "users", "--entity-name", "ANONYMOUS", "--entity-type", "clients", "--entity-default"];
    let both = "producer_byte_rate=1048576,consumer_byte_rate=2097152,request_percentage=12.5";
    let alter = |address: &str, what: &[&str]| configs(address, &[&of[..], &["--alter"], what].concat());
    let said = alter(server.address(), &["--add-config", both]).unwrap();
    assert!(said.contains("Completed updating"), "{said}");
    let ip = ["--entity-type", "ips", "--entity-name", "10.0.0.1", "--alter", "--add-config"];
    configs(server.address(), &[&ip[..], &["connection_creation_rate=5"]].concat()).unwrap();
    // They outlive the process.
    server.kill9().unwrap();
    server.start_again(None).unwrap();
    server.wait_ready().unwrap();
    let shown = configs(server.address(), &[&of[..], &["--describe"]].concat()).unwrap();
    assert!(shown.contains("user-principal 'ANONYMOUS', the default client-id"), "{shown}");
    for value in ["producer_byte_rate=1048576.0", "consumer_byte_rate=2097152.0", "request_percentage=12.5"] {
        assert!(shown.contains(value), "{value}: {shown}");
    }
    let shown = configs(server.address(), &["--entity-type", "ips", "--describe"]).unwrap();
    assert!(shown.contains("10.0.0.1") && shown.contains("connection_creation_rate=5.0"), "{shown}");
    let error = alter(server.address(), &["--add-config", "producer_byte_rate=0"]).unwrap_err().to_string();
    assert!(error.contains("producer_byte_rate must be a whole number greater than 0"), "{error}");
    alter(server.address(), &["--delete-config", "producer_byte_rate,consumer_byte_rate,request_percentage"]).unwrap();
    let shown = configs(server.address(), &[&of[..], &["--describe"]].concat()).unwrap();
    assert!(!shown.contains("byte_rate"), "{shown}");
}

#[test]
fn the_java_producer_gets_its_rate() {
    let server = server();
    let quota = format!("producer_byte_rate={RATE}");
    let of = ["--entity-type", "clients", "--entity-default", "--alter", "--add-config", &quota];
    configs(server.address(), &of).unwrap();
    let mut command = java("org.apache.kafka.tools.ProducerPerformance", SECONDS).unwrap();
    // What is let through at once, and fourteen seconds.
    let records = ((BURST + 14.0 * RATE) / 1_000.0).to_string();
    command.args(["--topic", "perf", "--num-records", &records, "--record-size", "1000", "--throughput", "-1"]);
    command.args(["--bootstrap-server", server.address()]);
    let printed = run(command, b"").unwrap();
    // One line for each five seconds, and one for all: 2500 records sent, 500.0 records/sec (0.48 MB/sec), …
    let rate = |line: &str| line.split(", ").nth(1)?.split(' ').next()?.parse::<f64>().ok();
    let rates: Vec<f64> = printed.lines().filter(|line| line.contains("records/sec")).filter_map(rate).collect();
    assert!(rates.len() >= 3, "{printed}");
    assert!(rates[0] * 1_000.0 > 1.5 * RATE, "what is let through at once came with the first: {printed}");
    let steady = rates[1] * 1_000.0;
    assert!((steady - RATE).abs() < 0.1 * RATE, "{steady} of {RATE} bytes in a second: {printed}");
}

#[tokio::test]
async fn librdkafka_gets_its_rate_both_ways_and_others_are_left_alone() {
    const VALUES: usize = 800;
    let server = server();
    let quota = format!("producer_byte_rate={RATE},consumer_byte_rate={RATE}");
    let of = ["--entity-type", "clients", "--entity-name", "slow", "--alter", "--add-config", &quota];
    configs(server.address(), &of).unwrap();
    let values: Vec<String> = (0..VALUES).map(|index| format!("{index:010000}")).collect();
    // Small requests, so that it does not count much that nobody waits for the last one.
    let producer = |client_id: &str| -> FutureProducer {
        let mut config = config(server.address());
        config.set("client.id", client_id).set("batch.size", "50000").create().unwrap()
    };
    let expected = (10_000.0 * VALUES as f64 - BURST) / RATE;
    let check = |what: &str, took: Duration| {
        let took = took.as_secs_f64();
        assert!((took - expected).abs() < 0.15 * expected, "{what}: {took} s of {expected} s");
    };
    let began = Instant::now();
    let offsets = produce(&producer("slow"), "limited", &values).await;
    check("producing", began.elapsed());
    assert_eq!(offsets, (0..VALUES as i64).collect::<Vec<_>>());
    let began = Instant::now();
    produce(&producer("quick"), "free", &values).await;
    assert!(began.elapsed().as_secs_f64() < 0.5 * expected, "others are not slowed down");
    let began = Instant::now();
    let read = tokio::task::spawn_blocking({
        let address = server.address().to_owned();
        move || {
            let mut config = config(&address);
            config.set("group.id", "slow").set("client.id", "slow").set("fetch.message.max.bytes", "50000");
            let consumer: BaseConsumer = config.create().unwrap();
            let mut all = TopicPartitionList::new();
            all.add_partition_offset("limited", 0, Offset::Beginning).unwrap();
            consumer.assign(&all).unwrap();
            read(&consumer, VALUES)
        }
    });
    assert_eq!(read.await.unwrap(), values);
    check("consuming", began.elapsed());
}

#[tokio::test]
async fn the_zone_is_the_broker_s_rack() {
    let options = Options { flags: vec!["--zone".into(), "zone-a".into()], ..Options::default() };
    let server = Server::start(options).unwrap();
    let topics = ["--bootstrap-server", server.address()];
    let mut versions = java("org.apache.kafka.tools.BrokerApiVersionsCommand", SECONDS).unwrap();
    versions.args(topics);
    let shown = run(versions, b"").unwrap();
    assert!(shown.contains("rack: zone-a"), "{shown}");
    // A reader of another zone reads from this node: there is no nearer one.
    let producer: FutureProducer = config(server.address()).create().unwrap();
    produce(&producer, "t", &["v".to_owned()]).await;
    let mut far = config(server.address());
    far.set("group.id", "far").set("client.rack", "zone-b");
    let consumer: BaseConsumer = far.create().unwrap();
    let mut all = TopicPartitionList::new();
    all.add_partition_offset("t", 0, Offset::Beginning).unwrap();
    consumer.assign(&all).unwrap();
    assert_eq!(read(&consumer, 1), ["v"]);
}
