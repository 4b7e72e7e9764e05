//! Records through the SDK: byte for byte, in order, from wherever.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use tidelog::{Client, ErrorKind, NewRecord, NewTopic, Record, Start, TopicChanges, partition_of_key};

use crate::{client, server};

async fn read(client: &Client, topic: &str, start: Start) -> Vec<Record> {
    let consumer = client.consumer(topic).from(start).follow(false).start().await.unwrap();
    consumer.try_collect().await.unwrap()
}

#[tokio::test]
async fn records_come_back_byte_for_byte() {
    let server = server();
    let client = client(&server);
    let sent = [
        NewRecord::new("text with \" and \n and \u{0} and é"),
        NewRecord::new(vec![0xff, 0xfe, 0]).key(vec![0x80]),
        NewRecord::null().key("only a key"),
        NewRecord::new("").header("h", "v").header("h", vec![0xff]).null_header("n"),
        NewRecord::new("{\"json\": [1.50]}").timestamp_ms(1_700_000_000_000),
        NewRecord::new("x".repeat(900_000)),
    ];
    let places = client.append("t").send(sent.clone()).await.unwrap();
    assert_eq!(places.iter().map(|place| place.offset).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    let producer = client.producer("t").build();
    for record in sent.clone() {
        producer.send(record).await.unwrap();
    }
    producer.close().await.unwrap();
    let records = read(&client, "t", Start::Earliest).await;
    assert_eq!(records.len(), 12);
    for (record, sent) in records.iter().zip(sent.iter().chain(&sent)) {
        let mut again = match &record.value {
            Some(value) => NewRecord::new(value.clone()),
            None => NewRecord::null(),
        };
        if let Some(key) = &record.key {
            again = again.key(key.clone());
        }
        for header in &record.headers {
            let name = String::from_utf8(header.name.to_vec()).unwrap();
            again = match &header.value {
                Some(value) => again.header(name, value.clone()),
                None => again.null_header(name),
            };
        }
        if record.timestamp_ms == 1_700_000_000_000 {
            again = again.timestamp_ms(record.timestamp_ms);
        }
        assert_eq!(&again, sent, "{record:?}");
    }
}

#[tokio::test]
async fn many_partitions_keep_the_order_of_each_key() {
    let server = server();
    let client = client(&server);
    client.create_topic(&NewTopic::new("t").partitions(7)).await.unwrap();
    let producer = client.producer("t").memory_bytes(100_000).build();
    let mut deliveries = Vec::new();
    for number in 0..20_000_u32 {
        let record = NewRecord::new(number.to_string()).key(format!("key-{}", number % 100));
        deliveries.push(producer.send(record).await.unwrap());
    }
    producer.flush().await.unwrap();
    let mut places = BTreeMap::new();
    for (number, delivery) in deliveries.into_iter().enumerate() {
        let place = delivery.await.unwrap();
        assert_eq!(place.partition, partition_of_key(format!("key-{}", number % 100).as_bytes(), 7));
        assert_eq!(places.insert((place.partition, place.offset), number.to_string()), None);
    }
    let records = read(&client, "t", Start::Earliest).await;
    assert_eq!(records.len(), 20_000);
    for record in records {
        assert_eq!(places[&(record.partition, record.offset)], record.text().unwrap());
    }
}

#[tokio::test]
async fn reading_begins_where_it_is_told() {
    let server = server();
    let client = client(&server);
    let at = |index: i64| NewRecord::new(index.to_string()).timestamp_ms(1_700_000_000_000 + index);
    client.append("t").send((0..10).map(at)).await.unwrap();
    let values = async |start: Start| {
        let records = read(&client, "t", start).await;
        records.iter().map(|record| record.text().unwrap().to_owned()).collect::<Vec<_>>().join("")
    };
    assert_eq!(values(Start::Earliest).await, "0123456789");
    assert_eq!(values(Start::Offset(7)).await, "789");
    assert_eq!(values(Start::TimeMs(1_700_000_000_008)).await, "89");
    assert_eq!(values(Start::Time("2023-11-14T22:13:20.009Z".to_owned())).await, "9");
    assert_eq!(values(Start::Latest).await, "");
    let fifth = read(&client, "t", Start::Earliest).await[5].cursor.clone().unwrap();
    assert_eq!(values(Start::Cursor(fifth)).await, "6789");
    let error = client.consumer("t").partition(0).from(Start::Offset(11)).start().await.unwrap().try_next().await;
    let error = error.unwrap_err();
    let problem = error.problem().unwrap();
    let told = (error.code(), problem.partition, problem.high_watermark);
    assert_eq!(told, (Some("offset_out_of_range"), Some(0), Some(10)));
}

#[tokio::test]
async fn what_goes_wrong_is_told_by_kind() {
    let server = server();
    let client = client(&server);
    let kind = |error: tidelog::Error| (error.kind(), error.is_retriable(), error.may_have_happened());
    let missing = client.consumer("missing").start().await.err().unwrap();
    assert_eq!(kind(missing), (ErrorKind::NotFound, false, false));
    client.create_topic(&NewTopic::new("t")).await.unwrap();
    let twice = client.create_topic(&NewTopic::new("t")).await.unwrap_err();
    assert_eq!(kind(twice), (ErrorKind::Conflict, false, false));
    let wrong = client.create_topic(&NewTopic::new("u").config("retention", "1")).await.unwrap_err();
    assert_eq!(kind(wrong), (ErrorKind::Invalid, false, false));
    let too_large = client.append("t").send([NewRecord::new(vec![b'x'; 2 << 20])]).await.unwrap_err();
    assert_eq!(too_large.code(), Some("record_too_large"));
    // One that no topic takes fails alone, and its neighbours are stored.
    let producer = client.producer("t").linger(std::time::Duration::from_secs(10)).build();
    let before = producer.send("before").await.unwrap();
    let bad = producer.send(vec![b'x'; 2 << 20]).await.unwrap();
    let after = producer.send("after").await.unwrap();
    assert_eq!(producer.flush().await.unwrap_err().code(), Some("record_too_large"));
    assert_eq!(bad.await.unwrap_err().code(), Some("record_too_large"));
    assert_eq!((before.await.unwrap().offset, after.await.unwrap().offset), (0, 1));
}

#[tokio::test]
async fn topics_are_configured() {
    let server = server();
    let client = client(&server);
    client.create_topic(&NewTopic::new("t").partitions(2).config("retention.ms", "1000")).await.unwrap();
    let changes = TopicChanges::default().set("max.message.bytes", "2000").unset("retention.ms").partitions(3);
    let topic = client.configure_topic("t", &changes).await.unwrap();
    assert_eq!((topic.partition_count, topic.partitions.len()), (3, 3));
    assert_eq!(topic.configs["max.message.bytes"].value, "2000");
    assert!(!topic.configs["retention.ms"].is_set);
    let names = client.topics().await.unwrap().into_iter().map(|topic| topic.name).collect::<Vec<_>>();
    assert_eq!(names, ["t"]);
    client.delete_topic("t").await.unwrap();
    assert_eq!(client.topic("t").await.unwrap_err().code(), Some("unknown_topic"));
}

#[tokio::test]
async fn conditions_keys_and_fences_are_kept() {
    let server = server();
    let client = client(&server);
    let append = |value: &'static str, expected: u64, token: u64| {
        client.append("t").partition(0).expected_offset(expected).fencing_token(token).send([value])
    };
    assert_eq!(append("a", 0, 5).await.unwrap()[0].offset, 0);
    let late = append("b", 0, 5).await.unwrap_err();
    assert_eq!(
        (late.code(), late.kind(), late.problem().unwrap().tail),
        (Some("unexpected_offset"), ErrorKind::Conflict, Some(1))
    );
    let fence = client.fence("t", 0, 6).await.unwrap();
    assert_eq!((fence.token, fence.tail), (6, 1));
    let fenced = append("b", 1, 5).await.unwrap_err();
    assert_eq!((fenced.kind(), fenced.problem().unwrap().fencing_token), (ErrorKind::Fenced, Some(6)));
    assert_eq!(fenced.problem().unwrap().partition, Some(0));
    assert!(!fenced.is_retriable() && !fenced.may_have_happened());
    let keyed = |value: &'static str| client.append("t").partition(0).idempotency_key("k").send([value]);
    let first = keyed("c").await.unwrap();
    assert_eq!((first[0].offset, keyed("c").await.unwrap()), (1, first));
    assert_eq!(keyed("d").await.unwrap_err().code(), Some("idempotency_key_reused"));
    let values = read(&client, "t", Start::Earliest).await;
    assert_eq!(values.iter().map(|record| record.text().unwrap()).collect::<String>(), "ac");
}
