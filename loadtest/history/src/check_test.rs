//! Every violation is caught: one small history each, built from a good one by breaking one thing.

use std::collections::BTreeMap;

use crate::{Bounds, Event, HistoryError, Invariant, Outcome, Payload, Place, Seen, Share, Slot, What, check};

fn place(partition: u32) -> Place {
    Place { tenant: "default".to_owned(), topic: "t".to_owned(), partition }
}

fn payload(record: u64) -> Payload {
    Payload { place: place(0), record, process: 1, sequence: record }
}

fn seen(offset: u64, record: u64) -> Seen {
    Seen::read(offset, &payload(record).encode(64))
}

/// A history in the making; each call takes one microsecond and is an operation of its own unless it names one.
#[derive(Default)]
struct Story {
    events: Vec<Event>,
}

impl Story {
    fn push(&mut self, process: u32, operation: u64, what: What) -> &mut Self {
        let at_us = self.events.len() as u64 + 1;
        self.events.push(Event { at_us, process, operation, what });
        self
    }

    /// Process 1 sends `record`, as operation `record`.
    fn send(&mut self, record: u64) -> &mut Self {
        self.send_as(record, record, false, None)
    }

    fn send_as(&mut self, operation: u64, record: u64, idempotent: bool, slot: Option<Slot>) -> &mut Self {
        let Payload { place, process, sequence, .. } = payload(record);
        let checksum = seen(0, record).checksum;
        let (node, protocol) = ("n".to_owned(), "kafka".to_owned());
        self.push(
            process,
            operation,
            What::AppendInvoked { place, record, sequence, idempotent, ordered: true, slot, checksum, node, protocol },
        )
    }

    fn ends(&mut self, operation: u64, outcome: Outcome) -> &mut Self {
        self.push(1, operation, What::AppendCompleted { outcome })
    }

    /// Sent and acknowledged.
    fn ok(&mut self, record: u64, offset: u64) -> &mut Self {
        self.send(record).ends(record, Outcome::Ok(offset))
    }

    fn read_at(&mut self, partition: u32, from: u64, next: u64, records: Vec<Seen>, last: bool) -> &mut Self {
        self.read_by(2, partition, from, next, records, last)
    }

    fn read_by(
        &mut self,
        process: u32,
        partition: u32,
        from: u64,
        next: u64,
        records: Vec<Seen>,
        last: bool,
    ) -> &mut Self {
        let operation = 1_000_000 + self.events.len() as u64;
        let (node, protocol) = ("n".to_owned(), "kafka".to_owned());
        self.push(process, operation, What::ReadInvoked { place: place(partition), from, node, protocol });
        self.push(process, operation, What::ReadCompleted { next, records, bounds: None, last })
    }

    fn read(&mut self, from: u64, next: u64, records: Vec<Seen>) -> &mut Self {
        self.read_at(0, from, next, records, false)
    }

    fn last(&mut self, records: Vec<Seen>) -> &mut Self {
        let next = records.last().map_or(0, |one| one.offset + 1);
        self.read_at(0, 0, next, records, true)
    }

    fn bounds(&mut self, low: u64, high: u64) -> &mut Self {
        let operation = 2_000_000 + self.events.len() as u64;
        self.bounds_begin(operation).bounds_end(operation, low, high)
    }

    fn bounds_begin(&mut self, operation: u64) -> &mut Self {
        let (node, protocol) = ("n".to_owned(), "kafka".to_owned());
        self.push(3, operation, What::ReadInvoked { place: place(0), from: 0, node, protocol })
    }

    fn bounds_end(&mut self, operation: u64, low: u64, high: u64) -> &mut Self {
        let bounds = Some(Bounds { low, high });
        self.push(3, operation, What::ReadCompleted { next: 0, records: Vec::new(), bounds, last: false })
    }

    /// The invariants found broken, each once, in order.
    fn check(&self) -> Vec<Invariant> {
        let report = check(self.events.clone()).unwrap();
        assert_eq!(report.is_good(), report.violations.is_empty());
        let mut broken: Vec<Invariant> = report.violations.iter().map(|violation| violation.invariant).collect();
        broken.sort();
        broken.dedup();
        broken
    }
}

fn story() -> Story {
    Story::default()
}

#[test]
fn a_good_history_is_good() {
    let mut good = story();
    good.ok(1, 0).bounds(0, 1).send(2).send(3).ends(3, Outcome::Ok(2)).ends(2, Outcome::Unknown);
    good.read(0, 3, vec![seen(0, 1), seen(1, 2), seen(2, 3)]).bounds(0, 3);
    good.send(4).ends(4, Outcome::Fail).send(5);
    good.last(vec![seen(0, 1), seen(1, 2), seen(2, 3)]);
    assert_eq!(good.check(), []);
    let report = check(good.events).unwrap();
    assert_eq!((report.acknowledged, report.unknown, report.failed, report.lost), (2, 2, 1, 0));
    assert_eq!(report.read, 6);
    assert_eq!(report.protocols, BTreeMap::from([("kafka".to_owned(), Share { acknowledged: 2, read: 6 })]));
}

#[test]
fn a_lost_acknowledgement_is_caught() {
    // Cut off at the end, missing in the middle, and replaced.
    assert_eq!(story().ok(1, 0).ok(2, 1).last(vec![seen(0, 1)]).check(), [Invariant::I1AcknowledgedStays]);
    let mut middle = story();
    middle.ok(1, 0).ok(2, 1).ok(3, 2).last(vec![seen(0, 1), seen(2, 3)]);
    assert_eq!(middle.check(), [Invariant::I1AcknowledgedStays, Invariant::I2NothingBelowIsMissing]);
    assert_eq!(check(middle.events).unwrap().lost, 1);
    let mut replaced = story();
    replaced.ok(1, 0).send(2).last(vec![seen(0, 2)]);
    assert_eq!(replaced.check(), [Invariant::I1AcknowledgedStays, Invariant::I3OneToOne]);
}

#[test]
fn every_full_read_must_find_every_acknowledged_record() {
    let both = || vec![seen(0, 1), seen(1, 2)];
    let mut one_is_short = story();
    one_is_short.ok(1, 0).ok(2, 1).last(both()).read_by(4, 0, 0, 1, vec![seen(0, 1)], true);
    assert_eq!(one_is_short.check(), [Invariant::I1AcknowledgedStays]);
    assert_eq!(check(one_is_short.events).unwrap().lost, 1);
    // In parts, it is one read all the same.
    let mut parts = story();
    parts.ok(1, 0).ok(2, 1).last(both());
    parts.read_by(4, 0, 0, 1, vec![seen(0, 1)], true).read_by(4, 0, 1, 2, vec![seen(1, 2)], true);
    assert_eq!(parts.check(), []);
}

#[test]
fn what_a_follower_skips_or_repeats_is_caught() {
    let all = || vec![seen(0, 1), seen(1, 2), seen(2, 3)];
    let follow = |rest: Vec<Seen>| {
        let next = rest.last().unwrap().offset + 1;
        let mut story = story();
        story.ok(1, 0).ok(2, 1).ok(3, 2).last(all());
        story.read_by(5, 0, 0, 1, vec![seen(0, 1)], false).read_by(5, 0, 1, next, rest, false).check()
    };
    assert_eq!(follow(vec![seen(1, 2), seen(2, 3)]), []);
    assert_eq!(follow(vec![seen(2, 3)]), [Invariant::I2NothingBelowIsMissing]);
    assert_eq!(follow(all()), [Invariant::I4Dense]);
}

#[test]
fn a_gap_below_a_seen_offset_is_caught() {
    let mut gap = story();
    gap.ok(1, 0).ok(2, 1).ok(3, 2).read(0, 3, vec![seen(0, 1), seen(2, 3)]);
    gap.last(vec![seen(0, 1), seen(1, 2), seen(2, 3)]);
    assert_eq!(gap.check(), [Invariant::I2NothingBelowIsMissing]);
}

#[test]
fn an_offset_that_is_nobodys_is_caught() {
    assert_eq!(story().ok(1, 0).ok(2, 2).last(vec![seen(0, 1), seen(2, 2)]).check(), [Invariant::I4Dense]);
    // A read that returns what lies outside it, or not upwards.
    assert_eq!(story().ok(1, 0).read(1, 1, vec![seen(0, 1)]).last(vec![seen(0, 1)]).check(), [Invariant::I4Dense]);
    let mut down = story();
    down.ok(1, 0).ok(2, 1).read(0, 2, vec![seen(1, 2), seen(0, 1)]).last(vec![seen(0, 1), seen(1, 2)]);
    assert!(down.check().contains(&Invariant::I4Dense));
}

#[test]
fn two_records_at_one_offset_are_caught() {
    assert!(story().ok(1, 0).ok(2, 0).last(vec![seen(0, 1)]).check().contains(&Invariant::I3OneToOne));
    let mut changed = story();
    changed.send(1).send(2).read(0, 1, vec![seen(0, 1)]).read(0, 1, vec![seen(0, 2)]);
    assert_eq!(changed.check(), [Invariant::I3OneToOne]);
}

#[test]
fn one_record_at_two_offsets_is_caught() {
    assert_eq!(story().ok(1, 0).last(vec![seen(0, 1), seen(1, 1)]).check(), [Invariant::I3OneToOne]);
    assert!(story().ok(1, 1).ok(2, 0).last(vec![seen(0, 1), seen(1, 2)]).check().contains(&Invariant::I3OneToOne));
}

#[test]
fn a_duplicate_of_an_idempotent_record_is_caught() {
    let mut read_twice = story();
    read_twice.send_as(1, 1, true, None).ends(1, Outcome::Ok(0)).last(vec![seen(0, 1), seen(1, 1)]);
    assert_eq!(read_twice.check(), [Invariant::I8Once]);
    // The same batch sent again is told another offset.
    let slot = Some(Slot { producer: 7, epoch: 0, sequence: 0 });
    let mut told_twice = story();
    told_twice.send_as(1, 1, true, slot).send_as(2, 1, true, slot).ends(1, Outcome::Ok(0)).ends(2, Outcome::Ok(1));
    told_twice.last(vec![seen(0, 1)]);
    assert_eq!(told_twice.check(), [Invariant::I8Once]);
    // Another record lands in the same slot.
    let mut slot_twice = story();
    slot_twice.send_as(1, 1, true, slot).ends(1, Outcome::Ok(0)).send_as(2, 2, true, slot).ends(2, Outcome::Ok(1));
    slot_twice.last(vec![seen(0, 1), seen(1, 2)]);
    assert_eq!(slot_twice.check(), [Invariant::I8Once]);
}

#[test]
fn a_duplicate_that_gets_the_original_offset_is_good() {
    let slot = Some(Slot { producer: 7, epoch: 0, sequence: 0 });
    let mut again = story();
    again.send_as(1, 1, true, slot).ends(1, Outcome::Ok(0)).ok(2, 1);
    again.send_as(3, 1, true, slot).ends(3, Outcome::Ok(0)).last(vec![seen(0, 1), seen(1, 2)]);
    assert_eq!(again.check(), []);
}

#[test]
fn a_reorder_in_real_time_is_caught() {
    let mut reordered = story();
    reordered.ok(2, 1).ok(1, 0).last(vec![seen(0, 1), seen(1, 2)]);
    assert_eq!(reordered.check(), [Invariant::I5Order]);
    // Concurrent appends may land either way.
    let mut concurrent = story();
    concurrent.send(2).send(1).ends(1, Outcome::Ok(0)).ends(2, Outcome::Ok(1)).last(vec![seen(0, 1), seen(1, 2)]);
    assert_eq!(concurrent.check(), []);
}

#[test]
fn a_producers_order_is_checked_without_the_help_of_time() {
    // Both in flight at once: only the producer's own order is broken.
    let mut swapped = story();
    swapped.send(1).send(2).ends(1, Outcome::Ok(1)).ends(2, Outcome::Ok(0)).last(vec![seen(0, 2), seen(1, 1)]);
    assert_eq!(swapped.check(), [Invariant::I5Order]);
    // An idempotent record of unknown outcome must still not land behind its successor; a plain one may.
    for (idempotent, broken) in [(true, vec![Invariant::I5Order]), (false, vec![])] {
        let mut late = story();
        late.send_as(1, 1, idempotent, None).send_as(2, 2, idempotent, None).ends(2, Outcome::Ok(0));
        late.last(vec![seen(0, 2), seen(1, 1)]);
        assert_eq!(late.check(), broken);
    }
}

#[test]
fn a_client_that_does_not_keep_its_order_is_not_held_to_it() {
    let mut swapped = story();
    swapped.send(1).send(2).ends(1, Outcome::Ok(1)).ends(2, Outcome::Ok(0)).last(vec![seen(0, 2), seen(1, 1)]);
    for event in &mut swapped.events {
        if let What::AppendInvoked { ordered, .. } = &mut event.what {
            *ordered = false;
        }
    }
    assert_eq!(swapped.check(), []);
}

#[test]
fn a_foreign_or_altered_record_is_caught() {
    let good = || seen(0, 1);
    let damaged = Seen { payload: None, ..good() };
    assert!(story().ok(1, 0).read(0, 1, vec![damaged]).last(vec![good()]).check() == [Invariant::I6NothingForeign]);
    let altered = Seen { checksum: 0, ..good() };
    assert_eq!(story().ok(1, 0).read(0, 1, vec![altered]).last(vec![good()]).check(), [Invariant::I6NothingForeign]);
    // Never appended.
    assert_eq!(story().ok(1, 0).last(vec![good(), seen(1, 9)]).check(), [Invariant::I6NothingForeign]);
    // Appended to another partition.
    let mut elsewhere = story();
    elsewhere.ok(1, 0).read_at(1, 0, 1, vec![good()], false).last(vec![good()]);
    assert_eq!(elsewhere.check(), [Invariant::I6NothingForeign]);
    // Refused, yet there.
    let mut refused = story();
    refused.send(1).ends(1, Outcome::Fail).read(0, 1, vec![good()]);
    assert_eq!(refused.check(), [Invariant::I6NothingForeign]);
    // Read before it was sent.
    let mut early = story();
    early.read(0, 1, vec![good()]).ok(1, 0).last(vec![good()]);
    assert_eq!(early.check(), [Invariant::I6NothingForeign]);
}

#[test]
fn a_high_watermark_that_goes_back_is_caught() {
    let mut back = story();
    back.ok(1, 0).ok(2, 1).bounds(0, 2).bounds(0, 1).last(vec![seen(0, 1), seen(1, 2)]);
    assert_eq!(back.check(), [Invariant::I7NeverBack]);
    let mut ahead = story();
    ahead.bounds(0, 1).ok(1, 0).last(vec![seen(0, 1)]);
    assert_eq!(ahead.check(), [Invariant::I7NeverBack]);
}

#[test]
fn a_log_start_that_goes_back_is_caught() {
    assert_eq!(story().bounds(5, 9).bounds(4, 9).check(), [Invariant::I7NeverBack]);
    assert_eq!(story().bounds(4, 9).bounds(5, 9).check(), []);
}

#[test]
fn a_stale_read_after_an_acknowledgement_is_caught() {
    assert_eq!(story().ok(1, 0).bounds(0, 0).last(vec![seen(0, 1)]).check(), [Invariant::I7NeverBack]);
    // Begun before the acknowledgement, it may miss the record.
    let mut concurrent = story();
    concurrent.send(1).bounds_begin(9).ends(1, Outcome::Ok(0)).bounds_end(9, 0, 0).last(vec![seen(0, 1)]);
    assert_eq!(concurrent.check(), []);
}

#[test]
fn a_history_that_proves_nothing_is_refused() {
    assert!(matches!(check(story().ok(1, 0).events.clone()), Err(HistoryError::NoLastRead { .. })));
    let mut unopened = story();
    unopened.ends(1, Outcome::Fail);
    assert!(matches!(check(unopened.events), Err(HistoryError::Operation { operation: 1, .. })));
    let mut twice = story();
    twice.send(1).send(1);
    assert!(matches!(check(twice.events), Err(HistoryError::Operation { what: "begins twice", .. })));
}

#[test]
fn events_survive_their_file() {
    let mut some = story();
    some.send_as(1, 1, true, Some(Slot { producer: 1, epoch: 2, sequence: 3 })).ends(1, Outcome::Ok(0));
    some.bounds(0, 1).last(vec![seen(0, 1)]).send(2).ends(2, Outcome::Fail).send(3).ends(3, Outcome::Unknown);
    for event in some.events {
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event, "{line}");
    }
}
