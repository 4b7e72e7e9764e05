//! A topic is deleted and made anew under clients at work: they get on with the new one by themselves.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;

use crate::librdkafka::{WAIT, config, consumer_of, create_topic};
use crate::server;

/// Values in each life: fewer than in the one before, so that a reader which keeps its place finds it beyond the end, and
/// begins anew. In a longer log librdkafka cannot tell, here or with Kafka.
const LIVES: [usize; 4] = [40, 30, 20, 10];
/// A client finds out at its next look at the metadata.
const GETS_ON_MAX: Duration = Duration::from_secs(60);

#[tokio::test]
async fn librdkafka_gets_on_with_a_topic_that_was_made_anew() {
    let server = server();
    let mut settings = config(server.address());
    settings.set("group.id", "readers").set("auto.offset.reset", "earliest");
    settings.set("topic.metadata.refresh.interval.ms", "1000");
    let consumer: BaseConsumer = settings.create().unwrap();
    let producer: FutureProducer = config(server.address()).create().unwrap();
    let admin: AdminClient<_> = config(server.address()).create().unwrap();
    for (life, count) in LIVES.into_iter().enumerate() {
        create_topic(server.address(), "again", 1).await;
        if life == 0 {
            consumer.subscribe(&["again"]).unwrap();
        }
        let values = (0..count).map(|number| format!("{life}:{number}")).collect::<BTreeSet<_>>();
        for value in &values {
            let record = FutureRecord::<(), _>::to("again").payload(value);
            producer.send(record, WAIT).await.map_err(|(error, _)| error).unwrap();
        }
        let mut seen = BTreeSet::new();
        let begun = Instant::now();
        while seen != values {
            assert!(begun.elapsed() < GETS_ON_MAX, "life {life}: {} of {count}", seen.len());
            // Errors say that the topic is not there, which it was not for a while.
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
            let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
            assert!(values.contains(&value), "{value} in life {life}");
            seen.insert(value);
        }
        println!("life {life}: all read after {:?}", begun.elapsed());
        let deleted = admin.delete_topics(&["again"], &AdminOptions::new().request_timeout(Some(WAIT))).await.unwrap();
        assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    }
}

/// Records that are under way at once: several batches.
const UNDER_WAY_MAX: usize = 200;
/// How long each life of the topic is written to.
const LIFE: Duration = Duration::from_millis(1_500);

/// Its partitions live on in the client, and go on with the sequences that they have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotent_producer_gets_on_with_a_topic_that_is_made_anew_while_it_writes() {
    let server = server();
    let address = server.address().to_owned();
    let mut settings = config(&address);
    settings.set("enable.idempotence", "true").set("linger.ms", "1").set("batch.num.messages", "10");
    let producer: FutureProducer = settings.create().unwrap();
    let admin: AdminClient<_> = config(&address).create().unwrap();
    create_topic(&address, "again", 1).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let stop = Arc::clone(&stop);
        async move {
            let mut under_way = VecDeque::new();
            let mut landed = Vec::new();
            let mut number = 0_u64;
            while !stop.load(Ordering::Relaxed) || !under_way.is_empty() {
                if under_way.len() < UNDER_WAY_MAX && !stop.load(Ordering::Relaxed) {
                    let value = number.to_string();
                    let sent = producer.send_result(FutureRecord::<(), _>::to("again").payload(&value).partition(0));
                    under_way.push_back((number, sent.map_err(|(error, _)| error).unwrap()));
                    number += 1;
                    continue;
                }
                let (number, sent) = under_way.pop_front().unwrap();
                sent.await.unwrap().unwrap_or_else(|(error, _)| panic!("record {number}: {error}"));
                landed.push(number);
            }
            landed
        }
    });
    for _ in 0..3 {
        tokio::time::sleep(LIFE).await;
        let deleted = admin.delete_topics(&["again"], &AdminOptions::new().request_timeout(Some(WAIT))).await.unwrap();
        assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
        // The producer asks for it too, and may be the first.
        let topic = NewTopic::new("again", 1, TopicReplication::Fixed(1));
        let made = admin.create_topics([&topic], &AdminOptions::new().request_timeout(Some(WAIT))).await.unwrap();
        assert!(matches!(made[0], Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))), "{made:?}");
    }
    tokio::time::sleep(LIFE).await;
    stop.store(true, Ordering::Relaxed);
    let landed = writing.await.unwrap();
    let consumer = consumer_of(&address, "again", 1);
    let mut seen = Vec::new();
    let begun = Instant::now();
    while seen.last() != landed.last() {
        assert!(begun.elapsed() < GETS_ON_MAX, "{} of {} read", seen.len(), landed.len());
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        seen.push(std::str::from_utf8(message.payload().unwrap()).unwrap().parse::<u64>().unwrap());
    }
    // What the last life has is all from its first record on, each once and in order; what came before went with the others.
    assert_eq!(seen, landed[landed.len() - seen.len()..]);
    assert!(seen.len() < landed.len());
}
