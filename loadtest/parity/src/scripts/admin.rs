//! What administrators ask about topics and the cluster.

use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, CreatePartitionsRequest, DeleteRecordsRequest, DescribeLogDirsRequest,
    DescribeProducersRequest, DescribeQuorumRequest, DescribeTopicPartitionsRequest, ElectLeadersRequest,
    InitProducerIdRequest, ListPartitionReassignmentsRequest, describe_producers_request, describe_quorum_request,
    describe_topic_partitions_request,
};

use super::common::{TIMEOUT_MS, create, put, topic_name};
use crate::batches::Batch;
use crate::exchange::Exchange;

pub fn create_partitions(x: &mut Exchange) -> anyhow::Result<()> {
    let topic = create(x, "topic", 1, &[])?.name;
    let more = |topic: &str, count: i32, assignments: Option<&[&[i32]]>| {
        let assignment = |brokers: &&[i32]| {
            CreatePartitionsAssignment::default().with_broker_ids(brokers.iter().map(|id| (*id).into()).collect())
        };
        let assignments = assignments.map(|all| all.iter().map(assignment).collect());
        let topic = CreatePartitionsTopic::default().with_name(topic_name(topic)).with_count(count);
        let topic = topic.with_assignments(assignments);
        CreatePartitionsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(vec![topic])
    };
    x.ask("only validate", &more(&topic, 2, None).with_validate_only(true))?;
    x.ask("as many as there are", &more(&topic, 1, None))?;
    x.ask("two", &more(&topic, 2, None))?;
    x.ask("fewer", &more(&topic, 1, None))?;
    x.ask("none", &more(&topic, 0, None))?;
    x.ask("assigned by hand", &more(&topic, 3, Some(&[&[1]])))?;
    x.ask("assigned to a stranger", &more(&topic, 4, Some(&[&[77]])))?;
    x.ask("too many assignments", &more(&topic, 4, Some(&[&[1], &[1]])))?;
    x.ask("of an unknown topic", &more(&x.name("unknown"), 2, None))?;
    x.ask("of a name that cannot be", &more("with blank", 2, None))?;
    let mut twice = more(&topic, 5, None);
    twice.topics.push(twice.topics[0].clone());
    x.ask("one twice", &twice)?;
    x.ask("of nothing", &CreatePartitionsRequest::default().with_timeout_ms(TIMEOUT_MS))?;
    Ok(())
}

pub fn delete_records(x: &mut Exchange) -> anyhow::Result<()> {
    let topic = create(x, "topic", 1, &[])?;
    put(x, &topic, 0, Batch::of(&[b"zero", b"one", b"two"]).bytes())?;
    put(x, &topic, 0, Batch::of(&[b"three", b"four"]).bytes())?;
    let delete = |topic: &str, partition: i32, offset: i64| {
        let partition = DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
        let topic = DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
        DeleteRecordsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(vec![topic])
    };
    x.ask("nothing before 0", &delete(&topic.name, 0, 0))?;
    x.ask("within a batch", &delete(&topic.name, 0, 1))?;
    x.ask("less than before", &delete(&topic.name, 0, 0))?;
    x.ask("a whole batch", &delete(&topic.name, 0, 3))?;
    x.ask("beyond the end", &delete(&topic.name, 0, 6))?;
    x.ask("an offset below -1", &delete(&topic.name, 0, -2))?;
    x.ask("all there is", &delete(&topic.name, 0, -1))?;
    x.ask("all there is again", &delete(&topic.name, 0, 5))?;
    x.ask("of no such partition", &delete(&topic.name, 1, 0))?;
    x.ask("of an unknown topic", &delete(&x.name("unknown"), 0, 0))?;
    x.ask("of nothing", &DeleteRecordsRequest::default().with_timeout_ms(TIMEOUT_MS))?;
    let compacted = create(x, "compacted", 1, &[("cleanup.policy", "compact")])?;
    x.ask("of a compacted topic", &delete(&compacted.name, 0, 0))?;
    Ok(())
}

pub fn elect(x: &mut Exchange) -> anyhow::Result<()> {
    let topic = create(x, "topic", 2, &[])?.name;
    let version = x.version();
    let elect = |kind: i8, topics: Option<&[(&str, &[i32])]>| {
        let topic = |(name, partitions): &(&str, &[i32])| {
            TopicPartitions::default().with_topic(topic_name(name)).with_partitions(partitions.to_vec())
        };
        let request = ElectLeadersRequest::default().with_timeout_ms(TIMEOUT_MS);
        let request = request.with_topic_partitions(topics.map(|topics| topics.iter().map(topic).collect()));
        if version >= 1 { request.with_election_type(kind) } else { request }
    };
    x.ask("preferred", &elect(0, Some(&[(&topic, &[0, 1])])))?;
    x.ask("no such partition", &elect(0, Some(&[(&topic, &[7])])))?;
    x.ask("an unknown topic", &elect(0, Some(&[(&x.name("unknown"), &[0])])))?;
    if version >= 1 {
        x.ask("unclean", &elect(1, Some(&[(&topic, &[0])])))?;
    }
    x.ask("nothing", &elect(0, Some(&[])))?;
    x.ask("everything", &elect(0, None))?;
    Ok(())
}

pub fn reassign(x: &mut Exchange) -> anyhow::Result<()> {
    let topic = create(x, "topic", 1, &[])?.name;
    let assign = |topic: &str, partition: i32, replicas: Option<&[i32]>| {
        let replicas = replicas.map(|ids| ids.iter().map(|id| (*id).into()).collect());
        let partition = ReassignablePartition::default().with_partition_index(partition).with_replicas(replicas);
        let topic = ReassignableTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
        AlterPartitionReassignmentsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(vec![topic])
    };
    x.ask("to where it is", &assign(&topic, 0, Some(&[1])))?;
    x.ask("to a stranger", &assign(&topic, 0, Some(&[77])))?;
    x.ask("to nobody", &assign(&topic, 0, Some(&[])))?;
    x.ask("twice to one", &assign(&topic, 0, Some(&[1, 1])))?;
    x.ask("cancel what is not under way", &assign(&topic, 0, None))?;
    x.ask("no such partition", &assign(&topic, 3, Some(&[1])))?;
    x.ask("an unknown topic", &assign(&x.name("unknown"), 0, Some(&[1])))?;
    Ok(())
}

pub fn reassignments(x: &mut Exchange) -> anyhow::Result<()> {
    let topic = create(x, "topic", 1, &[])?.name;
    let list = |topics: Option<&[&str]>| {
        let topic = |name: &&str| {
            ListPartitionReassignmentsTopics::default().with_name(topic_name(name)).with_partition_indexes(vec![0])
        };
        let topics = topics.map(|topics| topics.iter().map(topic).collect());
        ListPartitionReassignmentsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(topics)
    };
    x.ask("of all", &list(None))?;
    x.ask("of one", &list(Some(&[&topic])))?;
    x.ask("of an unknown one", &list(Some(&[&x.name("unknown")])))?;
    Ok(())
}

pub fn topic_partitions(x: &mut Exchange) -> anyhow::Result<()> {
    let (a, b) = (create(x, "a", 3, &[])?.name, create(x, "b", 1, &[])?.name);
    let describe = |names: &[&str], limit: i32, cursor: Option<(&str, i32)>| {
        let topic =
            |name: &&str| describe_topic_partitions_request::TopicRequest::default().with_name(topic_name(name));
        let cursor = cursor.map(|(name, partition)| {
            let cursor = describe_topic_partitions_request::Cursor::default().with_topic_name(topic_name(name));
            cursor.with_partition_index(partition)
        });
        DescribeTopicPartitionsRequest::default()
            .with_topics(names.iter().map(topic).collect())
            .with_response_partition_limit(limit)
            .with_cursor(cursor)
    };
    x.ask("two topics", &describe(&[&a, &b], 100, None))?;
    x.ask("out of order", &describe(&[&b, &a], 100, None))?;
    x.ask("two partitions of them", &describe(&[&a, &b], 2, None))?;
    x.ask("the next two", &describe(&[&a, &b], 2, Some((&a, 2))))?;
    x.ask("from behind the last", &describe(&[&a, &b], 2, Some((&b, 1))))?;
    x.ask("from a topic that is not asked for", &describe(&[&b], 2, Some((&a, 0))))?;
    x.ask("an unknown topic", &describe(&[&x.name("unknown"), &b], 100, None))?;
    x.ask("a name that cannot be", &describe(&["with blank"], 100, None))?;
    x.ask("one twice", &describe(&[&b, &b], 100, None))?;
    x.ask("a limit of 0", &describe(&[&a], 0, None))?;
    x.ask("a cursor below 0", &describe(&[&a], 100, Some((&a, -1))))?;
    Ok(())
}

pub fn producers(x: &mut Exchange) -> anyhow::Result<()> {
    let topic = create(x, "topic", 2, &[])?;
    let request = InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000);
    let id = x.ask("an id", &request)?.producer_id.0;
    put(x, &topic, 0, Batch::of(&[b"one", b"two"]).by(id, 0, 0).bytes())?;
    let describe = |topic: &str, partitions: &[i32]| {
        let topic = describe_producers_request::TopicRequest::default().with_name(topic_name(topic));
        let topic = topic.with_partition_indexes(partitions.to_vec());
        DescribeProducersRequest::default().with_topics(vec![topic])
    };
    x.ask("of a partition", &describe(&topic.name, &[0]))?;
    x.ask("of one without", &describe(&topic.name, &[1]))?;
    x.ask("of no such partition", &describe(&topic.name, &[5]))?;
    x.ask("of an unknown topic", &describe(&x.name("unknown"), &[0]))?;
    x.ask("of a name that cannot be", &describe("with blank", &[0]))?;
    Ok(())
}

pub fn quorum(x: &mut Exchange) -> anyhow::Result<()> {
    let describe = |topic: &str, partition: i32| {
        let partition = describe_quorum_request::PartitionData::default().with_partition_index(partition);
        let topic = describe_quorum_request::TopicData::default().with_topic_name(topic_name(topic));
        DescribeQuorumRequest::default().with_topics(vec![topic.with_partitions(vec![partition])])
    };
    x.ask("of the metadata", &describe("__cluster_metadata", 0))?;
    x.ask("of another partition", &describe("__cluster_metadata", 1))?;
    x.ask("of another topic", &describe("other", 0))?;
    x.ask("of nothing", &DescribeQuorumRequest::default())?;
    Ok(())
}

/// The newest version that the codec knows. The next one says as well whether a directory takes no more partitions.
const LOG_DIRS_KNOWN: i16 = 4;

pub fn log_dirs(x: &mut Exchange) -> anyhow::Result<()> {
    let topic = create(x, "topic", 2, &[])?;
    put(x, &topic, 0, Batch::of(&[b"one", b"two"]).bytes())?;
    let describe = |topics: Option<&[(&str, &[i32])]>| {
        let topic = |(name, partitions): &(&str, &[i32])| {
            DescribableLogDirTopic::default().with_topic(topic_name(name)).with_partitions(partitions.to_vec())
        };
        DescribeLogDirsRequest::default().with_topics(topics.map(|topics| topics.iter().map(topic).collect()))
    };
    if x.version() > LOG_DIRS_KNOWN {
        // With one directory the new field is the byte before the two empty lists of tagged fields at the end.
        return x.ask_newer("of nothing", x.version(), &describe(Some(&[])), |mut frame| {
            let at = frame.len().checked_sub(3)?;
            let cordoned = frame.split_off(at);
            frame.extend_from_slice(&cordoned[1..]);
            Some((frame, "is_cordoned", cordoned[0]))
        });
    }
    x.ask("of two partitions", &describe(Some(&[(&topic.name, &[0, 1])])))?;
    x.ask("of no such partition", &describe(Some(&[(&topic.name, &[7])])))?;
    x.ask("of an unknown topic", &describe(Some(&[(&x.name("unknown"), &[0])])))?;
    x.ask("of nothing", &describe(Some(&[])))?;
    Ok(())
}
