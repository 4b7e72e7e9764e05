//! Batch headers: good ones, damaged ones, and noise.

use super::*;

/// One uncompressed batch of `values`, as a producer would send it.
fn batch(values: &[&str]) -> Vec<u8> {
    let mut records = Vec::new();
    for (i, value) in values.iter().enumerate() {
        let mut record = vec![0, 0, (i as u8) << 1, 1, (value.len() as u8) << 1];
        record.extend_from_slice(value.as_bytes());
        record.push(0);
        records.push((record.len() as u8) << 1);
        records.extend(record);
    }
    let mut bytes = vec![0; HEADER_BYTES];
    bytes.extend(records);
    let length = (bytes.len() - LENGTH_OVERHEAD_BYTES) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[16] = 2;
    bytes[23..27].copy_from_slice(&(values.len() as i32 - 1).to_be_bytes());
    bytes[43..57].fill(0xff);
    bytes[57..61].copy_from_slice(&(values.len() as i32).to_be_bytes());
    let checksum = checksum(CrcAlgorithm::Crc32Iscsi, &bytes[CRC_FROM..]) as u32;
    bytes[17..21].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn check(bytes: &[u8]) -> Result<u32, BatchError> {
    let header = BatchHeader::read(bytes)?;
    header.check_checksum(bytes)?;
    header.check_counts()
}

#[test]
fn a_good_batch_passes() {
    assert_eq!(check(&batch(&["a", "bc"])), Ok(2));
}

#[test]
fn every_flipped_bit_under_the_checksum_is_seen() {
    let good = batch(&["a", "bc"]);
    for at in CRC_FROM..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(check(&bad).is_err(), "byte {at}");
    }
}

#[test]
fn every_cut_is_seen() {
    let good = batch(&["a", "bc"]);
    for bytes in 0..good.len() {
        assert!(matches!(check(&good[..bytes]), Err(BatchError::CutOff { .. })), "{bytes} bytes");
    }
}

#[test]
fn a_planted_record_count_is_refused() {
    let mut bad = batch(&["a"]);
    bad[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    bad[23..27].copy_from_slice(&(i32::MAX - 1).to_be_bytes());
    let header = BatchHeader::read(&bad).expect("the header is whole");
    assert!(matches!(header.check_counts(), Err(BatchError::Count { .. })));
}

#[test]
fn old_formats_are_named() {
    let mut old = batch(&["a"]);
    old[16] = 1;
    assert_eq!(check(&old), Err(BatchError::Magic(1)));
}

#[test]
fn a_batch_knows_where_it_was_put() {
    let mut stored = batch(&["a"]);
    let place = BatchPlacement { object: ObjectId(7), position: 4096 };
    let prefix = place.prefix(&stored);
    stored[..PREFIX_BYTES].copy_from_slice(&prefix);
    assert!(place.check(&stored).is_ok());
    let elsewhere = BatchPlacement { object: ObjectId(7), position: 8192 };
    assert!(matches!(elsewhere.check(&stored), Err(BatchError::Misplaced { .. })));
    stored[65] ^= 1;
    assert!(matches!(place.check(&stored), Err(BatchError::Checksum { .. })));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = check(&bytes);
    }

    #[test]
    fn no_damage_to_a_good_batch_makes_it_panic(at in 0_usize..80, with: u8) {
        let mut bytes = batch(&["a", "bc", "def"]);
        let at = at % bytes.len();
        bytes[at] = with;
        let _ = check(&bytes);
    }
}

#[test]
fn a_rewrite_changes_what_it_says_and_nothing_else() {
    let mut sent = batch(&["a", "bc"]);
    sent[22] |= 0x10;
    let rewrite =
        Rewrite { codec: Codec::Zstd, timestamp_type: TimestampType::LogAppendTime, max_timestamp: TimestampMs(77) };
    let written = rewrite.apply(&sent, b"other records");
    let (before, after) = (BatchHeader::read(&sent).expect("whole"), BatchHeader::read(&written).expect("whole"));
    assert_eq!(check(&written), Ok(2));
    let expected = BatchHeader {
        bytes: HEADER_BYTES + 13,
        attributes: 0x1c,
        max_timestamp: TimestampMs(77),
        checksum: after.checksum,
        ..before
    };
    assert_eq!(after, expected);
    assert_eq!(&written[HEADER_BYTES..], b"other records");
    let back = Rewrite { codec: Codec::None, timestamp_type: TimestampType::CreateTime, max_timestamp: TimestampMs(0) };
    let sent = back.apply(&sent, &sent[HEADER_BYTES..]);
    assert_eq!(back.apply(&written, &sent[HEADER_BYTES..]), sent);
}
