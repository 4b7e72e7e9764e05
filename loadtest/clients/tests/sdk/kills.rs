//! `kill -9` while a producer writes and a consumer reads: nothing that was acknowledged is lost, nothing comes twice, and nothing
//! out of order, through one producer and one consumer that nobody starts again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::TryStreamExt;
use tidelog::{Client, NewRecord, NewTopic, Record, RecordPlace};
use tidelog_clients::Server;

use crate::{client, server};

const PARTITIONS: u32 = 3;
const KILLS: usize = 4;

/// What became of each record that was sent, by its value.
type Outcomes = BTreeMap<u64, Result<RecordPlace, tidelog::Error>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_reordered_when_the_server_is_killed() {
    let mut server = server();
    let client = client(&server);
    client.create_topic(&NewTopic::new("t").partitions(PARTITIONS)).await.unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let writing = tokio::spawn(write(client.clone(), stopped));
    let (tell, mut last) = tokio::sync::watch::channel(0);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let reading = tokio::spawn(follow(client.clone(), seen.clone(), tell));
    for _ in 0..KILLS {
        // Something has been read in this life, so requests are under way.
        let before = *last.borrow();
        last.wait_for(|count| *count > before + 500).await.unwrap();
        kill_and_start(&mut server);
    }
    stop.send(true).unwrap();
    let outcomes = writing.await.unwrap();
    let stored = outcomes.values().filter(|outcome| outcome.is_ok()).count();
    assert!(stored > KILLS * 500, "{stored}");
    // Each batch has its place in a sequence, so it is sent until it is known to be stored.
    let failed = outcomes.values().find_map(|outcome| outcome.as_ref().err());
    assert!(failed.is_none(), "{failed:?}");
    let tails = client.topic("t").await.unwrap().partitions.iter().map(|it| it.high_watermark).sum::<u64>();
    tokio::time::timeout(Duration::from_secs(30), last.wait_for(|count| *count >= tails)).await.unwrap().unwrap();
    reading.abort();
    let followed = std::mem::take(&mut *seen.lock().unwrap());
    check(&outcomes, &followed);
    let whole = client.consumer("t").follow(false).start().await.unwrap();
    check(&outcomes, &whole.try_collect::<Vec<_>>().await.unwrap());
}

fn kill_and_start(server: &mut Server) {
    tokio::task::block_in_place(|| {
        server.kill9().unwrap();
        server.start_again(None).unwrap();
        server.wait_ready().unwrap();
    });
}

/// Writes numbers, each to the partition of its remainder, until told to stop.
async fn write(client: Client, stopped: tokio::sync::watch::Receiver<bool>) -> Outcomes {
    let producer = client.producer("t").memory_bytes(50_000).build();
    let mut deliveries = Vec::new();
    for number in 0_u64.. {
        if *stopped.borrow() {
            break;
        }
        let record = NewRecord::new(number.to_string()).partition((number % u64::from(PARTITIONS)) as u32);
        deliveries.push(producer.send(record).await.unwrap());
        if number % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let _ = producer.close().await;
    let mut outcomes = Outcomes::new();
    for (number, delivery) in (0..).zip(deliveries) {
        outcomes.insert(number, delivery.await);
    }
    outcomes
}

/// Reads on and on.
async fn follow(client: Client, seen: Arc<Mutex<Vec<Record>>>, tell: tokio::sync::watch::Sender<u64>) {
    let mut consumer = client.consumer("t").start().await.unwrap();
    while let Some(record) = consumer.try_next().await.unwrap() {
        seen.lock().unwrap().push(record);
        tell.send_modify(|count| *count += 1);
    }
}

/// Each record that was acknowledged is where it was said to be, none is there twice, and each partition has its numbers in the
/// order in which they were sent.
fn check(outcomes: &Outcomes, records: &[Record]) {
    let number = |record: &Record| record.text().unwrap().parse::<u64>().unwrap();
    let mut places = BTreeMap::new();
    let mut last = BTreeMap::new();
    for record in records {
        assert!(places.insert((record.partition, record.offset), number(record)).is_none(), "twice: {record:?}");
        let before = last.insert(record.partition, (record.offset, number(record)));
        let is_in_order = before.is_none_or(|(offset, before)| offset < record.offset && before < number(record));
        assert!(is_in_order, "{record:?} comes after {before:?}");
    }
    let there = places.values().copied().collect::<BTreeSet<_>>();
    assert!(there.iter().all(|number| outcomes.contains_key(number)), "nothing else is there");
    for (number, outcome) in outcomes {
        let place = outcome.as_ref().unwrap();
        assert_eq!(places.get(&(place.partition, place.offset)), Some(number), "{place:?}");
    }
}
