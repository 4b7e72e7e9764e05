//! Settings of topics that change what is stored, as users of librdkafka see them.

use std::time::{SystemTime, UNIX_EPOCH};

use rdkafka::Timestamp;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

use crate::librdkafka::{WAIT, config, consumer_of, produce, read};
use crate::{server, texts};

async fn create_topic(address: &str, topic: &str, settings: &[(&str, &str)]) {
    let admin: AdminClient<_> = config(address).create().unwrap();
    let mut topic = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    for (name, value) in settings {
        topic = topic.set(name, value);
    }
    let made = admin.create_topics([&topic], &AdminOptions::new().request_timeout(Some(WAIT))).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

/// Sends one record with a timestamp of its own. Returns its offset and timestamp as they are reported.
async fn send(producer: &FutureProducer, topic: &str, timestamp: i64) -> Result<(i64, Timestamp), RDKafkaErrorCode> {
    let record = FutureRecord::<(), _>::to(topic).partition(0).payload("v").timestamp(timestamp);
    let sent = producer.send(record, WAIT).await;
    sent.map(|delivery| (delivery.offset, delivery.timestamp))
        .map_err(|(error, _)| error.rdkafka_error_code().expect("the server's error"))
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[tokio::test]
async fn append_time_is_reported_consumed_and_searched() {
    let server = server();
    create_topic(server.address(), "stamped", &[("message.timestamp.type", "LogAppendTime")]).await;
    let producer: FutureProducer = config(server.address()).create().unwrap();
    let began = now_ms();
    let (offset, reported) = send(&producer, "stamped", 1_000).await.unwrap();
    let Timestamp::LogAppendTime(first) = reported else { panic!("{reported:?}") };
    assert!(offset == 0 && (began..=now_ms()).contains(&first), "{offset} at {first}");
    // Until the clock says something else.
    while now_ms() <= first {
        tokio::task::yield_now().await;
    }
    let (_, second) = send(&producer, "stamped", 1_000).await.unwrap();
    let consumer = consumer_of(server.address(), "stamped", 1);
    let found = |time: i64| {
        let mut times = TopicPartitionList::new();
        times.add_partition_offset("stamped", 0, Offset::Offset(time)).unwrap();
        let found = consumer.offsets_for_times(times, WAIT).unwrap();
        found.find_partition("stamped", 0).unwrap().offset()
    };
    assert_eq!(found(1_000), Offset::Offset(0));
    assert_eq!(found(first), Offset::Offset(0));
    assert_eq!(found(first + 1), Offset::Offset(1));
    for expected in [reported, second] {
        assert_eq!(consumer.poll(WAIT).unwrap().unwrap().timestamp(), expected);
    }
}

#[tokio::test]
async fn a_timestamp_out_of_range_is_refused_and_the_next_record_is_taken() {
    let server = server();
    let settings = [("message.timestamp.before.max.ms", "60000"), ("message.timestamp.after.max.ms", "60000")];
    create_topic(server.address(), "bounded", &settings).await;
    let producer: FutureProducer = config(server.address()).create().unwrap();
    for timestamp in [1_000, now_ms() - 120_000, now_ms() + 120_000] {
        assert_eq!(send(&producer, "bounded", timestamp).await, Err(RDKafkaErrorCode::InvalidTimestamp));
    }
    let timestamp = now_ms();
    let sent = send(&producer, "bounded", timestamp).await;
    assert_eq!(sent, Ok((0, Timestamp::CreateTime(timestamp))));
    let consumer = consumer_of(server.address(), "bounded", 1);
    assert_eq!(consumer.poll(WAIT).unwrap().unwrap().timestamp(), Timestamp::CreateTime(timestamp));
}

#[tokio::test]
async fn what_is_stored_in_another_codec_reads_the_same() {
    let server = server();
    for (sent, stored) in
        [("none", "zstd"), ("zstd", "uncompressed"), ("lz4", "snappy"), ("snappy", "gzip"), ("gzip", "lz4")]
    {
        create_topic(server.address(), stored, &[("compression.type", stored)]).await;
        let mut config = config(server.address());
        config.set("compression.codec", sent).set("linger.ms", "20").set("enable.idempotence", "true");
        let values = texts(300);
        let offsets = produce(&config.create().unwrap(), stored, &values).await;
        assert_eq!(offsets, (0..300).collect::<Vec<i64>>(), "{sent} to {stored}");
        assert_eq!(read(&consumer_of(server.address(), stored, 1), 300), values, "{sent} to {stored}");
    }
}
