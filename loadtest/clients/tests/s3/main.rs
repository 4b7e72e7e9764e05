//! Tidelog with its objects in S3: what is acknowledged survives, what is not its own is refused, and a store that stops
//! answering stops writes for as long as it is away.
//!
//! Each promise is a function over a server, and is kept on moto, which is quick, and on radosgw, which is real.

mod proxied;
mod retries;

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tidelog_clients::chance::Chance;
use tidelog_clients::kills::{self, Plan};
use tidelog_clients::s3_servers::{Moto, RadosGateway, S3Server};
use tidelog_clients::server::{Options, Server};

const TOPIC: &str = "on-s3";
const PARTITIONS: i32 = 3;
/// More than rides in the catalog's log, so that an object is made.
const LARGE_BYTES: usize = 1_500_000;
/// The deadline of an upload, by docs; and what a busy machine adds.
const UPLOAD_DEADLINE: Duration = Duration::from_secs(30);
const SLACK: Duration = Duration::from_secs(10);

#[test]
fn moto_keeps_what_was_acknowledged() {
    what_was_acknowledged_survives(&mut moto(), "survives");
}

#[test]
fn moto_belongs_to_one_cluster() {
    a_fresh_folder_on_a_used_prefix_is_refused(&mut moto());
}

#[test]
fn moto_may_stop_answering() {
    a_frozen_store_fails_writes_in_time(&mut moto());
}

/// One test, because the server takes a while to come up.
#[test]
fn radosgw_does_all_of_it() {
    let mut store = RadosGateway::start().expect("radosgw comes up");
    what_was_acknowledged_survives(&mut store, "survives");
    // It checks signatures, which moto does not.
    what_was_acknowledged_survives(&mut proxied::Proxied::new(&mut store), "proxied");
    a_fresh_folder_on_a_used_prefix_is_refused(&mut store);
    a_frozen_store_fails_writes_in_time(&mut store);
    a_store_that_crashes_is_waited_for(&mut store);
}

/// Fewer than on the file store, where a life is shorter. `kills --s3 radosgw --random 26 --per-failpoint 3` does as many.
#[test]
fn radosgw_loses_nothing_to_kills() {
    let store = RadosGateway::start().expect("radosgw comes up");
    let seed = Chance::seed_of_this_run();
    let plan = Plan { seed, random_kills: 8, kills_per_failpoint: 1, options: store.options("kills") };
    let summary = kills::run(&plan).expect("the run can be carried out");
    println!("{summary}");
    assert!(summary.is_good());
}

fn moto() -> Moto {
    Moto::start().expect("moto comes up")
}

fn what_was_acknowledged_survives(store: &mut dyn S3Server, prefix: &str) {
    let mut server = start(store.options(prefix));
    for ability in ["conditional put: yes", "ranged get: yes", "list after put: yes", "delete: yes"] {
        assert!(server.output().contains(ability), "{ability} is not in the banner:\n{}", server.output());
    }
    create_topic(&server);

    let mut chance = Chance::new(Chance::seed_of_this_run());
    let sizes = (0..120).map(|n| if n % 20 == 7 { LARGE_BYTES } else { 1 + n * 11 });
    let records: Vec<Vec<u8>> = sizes.map(|bytes| random_bytes(&mut chance, bytes)).collect();
    let sent: Vec<Vec<Vec<u8>>> = split(&records);
    let producer = producer(&server, &[("enable.idempotence", "true")]);
    let answers: Vec<DeliveryFuture> =
        (0_i32..).zip(&records).map(|(n, r)| send(&producer, n % PARTITIONS, r)).collect();
    for answer in answers {
        wait(answer).expect("acknowledged");
    }
    assert!(read_all(&server) == sent, "what is read is what was sent");

    server.kill9().expect("it was alive");
    // Else the cache would answer in the store's place.
    std::fs::remove_dir_all(server.folder().join("data/cache")).expect("there is a cache");
    server.start_again(None).expect("it starts");
    server.wait_ready().expect("it serves");
    assert!(read_all(&server) == sent, "after kill -9, from the store alone, it is what was sent");

    // The large ones are in the bucket, and in no folder.
    let large: usize = records.iter().map(Vec::len).filter(|bytes| *bytes == LARGE_BYTES).sum();
    let stored: usize =
        store.objects(&format!("{prefix}/data/")).expect("a listing").iter().map(|(_, bytes)| bytes).sum();
    assert!(stored >= large, "{stored} of at least {large} bytes are in the bucket");
    assert!(!server.folder().join("data/objects").exists());

    let ended = server.stop().expect("it stops");
    assert!(ended.success(), "{ended}\n{}", server.output());
}

fn a_fresh_folder_on_a_used_prefix_is_refused(store: &mut dyn S3Server) {
    let server = start(store.options("claimed"));
    let began = Instant::now();
    let other = Server::start(store.options("claimed")).err().expect("it is refused").to_string();
    assert!(other.contains("belongs to cluster") && other.contains("or another prefix"), "{other}");
    assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
    // Beside it there is room.
    drop(start(store.options("claimed-not")));
    drop(server);
}

fn a_frozen_store_fails_writes_in_time(store: &mut dyn S3Server) {
    let server = start(store.options("frozen"));
    create_topic(&server);
    let once = producer(&server, &[("retries", "0"), ("request.timeout.ms", "60000")]);
    let steady = producer(&server, &[("enable.idempotence", "true")]);
    // On a connection of its own: answers of one connection keep their order.
    let small = producer(&server, &[("enable.idempotence", "true")]);
    let large = vec![b'l'; LARGE_BYTES];
    wait(send(&once, 0, &large)).expect("acknowledged while all is well");

    store.freeze().expect("it was running");
    let began = Instant::now();
    let doomed = send(&once, 0, &large);
    let patient = send(&steady, 1, &large);
    // Not so soon that it goes into one object with them.
    std::thread::sleep(Duration::from_millis(300));
    // It needs the catalog alone, so it passes: an upload that hangs holds back its own partition only.
    wait(send(&small, 2, b"small")).expect("acknowledged");
    assert!(began.elapsed() < SLACK, "a small write took {:?} beside a store that hangs", began.elapsed());
    // Behind what hangs, it waits.
    let waiting = send(&small, 1, b"behind");
    let code = wait(doomed).expect_err("there is nowhere to put it");
    assert_eq!(code, KafkaError::MessageProduction(RDKafkaErrorCode::NotEnoughReplicas), "clients may try again");
    assert!(began.elapsed() < UPLOAD_DEADLINE + SLACK, "an answer took {:?}", began.elapsed());
    assert!(began.elapsed() > UPLOAD_DEADLINE - SLACK, "it was not waited for: {:?}", began.elapsed());

    store.resume().expect("it was running");
    let back = Instant::now();
    wait(patient).expect("a client that tries again succeeds");
    wait(waiting).expect("acknowledged");
    wait(send(&once, 0, &large)).expect("acknowledged now that the store is back");
    assert!(back.elapsed() < SLACK * 2, "coming back took {:?}", back.elapsed());
    assert_eq!(counts(&read_all(&server)), [2, 2, 1], "what failed is not there, what was tried again is there once");
}

fn a_store_that_crashes_is_waited_for(store: &mut RadosGateway) {
    let server = start(store.options("crashed"));
    create_topic(&server);
    let steady = producer(&server, &[("enable.idempotence", "true")]);
    let large = vec![b'l'; LARGE_BYTES];
    wait(send(&steady, 0, &large)).expect("acknowledged while all is well");

    // With writes under way, so that some are lost between the store and its answer.
    let under_way: Vec<DeliveryFuture> = (0..6).map(|n| send(&steady, n % PARTITIONS, &large)).collect();
    store.kill_gateway();
    let began = Instant::now();
    let refused = Server::start(store.options("elsewhere")).err().expect("there is no store").to_string();
    assert!(refused.contains("s3://") && refused.contains("unavailable"), "{refused}");
    assert!(began.elapsed() < UPLOAD_DEADLINE + SLACK, "{:?}", began.elapsed());

    store.start_gateway().expect("it comes up again");
    for answer in under_way {
        wait(answer).expect("a client that tries again succeeds");
    }
    let read = read_all(&server);
    assert_eq!(counts(&read), [3, 2, 2], "each is there once");
    assert!(read.iter().flatten().all(|record| *record == large));
}

fn start(options: Options) -> Server {
    Server::start(options).expect("tidelog comes up")
}

fn config(server: &Server) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", server.address()).set("log_level", "2");
    config.set("message.max.bytes", "8000000").set("fetch.message.max.bytes", "8000000");
    config
}

fn create_topic(server: &Server) {
    let admin: AdminClient<DefaultClientContext> = config(server).create().expect("settings");
    let topic = NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(1)).set("max.message.bytes", "4000000");
    let made = runtime().block_on(admin.create_topics([&topic], &AdminOptions::new())).expect("an answer");
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

fn producer(server: &Server, more: &[(&str, &str)]) -> FutureProducer {
    let mut config = config(server);
    config.set("linger.ms", "0").set("acks", "all").set("message.timeout.ms", "120000");
    for (name, value) in more {
        config.set(*name, *value);
    }
    config.create().expect("settings")
}

fn send(producer: &FutureProducer, partition: i32, payload: &[u8]) -> DeliveryFuture {
    let record = FutureRecord::<(), [u8]>::to(TOPIC).partition(partition).payload(payload);
    producer.send_result(record).map_err(|(error, _)| error).expect("there is room in the client's queue")
}

fn wait(answer: DeliveryFuture) -> Result<(), KafkaError> {
    let answer = runtime().block_on(answer).expect("the producer lives");
    answer.map(drop).map_err(|(error, _)| error)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Everything in the topic, by partition, in order.
fn read_all(server: &Server) -> Vec<Vec<Vec<u8>>> {
    let consumer: BaseConsumer = config(server).set("group.id", "none").create().expect("settings");
    let mut wanted = 0;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        let (low, high) = consumer.fetch_watermarks(TOPIC, partition, Duration::from_secs(20)).expect("bounds");
        assert_eq!(low, 0);
        wanted += usize::try_from(high).expect("not negative");
        assignment.add_partition_offset(TOPIC, partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&assignment).expect("assigned");
    let mut found = vec![Vec::new(); usize::try_from(PARTITIONS).expect("few")];
    let deadline = Instant::now() + Duration::from_secs(60);
    while counts(&found).iter().sum::<usize>() < wanted {
        assert!(Instant::now() < deadline, "of {wanted} records there came {:?}", counts(&found));
        let Some(message) = consumer.poll(Duration::from_secs(1)) else { continue };
        let message = message.expect("a record");
        let records: &mut Vec<Vec<u8>> = &mut found[usize::try_from(message.partition()).expect("one of ours")];
        assert_eq!(usize::try_from(message.offset()).expect("not negative"), records.len(), "offsets are dense");
        records.push(message.payload().unwrap_or_default().to_vec());
    }
    found
}

fn counts(read: &[Vec<Vec<u8>>]) -> Vec<usize> {
    read.iter().map(Vec::len).collect()
}

/// Records in turn over the partitions, as they are sent.
fn split(records: &[Vec<u8>]) -> Vec<Vec<Vec<u8>>> {
    let partitions = usize::try_from(PARTITIONS).expect("few");
    (0..partitions).map(|first| records.iter().skip(first).step_by(partitions).cloned().collect()).collect()
}

fn random_bytes(chance: &mut Chance, count: usize) -> Vec<u8> {
    let words = std::iter::repeat_with(|| chance.below(u64::MAX).to_le_bytes());
    words.flatten().take(count).collect()
}
