//! A store that stops answering for about as long as clients wait: every write is tried again while its first try is still
//! under way, by many idempotent producers at once. Each record lands once, in its producer's order (I5, I8).

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::producer::{DeliveryFuture, FutureProducer};
use tidelog_clients::chance::Chance;
use tidelog_clients::s3_servers::S3Server;

use crate::{LARGE_BYTES, PARTITIONS, create_topic, moto, producer, read_all, send, start, wait};

/// The least that the server lets a Produce request wait.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const PRODUCERS: usize = 24;
/// Of each producer, each time that the store stops.
const RECORDS: usize = 6;
/// `STUTTERS` asks for more.
const STUTTERS: usize = 5;

#[test]
fn what_is_tried_again_beside_its_first_try_lands_once() {
    let mut store = moto();
    let server = start(store.options("stutters"));
    create_topic(&server);
    let seed = Chance::seed_of_this_run();
    let mut chance = Chance::new(seed);
    let stutters = std::env::var("STUTTERS").ok().and_then(|count| count.parse().ok()).unwrap_or(STUTTERS);
    let timeout = REQUEST_TIMEOUT.as_millis().to_string();
    let settings =
        [("enable.idempotence", "true"), ("request.timeout.ms", timeout.as_str()), ("retry.backoff.ms", "10")];
    let producers: Vec<FutureProducer> = (0..PRODUCERS).map(|_| producer(&server, &settings)).collect();
    let mut sent = 0;
    for stutter in 0..stutters {
        let mut answers: Vec<DeliveryFuture> = Vec::new();
        store.freeze().expect("it was running");
        for record in 0..RECORDS {
            for (number, producer) in producers.iter().enumerate() {
                let is_large = chance.below(8) == 0;
                let mut value = format!("{number} {stutter} {record} ").into_bytes();
                value.resize(if is_large { LARGE_BYTES } else { 100 + value.len() }, b'.');
                answers.push(send(producer, i32::try_from(number).expect("few") % PARTITIONS, &value));
                sent += 1;
            }
            std::thread::sleep(Duration::from_millis(chance.below(60)));
        }
        // From a little before the first ones are given up to a little after the last ones.
        std::thread::sleep(REQUEST_TIMEOUT - Duration::from_millis(400) + Duration::from_millis(chance.below(900)));
        store.resume().expect("it was frozen");
        for answer in answers {
            wait(answer).expect("a client that tries again succeeds");
        }
    }
    let (count, problems) = read_again(&read_all(&server));
    if !problems.is_empty() || count != sent {
        // Producer ids and sequences of what is doubled are in its log and objects.
        let folder = server.keep_folder();
        panic!("seed {seed}: {count} of {sent} records, {problems:#?}, kept for you: {}", folder.display());
    }
    println!("seed {seed}: {sent} records, each once");
}

/// How many records there are, and which of them are there again or out of their producer's order. A record begins with the
/// number of its producer and two numbers that rise.
pub fn read_again(read: &[Vec<Vec<u8>>]) -> (usize, Vec<String>) {
    let mut last = BTreeMap::new();
    let mut problems = Vec::new();
    for (partition, records) in read.iter().enumerate() {
        for (offset, value) in records.iter().enumerate() {
            let numbers: Vec<usize> = String::from_utf8_lossy(value)
                .split(' ')
                .take(3)
                .map(|number| number.parse().expect("what was sent begins with three numbers"))
                .collect();
            let place = (numbers[1], numbers[2]);
            // Once, and in order: each is greater than the one before.
            if last.insert(numbers[0], place).is_some_and(|before| before >= place) {
                problems.push(format!("producer {} record {place:?} again at {partition}@{offset}", numbers[0]));
            }
        }
    }
    (read.iter().map(Vec::len).sum(), problems)
}
