"""aiokafka in the client matrix: its coroutines are run to their end, one call after the other."""

import asyncio

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, admin
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from matrix_features import Record, main

POLL_MS = 100
# Heartbeats and fetches in the background go on only while something is awaited, which every poll does.
LOOP = asyncio.new_event_loop()
asyncio.set_event_loop(LOOP)


def wait(coroutine):
    return LOOP.run_until_complete(coroutine)


def started(make):
    async def make_and_start():
        # Its clients want to be made inside a coroutine.
        client = make()
        await client.start()
        return client

    return wait(make_and_start())


class Poller:
    def __init__(self, consumer):
        self.consumer = consumer

    def poll(self):
        fetched = wait(self.consumer.getmany(timeout_ms=POLL_MS))
        return [
            Record(one.partition, one.key, one.value, list(one.headers), one.timestamp)
            for records in fetched.values()
            for one in records
        ]

    def assigned(self):
        return len(self.consumer.assignment())

    def commit(self):
        wait(self.consumer.commit())

    def close(self):
        wait(self.consumer.stop())


class Aiokafka:
    def __init__(self, address):
        self.address = address
        self.admin = started(lambda: AIOKafkaAdminClient(bootstrap_servers=address))

    def create(self, topic, partitions):
        answer = wait(self.admin.create_topics([NewTopic(topic, partitions, 1)]))
        for name, code, *_ in answer.topic_errors:
            if code:
                raise for_code(code)(name)

    def delete(self, topic):
        wait(self.admin.delete_topics([topic]))

    def partitions(self, topic):
        if topic not in wait(self.admin.list_topics()):
            return None
        return len(wait(self.admin.describe_topics([topic]))[0]["partitions"])

    def add_partitions(self, topic, count):
        wait(self.admin.create_partitions({topic: NewPartitions(count)}))

    def config(self, topic, name):
        (answer,) = wait(self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {name: None})]))
        ((code, message, _, _, entries),) = answer.resources
        if code:
            raise for_code(code)(message)
        return entries[0][1]

    def set_config(self, topic, name, value):
        wanted = ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})
        (answer,) = wait(self.admin.alter_configs([wanted]))
        ((code, message, *_),) = answer.resources
        if code:
            raise for_code(code)(message)

    def delete_records(self, topic, before):
        wait(self.admin.delete_records({TopicPartition(topic, 0): admin.RecordsToDelete(before)}))

    def groups(self):
        return [group[0] for group in wait(self.admin.list_consumer_groups())]

    def describe_group(self, group):
        ((described,),) = [answer.groups for answer in wait(self.admin.describe_consumer_groups([group]))]
        _, _, state, _, _, members, *_ = described
        return state.lower(), len(members)

    def group_offsets(self, group, topic):
        found = wait(self.admin.list_consumer_group_offsets(group))
        return {one.partition: about.offset for one, about in found.items() if one.topic == topic}

    def write(self, topic, records, codec, idempotent):
        wait(self.write_all(topic, records, codec, idempotent))

    async def write_all(self, topic, records, codec, idempotent):
        producer = AIOKafkaProducer(
            bootstrap_servers=self.address,
            compression_type=None if codec == "none" else codec,
            enable_idempotence=idempotent,
            acks="all",
            linger_ms=5,
            max_request_size=2_000_000,
        )
        await producer.start()
        sent = [
            await producer.send(topic, one.value, one.key, one.partition, one.timestamp, one.headers)
            for one in records
        ]
        await asyncio.gather(*sent)
        await producer.stop()

    def reader(self, topic, partitions):
        consumer = started(lambda: AIOKafkaConsumer(bootstrap_servers=self.address, auto_offset_reset="earliest"))

        async def assign():
            consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])

        wait(assign())
        return Poller(consumer)

    def member(self, group, topic):
        consumer = started(
            lambda: AIOKafkaConsumer(
                topic,
                bootstrap_servers=self.address,
                group_id=group,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                heartbeat_interval_ms=300,
            )
        )
        return Poller(consumer)

    def offset_at(self, topic, timestamp):
        consumer = started(lambda: AIOKafkaConsumer(bootstrap_servers=self.address))
        partition = TopicPartition(topic, 0)
        found = wait(consumer.offsets_for_times({partition: timestamp}))[partition]
        wait(consumer.stop())
        return found and found.offset


main(Aiokafka, aiokafka.__version__)
