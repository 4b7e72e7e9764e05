//! A topic is deleted and made anew under clients at work: they get on with the new one by themselves.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::librdkafka::{WAIT, config, create_topic};
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
