//! DescribeGroups, ListGroups, DeleteGroups, OffsetDelete.

use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, LeaveGroupRequest, ListGroupsRequest, OffsetDeleteRequest,
};

use super::common::{create, leave, text, topic_name};
use super::group_offsets::commit;
use super::groups::Member;
use crate::exchange::Exchange;

const OPERATIONS_FROM: i16 = 3;
const STATES_FROM: i16 = 4;
const TYPES_FROM: i16 = 5;

fn describe(groups: &[&str]) -> DescribeGroupsRequest {
    DescribeGroupsRequest::default().with_groups(groups.iter().map(|group| text(group).into()).collect())
}

/// A group with one member that has its share; returns the member's id and the generation.
fn stable(x: &mut Exchange, group: &str) -> anyhow::Result<(String, i32)> {
    let member = Member { word: "first", group, instance: None, protocols: &["range"] };
    let joined = member.join_alone(x, 0, "a member")?;
    let (id, generation) = (joined.member_id.to_string(), joined.generation_id);
    x.ask("a member: sync", &member.sync(x, generation, &id, &[(&id, "all")]))?;
    Ok((id, generation))
}

pub fn described(x: &mut Exchange) -> anyhow::Result<()> {
    let (group, unknown) = (x.name("group"), x.name("unknown"));
    let topic = create(x, "topic", 1, &[])?.name;
    x.ask("unknown", &describe(&[&unknown]))?;
    x.ask("without a name", &describe(&[""]))?;
    x.ask("nothing", &describe(&[]))?;
    let (id, _) = stable(x, &group)?;
    x.ask("stable", &describe(&[&group]))?;
    x.ask("two", &describe(&[&unknown, &group]))?;
    if x.version() >= OPERATIONS_FROM {
        x.ask("with operations", &describe(&[&group]).with_include_authorized_operations(true))?;
    }
    let version = x.version_of::<LeaveGroupRequest>();
    x.ask("the member leaves", &leave(version, &group, &[(&id, None)]))?;
    x.ask("empty", &describe(&[&group]))?;
    let offsets = x.name("offsets");
    x.quietly(&commit(&offsets, &topic, 0, 5, None))?;
    x.ask("with offsets alone", &describe(&[&offsets]))?;
    Ok(())
}

pub fn listed(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    let group = x.name("group");
    let topic = create(x, "topic", 1, &[])?.name;
    x.quietly(&commit(&x.name("offsets"), &topic, 0, 5, None))?;
    let (id, _) = stable(x, &group)?;
    let request = ListGroupsRequest::default();
    x.ask("all", &request)?;
    if version >= STATES_FROM {
        for state in ["Stable", "stable", "Empty", "Nonsense"] {
            x.ask(&format!("in state {state}"), &request.clone().with_states_filter(vec![text(state)]))?;
        }
    }
    if version >= TYPES_FROM {
        for kind in ["classic", "Classic", "consumer", "nonsense"] {
            x.ask(&format!("of type {kind}"), &request.clone().with_types_filter(vec![text(kind)]))?;
        }
    }
    let version = x.version_of::<LeaveGroupRequest>();
    x.ask("the member leaves", &leave(version, &group, &[(&id, None)]))?;
    Ok(())
}

pub fn deleted(x: &mut Exchange) -> anyhow::Result<()> {
    let group = x.name("group");
    let topic = create(x, "topic", 1, &[])?.name;
    let delete = |groups: &[&str]| {
        DeleteGroupsRequest::default().with_groups_names(groups.iter().map(|group| text(group).into()).collect())
    };
    x.ask("unknown", &delete(&[&x.name("unknown")]))?;
    x.ask("without a name", &delete(&[""]))?;
    x.ask("nothing", &delete(&[]))?;
    let (id, _) = stable(x, &group)?;
    x.ask("with a member", &delete(&[&group]))?;
    let version = x.version_of::<LeaveGroupRequest>();
    x.ask("the member leaves", &leave(version, &group, &[(&id, None)]))?;
    x.ask("empty", &delete(&[&group]))?;
    x.ask("empty again", &delete(&[&group]))?;
    let offsets = x.name("offsets");
    x.quietly(&commit(&offsets, &topic, 0, 5, None))?;
    x.ask("with offsets alone, twice", &delete(&[&offsets, &offsets]))?;
    x.ask("what is left", &describe(&[&offsets]))?;
    Ok(())
}

pub fn offsets_deleted(x: &mut Exchange) -> anyhow::Result<()> {
    let topic = create(x, "topic", 2, &[])?.name;
    let (group, unknown) = (x.name("group"), x.name("unknown"));
    let delete = |group: &str, topic: &str, partitions: &[i32]| {
        let partition = |index: &i32| OffsetDeleteRequestPartition::default().with_partition_index(*index);
        let topic = OffsetDeleteRequestTopic::default().with_name(topic_name(topic));
        let topic = topic.with_partitions(partitions.iter().map(partition).collect());
        OffsetDeleteRequest::default().with_group_id(text(group).into()).with_topics(vec![topic])
    };
    x.ask("of no such group", &delete(&unknown, &topic, &[0]))?;
    x.quietly(&commit(&group, &topic, 0, 5, None))?;
    x.ask("of one without", &delete(&group, &topic, &[1]))?;
    x.ask("of no such partition", &delete(&group, &topic, &[7]))?;
    x.ask("of an unknown topic", &delete(&group, &unknown, &[0]))?;
    x.ask("of nothing", &OffsetDeleteRequest::default().with_group_id(text(&group).into()))?;
    x.ask("of one", &delete(&group, &topic, &[0]))?;
    x.ask("of one again", &delete(&group, &topic, &[0]))?;
    x.ask("without a group", &delete("", &topic, &[0]))?;
    Ok(())
}
