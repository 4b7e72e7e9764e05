//! A topic that is deleted and made anew, again and again, while it is written and read: the new one has nothing of the old,
//! loses nothing of its own, and who still means the old one is told so.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::batch::{Batch, values};
use crate::by_id::{self, Fetch, TopicId, Wanted};
use crate::calls::{self, create_topic, producer_id};
use crate::creation::delete;
use crate::wire::Client;
use crate::{UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, server};

const TOPIC: &str = "phoenix";
const PARTITIONS: i32 = 3;
const LIVES: usize = 8;
/// Acknowledged in each life before it ends.
const RECORDS_MIN: usize = 300;
const WRITERS: usize = 4;
const READERS: usize = 2;
/// A life that takes longer has come to a stop.
const LIFE_MAX: Duration = Duration::from_secs(30);

/// A place in one life of the topic.
type Place = (TopicId, i32, i64);

struct World<'a> {
    address: &'a str,
    is_over: AtomicBool,
    /// What was acknowledged, and as what.
    acknowledged: Mutex<BTreeMap<Place, String>>,
    /// What was read.
    read: Mutex<BTreeMap<Place, String>>,
}

impl World<'_> {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Keeps what is said of a place, which is always the same.
    fn note(map: &Mutex<BTreeMap<Place, String>>, place: Place, value: String) {
        let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = map.insert(place, value.clone()) {
            assert_eq!(before, value, "{place:?} has one record");
        }
    }

    /// The topic as it is now; between two lives there is none.
    fn find(&self, client: &mut Client) -> Option<TopicId> {
        match by_id::describe(client, TOPIC, false) {
            Ok((id, partitions)) => {
                assert_eq!(partitions, PARTITIONS as usize);
                Some(id)
            }
            Err(error) => {
                assert_eq!(error, UNKNOWN_TOPIC_OR_PARTITION);
                None
            }
        }
    }
}

/// What a record says: for which life it was meant, by whom, and a number.
fn value(topic: TopicId, writer: usize, number: usize) -> String {
    format!("{:032x}:{writer}:{number}", u128::from_be_bytes(topic))
}

/// Writes to the topic by its id until all is over; every other writer is idempotent, and sends each batch twice.
fn write(world: &World<'_>, writer: usize, acknowledgements: &Sender<TopicId>) {
    let mut client = Client::connect(world.address);
    let producer = (writer % 2 == 1).then(|| producer_id(&mut client));
    let mut number = 0;
    while !world.is_over() {
        let Some(topic) = world.find(&mut client) else { continue };
        let mut sequences = [0; PARTITIONS as usize];
        while !world.is_over() {
            number += 1;
            let (partition, value) = (number as i32 % PARTITIONS, value(topic, writer, number));
            let mut batch = Batch::of(&[value.as_bytes()]);
            let sequence = &mut sequences[partition as usize];
            if let Some(producer) = producer {
                batch.producer = (producer, 0, *sequence);
            }
            let (error, offset) = by_id::produce(&mut client, topic, partition, &batch.bytes());
            if error != 0 {
                assert_eq!(error, UNKNOWN_TOPIC_ID);
                break;
            }
            World::note(&world.acknowledged, (topic, partition, offset), value.clone());
            let _ = acknowledgements.send(topic);
            if producer.is_some() {
                *sequence += 1;
                match by_id::produce(&mut client, topic, partition, &batch.bytes()) {
                    (0, again) => assert_eq!(again, offset, "a duplicate is where it was"),
                    (error, _) => {
                        assert_eq!(error, UNKNOWN_TOPIC_ID);
                        break;
                    }
                }
            }
        }
    }
}

/// Writes by name, which knows no lives: what is acknowledged is in one of them.
fn write_by_name(world: &World<'_>) -> Vec<String> {
    let mut client = Client::connect(world.address);
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if world.is_over() {
            break;
        }
        let value = format!("named:{number}");
        match calls::produce(&mut client, TOPIC, 0, &Batch::of(&[value.as_bytes()]).bytes()) {
            (0, _) => acknowledged.push(value),
            (error, _) => assert_eq!(error, UNKNOWN_TOPIC_OR_PARTITION),
        }
    }
    acknowledged
}

/// Reads the topic in fetch sessions, from its beginning in each life.
fn read(world: &World<'_>) {
    let mut client = Client::connect(world.address);
    while !world.is_over() {
        let Some(topic) = world.find(&mut client) else { continue };
        read_life(world, &mut client, topic);
    }
}

fn read_life(world: &World<'_>, client: &mut Client, topic: TopicId) {
    let mut offsets = [0; PARTITIONS as usize];
    let all = (0..PARTITIONS).map(|partition| Wanted::of(topic, partition, 0)).collect::<Vec<_>>();
    let (mut session, mut epoch, mut wanted) = (0, 0, all);
    while !world.is_over() {
        let fetch = Fetch { max_wait_ms: 200, min_bytes: 1, ..Fetch::in_session((session, epoch), wanted) };
        let fetched = fetch.ask(client);
        assert_eq!(fetched.error, 0);
        (session, epoch, wanted) = (fetched.session, epoch + 1, Vec::new());
        for one in fetched.partitions {
            if one.error != 0 {
                assert_eq!(one.error, UNKNOWN_TOPIC_ID);
                return;
            }
            assert_eq!(one.topic, topic);
            let next = &mut offsets[one.partition as usize];
            for (offset, value) in values(&one.records) {
                assert_eq!(offset, *next, "offsets have no gaps and begin at 0");
                *next += 1;
                World::note(&world.read, (topic, one.partition, offset), String::from_utf8(value).unwrap());
            }
            assert!(one.high_watermark >= *next && one.log_start == 0);
            wanted.push(Wanted::of(topic, one.partition, *next));
        }
        if session == 0 {
            return;
        }
    }
}

/// Everything in one life of the topic, read without a session.
fn read_all(client: &mut Client, topic: TopicId) -> BTreeMap<Place, String> {
    let mut found = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let mut next = 0;
        loop {
            let fetched = Fetch::now(vec![Wanted::of(topic, partition, next)]).ask(client);
            let one = &fetched.partitions[0];
            assert_eq!((fetched.error, one.error), (0, 0));
            let records = values(&one.records);
            if records.is_empty() {
                break;
            }
            for (offset, value) in records {
                assert_eq!(offset, next, "offsets have no gaps and begin at 0");
                next += 1;
                found.insert((topic, partition, offset), String::from_utf8(value).unwrap());
            }
        }
    }
    found
}

/// Waits until so much was acknowledged in this life.
fn wait_for_records(acknowledgements: &Receiver<TopicId>, topic: TopicId) {
    let begun = Instant::now();
    let mut count = 0;
    while count < RECORDS_MIN {
        let of = acknowledgements.recv_timeout(LIFE_MAX).expect("writers go on");
        count += usize::from(of == topic);
        assert!(begun.elapsed() < LIFE_MAX, "{count} records in {:?}", begun.elapsed());
    }
}

fn place_of(world: &World<'_>, topic: TopicId) -> BTreeMap<Place, String> {
    let acknowledged = world.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
    acknowledged.iter().filter(|((of, ..), _)| *of == topic).map(|(place, value)| (*place, value.clone())).collect()
}

fn check_complete(acknowledged: &BTreeMap<Place, String>, read: &BTreeMap<Place, String>) {
    for (place, value) in acknowledged {
        assert_eq!(read.get(place), Some(value), "acknowledged at {place:?}, so there (I1)");
    }
}

/// The old one is not there any more, and nothing of the new one is told in its place.
fn check_gone(client: &mut Client, topic: TopicId) {
    let fetched = Fetch::now(vec![Wanted::of(topic, 0, 0)]).ask(client);
    assert_eq!((fetched.partitions[0].error, fetched.partitions[0].records.len()), (UNKNOWN_TOPIC_ID, 0));
    assert_eq!(by_id::produce(client, topic, 0, &Batch::of(&[b"late"]).bytes()), (UNKNOWN_TOPIC_ID, -1));
}

#[test]
fn a_topic_that_is_made_anew_under_load_is_another_one() {
    let server = server();
    let mut client = Client::connect(server.address());
    create_topic(&mut client, TOPIC, PARTITIONS, &[]);
    let world = World {
        address: server.address(),
        is_over: AtomicBool::new(false),
        acknowledged: Mutex::default(),
        read: Mutex::default(),
    };
    let (sender, acknowledgements) = channel();
    let (lives, named) = std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (world, sender) = (&world, sender.clone());
            scope.spawn(move || write(world, writer, &sender));
        }
        let named = scope.spawn(|| write_by_name(&world));
        for _ in 0..READERS {
            scope.spawn(|| read(&world));
        }
        // Whatever happens here, the others end; else this scope would not.
        let over = Over(&world.is_over);
        let mut lives = vec![by_id::id_of(&mut client, TOPIC)];
        for _ in 1..LIVES {
            let topic = *lives.last().unwrap();
            wait_for_records(&acknowledgements, topic);
            let so_far = place_of(&world, topic);
            check_complete(&so_far, &read_all(&mut client, topic));
            delete(&mut client, TOPIC);
            create_topic(&mut client, TOPIC, PARTITIONS, &[]);
            check_gone(&mut client, topic);
            let next = by_id::id_of(&mut client, TOPIC);
            assert!(!lives.contains(&next), "each has an id of its own");
            lives.push(next);
        }
        wait_for_records(&acknowledgements, *lives.last().unwrap());
        drop(over);
        (lives, named.join().unwrap())
    });

    let last = *lives.last().unwrap();
    let at_the_end = read_all(&mut client, last);
    check_complete(&place_of(&world, last), &at_the_end);
    lives[..LIVES - 1].iter().for_each(|topic| check_gone(&mut client, *topic));
    let acknowledged = world.acknowledged.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut read = world.read.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (place, value) in at_the_end {
        assert!(read.insert(place, value.clone()).is_none_or(|before| before == value));
    }
    let mut seen = BTreeMap::new();
    for (place, value) in &read {
        let meant = format!("{:032x}:", u128::from_be_bytes(place.0));
        assert!(value.starts_with(&meant) || value.starts_with("named:"), "{value} is of another life than {place:?}");
        assert_eq!(seen.insert(value, place), None, "{value} is there once");
        assert!(acknowledged.get(place).is_none_or(|said| said == value), "{place:?} is what was acknowledged");
    }
    println!("{} acknowledged by id, {} by name, {} read", acknowledged.len(), named.len(), read.len());
    assert!(named.len() > LIVES, "writers by name get on with the new topic");
    assert!(read.len() > RECORDS_MIN * LIVES / 2, "there were readers at work: {}", read.len());
}

/// Says so when it goes.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
