//! What is fuzzed, and from what.

use std::path::Path;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use tidelog_catalog::{PartId, State};
use tidelog_catalog_api::{
    BatchGuard, Command, Commit, CommitBatch, CommitEntry, GroupOffset, GuardedCommit, KeyLayout, KeyedBatch, NewTopic,
    Payload, ProducerBatch, RecordsDeletion, decode_command, encode_command,
};
use tidelog_format::flush_object::{FlushObjectBuilder, TRAILER_BYTES, check_object, read_footer, read_trailer};
use tidelog_format::records;
use tidelog_host::Random;
use tidelog_model::{
    Codec, CommitSequence, FencingToken, HEADER_BYTES, Incarnation, LaneId, LogIndex, NodeId, ObjectId, Offset,
    PartitionId, ProducerEpoch, ProducerId, SessionId, TenantId, TimestampMs, TopicId,
};

use crate::node::Fuzzed;
use crate::plausible::{self, Requests};

/// Something that decodes.
pub struct Target {
    pub name: &'static str,
    pub corpus: Vec<Vec<u8>>,
    /// Where inputs come from beside the corpus: they are not damaged.
    pub make: Option<Make>,
    pub run: Run,
    /// Makes checksums right again.
    pub repair: fn(&mut [u8]),
    /// Memory that may be taken: per byte of input, and besides.
    pub bytes_per_byte: usize,
    pub bytes_fixed: usize,
    /// One execution is worth as many of others, which take microseconds.
    pub worth: u64,
}

/// Makes an input.
pub type Make = Box<dyn Fn(&Random) -> Vec<u8> + Send + Sync>;

/// What is done with an input.
pub type Run = Box<dyn Fn(&[u8]) + Send + Sync>;

/// All targets; with `plant`, also one that is broken on purpose.
pub fn all(plant: bool, more_frames: Option<&Path>) -> anyhow::Result<Vec<Target>> {
    let batches = batches()?;
    let mut recorded = recorded(more_frames)?;
    let mut requests = recorded.clone();
    let mut world = plausible::world(batches[0].clone());
    requests.extend(Requests::new(world.clone())?.frames());
    let node = Fuzzed::start(&mut world)?;
    let to_node = Requests::new(world)?;
    recorded.extend(to_node.frames());
    let mut targets = vec![
        // First, as it takes longest.
        Target {
            worth: 25,
            // Its answers are as large as clients let them be; the node's own memory is not this thread's.
            bytes_fixed: 256 << 20,
            make: Some(Box::new(move |random| to_node.mixed(random))),
            ..target("node", recorded, move |input| node.run(input))
        },
        target("request", requests.clone(), |input| {
            drop(tidelog_kafka_wire::decode_request(Bytes::copy_from_slice(input)))
        }),
        target("frame", requests, |input| {
            if let Some(prefix) = input.first_chunk() {
                let _ = tidelog_kafka_wire::check_frame(*prefix);
            }
        }),
        Target {
            repair: repair_batch,
            // Decoders' windows and tables: zstd's window alone may be 8 MiB.
            bytes_fixed: 16 << 20,
            ..target("batch", batches.clone(), |input| drop(records::check_batch(input)))
        },
        Target {
            // A message may unfold to 8 MiB, and views may be copied to where they are aligned.
            bytes_fixed: 40 << 20,
            ..target("arrow", frames(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus-arrow"))?, |input| {
                let _ = tidelog_gateway_http::read_arrow(input);
            })
        },
        Target { repair: repair_object, ..target("object", vec![object(&batches)], run_object) },
        Target {
            repair: repair_part,
            // A whole state is restored around the damaged part.
            bytes_fixed: 16 << 20,
            ..target("snapshot", snapshot_parts(), run_snapshot)
        },
        target("command", commands(), |input| drop(decode_command(Bytes::copy_from_slice(input)))),
    ];
    if plant {
        targets.push(target("planted", vec![vec![0, 0, 0, 1, 0]], |input| {
            if let Some(count) = input.first_chunk::<4>() {
                let count = i32::from_be_bytes(*count).max(0) as usize;
                std::hint::black_box(Vec::<u8>::with_capacity(count.min(1 << 29)));
            }
        }));
    }
    Ok(targets)
}

fn target(name: &'static str, corpus: Vec<Vec<u8>>, run: impl Fn(&[u8]) + Send + Sync + 'static) -> Target {
    Target {
        name,
        corpus,
        make: None,
        run: Box::new(run),
        repair: |_| {},
        bytes_per_byte: 64,
        bytes_fixed: 1 << 20,
        worth: 1,
    }
}

/// Frames of real clients: those that belong to the sources, and more.
fn recorded(more: Option<&Path>) -> anyhow::Result<Vec<Vec<u8>>> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut all = frames(&own)?;
    if let Some(more) = more {
        all.extend(frames(more)?);
    }
    Ok(all)
}

fn frames(folder: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    // The order of a folder is chance; the seed should decide alone.
    paths.sort();
    let frames: Vec<_> = paths.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    anyhow::ensure!(!frames.is_empty(), "{} has no frames", folder.display());
    Ok(frames)
}

fn batches() -> anyhow::Result<Vec<Vec<u8>>> {
    let mut body = Vec::new();
    for i in 0..20_u8 {
        let record = [0, i << 1, i << 1, 6, b'k', b'e', b'y', 10, b'v', b'a', b'l', b'u', b'e', 2, 2, b'h', 2, b'x'];
        body.push((record.len() as u8) << 1);
        body.extend(record);
    }
    let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    codecs
        .into_iter()
        .enumerate()
        .map(|(number, codec)| {
            let mut batch = vec![0; HEADER_BYTES];
            batch.extend_from_slice(&records::compress(codec, &body));
            let length = (batch.len() - 12) as i32;
            batch[8..12].copy_from_slice(&length.to_be_bytes());
            batch[16] = 2;
            batch[22] = number as u8;
            batch[23..27].copy_from_slice(&19_i32.to_be_bytes());
            batch[43..57].fill(0xff);
            batch[57..61].copy_from_slice(&20_i32.to_be_bytes());
            repair_batch(&mut batch);
            anyhow::ensure!(records::check_batch(&batch).is_ok(), "the corpus is valid");
            Ok(batch)
        })
        .collect()
}

fn repair_batch(batch: &mut [u8]) {
    if batch.len() >= HEADER_BYTES {
        let crc = checksum(CrcAlgorithm::Crc32Iscsi, &batch[21..]) as u32;
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
}

fn object(batches: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = FlushObjectBuilder::new(ObjectId(7), Incarnation(1), [3; 16]);
    for index in 0..3 {
        let partition = PartitionId { topic: TopicId([5; 16]), index };
        builder.add(partition, batches.iter().map(|batch| Bytes::from(batch.clone())));
    }
    builder.finish().parts.concat()
}

fn run_object(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    let _ = check_object(&bytes);
    if let Some(trailer) = input.len().checked_sub(TRAILER_BYTES).and_then(|at| read_trailer(&input[at..]).ok()) {
        let _ = read_footer(&trailer, &bytes);
    }
}

/// The trailer's own checksum is its last four bytes.
fn repair_object(object: &mut [u8]) {
    if let Some(start) = object.len().checked_sub(TRAILER_BYTES) {
        let end = object.len() - 4;
        let crc = checksum(CrcAlgorithm::Crc32Iscsi, &object[start..end]) as u32;
        object[end..].copy_from_slice(&crc.to_be_bytes());
    }
}

fn commands_of_a_small_life() -> Vec<Command> {
    let topic = TopicId::from_random([8; 16]);
    let entry = |index| CommitEntry {
        partition: PartitionId { topic, index },
        position: 0,
        batches: vec![CommitBatch {
            bytes: 100,
            records: 3,
            max_timestamp: TimestampMs(5),
            producer: Some(ProducerBatch { id: ProducerId(1), epoch: ProducerEpoch(0), sequence: 0 }),
            expected_offset: None,
        }],
    };
    let commit = |sequence, payload, index| {
        Command::Commit(Commit {
            session: SessionId(1),
            lane: LaneId(0),
            sequence: CommitSequence(sequence),
            outcomes_received: CommitSequence(0),
            payload,
            entries: vec![entry(index)],
        })
    };
    let first = PartitionId { topic, index: 0 };
    let offset = GroupOffset { partition: first, offset: Offset(1), leader_epoch: -1, metadata: "m".into() };
    vec![
        Command::Bootstrap { cluster_id: [1; 16], incarnation: Incarnation(1) },
        Command::OpenSession { node: NodeId(1) },
        Command::GrantObjects { session: SessionId(1), count: 10, ticks: 10 },
        Command::CreateTopics {
            topics: vec![NewTopic {
                tenant: TenantId(0),
                id: topic,
                name: "fuzz".into(),
                partitions: 4,
                replication_factor: 1,
                configs: [("retention.ms".to_owned(), "1000".to_owned())].into(),
            }],
        },
        commit(1, Payload::Inline(Bytes::from(vec![7; 100])), 0),
        commit(2, Payload::Object { object: ObjectId(1), bytes: 1000 }, 1),
        guarded(commit(3, Payload::Inline(Bytes::from(vec![7; 100])), 2)),
        Command::RaiseFence { partition: PartitionId { topic, index: 0 }, token: FencingToken(3) },
        Command::Tick { wall: TimestampMs(1_000_000) },
        Command::AllocateProducerIds { count: 10 },
        Command::CommitOffsets { tenant: TenantId(0), group: "g".into(), offsets: vec![offset] },
        Command::AlterTopicConfigs {
            topic,
            before: [("retention.ms".to_owned(), "1000".to_owned())].into(),
            after: [("segment.ms".to_owned(), "7".to_owned())].into(),
        },
        Command::CreatePartitions { topic, count: 6 },
        Command::DeleteRecords { partitions: vec![RecordsDeletion { partition: first, before: Some(Offset(0)) }] },
        Command::DeleteOffsets { tenant: TenantId(0), group: "other".into(), partitions: Some(vec![first]) },
    ]
}

/// The same with a fencing token and a key.
fn guarded(command: Command) -> Command {
    let Command::Commit(commit) = command else { unreachable!("the corpus guards commits") };
    let layout = KeyLayout { partitions: 4, batch_bytes_max: 1_000 };
    let key = KeyedBatch { key: [1; 16], body: [2; 16], layout, batches: 2, number: 0 };
    let guard = BatchGuard { batch: 0, fencing_token: Some(FencingToken(2)), key: Some(key) };
    Command::GuardedCommit(GuardedCommit { commit, guards: vec![guard] })
}

fn commands() -> Vec<Vec<u8>> {
    commands_of_a_small_life().iter().map(|command| encode_command(command).to_vec()).collect()
}

/// Every part of a snapshot, each with its number in front.
fn snapshot_parts() -> Vec<Vec<u8>> {
    small_state().freeze().parts().iter().map(|part| [&[part.id.number()], &part.encode()[..]].concat()).collect()
}

fn small_state() -> State {
    let mut state = State::new();
    for (index, command) in commands_of_a_small_life().iter().enumerate() {
        state.apply(LogIndex(index as u64 + 1), command);
    }
    state
}

fn run_snapshot(input: &[u8]) {
    let Some((number, bytes)) = input.split_first() else { return };
    let Some(damaged) = PartId::all().find(|id| id.number() == *number) else { return };
    let frozen = small_state().freeze();
    let frozen_parts = frozen.parts();
    let parts = frozen_parts.iter().map(|part| {
        let bytes = if part.id == damaged { Bytes::copy_from_slice(bytes) } else { part.encode() };
        (part.id, bytes)
    });
    drop(State::restore(parts.collect()));
}

fn repair_part(input: &mut [u8]) {
    if input.len() > 9 {
        let end = input.len() - 8;
        let crc = checksum(CrcAlgorithm::Crc64Nvme, &input[1..end]);
        input[end..].copy_from_slice(&crc.to_be_bytes());
    }
}
