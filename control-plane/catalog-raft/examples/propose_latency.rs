//! How long a durable proposal takes on this machine's disk: `cargo run --release -p tidelog-catalog-raft --example
//! propose_latency [folder] [count] [in flight]`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::StreamExt;
use tidelog_catalog_api::{Catalog, Command, Commit, CommitBatch, CommitEntry, NewTopic, Outcome, Payload};
use tidelog_catalog_raft::{RaftCatalog, RaftOptions};
use tidelog_host::{Clock, Random, RealDisk};
use tidelog_model::{CommitSequence, LaneId, NodeId, PartitionId, TenantId, TimestampMs, TopicId};

/// Bytes of one inline flush.
const PAYLOAD_BYTES: usize = 1_024;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| "propose-latency-data".to_owned());
    let count: u64 = arguments.next().map_or(Ok(5_000), |count| count.parse())?;
    let in_flight: usize = arguments.next().map_or(Ok(1), |count| count.parse())?;
    let clock = Clock::real();
    let begun = clock.now();
    let catalog =
        RaftCatalog::open(RaftOptions::new(&dir, NodeId(1)), Arc::new(RealDisk), clock.clone(), Random::real()).await?;
    println!("open: {:?}", begun.elapsed());

    let topic = TopicId::from_random(Random::real().bytes());
    let new = NewTopic {
        tenant: TenantId(0),
        id: topic,
        name: format!("latency-{topic}"),
        partitions: 1,
        replication_factor: 1,
        configs: Default::default(),
    };
    catalog.propose(Command::CreateTopics { topics: vec![new] }).await?;
    let opened = catalog.propose(Command::OpenSession { node: NodeId(1) }).await?;
    let Outcome::SessionOpened(session) = opened else { anyhow::bail!("no session was opened: {opened:?}") };
    let commit = |sequence: u64| {
        Command::Commit(Commit {
            session,
            lane: LaneId(0),
            sequence: CommitSequence(sequence),
            outcomes_received: CommitSequence(sequence.saturating_sub(in_flight as u64 + 1)),
            payload: Payload::Inline(Bytes::from(vec![7; PAYLOAD_BYTES])),
            entries: vec![CommitEntry {
                partition: PartitionId { topic, index: 0 },
                position: 0,
                batches: vec![CommitBatch {
                    bytes: PAYLOAD_BYTES as u32,
                    records: 1,
                    max_timestamp: TimestampMs(0),
                    producer: None,
                    expected_offset: None,
                }],
            }],
        })
    };
    let begun = clock.now();
    let mut took: Vec<Duration> = futures::stream::iter(1..=count)
        .map(|sequence| {
            let (begun, proposal) = (clock.now(), catalog.propose(commit(sequence)));
            async move { proposal.await.map(|_| begun.elapsed()) }
        })
        .buffered(in_flight)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect::<Result<_, _>>()?;
    let per_second = count as f64 / begun.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |share: f64| took.get(((took.len() - 1) as f64 * share) as usize).context("nothing was measured");
    println!("{count} proposals, {in_flight} in flight: {per_second:.0}/s");
    println!("p50 {:?}  p99 {:?}  max {:?}", at(0.5)?, at(0.99)?, at(1.0)?);
    catalog.close().await;
    Ok(())
}
