//! Reads that ask for what is not there, for too much, or that are never taken.

use std::time::{Duration, Instant};

use crate::Target;
use crate::batch::{self, Batch};
use crate::calls::{Fetch, create_topic, produce};
use crate::wire::{Client, FETCH};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const FETCH_SESSION_ID_NOT_FOUND: i16 = 70;
const INVALID_FETCH_SESSION_EPOCH: i16 = 71;

/// A topic with `count` records of `bytes`, a batch each.
fn filled(address: &str, name: &str, count: i64, bytes: usize) -> Client {
    let mut client = Client::connect(address);
    create_topic(&mut client, name, 1, &[]);
    for index in 0..count {
        let value = vec![index as u8; bytes];
        assert_eq!(produce(&mut client, name, 0, &Batch::of(&[&value]).bytes()), (0, index));
    }
    client
}

#[test]
fn absurd_reads_get_kafkas_error_or_what_is_there() {
    let target = Target::start();
    target.attacked(48, |address| {
        let mut client = filled(address, "read", 3, 100);
        for offset in [-5, -1, -2, i64::MIN, 4, 1_000, i64::MAX] {
            let fetched = Fetch::from(offset).ask(&mut client, "read");
            assert_eq!((fetched.error_of_all, fetched.error), (0, OFFSET_OUT_OF_RANGE), "offset {offset}");
            assert!(fetched.records.is_empty());
        }
        for partition in [-1, 1, i32::MAX, i32::MIN] {
            let fetched = Fetch { partition, ..Fetch::from(0) }.ask(&mut client, "read");
            assert_eq!(fetched.error, UNKNOWN_TOPIC_OR_PARTITION, "partition {partition}");
        }
        assert_eq!(Fetch::from(0).ask(&mut client, "no-such-topic").error, UNKNOWN_TOPIC_OR_PARTITION);
        // Whatever the bounds, the first batch comes, so that a reader gets on.
        for bytes in [i32::MAX, 1, 0, -1, i32::MIN] {
            let fetch = Fetch { max_bytes: bytes, partition_max_bytes: bytes, ..Fetch::from(1) };
            let fetched = fetch.ask(&mut client, "read");
            let values = batch::values(&fetched.records);
            println!("at most {bytes} bytes: {} records", values.len());
            assert_eq!((fetched.error, fetched.high_watermark), (0, 3));
            // Apache Kafka answers a negative bound with UNKNOWN_SERVER_ERROR.
            assert_eq!(values[0], (1, vec![1; 100]));
        }
    });
}

#[test]
fn a_reader_that_asks_for_more_than_can_be_is_answered_when_its_wait_is_over() {
    let target = Target::start();
    target.attacked(48, |address| {
        let mut client = filled(address, "read", 1, 100);
        let begun = Instant::now();
        let fetch = Fetch { max_wait_ms: 500, min_bytes: i32::MAX, max_bytes: i32::MAX, ..Fetch::from(0) };
        let fetched = fetch.ask(&mut client, "read");
        let waited = begun.elapsed();
        assert_eq!(batch::values(&fetched.records), [(0, vec![0; 100])], "what there is by then");
        assert!(waited >= Duration::from_millis(490) && waited < Duration::from_millis(2_500), "{waited:?}");
        for (max_wait_ms, min_bytes) in [(i32::MIN, i32::MAX), (-1, 1), (0, 1), (i32::MAX, 0), (i32::MAX, i32::MIN)] {
            let begun = Instant::now();
            let fetched = Fetch { max_wait_ms, min_bytes, ..Fetch::from(1) }.ask(&mut client, "read");
            assert_eq!((fetched.error, fetched.records.len()), (0, 0));
            assert!(begun.elapsed() < Duration::from_secs(2), "{max_wait_ms} ms, {min_bytes} bytes");
        }
    });
}

#[test]
fn sessions_that_are_not_known_or_out_of_step_are_refused() {
    let target = Target::start();
    target.attacked(48, |address| {
        let mut client = filled(address, "read", 1, 100);
        let ask =
            |client: &mut Client, session| Fetch { session, max_wait_ms: 0, ..Fetch::from(0) }.ask(client, "read");
        for session in [(4_711, 1), (-1, 5), (i32::MAX, i32::MAX), (i32::MIN, i32::MIN), (0, 1)] {
            let fetched = ask(&mut client, session);
            assert_eq!((fetched.error_of_all, fetched.session), (FETCH_SESSION_ID_NOT_FOUND, 0), "{session:?}");
        }
        let id = ask(&mut client, (0, 0)).session;
        assert_ne!(id, 0);
        for epoch in [2, i32::MAX, i32::MIN] {
            assert_eq!(ask(&mut client, (id, epoch)).error_of_all, INVALID_FETCH_SESSION_EPOCH, "epoch {epoch}");
        }
        assert_eq!(ask(&mut client, (id, 1)).error_of_all, 0, "the right one still goes on");
        // Far more sessions than are kept: those without one are answered all the same.
        for _ in 0..2_000 {
            assert_eq!(ask(&mut client, (0, 0)).error_of_all, 0);
        }
    });
}

#[test]
fn readers_that_take_nothing_are_bounded_and_disconnected_and_nobody_waits_for_them() {
    /// A client that takes no byte for this long is disconnected.
    const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
    let target = Target::start();
    let _client = filled(target.address(), "large", 32, 1_000_000);
    // 128 MiB of answers, as much again in frames and their way through the kernel.
    target.attacked(128 + 128, |address| {
        let begun = Instant::now();
        let fetch = Fetch { max_bytes: i32::MAX, partition_max_bytes: i32::MAX, ..Fetch::from(0) }.body("large");
        let mut readers: Vec<Client> = (0..30).map(|_| Client::connect(address)).collect();
        for reader in &mut readers {
            for _ in 0..10 {
                reader.send(FETCH, 11, &fetch);
            }
        }
        std::thread::sleep(Duration::from_secs(5));
        // One that reads slowly is no attacker: it gets its answer whole, whatever the others do.
        let mut slow = Client::connect(address);
        let fetched = Fetch { max_bytes: 1 << 20, ..Fetch::from(3) }.ask(&mut slow, "large");
        assert_eq!(batch::values(&fetched.records)[0], (3, vec![3; 1_000_000]));
        // What is in the kernel's buffers can still be taken; then the connection is at its end.
        for mut reader in readers {
            let left = (WRITE_TIMEOUT + Duration::from_secs(15)).saturating_sub(begun.elapsed());
            wait_for_end(&mut reader, left);
        }
    });
}

/// Waits, without reading, until the server has closed the connection.
fn wait_for_end(client: &mut Client, bound: Duration) {
    use std::os::fd::AsRawFd;
    let mut poll = libc::pollfd { fd: client.stream.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    let milliseconds = libc::c_int::try_from(bound.as_millis()).unwrap();
    // SAFETY: a plain system call on one structure of our own.
    let ready = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
    assert_eq!(ready, 1, "a reader that takes nothing was not disconnected");
}
