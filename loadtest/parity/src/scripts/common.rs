//! What many scripts need: topics that are there, records in them, requests with few fields of their own.

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, LeaveGroupRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::exchange::Exchange;

/// An id that no topic has.
pub const NO_TOPIC: Uuid = Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef);
/// For requests that wait for a result; never the reason why a step ends.
pub const TIMEOUT_MS: i32 = 10_000;

/// A topic that is there.
#[derive(Clone, Debug)]
pub struct Topic {
    pub name: String,
    pub id: Uuid,
}

/// Text in the codec's own type.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A topic's name in the codec's own type.
pub fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A topic of this script, as part of a request to create it.
pub fn new_topic(name: &str, partitions: i32, configs: &[(&str, &str)]) -> CreatableTopic {
    let config = |(name, value): &(&str, &str)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
    };
    CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(configs.iter().map(config).collect())
}

/// Creates a topic and waits until it can be used.
pub fn create(x: &mut Exchange, word: &str, partitions: i32, configs: &[(&str, &str)]) -> anyhow::Result<Topic> {
    let name = x.name(word);
    let request = CreateTopicsRequest::default().with_timeout_ms(TIMEOUT_MS);
    let answer = x.quietly(&request.with_topics(vec![new_topic(&name, partitions, configs)]))?;
    let code = answer.topics.first().map(|topic| topic.error_code);
    anyhow::ensure!(code == Some(0), "{name} is not created: {code:?}");
    usable(x, &name)
}

/// Waits until all partitions of a topic have a leader that serves them. Kafka names a leader before it is one.
pub fn usable(x: &mut Exchange, name: &str) -> anyhow::Result<Topic> {
    let topics = vec![MetadataRequestTopic::default().with_name(Some(topic_name(name)))];
    let request = MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(false);
    x.settle(name, |x| {
        let answer = x.quietly(&request)?;
        let topic = answer.topics.into_iter().next().filter(|topic| topic.error_code == 0);
        let Some(topic) = topic.filter(|topic| topic.partitions.iter().all(|one| one.leader_id.0 >= 0)) else {
            return Ok(None);
        };
        let ends = latest(name, i32::try_from(topic.partitions.len())?);
        let served = x.quietly(&ends)?.topics.iter().flat_map(|topic| &topic.partitions).all(|one| one.error_code == 0);
        x.call(&topic.topic_id, name);
        Ok(served.then(|| Topic { name: name.to_owned(), id: topic.topic_id }))
    })
}

fn latest(topic: &str, partitions: i32) -> ListOffsetsRequest {
    let one = |index| ListOffsetsPartition::default().with_partition_index(index).with_timestamp(-1);
    let partitions = (0..partitions).map(one).collect();
    let topic = ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(partitions);
    ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic])
}

/// Waits until a topic cannot be seen any more.
pub fn gone(x: &mut Exchange, name: &str) -> anyhow::Result<()> {
    let topics = vec![MetadataRequestTopic::default().with_name(Some(topic_name(name)))];
    let request = MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(false);
    x.settle(name, |x| {
        let answer = x.quietly(&request)?;
        Ok(answer.topics.iter().all(|topic| topic.error_code == 3).then_some(()))
    })
}

/// A Produce request for one partition, that names its topic as `version` does.
pub fn produce(version: i16, topic: &Topic, partition: i32, records: impl Into<Bytes>) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(records.into()));
    let named = TopicProduceData::default().with_partition_data(vec![data]);
    let named = if version >= 13 { named.with_topic_id(topic.id) } else { named.with_name(topic_name(&topic.name)) };
    ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(-1)
        .with_timeout_ms(TIMEOUT_MS)
        .with_topic_data(vec![named])
}

/// Puts records into a partition.
pub fn put(x: &mut Exchange, topic: &Topic, partition: i32, records: impl Into<Bytes>) -> anyhow::Result<()> {
    const VERSION: i16 = 9;
    let answer = x.quietly_in(VERSION, &produce(VERSION, topic, partition, records))?;
    let codes = answer.responses.iter().flat_map(|topic| &topic.partition_responses).map(|one| one.error_code);
    let codes: Vec<i16> = codes.collect();
    anyhow::ensure!(codes == [0], "records are refused: {codes:?}");
    Ok(())
}

/// A LeaveGroup request for members with or without a static name.
pub fn leave(version: i16, group: &str, members: &[(&str, Option<&str>)]) -> LeaveGroupRequest {
    let request = LeaveGroupRequest::default().with_group_id(text(group).into());
    if version < 3 {
        return request.with_member_id(text(members.first().map_or("", |(member, _)| member)));
    }
    let member = |(member, instance): &(&str, Option<&str>)| {
        MemberIdentity::default().with_member_id(text(member)).with_group_instance_id(instance.map(text))
    };
    request.with_members(members.iter().map(member).collect())
}
