//! Fetch sessions over many partitions, of which few have something new.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::batch::{Batch, values};
use crate::by_id::{self, Fetch, Fetched, TopicId, Wanted, id_of};
use crate::calls::create_topic;
use crate::creation::delete;
use crate::wire::Client;
use crate::{FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, UNKNOWN_TOPIC_ID, server};

const TOPICS: i32 = 20;
const PARTITIONS: i32 = 100;
/// An answer about a few of 2,000 partitions.
const NEWS_BYTES_MAX: usize = 2_000;

/// 2,000 partitions in 20 topics.
fn many(client: &mut Client) -> Vec<TopicId> {
    let topic = |number: i32| {
        let name = format!("many{number}");
        create_topic(client, &name, PARTITIONS, &[]);
        id_of(client, &name)
    };
    (0..TOPICS).map(topic).collect()
}

fn whole(topics: &[TopicId]) -> Vec<Wanted> {
    topics.iter().flat_map(|topic| (0..PARTITIONS).map(|partition| Wanted::of(*topic, partition, 0))).collect()
}

fn put(client: &mut Client, topic: TopicId, partition: i32, value: &str) {
    assert_eq!(by_id::produce(client, topic, partition, &Batch::of(&[value.as_bytes()]).bytes()).0, 0);
}

/// Which partitions are told of, each with its records.
fn told(fetched: &Fetched) -> Vec<(TopicId, i32, Vec<String>)> {
    assert_eq!(fetched.error, 0);
    let text = |(_, value)| String::from_utf8(value).unwrap();
    let partitions = fetched.partitions.iter().map(|one| {
        assert_eq!(one.error, 0);
        (one.topic, one.partition, values(&one.records).into_iter().map(text).collect())
    });
    let mut partitions = partitions.collect::<Vec<_>>();
    partitions.sort();
    partitions
}

#[test]
fn a_session_over_2_000_partitions_tells_the_news_alone() {
    let server = server();
    let mut client = Client::connect(server.address());
    let topics = many(&mut client);
    let first = Fetch::in_session((0, 0), whole(&topics)).ask(&mut client);
    assert_eq!((first.error, first.partitions.len()), (0, (TOPICS * PARTITIONS) as usize), "at first everything");
    let session = first.session;
    assert_ne!(session, 0);
    let mut epoch = 0;
    let mut next = |client: &mut Client, wanted: Vec<Wanted>, forgotten: Vec<(TopicId, i32)>| {
        epoch += 1;
        let fetched = Fetch { forgotten, ..Fetch::in_session((session, epoch), wanted) }.ask(client);
        assert_eq!(fetched.session, session);
        assert!(fetched.bytes < NEWS_BYTES_MAX, "{} bytes", fetched.bytes);
        fetched
    };
    assert!(told(&next(&mut client, Vec::new(), Vec::new())).is_empty(), "nothing is new");

    // Few of them have something.
    let mut writer = Client::connect(server.address());
    let active = [(topics[0], 0), (topics[7], 42), (topics[19], 99)];
    for (topic, partition) in active {
        put(&mut writer, topic, partition, "one");
    }
    let one = |(topic, partition)| (topic, partition, vec!["one".to_owned()]);
    let mut expected = active.map(one).to_vec();
    expected.sort();
    assert_eq!(told(&next(&mut client, Vec::new(), Vec::new())), expected);
    // Nothing was moved on, so it is there again; what is moved on is not.
    assert_eq!(told(&next(&mut client, Vec::new(), Vec::new())), expected);
    let moved = active.map(|(topic, partition)| Wanted::of(topic, partition, 1));
    assert!(told(&next(&mut client, moved.to_vec(), Vec::new())).is_empty());

    // A whole topic is forgotten, and nothing of it is told; nor of the others, which have nothing new.
    let gone = (0..PARTITIONS).map(|partition| (topics[7], partition)).collect();
    put(&mut writer, topics[7], 42, "two");
    assert!(told(&next(&mut client, Vec::new(), gone)).is_empty());
    put(&mut writer, topics[19], 99, "two");
    let two = (topics[19], 99, vec!["two".to_owned()]);
    assert_eq!(told(&next(&mut client, Vec::new(), Vec::new())), [two]);
    // Added again it goes on from where it is told to; another place replaces the one before.
    let again = vec![Wanted::of(topics[7], 42, 1), Wanted::of(topics[19], 99, 2)];
    assert_eq!(told(&next(&mut client, again, Vec::new())), [(topics[7], 42, vec!["two".to_owned()])]);
    let back = vec![Wanted::of(topics[7], 42, 0)];
    let both = vec!["one".to_owned(), "two".to_owned()];
    assert_eq!(told(&next(&mut client, back, Vec::new())), [(topics[7], 42, both)]);

    // It waits for news of any of them, as a fetch without a session does.
    let done = vec![Wanted::of(topics[7], 42, 2)];
    assert!(told(&next(&mut client, done, Vec::new())).is_empty());
    let begun = Instant::now();
    let waiting = Fetch { max_wait_ms: 30_000, min_bytes: 1, ..Fetch::in_session((session, epoch + 1), Vec::new()) };
    let found = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| waiting.ask(&mut client));
        put(&mut writer, topics[3], 33, "late");
        waiting.join().unwrap()
    });
    assert_eq!(told(&found), [(topics[3], 33, vec!["late".to_owned()])]);
    assert!(begun.elapsed().as_secs() < 20, "it was woken, {:?}", begun.elapsed());
}

#[test]
fn sessions_are_replaced_and_out_of_step_refused() {
    let server = server();
    let mut client = Client::connect(server.address());
    let topics = many(&mut client);
    let first = Fetch::in_session((0, 0), whole(&topics)).ask(&mut client).session;
    for epoch in [2, 7, i32::MAX] {
        let refused = Fetch::in_session((first, epoch), Vec::new()).ask(&mut client);
        assert_eq!((refused.error, refused.partitions.len()), (INVALID_FETCH_SESSION_EPOCH, 0), "epoch {epoch}");
    }
    assert_eq!(Fetch::in_session((first, 1), Vec::new()).ask(&mut client).error, 0, "that took nothing away");
    assert_eq!(Fetch::in_session((first, 1), Vec::new()).ask(&mut client).error, INVALID_FETCH_SESSION_EPOCH);

    // Epoch 0 begins anew, with fewer partitions, and ends the one that it names.
    let second = Fetch::in_session((first, 0), whole(&topics[..1])).ask(&mut client);
    assert_eq!((second.error, second.partitions.len()), (0, PARTITIONS as usize));
    assert_ne!(second.session, first);
    let refused = Fetch::in_session((first, 2), Vec::new()).ask(&mut client);
    assert_eq!(refused.error, FETCH_SESSION_ID_NOT_FOUND);
    put(&mut client, topics[1], 0, "not of this session");
    assert!(told(&Fetch::in_session((second.session, 1), Vec::new()).ask(&mut client)).is_empty());
    // Epoch −1 ends it.
    let last = Fetch::in_session((second.session, -1), whole(&topics[..1])).ask(&mut client);
    assert_eq!((last.error, last.session, last.partitions.len()), (0, 0, PARTITIONS as usize));
    let refused = Fetch::in_session((second.session, 2), Vec::new()).ask(&mut client);
    assert_eq!(refused.error, FETCH_SESSION_ID_NOT_FOUND);
}

#[test]
fn a_deleted_topic_ends_its_own_partitions_alone() {
    let server = server();
    let mut client = Client::connect(server.address());
    let topics = many(&mut client);
    let session = Fetch::in_session((0, 0), whole(&topics)).ask(&mut client).session;
    delete(&mut client, "many4");
    create_topic(&mut client, "many4", PARTITIONS, &[]);
    put(&mut client, topics[5], 5, "other");
    let fetched = Fetch::in_session((session, 1), Vec::new()).ask(&mut client);
    let refused = fetched.partitions.iter().filter(|one| one.error != 0).collect::<Vec<_>>();
    assert!(
        refused.iter().all(|one| one.topic == topics[4] && one.error == UNKNOWN_TOPIC_ID && one.records.is_empty())
    );
    assert_eq!(refused.iter().map(|one| one.partition).collect::<BTreeSet<_>>().len(), PARTITIONS as usize);
    let others = fetched.partitions.iter().filter(|one| one.error == 0).collect::<Vec<_>>();
    assert_eq!(others.iter().map(|one| (one.topic, one.partition)).collect::<Vec<_>>(), [(topics[5], 5)]);
    // Without them the session goes on; the new topic is another one.
    let new = id_of(&mut client, "many4");
    assert_ne!(new, topics[4]);
    put(&mut client, new, 0, "new");
    let gone = (0..PARTITIONS).map(|partition| (topics[4], partition)).collect();
    let wanted = vec![Wanted::of(topics[5], 5, 1), Wanted::of(new, 0, 0)];
    let fetched = Fetch { forgotten: gone, ..Fetch::in_session((session, 2), wanted) }.ask(&mut client);
    assert_eq!(told(&fetched), [(new, 0, vec!["new".to_owned()])]);
}
