//! Replay from any snapshot gives the same state (I19).

use std::path::PathBuf;
use std::sync::Arc;

use tidelog_catalog::State;
use tidelog_catalog_api::{
    BatchGuard, Catalog, Command, Commit, GroupOffset, GuardedCommit, KeyLayout, KeyedBatch, NewTopic, ProducerBatch,
    RecordsDeletion,
};
use tidelog_host::{ForgetfulDisk, Random};
use tidelog_model::{
    FencingToken, NodeId, Offset, PartitionId, ProducerEpoch, ProducerId, SessionId, TenantId, TimestampMs, TopicId,
};

use crate::RaftCatalog;
use crate::raft_catalog_test::{PARTITION, commit, prepare};
use crate::skipped_sync_test::{open, remember, replay};
use crate::snapshot::SnapshotFolder;

/// The state of the snapshot that is there, read as an opening replica would.
fn snapshot(disk: &ForgetfulDisk, catalog: &RaftCatalog) -> State {
    let dir = PathBuf::from("/data/raft/snapshot");
    let cluster = catalog.cluster().cluster_id;
    let snapshot = SnapshotFolder { disk: Arc::new(disk.clone()), dir, cluster }.current().unwrap().unwrap();
    snapshot.restore(snapshot.read_parts().unwrap()).unwrap()
}

fn random_command(random: &Random, session: SessionId, sequence: &mut u64) -> Command {
    match random.below(16) {
        0 => Command::Tick { wall: TimestampMs(random.below(1 << 40) as i64) },
        1 => Command::CreateTopics {
            topics: vec![NewTopic {
                tenant: TenantId(random.below(2) as u32),
                id: TopicId::from_random(random.bytes()),
                name: format!("t{}", random.below(20)),
                partitions: 1 + random.below(4) as u32,
                replication_factor: 1,
                configs: Default::default(),
            }],
        },
        2 => Command::CommitOffsets {
            tenant: TenantId(0),
            group: format!("g{}", random.below(3)),
            offsets: vec![GroupOffset {
                partition: PartitionId { topic: PARTITION.topic, index: random.below(2) as u32 },
                offset: Offset(random.below(100)),
                leader_epoch: -1,
                metadata: String::new(),
            }],
        },
        3 => Command::GrantObjects { session, count: 1 + random.below(9) as u32, ticks: 1 + random.below(5) as u32 },
        4 => Command::OpenSession { node: NodeId(2 + random.below(2)) },
        5 => Command::DeleteRecords {
            // Mostly what is there, and sometimes beyond the tail.
            partitions: vec![RecordsDeletion { partition: PARTITION, before: Some(Offset(random.below(30))) }],
        },
        6 => Command::CreatePartitions { topic: PARTITION.topic, count: 1 + random.below(9) as u32 },
        7 => Command::AlterTopicConfigs {
            topic: PARTITION.topic,
            before: Default::default(),
            after: [("retention.ms".to_owned(), "1".to_owned())].into(),
        },
        9 => Command::RaiseFence { partition: PARTITION, token: FencingToken(random.below(20)) },
        8 => Command::DeleteOffsets { tenant: TenantId(0), group: format!("g{}", random.below(3)), partitions: None },
        _ => {
            *sequence += 1;
            let command = commit(session, *sequence);
            let mut command = match (command, random.below(3)) {
                (Command::Commit(commit), 0) => {
                    let fencing_token = random.one_in(2).then(|| FencingToken(random.below(20)));
                    let layout = KeyLayout { partitions: 1, batch_bytes_max: 1_000 };
                    let key = [random.below(5) as u8; 16];
                    let key = KeyedBatch { key, body: [random.below(2) as u8; 16], layout, batches: 1, number: 0 };
                    let guard = BatchGuard { batch: 0, fencing_token, key: random.one_in(2).then_some(key) };
                    Command::GuardedCommit(GuardedCommit { commit, guards: vec![guard] })
                }
                (command, _) => command,
            };
            if let Some(Commit { entries, .. }) = command.commit_mut() {
                // Right ones, duplicates and gaps.
                let sequence = random.below(6) as i32;
                let (id, epoch) = (ProducerId(random.below(3) as i64), ProducerEpoch(0));
                entries[0].batches[0].expected_offset = random.one_in(6).then(|| Offset(random.below(30)));
                entries[0].batches[0].producer = random.one_in(2).then_some(ProducerBatch { id, epoch, sequence });
            }
            command
        }
    }
}

async fn check(seed: u64) {
    let random = Random::seeded(seed);
    let disk = ForgetfulDisk::new(seed);
    let mut catalog = open(&disk).await.unwrap();
    let (session, mut sequence) = (prepare(&catalog).await.unwrap(), 0);
    let (mut history, mut snapshots) = (Vec::new(), vec![State::new()]);
    for _ in 0..120 {
        let command = random_command(&random, session, &mut sequence);
        catalog.propose(command).await.unwrap();
        remember(&mut history, &catalog).unwrap();
        if random.one_in(12) {
            catalog.snapshot_now().await.unwrap();
            snapshots.push(snapshot(&disk, &catalog));
        }
        if random.one_in(30) {
            catalog.close().await;
            catalog = open(&disk).await.unwrap();
            remember(&mut history, &catalog).unwrap();
        }
    }
    let (hash, applied) = (catalog.state_hash(), catalog.applied());
    catalog.validate().unwrap();
    catalog.close().await;
    for start in snapshots {
        let from = start.applied();
        let replayed = replay(start, &history);
        assert_eq!((replayed.hash(), replayed.applied()), (hash, applied), "seed {seed}, from {from}");
        replayed.validate().unwrap();
    }
}

#[tokio::test]
async fn replay_from_any_snapshot_gives_the_same_state() {
    for seed in 1..=25 {
        check(seed).await;
    }
}
