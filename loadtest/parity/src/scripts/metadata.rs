//! Metadata in all its forms.

use kafka_protocol::messages::MetadataRequest;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use uuid::Uuid;

use super::common::{NO_TOPIC, create, topic_name, usable};
use crate::exchange::Exchange;

/// A request for topics by name that creates none. Before version 4 there was no choice.
fn by_name(version: i16, names: &[&str]) -> MetadataRequest {
    let topic = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    let request = MetadataRequest::default().with_topics(Some(names.iter().map(topic).collect()));
    request.with_allow_auto_topic_creation(version < 4)
}

fn by_id(id: Uuid, name: Option<&str>) -> MetadataRequest {
    let topic = MetadataRequestTopic::default().with_topic_id(id).with_name(name.map(topic_name));
    MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false)
}

pub fn all(x: &mut Exchange) -> anyhow::Result<()> {
    create(x, "topic", 2, &[])?;
    // Version 0 has no null, and says "all" with an empty list.
    let topics = (x.version() == 0).then(Vec::new);
    x.ask("all", &MetadataRequest::default().with_topics(topics))?;
    Ok(())
}

pub fn named(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    let topic = create(x, "topic", 2, &[])?;
    let other = create(x, "another", 1, &[])?;
    x.ask("one", &by_name(version, &[&topic.name]))?;
    x.ask("two", &by_name(version, &[&topic.name, &other.name]))?;
    x.ask("one twice", &by_name(version, &[&topic.name, &topic.name]))?;
    if version >= 1 {
        x.ask("none", &by_name(version, &[]))?;
    }
    for (what, name) in [
        ("an empty name", String::new()),
        ("a blank", "with blank".to_owned()),
        ("one dot", ".".to_owned()),
        ("two dots", "..".to_owned()),
        ("a long name", "x".repeat(250)),
        ("a letter beyond ASCII", "é".to_owned()),
    ] {
        x.ask(what, &by_name(version, &[&name]))?;
    }
    if version >= 4 {
        x.ask("unknown", &by_name(version, &[&x.name("unknown")]))?;
        x.ask("known and unknown", &by_name(version, &[&x.name("unknown"), &topic.name]))?;
    }
    if version >= 8 {
        x.ask("topic operations", &by_name(version, &[&topic.name]).with_include_topic_authorized_operations(true))?;
    }
    if (8..=10).contains(&version) {
        x.ask("cluster operations", &by_name(version, &[]).with_include_cluster_authorized_operations(true))?;
    }
    if version >= 12 {
        x.ask("by id", &by_id(topic.id, None))?;
        x.ask("by id and name", &by_id(topic.id, Some(&topic.name)))?;
        x.ask("by id and another's name", &by_id(topic.id, Some(&other.name)))?;
        x.ask("by an unknown id", &by_id(NO_TOPIC, None))?;
        x.ask("by neither", &by_id(Uuid::nil(), None))?;
    }
    if (10..12).contains(&version) {
        x.ask("by id too early", &by_id(topic.id, Some(&topic.name)))?;
        x.ask("by id alone too early", &by_id(topic.id, None))?;
    }
    Ok(())
}

pub fn auto_created(x: &mut Exchange) -> anyhow::Result<()> {
    let name = x.name("topic");
    let request = by_name(x.version(), &[&name]).with_allow_auto_topic_creation(true);
    x.ask("first", &request)?;
    usable(x, &name)?;
    x.ask("then", &request)?;
    Ok(())
}
