"""confluent-kafka (librdkafka) in the client matrix."""

import confluent_kafka
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from matrix_features import Record, main

POLL_S = 0.1
WAIT_S = 20


def result(futures):
    """The one result of a call about one thing."""
    (future,) = futures.values()
    return future.result(WAIT_S)


class Poller:
    def __init__(self, consumer):
        self.consumer = consumer

    def poll(self):
        read = []
        for message in self.consumer.consume(500, POLL_S):
            if message.error():
                raise KafkaException(message.error())
            timestamp = message.timestamp()[1]
            read.append(
                Record(message.partition(), message.key(), message.value(), message.headers() or [], timestamp)
            )
        return read

    def assigned(self):
        return len(self.consumer.assignment())

    def commit(self):
        self.consumer.commit(asynchronous=False)

    def close(self):
        self.consumer.close()


class Confluent:
    def __init__(self, address):
        self.address = address
        self.admin = AdminClient({"bootstrap.servers": address})

    def create(self, topic, partitions):
        result(self.admin.create_topics([NewTopic(topic, partitions, 1)]))

    def delete(self, topic):
        result(self.admin.delete_topics([topic]))

    def partitions(self, topic):
        # All topics: asking for one by name would create it.
        found = self.admin.list_topics(timeout=20).topics.get(topic)
        return found and len(found.partitions)

    def add_partitions(self, topic, count):
        result(self.admin.create_partitions([NewPartitions(topic, count)]))

    def config(self, topic, name):
        return result(self.admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]))[name].value

    def set_config(self, topic, name, value):
        # Not one by one: that older releases cannot.
        result(self.admin.alter_configs([ConfigResource(ConfigResource.Type.TOPIC, topic, {name: value})]))

    def delete_records(self, topic, before):
        result(self.admin.delete_records([TopicPartition(topic, 0, before)]))

    def groups(self):
        return [group.group_id for group in self.admin.list_consumer_groups().result(WAIT_S).valid]

    def describe_group(self, group):
        described = result(self.admin.describe_consumer_groups([group]))
        return described.state.name.lower(), len(described.members)

    def group_offsets(self, group, topic):
        found = result(self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
        return {one.partition: one.offset for one in found.topic_partitions if one.topic == topic}

    def set_group_offsets(self, group, topic, offsets):
        wanted = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        altered = result(self.admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, wanted)]))
        problems = [one.error for one in altered.topic_partitions if one.error]
        if problems:
            raise KafkaException(problems[0])

    def delete_group(self, group):
        result(self.admin.delete_consumer_groups([group]))

    def write(self, topic, records, codec, idempotent):
        problems = []
        producer = Producer(
            {
                "bootstrap.servers": self.address,
                "compression.type": codec,
                "enable.idempotence": idempotent,
                "linger.ms": 5,
                "batch.num.messages": 50,
            }
        )
        for record in records:
            producer.produce(
                topic,
                record.value,
                record.key,
                record.partition,
                on_delivery=lambda error, _message: error and problems.append(error),
                timestamp=record.timestamp or 0,
                headers=record.headers,
            )
        if producer.flush(30) or problems:
            raise RuntimeError(f"not delivered: {problems[:3]}")

    def reader(self, topic, partitions):
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "none", "enable.auto.commit": False})
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
        return Poller(consumer)

    def member(self, group, topic):
        consumer = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "heartbeat.interval.ms": 300,
            }
        )
        consumer.subscribe([topic])
        return Poller(consumer)

    def offset_at(self, topic, timestamp):
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "none"})
        found = consumer.offsets_for_times([TopicPartition(topic, 0, timestamp)], timeout=20)[0]
        consumer.close()
        return found.offset if found.offset >= 0 else None


main(Confluent, f"{confluent_kafka.__version__}, librdkafka {confluent_kafka.libversion()[0]}")
