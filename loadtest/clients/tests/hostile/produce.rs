//! Records that must not be stored: each gets Kafka's own error, and the partition stays as it was.

use std::time::Duration;

use crate::Target;
use crate::batch::{self, Batch, CONTROL, GZIP, TRANSACTIONAL};
use crate::calls::{Fetch, create_topic, next_offset, produce, produce_body, produce_body_with, produced, producer_id};
use crate::wire::{Client, PRODUCE, Put, Went, body};

const SOON: Duration = Duration::from_secs(5);

const CORRUPT_MESSAGE: i16 = 2;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const MESSAGE_TOO_LARGE: i16 = 10;
const INVALID_REQUIRED_ACKS: i16 = 21;
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: i16 = 53;
const INVALID_RECORD: i16 = 87;

/// A topic with one record, so that "nothing was stored" can be told from "nothing is there".
fn topic(client: &mut Client, name: &str) {
    create_topic(client, name, 1, &[]);
    assert_eq!(produce(client, name, 0, &Batch::of(&[b"kept"]).bytes()), (0, 0));
}

/// Nothing but that record.
fn check_untouched(client: &mut Client, name: &str) {
    assert_eq!(next_offset(client, name, 0), 1);
    let fetched = Fetch::from(0).ask(client, name);
    assert_eq!(batch::values(&fetched.records), [(0, b"kept".to_vec())]);
}

#[test]
fn wrong_batches_get_kafkas_error_and_store_nothing() {
    let target = Target::start();
    target.attacked(32, |address| {
        let mut client = Client::connect(address);
        topic(&mut client, "untouched");
        for (what, records, expected) in wrong_batches() {
            let (error, offset) = produce(&mut client, "untouched", 0, &records);
            println!("{what}: {error}");
            assert_eq!((error, offset), (expected, -1), "{what}");
            check_untouched(&mut client, "untouched");
        }
    });
}

/// Expected is what Apache Kafka 4.3.1 answers, with these exceptions: where it answers UNKNOWN_SERVER_ERROR (a length of
/// 2 GiB, an unknown codec, a compressed body that is none) the error says what is wrong; where it stores the first of a
/// batch and a half and drops the rest, nothing is stored; a forged marker is refused as a control batch rather than for its
/// transaction; and a producer that is not known begins at sequence 0.
fn wrong_batches() -> Vec<(&'static str, Vec<u8>, i16)> {
    let good = Batch::of(&[b"one", b"two", b"three"]);
    let bytes = good.bytes();
    let changed = |change: &dyn Fn(&mut Batch)| {
        let mut batch = good.clone();
        change(&mut batch);
        batch.bytes()
    };
    let patched = |at: usize, with: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut extra = good.clone();
    extra.records.extend([0; 3]);
    let too_large = Batch::of(&[&vec![b'x'; 1 << 20]]).bytes();
    let far_too_large = Batch::of(&[&vec![b'x'; 17 << 20]]).bytes();
    vec![
        ("a bit of a record flipped", flipped, CORRUPT_MESSAGE),
        ("a wrong checksum", patched(17, &[1, 2, 3, 4]), CORRUPT_MESSAGE),
        ("cut off in a record", bytes[..bytes.len() - 1].to_vec(), INVALID_RECORD),
        ("cut off in the header", bytes[..40].to_vec(), INVALID_RECORD),
        ("shorter than any header", bytes[..10].to_vec(), INVALID_RECORD),
        ("a length of zero", patched(8, &[0; 4]), CORRUPT_MESSAGE),
        ("a negative length", patched(8, &[0xff; 4]), CORRUPT_MESSAGE),
        ("a length of 2 GiB", patched(8, &i32::MAX.to_be_bytes()), MESSAGE_TOO_LARGE),
        (
            "more records than it says",
            changed(&|batch| (batch.count, batch.last_offset_delta) = (2, 1)),
            INVALID_RECORD,
        ),
        (
            "fewer records than it says",
            changed(&|batch| (batch.count, batch.last_offset_delta) = (4, 3)),
            INVALID_RECORD,
        ),
        (
            "2 billion records",
            changed(&|batch| (batch.count, batch.last_offset_delta) = (i32::MAX, i32::MAX - 1)),
            INVALID_RECORD,
        ),
        ("a negative count", changed(&|batch| (batch.count, batch.last_offset_delta) = (-1, -2)), INVALID_RECORD),
        ("no records in it", Batch::saying(0, 0, Vec::new()).bytes(), INVALID_RECORD),
        ("a last offset beyond its records", changed(&|batch| batch.last_offset_delta = 1_000), INVALID_RECORD),
        ("bytes behind its records", extra.bytes(), INVALID_RECORD),
        ("a forged control batch", changed(&|batch| batch.attributes = CONTROL), INVALID_RECORD),
        (
            "a forged end of a transaction",
            changed(&|batch| (batch.attributes, batch.producer) = (CONTROL | TRANSACTIONAL, (1, 0, 0))),
            INVALID_RECORD,
        ),
        (
            "part of a transaction",
            changed(&|batch| (batch.attributes, batch.producer) = (TRANSACTIONAL, (1, 0, 0))),
            TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ),
        ("magic 0", changed(&|batch| batch.magic = 0), INVALID_RECORD),
        ("magic 1", changed(&|batch| batch.magic = 1), INVALID_RECORD),
        ("magic 3", changed(&|batch| batch.magic = 3), CORRUPT_MESSAGE),
        ("magic -1", changed(&|batch| batch.magic = -1), CORRUPT_MESSAGE),
        ("codec 7", changed(&|batch| batch.attributes = 7), INVALID_RECORD),
        ("gzip that is none", changed(&|batch| batch.attributes = GZIP), INVALID_RECORD),
        ("two batches", [&bytes[..], &bytes[..]].concat(), INVALID_RECORD),
        ("a batch and a half", [&bytes[..], &bytes[..50]].concat(), INVALID_RECORD),
        ("nothing", Vec::new(), INVALID_RECORD),
        ("larger than max.message.bytes", too_large, MESSAGE_TOO_LARGE),
        ("larger than any topic may allow", far_too_large, MESSAGE_TOO_LARGE),
        ("an epoch without a sequence", changed(&|batch| batch.producer = (1, 0, -1)), INVALID_RECORD),
        ("a sequence before its first", changed(&|batch| batch.producer = (4_711, 0, 5)), OUT_OF_ORDER_SEQUENCE_NUMBER),
    ]
}

#[test]
fn places_that_do_not_exist_and_odd_acks_are_refused_per_partition() {
    let target = Target::start();
    target.attacked(16, |address| {
        let mut client = Client::connect(address);
        topic(&mut client, "untouched");
        let good = Batch::of(&[b"lost"]).bytes();
        for (name, partition) in [("untouched", 1), ("untouched", -1), ("untouched", i32::MIN), ("untouched", i32::MAX)]
        {
            assert_eq!(
                produce(&mut client, name, partition, &good),
                (UNKNOWN_TOPIC_OR_PARTITION, -1),
                "{name}-{partition}"
            );
        }
        assert_eq!(produce(&mut client, "no-such-topic", 0, &good), (UNKNOWN_TOPIC_OR_PARTITION, -1));
        for acks in [5, -2, 2, i16::MIN, i16::MAX] {
            let correlation = client.send(PRODUCE, 7, &produce_body_with(acks, "untouched", 0, &good));
            assert_eq!(produced(&mut client, correlation), (INVALID_REQUIRED_ACKS, -1), "acks={acks}");
        }
        check_untouched(&mut client, "untouched");
    });
}

#[test]
fn a_good_partition_beside_a_bad_one_is_stored() {
    let target = Target::start();
    target.attacked(16, |address| {
        let mut client = Client::connect(address);
        create_topic(&mut client, "two", 2, &[]);
        let good = Batch::of(&[b"good"]).bytes();
        let head = body().null_string().i16(-1).i32(30_000).i32(1).string("two").i32(2);
        let request = head.i32(0).bytes(&good[..50]).i32(1).bytes(&good);
        let mut answer = client.call(PRODUCE, 7, &request);
        assert_eq!((answer.i32(), answer.string().as_deref(), answer.i32()), (1, Some("two"), 2));
        let mut partition = || (answer.i32(), answer.i16(), answer.i64(), answer.i64(), answer.i64());
        assert_eq!(partition(), (0, INVALID_RECORD, -1, -1, -1));
        assert_eq!(partition(), (1, 0, 0, -1, 0));
        assert_eq!((next_offset(&mut client, "two", 0), next_offset(&mut client, "two", 1)), (0, 1));
    });
}

#[test]
fn without_acks_an_error_ends_the_connection_and_success_says_nothing() {
    let target = Target::start();
    target.attacked(16, |address| {
        let mut client = Client::connect(address);
        topic(&mut client, "untouched");
        let mut flipped = Batch::of(&[b"bad"]).bytes();
        *flipped.last_mut().unwrap() ^= 1;
        for records in [flipped, b"garbage".to_vec(), Vec::new()] {
            let mut other = Client::connect(address);
            other.send(PRODUCE, 7, &produce_body_with(0, "untouched", 0, &records));
            other.must_close(SOON);
            check_untouched(&mut client, "untouched");
        }
        let mut other = Client::connect(address);
        other.send(PRODUCE, 7, &produce_body_with(0, "untouched", 0, &Batch::of(&[b"good"]).bytes()));
        // The next request waits for it, and its answer is the next one.
        assert_eq!(next_offset(&mut other, "untouched", 0), 2);
    });
}

#[test]
fn message_sets_of_old_and_old_versions_of_produce_are_refused() {
    let target = Target::start();
    target.attacked(16, |address| {
        let mut client = Client::connect(address);
        topic(&mut client, "untouched");
        // A v0 message: offset, size, checksum, magic, attributes, no key, a value.
        let message = body().i32(0).i8(0).i8(0).i32(-1).bytes(b"old");
        let set = body().i64(0).bytes(&message);
        assert_eq!(produce(&mut client, "untouched", 0, &set), (INVALID_RECORD, -1));
        for version in 0..3 {
            let old = body().i16(-1).i32(30_000).i32(1).string("untouched").i32(1).i32(0).bytes(&set);
            let mut other = Client::connect(address);
            other.send(PRODUCE, version, &old);
            other.must_close(SOON);
        }
        // Version 8 has the same request; its answer says more.
        let correlation = client.send(PRODUCE, 8, &produce_body("untouched", 0, &set));
        let mut answer = client.receive(correlation);
        assert_eq!((answer.i32(), answer.string().as_deref(), answer.i32()), (1, Some("untouched"), 1));
        assert_eq!((answer.i32(), answer.i16()), (0, INVALID_RECORD));
        check_untouched(&mut client, "untouched");
    });
}

#[test]
fn an_idempotent_producer_cannot_be_led_astray_by_wrong_batches() {
    let target = Target::start();
    target.attacked(16, |address| {
        let mut client = Client::connect(address);
        create_topic(&mut client, "exact", 1, &[]);
        let id = producer_id(&mut client);
        let with = |sequence, value: &[u8]| {
            let mut batch = Batch::of(&[value]);
            batch.producer = (id, 0, sequence);
            batch.bytes()
        };
        assert_eq!(produce(&mut client, "exact", 0, &with(0, b"zero")), (0, 0));
        let mut bad = with(1, b"one");
        *bad.last_mut().unwrap() ^= 1;
        assert_eq!(produce(&mut client, "exact", 0, &bad), (CORRUPT_MESSAGE, -1));
        assert_eq!(produce(&mut client, "exact", 0, &with(3, b"three")).0, OUT_OF_ORDER_SEQUENCE_NUMBER);
        // What was refused took no sequence.
        assert_eq!(produce(&mut client, "exact", 0, &with(1, b"one")), (0, 1));
        assert_eq!(produce(&mut client, "exact", 0, &with(0, b"zero")), (0, 0), "a duplicate gets its first offset");
        assert_eq!(next_offset(&mut client, "exact", 0), 2);
        assert_eq!(client.went(Duration::from_millis(1)), Went::Waits);
    });
}
