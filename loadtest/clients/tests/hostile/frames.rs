//! Bytes that are no request, or none that is offered.

use std::time::Duration;

use tidelog_clients::chance::Chance;

use crate::Target;
use crate::calls::topics;
use crate::wire::{API_VERSIONS, Client, METADATA, PRODUCE, Put, Went, body, frame};

/// Refusing something takes no time; this is for a busy machine.
const SOON: Duration = Duration::from_secs(5);
const UNSUPPORTED_VERSION: i16 = 35;

const MIB: i32 = 1 << 20;

#[test]
fn a_frame_of_an_impossible_length_ends_its_connection_and_takes_no_memory() {
    let target = Target::start();
    target.attacked(16, |address| {
        let produce = [i32::MAX, i32::MAX - 3, 100 * MIB + 1, 0, 1, 7, -1, i32::MIN].map(|length| (length, PRODUCE));
        let metadata = [i32::MAX, 100 * MIB, 8 * MIB + 1, -2, 4].map(|length| (length, METADATA));
        for (length, api) in produce.into_iter().chain(metadata) {
            let mut client = Client::connect(address);
            client.send_raw(&body().i32(length).i16(api).i16(3).i32(1)).unwrap();
            println!("length {length} of api {api}");
            client.must_close(SOON);
        }
    });
}

#[test]
fn what_is_not_kafka_is_closed_at_once() {
    let target = Target::start();
    let seed = Chance::seed_of_this_run();
    println!("TIDELOG_SEED={seed}");
    let mut chance = Chance::new(seed);
    // A TLS 1.2 record with the start of a ClientHello.
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[0x5a; 501]].concat();
    let http = b"GET / HTTP/1.1\r\nHost: localhost:9092\r\nConnection: keep-alive\r\n\r\n".to_vec();
    let others = [b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), b"\x00\x00\x00\x00\x00\x00\x00\x00".to_vec(), vec![0xff; 64]];
    let mut attacks = vec![hello, http];
    attacks.extend(others);
    for _ in 0..200 {
        let mut garbage: Vec<u8> = (0..4_096).map(|_| chance.below(256) as u8).collect();
        // Else it could be a request by accident, or the start of a long one.
        garbage[4] |= 0x40;
        attacks.push(garbage);
    }
    target.attacked(16, |address| {
        for bytes in attacks {
            let mut client = Client::connect(address);
            // The server may have closed after the first bytes.
            let _ = client.send_raw(&bytes);
            client.must_close(SOON);
        }
    });
}

#[test]
fn apis_and_versions_that_are_not_offered_end_the_connection() {
    let target = Target::start();
    let offered = target.attacked(16, |address| {
        let offered = offered(&mut Client::connect(address), 0, 0);
        let unknown = (-3..100).chain([i16::MIN, 999, i16::MAX]).filter(|key| offered.iter().all(|row| row.0 != *key));
        let versions = offered.iter().filter(|row| row.0 != API_VERSIONS);
        let versions = versions.flat_map(|(key, _, max)| [(*key, max + 1), (*key, i16::MAX), (*key, -1)]);
        for (key, version) in unknown.map(|key| (key, 0)).chain(versions) {
            let mut client = Client::connect(address);
            client.send_raw(&frame(key, version, 1, &[0; 64])).unwrap();
            println!("api {key} v{version}");
            client.must_close(SOON);
        }
        offered
    });
    assert!(offered.len() >= 17);
}

#[test]
fn an_api_versions_of_a_too_new_version_is_answered_in_version_0() {
    let target = Target::start();
    target.attacked(16, |address| {
        for version in [5, 99, i16::MAX, -1] {
            let mut client = Client::connect(address);
            let refused = offered(&mut client, version, UNSUPPORTED_VERSION);
            // Kafka's answer then names ApiVersions itself, so that the client knows what to ask.
            assert!(refused.iter().any(|(key, _, max)| *key == API_VERSIONS && *max >= 3), "{refused:?}");
            assert!(offered(&mut client, 0, 0).len() >= 17, "the connection goes on");
        }
    });
}

/// Asks for ApiVersions in some version and takes an answer in version 0.
fn offered(client: &mut Client, version: i16, error: i16) -> Vec<(i16, i16, i16)> {
    let mut answer = client.call(API_VERSIONS, version, &[]);
    assert_eq!(answer.i16(), error);
    let rows = (0..answer.i32()).map(|_| (answer.i16(), answer.i16(), answer.i16())).collect();
    answer.end();
    rows
}

#[test]
fn odd_names_are_answered_or_end_their_connection() {
    let target = Target::start();
    target.attacked(32, |address| {
        let header = || body().i16(METADATA).i16(4).i32(1);
        let all = body().i32(-1).i8(0);
        let long = "x".repeat(32_767);
        let of_topic = |name: Vec<u8>| body().string("hostile").i32(1).raw(&name).i8(1);
        let raw = |bytes: &[u8]| body().i16(bytes.len() as i16).raw(bytes);
        let cases = [
            ("client id of 32 KiB", header().string(&long).raw(&all), Some(Went::Answered)),
            ("no client id", header().null_string().raw(&all), Some(Went::Answered)),
            ("client id of invalid UTF-8", header().raw(&raw(&[0xff; 40])).raw(&all), None),
            ("client id of length -2", header().i16(-2).raw(&all), Some(Went::Closed)),
            ("client id longer than its frame", header().i16(i16::MAX).raw(&all), Some(Went::Closed)),
            ("topic of 32 KiB", header().raw(&of_topic(raw(long.as_bytes()))), Some(Went::Answered)),
            ("topic of invalid UTF-8", header().raw(&of_topic(raw(&[0xc3, 0x28]))), None),
            ("no topic name", header().raw(&of_topic(body().null_string())), Some(Went::Closed)),
            ("empty topic name", header().raw(&of_topic(raw(b""))), Some(Went::Answered)),
            ("path as topic name", header().raw(&of_topic(raw(b"../../etc/passwd"))), Some(Went::Answered)),
            ("NUL in topic name", header().raw(&of_topic(raw(b"a\0b"))), Some(Went::Answered)),
        ];
        for (what, content, expected) in cases {
            let mut client = Client::connect(address);
            client.send_raw(&body().bytes(&content)).unwrap();
            let went = client.went(SOON);
            println!("{what}: {went:?}");
            assert!(expected.map_or(went != Went::Waits, |expected| went == expected), "{what}: {went:?}");
        }
        assert_eq!(topics(&mut Client::connect(address)), ["calm"], "no topic came of it");
    });
}
