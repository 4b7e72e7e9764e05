//! Producers: wrap-around, idleness, eviction.

use super::*;

fn batch(id: i64, epoch: i16, sequence: i32) -> ProducerBatch {
    ProducerBatch { id: ProducerId(id), epoch: ProducerEpoch(epoch), sequence }
}

/// A partition's producers with its tail.
#[derive(Default)]
struct Log {
    producers: Producers,
    tail: u64,
    now: u64,
}

impl Log {
    fn append(&mut self, batch: ProducerBatch, records: u32) -> Result<u64, BatchOutcome> {
        self.producers.check(batch, records)?;
        let base = self.tail;
        self.tail += u64::from(records);
        self.producers.record(batch, records, Offset(base), Tick(self.now));
        assert_eq!(self.producers.violation(Offset(self.tail)), None);
        Ok(base)
    }
}

#[test]
fn the_last_five_are_answered_with_their_offset() {
    let mut log = Log::default();
    for i in 0..7 {
        assert_eq!(log.append(batch(1, 0, i * 2), 2), Ok(i as u64 * 2));
    }
    for i in 2..7 {
        let base_offset = Offset(i as u64 * 2);
        assert_eq!(log.append(batch(1, 0, i * 2), 2), Err(BatchOutcome::Duplicate { base_offset }));
    }
    for i in 0..2 {
        assert_eq!(log.append(batch(1, 0, i * 2), 2), Err(BatchOutcome::DuplicateForgotten));
    }
    assert_eq!(log.append(batch(1, 0, 15), 2), Err(BatchOutcome::OutOfOrder { expected: 14 }));
    assert_eq!(log.append(batch(1, 0, 13), 2), Err(BatchOutcome::OutOfOrder { expected: 14 }), "half of it is new");
    assert_eq!(log.append(batch(1, 0, -1), 2), Err(BatchOutcome::OutOfOrder { expected: 14 }));
}

#[test]
fn sequences_wrap_to_zero_after_the_greatest() {
    let mut log = Log::default();
    // A batch that is half of the circle, so that the wrap is near.
    let half = 1 << 30;
    assert!(log.append(batch(1, 0, 0), half).is_ok());
    assert!(log.append(batch(1, 0, half as i32), half - 3).is_ok());
    assert!(log.append(batch(1, 0, i32::MAX - 2), 5).is_ok());
    let base_offset = Offset(log.tail - 5);
    assert_eq!(log.append(batch(1, 0, i32::MAX - 2), 5), Err(BatchOutcome::Duplicate { base_offset }));
    assert_eq!(log.append(batch(1, 0, i32::MAX), 1), Err(BatchOutcome::DuplicateForgotten));
    assert_eq!(log.append(batch(1, 0, 3), 1), Err(BatchOutcome::OutOfOrder { expected: 2 }));
    assert!(log.append(batch(1, 0, 2), 1).is_ok());
    // Exactly up to the greatest: 0 is next.
    let mut log = Log::default();
    log.append(batch(1, 0, 0), half).unwrap();
    log.append(batch(1, 0, half as i32), half).unwrap();
    assert!(log.append(batch(1, 0, 0), 1).is_ok());
}

#[test]
fn a_newer_epoch_begins_at_zero_and_fences_the_older() {
    let mut log = Log::default();
    log.append(batch(1, 3, 0), 1).unwrap();
    assert_eq!(log.append(batch(1, 4, 1), 1), Err(BatchOutcome::OutOfOrder { expected: 0 }));
    log.append(batch(1, 4, 0), 1).unwrap();
    assert_eq!(log.append(batch(1, 3, 1), 1), Err(BatchOutcome::StaleEpoch { current: ProducerEpoch(4) }));
    assert_eq!(log.append(batch(1, 3, 0), 1), Err(BatchOutcome::StaleEpoch { current: ProducerEpoch(4) }));
}

#[test]
fn an_idle_producer_keeps_its_last_batch() {
    let mut log = Log::default();
    (0..4).for_each(|i| assert_eq!(log.append(batch(1, 0, i), 1), Ok(i as u64)));
    assert!(!log.producers.can_shrink(Tick(PRODUCER_IDLE_TICKS)));
    log.producers.shrink(Tick(PRODUCER_IDLE_TICKS + 1));
    assert!(!log.producers.can_shrink(Tick(PRODUCER_IDLE_TICKS + 1)));
    assert_eq!(log.append(batch(1, 0, 3), 1), Err(BatchOutcome::Duplicate { base_offset: Offset(3) }));
    assert_eq!(log.append(batch(1, 0, 2), 1), Err(BatchOutcome::DuplicateForgotten));
    assert_eq!(log.append(batch(1, 0, 4), 1), Ok(4));
}

/// Given more producers than the bound, the idlest keep epoch and sequence; given more than twice the bound, the idlest are
/// dropped, may begin anywhere, and are never told that something landed that did not.
#[test]
fn the_idlest_are_evicted_then_dropped() {
    let mut log = Log::default();
    let all = (PARTITION_PRODUCERS_MAX + EVICTED_PRODUCERS_MAX + 2) as i64;
    for id in 0..all {
        log.now = id as u64;
        log.producers.record(batch(id, 2, 0), 3, Offset(log.tail), Tick(log.now));
        log.tail += 3;
        if id == PARTITION_PRODUCERS_MAX as i64 {
            assert_eq!(log.producers.evicted, EVICTED_AT_ONCE);
            assert_eq!(log.append(batch(0, 2, 0), 3), Err(BatchOutcome::DuplicateForgotten), "evicted, but known");
            assert_eq!(log.append(batch(0, 1, 3), 3), Err(BatchOutcome::StaleEpoch { current: ProducerEpoch(2) }));
            assert_eq!(log.append(batch(0, 2, 4), 1), Err(BatchOutcome::OutOfOrder { expected: 3 }));
        }
    }
    assert_eq!(log.producers.violation(Offset(log.tail)), None);
    let dropped = log.producers.dropped_max.unwrap();
    assert_eq!(dropped, ProducerId(EVICTED_AT_ONCE as i64 - 1));
    assert_eq!(log.append(batch(all + 1, 2, 3), 1), Err(BatchOutcome::UnknownProducer), "never here, so not dropped");
    // Producer 0 had written 0..3. Its 4 arrives before its 3, and is taken; 3 must not pass for a duplicate.
    assert!(log.append(batch(0, 2, 4), 1).is_ok());
    assert_eq!(log.append(batch(0, 2, 3), 1), Err(BatchOutcome::OutOfOrder { expected: 5 }));
    assert!(log.append(batch(0, 2, 5), 1).is_ok());
}
