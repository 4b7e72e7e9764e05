//! A topic changes while a group reads it: it gets partitions, and is deleted and created again.

use std::time::Duration;

use futures::TryStreamExt;
use tidelog::{Client, Consumer, NewRecord, NewTopic, Record, Start, TopicChanges};

use crate::{client, server};

/// What comes next. It is looked for more partitions every few seconds.
async fn next(consumer: &mut Consumer) -> Record {
    let next = tokio::time::timeout(Duration::from_secs(60), consumer.try_next()).await;
    next.expect("something comes in time").unwrap().expect("it goes on")
}

async fn append(client: &Client, partition: u32, value: &'static str) {
    client.append("t").send([NewRecord::new(value).partition(partition)]).await.unwrap();
}

async fn places(client: &Client) -> Vec<(u32, u64)> {
    let offsets = client.group_offsets("g").await.unwrap();
    offsets.iter().map(|offset| (offset.partition, offset.offset)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_reads_what_its_topic_gets_also_after_a_kill() {
    let mut server = server();
    let client = client(&server);
    client.create_topic(&NewTopic::new("t")).await.unwrap();
    append(&client, 0, "before").await;
    let mut consumer = client.consumer("t").group("g").from(Start::Latest).start().await.unwrap();
    append(&client, 0, "first").await;
    assert_eq!(next(&mut consumer).await.text(), Some("first"));
    client.configure_topic("t", &TopicChanges::default().partitions(3)).await.unwrap();
    append(&client, 2, "second").await;
    let second = next(&mut consumer).await;
    assert_eq!((second.partition, second.offset, second.text()), (2, 0, Some("second")));
    consumer.commit().await.unwrap();
    assert_eq!(places(&client).await, [(0, 2), (1, 0), (2, 1)]);
    // A server that is away meanwhile changes nothing about that.
    client.configure_topic("t", &TopicChanges::default().partitions(4)).await.unwrap();
    append(&client, 3, "third").await;
    tokio::task::block_in_place(|| {
        server.kill9().unwrap();
        server.start_again(None).unwrap();
        server.wait_ready().unwrap();
    });
    assert_eq!(next(&mut consumer).await.text(), Some("third"));
    consumer.commit().await.unwrap();
    drop(consumer);
    // Where nothing had come the group is too, so what comes while nobody reads is not passed over.
    append(&client, 1, "fourth").await;
    let consumer = client.consumer("t").group("g").from(Start::Latest).follow(false).start().await.unwrap();
    let records = consumer.try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(records.iter().map(|it| (it.partition, it.text())).collect::<Vec<_>>(), [(1, Some("fourth"))]);
}

#[tokio::test]
async fn a_topic_that_is_created_again_ends_a_group_s_reading_and_is_begun_anew() {
    let server = server();
    let client = client(&server);
    for life in ["old", "new"] {
        client.create_topic(&NewTopic::new("t")).await.unwrap();
        append(&client, 0, life).await;
        let mut consumer = client.consumer("t").group("g").start().await.unwrap();
        assert_eq!(next(&mut consumer).await.text(), Some(life), "not behind what was read of the one before");
        client.delete_topic("t").await.unwrap();
        if life == "old" {
            client.create_topic(&NewTopic::new("t")).await.unwrap();
            append(&client, 0, "another").await;
        }
        let error = tokio::time::timeout(Duration::from_secs(60), consumer.try_next()).await.unwrap().unwrap_err();
        assert!(matches!(error.code(), Some("unknown_topic" | "topic_recreated")), "{error}");
        // There is nothing to note any more: least of all a place in the topic of that name.
        consumer.commit().await.unwrap();
        let is_known = client.group_offsets("g").await.is_ok_and(|offsets| !offsets.is_empty());
        assert!(!is_known, "{life}");
        if life == "old" {
            client.delete_topic("t").await.unwrap();
        }
    }
}
