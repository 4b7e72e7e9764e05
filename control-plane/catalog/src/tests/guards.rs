//! Fencing tokens, halted producers and Idempotency-Keys, one story each.

use tidelog_catalog_api::*;
use tidelog_model::limits::{HALTED_PRODUCERS_MAX, KEY_BATCHES_MAX, KEYED_BATCHES_MAX};
use tidelog_model::*;

use super::scenarios::{Cluster, batch, partition};
use crate::guards::{KEY_TICKS_MAX, KEY_TICKS_MIN};
use crate::{PartId, State};

const LAYOUT: KeyLayout = KeyLayout { partitions: 2, batch_bytes_max: 100 };

fn guard() -> BatchGuard {
    BatchGuard { batch: 0, fencing_token: None, key: None }
}

fn token(token: u64) -> BatchGuard {
    BatchGuard { fencing_token: Some(FencingToken(token)), ..guard() }
}

fn keyed(key: u32, body: u8, number: u32) -> BatchGuard {
    let mut hash = [0; 16];
    hash[..4].copy_from_slice(&key.to_le_bytes());
    let key = KeyedBatch { key: hash, body: [body; 16], layout: LAYOUT, batches: 2, number };
    BatchGuard { key: Some(key), ..guard() }
}

fn producer(id: i64, epoch: i16, sequence: i32) -> Option<ProducerBatch> {
    Some(ProducerBatch { id: ProducerId(id), epoch: ProducerEpoch(epoch), sequence })
}

/// A batch of two records in a commit of its own.
fn write(cluster: &mut Cluster, batch: CommitBatch, guard: BatchGuard) -> BatchOutcome {
    write_to(cluster, 0, batch, guard)
}

fn write_to(cluster: &mut Cluster, index: u32, batch: CommitBatch, guard: BatchGuard) -> BatchOutcome {
    cluster.acknowledge();
    let entry = CommitEntry { partition: partition(index), position: 0, batches: vec![batch] };
    match cluster.commit_guarded(Payload::Inline(vec![7].into()), vec![entry], vec![guard]).unwrap() {
        CommitOutcome::Applied(outcomes) => outcomes[0],
        other => panic!("not applied: {other:?}"),
    }
}

fn appended(offset: u64) -> BatchOutcome {
    BatchOutcome::Appended { base_offset: Offset(offset) }
}

fn two() -> CommitBatch {
    batch(1, 2)
}

fn raise(cluster: &mut Cluster, token: u64) -> Result<FenceView, FenceRefused> {
    match cluster.apply(&Command::RaiseFence { partition: partition(0), token: FencingToken(token) }) {
        Outcome::FenceRaised(result) => result,
        other => panic!("{other:?}"),
    }
}

fn parts(state: &State) -> Vec<(PartId, bytes::Bytes)> {
    state.freeze().parts().iter().map(|part| (part.id, part.encode())).collect()
}

#[test]
fn a_writer_is_fenced_by_the_append_of_the_next_one_and_by_its_raising_the_fence() {
    let mut cluster = Cluster::new(2);
    let fenced = |token, tail| BatchOutcome::Fenced { token: FencingToken(token), tail: Offset(tail) };
    assert_eq!(write(&mut cluster, two(), token(5)), appended(0));
    assert_eq!(write(&mut cluster, two(), token(7)), appended(2));
    assert_eq!(write(&mut cluster, two(), token(5)), fenced(7, 4));
    assert_eq!(write(&mut cluster, two(), guard()), appended(4), "whoever has none is taken");
    assert_eq!(write_to(&mut cluster, 1, two(), token(1)), appended(0), "each partition has its own");
    assert_eq!(raise(&mut cluster, 9), Ok(FenceView { token: FencingToken(9), tail: Offset(6) }));
    assert_eq!(raise(&mut cluster, 9).map(|view| view.tail), Ok(Offset(6)), "said twice, done once");
    assert_eq!(write(&mut cluster, two(), token(8)), fenced(9, 6));
    let refused = FenceRefused::Fenced(FenceView { token: FencingToken(9), tail: Offset(6) });
    assert_eq!(raise(&mut cluster, 8), Err(refused));
    assert_eq!(write(&mut cluster, two(), token(9)), appended(6));
    let unknown = Command::RaiseFence { partition: partition(2), token: FencingToken(1) };
    assert_eq!(cluster.apply(&unknown), Outcome::FenceRaised(Err(FenceRefused::UnknownPartition)));
    cluster.state.validate().unwrap();
}

/// A token that comes with an append that is refused fences nobody.
#[test]
fn a_refused_append_raises_nothing() {
    let mut cluster = Cluster::new(1);
    let wrong = CommitBatch { expected_offset: Some(Offset(3)), ..two() };
    assert_eq!(write(&mut cluster, wrong, token(5)), BatchOutcome::UnexpectedOffset { tail: Offset(0) });
    assert_eq!(cluster.state.fence(partition(0)), None);
    assert_eq!(write(&mut cluster, two(), token(4)), appended(0));
}

#[test]
fn guards_are_in_a_part_that_is_there_once_there_were_some_and_go_with_their_topic() {
    let mut cluster = Cluster::new(1);
    let has_some = |state: &State| parts(state).iter().any(|(id, _)| id.to_string().starts_with("guards-"));
    assert_eq!(write(&mut cluster, two(), guard()), appended(0));
    assert!(!has_some(&cluster.state));
    write(&mut cluster, two(), token(5));
    write(&mut cluster, two(), keyed(1, 1, 0));
    let whole = parts(&cluster.state);
    let restored = State::restore(whole.clone()).unwrap();
    assert_eq!(restored.hash(), cluster.state.hash());
    assert_eq!(restored.fence(partition(0)), Some(FencingToken(5)));
    let without: Vec<_> = whole.into_iter().filter(|(id, _)| !id.to_string().starts_with("guards-")).collect();
    assert_eq!(State::restore(without).unwrap().fence(partition(0)), None, "as before there were any");
    cluster.state = restored;
    assert_eq!(write(&mut cluster, two(), keyed(1, 1, 0)), BatchOutcome::Duplicate { base_offset: Offset(4) });
    cluster.apply(&Command::RemoveTopics { topics: vec![TopicId([1; 16])] });
    cluster.state.validate().unwrap();
    assert!(cluster.state.guards.iter().all(|part| part.body.0.partitions.is_empty() && part.body.0.keys.is_empty()));
}

/// What a producer has under way behind a condition that did not hold is refused, also when it would be next again.
#[test]
fn a_condition_that_does_not_hold_halts_its_producer_until_it_begins_anew() {
    let mut cluster = Cluster::new(1);
    let from = |epoch, sequence, expected: Option<u64>| CommitBatch {
        producer: producer(1, epoch, sequence),
        expected_offset: expected.map(Offset),
        ..two()
    };
    let halted = |epoch| BatchOutcome::ProducerHalted { epoch: ProducerEpoch(epoch) };
    assert_eq!(write(&mut cluster, from(0, 0, Some(0)), guard()), appended(0));
    assert_eq!(write(&mut cluster, two(), guard()), appended(2), "somebody else's");
    let unexpected = BatchOutcome::UnexpectedOffset { tail: Offset(4) };
    assert_eq!(write(&mut cluster, from(0, 2, Some(2)), guard()), unexpected);
    for behind in [from(0, 4, Some(4)), from(0, 2, Some(4)), from(0, 2, None)] {
        assert_eq!(write(&mut cluster, behind, guard()), halted(0));
    }
    let again = BatchOutcome::Duplicate { base_offset: Offset(0) };
    assert_eq!(write(&mut cluster, from(0, 0, Some(0)), guard()), again, "what has landed is told as always");
    let other = CommitBatch { producer: producer(2, 0, 0), ..two() };
    assert_eq!(write(&mut cluster, other, guard()), appended(4), "another producer is not concerned");
    assert_eq!(write(&mut cluster, from(1, 2, None), guard()), BatchOutcome::OutOfOrder { expected: 0 });
    assert_eq!(write(&mut cluster, from(1, 0, Some(6)), guard()), appended(6));
    assert_eq!(write(&mut cluster, from(1, 2, Some(8)), guard()), appended(8));
    assert_eq!(write(&mut cluster, from(0, 2, None), guard()), BatchOutcome::StaleEpoch { current: ProducerEpoch(1) });
    raise(&mut cluster, 3).unwrap();
    let fenced = BatchOutcome::Fenced { token: FencingToken(3), tail: Offset(10) };
    assert_eq!(write(&mut cluster, from(1, 4, None), token(2)), fenced);
    assert_eq!(write(&mut cluster, from(1, 4, None), token(3)), halted(1));
    cluster.state.validate().unwrap();
}

#[test]
fn so_many_halted_producers_are_remembered_and_no_more() {
    let mut cluster = Cluster::new(1);
    for id in 0..=HALTED_PRODUCERS_MAX as i64 {
        let wrong = CommitBatch { producer: producer(id, 0, 0), expected_offset: Some(Offset(9)), ..two() };
        assert_eq!(write(&mut cluster, wrong, guard()), BatchOutcome::UnexpectedOffset { tail: Offset(0) });
    }
    cluster.state.validate().unwrap();
    let behind = |id| CommitBatch { producer: producer(id, 0, 2), ..two() };
    assert_eq!(write(&mut cluster, behind(0), guard()), BatchOutcome::UnknownProducer, "refused for its gap");
    let halted = BatchOutcome::ProducerHalted { epoch: ProducerEpoch(0) };
    assert_eq!(write(&mut cluster, behind(1), guard()), halted);
}

#[test]
fn a_request_with_a_key_lands_once_and_is_completed() {
    let mut cluster = Cluster::new(2);
    assert_eq!(write(&mut cluster, two(), keyed(1, 1, 0)), appended(0));
    assert_eq!(write(&mut cluster, two(), guard()), appended(2));
    raise(&mut cluster, 9).unwrap();
    let again = BatchGuard { fencing_token: Some(FencingToken(1)), ..keyed(1, 1, 0) };
    let first = BatchOutcome::Duplicate { base_offset: Offset(0) };
    assert_eq!(write(&mut cluster, two(), again), first, "also when it would be fenced now");
    assert_eq!(write(&mut cluster, two(), keyed(1, 2, 1)), BatchOutcome::KeyReused);
    let mut other = keyed(1, 1, 1);
    other.key.as_mut().unwrap().layout.partitions = 3;
    assert_eq!(write(&mut cluster, two(), other), BatchOutcome::OtherLayout { layout: LAYOUT });
    assert_eq!(write(&mut cluster, two(), keyed(1, 1, 2)), BatchOutcome::OutOfOrder { expected: 1 });
    assert_eq!(write_to(&mut cluster, 1, two(), keyed(1, 1, 0)), appended(0), "the other half of it");
    assert_eq!(
        write_to(&mut cluster, 1, two(), keyed(1, 1, 1)),
        BatchOutcome::OutOfOrder { expected: 1 },
        "it has two"
    );
    assert_eq!(write(&mut cluster, two(), keyed(2, 2, 0)), appended(4));
    cluster.state.validate().unwrap();
}

/// A condition that did not hold leaves no trace of the key, so the request may be changed and sent again.
#[test]
fn a_refused_request_does_not_use_its_key_up() {
    let mut cluster = Cluster::new(1);
    let wrong = CommitBatch { expected_offset: Some(Offset(3)), ..two() };
    assert_eq!(write(&mut cluster, wrong, keyed(1, 1, 0)), BatchOutcome::UnexpectedOffset { tail: Offset(0) });
    assert_eq!(write(&mut cluster, two(), keyed(1, 2, 0)), appended(0));
}

#[test]
fn keys_are_forgotten_after_a_day() {
    let mut cluster = Cluster::new(1);
    write(&mut cluster, two(), keyed(1, 1, 0));
    (1..KEY_TICKS_MAX).for_each(|_| cluster.tick());
    assert_eq!(write(&mut cluster, two(), keyed(1, 1, 0)), BatchOutcome::Duplicate { base_offset: Offset(0) });
    cluster.tick();
    cluster.state.validate().unwrap();
    assert_eq!(write(&mut cluster, two(), keyed(1, 1, 0)), appended(2));
}

#[test]
fn the_oldest_keys_make_room_when_they_are_old_enough() {
    let mut cluster = Cluster::new(1);
    let large = |key: u32| {
        let mut guard = keyed(key, 1, 0);
        guard.key.as_mut().unwrap().batches = KEY_BATCHES_MAX as u32;
        guard
    };
    let fit = (KEYED_BATCHES_MAX / KEY_BATCHES_MAX) as u32;
    for key in 0..fit {
        assert_eq!(write(&mut cluster, two(), large(key)), appended(u64::from(key) * 2));
    }
    assert_eq!(write(&mut cluster, two(), large(fit)), BatchOutcome::KeysFull);
    assert_eq!(write(&mut cluster, two(), keyed(fit, 1, 0)), BatchOutcome::KeysFull);
    (0..KEY_TICKS_MIN).for_each(|_| cluster.tick());
    let next = u64::from(fit) * 2;
    assert_eq!(write(&mut cluster, two(), keyed(fit, 1, 0)), appended(next));
    cluster.state.validate().unwrap();
    assert_eq!(write(&mut cluster, two(), large(fit - 1)), BatchOutcome::Duplicate { base_offset: Offset(next - 2) });
    let restored = State::restore(parts(&cluster.state)).unwrap();
    assert_eq!(restored.hash(), cluster.state.hash());
}

#[test]
fn guards_that_guard_nothing_are_refused() {
    let mut cluster = Cluster::new(1);
    for guards in [vec![BatchGuard { batch: 1, ..guard() }], vec![guard(), guard()]] {
        cluster.acknowledge();
        let entry = CommitEntry { partition: partition(0), position: 0, batches: vec![two()] };
        let refused = cluster.commit_guarded(Payload::Inline(vec![7].into()), vec![entry], guards);
        assert_eq!(refused, Ok(CommitOutcome::ObjectRefused));
    }
    assert_eq!(PartId::all().last().unwrap().to_string(), "guards-15");
    assert_eq!(PartId::all().find(|id| id.to_string() == "departed"), Some(PartId::DEPARTED));
}
