"""confluent-kafka (librdkafka) in the client matrix."""

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from matrix_features import Record, main

POLL_S = 0.1


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
        for created in self.admin.create_topics([NewTopic(topic, partitions, 1)]).values():
            created.result(20)

    def delete(self, topic):
        for deleted in self.admin.delete_topics([topic]).values():
            deleted.result(20)

    def partitions(self, topic):
        # All topics: asking for one by name would create it.
        found = self.admin.list_topics(timeout=20).topics.get(topic)
        return found and len(found.partitions)

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
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
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
