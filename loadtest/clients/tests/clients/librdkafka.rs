//! librdkafka, through the `rdkafka` crate.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::{server, texts};

pub const WAIT: Duration = Duration::from_secs(20);
/// Polls without a message after which a reader gives up; each waits 100 ms.
const EMPTY_POLLS_MAX: usize = 200;

pub fn config(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config
}

pub async fn create_topic(address: &str, topic: &str, partitions: i32) {
    let admin: AdminClient<_> = config(address).create().unwrap();
    let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let made = admin.create_topics([&topic], &AdminOptions::new().request_timeout(Some(WAIT))).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

pub fn consumer_of(address: &str, topic: &str, partitions: i32) -> BaseConsumer {
    let mut config = config(address);
    config.set("group.id", "reader").set("enable.auto.commit", "false").set("check.crcs", "true");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    consumer
}

/// Reads `count` values, in the order they come.
pub fn read(consumer: &BaseConsumer, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    let mut empty = 0;
    while values.len() < count {
        match consumer.poll(Duration::from_millis(100)) {
            Some(message) => {
                let message = message.unwrap();
                values.push(String::from_utf8(message.payload().unwrap_or_default().to_vec()).unwrap());
            }
            None => {
                empty += 1;
                assert!(empty < EMPTY_POLLS_MAX, "{} of {count} after {empty} empty polls", values.len());
            }
        }
    }
    values
}

/// Produces `values` to partition 0 and returns their offsets.
pub async fn produce(producer: &FutureProducer, topic: &str, values: &[String]) -> Vec<i64> {
    let mut sent = Vec::new();
    for value in values {
        let record = FutureRecord::<(), _>::to(topic).partition(0).payload(value);
        sent.push(producer.send_result(record).map_err(|(error, _)| error).unwrap());
    }
    let mut offsets = Vec::new();
    for one in sent {
        offsets.push(one.await.unwrap().map_err(|(error, _)| error).unwrap().offset);
    }
    offsets
}

#[tokio::test]
async fn every_codec_arrives_as_sent() {
    let server = server();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        create_topic(server.address(), codec, 1).await;
        let producer: FutureProducer =
            config(server.address()).set("compression.codec", codec).set("linger.ms", "20").create().unwrap();
        let values = texts(300);
        let offsets = produce(&producer, codec, &values).await;
        assert_eq!(offsets, (0..300).collect::<Vec<i64>>(), "{codec}");
        assert_eq!(read(&consumer_of(server.address(), codec, 1), 300), values, "{codec}");
    }
}

#[tokio::test]
async fn an_idempotent_producer_works_and_keeps_its_order() {
    let server = server();
    create_topic(server.address(), "once", 1).await;
    let producer: FutureProducer =
        config(server.address()).set("enable.idempotence", "true").set("linger.ms", "1").create().unwrap();
    let values = texts(2_000);
    let offsets = produce(&producer, "once", &values).await;
    assert_eq!(offsets, (0..2_000).collect::<Vec<i64>>());
    assert_eq!(read(&consumer_of(server.address(), "once", 1), 2_000), values);
}

#[tokio::test]
async fn a_transactional_producer_is_told_no_for_good() {
    let server = server();
    let producer: FutureProducer = config(server.address()).set("transactional.id", "t").create().unwrap();
    let refused = tokio::task::spawn_blocking(move || producer.init_transactions(WAIT)).await.unwrap().unwrap_err();
    let KafkaError::Transaction(error) = refused else { panic!("{refused:?}") };
    assert!(!error.is_retriable(), "{error:?}");
}

#[tokio::test]
async fn key_headers_and_timestamp_arrive_as_sent() {
    let server = server();
    create_topic(server.address(), "whole", 1).await;
    let producer: FutureProducer = config(server.address()).create().unwrap();
    let headers = OwnedHeaders::new()
        .insert(Header { key: "a", value: Some("1") })
        .insert(Header { key: "empty", value: None::<&str> });
    let record = FutureRecord::to("whole").key("k").payload("v").timestamp(1_234_567_890_123).headers(headers);
    producer.send(record, WAIT).await.map_err(|(error, _)| error).unwrap();
    let consumer = consumer_of(server.address(), "whole", 1);
    let message = consumer.poll(WAIT).unwrap().unwrap();
    assert_eq!(message.key(), Some(b"k".as_slice()));
    assert_eq!(message.payload(), Some(b"v".as_slice()));
    assert_eq!(message.timestamp().to_millis(), Some(1_234_567_890_123));
    let headers: Vec<_> = message.headers().unwrap().iter().map(|header| (header.key, header.value)).collect();
    assert_eq!(headers, [("a", Some(b"1".as_slice())), ("empty", None)]);
}

#[tokio::test]
async fn two_members_of_a_group_share_the_partitions_and_go_on_where_it_stood() {
    const PARTITIONS: i32 = 4;
    const VALUES: usize = 200;
    let server = server();
    create_topic(server.address(), "shared", PARTITIONS).await;
    let member = || {
        let mut config = config(server.address());
        config.set("group.id", "g").set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
        config.set("session.timeout.ms", "6000");
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&["shared"]).unwrap();
        consumer
    };
    let members = [member(), member()];
    // Both poll in turn until both have their share; nothing is in the topic yet.
    let mut polls = 0;
    while !members.iter().all(|member| member.assignment().unwrap().count() == 2) {
        for member in &members {
            assert!(member.poll(Duration::from_millis(50)).is_none_or(|message| message.is_ok()));
        }
        polls += 1;
        assert!(polls < 400, "no even assignment");
    }
    let producer: FutureProducer = config(server.address()).create().unwrap();
    for index in 0..VALUES {
        let partition = i32::try_from(index).unwrap() % PARTITIONS;
        let value = index.to_string();
        let record = FutureRecord::<(), _>::to("shared").partition(partition).payload(&value);
        producer.send(record, WAIT).await.map_err(|(error, _)| error).unwrap();
    }
    let mut seen = BTreeSet::new();
    let mut polls = 0;
    while seen.len() < VALUES {
        for member in &members {
            let Some(message) = member.poll(Duration::from_millis(20)) else { continue };
            let message = message.unwrap();
            let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
            assert!(seen.insert(value.clone()), "{value} came twice");
            member.store_offset_from_message(&message).ok();
        }
        polls += 1;
        assert!(polls < 1_000, "{} of {VALUES}", seen.len());
    }
    for member in &members {
        member.commit_consumer_state(CommitMode::Sync).unwrap();
    }
    drop(members);
    // A third one goes on after what the two have read: it sees only what is new.
    let late = member();
    let record = FutureRecord::<(), _>::to("shared").partition(0).payload("new");
    producer.send(record, WAIT).await.map_err(|(error, _)| error).unwrap();
    assert_eq!(read(&late, 1), ["new"]);
}

#[tokio::test]
async fn acknowledgements_of_any_kind_are_accepted() {
    let server = server();
    create_topic(server.address(), "acks", 1).await;
    for acks in ["0", "1", "all"] {
        let producer: FutureProducer = config(server.address()).set("acks", acks).create().unwrap();
        produce(&producer, "acks", &[acks.to_owned()]).await;
        producer.flush(WAIT).unwrap();
    }
    let mut values = read(&consumer_of(server.address(), "acks", 1), 3);
    values.sort();
    assert_eq!(values, ["0", "1", "all"]);
}

#[tokio::test]
async fn a_partition_that_is_not_there_is_refused() {
    let server = server();
    create_topic(server.address(), "narrow", 1).await;
    let producer: FutureProducer = config(server.address()).create().unwrap();
    let record = FutureRecord::<(), _>::to("narrow").partition(5).payload("x");
    let (error, _) = producer.send(record, WAIT).await.unwrap_err();
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::UnknownPartition));
}

#[tokio::test]
async fn what_an_administrator_changed_lasts_through_a_kill() {
    let mut server = server();
    create_topic(server.address(), "kept", 1).await;
    let producer: FutureProducer = config(server.address()).create().unwrap();
    produce(&producer, "kept", &texts(10)).await;
    let admin: AdminClient<_> = config(server.address()).create().unwrap();
    let wait = AdminOptions::new().request_timeout(Some(WAIT));
    let mut cut = TopicPartitionList::new();
    cut.add_partition_offset("kept", 0, Offset::Offset(4)).unwrap();
    let deleted = admin.delete_records(&cut, &wait).await.unwrap();
    assert_eq!(deleted.find_partition("kept", 0).unwrap().offset(), Offset::Offset(4));
    let set = AlterConfig::new(ResourceSpecifier::Topic("kept")).set("retention.ms", "777");
    let altered = admin.alter_configs([&set], &wait).await.unwrap();
    assert!(altered.iter().all(Result::is_ok), "{altered:?}");
    let grown = admin.create_partitions([&NewPartitions::new("kept", 3)], &wait).await.unwrap();
    assert!(grown.iter().all(Result::is_ok), "{grown:?}");
    server.kill9().unwrap();
    server.start_again(None).unwrap();
    server.wait_ready().unwrap();
    let consumer = consumer_of(server.address(), "kept", 3);
    assert_eq!(consumer.fetch_watermarks("kept", 0, WAIT).unwrap(), (4, 10));
    assert_eq!(consumer.fetch_watermarks("kept", 2, WAIT).unwrap(), (0, 0));
    assert_eq!(read(&consumer, 6), texts(10)[4..]);
    let admin: AdminClient<_> = config(server.address()).create().unwrap();
    let described =
        admin.describe_configs([&ResourceSpecifier::Topic("kept")], &wait).await.unwrap().remove(0).unwrap();
    assert_eq!(described.entry_map()["retention.ms"].value.as_deref(), Some("777"));
}
