//! Flush objects: the golden file, round trips, and damage of every kind.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use proptest::prelude::*;
use tidelog_model::limits::GATHER_BYTES_MAX;
use tidelog_model::{BatchPlacement, HEADER_BYTES, PREFIX_BYTES, TopicId};

use super::*;

const OBJECT: ObjectId = ObjectId(0x0102_0304_0506_0708);
const CLUSTER: [u8; 16] = *b"a cluster's id!!";

/// A batch of `count` offsets with any body: the object does not look at records.
fn batch(count: u32, body: &[u8]) -> Bytes {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes.extend_from_slice(body);
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[16] = 2;
    bytes[23..27].copy_from_slice(&(count as i32 - 1).to_be_bytes());
    bytes[43..57].fill(0xff);
    bytes[57..61].copy_from_slice(&(count as i32).to_be_bytes());
    let checksum = checksum(CrcAlgorithm::Crc32Iscsi, &bytes[21..]) as u32;
    bytes[17..21].copy_from_slice(&checksum.to_be_bytes());
    bytes.into()
}

fn partition(topic: u8, index: u32) -> PartitionId {
    PartitionId { topic: TopicId([topic; 16]), index }
}

fn build(groups: &[(PartitionId, Vec<Bytes>)]) -> FlushObject {
    let mut builder = FlushObjectBuilder::new(OBJECT, Incarnation(3), CLUSTER);
    for (partition, batches) in groups {
        builder.add(*partition, batches.iter().cloned());
    }
    builder.finish()
}

fn golden() -> FlushObject {
    build(&[
        (partition(1, 0), vec![batch(1, b"first"), batch(3, b"second")]),
        (partition(1, 9), vec![batch(200, b"third")]),
        (partition(2, 70_000), vec![batch(2, b"")]),
    ])
}

/// Builds, checks what was built, and returns the object's bytes.
fn check(groups: &[(PartitionId, Vec<Bytes>)]) -> Bytes {
    let built = build(groups);
    let bytes = Bytes::from(built.parts.concat());
    assert_eq!(bytes.len(), built.bytes as usize);
    let (trailer, entries) = check_object(&bytes).expect("it was just built");
    assert_eq!((trailer.object, trailer.incarnation, trailer.cluster_id), (OBJECT, Incarnation(3), CLUSTER));
    assert_eq!(entries, built.entries);
    assert_eq!(entries.len(), groups.len());
    for (entry, (partition, batches)) in entries.iter().zip(groups) {
        assert_eq!(entry.partition, *partition);
        let mut at = entry.position as usize;
        for batch in batches {
            let stored = &bytes[at..at + batch.len()];
            let place = BatchPlacement { object: OBJECT, position: at as u32 };
            place.check(stored).expect("it knows its place");
            assert_eq!(stored[PREFIX_BYTES..], batch[PREFIX_BYTES..]);
            assert_eq!(stored[8..12], batch[8..12]);
            at += batch.len();
        }
        assert_eq!(at, (entry.position + entry.bytes) as usize);
    }
    bytes
}

#[test]
fn the_layout_is_the_golden_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/flush_object.v1.bin");
    let bytes = golden().parts.concat();
    let stored = std::fs::read(path).expect("the golden file is committed");
    assert!(bytes == stored, "version 1 of the layout never changes; a new layout gets a new version");
    let (_, entries) = check_object(&stored.into()).expect("what version 1 wrote is read for ever");
    assert_eq!(entries, golden().entries);
}

#[test]
fn a_flipped_bit_anywhere_is_seen() {
    let good = golden().parts.concat();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            // Base offset, length, epoch, magic, checksum and what it covers: no byte of a batch is outside the check.
            assert!(check_object(&bad.into()).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_cut_anywhere_is_seen() {
    let good = Bytes::from(golden().parts.concat());
    for bytes in 0..good.len() {
        assert!(check_object(&good.slice(..bytes)).is_err(), "{bytes} bytes");
        assert!(check_object(&good.slice(good.len() - bytes..)).is_err(), "the last {bytes} bytes");
    }
}

#[test]
fn small_batches_are_gathered_and_large_ones_are_not_copied() {
    let small = vec![1; 1000];
    let large = vec![2; GATHER_BYTES_MAX];
    let (a, b) = (batch(1, &large), batch(1, &large));
    let groups = [
        (partition(1, 0), vec![batch(1, &small), batch(1, &small), a.clone(), batch(1, &small), b.clone()]),
        (partition(2, 0), vec![batch(1, &small)]),
    ];
    check(&groups);
    let built = build(&groups);
    // Small ones and the large one's prefix; its rest; small ones and prefix; rest; small ones, footer and trailer.
    assert_eq!(built.parts.len(), 5);
    assert_eq!(built.parts[1].as_ptr(), a[PREFIX_BYTES..].as_ptr(), "it is the same memory");
    assert_eq!(built.parts[3].as_ptr(), b[PREFIX_BYTES..].as_ptr(), "it is the same memory");
}

#[test]
fn many_small_batches_make_few_parts() {
    let groups: Vec<_> = (0..1000).map(|i| (partition(1, i), vec![batch(1, &[7; 5000])])).collect();
    check(&groups);
    let parts = build(&groups).parts.len();
    assert!(parts <= 12, "{parts} parts for 5 MB");
}

#[test]
fn an_empty_object_is_an_object() {
    assert!(check(&[]).len() > TRAILER_BYTES);
}

#[test]
fn a_planted_count_takes_no_memory() {
    // A footer of version 1 that counts 2⁶³ entries, with good checksums around it.
    let mut footer = vec![1];
    footer.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    let trailer = Trailer {
        object: OBJECT,
        incarnation: Incarnation(1),
        cluster_id: CLUSTER,
        footer_position: 0,
        footer_bytes: footer.len() as u32,
        footer_checksum: checksum(CrcAlgorithm::Crc32Iscsi, &footer) as u32,
    };
    assert!(read_footer(&trailer, &footer.into()).is_err());
}

#[test]
#[should_panic(expected = "a piece is exactly one batch")]
fn two_batches_in_one_piece_are_our_mistake() {
    let two = [batch(1, b"a"), batch(1, b"b")].concat();
    build(&[(partition(1, 0), vec![two.into()])]);
}

#[test]
fn keys_name_incarnation_and_object() {
    let key = object_key(Incarnation(1), ObjectId(0xabc));
    assert_eq!(key, "data/0000000000000001/bc/0000000000000abc");
}

proptest! {
    #[test]
    fn what_is_built_is_read_back(
        groups in proptest::collection::vec(
            (0_u8..4, 0_u32..100_000, proptest::collection::vec((1_u32..1000, 0_usize..90_000), 1..6)),
            0..12,
        )
    ) {
        let groups: Vec<_> = groups
            .into_iter()
            .map(|(topic, index, batches)| {
                let batches = batches.iter().map(|(count, bytes)| batch(*count, &vec![*count as u8; *bytes])).collect();
                (partition(topic, index), batches)
            })
            .collect();
        check(&groups);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, flip in 0_usize..400, with: u8) {
        let _ = check_object(&bytes.clone().into());
        let _ = read_trailer(&bytes);
        let mut damaged = golden().parts.concat();
        let at = flip % damaged.len();
        damaged[at] = with;
        let _ = check_object(&damaged.into());
    }
}
