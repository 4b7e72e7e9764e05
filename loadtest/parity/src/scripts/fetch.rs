//! Fetch: what it finds, what it refuses, and its sessions.

use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};

use super::common::{NO_TOPIC, Topic, create, put, topic_name};
use crate::batches::Batch;
use crate::exchange::Exchange;

const SESSIONS_FROM: i16 = 7;
const EPOCHS_FROM: i16 = 9;
const LAST_EPOCHS_FROM: i16 = 12;
const IDS_FROM: i16 = 13;
/// Session epochs: of a session's first request, and of one that is in none.
const FIRST: i32 = 0;
const NONE: i32 = -1;

fn partition(index: i32, offset: i64) -> FetchPartition {
    FetchPartition::default().with_partition(index).with_fetch_offset(offset).with_partition_max_bytes(1 << 20)
}

fn topic(version: i16, topic: &Topic, partitions: Vec<FetchPartition>) -> FetchTopic {
    let asked = FetchTopic::default().with_partitions(partitions);
    if version >= IDS_FROM { asked.with_topic_id(topic.id) } else { asked.with_topic(topic_name(&topic.name)) }
}

/// A request that does not wait.
fn request(topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest::default().with_max_bytes(1 << 20).with_min_bytes(0).with_topics(topics).with_session_epoch(NONE)
}

/// Five records in two batches in partition 0, none in partition 1.
fn filled(x: &mut Exchange) -> anyhow::Result<Topic> {
    let topic = create(x, "topic", 2, &[])?;
    put(x, &topic, 0, Batch::of(&[b"zero", b"one", b"two"]).bytes())?;
    put(x, &topic, 0, Batch::of(&[b"three", b"four"]).bytes())?;
    Ok(topic)
}

pub fn plain(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    let filled = filled(x)?;
    let one = |index, offset| request(vec![topic(version, &filled, vec![partition(index, offset)])]);
    x.ask("from the beginning", &one(0, 0))?;
    x.ask("from within a batch", &one(0, 1))?;
    x.ask("from the second batch", &one(0, 3))?;
    x.ask("from the end", &one(0, 5))?;
    x.ask("beyond the end", &one(0, 6))?;
    x.ask("from below 0", &one(0, -1))?;
    x.ask("an empty partition", &one(1, 0))?;
    x.ask("beyond the end of an empty one", &one(1, 1))?;
    x.ask("no such partition", &one(2, 0))?;
    x.ask("partition -1", &one(-1, 0))?;
    let unknown = Topic { name: x.name("unknown"), id: NO_TOPIC };
    x.ask("no such topic", &request(vec![topic(version, &unknown, vec![partition(0, 0)])]))?;
    x.ask("nothing", &request(Vec::new()))?;
    x.ask("both", &request(vec![topic(version, &filled, vec![partition(1, 0), partition(0, 0)])]))?;
    x.ask("committed only", &one(0, 0).with_isolation_level(1))?;
    x.ask("another isolation", &one(0, 0).with_isolation_level(2))?;
    let small = partition(0, 0).with_partition_max_bytes(1);
    x.ask("few bytes of a partition", &request(vec![topic(version, &filled, vec![small])]))?;
    x.ask("few bytes", &one(0, 0).with_max_bytes(1))?;
    x.ask("waits in vain", &one(0, 5).with_min_bytes(1).with_max_wait_ms(50))?;
    x.ask("is not made to wait by an error", &one(0, 6).with_min_bytes(1).with_max_wait_ms(15_000))?;
    if version >= 11 {
        x.ask("with a rack", &one(0, 0).with_rack_id("zone-a".to_owned().into()))?;
    }
    if version >= EPOCHS_FROM {
        for (what, epoch) in [("epoch 0", 0), ("a newer epoch", 1)] {
            let asked = partition(0, 0).with_current_leader_epoch(epoch);
            x.ask(what, &request(vec![topic(version, &filled, vec![asked])]))?;
        }
    }
    if version >= LAST_EPOCHS_FROM {
        for (what, epoch) in [("last fetched in epoch 0", 0), ("last fetched in a newer epoch", 1)] {
            let asked = partition(0, 2).with_current_leader_epoch(0).with_last_fetched_epoch(epoch);
            x.ask(what, &request(vec![topic(version, &filled, vec![asked])]))?;
        }
    }
    Ok(())
}

pub fn sessions(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    if version < SESSIONS_FROM {
        return Ok(());
    }
    let filled = filled(x)?;
    let whole = || topic(version, &filled, vec![partition(0, 0), partition(1, 0)]);
    let answer = x.ask("a new session", &request(vec![whole()]).with_session_epoch(FIRST))?;
    let session = answer.session_id;
    let next = |epoch, topics| request(topics).with_session_id(session).with_session_epoch(epoch);
    x.ask("all of it again", &next(1, vec![topic(version, &filled, vec![partition(0, 5)])]))?;
    x.ask("what is new", &next(2, Vec::new()))?;
    put(x, &filled, 1, Batch::of(&[b"new"]).bytes())?;
    x.ask("what is new now", &next(3, Vec::new()))?;
    x.ask("an epoch used before", &next(3, Vec::new()))?;
    x.ask("an epoch left out", &next(7, Vec::new()))?;
    x.ask("the right one", &next(4, vec![topic(version, &filled, vec![partition(1, 1)])]))?;
    let forgotten = ForgottenTopic::default().with_partitions(vec![1]);
    let forgotten = if version >= IDS_FROM {
        forgotten.with_topic_id(filled.id)
    } else {
        forgotten.with_topic(topic_name(&filled.name))
    };
    x.ask("one partition less", &next(5, Vec::new()).with_forgotten_topics_data(vec![forgotten]))?;
    put(x, &filled, 1, Batch::of(&[b"unseen"]).bytes())?;
    x.ask("nothing of that one", &next(6, Vec::new()))?;
    let unknown = Topic { name: x.name("unknown"), id: NO_TOPIC };
    x.ask("an unknown topic more", &next(7, vec![topic(version, &unknown, vec![partition(0, 0)])]))?;
    x.ask("and it is told again", &next(8, Vec::new()))?;
    x.ask("the end of it", &next(NONE, Vec::new()))?;
    x.ask("after its end", &next(9, Vec::new()))?;
    x.ask("no such session", &request(Vec::new()).with_session_id(0x7fff_fff1).with_session_epoch(1))?;
    x.ask("none, but an epoch", &request(Vec::new()).with_session_epoch(5))?;
    x.ask("a session of nothing", &request(Vec::new()).with_session_epoch(FIRST))?;
    Ok(())
}
