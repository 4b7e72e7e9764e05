//! Topics that come into being at first use, and their names.

use std::collections::BTreeSet;
use std::sync::Barrier;

use crate::by_id::{self, TopicId};
use crate::calls::{create_topic, produce, topics};
use crate::wire::{CREATE_TOPICS, Client, Put, body};
use crate::{INVALID_TOPIC, TOPIC_ALREADY_EXISTS, UNKNOWN_TOPIC_OR_PARTITION, batch::Batch, server, server_with};

const RACERS: usize = 8;

/// Asks for a topic in CreateTopics; the error code.
pub fn create(client: &mut Client, topic: &str) -> i16 {
    let request = body().i32(1).string(topic).i32(2).i16(1).i32(0).i32(0);
    let mut answer = client.call(CREATE_TOPICS, 2, &request.i32(30_000).i8(0));
    answer.i32();
    assert_eq!(answer.i32(), 1);
    assert_eq!(answer.string().as_deref(), Some(topic));
    let error = answer.i16();
    answer.string();
    answer.end();
    error
}

/// Lets every racer do `what` at the same moment, each over its own connection.
fn race<T: Send>(address: &str, what: impl Fn(usize, &mut Client) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(RACERS);
    std::thread::scope(|scope| {
        let racer = |number: usize| {
            let (start, what) = (&start, &what);
            scope.spawn(move || {
                let mut client = Client::connect(address);
                start.wait();
                what(number, &mut client)
            })
        };
        let racers = (0..RACERS).map(racer).collect::<Vec<_>>();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    })
}

#[test]
fn racing_readers_create_a_topic_once() {
    let server = server_with(&["--kafka-default-partitions", "3"]);
    for round in 0..10 {
        let topic = format!("racing{round}");
        let found = race(server.address(), |_, client| by_id::describe(client, &topic, true));
        let ids = found.iter().map(|found| found.expect("it is there when it is told")).collect::<BTreeSet<_>>();
        assert_eq!(ids.len(), 1, "one topic, the same for all: {ids:?}");
        assert_eq!(ids.first().unwrap().1, 3, "as many partitions as a topic has by default");
    }
    for round in 0..10 {
        let topic = format!("created{round}");
        let mut codes = race(server.address(), |_, client| create(client, &topic));
        codes.sort_unstable();
        let expected = [&[0][..], &[TOPIC_ALREADY_EXISTS; RACERS - 1]].concat();
        assert_eq!(codes, expected, "one of them has created it");
    }
}

#[test]
fn records_create_no_topic() {
    let server = server();
    let mut client = Client::connect(server.address());
    let records = Batch::of(&[b"lost"]).bytes();
    assert_eq!(produce(&mut client, "absent", 0, &records), (UNKNOWN_TOPIC_OR_PARTITION, -1));
    assert_eq!(topics(&mut client), [""; 0], "a producer asks for Metadata first, which creates it");
    // A client may ask without wanting it.
    assert_eq!(by_id::describe(&mut client, "absent", false), Err(UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(topics(&mut client), [""; 0]);
    let (id, partitions) = by_id::describe(&mut client, "absent", true).unwrap();
    assert_eq!((id, partitions), (by_id::id_of(&mut client, "absent"), 1));
    assert_eq!(produce(&mut client, "absent", 0, &records), (0, 0));
}

#[test]
fn a_server_may_forbid_it() {
    let server = server_with(&["--kafka-auto-create-topics=false"]);
    let mut client = Client::connect(server.address());
    assert_eq!(by_id::describe(&mut client, "absent", true), Err(UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(topics(&mut client), [""; 0]);
    create_topic(&mut client, "wanted", 1, &[]);
    assert_eq!(topics(&mut client), ["wanted"]);
}

#[test]
fn names_have_kafka_s_rules() {
    let server = server();
    let mut client = Client::connect(server.address());
    let (longest, too_long) = ("x".repeat(249), "x".repeat(250));
    for name in ["", ".", "..", "a b", "a/b", "a:b", "é", "a\u{0}", too_long.as_str()] {
        assert_eq!(create(&mut client, name), INVALID_TOPIC, "{name:?}");
        assert_eq!(by_id::describe(&mut client, name, true), Err(INVALID_TOPIC), "{name:?}");
    }
    assert_eq!(topics(&mut client), [""; 0]);
    for name in ["a", "...", "A.b_C-9", "__mine", longest.as_str()] {
        assert_eq!(create(&mut client, name), 0, "{name:?}");
        assert!(by_id::describe(&mut client, name, false).is_ok(), "{name:?}");
    }
}

#[test]
fn names_that_metrics_cannot_tell_apart_collide() {
    let server = server();
    let mut client = Client::connect(server.address());
    assert_eq!(create(&mut client, "a.b_c"), 0);
    for name in ["a_b_c", "a.b.c", "a_b.c"] {
        assert_eq!(create(&mut client, name), INVALID_TOPIC, "{name}");
        assert_eq!(by_id::describe(&mut client, name, true), Err(UNKNOWN_TOPIC_OR_PARTITION), "{name} is not made");
    }
    assert_eq!(create(&mut client, "a.b_c"), TOPIC_ALREADY_EXISTS);
    assert_eq!(create(&mut client, "a-b-c"), 0, "a hyphen is another thing");
    delete(&mut client, "a.b_c");
    assert_eq!(create(&mut client, "a_b_c"), 0, "the name is free again");

    // Also when both come at once.
    for round in 0..10 {
        let names = [format!("r.{round}"), format!("r_{round}")];
        let found = race(server.address(), |number, client| by_id::describe(client, &names[number % 2], true));
        let ids = found.iter().flatten().collect::<BTreeSet<&(TopicId, usize)>>();
        assert_eq!(ids.len(), 1, "{found:?}");
        let refused = found.iter().flat_map(|found| found.as_ref().err()).collect::<BTreeSet<_>>();
        assert!(refused.iter().all(|error| **error == UNKNOWN_TOPIC_OR_PARTITION), "{refused:?}");
        let there = names.iter().filter(|name| by_id::describe(&mut client, name, false).is_ok()).count();
        assert_eq!(there, 1, "one of {names:?}");
    }
}

/// Deletes a topic that is there.
pub fn delete(client: &mut Client, topic: &str) {
    const DELETE_TOPICS: i16 = 20;
    let mut answer = client.call(DELETE_TOPICS, 1, &body().i32(1).string(topic).i32(30_000));
    answer.i32();
    assert_eq!(answer.i32(), 1);
    assert_eq!(answer.string().as_deref(), Some(topic));
    assert_eq!(answer.i16(), 0, "{topic} is deleted");
    answer.end();
}
