//! ListOffsets and OffsetForLeaderEpoch.

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::{ListOffsetsRequest, OffsetForLeaderEpochRequest};

use super::common::{TIMEOUT_MS, Topic, create, put, topic_name};
use crate::batches::{Batch, FIRST_TIMESTAMP_MS};
use crate::exchange::Exchange;
use crate::newer::Newer;

const EPOCHS_FROM: i16 = 4;
const TIMEOUT_FROM: i16 = 10;

/// Three records a millisecond apart, then one much later, then one in between.
fn filled(x: &mut Exchange) -> anyhow::Result<Topic> {
    let topic = create(x, "topic", 2, &[])?;
    put(x, &topic, 0, Batch::of(&[b"zero", b"one", b"two"]).bytes())?;
    for later in [1_000, 500] {
        let at = FIRST_TIMESTAMP_MS + later;
        put(x, &topic, 0, Batch { first_timestamp_ms: at, max_timestamp_ms: at, ..Batch::of(&[b"later"]) }.bytes())?;
    }
    Ok(topic)
}

fn at(index: i32, timestamp: i64) -> ListOffsetsPartition {
    ListOffsetsPartition::default().with_partition_index(index).with_timestamp(timestamp)
}

/// 11 knows one more time that is none, and is written like 10.
type ListOffsets = Newer<ListOffsetsRequest, 11>;

fn list(version: i16, topic: &str, partitions: Vec<ListOffsetsPartition>) -> ListOffsets {
    let topic = ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(partitions);
    let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    Newer(if version >= TIMEOUT_FROM { request.with_timeout_ms(TIMEOUT_MS) } else { request })
}

pub fn listed(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    let filled = filled(x)?;
    for (what, timestamp) in [
        ("latest", -1),
        ("earliest", -2),
        ("of the greatest timestamp", -3),
        ("earliest local", -4),
        ("latest tiered", -5),
        ("earliest pending upload", -6),
        ("a time that has no meaning", -9),
        ("time 0", 0),
        ("the first time", FIRST_TIMESTAMP_MS),
        ("within a batch", FIRST_TIMESTAMP_MS + 2),
        ("between batches", FIRST_TIMESTAMP_MS + 3),
        ("behind a later one", FIRST_TIMESTAMP_MS + 501),
        ("the last time", FIRST_TIMESTAMP_MS + 1_000),
        ("after the end", FIRST_TIMESTAMP_MS + 1_001),
    ] {
        x.ask(what, &list(version, &filled.name, vec![at(0, timestamp)]))?;
        if timestamp < 0 {
            x.ask(&format!("{what} of nothing"), &list(version, &filled.name, vec![at(1, timestamp)]))?;
        }
    }
    x.ask("no such partition", &list(version, &filled.name, vec![at(2, -1), at(0, -1)]))?;
    x.ask("partition -1", &list(version, &filled.name, vec![at(-1, -1)]))?;
    x.ask("no such topic", &list(version, &x.name("unknown"), vec![at(0, -1)]))?;
    x.ask("a name that cannot be", &list(version, "with blank", vec![at(0, -1)]))?;
    x.ask("a partition twice", &list(version, &filled.name, vec![at(0, -1), at(0, -2)]))?;
    if version >= 2 {
        let all = list(version, &filled.name, vec![at(0, -1)]).0;
        let committed: ListOffsets = Newer(all.with_isolation_level(1));
        x.ask("committed only", &committed)?;
    }
    if version >= EPOCHS_FROM {
        for (what, epoch) in [("epoch 0", 0), ("a newer epoch", 1)] {
            x.ask(what, &list(version, &filled.name, vec![at(0, -1).with_current_leader_epoch(epoch)]))?;
        }
    }
    Ok(())
}

pub fn epochs(x: &mut Exchange) -> anyhow::Result<()> {
    let filled = filled(x)?;
    let replica = x.version() >= 3;
    let ask = |topic: &str, index: i32, current: i32, epoch: i32| {
        let partition = OffsetForLeaderPartition::default().with_partition(index);
        let partition = partition.with_current_leader_epoch(current).with_leader_epoch(epoch);
        let topic = OffsetForLeaderTopic::default().with_topic(topic_name(topic)).with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        if replica { request.with_replica_id((-1).into()) } else { request }
    };
    x.ask("epoch 0", &ask(&filled.name, 0, -1, 0))?;
    x.ask("epoch 0 of nothing", &ask(&filled.name, 1, -1, 0))?;
    x.ask("a newer epoch", &ask(&filled.name, 0, -1, 1))?;
    x.ask("no epoch", &ask(&filled.name, 0, -1, -1))?;
    x.ask("in epoch 0", &ask(&filled.name, 0, 0, 0))?;
    x.ask("in a newer epoch", &ask(&filled.name, 0, 1, 0))?;
    x.ask("no such partition", &ask(&filled.name, 2, -1, 0))?;
    x.ask("no such topic", &ask(&x.name("unknown"), 0, -1, 0))?;
    Ok(())
}
