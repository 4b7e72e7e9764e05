//! How long a replica takes to open: 10,000 partitions whose 10 GiB lie in 1,280 objects, in the snapshot, and behind it
//! nearly 64 MiB of log. `cargo run --release -p tidelog-catalog-raft --example restart_time [folder]`.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use futures::StreamExt;
use tidelog_catalog_api::{Catalog, Command, Commit, CommitBatch, CommitEntry, NewTopic, Outcome, Payload};
use tidelog_catalog_raft::{RaftCatalog, RaftOptions};
use tidelog_host::{Clock, Random, RealDisk};
use tidelog_model::{
    CommitSequence, LaneId, NodeId, ObjectId, Offset, PartitionId, SessionId, TenantId, TimestampMs, TopicId,
};

const TOPIC: TopicId = TopicId([5; 16]);
const PARTITIONS: u32 = 10_000;
const OBJECTS: u64 = 1_280;
const OBJECT_BYTES: u32 = 8 << 20;
/// Partitions in one object.
const OBJECT_PARTITIONS: u32 = 64;
const INLINE_FLUSHES: u64 = 1_000;
const INLINE_BYTES: u32 = 62 << 10;

fn entries(first: u32, count: u32, bytes: u32) -> Vec<CommitEntry> {
    (0..count)
        .map(|nth| CommitEntry {
            partition: PartitionId { topic: TOPIC, index: (first + nth) % PARTITIONS },
            position: nth * bytes,
            batches: vec![CommitBatch {
                bytes,
                records: 100,
                max_timestamp: TimestampMs(0),
                producer: None,
                expected_offset: None,
            }],
        })
        .collect()
}

fn commit(session: SessionId, sequence: u64, payload: Payload, entries: Vec<CommitEntry>) -> Command {
    let outcomes_received = CommitSequence(sequence.saturating_sub(64));
    let (lane, sequence) = (LaneId(0), CommitSequence(sequence));
    Command::Commit(Commit { session, lane, sequence, outcomes_received, payload, entries })
}

async fn fill(catalog: &RaftCatalog) -> Result<()> {
    let topic = NewTopic {
        tenant: TenantId(0),
        id: TOPIC,
        name: "t".to_owned(),
        partitions: PARTITIONS,
        replication_factor: 1,
        configs: Default::default(),
    };
    catalog.propose(Command::CreateTopics { topics: vec![topic] }).await?;
    let Outcome::SessionOpened(session) = catalog.propose(Command::OpenSession { node: NodeId(1) }).await? else {
        bail!("no session was opened");
    };
    let grant = Command::GrantObjects { session, count: OBJECTS as u32, ticks: 3_600 };
    let Outcome::Granted(Ok(grant)) = catalog.propose(grant).await? else { bail!("no objects were granted") };

    let objects = (0..OBJECTS).map(|nth| {
        let payload = Payload::Object { object: ObjectId(grant.first.0 + nth), bytes: OBJECT_BYTES };
        let first = nth as u32 * OBJECT_PARTITIONS;
        commit(session, nth + 1, payload, entries(first, OBJECT_PARTITIONS, OBJECT_BYTES / OBJECT_PARTITIONS))
    });
    propose_all(catalog, objects).await?;
    catalog.snapshot_now().await?;
    let inline = (0..INLINE_FLUSHES).map(|nth| {
        let payload = Payload::Inline(Bytes::from(vec![nth as u8; INLINE_BYTES as usize]));
        commit(session, OBJECTS + nth + 1, payload, entries(nth as u32, 4, INLINE_BYTES / 4))
    });
    propose_all(catalog, inline).await
}

async fn propose_all(catalog: &RaftCatalog, commands: impl Iterator<Item = Command>) -> Result<()> {
    let mut answers = futures::stream::iter(commands).map(|command| catalog.propose(command)).buffered(32);
    while let Some(outcome) = answers.next().await {
        let outcome = outcome?;
        ensure!(matches!(outcome, Outcome::Committed(Ok(_))), "not committed: {outcome:?}");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "restart-time-data".to_owned());
    let clock = Clock::real();
    let options = RaftOptions {
        snapshot_every_bytes: u64::MAX,
        snapshot_every_entries: u64::MAX,
        ticks: false,
        ..RaftOptions::new(&dir, NodeId(1))
    };
    let open = || RaftCatalog::open(options.clone(), Arc::new(RealDisk), clock.clone(), Random::real());
    let catalog = open().await?;
    if catalog.topic(TOPIC).is_none() {
        let begun = clock.now();
        fill(&catalog).await?;
        println!("filled: {:?}", begun.elapsed());
    }
    catalog.close().await;
    for _ in 0..3 {
        let begun = clock.now();
        let catalog = open().await?;
        println!("open: {:?}", begun.elapsed());
        let partition = PartitionId { topic: TOPIC, index: PARTITIONS - 1 };
        ensure!(catalog.partition(partition).is_some_and(|view| view.high_watermark > Offset(0)), "it has data");
        catalog.close().await;
    }
    Ok(())
}
