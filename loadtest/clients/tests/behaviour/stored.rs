//! What becomes of a batch: its bytes, its time, and a place for it also when nobody waits.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::batch::{self, Batch, GZIP, LZ4, SNAPPY, ZSTD, set_checksum};
use crate::calls::{Fetch, create_topic, next_offset, produce, produce_body, produce_body_with, producer_id};
use crate::server;
use crate::wire::{Client, PRODUCE};

/// Where a batch says where it is: its first offset and the epoch of its leader, which are not under the checksum.
const LENGTH_AT: usize = 8;
const LEADER_EPOCH: std::ops::Range<usize> = 12..16;
const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP: std::ops::Range<usize> = 35..43;
const STAMPED: i16 = 1 << 3;

fn compressed(codec: i16, records: &[u8]) -> Vec<u8> {
    match codec {
        GZIP => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(records).unwrap();
            encoder.finish().unwrap()
        }
        SNAPPY => snap::raw::Encoder::new().compress_vec(records).unwrap(),
        LZ4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(records).unwrap();
            encoder.finish().unwrap()
        }
        ZSTD => zstd::encode_all(records, 3).unwrap(),
        _ => records.to_vec(),
    }
}

/// A batch of fifty records in this codec.
fn batch_in(codec: i16) -> Batch {
    let records = (0..50).flat_map(|number| batch::record(number, format!("value {number}").as_bytes()));
    Batch::saying(codec, 50, compressed(codec, &records.collect::<Vec<_>>()))
}

#[test]
fn batches_are_stored_byte_for_byte_as_they_were_sent() {
    let server = server();
    let mut client = Client::connect(server.address());
    for (name, codec) in [("none", 0), ("gzip", GZIP), ("snappy", SNAPPY), ("lz4", LZ4), ("zstd", ZSTD)] {
        create_topic(&mut client, name, 1, &[]);
        let sent = batch_in(codec).bytes();
        for round in 0..2 {
            assert_eq!(produce(&mut client, name, 0, &sent), (0, round * 50), "{name}");
            let fetched = Fetch::from(round * 50).ask(&mut client, name).records;
            assert_eq!(fetched[..LENGTH_AT], (round * 50).to_be_bytes(), "{name}: its first offset");
            assert_eq!(
                fetched[LENGTH_AT..LEADER_EPOCH.start],
                sent[LENGTH_AT..LEADER_EPOCH.start],
                "{name}: its length"
            );
            assert_eq!(fetched[LEADER_EPOCH], [0; 4], "{name}: the one epoch");
            assert_eq!(fetched[LEADER_EPOCH.end..], sent[LEADER_EPOCH.end..], "{name}: all the rest");
        }
    }
}

/// Error code, first offset and append time of a Produce (v7).
fn produce_at(client: &mut Client, topic: &str, records: &[u8]) -> (i16, i64, i64) {
    let correlation = client.send(PRODUCE, 7, &produce_body(topic, 0, records));
    let mut answer = client.receive(correlation);
    assert_eq!(answer.i32(), 1);
    answer.string();
    assert_eq!((answer.i32(), answer.i32()), (1, 0));
    let said = (answer.i16(), answer.i64(), answer.i64());
    answer.i64();
    answer.i32();
    answer.end();
    said
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[test]
fn a_batch_has_the_time_of_its_append_also_when_it_is_sent_again() {
    let server = server();
    let mut client = Client::connect(server.address());
    create_topic(&mut client, "stamped", 1, &[("message.timestamp.type", "LogAppendTime")]);
    create_topic(&mut client, "plain", 1, &[]);
    let id = producer_id(&mut client);
    for codec in [0, GZIP] {
        for (topic, sequence) in [("stamped", 0), ("plain", 0)] {
            let sequence = sequence + i32::from(codec == GZIP) * 50;
            let sent = Batch { producer: (id, 0, sequence), ..batch_in(codec) }.bytes();
            let before = now_ms();
            let (error, offset, time) = produce_at(&mut client, topic, &sent);
            assert_eq!((error, offset), (0, i64::from(sequence)));
            let is_stamped = topic == "stamped";
            assert!(if is_stamped { (before..=now_ms()).contains(&time) } else { time == -1 }, "{time}");
            // Later, and the answer has the first time.
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(produce_at(&mut client, topic, &sent), (0, offset, time), "a duplicate");

            let fetched = Fetch::from(offset).ask(&mut client, topic).records;
            let mut expected = sent;
            expected[..LENGTH_AT].copy_from_slice(&offset.to_be_bytes());
            expected[LEADER_EPOCH].fill(0);
            if is_stamped {
                // Header and checksum say so; the records themselves are as they were sent.
                let attributes = (codec | STAMPED).to_be_bytes();
                expected[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes);
                expected[MAX_TIMESTAMP].copy_from_slice(&time.to_be_bytes());
                set_checksum(&mut expected);
            }
            assert_eq!(fetched, expected, "{topic}, codec {codec}");
        }
    }
}

#[test]
fn records_that_nobody_waits_for_land_although_their_connection_ends() {
    const RECORDS: i64 = 200;
    let server = server();
    let mut client = Client::connect(server.address());
    create_topic(&mut client, "unattended", 1, &[]);
    let mut sender = Client::connect(server.address());
    for number in 0..RECORDS {
        let records = Batch::of(&[number.to_string().as_bytes()]).bytes();
        sender.send(PRODUCE, 7, &produce_body_with(0, "unattended", 0, &records));
    }
    // It asks for nothing that would make it wait, and goes.
    drop(sender);
    let begun = Instant::now();
    while next_offset(&mut client, "unattended", 0) < RECORDS {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", next_offset(&mut client, "unattended", 0));
    }
    let mut found = Vec::new();
    while (found.len() as i64) < RECORDS {
        let fetched = Fetch::from(found.len() as i64).ask(&mut client, "unattended");
        found.extend(batch::values(&fetched.records));
    }
    let expected = (0..RECORDS).map(|number| (number, number.to_string().into_bytes())).collect::<Vec<_>>();
    assert_eq!(found, expected, "all of them, in their order");
}
