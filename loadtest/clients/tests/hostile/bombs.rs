//! Small batches that unfold to gigabytes, made by hand: they hold one record that says it is as large as a record can be.

use std::time::Duration;

use crate::Target;
use crate::batch::{Batch, GZIP, LZ4, SNAPPY, ZSTD};
use crate::calls::{create_topic, next_offset, produce};
use crate::wire::{Client, PRODUCE, Put, body};

const INVALID_RECORD: i16 = 87;
/// The default of max.message.bytes.
const BATCH_BYTES: usize = 1 << 20;
/// Unfolding what is allowed, 128 MiB, keeps one core busy for a while; two attackers hold both of a small machine.
const SLOWEST_MAX: Duration = Duration::from_secs(4);

/// The start of a record of almost 2 GiB: length, attributes, timestamp and offset deltas, no key, value length.
fn endless_record() -> Vec<u8> {
    let length = |value: u64| {
        (0..5).map(move |place| ((value * 2) >> (7 * place)) as u8 & 0x7f | if place < 4 { 0x80 } else { 0 })
    };
    let mut start: Vec<u8> = length(0x7fff_ff00).collect();
    start.extend([0, 0, 0, 1]);
    start.extend(length(0x7fff_fe00));
    start
}

/// A frame of one raw block and then blocks of 128 KiB that are a byte each.
fn zstd(bytes_max: usize) -> Vec<u8> {
    const RAW: u32 = 0;
    const RLE: u32 = 1 << 1;
    let header = |kind: u32, bytes: u32| (bytes << 3 | kind).to_le_bytes()[..3].to_vec();
    let start = endless_record();
    // Magic; no content size, no checksum; a window of 128 KiB.
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3];
    out.extend(header(RAW, start.len() as u32));
    out.extend(start);
    while out.len() + 4 <= bytes_max {
        out.extend(header(RLE, 128 << 10));
        out.push(0);
    }
    out
}

/// A frame of independent blocks, each of which repeats a zero up to 64 KiB.
fn lz4(bytes_max: usize) -> Vec<u8> {
    const BLOCK: usize = 64 << 10;
    // A literal zero, a match one byte back whose length goes on in bytes of 255, and five literals, which must end a block.
    let matched = BLOCK - 1 - 5 - 4 - 15;
    let mut block = vec![0x1f, 0, 1, 0];
    block.extend(vec![0xff; matched / 255]);
    block.push((matched % 255) as u8);
    block.extend([0x50, 0, 0, 0, 0, 0]);
    // Magic; version 1, independent blocks, of 64 KiB at most; the check byte of that.
    let mut out = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
    // The record's start and a zero as literals, and the shortest match.
    let start = endless_record();
    let mut first = vec![0xf0, (start.len() + 1 - 15) as u8];
    first.extend(&start);
    first.extend([0, 1, 0]);
    first.extend([0x50, 0, 0, 0, 0, 0]);
    out.extend((first.len() as u32).to_le_bytes());
    out.extend(first);
    while out.len() + 8 + block.len() <= bytes_max {
        out.extend((block.len() as u32).to_le_bytes());
        out.extend(&block);
    }
    out.extend([0; 4]);
    out
}

/// One deflate block with fixed codes: literals, and then copies of 258 zeros in 13 bits each.
fn gzip(bytes_max: usize) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut bits, mut count) = (0_u64, 0);
    let mut put = |out: &mut Vec<u8>, value: u64, width: u32| {
        bits |= value << count;
        count += width;
        while count >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    };
    // Codes go in from their highest bit.
    let reversed = |code: u16, width: u32| u64::from(code.reverse_bits() >> (16 - width));
    put(&mut out, 0b011, 3);
    for byte in endless_record().into_iter().chain([0]) {
        let byte = u16::from(byte);
        let (code, width) = if byte < 144 { (0x30 + byte, 8) } else { (0x190 + byte - 144, 9) };
        put(&mut out, reversed(code, width), width);
    }
    while out.len() + 16 < bytes_max {
        // Length 258 is symbol 285, distance 1 is symbol 0 of five bits.
        put(&mut out, reversed(0xc0 + 285 - 280, 8), 8);
        put(&mut out, 0, 5);
    }
    put(&mut out, 0, 7);
    put(&mut out, 0, 7);
    out.extend([0; 8]);
    out
}

/// A body that says how long it will be, and copies of 64 zeros in three bytes each.
fn snappy(bytes_max: usize, says: u64) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = says;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    let start = endless_record();
    out.push((start.len() as u8) << 2);
    out.extend(&start);
    out.extend([0, 0]);
    while out.len() + 3 <= bytes_max {
        out.extend([63 << 2 | 2, 1, 0]);
    }
    out
}

fn bombs(bytes_max: usize) -> Vec<(&'static str, Vec<u8>)> {
    let body_max = bytes_max - 100;
    let said = ((body_max / 3 - 10) * 64) as u64;
    let batch = |attributes, records| Batch::saying(attributes, 1, records).bytes();
    vec![
        ("zstd", batch(ZSTD, zstd(body_max))),
        ("lz4", batch(LZ4, lz4(body_max))),
        ("gzip", batch(GZIP, gzip(body_max))),
        ("snappy", batch(SNAPPY, snappy(body_max, said))),
        ("snappy that says 4 GiB", batch(SNAPPY, snappy(1_000, u64::from(u32::MAX)))),
        ("snappy that says more than there can be", batch(SNAPPY, snappy(1_000, u64::MAX))),
        ("snappy framed, with a chunk that says 4 GiB", batch(SNAPPY, framed(&snappy(1_000, u64::from(u32::MAX))))),
    ]
}

/// The Java client's framing of snappy.
fn framed(chunk: &[u8]) -> Vec<u8> {
    b"\x82SNAPPY\0".to_vec().i32(1).i32(1).bytes(chunk)
}

#[test]
fn a_bomb_is_refused_and_never_held_in_memory() {
    let target = Target::start();
    // A window of 128 MiB is what a frame may ask for, and the unframed snappy body is unfolded whole, up to 128 MiB.
    target.attacked_within(SLOWEST_MAX, 128 + 32, |address| {
        let mut client = Client::connect(address);
        create_topic(&mut client, "bombed", 1, &[]);
        create_topic(&mut client, "bombed-larger", 1, &[("max.message.bytes", "16777216")]);
        for (topic, bytes_max) in [("bombed", BATCH_BYTES), ("bombed-larger", 16 * BATCH_BYTES)] {
            for (what, bytes) in bombs(bytes_max) {
                let begun = std::time::Instant::now();
                assert!(bytes.len() <= bytes_max);
                let refused = produce(&mut client, topic, 0, &bytes);
                println!("{what}, {} bytes: {refused:?} after {:?}", bytes.len(), begun.elapsed());
                assert_eq!(refused, (INVALID_RECORD, -1), "{what}");
            }
            assert_eq!(next_offset(&mut client, topic, 0), 0);
        }
    });
}

#[test]
fn many_bombs_at_once_share_one_bound_and_leave_others_their_turn() {
    let target = Target::start();
    target.attacked_within(SLOWEST_MAX, 128 + 128, |address| {
        create_topic(&mut Client::connect(address), "bombed", 30, &[]);
        let bombs = bombs(BATCH_BYTES);
        std::thread::scope(|scope| {
            for (what, bytes) in &bombs[..4] {
                scope.spawn(move || {
                    // All partitions in one request.
                    let mut request = body().null_string().i16(-1).i32(30_000).i32(1).string("bombed").i32(30);
                    for partition in 0..30 {
                        request = request.i32(partition).bytes(bytes);
                    }
                    let begun = std::time::Instant::now();
                    let mut client = Client::connect(address);
                    let mut answer = client.call(PRODUCE, 7, &request);
                    assert_eq!((answer.i32(), answer.string().as_deref(), answer.i32()), (1, Some("bombed"), 30));
                    for partition in 0..30 {
                        assert_eq!(
                            (answer.i32(), answer.i16(), answer.i64()),
                            (partition, INVALID_RECORD, -1),
                            "{what}"
                        );
                        answer.i64();
                        answer.i64();
                    }
                    println!("30 of {what} after {:?}", begun.elapsed());
                });
            }
        });
    });
}
