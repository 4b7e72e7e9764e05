//! Stories that random commands do not reach: limits, and the order of events that the rules exist for.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidelog_catalog_api::*;
use tidelog_model::limits::{INLINE_BYTES_MAX, INLINE_FLUSH_BYTES_MAX, OUTCOMES_RETAINED_MAX};
use tidelog_model::*;

use crate::State;

const TENANT: TenantId = TenantId(1);
const SESSION: SessionId = SessionId(1);

/// A state with its log position, and a client that names things shortly.
pub struct Cluster {
    pub state: State,
    index: u64,
    sequence: u64,
    received: u64,
}

impl Cluster {
    /// Bootstrapped, with session 1 of node 1 and a topic of `partitions`.
    pub fn new(partitions: u32) -> Cluster {
        let mut cluster = Cluster { state: State::new(), index: 0, sequence: 0, received: 0 };
        cluster.apply(&Command::Bootstrap { cluster_id: [1; 16], incarnation: Incarnation(5) });
        cluster.apply(&Command::OpenSession { node: NodeId(1) });
        cluster.create("t", partitions, 1);
        cluster
    }

    pub fn apply(&mut self, command: &Command) -> Outcome {
        self.index += 1;
        self.state.apply(LogIndex(self.index), command).outcome
    }

    pub fn tick(&mut self) {
        self.apply(&Command::Tick { wall: TimestampMs(1_000) });
    }

    pub fn create(&mut self, name: &str, partitions: u32, id: u8) -> Outcome {
        let (name, configs) = (name.to_owned(), BTreeMap::new());
        let id = TopicId([id; 16]);
        let topic = NewTopic { tenant: TENANT, id, name, partitions, replication_factor: 1, configs };
        self.apply(&Command::CreateTopics { topics: vec![topic] })
    }

    pub fn grant(&mut self, count: u32, ticks: u32) -> ObjectId {
        match self.apply(&Command::GrantObjects { session: SESSION, count, ticks }) {
            Outcome::Granted(Ok(grant)) => grant.first,
            other => panic!("not granted: {other:?}"),
        }
    }

    pub fn commit(&mut self, payload: Payload, entries: Vec<CommitEntry>) -> Result<CommitOutcome, CommitRefused> {
        self.commit_guarded(payload, entries, Vec::new())
    }

    pub fn commit_guarded(
        &mut self,
        payload: Payload,
        entries: Vec<CommitEntry>,
        guards: Vec<BatchGuard>,
    ) -> Result<CommitOutcome, CommitRefused> {
        let sequence = CommitSequence(self.sequence + 1);
        let outcomes_received = CommitSequence(self.received);
        let commit = Commit { session: SESSION, lane: LaneId(0), sequence, outcomes_received, payload, entries };
        let command = if guards.is_empty() {
            Command::Commit(commit)
        } else {
            Command::GuardedCommit(GuardedCommit { commit, guards })
        };
        match self.apply(&command) {
            Outcome::Committed(outcome) => {
                self.sequence += u64::from(outcome.is_ok());
                outcome
            }
            other => panic!("not an answer to a commit: {other:?}"),
        }
    }

    /// All outcomes so far have been received.
    pub fn acknowledge(&mut self) {
        self.received = self.sequence;
    }

    /// Commits a batch from an object and acknowledges it.
    fn append(&mut self, object: ObjectId, batch: CommitBatch) -> BatchOutcome {
        let outcome = self.commit(Payload::Object { object, bytes: 100 }, vec![entry(0, 0, vec![batch])]);
        self.received = self.sequence;
        match outcome {
            Ok(CommitOutcome::Applied(batches)) => batches[0],
            other => panic!("not applied: {other:?}"),
        }
    }

    fn orphans(&self) -> Vec<(u64, u32)> {
        self.state.validate().unwrap();
        self.state.orphans().iter().map(|range| (range.first.0, range.count)).collect()
    }
}

pub fn partition(index: u32) -> PartitionId {
    PartitionId { topic: TopicId([1; 16]), index }
}

pub fn entry(index: u32, position: u32, batches: Vec<CommitBatch>) -> CommitEntry {
    CommitEntry { partition: partition(index), position, batches }
}

pub fn batch(bytes: u32, records: u32) -> CommitBatch {
    CommitBatch { bytes, records, max_timestamp: TimestampMs(1), producer: None, expected_offset: None }
}

fn produced(sequence: i32) -> CommitBatch {
    let producer = ProducerBatch { id: ProducerId(1), epoch: ProducerEpoch(0), sequence };
    CommitBatch { producer: Some(producer), ..batch(10, 1) }
}

/// A batch that came before its predecessor is refused, and proposed again from the object that it is in.
#[test]
fn a_parked_batch_is_committed_later_from_the_same_object() {
    let mut cluster = Cluster::new(1);
    let object = cluster.grant(4, 10);
    let next = ObjectId(object.0 + 1);
    assert_eq!(cluster.append(object, produced(0)), BatchOutcome::Appended { base_offset: Offset(0) });
    assert_eq!(cluster.append(next, produced(2)), BatchOutcome::OutOfOrder { expected: 1 });
    assert!(!cluster.state.is_referenced(next));
    assert_eq!(cluster.append(ObjectId(object.0 + 2), produced(1)), BatchOutcome::Appended { base_offset: Offset(1) });
    assert_eq!(cluster.append(next, produced(2)), BatchOutcome::Appended { base_offset: Offset(2) });
    // Another length would be another payload.
    let other = cluster.commit(Payload::Object { object: next, bytes: 99 }, vec![]);
    assert_eq!(other, Ok(CommitOutcome::ObjectRefused));
    (0..10).for_each(|_| cluster.tick());
    assert_eq!(cluster.orphans(), vec![(object.0 + 3, 1)]);
}

/// An object whose batches were all refused does not leak; after the fence it can not come back.
#[test]
fn an_object_without_extents_is_an_orphan_after_its_deadline_and_stays_one() {
    let mut cluster = Cluster::new(1);
    let object = cluster.grant(3, 5);
    assert_eq!(cluster.append(object, produced(7)), BatchOutcome::UnknownProducer);
    assert_eq!(cluster.orphans(), vec![]);
    (0..5).for_each(|_| cluster.tick());
    assert_eq!(cluster.orphans(), vec![(object.0, 3)]);
    let late = cluster.commit(Payload::Object { object, bytes: 100 }, vec![entry(0, 0, vec![batch(10, 1)])]);
    assert_eq!(late, Ok(CommitOutcome::ObjectRefused));
    assert_eq!(cluster.orphans(), vec![(object.0, 3)]);
}

#[test]
fn a_newer_session_fences_the_grants_of_the_older_and_deleting_a_topic_retires_objects() {
    let mut cluster = Cluster::new(2);
    let object = cluster.grant(3, 100);
    cluster.append(object, batch(10, 1));
    let offsets =
        vec![GroupOffset { partition: partition(1), offset: Offset(1), leader_epoch: 0, metadata: String::new() }];
    cluster.apply(&Command::CommitOffsets { tenant: TENANT, group: "g".into(), offsets: offsets.clone() });
    assert_eq!(cluster.state.group_offsets(TENANT, "g", Some(&[partition(0), partition(1)])), offsets);
    assert_eq!(cluster.state.group_offsets(TenantId(2), "g", None), vec![]);
    assert_eq!(cluster.apply(&Command::OpenSession { node: NodeId(1) }), Outcome::SessionOpened(SessionId(2)));
    assert_eq!(cluster.orphans(), vec![(object.0 + 1, 2)]);
    assert_eq!(cluster.commit(Payload::Inline(Bytes::new()), vec![]), Err(CommitRefused::SessionFenced));
    let deleted = cluster.apply(&Command::DeleteTopics { topics: vec![TopicId([1; 16]), TopicId([9; 16])] });
    assert_eq!(deleted, Outcome::TopicsDeleted(vec![true, false]));
    assert_eq!(cluster.orphans(), vec![(object.0, 3)]);
    assert_eq!(cluster.state.group_offsets(TENANT, "g", None), vec![]);
    cluster.create("t", 2, 3);
    let again = cluster.state.topic_by_name(TENANT, "t").unwrap();
    assert_eq!(again.id, TopicId([3; 16]));
    assert_eq!(cluster.state.partition(PartitionId { topic: again.id, index: 0 }).unwrap().high_watermark, Offset(0));
    assert_eq!(cluster.state.partition(partition(0)), None);
}

/// A conditional append that landed is answered as a duplicate, though the tail has moved on: by itself.
#[test]
fn a_retried_conditional_append_hears_where_it_landed() {
    let mut cluster = Cluster::new(1);
    let object = cluster.grant(9, 100);
    let conditional = CommitBatch { expected_offset: Some(Offset(0)), ..produced(0) };
    assert_eq!(cluster.append(object, conditional.clone()), BatchOutcome::Appended { base_offset: Offset(0) });
    assert_eq!(cluster.append(ObjectId(object.0 + 1), conditional), BatchOutcome::Duplicate { base_offset: Offset(0) });
    // What is refused by its condition has used no sequence.
    let wrong = CommitBatch { expected_offset: Some(Offset(7)), ..produced(1) };
    assert_eq!(cluster.append(object, wrong), BatchOutcome::UnexpectedOffset { tail: Offset(1) });
    assert_eq!(cluster.append(object, produced(1)), BatchOutcome::Appended { base_offset: Offset(1) });
}

#[test]
fn unacknowledged_outcomes_are_bounded() {
    let mut cluster = Cluster::new(1);
    for _ in 0..OUTCOMES_RETAINED_MAX {
        assert!(cluster.commit(Payload::Inline(Bytes::new()), vec![]).is_ok());
    }
    assert_eq!(cluster.commit(Payload::Inline(Bytes::new()), vec![]), Err(CommitRefused::TooManyOutcomes));
    cluster.received = 1;
    assert!(cluster.commit(Payload::Inline(Bytes::new()), vec![]).is_ok());
    cluster.state.validate().unwrap();
}

#[test]
fn inline_payloads_are_bounded_and_moving_them_makes_room() {
    let mut cluster = Cluster::new(1);
    let payload = Bytes::from(vec![0; INLINE_FLUSH_BYTES_MAX]);
    let length = INLINE_FLUSH_BYTES_MAX as u32;
    let entries = || vec![entry(0, 0, vec![batch(length, 1)])];
    for _ in 0..INLINE_BYTES_MAX / INLINE_FLUSH_BYTES_MAX {
        assert!(matches!(cluster.commit(Payload::Inline(payload.clone()), entries()), Ok(CommitOutcome::Applied(_))));
        cluster.received += 1;
    }
    assert_eq!(cluster.state.inline_bytes(), INLINE_BYTES_MAX);
    assert_eq!(cluster.commit(Payload::Inline(payload.clone()), entries()), Ok(CommitOutcome::InlineFull));
    cluster.received = cluster.sequence;
    // Two payloads fit into what is asked for.
    let oldest = cluster.state.inline_extents(3 * INLINE_FLUSH_BYTES_MAX - 1);
    assert_eq!(oldest.len(), 2);
    assert_eq!(cluster.state.inline_extents(1).len(), 1);
    let object = cluster.grant(1, 10);
    let moves = oldest.iter().enumerate().map(|(at, it)| {
        let Location::Inline { index, position, bytes } = it.extent.location else { panic!("not inline") };
        let (partition, base_offset) = (it.partition, it.extent.base_offset);
        ExtentMove {
            partition,
            base_offset,
            from: index,
            from_position: position,
            bytes,
            to_position: at as u32 * length,
        }
    });
    let moves = MoveInline { session: SESSION, object, object_bytes: 2 * length, moves: moves.collect() };
    let command = Command::MoveInline(moves);
    assert_eq!(cluster.apply(&command), Outcome::Moved(Ok(vec![true, true])));
    let first = cluster.state.extents(partition(0), Offset(0), 1).unwrap().extents.remove(0);
    assert_eq!((first.records, first.bytes()), (2, 2 * length), "neighbours that moved are one");
    assert_eq!(cluster.apply(&command), Outcome::Moved(Ok(vec![false, false])), "said twice, done once");
    assert!(matches!(cluster.commit(Payload::Inline(payload), entries()), Ok(CommitOutcome::Applied(_))));
    let too_large = Bytes::from(vec![0; INLINE_FLUSH_BYTES_MAX + 1]);
    assert_eq!(cluster.commit(Payload::Inline(too_large), vec![]), Ok(CommitOutcome::InlineFull));
    cluster.state.validate().unwrap();
}

/// What was sent before its writer could know of a refusal is refused too: it may have to follow what was refused.
#[test]
fn a_refused_commit_is_not_overtaken_by_those_behind_it() {
    let mut cluster = Cluster::new(1);
    let object = cluster.grant(2, 10);
    let entries = || vec![entry(0, 0, vec![batch(10, 1)])];
    let payload = |object| Payload::Object { object, bytes: 10 };
    let not_granted = ObjectId(object.0 + 2);
    assert_eq!(cluster.commit(payload(not_granted), entries()), Ok(CommitOutcome::ObjectRefused));
    for _ in 0..2 {
        assert_eq!(cluster.commit(payload(object), entries()), Ok(CommitOutcome::EarlierRefused));
        // Knowing of the first refusal is not enough when there is a second.
        cluster.received = 1;
    }
    assert_eq!(cluster.state.partition(partition(0)).unwrap().high_watermark, Offset(0));
    cluster.received = cluster.sequence;
    let taken = cluster.commit(payload(object), entries());
    assert_eq!(taken, Ok(CommitOutcome::Applied(vec![BatchOutcome::Appended { base_offset: Offset(0) }])));
    cluster.state.validate().unwrap();
}

#[test]
fn commits_that_contradict_themselves_append_nothing() {
    let mut cluster = Cluster::new(3);
    let object = cluster.grant(1, 10);
    let mut check = |entries: Vec<CommitEntry>| {
        let outcome = cluster.commit(Payload::Object { object, bytes: 100 }, entries);
        assert_eq!(outcome, Ok(CommitOutcome::ObjectRefused));
        cluster.received = cluster.sequence;
        assert_eq!(cluster.state.partition(partition(0)).unwrap().high_watermark, Offset(0));
    };
    check(vec![entry(0, 91, vec![batch(10, 1)])]);
    check(vec![entry(0, u32::MAX, vec![batch(10, 1)])]);
    check(vec![entry(0, 0, vec![batch(u32::MAX, 1), batch(u32::MAX, 1)])]);
    check(vec![entry(0, 0, vec![batch(10, 0)])]);
    check(vec![entry(0, 0, vec![batch(0, 1)])]);
    check(vec![entry(0, 0, vec![batch(10, u32::MAX)])]);
    check(vec![entry(0, 0, vec![batch(10, 1)]), entry(1, 9, vec![batch(10, 1)])]);
}

#[test]
fn wall_time_never_goes_back_nor_far_ahead() {
    let mut cluster = Cluster::new(1);
    assert_eq!(cluster.state.wall(), None);
    for (leader, expected) in
        [(1_000_000, 1_000_000), (999_000, 1_000_000), (9_000_000, 1_060_000), (i64::MIN, 1_060_000)]
    {
        cluster.apply(&Command::Tick { wall: TimestampMs(leader) });
        assert_eq!(cluster.state.wall(), Some(TimestampMs(expected)));
    }
}

/// What lay in the deleted extents is retired; the extent that holds the new beginning stays whole, and what is appended
/// goes on at the tail.
#[test]
fn deleting_records_moves_the_beginning_up_and_retires_objects() {
    let mut cluster = Cluster::new(1);
    let object = cluster.grant(3, 5);
    for at in 0..3 {
        cluster.append(ObjectId(object.0 + at), batch(10, 4));
    }
    (0..5).for_each(|_| cluster.tick());
    assert_eq!(cluster.orphans(), vec![]);
    let delete = |cluster: &mut Cluster, before: Option<u64>| {
        let deletion = RecordsDeletion { partition: partition(0), before: before.map(Offset) };
        match cluster.apply(&Command::DeleteRecords { partitions: vec![deletion] }) {
            Outcome::RecordsDeleted(results) => results[0],
            other => panic!("not an answer to a deletion: {other:?}"),
        }
    };
    assert_eq!(delete(&mut cluster, Some(13)), Err(DeleteRecordsError::BeyondTail(Offset(12))));
    assert_eq!(delete(&mut cluster, Some(6)), Ok(Offset(6)));
    assert_eq!(cluster.orphans(), vec![(object.0, 1)]);
    assert!(cluster.state.is_referenced(ObjectId(object.0 + 1)), "it holds 6 and 7");
    assert_eq!(delete(&mut cluster, Some(2)), Ok(Offset(6)), "deleted is deleted");
    let below = cluster.state.extents(partition(0), Offset(5), 1).unwrap();
    assert_eq!((below.extents, below.partition.log_start), (vec![], Offset(6)));
    assert_eq!(cluster.state.extents(partition(0), Offset(6), 1).unwrap().extents[0].base_offset, Offset(4));
    assert_eq!(cluster.state.partition_bytes(partition(0)), Some(20));
    assert_eq!(delete(&mut cluster, None), Ok(Offset(12)));
    assert_eq!(cluster.orphans(), vec![(object.0, 3)]);
    assert_eq!(cluster.state.partition_bytes(partition(0)), Some(0));
    let next = cluster.grant(1, 5);
    assert_eq!(cluster.append(next, batch(10, 1)), BatchOutcome::Appended { base_offset: Offset(12) });
    cluster.state.validate().unwrap();
}

/// An inline payload goes with the last extent in it.
#[test]
fn deleting_inline_records_frees_their_payload() {
    let mut cluster = Cluster::new(1);
    let payload = Bytes::from_static(&[0; 10]);
    cluster.commit(Payload::Inline(payload), vec![entry(0, 0, vec![batch(10, 2)])]).unwrap();
    assert_eq!(cluster.state.inline_bytes(), 10);
    let deletion = RecordsDeletion { partition: partition(0), before: None };
    let unknown = RecordsDeletion { partition: partition(7), before: None };
    let deleted = cluster.apply(&Command::DeleteRecords { partitions: vec![deletion, unknown, deletion] });
    let expected = vec![Ok(Offset(2)), Err(DeleteRecordsError::UnknownPartition), Ok(Offset(2))];
    assert_eq!(deleted, Outcome::RecordsDeleted(expected));
    assert_eq!(cluster.state.inline_bytes(), 0);
    cluster.state.validate().unwrap();
}

/// Two who change different settings of one topic do not undo each other.
#[test]
fn settings_are_replaced_only_by_whoever_has_seen_them() {
    let mut cluster = Cluster::new(1);
    let configs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let topic = TopicId([1; 16]);
    let mut alter = |before: &[(&str, &str)], after: &[(&str, &str)]| {
        cluster.apply(&Command::AlterTopicConfigs { topic, before: configs(before), after: configs(after) })
    };
    assert_eq!(alter(&[], &[("retention.ms", "5")]), Outcome::TopicConfigsAltered(Ok(())));
    assert_eq!(alter(&[], &[("segment.ms", "6")]), Outcome::TopicConfigsAltered(Err(AlterTopicError::Changed)));
    let both = [("retention.ms", "5"), ("segment.ms", "6")];
    assert_eq!(alter(&both[..1], &both), Outcome::TopicConfigsAltered(Ok(())));
    assert_eq!(*cluster.state.topic_by_name(TENANT, "t").unwrap().configs, configs(&both));
    cluster.state.validate().unwrap();
}
