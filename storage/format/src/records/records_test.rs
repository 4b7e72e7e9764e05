//! Record checks: codecs, bombs, damage, and that streamed and whole checks agree.

use std::ops::ControlFlow;

use crc_fast::{CrcAlgorithm, checksum};
use proptest::prelude::*;
use tidelog_model::limits::BATCH_DECOMPRESSED_BYTES_MAX;
use tidelog_model::{HEADER_BYTES, TimestampMs};

use super::*;

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// What a test puts into a record: timestamp delta, key, value.
type Content = (i64, Option<Vec<u8>>, Option<Vec<u8>>);

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn piece(out: &mut Vec<u8>, piece: Option<&[u8]>) {
    varint(out, piece.map_or(-1, |piece| piece.len() as i64));
    out.extend_from_slice(piece.unwrap_or_default());
}

fn records(contents: &[Content]) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, (timestamp, key, value)) in contents.iter().enumerate() {
        let mut record = vec![0];
        varint(&mut record, *timestamp);
        varint(&mut record, i as i64);
        piece(&mut record, key.as_deref());
        piece(&mut record, value.as_deref());
        varint(&mut record, 1);
        piece(&mut record, Some(b"header"));
        piece(&mut record, None);
        varint(&mut out, record.len() as i64);
        out.extend(record);
    }
    out
}

/// A batch with `body` as it is, and a good checksum.
fn batch_of(codec: Codec, body: &[u8], count: i32) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes.extend_from_slice(body);
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[16] = 2;
    bytes[22] = CODECS.iter().position(|c| *c == codec).unwrap() as u8;
    bytes[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    bytes[27..35].copy_from_slice(&1_000_000_i64.to_be_bytes());
    bytes[43..57].fill(0xff);
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    seal(&mut bytes);
    bytes
}

fn seal(bytes: &mut [u8]) {
    let checksum = checksum(CrcAlgorithm::Crc32Iscsi, &bytes[21..]) as u32;
    bytes[17..21].copy_from_slice(&checksum.to_be_bytes());
}

fn batch(codec: Codec, contents: &[Content]) -> Vec<u8> {
    batch_of(codec, &compress(codec, &records(contents)), contents.len() as i32)
}

fn some(timestamp: i64, value: &[u8]) -> Content {
    (timestamp, None, Some(value.to_vec()))
}

#[test]
fn a_good_batch_of_every_codec_passes() {
    let large = vec![7; 100_000];
    let contents = [some(0, b"a"), (-5, Some(b"k".to_vec()), None), some(99, &large), some(3, b"")];
    for codec in CODECS {
        let bytes = batch(codec, &contents);
        let checked = check_batch(&bytes).unwrap_or_else(|error| panic!("{codec:?}: {error}"));
        assert_eq!((checked.records, checked.header.bytes), (4, bytes.len()), "{codec:?}");
        assert_eq!(checked.max_timestamp, TimestampMs(1_000_099), "{codec:?}");
        let mut with_more_behind = bytes.clone();
        with_more_behind.extend_from_slice(b"the next batch");
        assert_eq!(check_batch(&with_more_behind), Ok(checked), "{codec:?}");
    }
}

#[test]
fn walks_show_what_was_put_in_and_stop_when_told() {
    let contents = [some(10, b"a"), (20, Some(b"k".to_vec()), None), some(30, b"c")];
    for codec in CODECS {
        let bytes = batch(codec, &contents);
        let mut seen = Vec::new();
        for_each_record(&bytes, |record| {
            assert_eq!(record.offset_delta as usize, seen.len());
            let delta = record.timestamp.0 - 1_000_000;
            seen.push((delta, record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec)));
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(seen, contents, "{codec:?}");
        let mut found = None;
        for_each_timestamp(&bytes, |delta, timestamp| {
            if timestamp >= TimestampMs(1_000_020) {
                found = Some((delta, timestamp));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(found, Some((1, TimestampMs(1_000_020))), "{codec:?}");
    }
}

#[test]
fn a_broker_s_timestamp_is_every_record_s() {
    let mut bytes = batch(Codec::None, &[some(10, b"a"), some(20, b"b")]);
    bytes[22] |= 0x08;
    bytes[35..43].copy_from_slice(&5_i64.to_be_bytes());
    seal(&mut bytes);
    assert_eq!(check_batch(&bytes).unwrap().max_timestamp, TimestampMs(5));
}

#[test]
fn raw_snappy_is_read_too() {
    let body = snap::raw::Encoder::new().compress_vec(&records(&[some(0, b"librdkafka")])).unwrap();
    assert_eq!(check_batch(&batch_of(Codec::Snappy, &body, 1)).unwrap().records, 1);
}

#[test]
fn a_count_that_is_not_the_body_s_is_refused() {
    for codec in CODECS {
        let body = compress(codec, &records(&[some(0, b"a"), some(0, b"b")]));
        for count in [1, 3, 2_000_000] {
            let result = check_batch(&batch_of(codec, &body, count));
            assert!(matches!(result, Err(RecordsError::Batch(BatchError::Record { .. }))), "{codec:?}: {result:?}");
        }
        assert!(check_batch(&batch_of(codec, &body, 2)).is_ok());
    }
}

#[test]
fn bodies_that_are_cut_off_or_go_on_are_refused() {
    let contents: Vec<Content> = (0..50_u8).map(|i| some(0, &[i; 40])).collect();
    let plain = records(&contents);
    for codec in CODECS {
        let body = compress(codec, &plain);
        for bytes in 0..body.len() {
            let result = check_batch(&batch_of(codec, &body[..bytes], 50));
            assert!(result.is_err(), "{codec:?} cut to {bytes} of {}", body.len());
        }
        for tail in [&b"\0"[..], b"garbage behind the end", &body] {
            let longer = [&body[..], tail].concat();
            assert!(check_batch(&batch_of(codec, &longer, 50)).is_err(), "{codec:?}");
        }
    }
}

#[test]
fn codecs_agree_with_themselves_and_keep_to_the_bound() {
    let plain: Vec<u8> = (0..300_000_u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
    for codec in CODECS {
        let body = compress(codec, &plain);
        assert!(decompress(codec, &body, plain.len()).unwrap() == plain, "{codec:?}");
        let bytes_max = plain.len() - 1;
        assert_eq!(decompress(codec, &body, bytes_max), Err(RecordsError::TooLarge { bytes_max }), "{codec:?}");
    }
}

#[test]
fn a_bomb_is_refused_by_every_codec() {
    // One record that is as long as it says, of zeros, a byte over what a batch may unfold to.
    let mut plain = Vec::new();
    varint(&mut plain, BATCH_DECOMPRESSED_BYTES_MAX as i64);
    plain.extend_from_slice(&[0, 0, 0, 1]);
    varint(&mut plain, BATCH_DECOMPRESSED_BYTES_MAX as i64 - 9);
    plain.resize(BATCH_DECOMPRESSED_BYTES_MAX + 1, 0);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let body = compress(codec, &plain);
        let result = check_batch(&batch_of(codec, &body, 1));
        let bytes_max = BATCH_DECOMPRESSED_BYTES_MAX;
        assert_eq!(result, Err(RecordsError::TooLarge { bytes_max }), "{codec:?} of {} bytes", body.len());
    }
}

#[test]
fn a_declared_length_takes_no_memory() {
    // Raw snappy that says it unfolds to 2³² − 1 bytes, and a block that says so of itself.
    let lie = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
    let mut framed = compress(Codec::Snappy, b"");
    framed.extend_from_slice(&6_u32.to_be_bytes());
    framed.extend_from_slice(&lie);
    for body in [&lie[..], &framed] {
        assert!(matches!(decompress(Codec::Snappy, body, usize::MAX), Err(RecordsError::Compressed { .. })));
    }
    // A zstd frame that asks for a window of 2 GiB.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    assert!(matches!(decompress(Codec::Zstd, &window, usize::MAX), Err(RecordsError::Compressed { .. })));
}

#[test]
fn what_kafka_s_java_client_could_not_read_is_refused() {
    use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};
    use std::io::Write;
    let plain = records(&[some(0, b"a")]);
    let mut linked = FrameEncoder::with_frame_info(FrameInfo::new().block_mode(BlockMode::Linked), Vec::new());
    linked.write_all(&plain).unwrap();
    let body = linked.finish().unwrap();
    assert!(matches!(check_batch(&batch_of(Codec::Lz4, &body, 1)), Err(RecordsError::Compressed { .. })));
    // A varint of more bytes than its value needs is fine, of more than Kafka's readers take is not.
    let key = plain.windows(2).position(|pair| pair == [0x01, 0x02]).unwrap();
    for (varint, good) in [(&[0x81, 0x00][..], true), (&[0x81, 0x80, 0x80, 0x80, 0x80, 0x00], false)] {
        let mut body = plain.clone();
        body.splice(key..=key, varint.iter().copied());
        body[0] += 2 * (varint.len() as u8 - 1);
        assert_eq!(check_batch(&batch_of(Codec::None, &body, 1)).is_ok(), good, "{varint:?}");
    }
}

#[test]
fn what_is_re_encoded_beyond_the_bound_is_refused() {
    let plain = records(&[some(0, &vec![7; 200_000])]);
    for codec in CODECS {
        let packed = compress(codec, &plain);
        let to = |bytes_max| recompress(codec, &packed, Encoding { codec: Codec::None, level: None }, bytes_max);
        assert_eq!(to(plain.len()).as_ref(), Ok(&plain), "{codec:?}");
        assert_eq!(to(plain.len() - 1), Err(RecordsError::TooLarge { bytes_max: plain.len() - 1 }), "{codec:?}");
        let again = recompress(Codec::None, &plain, Encoding { codec, level: None }, packed.len() - 1);
        assert_eq!(again, Err(RecordsError::TooLarge { bytes_max: packed.len() - 1 }), "{codec:?}");
    }
}

#[test]
fn levels_are_taken() {
    let text = (0..20_000_u32).flat_map(|i| format!("{:x} ", i.wrapping_mul(2_654_435_761) >> 12).into_bytes());
    let plain = records(&[some(0, &text.collect::<Vec<_>>())]);
    let bytes = |codec, level| recompress(Codec::None, &plain, Encoding { codec, level }, usize::MAX).unwrap().len();
    assert!(bytes(Codec::Gzip, Some(9)) < bytes(Codec::Gzip, Some(1)));
    assert!(bytes(Codec::Zstd, Some(9)) < bytes(Codec::Zstd, Some(-50)));
    assert_eq!(bytes(Codec::Zstd, Some(22)), bytes(Codec::Zstd, Some(9)), "the most that is taken");
    assert_eq!(bytes(Codec::Zstd, None), bytes(Codec::Zstd, Some(3)));
    assert_eq!(bytes(Codec::Gzip, Some(-1)), bytes(Codec::Gzip, None));
}

fn contents() -> impl Strategy<Value = Vec<Content>> {
    let piece = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300));
    proptest::collection::vec((-1000_i64..1000, piece(), piece()), 1..40)
}

fn codec() -> impl Strategy<Value = Codec> {
    proptest::sample::select(&CODECS)
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(contents in contents(), codec in codec()) {
        let bytes = batch(codec, &contents);
        prop_assert_eq!(check_batch(&bytes).unwrap().records as usize, contents.len());
        let mut seen = Vec::new();
        for_each_record(&bytes, |r| {
            seen.push((r.timestamp.0 - 1_000_000, r.key.map(<[u8]>::to_vec), r.value.map(<[u8]>::to_vec)));
            ControlFlow::Continue(())
        }).unwrap();
        prop_assert_eq!(seen, contents);
    }

    #[test]
    fn streamed_and_whole_checks_agree(contents in contents(), codec in codec(), at: usize, with: u8) {
        // The same damage to the records, seen through the small window and in memory.
        let mut plain = records(&contents);
        let at = at % plain.len();
        plain[at] = with;
        let count = contents.len() as i32;
        let whole = check_batch(&batch_of(Codec::None, &plain, count)).map(|checked| checked.max_timestamp);
        let streamed = check_batch(&batch_of(codec, &compress(codec, &plain), count)).map(|checked| checked.max_timestamp);
        prop_assert_eq!(whole, streamed);
    }

    #[test]
    fn no_damage_makes_it_panic_or_grow(contents in contents(), codec in codec(), at: usize, with: u8) {
        let mut bytes = batch(codec, &contents);
        let at = HEADER_BYTES + at % (bytes.len() - HEADER_BYTES);
        bytes[at] = with;
        seal(&mut bytes);
        let _ = check_batch(&bytes);
        let _ = for_each_record(&bytes, |_| ControlFlow::Continue(()));
        if let Ok(out) = decompress(codec, &bytes[HEADER_BYTES..], 10_000) {
            prop_assert!(out.len() <= 10_000);
        }
    }

    #[test]
    fn every_codec_becomes_every_other(contents in contents(), from in codec(), to in codec()) {
        let plain = records(&contents);
        let body = recompress(from, &compress(from, &plain), Encoding { codec: to, level: None }, 1 << 20).unwrap();
        prop_assert_eq!(check_batch(&batch_of(to, &body, contents.len() as i32)).unwrap().records as usize, contents.len());
        prop_assert_eq!(decompress(to, &body, 1 << 20).unwrap(), plain);
    }

    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>, codec in codec()) {
        let _ = check_batch(&body);
        let _ = check_batch(&batch_of(codec, &body, 3));
        let _ = decompress(codec, &body, 100_000);
        let _ = recompress(codec, &body, Encoding { codec: Codec::None, level: None }, 100_000);
    }
}
