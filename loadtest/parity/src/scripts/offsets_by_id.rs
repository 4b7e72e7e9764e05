//! OffsetCommit and OffsetFetch in the versions that name topics by id.

use kafka_protocol::messages::DeleteTopicsRequest;
use uuid::Uuid;

use super::common::{NO_TOPIC, TIMEOUT_MS, Topic, create, gone, topic_name};
use crate::exchange::Exchange;
use crate::newer::{GroupToFetch, OffsetCommitById, OffsetFetchById, PartitionToCommit, TopicToCommit, TopicToFetch};

/// A commit by nobody's member.
fn commit(group: &str, topics: &[(Uuid, &[(i32, i64)])]) -> OffsetCommitById {
    let partition = |(index, offset): &(i32, i64)| PartitionToCommit {
        partition_index: *index,
        committed_offset: *offset,
        committed_leader_epoch: -1,
        committed_metadata: Some("note".to_owned()),
    };
    let topic = |(id, partitions): &(Uuid, &[(i32, i64)])| TopicToCommit {
        topic_id: *id,
        partitions: Some(partitions.iter().map(partition).collect()),
    };
    OffsetCommitById {
        group_id: Some(group.to_owned()),
        generation_id_or_member_epoch: -1,
        member_id: Some(String::new()),
        group_instance_id: None,
        topics: Some(topics.iter().map(topic).collect()),
    }
}

fn group(group: &str, topics: Option<&[(Uuid, &[i32])]>) -> GroupToFetch {
    let topic = |(id, partitions): &(Uuid, &[i32])| TopicToFetch {
        topic_id: *id,
        partition_indexes: Some(partitions.to_vec()),
    };
    let topics = topics.map(|topics| topics.iter().map(topic).collect());
    GroupToFetch { group_id: Some(group.to_owned()), member_id: None, member_epoch: -1, topics }
}

fn fetch(groups: Vec<GroupToFetch>) -> OffsetFetchById {
    OffsetFetchById { groups: Some(groups), require_stable: 0 }
}

/// In place of a topic another of the same name.
fn anew(x: &mut Exchange, topic: &Topic) -> anyhow::Result<Topic> {
    let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name(&topic.name)]);
    x.quietly_in(5, &request.with_timeout_ms(TIMEOUT_MS))?;
    gone(x, &topic.name)?;
    create(x, "topic", 2, &[])
}

pub fn committed(x: &mut Exchange) -> anyhow::Result<()> {
    let (topic, name) = (create(x, "topic", 2, &[])?, x.name("group"));
    x.ask("commit", &commit(&name, &[(topic.id, &[(0, 5), (1, 6)])]))?;
    x.ask("commit to no such partition", &commit(&name, &[(topic.id, &[(7, 5), (1, 7)])]))?;
    x.ask("commit to no such topic", &commit(&name, &[(NO_TOPIC, &[(0, 5)]), (topic.id, &[(0, 8)])]))?;
    x.ask("commit to no topic", &commit(&name, &[(Uuid::nil(), &[(0, 5)])]))?;
    x.ask("commit of -1", &commit(&name, &[(topic.id, &[(0, -1)])]))?;
    x.ask("commit of nothing", &commit(&name, &[]))?;
    x.ask("commit without a group", &commit("", &[(topic.id, &[(0, 5)])]))?;
    let generation = OffsetCommitById { generation_id_or_member_epoch: 3, ..commit(&name, &[(topic.id, &[(0, 5)])]) };
    x.ask("commit of a generation", &generation)?;
    x.ask("what is left", &fetch(vec![group(&name, Some(&[(topic.id, &[1])]))]))?;
    let new = anew(x, &topic)?;
    x.call(&topic.id, "the old topic");
    x.ask("commit to the old topic", &commit(&name, &[(topic.id, &[(0, 5)])]))?;
    x.ask("what the new one has", &fetch(vec![group(&name, Some(&[(new.id, &[0, 1])]))]))?;
    x.ask("commit to the new topic", &commit(&name, &[(new.id, &[(0, 2)])]))?;
    Ok(())
}

pub fn fetched(x: &mut Exchange) -> anyhow::Result<()> {
    let topic = create(x, "topic", 3, &[])?;
    let (name, unknown) = (x.name("group"), x.name("unknown"));
    x.quietly(&commit(&name, &[(topic.id, &[(0, 5), (1, 6)])]))?;
    let (all, one): (&[i32], &[i32]) = (&[1, 2, 0], &[0]);
    x.ask("all three", &fetch(vec![group(&name, Some(&[(topic.id, all)]))]))?;
    x.ask("no such partition", &fetch(vec![group(&name, Some(&[(topic.id, &[9, -1])]))]))?;
    x.ask("no such topic too", &fetch(vec![group(&name, Some(&[(topic.id, one), (NO_TOPIC, all)]))]))?;
    x.ask("no topic", &fetch(vec![group(&name, Some(&[(Uuid::nil(), one)]))]))?;
    x.ask("no such group", &fetch(vec![group(&unknown, Some(&[(topic.id, one)]))]))?;
    x.ask("nothing", &fetch(vec![group(&name, Some(&[]))]))?;
    x.ask("nothing of a topic", &fetch(vec![group(&name, Some(&[(topic.id, &[])]))]))?;
    x.ask("all", &fetch(vec![group(&name, None)]))?;
    x.ask("all of no group", &fetch(vec![group(&unknown, None)]))?;
    let member = |group| GroupToFetch { member_id: Some("nobody".to_owned()), member_epoch: 3, ..group };
    x.ask("as a member", &fetch(vec![member(group(&name, Some(&[(topic.id, one)])))]))?;
    x.ask("stable only", &OffsetFetchById { require_stable: 1, ..fetch(vec![group(&name, None)]) })?;
    x.ask("two groups", &fetch(vec![group(&name, None), group(&unknown, Some(&[(topic.id, one)]))]))?;
    x.ask("no groups", &fetch(Vec::new()))?;
    Ok(())
}
