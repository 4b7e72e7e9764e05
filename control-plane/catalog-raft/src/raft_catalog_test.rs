//! A replica from outside: open, propose, lose power, open again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidelog_catalog_api::{
    Catalog, CatalogError, Command, Commit, CommitBatch, CommitEntry, NewTopic, Outcome, Payload,
};
use tidelog_host::{Clock, Disk, ForgetfulDisk, Random, RealDisk};
use tidelog_model::{
    CommitSequence, LaneId, LogIndex, NodeId, Offset, PartitionId, SessionId, TenantId, TimestampMs, TopicId,
};

use crate::{OpenError, RaftCatalog, RaftOptions};

const TOPIC: TopicId = TopicId([5; 16]);
pub(crate) const PARTITION: PartitionId = PartitionId { topic: TOPIC, index: 0 };

pub(crate) fn options(dir: &Path) -> RaftOptions {
    RaftOptions {
        segment_bytes: 64 * 1024,
        entries_kept: 2,
        disk_free_bytes_min: 0,
        ticks: false,
        ..RaftOptions::new(dir, NodeId(1))
    }
}

async fn open(disk: &ForgetfulDisk) -> Result<Arc<RaftCatalog>, OpenError> {
    RaftCatalog::open(options(Path::new("/data")), Arc::new(disk.clone()), Clock::real(), Random::seeded(1)).await
}

/// Makes the topic and opens a session.
pub(crate) async fn prepare(catalog: &RaftCatalog) -> Result<SessionId, CatalogError> {
    let topic = NewTopic {
        tenant: TenantId(0),
        id: TOPIC,
        name: "t".to_owned(),
        partitions: 1,
        replication_factor: 1,
        configs: Default::default(),
    };
    let created = catalog.propose(Command::CreateTopics { topics: vec![topic] }).await?;
    assert!(matches!(&created, Outcome::TopicsCreated(topics) if topics[0].is_ok()), "{created:?}");
    match catalog.propose(Command::OpenSession { node: NodeId(1) }).await? {
        Outcome::SessionOpened(session) => Ok(session),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn commit(session: SessionId, sequence: u64) -> Command {
    let batch =
        CommitBatch { bytes: 500, records: 1, max_timestamp: TimestampMs(0), producer: None, expected_offset: None };
    Command::Commit(Commit {
        session,
        lane: LaneId(0),
        sequence: CommitSequence(sequence),
        outcomes_received: CommitSequence(sequence - 1),
        payload: Payload::Inline(Bytes::from(vec![1; 500])),
        entries: vec![CommitEntry { partition: PARTITION, position: 0, batches: vec![batch] }],
    })
}

pub(crate) fn high_watermark(catalog: &RaftCatalog) -> u64 {
    catalog.partition(PARTITION).unwrap().high_watermark.0
}

#[tokio::test]
async fn what_was_acknowledged_survives_power_loss_with_and_without_a_snapshot() {
    for seed in 1..=6 {
        let disk = ForgetfulDisk::new(seed);
        let catalog = open(&disk).await.unwrap();
        let (cluster, session) = (catalog.cluster(), prepare(&catalog).await.unwrap());
        for sequence in 1..=30 {
            catalog.propose(commit(session, sequence)).await.unwrap();
            if sequence % 11 == 0 && seed % 2 == 0 {
                catalog.snapshot_now().await.unwrap();
            }
        }
        let (hash, tail, applied) = (catalog.state_hash(), high_watermark(&catalog), catalog.applied());
        assert_eq!(tail, 30);
        disk.crash_torn();
        catalog.close().await;

        let catalog = open(&disk).await.unwrap();
        assert_eq!((catalog.cluster(), high_watermark(&catalog)), (cluster, tail), "seed {seed}");
        assert!(catalog.extents(PARTITION, Offset(0), 1 << 20).is_some());
        catalog.validate().unwrap();
        // Unless a blank entry of a new term was added, the state is the same to the bit.
        if catalog.applied() == applied {
            assert_eq!(catalog.state_hash(), hash, "seed {seed}");
        }
        catalog.close().await;
        let replayed = open(&disk).await.unwrap();
        assert_eq!(high_watermark(&replayed), tail, "seed {seed}");
        assert_eq!(replayed.propose(commit(session, 31)).await.map(|_| high_watermark(&replayed)), Ok(31));
        replayed.close().await;
    }
}

#[tokio::test]
async fn a_damaged_snapshot_is_refused() {
    let disk = ForgetfulDisk::new(1);
    let catalog = open(&disk).await.unwrap();
    let session = prepare(&catalog).await.unwrap();
    for sequence in 1..=20 {
        catalog.propose(commit(session, sequence)).await.unwrap();
    }
    catalog.snapshot_now().await.unwrap();
    catalog.close().await;
    let dir = Path::new("/data/snapshot");
    for name in disk.list(dir).unwrap() {
        let path = dir.join(name);
        disk.flip_bit(&path, 5, 4);
        let refused = open(&disk).await.err().map(|error| error.to_string());
        let refused = refused.unwrap_or_else(|| panic!("{} damaged, and accepted", path.display()));
        assert!(refused.contains(path.to_str().unwrap()) && refused.contains("damaged"), "{refused}");
        disk.flip_bit(&path, 5, 4);
    }
    open(&disk).await.unwrap().close().await;
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let open = || RaftCatalog::open(options(dir.path()), disk.clone(), Clock::real(), Random::seeded(1));
    let first = open().await.unwrap();
    assert!(matches!(open().await.err(), Some(OpenError::InUse { .. })));
    first.close().await;
    open().await.unwrap().close().await;
}

#[tokio::test]
async fn barriers_see_what_was_proposed_and_share_rounds() {
    let disk = ForgetfulDisk::new(1);
    let catalog = open(&disk).await.unwrap();
    let session = prepare(&catalog).await.unwrap();
    let proposals: Vec<_> = (1..=20).map(|sequence| catalog.propose(commit(session, sequence))).collect();
    for proposal in proposals {
        proposal.await.unwrap();
    }
    let before = catalog.applied();
    let barriers = futures::future::join_all((0..50).map(|_| catalog.read_barrier())).await;
    assert!(barriers.iter().all(|barrier| barrier.as_ref().is_ok_and(|index| *index >= before)));
    catalog.close().await;
    assert!(catalog.read_barrier().await.is_err());
    assert!(catalog.propose(commit(session, 21)).await.is_err());
}

#[tokio::test]
async fn a_replica_says_how_it_is() {
    let disk = ForgetfulDisk::new(3);
    let catalog = open(&disk).await.unwrap();
    let session = prepare(&catalog).await.unwrap();
    catalog.propose(commit(session, 1)).await.unwrap();
    let status = catalog.status();
    assert_eq!((status.leader, status.term > 0, status.snapshot), (Some(NodeId(1)), true, LogIndex(0)));
    assert_eq!(status.committed, catalog.applied());
    assert!(status.log_bytes > 500 && status.log_fsync_p99.is_some(), "{status:?}");
    let snapshot = catalog.snapshot_now().await.unwrap();
    let status = catalog.status();
    assert_eq!((status.snapshot, status.log_bytes), (snapshot, 0));
    catalog.close().await;
}

/// What is asked just while Raft stops can be lost, with nobody told: see `end.rs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_while_the_replica_stops_is_told() {
    for round in 0..24 {
        let disk = ForgetfulDisk::new(round);
        let catalog = open(&disk).await.unwrap();
        disk.stop_after(round % 6);
        // Each asks without waiting for the others until it has been refused often: some ask in the very moment.
        let asks = (0..8).map(|who| {
            let catalog = catalog.clone();
            tokio::spawn(async move {
                let (mut refused, mut answers) = (0, Vec::new());
                while refused < 100 {
                    let answer = async {
                        if who % 2 == 0 {
                            catalog.propose(Command::Tick { wall: TimestampMs(1) }).await.is_err()
                        } else {
                            catalog.read_barrier().await.is_err()
                        }
                    };
                    let is_refused = tokio::time::timeout(Duration::from_secs(20), answer).await;
                    let is_refused = is_refused.unwrap_or_else(|_| panic!("round {round}: {who} was not answered"));
                    refused += usize::from(is_refused);
                    answers.push(is_refused);
                }
                // Once it has stopped it does not come back.
                let first = answers.iter().position(|is_refused| *is_refused).unwrap();
                assert!(answers[first..].iter().all(|is_refused| *is_refused), "round {round}");
            })
        });
        for ask in asks.collect::<Vec<_>>() {
            ask.await.unwrap();
        }
        catalog.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_disk_fails_says_so_though_nobody_asks_it_anything() {
    let disk = ForgetfulDisk::new(4);
    let options = RaftOptions { ticks: true, ..options(Path::new("/data")) };
    let catalog = RaftCatalog::open(options, Arc::new(disk.clone()), Clock::real(), Random::seeded(1)).await.unwrap();
    assert_eq!(catalog.failure(), None);
    disk.fail_where(std::io::ErrorKind::Other, |_| true);
    let why = tokio::time::timeout(Duration::from_secs(20), catalog.failed()).await.expect("its clock alone writes");
    assert_eq!(catalog.failure().as_ref(), Some(&why));
    catalog.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_closed_has_not_failed() {
    let catalog = open(&ForgetfulDisk::new(5)).await.unwrap();
    catalog.close().await;
    assert!(catalog.read_barrier().await.is_err(), "it has stopped");
    let failed = tokio::time::timeout(Duration::from_millis(200), catalog.failed()).await;
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(catalog.failure(), None);
}
