//! Counts and lengths that promise more than there is, at every place of every request.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::Target;
use crate::calls::create_topic;
use crate::samples::{Sample, samples};
use crate::wire::{Client, FETCH, Put, Went, body};

/// Answering or refusing takes no time; this is for a busy machine.
const SOON: Duration = Duration::from_secs(10);
/// Attackers at once.
const THREADS: usize = 4;
const JOIN_GROUP: i16 = 11;
const SYNC_GROUP: i16 = 14;

/// What is written over four or five bytes: a length or count of a fixed width, and one as a varint.
const HUGE: [&[u8]; 3] = [&[0x7f, 0xff, 0xff, 0xff], &[0xff, 0xff, 0xff, 0xff, 0x07], &[0xff, 0xff, 0xff, 0xff]];

#[test]
fn huge_counts_at_every_place_of_every_request_are_refused_without_memory() {
    let target = Target::start();
    let samples = samples();
    target.attacked(96, |address| {
        let mut client = Client::connect(address);
        create_topic(&mut client, "samples", 1, &[]);
        for sample in &samples {
            client.send_raw(&body().bytes(&sample.content)).unwrap();
            println!("{}", sample.name);
            let answer = client.receive_raw().expect("the sample itself is a valid request");
            assert_eq!(answer[..4], [0, 0, 0, 1]);
        }
        let next = AtomicUsize::new(0);
        let sent = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while let Some(sample) = samples.get(next.fetch_add(1, Ordering::Relaxed)) {
                        sent.fetch_add(attack(address, sample), Ordering::Relaxed);
                    }
                });
            }
        });
        println!("{} requests", sent.into_inner());
    });
}

/// Returns how many requests were sent.
fn attack(address: &str, sample: &Sample) -> usize {
    let mut sent = 0;
    // Those that may wait on purpose: for records, or for the other members of a group.
    let may_wait = [FETCH, JOIN_GROUP, SYNC_GROUP].contains(&sample.api);
    let mut waiting = Vec::new();
    for huge in HUGE {
        for at in 0..=sample.content.len().saturating_sub(huge.len()) {
            let mut content = sample.content.clone();
            content[at..at + huge.len()].copy_from_slice(huge);
            let mut client = Client::connect(address);
            client.send_raw(&body().bytes(&content)).unwrap();
            sent += 1;
            let bound = if may_wait { Duration::from_millis(20) } else { SOON };
            if client.went(bound) == Went::Waits {
                assert!(may_wait, "{} with {huge:02x?} at {at} is neither answered nor closed", sample.name);
                waiting.push(client);
            }
        }
    }
    sent
}
