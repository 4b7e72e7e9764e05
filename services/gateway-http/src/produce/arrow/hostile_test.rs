//! Streams that are not what they should be, as bytes: nothing but an error comes of them.

use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, make_view};
use arrow_array::{ArrayRef, BinaryArray, BinaryViewArray, Int32Array, RecordBatch, StringArray};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use bytes::Bytes;

use super::decode;
use super::messages::{BODY_BYTES_MAX, Kind, Messages, Taken};
use super::read_arrow;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

/// Two batches of all that a plain writer sends.
fn plain() -> Vec<u8> {
    let values = BinaryArray::from_opt_vec(vec![Some(b"one"), None, Some(b"")]);
    let keys = StringArray::from(vec![Some("a"), Some("bb"), None]);
    let one = batch(vec![
        ("key", Arc::new(keys)),
        ("value", Arc::new(values)),
        ("partition", Arc::new(Int32Array::from(vec![Some(0), None, Some(2)]))),
    ]);
    stream(&[one.clone(), one.slice(1, 2)])
}

fn check_refused(body: &[u8], wanted: &str) {
    let problem = read_arrow(body).unwrap_err();
    assert!(problem.contains(wanted), "{problem}");
}

#[test]
fn a_stream_is_the_same_in_whatever_pieces_it_comes() {
    let body = plain();
    for piece_bytes in [1, 3, 8, 100, body.len()] {
        let (mut messages, mut columns, mut found) = (Messages::new(), None, Vec::new());
        for piece in body.chunks(piece_bytes) {
            let mut bytes = Bytes::copy_from_slice(piece);
            loop {
                match messages.take(&mut bytes).unwrap() {
                    Taken::All => break,
                    Taken::Begins { .. } => {}
                    Taken::Message(message) if message.kind == Kind::Schema => {
                        columns = Some(decode::columns(&message).unwrap());
                    }
                    Taken::Message(message) => {
                        let rows = decode::rows(columns.as_ref().unwrap(), &message).unwrap();
                        for row in 0..rows.count {
                            let record = rows.record(row).unwrap();
                            let piece = |piece: Option<std::borrow::Cow<'_, [u8]>>| piece.map(|it| it.to_vec());
                            found.push((piece(record.key), piece(record.value), record.partition));
                        }
                    }
                }
            }
        }
        messages.end().unwrap();
        let text = |text: &str| Some(text.as_bytes().to_vec());
        let rows = [(text("a"), text("one"), Some(0)), (text("bb"), None, None), (None, text(""), Some(2))];
        assert_eq!(found, [&rows[..], &rows[1..]].concat());
    }
}

#[test]
fn a_torn_stream_is_told_wherever_it_is_torn() {
    let body = plain();
    let whole = read_arrow(&body).unwrap();
    assert_eq!(whole, 5);
    // Between messages it cannot be told from a stream whose writer left the end mark out.
    let mut read = (0..body.len()).filter_map(|length| read_arrow(&body[..length]).ok()).collect::<Vec<_>>();
    read.sort_unstable();
    assert_eq!(read, [0, 3, 5]);
    check_refused(&[], "empty");
    check_refused(&body[..body.len() - 20], "ends inside message 3");
    check_refused(&[&body[..], &body[..]].concat(), "bytes follow the end");
}

#[test]
fn damage_is_refused_or_harmless() {
    let body = plain();
    for at in 0..body.len() {
        for damage in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut damaged = body.clone();
            damaged[at] = damage;
            if let Ok(records) = read_arrow(&damaged) {
                assert!(records <= 1_000_000);
            }
        }
    }
}

#[test]
fn lengths_are_looked_at_before_memory_is_taken() {
    let body = plain();
    let mut long = body.clone();
    long[4..8].copy_from_slice(&i32::MAX.to_le_bytes());
    check_refused(&long, "has 2147483647 bytes");
    long[4..8].copy_from_slice(&(-8_i32).to_le_bytes());
    check_refused(&long, "has -8 bytes");
    let large = vec![vec![7; 1 << 20]; BODY_BYTES_MAX >> 20];
    let large = BinaryArray::from_iter_values(large);
    check_refused(&stream(&[batch(vec![("value", Arc::new(large))])]), "write smaller record batches");
    check_refused(b"ARROW1\0\0\xff\xff\xff\xff", "file format");
    check_refused(b"{\"value\":1}", "does not begin");
    check_refused(b"\xff\xff\xff\xff\0\0\0\0", "empty");
}

/// A little of it stands for a lot.
#[test]
fn rows_that_share_their_bytes_are_added_up() {
    let bytes = Buffer::from(vec![7_u8; 1 << 20]);
    let view = make_view(&bytes, 0, 0);
    let views = |count: usize| {
        let array = BinaryViewArray::new(ScalarBuffer::from(vec![view; count]), vec![bytes.clone()], None);
        stream(&[batch(vec![("value", Arc::new(array))])])
    };
    assert_eq!(read_arrow(&views(8)), Ok(8));
    check_refused(&views(9), "share bytes");
    let mut short = BinaryViewBuilder::new();
    (0..100).for_each(|_| short.append_value("short"));
    assert_eq!(read_arrow(&stream(&[batch(vec![("value", Arc::new(short.finish()))])])), Ok(100));
}

#[test]
fn columns_that_are_not_taken_are_named() {
    let value = || -> ArrayRef { Arc::new(StringArray::from(vec!["v"])) };
    let number = || -> ArrayRef { Arc::new(Int32Array::from(vec![1])) };
    let check = |columns: Vec<(&str, ArrayRef)>, wanted: &str| check_refused(&stream(&[batch(columns)]), wanted);
    check(vec![("vale", value())], "column vale is unknown; key, value, timestamp, headers and partition work");
    check(vec![("value", value()), ("offset", number())], "leave it out");
    check(vec![("value", number())], "column value is Int32; binary or string works");
    check(vec![("value", value()), ("timestamp", number())], "column timestamp is Int32; timestamp, or int64");
    check(vec![("value", value()), ("headers", value())], "column headers is Utf8; list<struct");
    check(vec![("value", value()), ("value", value())], "there twice");
    check(vec![("partition", number())], "no column value and no column key");
    check(vec![("x".repeat(100_000).as_str(), value())], "is unknown");
    let long = read_arrow(&stream(&[batch(vec![("é".repeat(100_000).as_str(), value())])])).unwrap_err();
    assert!(long.len() < 1_000, "what is told back is bounded");
}

#[test]
fn what_is_sent_by_writers_of_other_options_is_taken() {
    let values: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"one", b"two"]));
    let one = batch(vec![("value", values)]);
    for (alignment, version) in [(8, arrow_ipc::MetadataVersion::V4), (64, arrow_ipc::MetadataVersion::V5)] {
        let options = IpcWriteOptions::try_new(alignment, false, version).unwrap();
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &one.schema(), options).unwrap();
        writer.write(&one).unwrap();
        assert_eq!(read_arrow(&writer.into_inner().unwrap()), Ok(2));
    }
}
