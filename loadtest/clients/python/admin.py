"""What administrators do, with confluent-kafka (librdkafka): settings, partitions, groups, offsets, records."""

import sys

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)

TOPIC = "administered"
WAIT = 20


def result(futures):
    """The one result of a call about one thing."""
    (future,) = futures.values()
    return future.result(WAIT)


def refused(futures, words):
    try:
        result(futures)
    except KafkaException as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"it was not refused: {words}")


def configs(admin):
    resource = ConfigResource(ConfigResource.Type.TOPIC, TOPIC)
    return result(admin.describe_configs([resource]))


def main(address):
    admin = AdminClient({"bootstrap.servers": address})
    result(admin.create_topics([NewTopic(TOPIC, num_partitions=1, config={"retention.ms": "777"})]))
    assert configs(admin)["retention.ms"].value == "777"
    assert configs(admin)["segment.ms"].is_default

    def alter(name, value, operation=AlterConfigOpType.SET):
        entry = ConfigEntry(name, value, incremental_operation=operation)
        resource = ConfigResource(ConfigResource.Type.TOPIC, TOPIC, incremental_configs=[entry])
        return admin.incremental_alter_configs([resource])

    result(alter("cleanup.policy", "compact", AlterConfigOpType.APPEND))
    assert configs(admin)["cleanup.policy"].value == "delete,compact"
    result(alter("retention.ms", None, AlterConfigOpType.DELETE))
    assert configs(admin)["retention.ms"].value == "604800000"
    refused(alter("retention.ms", "soon"), "Invalid value soon for configuration retention.ms")
    broker = result(admin.describe_configs([ConfigResource(ConfigResource.Type.BROKER, "1")]))
    assert broker["num.partitions"].value == "1" and broker["num.partitions"].is_read_only

    result(admin.create_partitions([NewPartitions(TOPIC, 3)]))
    refused(admin.create_partitions([NewPartitions(TOPIC, 2)]), "would not be an increase")
    assert len(admin.list_topics(TOPIC, timeout=WAIT).topics[TOPIC].partitions) == 3
    described = result(admin.describe_topics(TopicCollection([TOPIC])))
    assert len(described.partitions) == 3, described

    producer = Producer({"bootstrap.servers": address})
    for number in range(10):
        producer.produce(TOPIC, str(number), key=str(number), partition=2)
    assert producer.flush(WAIT) == 0

    settings = {"bootstrap.servers": address, "group.id": "readers", "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, "enable.auto.commit": False, "session.timeout.ms": 6000})
    consumer.subscribe([TOPIC])
    read = [consumer.poll(WAIT) for _ in range(10)]
    assert all(message and not message.error() for message in read), read
    consumer.commit(asynchronous=False)
    (group,) = [group for group in admin.list_consumer_groups().result(WAIT).valid if group.group_id == "readers"]
    assert group.state == ConsumerGroupState.STABLE, group.state
    about = result(admin.describe_consumer_groups(["readers"]))
    (member,) = about.members
    assert member.host == "/127.0.0.1" and len(member.assignment.topic_partitions) == 3, vars(member)
    refused(admin.delete_consumer_groups(["readers"]), "NON_EMPTY_GROUP")
    consumer.close()
    about = result(admin.describe_consumer_groups(["readers"]))
    assert about.state == ConsumerGroupState.EMPTY, about.state
    result(admin.delete_consumer_groups(["readers"]))
    assert all(group.group_id != "readers" for group in admin.list_consumer_groups().result(WAIT).valid)

    deleted = result(admin.delete_records([TopicPartition(TOPIC, 2, 6)]))
    assert deleted.low_watermark == 6, deleted
    first = result(admin.list_offsets({TopicPartition(TOPIC, 2): OffsetSpec.earliest()}))
    assert first.offset == 6, first
    print("administered")


main(sys.argv[1])
