//! What a reader is told of the log: its bounds, and its one epoch, from which nobody ever concludes that records are gone.

use crate::batch::{Batch, values};
use crate::by_id::{self, Fetch, FetchedPartition, TopicId, Wanted, id_of};
use crate::calls::create_topic;
use crate::wire::{Client, Put, body};
use crate::{UNKNOWN_LEADER_EPOCH, server};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const DELETE_RECORDS: i16 = 21;
const OFFSET_FOR_LEADER_EPOCH: i16 = 23;
const LIVES: i64 = 4;

fn ask(client: &mut Client, wanted: Wanted) -> FetchedPartition {
    let mut fetched = Fetch::now(vec![wanted]).ask(client);
    assert_eq!((fetched.error, fetched.partitions.len()), (0, 1));
    fetched.partitions.remove(0)
}

fn put(client: &mut Client, topic: TopicId, value: &str) -> i64 {
    let (error, offset) = by_id::produce(client, topic, 0, &Batch::of(&[value.as_bytes()]).bytes());
    assert_eq!(error, 0);
    offset
}

/// Epoch and end offset that the leader tells of an epoch; `current` is what the reader believes to be the newest.
fn end_of_epoch(client: &mut Client, topic: &str, current: i32, epoch: i32) -> (i16, i32, i64) {
    let request = body().i32(-1).i32(1).string(topic).i32(1).i32(0).i32(current).i32(epoch);
    let mut answer = client.call(OFFSET_FOR_LEADER_EPOCH, 3, &request);
    answer.i32();
    assert_eq!(answer.i32(), 1);
    answer.string();
    assert_eq!(answer.i32(), 1);
    let error = answer.i16();
    assert_eq!(answer.i32(), 0, "the partition");
    let told = (error, answer.i32(), answer.i64());
    answer.end();
    told
}

#[test]
fn readers_are_told_where_a_log_begins_and_ends() {
    let server = server();
    let mut client = Client::connect(server.address());
    create_topic(&mut client, "log", 1, &[]);
    let topic = id_of(&mut client, "log");
    let bounds = |found: &FetchedPartition| (found.error, found.log_start, found.high_watermark, found.last_stable);
    assert_eq!(bounds(&ask(&mut client, Wanted::of(topic, 0, 0))), (0, 0, 0, 0));
    for number in 0..10 {
        assert_eq!(put(&mut client, topic, &number.to_string()), number);
    }
    for offset in [0, 5, 10] {
        let found = ask(&mut client, Wanted::of(topic, 0, offset));
        assert_eq!(bounds(&found), (0, 0, 10, 10), "from {offset}");
        assert_eq!(values(&found.records).len(), 10 - offset as usize);
    }
    let request = body().i32(1).string("log").i32(1).i32(0).i64(4).i32(30_000);
    let mut answer = client.call(DELETE_RECORDS, 0, &request);
    answer.i32();
    assert_eq!(answer.i32(), 1);
    answer.string();
    assert_eq!((answer.i32(), answer.i32(), answer.i64(), answer.i16()), (1, 0, 4, 0));
    for offset in [4, 10] {
        assert_eq!(bounds(&ask(&mut client, Wanted::of(topic, 0, offset))), (0, 4, 10, 10), "from {offset}");
    }
    // Also who is out of range is told the range, to go on from there.
    for offset in [0, 3, 11] {
        let found = ask(&mut client, Wanted::of(topic, 0, offset));
        assert_eq!((found.error, found.records.len(), found.diverges), (OFFSET_OUT_OF_RANGE, 0, false), "{offset}");
    }
}

/// Consumers compare the epochs of what they have read with the leader's: would it say that an epoch had ended before their
/// place, or that another one has begun, they would take records for lost, and some stop.
#[test]
fn no_reader_ever_finds_its_log_truncated() {
    let mut server = server();
    let mut client = Client::connect(server.address());
    create_topic(&mut client, "log", 1, &[]);
    let topic = id_of(&mut client, "log");
    for life in 0..LIVES {
        for number in 0..20 {
            let offset = put(&mut client, topic, "value");
            assert_eq!(offset, life * 20 + number);
            // At the tail, within the log and at its beginning, with all that a reader may know of epochs.
            for place in [offset + 1, offset, offset / 2, 0] {
                for (leader_epoch, last_epoch) in [(-1, -1), (0, -1), (0, 0), (-1, 0)] {
                    let wanted = Wanted { leader_epoch, last_epoch, ..Wanted::of(topic, 0, place) };
                    let found = ask(&mut client, wanted);
                    assert_eq!((found.error, found.diverges), (0, false), "{wanted:?}");
                    assert!(found.high_watermark > offset && found.log_start == 0);
                }
            }
            for current in [-1, 0] {
                assert_eq!(end_of_epoch(&mut client, "log", current, 0), (0, 0, offset + 1), "offset {offset}");
            }
        }
        // An epoch that is not there yet is told to come later, as of a leader that has not heard of it.
        let newer = Wanted { leader_epoch: 1, ..Wanted::of(topic, 0, 0) };
        assert_eq!(ask(&mut client, newer).error, UNKNOWN_LEADER_EPOCH);
        assert_eq!(end_of_epoch(&mut client, "log", 1, 0).0, UNKNOWN_LEADER_EPOCH);
        // The next life has the same epoch, and everything that was acknowledged.
        server.kill9().unwrap();
        server.start_again(None).unwrap();
        server.wait_ready().unwrap();
        client = Client::connect(server.address());
        assert_eq!(id_of(&mut client, "log"), topic);
        assert_eq!(end_of_epoch(&mut client, "log", 0, 0), (0, 0, (life + 1) * 20));
    }
}
