//! Many valid requests: pipelined without end, and the same one again and again.

use std::sync::Barrier;

use crate::Target;
use crate::batch::{self, Batch};
use crate::calls::{Fetch, create_topic, next_offset, produce, produce_body, produced, producer_id};
use crate::wire::{Client, METADATA, PRODUCE, Put, body, frame};

#[test]
fn ten_thousand_produce_requests_without_reading_are_bounded_and_keep_their_order() {
    const REQUESTS: i32 = 10_000;
    let target = Target::start();
    // What is in flight: 64 MiB for the connection, 128 MiB for the node; and the memory of the cache, 128 MiB.
    target.attacked(64 + 128, |address| {
        let mut client = Client::connect(address);
        create_topic(&mut client, "flood", 1, &[]);
        for number in 0..REQUESTS {
            let value = [&number.to_be_bytes()[..], &[b'x'; 8_000]].concat();
            let request = produce_body("flood", 0, &Batch::of(&[&value]).bytes());
            client.send_raw(&frame(PRODUCE, 7, number, &request)).unwrap();
        }
        for number in 0..REQUESTS {
            assert_eq!(produced(&mut client, number), (0, i64::from(number)), "answers and offsets in order");
        }
        let mut offset = 0;
        while offset < i64::from(REQUESTS) {
            let fetched = Fetch::from(offset).ask(&mut client, "flood");
            for (found, value) in batch::values(&fetched.records) {
                assert_eq!((found, &value[..4]), (offset, &(offset as i32).to_be_bytes()[..]));
                offset += 1;
            }
        }
    });
}

#[test]
fn requests_whose_answers_are_not_taken_are_no_longer_read() {
    let target = Target::start();
    target.attacked(64, |address| {
        create_topic(&mut Client::connect(address), "wide", 1_000, &[]);
        // 30,000 requests of 30 KiB would be 1 GB, and as much in answers; the kernel takes some megabytes of both.
        let content = body().i16(METADATA).i16(1).i32(1).string(&"x".repeat(30_000)).i32(1).string("wide");
        let request = body().bytes(&content);
        let mut client = Client::connect(address);
        client.stream.set_write_timeout(Some(std::time::Duration::from_secs(3))).unwrap();
        let refused = (0..30_000).find(|_| client.send_raw(&request).is_err());
        println!("no longer read after {refused:?} requests");
        assert!(refused.is_some(), "the server went on reading");
    });
}

#[test]
fn a_retry_storm_of_one_batch_leaves_one_copy_and_one_offset() {
    const CONNECTIONS: usize = 200;
    const REPEATS: usize = 5;
    let target = Target::start();
    target.attacked(64, |address| {
        let mut client = Client::connect(address);
        create_topic(&mut client, "storm", 1, &[]);
        assert_eq!(produce(&mut client, "storm", 0, &Batch::of(&[b"before"]).bytes()), (0, 0));
        let mut batch = Batch::of(&[b"a", b"b", b"c"]);
        batch.producer = (producer_id(&mut client), 0, 0);
        let request = produce_body("storm", 0, &batch.bytes());
        let together = Barrier::new(CONNECTIONS);
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| {
                    let mut client = Client::connect(address);
                    together.wait();
                    let sent = (0..REPEATS).map(|_| client.send(PRODUCE, 7, &request)).collect::<Vec<_>>();
                    for correlation in sent {
                        assert_eq!(produced(&mut client, correlation), (0, 1), "one offset for all of them");
                    }
                });
            }
        });
        assert_eq!(next_offset(&mut client, "storm", 0), 4, "one copy");
        let fetched = Fetch::from(0).ask(&mut client, "storm");
        let expected = [&b"before"[..], b"a", b"b", b"c"].map(<[u8]>::to_vec);
        assert_eq!(batch::values(&fetched.records), (0..).zip(expected).collect::<Vec<_>>());
    });
}
