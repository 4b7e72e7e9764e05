//! A snapshot of version 1, as it was written once. It never changes: every later version must open it.

use std::path::PathBuf;

use bytes::{Buf, BufMut, Bytes};
use tidelog_catalog_api::*;
use tidelog_model::*;

use super::scenarios::{Cluster, batch, entry, partition};
use crate::{PartId, State};

/// Of the state in the file.
const HASH: u64 = 0x3a5e_fa3f_d709_cbd6;

/// A state with something of everything.
fn sample() -> State {
    let mut cluster = Cluster::new(3);
    cluster.create("other.topic", 1, 2);
    cluster.apply(&Command::AllocateProducerIds { count: 10 });
    let object = cluster.grant(4, 3);
    let produced = |sequence| {
        let producer = ProducerBatch { id: ProducerId(1), epoch: ProducerEpoch(0), sequence };
        CommitBatch { producer: Some(producer), max_timestamp: TimestampMs(1_700_000_000_000), ..batch(61, 2) }
    };
    let entries = vec![entry(0, 0, vec![produced(0), produced(2)]), entry(1, 122, vec![batch(78, 3)])];
    cluster.commit(Payload::Object { object, bytes: 200 }, entries).unwrap();
    let inline = Bytes::from((0..70).collect::<Vec<u8>>());
    cluster
        .commit(Payload::Inline(inline), vec![entry(0, 9, vec![produced(4)]), entry(9, 0, vec![batch(1, 1)])])
        .unwrap();
    cluster.commit(Payload::Object { object: ObjectId(99), bytes: 1 }, vec![]).unwrap();
    let offset =
        GroupOffset { partition: partition(1), offset: Offset(3), leader_epoch: -1, metadata: "as stated".into() };
    cluster.apply(&Command::CommitOffsets { tenant: TenantId(1), group: "readers".into(), offsets: vec![offset] });
    (0..3).for_each(|_| cluster.tick());
    cluster.grant(2, 100);
    cluster.state.validate().unwrap();
    cluster.state
}

/// One file of it all: per part its number, the length of its bytes, its bytes.
fn pack(state: &State) -> Vec<u8> {
    let mut file = Vec::new();
    for part in state.freeze().parts() {
        let bytes = part.encode();
        file.put_u8(part.id.number());
        file.put_u32(bytes.len() as u32);
        file.put_slice(&bytes);
    }
    file
}

fn unpack(mut file: Bytes) -> Vec<(PartId, Bytes)> {
    let mut parts = Vec::new();
    while file.has_remaining() {
        let id = PartId::from_number(file.get_u8()).unwrap();
        let length = file.get_u32() as usize;
        parts.push((id, file.split_to(length)));
    }
    parts
}

#[test]
fn the_first_version_s_snapshot_opens() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/state-v1.bin");
    if std::env::var_os("TIDELOG_WRITE_GOLDEN").is_some() {
        // For a new version only; it gets a file of its own.
        std::fs::write(&path, pack(&sample())).unwrap();
    }
    let file = Bytes::from(std::fs::read(&path).unwrap());
    let state = State::restore(unpack(file.clone())).unwrap();
    assert_eq!(state.partition(partition(0)).unwrap().high_watermark, Offset(6));
    assert_eq!(state.inline_bytes(), 70);
    assert_eq!(state.group_offsets(TenantId(1), "readers", None)[0].metadata, "as stated");
    assert_eq!(state.topic_by_name(TenantId(1), "other.topic").unwrap().partitions, 1);
    assert_eq!(state.orphans().len(), 1);
    assert_eq!(state.hash(), HASH, "the file's state, {:#018x}", state.hash());
    assert_eq!(pack(&state), file, "what version 1 wrote, version 1 writes");
    assert_eq!(sample().hash(), HASH, "apply has not changed its mind");
}
