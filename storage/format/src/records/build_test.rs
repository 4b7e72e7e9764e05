//! Batches that are made here are read back by what reads Kafka's.

use bytes::Bytes;
use proptest::prelude::*;
use tidelog_model::{BatchHeader, Codec, HEADER_BYTES, ProducerId, TimestampMs};

use super::*;

type Piece = Option<Vec<u8>>;
/// Timestamp, key, value, headers.
type Content = (i64, Piece, Piece, Vec<(Vec<u8>, Piece)>);

fn build(contents: &[Content]) -> Vec<u8> {
    let mut builder = BatchBuilder::default();
    for (timestamp, key, value, headers) in contents {
        let headers = headers.iter().map(|(name, value)| (&name[..], value.as_deref())).collect::<Vec<_>>();
        let before = builder.bytes().max(HEADER_BYTES);
        builder.push(TimestampMs(*timestamp), key.as_deref(), value.as_deref(), &headers);
        let bytes_max = BatchBuilder::record_bytes_max(key.as_deref(), value.as_deref(), &headers);
        assert!(builder.bytes() - before <= bytes_max);
    }
    let built = builder.finish();
    assert_eq!((builder.bytes(), builder.records()), (0, 0), "it is empty again");
    let timestamps = contents.iter().map(|content| content.0);
    assert_eq!(built.min_timestamp().0, timestamps.clone().min().unwrap());
    assert_eq!(built.max_timestamp().0, timestamps.max().unwrap());
    assert_eq!(built.records() as usize, contents.len());
    assert_eq!(built.has_keyless(), contents.iter().any(|content| content.1.is_none()));
    built.into_bytes()
}

fn read_back(batch: &Bytes) -> Vec<Content> {
    let mut open = OpenBatch::open(batch).unwrap();
    let mut found = Vec::new();
    while let Some(record) = open.peek().unwrap() {
        assert_eq!(record.offset_delta as usize, found.len());
        let owned = |piece: Option<&[u8]>| piece.map(<[u8]>::to_vec);
        let headers = record.headers.map(|(name, value)| (name.to_vec(), owned(value))).collect();
        found.push((record.timestamp.0, owned(record.key), owned(record.value), headers));
        open.pass().unwrap();
    }
    found
}

fn check(contents: &[Content]) {
    let batch = build(contents);
    let checked = check_batch(&batch).unwrap();
    assert_eq!(checked.records as usize, contents.len());
    assert_eq!(checked.max_timestamp.0, contents.iter().map(|content| content.0).max().unwrap());
    assert_eq!(checked.header.max_timestamp, checked.max_timestamp);
    assert_eq!((checked.header.bytes, checked.header.producer_id), (batch.len(), ProducerId(-1)));
    assert_eq!(read_back(&Bytes::from(batch)), contents);
}

#[test]
fn every_part_may_be_there_or_not() {
    let header = |name: &str, value: Option<&str>| (name.as_bytes().to_vec(), value.map(|it| it.as_bytes().to_vec()));
    check(&[
        (1_700_000_000_000, None, None, Vec::new()),
        (1_700_000_000_005, Some(b"k".to_vec()), Some(b"v".to_vec()), vec![header("a", Some("b")), header("a", None)]),
        (1_699_999_999_000, Some(Vec::new()), Some(Vec::new()), vec![header("", Some(""))]),
        (-1, None, Some(vec![0xff; 70_000]), Vec::new()),
    ]);
}

#[test]
fn records_are_read_from_every_codec() {
    let contents: Vec<Content> = (0..100).map(|i| (i, None, Some(vec![i as u8; 100]), Vec::new())).collect();
    let batch = build(&contents);
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let body = compress(codec, &batch[HEADER_BYTES..]);
        let header = BatchHeader::read(&batch).unwrap();
        let (timestamp_type, max_timestamp) = (header.timestamp_type(), header.max_timestamp);
        let stored = tidelog_model::Rewrite { codec, timestamp_type, max_timestamp }.apply(&batch, &body);
        let stored = Bytes::from(stored);
        assert_eq!(read_back(&stored), contents, "{codec:?}");
        assert_eq!(OpenBatch::open(&stored).unwrap().unfolded_bytes() > 0, codec != Codec::None);
    }
}

#[test]
fn a_damaged_record_is_an_error_when_it_is_reached() {
    let mut batch = build(&[(0, None, Some(vec![1; 10]), Vec::new()), (0, None, Some(vec![2; 10]), Vec::new())]);
    let last = batch.len() - 12;
    batch[last] = 0x7f;
    let mut open = OpenBatch::open(&Bytes::from(batch)).unwrap();
    assert!(open.peek().unwrap().is_some());
    open.pass().unwrap();
    assert!(matches!(open.peek(), Err(RecordsError::Batch(_))));
}

fn piece() -> impl Strategy<Value = Piece> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300))
}

proptest! {
    #[test]
    fn what_is_built_is_what_is_read(
        contents in proptest::collection::vec(
            (-1_i64..i64::MAX / 2, piece(), piece(),
             proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..40), piece()), 0..4)),
            1..40,
        )
    ) {
        check(&contents);
    }
}
