//! Consumers that err, each in one way: the judge names it and nothing else.

use super::*;
use crate::schedule::Moment;

const RUN: u32 = 1;

fn head(producer: u32, place: u32, sequence: u64) -> Head {
    Head { run: RUN, producer, place, sequence, intended: Moment(0) }
}

/// Ten records of one producer at one place, all acknowledged, as `order` shows them to a consumer.
fn check(order: &[(i64, Head)]) -> Checks {
    let mut acknowledged = Acknowledged::new();
    for sequence in 0..10 {
        acknowledged.entry((7, 3)).or_default().note(sequence);
    }
    let mut received = Received::of_run(RUN);
    for (offset, head) in order {
        received.note(3, *offset, Some(head));
    }
    let mut checks = received.checks;
    checks.lost = received.lost(&acknowledged, |place| place == 3);
    checks
}

fn in_order() -> Vec<(i64, Head)> {
    (0..10).map(|sequence| (sequence as i64, head(7, 3, sequence))).collect()
}

#[test]
fn all_in_order_is_well() {
    assert_eq!(check(&in_order()), Checks::default());
    assert!(Checks::default().complaints(0).is_empty());
}

#[test]
fn a_record_that_is_dropped_is_lost() {
    for dropped in 0..10 {
        let mut order = in_order();
        order.remove(dropped);
        // As a server would that never stored it: the offsets are dense.
        for (offset, entry) in order.iter_mut().enumerate() {
            entry.0 = offset as i64;
        }
        let checks = check(&order);
        assert_eq!(checks, Checks { lost: 1, ..Checks::default() }, "{dropped}");
        assert_eq!(checks.complaints(0), ["1 records acknowledged and lost"]);
    }
}

#[test]
fn a_record_that_a_reader_skips_shows_in_the_offsets_too() {
    let mut order = in_order();
    order.remove(4);
    assert_eq!(check(&order), Checks { lost: 1, offset_steps: 1, ..Checks::default() });
}

#[test]
fn a_record_that_comes_twice_is_doubled() {
    let mut order = in_order();
    order.push((10, head(7, 3, 4)));
    assert_eq!(check(&order), Checks { doubled: 1, ..Checks::default() });
}

#[test]
fn records_that_change_places_are_reordered() {
    let mut order = in_order();
    (order[4].1, order[5].1) = (order[5].1, order[4].1);
    assert_eq!(check(&order), Checks { reordered: 1, ..Checks::default() });
}

#[test]
fn a_record_of_another_place_or_run_is_strange() {
    let mut order = in_order();
    order.push((10, head(7, 4, 10)));
    order.push((11, Head { run: RUN + 1, ..head(7, 3, 10) }));
    order.push((12, head(7, 3, u64::MAX >> 20)));
    assert_eq!(check(&order).strange, 3);
}

#[test]
fn damage_is_counted_and_its_record_is_lost() {
    let mut received = Received::of_run(RUN);
    assert!(!received.note(3, 0, None));
    assert_eq!(received.checks, Checks { damaged: 1, ..Checks::default() });
}

#[test]
fn what_was_not_acknowledged_may_be_missing() {
    let mut acknowledged = Acknowledged::new();
    acknowledged.entry((7, 3)).or_default().note(0);
    acknowledged.entry((7, 3)).or_default().note(2);
    let mut received = Received::of_run(RUN);
    received.note(3, 0, Some(&head(7, 3, 0)));
    received.note(3, 1, Some(&head(7, 3, 2)));
    assert_eq!(received.lost(&acknowledged, |_| true), 0);
    assert_eq!(received.lost(&acknowledged, |_| false), 0);
}

#[test]
fn errors_are_tolerated_up_to_the_bound() {
    let checks = Checks { errors: 2, unanswered: 1, ..Checks::default() };
    assert!(checks.complaints(3).is_empty());
    assert_eq!(checks.complaints(2).len(), 1);
}
