//! What is delivered is what was written; what cannot be confirmed is not answered.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidelog_catalog_api::{Catalog, Command, Outcome, RecordsDeletion};
use tidelog_fetch::{Read, ReadError};
use tidelog_format::records::{Encoding, Record, check_batch, for_each_record};
use tidelog_ingest::{AdmitRules, Timestamps};
use tidelog_model::{BatchHeader, Codec, Offset, TimestampMs, TimestampType};

use crate::batches::{ANY_TIME, batch, records};
use crate::harness::{Path, PathOptions, StoreFault, large, partition, value};

#[tokio::test(start_paused = true)]
async fn a_view_that_lags_answers_no_negative_and_no_tail() {
    let path = Path::start(PathOptions::default()).await;
    path.append(1, 0, &batch(None, 0, &[value(1, 0)])).await.unwrap();
    path.catalog.freeze_view();
    path.append(1, 0, &batch(None, 0, &[value(1, 1)])).await.unwrap();
    let read = Read { partition: partition(path.topic, 0), offset: Offset(1), bytes_max: 1000, at_least_one: true };
    // To the frozen view offset 1 is the tail, and 2 would be out of range.
    assert_eq!(records(&path.fetch.read(read).await.unwrap().chunks), [(1, value(1, 1))]);

    path.catalog.freeze_view();
    path.append(1, 0, &batch(None, 0, &[value(1, 2)])).await.unwrap();
    path.append(1, 0, &batch(None, 0, &[value(1, 3)])).await.unwrap();
    let read = Read { offset: Offset(3), ..read };
    assert_eq!(records(&path.fetch.read(read).await.unwrap().chunks), [(3, value(1, 3))]);

    let beyond = path.fetch.read(Read { offset: Offset(5), ..read }).await;
    assert!(matches!(beyond, Err(ReadError::OutOfRange { view }) if view.high_watermark == Offset(4)));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_reads_wrongly_now_and_then_changes_no_result() {
    for fault in [StoreFault::Flip, StoreFault::Short, StoreFault::WrongRange, StoreFault::WrongObject] {
        for seed in 0..4 {
            println!("fault {fault:?} seed {seed}");
            let path = Path::start(PathOptions { seed, remember_written: false, ..PathOptions::default() }).await;
            let mut expected = Vec::new();
            for i in 0..12 {
                let bytes = batch(None, 0, &[large(i), value(2, i as usize)]);
                path.append(1, 0, &bytes).await.unwrap();
                expected.extend([large(i), value(2, i as usize)]);
                // Other objects and partitions, so that a wrong read finds something that looks right.
                path.append(1, 1, &batch(None, 0, &[large(1000 + i), value(3, i as usize)])).await.unwrap();
            }
            path.store.break_reads(fault, 3);
            // Twice wrong in a row is an error; never a wrong record.
            let mut offset = 0;
            let mut refused = 0;
            while offset < expected.len() as u64 {
                let read = Read {
                    partition: partition(path.topic, 0),
                    offset: Offset(offset),
                    bytes_max: 1 << 20,
                    at_least_one: true,
                };
                match path.fetch.read(read).await {
                    Ok(outcome) => {
                        let from = offset;
                        for (at, value) in records(&outcome.chunks).into_iter().filter(|(at, _)| *at >= from) {
                            assert_eq!(at, offset);
                            assert!(value == expected[at as usize], "offset {at} reads wrong (I6)");
                            offset += 1;
                        }
                    }
                    Err(ReadError::Corrupt(_) | ReadError::Unavailable(_)) => refused += 1,
                    Err(other) => panic!("{other}"),
                }
                assert!(refused < 1000, "reading again gets somewhere");
            }
            assert!(path.store.broken_reads() > 0, "the fault happened");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn offsets_by_time() {
    let path = Path::start(PathOptions::default()).await;
    let id = partition(path.topic, 0);
    assert_eq!(path.fetch.offset_for_time(id, TimestampMs(0)).await.unwrap(), None);
    path.append(1, 0, &batch(None, 1000, &[value(1, 0), value(1, 1), value(1, 2)])).await.unwrap();
    path.append(1, 0, &batch(None, 500, &[value(1, 3)])).await.unwrap();
    path.append(1, 0, &batch(None, 2000, &[value(1, 4), value(1, 5)])).await.unwrap();
    let at = |offset, time| Some((Offset(offset), TimestampMs(time)));
    assert_eq!(path.fetch.offset_for_time(id, TimestampMs(0)).await.unwrap(), at(0, 1000));
    assert_eq!(path.fetch.offset_for_time(id, TimestampMs(1001)).await.unwrap(), at(1, 1001));
    assert_eq!(path.fetch.offset_for_time(id, TimestampMs(1003)).await.unwrap(), at(4, 2000));
    assert_eq!(path.fetch.offset_for_time(id, TimestampMs(2002)).await.unwrap(), None);
    assert_eq!(path.fetch.offset_of_max_timestamp(id).await.unwrap(), at(5, 2001));
}

#[tokio::test(start_paused = true)]
async fn records_that_the_node_stamped_have_the_time_of_their_append() {
    let path = Path::start(PathOptions::default()).await;
    let id = partition(path.topic, 0);
    let stamped = AdmitRules { timestamps: Timestamps::LogAppendTime, ..ANY_TIME };
    // The producers' times say the opposite.
    let (late, early) = (batch(None, 9_000_000, &[value(1, 0), value(1, 1)]), batch(None, 1, &[value(1, 2)]));
    for (bytes, now) in [(&late, 5_000), (&early, 6_000)] {
        let appended = path.append_under(&stamped, TimestampMs(now), bytes).await.unwrap();
        assert_eq!(appended.log_append_time, Some(TimestampMs(now)));
    }
    let at = |offset, time| Some((Offset(offset), TimestampMs(time)));
    assert_eq!(path.fetch.offset_for_time(id, TimestampMs(0)).await.unwrap(), at(0, 5_000));
    assert_eq!(path.fetch.offset_for_time(id, TimestampMs(5_001)).await.unwrap(), at(2, 6_000));
    assert_eq!(path.fetch.offset_for_time(id, TimestampMs(6_001)).await.unwrap(), None);
    assert_eq!(path.fetch.offset_of_max_timestamp(id).await.unwrap(), at(2, 6_000));
    let read = Read { partition: id, offset: Offset(0), bytes_max: 1 << 20, at_least_one: true };
    let chunks = path.fetch.read(read).await.unwrap().chunks;
    assert_eq!(records(&chunks), [(0, value(1, 0)), (1, value(1, 1)), (2, value(1, 2))]);
    let first = BatchHeader::read(&chunks.concat()).unwrap();
    assert_eq!((first.timestamp_type(), first.max_timestamp), (TimestampType::LogAppendTime, TimestampMs(5_000)));
}

#[tokio::test(start_paused = true)]
async fn a_topic_s_codec_is_what_readers_get_and_producers_are_still_known() {
    let path = Path::start(PathOptions::default()).await;
    let values = |from: usize| (from..from + 50).map(|i| value(1, i)).collect::<Vec<_>>();
    let (first, second) = (batch(Some((9, 0, 0)), 1_000, &values(0)), batch(Some((9, 0, 50)), 2_000, &values(50)));
    for codec in [Codec::Zstd, Codec::Gzip] {
        let rules = AdmitRules { encoding: Some(Encoding { codec, level: None }), ..ANY_TIME };
        // The second time they are duplicates, in whatever codec.
        for (bytes, base_offset) in [(&first, 0), (&second, 50)] {
            let appended = path.append_under(&rules, TimestampMs(0), bytes).await.unwrap();
            assert_eq!(appended.base_offset, Offset(base_offset), "{codec:?}");
        }
    }
    let id = partition(path.topic, 0);
    let read = Read { partition: id, offset: Offset(0), bytes_max: 1 << 20, at_least_one: true };
    let stored = path.fetch.read(read).await.unwrap().chunks.concat();
    let mut rest = &stored[..];
    let mut seen = Vec::new();
    while !rest.is_empty() {
        let checked = check_batch(rest).unwrap();
        assert_eq!(checked.header.codec(), Ok(Codec::Zstd));
        let see = |record: Record<'_>| {
            seen.push((record.timestamp.0, record.value.unwrap().to_vec()));
            ControlFlow::Continue(())
        };
        for_each_record(rest, see).unwrap();
        rest = &rest[checked.header.bytes..];
    }
    let expected = (0..100).map(|i| (1_000 + 950 * (i / 50) + i, value(1, i as usize))).collect::<Vec<_>>();
    assert_eq!(seen, expected);
    assert_eq!(
        path.fetch.offset_for_time(id, TimestampMs(2_001)).await.unwrap(),
        Some((Offset(51), TimestampMs(2_001)))
    );
}

#[tokio::test(start_paused = true)]
async fn room_for_more_is_given_or_not_and_comes_back_with_the_first() {
    let path = Path::start(PathOptions::default()).await;
    let first = std::sync::Arc::new(path.ingest.reserve(32 << 20).await);
    let more = path.ingest.reserve_more(Some(first), 16 << 20).expect("a quarter is left");
    assert_eq!(path.ingest.in_flight_bytes(), 48 << 20);
    assert!(path.ingest.reserve_more(None, (16 << 20) + 1).is_none(), "at once, not later");
    drop(more);
    assert_eq!(path.ingest.in_flight_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn limits_are_kept_and_the_first_batch_is_delivered_all_the_same() {
    let path = Path::start(PathOptions::default()).await;
    for i in 0..10 {
        path.append(1, 0, &batch(None, 0, &[vec![b'x'; 1000], value(1, i)])).await.unwrap();
    }
    let read = Read { partition: partition(path.topic, 0), offset: Offset(3), bytes_max: 2500, at_least_one: true };
    let outcome = path.fetch.read(read).await.unwrap();
    assert_eq!(records(&outcome.chunks).len(), 4, "two batches, the first holds offset 2 as well");
    assert!(outcome.bytes <= 2500);
    let small = path.fetch.read(Read { bytes_max: 10, ..read }).await.unwrap();
    assert_eq!(records(&small.chunks).len(), 2);
    let none = path.fetch.read(Read { bytes_max: 10, at_least_one: false, ..read }).await.unwrap();
    assert_eq!(none.bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_length_that_cannot_be_is_damage_and_not_a_hang() {
    let path = Path::start(PathOptions { remember_written: false, ..PathOptions::default() }).await;
    path.append(1, 0, &batch(None, 0, &[large(1)])).await.unwrap();
    path.store.break_reads(StoreFault::NegativeLength, 1);
    let read = Read { partition: partition(path.topic, 0), offset: Offset(0), bytes_max: 1000, at_least_one: true };
    assert!(matches!(path.fetch.read(read).await, Err(ReadError::Corrupt(_))));
    let by_time = path.fetch.offset_for_time(partition(path.topic, 0), TimestampMs(0)).await;
    assert!(matches!(by_time, Err(ReadError::Corrupt(_))));
    path.store.heal();
    assert_eq!(records(&path.fetch.read(read).await.unwrap().chunks), [(0, large(1))], "nothing bad stays cached");
}

/// A reader that waited for the store once per object would need five seconds for this, twenty times a second.
#[tokio::test(start_paused = true)]
async fn a_replay_does_not_wait_for_each_object() {
    const OBJECTS: u64 = 100;
    let latency = Duration::from_millis(50);
    let path = Path::start(PathOptions { remember_written: false, store_latency: latency, ..PathOptions::default() });
    let path = path.await;
    for i in 0..OBJECTS {
        path.append(1, 0, &batch(None, 0, &[large(i)])).await.unwrap();
    }
    assert_eq!(path.catalog.object_count() as u64, OBJECTS);
    let began = tokio::time::Instant::now();
    assert_eq!(path.read_all(0).await.len() as u64, OBJECTS);
    let (took, gets) = (began.elapsed(), path.store.gets.load(Ordering::SeqCst));
    println!("{took:?}, {gets} GETs");
    assert!(took < Duration::from_millis(700), "{took:?}");
    assert_eq!(gets, OBJECTS, "one GET per object, whoever asks for it first");
}

/// An object that cannot be read does not take what lies before it with it.
#[tokio::test(start_paused = true)]
async fn what_lies_before_damage_is_delivered() {
    let path = Path::start(PathOptions { remember_written: false, ..PathOptions::default() }).await;
    path.append(1, 0, &batch(None, 0, &[value(1, 0)])).await.unwrap();
    path.append(1, 0, &batch(None, 0, &[large(1)])).await.unwrap();
    path.store.break_reads(StoreFault::Flip, 1);
    let read = Read { partition: partition(path.topic, 0), offset: Offset(0), bytes_max: 1 << 20, at_least_one: true };
    assert_eq!(records(&path.fetch.read(read).await.unwrap().chunks), [(0, value(1, 0))]);
    assert!(matches!(path.fetch.read(Read { offset: Offset(1), ..read }).await, Err(ReadError::Corrupt(_))));
}

#[tokio::test(start_paused = true)]
async fn deleted_records_are_found_neither_by_offset_nor_by_time() {
    let path = Path::start(PathOptions::default()).await;
    let id = partition(path.topic, 0);
    // Of one flush, so one extent: the greatest timestamp is the first record's.
    let (late, early) = (batch(None, 9_000, &[value(1, 0)]), batch(None, 10, &[value(1, 1)]));
    let (first, second) = tokio::join!(path.append(1, 0, &late), path.append(1, 0, &early));
    assert_eq!((first.unwrap().base_offset, second.unwrap().base_offset), (Offset(0), Offset(1)));
    path.append(1, 0, &batch(None, 100, &[value(1, 2)])).await.unwrap();
    let extents = path.catalog.extents(id, Offset(0), usize::MAX).unwrap().extents;
    assert_eq!(extents.iter().map(|extent| extent.base_offset.0).collect::<Vec<_>>(), [0, 2]);
    let at = |offset, time| Some((Offset(offset), TimestampMs(time)));
    assert_eq!(path.fetch.offset_of_max_timestamp(id).await.unwrap(), at(0, 9_000));
    let delete = async |before: Option<u64>| {
        let deletion = RecordsDeletion { partition: id, before: before.map(Offset) };
        let outcome = path.catalog.propose(Command::DeleteRecords { partitions: vec![deletion] }).await.unwrap();
        assert!(matches!(outcome, Outcome::RecordsDeleted(results) if results[0].is_ok()));
    };
    delete(Some(1)).await;
    assert_eq!(path.fetch.offset_of_max_timestamp(id).await.unwrap(), at(2, 100), "in a later extent");
    assert_eq!(path.fetch.offset_for_time(id, TimestampMs(0)).await.unwrap(), at(1, 10));
    assert_eq!(path.fetch.offset_for_time(id, TimestampMs(50)).await.unwrap(), at(2, 100));
    assert_eq!(path.fetch.offset_for_time(id, TimestampMs(200)).await.unwrap(), None);
    let read = Read { partition: id, offset: Offset(1), bytes_max: 1 << 20, at_least_one: true };
    assert_eq!(records(&path.fetch.read(read).await.unwrap().chunks), [(1, value(1, 1)), (2, value(1, 2))]);
    let below = path.fetch.read(Read { offset: Offset(0), ..read }).await;
    assert!(matches!(below, Err(ReadError::OutOfRange { view }) if view.log_start == Offset(1)));
    delete(Some(2)).await;
    assert_eq!(path.fetch.offset_of_max_timestamp(id).await.unwrap(), at(2, 100));
    delete(None).await;
    assert_eq!(path.fetch.offset_of_max_timestamp(id).await.unwrap(), None);
    assert_eq!(path.fetch.offset_for_time(id, TimestampMs(0)).await.unwrap(), None);
    assert_eq!(path.fetch.read(Read { offset: Offset(3), ..read }).await.unwrap().bytes, 0, "the tail");
    assert_eq!(path.append(1, 0, &batch(None, 7, &[value(1, 3)])).await.unwrap().base_offset, Offset(3));
    assert_eq!(path.fetch.offset_of_max_timestamp(id).await.unwrap(), at(3, 7));
    path.catalog.validate();
}

#[tokio::test(start_paused = true)]
async fn a_read_from_inside_an_extent_keeps_no_block_for_one_batch() {
    let path = Path::start(PathOptions { remember_written: false, ..PathOptions::default() }).await;
    let value = |number: u8| vec![number; 16 << 10];
    let appends: Vec<_> = (0..40).map(|number| path.append(1, 0, &batch(None, 0, &[value(number)]))).collect();
    for append in appends {
        append.await.unwrap();
    }
    assert_eq!(path.catalog.object_count(), 1);
    let one = Read { partition: partition(path.topic, 0), offset: Offset(20), bytes_max: 1, at_least_one: true };
    let chunks = path.fetch.read(one).await.unwrap().chunks;
    assert_eq!(records(&chunks), [(20, value(20))]);
    assert!(!chunks.iter().any(|chunk| path.store.is_part_of_an_object(chunk)), "one batch keeps the whole block");

    let most = Read { offset: Offset(1), bytes_max: 1 << 20, ..one };
    let chunks = path.fetch.read(most).await.unwrap().chunks;
    assert_eq!(records(&chunks), (1..40).map(|number| (number, value(number as u8))).collect::<Vec<_>>());
    assert!(chunks.iter().any(|chunk| path.store.is_part_of_an_object(chunk)), "most of a block is not copied");
}
