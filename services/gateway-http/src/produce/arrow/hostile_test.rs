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

/// Does something, and tells what panicked in this thread meanwhile, also when it was caught.
fn panics_of(act: impl FnOnce()) -> Vec<String> {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (before, thread) = (std::panic::take_hook(), std::thread::current().id());
    let told = seen.clone();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == thread {
            told.lock().unwrap().push(panic.to_string());
        } else {
            before(panic);
        }
    }));
    act();
    drop(std::panic::take_hook());
    std::mem::take(&mut *seen.lock().unwrap())
}

/// All kinds of columns that are taken.
fn of_all_kinds() -> Vec<RecordBatch> {
    use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder};
    use arrow_schema::{DataType, Field, Fields};
    let texts = || ["a", "bb", "longer than what a view keeps in itself"].map(Some);
    let bytes = || texts().map(|text| text.map(str::as_bytes)).to_vec();
    let keys: [ArrayRef; 4] = [
        Arc::new(StringArray::from(texts().to_vec())),
        Arc::new(arrow_array::LargeStringArray::from(texts().to_vec())),
        Arc::new(arrow_array::StringViewArray::from(texts().to_vec())),
        Arc::new(arrow_array::FixedSizeBinaryArray::try_from_iter([[1_u8; 3]; 3].into_iter()).unwrap()),
    ];
    let values: [ArrayRef; 4] = [
        Arc::new(BinaryArray::from_opt_vec(bytes())),
        Arc::new(arrow_array::LargeBinaryArray::from_opt_vec(bytes())),
        Arc::new(BinaryViewArray::from(bytes())),
        Arc::new(BinaryArray::from_opt_vec(vec![None; 3])),
    ];
    let times: [ArrayRef; 4] = [
        Arc::new(arrow_array::Int64Array::from(vec![Some(1), None, Some(3)])),
        Arc::new(arrow_array::TimestampNanosecondArray::from(vec![1, 2, 3])),
        Arc::new(arrow_array::TimestampSecondArray::from(vec![1, 2, 3])),
        Arc::new(arrow_array::NullArray::new(3)),
    ];
    let partitions: [ArrayRef; 4] = [
        Arc::new(arrow_array::Int8Array::from(vec![0; 3])),
        Arc::new(arrow_array::UInt16Array::from(vec![Some(0), None, None])),
        Arc::new(Int32Array::from(vec![0; 3])),
        Arc::new(arrow_array::UInt64Array::from(vec![0; 3])),
    ];
    let fields =
        Fields::from(vec![Field::new("name", DataType::Utf8, true), Field::new("value", DataType::Utf8, true)]);
    let mut headers = ListBuilder::new(StructBuilder::from_fields(fields, 3));
    for count in [2, 0, 1] {
        for _ in 0..count {
            headers.values().field_builder::<StringBuilder>(0).unwrap().append_value("name");
            headers.values().field_builder::<StringBuilder>(1).unwrap().append_null();
            headers.values().append(true);
        }
        headers.append(count > 0);
    }
    let headers: ArrayRef = Arc::new(headers.finish());
    let all = keys.into_iter().zip(values).zip(times.into_iter().zip(partitions));
    let of = |((key, value), (time, partition))| {
        batch(vec![
            ("key", key),
            ("value", value),
            ("timestamp", time),
            ("partition", partition),
            ("headers", headers.clone()),
        ])
    };
    all.map(of).collect()
}

/// Where the places of the buffers are told of the first record batch in a stream, and how many there are.
fn places_in(body: &[u8]) -> (usize, usize) {
    let schema_bytes = u32::from_le_bytes(body[4..8].try_into().unwrap()) as usize;
    let begin = 8 + schema_bytes;
    let bytes = u32::from_le_bytes(body[begin + 4..begin + 8].try_into().unwrap()) as usize;
    let metadata = &body[begin + 8..begin + 8 + bytes];
    let batch = arrow_ipc::root_as_message(metadata).unwrap().header_as_record_batch().unwrap();
    let buffers = batch.buffers().unwrap();
    (buffers.bytes().as_ptr() as usize - body.as_ptr() as usize, buffers.len())
}

/// At places and of lengths that no writer would choose: they are refused or harmless, and nothing panics.
#[test]
fn buffers_of_odd_lengths_are_refused() {
    let mut refused = 0;
    for batch in of_all_kinds() {
        let body = stream(&[batch]);
        assert_eq!(read_arrow(&body), Ok(3));
        let (at, count) = places_in(&body);
        let number = |at: usize| i64::from_le_bytes(body[at..at + 8].try_into().unwrap());
        for buffer in (0..count).map(|buffer| at + 16 * buffer) {
            let (offset, length) = (number(buffer), number(buffer + 8));
            let changed = |offset: i64, length: i64| {
                let mut changed = body.clone();
                changed[buffer..buffer + 8].copy_from_slice(&offset.to_le_bytes());
                changed[buffer + 8..buffer + 16].copy_from_slice(&length.to_le_bytes());
                changed
            };
            for odd in 1..8 {
                let mut told = Vec::new();
                let all = [(offset + odd, length), (offset, length + odd), (offset, length - odd), (offset, odd)];
                let panics =
                    panics_of(|| told.extend(all.map(|(offset, length)| read_arrow(&changed(offset, length)))));
                assert_eq!(panics, Vec::<String>::new(), "{odd} at {buffer}");
                let problems = told.into_iter().filter_map(Result::err);
                refused += problems.filter(|problem| problem.contains("says where rows are")).count();
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn damage_is_refused_or_harmless() {
    let body = plain();
    let panics = panics_of(|| {
        for at in 0..body.len() {
            for damage in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut damaged = body.clone();
                damaged[at] = damage;
                if let Ok(records) = read_arrow(&damaged) {
                    assert!(records <= 1_000_000);
                }
            }
        }
    });
    assert_eq!(panics, Vec::<String>::new());
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
