//! CreateTopics and DeleteTopics.

use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest};
use uuid::Uuid;

use super::common::{NO_TOPIC, TIMEOUT_MS, create, gone, new_topic, topic_name, usable};
use crate::exchange::Exchange;

fn request(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(TIMEOUT_MS)
}

fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |(index, brokers): &(i32, &[i32])| {
        let brokers = brokers.iter().map(|id| (*id).into()).collect();
        CreatableReplicaAssignment::default().with_partition_index(*index).with_broker_ids(brokers)
    };
    let topic = new_topic(name, -1, &[]).with_replication_factor(-1);
    topic.with_assignments(assignments.iter().map(assignment).collect())
}

pub fn created(x: &mut Exchange) -> anyhow::Result<()> {
    let name = x.name("topic");
    x.ask("only validate", &request(vec![new_topic(&name, 2, &[])]).with_validate_only(true))?;
    x.ask("create", &request(vec![new_topic(&name, 2, &[])]))?;
    usable(x, &name)?;
    x.ask("create again", &request(vec![new_topic(&name, 2, &[])]))?;
    x.ask("only validate what exists", &request(vec![new_topic(&name, 2, &[])]).with_validate_only(true))?;
    let settings = [("max.message.bytes", "2000"), ("cleanup.policy", "compact"), ("retention.ms", "-1")];
    x.ask("with settings", &request(vec![new_topic(&x.name("settings"), 1, &settings)]))?;
    x.ask("assigned by hand", &request(vec![assigned(&x.name("assigned"), &[(0, &[1]), (1, &[1])])]))?;
    let defaults = new_topic(&x.name("defaults"), -1, &[]).with_replication_factor(-1);
    x.ask("by the defaults", &request(vec![defaults]))?;
    let good_and_bad = vec![new_topic(&x.name("good"), 1, &[]), new_topic("b*d", 1, &[]), new_topic(&name, 1, &[])];
    x.ask("good and bad", &request(good_and_bad))?;
    Ok(())
}

pub fn refused(x: &mut Exchange) -> anyhow::Result<()> {
    let name = x.name("topic");
    let plain = new_topic(&name, 1, &[]);
    x.ask("nothing", &request(Vec::new()))?;
    for (what, topic) in [
        ("an empty name", new_topic("", 1, &[])),
        ("a blank in the name", new_topic("with blank", 1, &[])),
        ("two dots", new_topic("..", 1, &[])),
        ("a long name", new_topic(&"x".repeat(250), 1, &[])),
        ("no partitions", new_topic(&name, 0, &[])),
        ("minus two partitions", new_topic(&name, -2, &[])),
        ("replication factor 0", plain.clone().with_replication_factor(0)),
        ("replication factor -2", plain.clone().with_replication_factor(-2)),
        ("an unknown setting", new_topic(&name, 1, &[("no.such.setting", "1")])),
        ("a setting that is no number", new_topic(&name, 1, &[("retention.ms", "soon")])),
        ("a setting out of its bounds", new_topic(&name, 1, &[("max.message.bytes", "-1")])),
        ("a policy that is none", new_topic(&name, 1, &[("cleanup.policy", "burn")])),
        ("partitions and assignments", assigned(&name, &[(0, &[1])]).with_num_partitions(1)),
        ("assignments with a gap", assigned(&name, &[(0, &[1]), (2, &[1])])),
        ("an assignment to nobody", assigned(&name, &[(0, &[])])),
        ("an assignment to a stranger", assigned(&name, &[(0, &[77])])),
        ("an assignment twice to one", assigned(&name, &[(0, &[1, 1])])),
    ] {
        x.ask(what, &request(vec![topic]).with_validate_only(true))?;
    }
    let twice = vec![plain.clone(), plain.clone(), new_topic(&x.name("other"), 1, &[])];
    x.ask("one twice", &request(twice))?;
    // Dots and underscores are the same in names of metrics.
    x.quietly(&request(vec![new_topic(&x.name("a.b"), 1, &[])]))?;
    usable(x, &x.name("a.b"))?;
    x.ask("a name that collides", &request(vec![new_topic(&x.name("a_b"), 1, &[])]))?;
    x.ask("more replicas than brokers", &request(vec![plain.with_replication_factor(4)]).with_validate_only(true))?;
    Ok(())
}

/// A request to delete by name, as each version does it.
fn by_name(version: i16, names: &[&str]) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default().with_timeout_ms(TIMEOUT_MS);
    if version < 6 {
        return request.with_topic_names(names.iter().map(|name| topic_name(name)).collect());
    }
    let topic = |name: &&str| DeleteTopicState::default().with_name(Some(topic_name(name)));
    request.with_topics(names.iter().map(topic).collect())
}

fn by_id(id: Uuid, name: Option<&str>) -> DeleteTopicsRequest {
    let topic = DeleteTopicState::default().with_topic_id(id).with_name(name.map(topic_name));
    DeleteTopicsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(vec![topic])
}

pub fn deleted(x: &mut Exchange) -> anyhow::Result<()> {
    let version = x.version();
    let topic = create(x, "topic", 2, &[])?;
    let other = create(x, "other", 1, &[])?;
    x.ask("nothing", &by_name(version, &[]))?;
    x.ask("unknown", &by_name(version, &[&x.name("unknown")]))?;
    x.ask("a name that cannot be", &by_name(version, &["with blank"]))?;
    x.ask("one twice", &by_name(version, &[&topic.name, &topic.name]))?;
    if version >= 6 {
        let mut both = by_id(topic.id, None);
        both.topics.push(DeleteTopicState::default().with_name(Some(topic_name(&topic.name))));
        x.ask("one by id and by name", &both)?;
        x.ask("by name and id", &by_id(other.id, Some(&other.name)))?;
        x.ask("by neither", &by_id(Uuid::nil(), None))?;
        x.ask("by an unknown id", &by_id(NO_TOPIC, None))?;
        x.ask("by id", &by_id(other.id, None))?;
        gone(x, &other.name)?;
        x.ask("by id again", &by_id(other.id, None))?;
    }
    let third = create(x, "third", 1, &[])?;
    x.ask("by name", &by_name(version, &[&third.name, &x.name("unknown")]))?;
    gone(x, &third.name)?;
    x.ask("by name again", &by_name(version, &[&third.name]))?;
    Ok(())
}
