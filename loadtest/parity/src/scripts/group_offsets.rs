//! OffsetCommit and OffsetFetch.

use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetFetchRequest};

use super::common::{create, text, topic_name};
use super::offsets_by_id;
use crate::exchange::Exchange;

/// Kafka's bound on the text beside an offset.
const METADATA_BYTES_MAX: usize = 4_096;
const EPOCHS_FROM: i16 = 6;
const GROUPS_FROM: i16 = 8;
const MEMBERS_FROM: i16 = 9;
/// Topics go by their ids.
const BY_ID_FROM: i16 = 10;

/// A commit of one partition by nobody's member, as tools make it.
pub fn commit(group: &str, topic: &str, partition: i32, offset: i64, metadata: Option<&str>) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_metadata(metadata.map(text));
    let topic = OffsetCommitRequestTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default().with_group_id(text(group).into()).with_topics(vec![topic]);
    request.with_generation_id_or_member_epoch(-1)
}

/// A question for some partitions of topics, or for all that there are.
fn fetch(version: i16, group: &str, topics: Option<&[(&str, &[i32])]>) -> OffsetFetchRequest {
    if version >= GROUPS_FROM {
        return OffsetFetchRequest::default().with_groups(vec![fetch_group(group, topics)]);
    }
    let topic = |(name, partitions): &(&str, &[i32])| {
        OffsetFetchRequestTopic::default().with_name(topic_name(name)).with_partition_indexes(partitions.to_vec())
    };
    let topics = topics.map(|topics| topics.iter().map(topic).collect());
    OffsetFetchRequest::default().with_group_id(text(group).into()).with_topics(topics)
}

fn fetch_group(group: &str, topics: Option<&[(&str, &[i32])]>) -> OffsetFetchRequestGroup {
    let topic = |(name, partitions): &(&str, &[i32])| {
        OffsetFetchRequestTopics::default().with_name(topic_name(name)).with_partition_indexes(partitions.to_vec())
    };
    let topics = topics.map(|topics| topics.iter().map(topic).collect());
    OffsetFetchRequestGroup::default().with_group_id(text(group).into()).with_topics(topics)
}

pub fn committed(x: &mut Exchange) -> anyhow::Result<()> {
    if x.version() >= BY_ID_FROM {
        return offsets_by_id::committed(x);
    }
    let (topic, group) = (create(x, "topic", 2, &[])?.name, x.name("group"));
    x.ask("commit", &commit(&group, &topic, 0, 5, Some("note")))?;
    x.ask("commit without a note", &commit(&group, &topic, 1, 7, None))?;
    x.ask("commit again", &commit(&group, &topic, 0, 6, Some("another note")))?;
    if x.version() >= EPOCHS_FROM {
        let mut with_epoch = commit(&group, &topic, 0, 6, Some("with an epoch"));
        with_epoch.topics[0].partitions[0].committed_leader_epoch = 0;
        x.ask("commit with an epoch", &with_epoch)?;
    }
    x.ask("commit to no such partition", &commit(&group, &topic, 2, 5, None))?;
    x.ask("commit to no such topic", &commit(&group, &x.name("unknown"), 0, 5, None))?;
    x.ask("commit of -1", &commit(&group, &topic, 0, -1, None))?;
    x.ask("commit of -2", &commit(&group, &topic, 0, -2, None))?;
    x.ask("commit with a long note", &commit(&group, &topic, 0, 5, Some(&"x".repeat(METADATA_BYTES_MAX + 1))))?;
    x.ask("commit with the longest note", &commit(&group, &topic, 1, 8, Some(&"x".repeat(METADATA_BYTES_MAX))))?;
    x.ask("commit without a group", &commit("", &topic, 0, 5, None))?;
    x.ask("commit of nothing", &commit(&group, &topic, 0, 5, None).with_topics(Vec::new()))?;
    x.ask("commit of a stranger", &commit(&group, &topic, 0, 5, None).with_member_id(text("nobody")))?;
    let generation = commit(&group, &topic, 0, 5, None).with_generation_id_or_member_epoch(3);
    x.ask("commit of a generation", &generation.clone())?;
    x.ask("commit of a generation by a stranger", &generation.with_member_id(text("nobody")))?;
    let nowhere = commit(&x.name("nowhere"), &topic, 0, 5, None).with_generation_id_or_member_epoch(3);
    x.ask("commit of a generation to no group", &nowhere.with_member_id(text("nobody")))?;
    x.ask("what is left", &fetch(x.version_of::<OffsetFetchRequest>(), &group, Some(&[(&topic, &[0, 1])])))?;
    Ok(())
}

pub fn fetched(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    if version >= BY_ID_FROM {
        return offsets_by_id::fetched(x);
    }
    let topic = create(x, "topic", 3, &[])?.name;
    let (group, unknown) = (x.name("group"), x.name("unknown"));
    x.quietly(&commit(&group, &topic, 0, 5, Some("note")))?;
    x.quietly(&commit(&group, &topic, 1, 6, None))?;
    x.ask("one", &fetch(version, &group, Some(&[(&topic, &[0])])))?;
    x.ask("both and another", &fetch(version, &group, Some(&[(&topic, &[1, 2, 0])])))?;
    x.ask("no such partition", &fetch(version, &group, Some(&[(&topic, &[9, -1])])))?;
    x.ask("no such topic", &fetch(version, &group, Some(&[(&unknown, &[0])])))?;
    x.ask("no such group", &fetch(version, &unknown, Some(&[(&topic, &[0])])))?;
    x.ask("without a group", &fetch(version, "", Some(&[(&topic, &[0])])))?;
    x.ask("nothing", &fetch(version, &group, Some(&[])))?;
    x.ask("nothing of a topic", &fetch(version, &group, Some(&[(&topic, &[])])))?;
    if version >= 2 {
        x.ask("all", &fetch(version, &group, None))?;
        x.ask("all of no group", &fetch(version, &unknown, None))?;
    }
    if version >= 7 {
        x.ask("stable only", &fetch(version, &group, Some(&[(&topic, &[0])])).with_require_stable(true))?;
    }
    if version >= GROUPS_FROM {
        let groups = vec![fetch_group(&group, None), fetch_group(&unknown, Some(&[(&topic, &[0])]))];
        x.ask("two groups", &OffsetFetchRequest::default().with_groups(groups))?;
        x.ask("no groups", &OffsetFetchRequest::default())?;
    }
    if version >= MEMBERS_FROM {
        let one: &[(&str, &[i32])] = &[(&topic, &[0])];
        for (what, name) in [("as a member", &group), ("as a member of no group", &unknown)] {
            let asked = fetch_group(name, Some(one)).with_member_id(Some(text("nobody"))).with_member_epoch(3);
            x.ask(what, &OffsetFetchRequest::default().with_groups(vec![asked]))?;
        }
    }
    Ok(())
}
