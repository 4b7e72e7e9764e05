"""kafka-python in the client matrix."""

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic
from kafka.errors import for_code
from kafka.structs import OffsetAndMetadata

from matrix_features import Record, main

POLL_MS = 100
# Since 3.0 most of what an administrator calls has other names and gives other things.
NEW = hasattr(KafkaAdminClient, "list_groups")


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

    def add_partitions(self, topic, count):
        self.admin.create_partitions({topic: NewPartitions(count)})

    def config(self, topic, name):
        wanted = ConfigResource(ConfigResourceType.TOPIC, topic)
        if NEW:
            return self.admin.describe_configs([wanted], config_filter="all")["topic"][topic][name]["value"]
        (answer,) = self.admin.describe_configs([wanted])
        ((code, message, _, _, entries),) = answer.resources
        if code:
            raise for_code(code)(message)
        return {entry[0]: entry[1] for entry in entries}[name]

    def set_config(self, topic, name, value):
        answer = self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})])
        if NEW:
            said = answer["topic"][topic]
            if said != "OK":
                raise RuntimeError(said)
            return
        ((code, message, *_),) = answer.resources
        if code:
            raise for_code(code)(message)

    def delete_records(self, topic, before):
        self.admin.delete_records({TopicPartition(topic, 0): before})

    def groups(self):
        if NEW:
            return [group["group_id"] for group in self.admin.list_groups()]
        return [name for name, _ in self.admin.list_consumer_groups()]

    def describe_group(self, group):
        if NEW:
            described = self.admin.describe_groups([group])[group]
            return described["group_state"].lower(), len(described["members"])
        (described,) = self.admin.describe_consumer_groups([group])
        return described.state.lower(), len(described.members)

    def group_offsets(self, group, topic):
        if NEW:
            found = self.admin.list_group_offsets({group: None})[group]
        else:
            found = self.admin.list_consumer_group_offsets(group)
        return {one.partition: about.offset for one, about in found.items() if one.topic == topic}

    def set_group_offsets(self, group, topic, offsets):
        rest = (-1,) if NEW else ()
        wanted = {
            TopicPartition(topic, partition): OffsetAndMetadata(offset, "", *rest)
            for partition, offset in offsets.items()
        }
        if NEW:
            problems = [error for error in self.admin.alter_group_offsets(group, wanted).values() if error.errno]
            if problems:
                raise problems[0]
            return
        # By a consumer that is in no group but commits for it: its administrator cannot.
        consumer = KafkaConsumer(bootstrap_servers=self.address, group_id=group, enable_auto_commit=False)
        consumer.assign(list(wanted))
        consumer.commit(wanted)
        consumer.close()

    def delete_group(self, group):
        if NEW:
            self.admin.delete_groups([group])
        else:
            self.admin.delete_consumer_groups([group])

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
