//! Settings of topics that have no meaning here are kept and shown, and are never in the way.

use std::collections::BTreeMap;

use crate::batch::Batch;
use crate::by_id::{PutFlexible, call};
use crate::calls::{create_topic, produce};
use crate::server;
use crate::wire::{Client, Put, body};

const DESCRIBE_CONFIGS: i16 = 32;
const DESCRIBE_CONFIGS_VERSION: i16 = 4;
const TOPIC: i8 = 2;
/// The setting is the topic's own.
const SET: i8 = 1;

/// Values that are not the defaults.
const WITHOUT_EFFECT: [(&str, &str); 18] = [
    ("delete.retention.ms", "1000"),
    ("file.delete.delay.ms", "2000"),
    ("flush.messages", "7"),
    ("flush.ms", "3000"),
    ("follower.replication.throttled.replicas", "*"),
    ("index.interval.bytes", "8192"),
    ("leader.replication.throttled.replicas", "0:1"),
    ("max.compaction.lag.ms", "4000"),
    ("min.cleanable.dirty.ratio", "0.25"),
    ("min.compaction.lag.ms", "5"),
    ("min.insync.replicas", "3"),
    ("preallocate", "true"),
    ("retention.bytes", "6000000"),
    ("retention.ms", "7000"),
    ("segment.bytes", "8000000"),
    ("segment.index.bytes", "9000"),
    ("segment.jitter.ms", "10"),
    ("unclean.leader.election.enable", "true"),
];

/// The settings that a topic has of its own.
fn own_settings(client: &mut Client, topic: &str) -> BTreeMap<String, String> {
    let asked = body().count(1).i8(TOPIC).count(topic.len()).raw(topic.as_bytes()).varint(0).no_tags();
    let mut answer = call(client, DESCRIBE_CONFIGS, DESCRIBE_CONFIGS_VERSION, &asked.i8(0).i8(0).no_tags());
    answer.i32();
    assert_eq!((answer.count(), answer.i16()), (1, 0));
    answer.text();
    assert_eq!((answer.i8(), answer.text().as_deref()), (TOPIC, Some(topic)));
    let mut own = BTreeMap::new();
    for _ in 0..answer.count() {
        let (name, value) = (answer.text().unwrap(), answer.text());
        let (_read_only, source, _sensitive) = (answer.i8(), answer.i8(), answer.i8());
        assert_eq!(answer.count(), 0, "synonyms were not asked for");
        answer.i8();
        answer.text();
        answer.tags();
        if source == SET {
            own.insert(name, value.unwrap());
        }
    }
    for _ in 0..2 {
        answer.tags();
    }
    answer.end();
    own
}

#[test]
fn settings_without_a_meaning_are_kept_and_never_in_the_way() {
    let mut server = server();
    let mut client = Client::connect(server.address());
    create_topic(&mut client, "odd", 1, &WITHOUT_EFFECT);
    let expected = WITHOUT_EFFECT.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let expected = expected.into_iter().collect::<BTreeMap<_, _>>();
    assert_eq!(own_settings(&mut client, "odd"), expected);
    // Three replicas in sync there are not, and need not be.
    for offset in 0..3 {
        assert_eq!(produce(&mut client, "odd", 0, &Batch::of(&[b"taken"]).bytes()), (0, offset));
    }
    server.kill9().unwrap();
    server.start_again(None).unwrap();
    server.wait_ready().unwrap();
    let mut client = Client::connect(server.address());
    assert_eq!(own_settings(&mut client, "odd"), expected, "also in the next life");
}
