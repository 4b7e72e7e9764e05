"""kafka-python in the client matrix."""

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from matrix_features import Record, main

POLL_MS = 100


class Poller:
    # Before 2.1, poll() does not return until the group has its members.
    waits_for_others = True

    def __init__(self, consumer):
        self.consumer = consumer

    def poll(self):
        fetched = self.consumer.poll(timeout_ms=POLL_MS)
        return [
            Record(one.partition, one.key, one.value, list(one.headers), one.timestamp)
            for records in fetched.values()
            for one in records
        ]

    def assigned(self):
        return len(self.consumer.assignment())

    def commit(self):
        self.consumer.commit()

    def close(self):
        self.consumer.close()


class KafkaPython:
    def __init__(self, address):
        self.address = address
        self.admin = KafkaAdminClient(bootstrap_servers=address)

    def create(self, topic, partitions):
        self.admin.create_topics([NewTopic(topic, partitions, 1)])

    def delete(self, topic):
        self.admin.delete_topics([topic])

    def partitions(self, topic):
        if topic not in self.admin.list_topics():
            return None
        return len(self.admin.describe_topics([topic])[0]["partitions"])

    @staticmethod
    def idempotence(wanted):
        # There is no such setting before 2.1.
        known = "enable_idempotence" in KafkaProducer.DEFAULT_CONFIG
        return {"enable_idempotence": wanted} if known else {}

    def write(self, topic, records, codec, idempotent):
        producer = KafkaProducer(
            bootstrap_servers=self.address,
            compression_type=None if codec == "none" else codec,
            acks="all",
            linger_ms=5,
            max_request_size=2_000_000,
            **self.idempotence(idempotent),
        )
        sent = [
            producer.send(topic, one.value, one.key, one.headers, one.partition, one.timestamp) for one in records
        ]
        producer.flush(30)
        for future in sent:
            future.get(10)
        producer.close()

    def reader(self, topic, partitions):
        consumer = KafkaConsumer(bootstrap_servers=self.address, auto_offset_reset="earliest")
        consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])
        return Poller(consumer)

    def member(self, group, topic):
        consumer = KafkaConsumer(
            topic,
            bootstrap_servers=self.address,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=300,
        )
        return Poller(consumer)

    def offset_at(self, topic, timestamp):
        consumer = KafkaConsumer(bootstrap_servers=self.address)
        partition = TopicPartition(topic, 0)
        found = consumer.offsets_for_times({partition: timestamp})[partition]
        consumer.close()
        return found and found.offset


main(KafkaPython, kafka.__version__)
