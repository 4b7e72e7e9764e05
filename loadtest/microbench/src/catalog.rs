//! The catalog: applying a commit, and finding the extents that a reader wants.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use tidelog_catalog::State;
use tidelog_catalog_api::{Command, Commit, CommitBatch, CommitEntry, CommitOutcome, NewTopic, Outcome, Payload};
use tidelog_model::{
    CommitSequence, Incarnation, LaneId, LogIndex, NodeId, ObjectId, Offset, PartitionId, SessionId, TenantId,
    TimestampMs, TopicId,
};

const PARTITIONS: u32 = 1_000;
const TOPIC: TopicId = TopicId([1; 16]);
const SESSION: SessionId = SessionId(1);
/// Objects of one grant, and so commits of one state: it does not grow without end.
const COMMITS: u32 = 1_000;
const BATCH_BYTES: u32 = 64 << 10;

pub fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("catalog");
    for entries in [1, 8, PARTITIONS] {
        group.throughput(Throughput::Elements(u64::from(entries)));
        group.bench_function(format!("apply a commit of {entries} partitions"), |bencher| {
            bencher.iter_custom(|iterations| applying(iterations, entries));
        });
    }
    let state = with_commits(COMMITS, 1);
    group.throughput(Throughput::Elements(1));
    for (place, from) in [("the tail", COMMITS - 1), ("the middle", COMMITS / 2)] {
        let (partition, from) = (partition(0), Offset(u64::from(from)));
        group.bench_function(format!("look up the extent at {place} of {COMMITS}"), |bencher| {
            bencher.iter(|| state.extents(black_box(partition), black_box(from), 1));
        });
    }
    group.bench_function("plan a megabyte from the middle", |bencher| {
        let from = Offset(u64::from(COMMITS / 2));
        bencher.iter(|| state.extents(black_box(partition(0)), black_box(from), 1 << 20));
    });
    group.finish();
}

/// Time of applying so many commits, without that of making them and the states.
fn applying(iterations: u64, entries: u32) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let count = left.min(u64::from(COMMITS)) as u32;
        let (mut state, first) = ready();
        let commands: Vec<Command> = (0..count).map(|number| commit(first, number, entries)).collect();
        let began = Instant::now();
        for (number, command) in commands.iter().enumerate() {
            must_be_applied(state.apply(LogIndex(10 + number as u64), command).outcome);
        }
        spent += began.elapsed();
        left -= u64::from(count);
    }
    spent
}

fn with_commits(count: u32, entries: u32) -> State {
    let (mut state, first) = ready();
    for number in 0..count {
        must_be_applied(state.apply(LogIndex(10 + u64::from(number)), &commit(first, number, entries)).outcome);
    }
    state
}

fn must_be_applied(outcome: Outcome) {
    assert!(matches!(outcome, Outcome::Committed(Ok(CommitOutcome::Applied(_)))), "{outcome:?}");
}

/// A state with a topic and with a session that has objects to use, and the first of these.
fn ready() -> (State, ObjectId) {
    let mut state = State::new();
    let topic = NewTopic {
        tenant: TenantId(1),
        id: TOPIC,
        name: "measured".to_owned(),
        partitions: PARTITIONS,
        replication_factor: 1,
        configs: BTreeMap::new(),
    };
    state.apply(LogIndex(1), &Command::Bootstrap { cluster_id: [1; 16], incarnation: Incarnation(1) });
    state.apply(LogIndex(2), &Command::OpenSession { node: NodeId(1) });
    state.apply(LogIndex(3), &Command::CreateTopics { topics: vec![topic] });
    let grant = Command::GrantObjects { session: SESSION, count: COMMITS, ticks: 10 };
    match state.apply(LogIndex(4), &grant).outcome {
        Outcome::Granted(Ok(grant)) => (state, grant.first),
        other => panic!("not granted: {other:?}"),
    }
}

/// One batch for each partition.
fn commit(first: ObjectId, number: u32, entries: u32) -> Command {
    let batch = || CommitBatch {
        bytes: BATCH_BYTES,
        records: 1,
        max_timestamp: TimestampMs(i64::from(number)),
        producer: None,
        expected_offset: None,
    };
    let entry =
        |index: u32| CommitEntry { partition: partition(index), position: index * BATCH_BYTES, batches: vec![batch()] };
    Command::Commit(Commit {
        session: SESSION,
        lane: LaneId(0),
        sequence: CommitSequence(u64::from(number) + 1),
        outcomes_received: CommitSequence(u64::from(number)),
        payload: Payload::Object { object: ObjectId(first.0 + u64::from(number)), bytes: entries * BATCH_BYTES },
        entries: (0..entries).map(entry).collect(),
    })
}

fn partition(index: u32) -> PartitionId {
    PartitionId { topic: TOPIC, index }
}
