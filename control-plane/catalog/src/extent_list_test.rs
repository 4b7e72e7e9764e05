//! Extent lists against a plain vector.

use super::*;
use tidelog_model::{LogIndex, ObjectId};

fn extent(base: u64, location: Location) -> Extent {
    Extent { base_offset: Offset(base), records: 1, max_timestamp: TimestampMs(base as i64 % 7), location }
}

fn inline(index: u64) -> Location {
    Location::Inline { index: LogIndex(index), position: 0, bytes: 10 }
}

fn in_object(position: u32) -> Location {
    let range = ObjectRange { object: ObjectId(1), position, bytes: 10 };
    Location::Object { range, copies: 1, encoding: 0 }
}

/// `count` extents of one record that cannot be joined.
fn list(count: u64) -> ExtentList {
    let mut list = ExtentList::default();
    (0..count).for_each(|base| assert!(!list.push(extent(base, inline(base)))));
    list
}

#[test]
fn every_offset_is_found_over_many_chunks() {
    let list = list(1_000);
    for base in 0..1_000 {
        assert_eq!(list.at(Offset(base)).unwrap().base_offset, Offset(base));
        assert_eq!(list.iter_from(Offset(base)).count() as u64, 1_000 - base);
    }
    assert_eq!(list.iter_from(Offset(1_000)).count(), 0);
    assert_eq!(list.by_time(TimestampMs(6), Offset(0)).unwrap().base_offset, Offset(6));
    assert_eq!(list.by_time(TimestampMs(6), Offset(500)).unwrap().base_offset, Offset(503));
    assert_eq!(list.by_time(TimestampMs(7), Offset(0)), None);
    assert_eq!(list.max_timestamp(Offset(0)), Some(TimestampMs(6)));
    assert_eq!(list.max_timestamp(Offset(997)), Some(TimestampMs(5)));
    assert_eq!(list.max_timestamp(Offset(1_000)), None);
}

#[test]
fn the_oldest_go_within_a_chunk_and_at_its_edge() {
    for before in [0, 1, 127, 128, 129, 500, 999, 1_000] {
        let mut list = list(1_000);
        let dropped = list.drop_before(Offset(before));
        assert!(dropped.iter().map(|extent| extent.base_offset.0).eq(0..before), "before {before}");
        assert!(list.iter().map(|extent| extent.base_offset.0).eq(before..1_000), "before {before}");
        assert_eq!(list.violation(), None, "before {before}");
        assert!(!list.push(extent(1_000, inline(1_000))));
        assert_eq!(list.iter_from(Offset(1_000)).count(), 1, "before {before}");
    }
}

#[test]
fn moved_neighbours_become_one_in_whatever_order_they_move() {
    for step in [1_u64, 7, 333, 999] {
        let mut list = list(1_000);
        let mut joined = 0;
        for i in 0..1_000_u64 {
            let base = i * step % 1_000;
            joined += list.relocate(Offset(base), in_object(base as u32 * 10));
            assert_eq!(list.violation(), None, "after moving {base}");
        }
        assert_eq!((joined, list.iter().count(), list.chunks.len()), (999, 1, 1));
        assert_eq!(list.last().unwrap().bytes(), 10_000);
    }
}

#[test]
fn chunks_do_not_show_in_the_encoding() {
    let mut thinned = list(1_000);
    for base in (0..1_000).filter(|base| base % 10 != 0) {
        thinned.relocate(Offset(base), in_object(base as u32 * 10));
    }
    let bytes = |list: &ExtentList| {
        let mut out = Writer::new();
        out.put(list);
        out.finish()
    };
    let restored: ExtentList = Reader::new("extents", bytes(&thinned)).get().unwrap();
    assert_ne!(restored.chunks.len(), thinned.chunks.len());
    assert_eq!(bytes(&restored), bytes(&thinned));
    assert_eq!(restored.violation(), None);
}
