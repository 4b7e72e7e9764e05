"""Writes 1,000 records with an idempotent producer and reads them back through a group, with confluent-kafka."""

import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

COUNT = 1000
TOPIC = "python"


def main(address):
    admin = AdminClient({"bootstrap.servers": address})
    for created in admin.create_topics([NewTopic(TOPIC, num_partitions=3, replication_factor=1)]).values():
        created.result(20)
    cluster = admin.describe_cluster(request_timeout=20).result()
    assert cluster.cluster_id and len(cluster.nodes) == 1, cluster

    problems = []
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True, "compression.type": "zstd"})
    for number in range(COUNT):
        producer.produce(
            TOPIC,
            key=f"key-{number % 10}",
            value=str(number),
            headers=[("number", str(number).encode())],
            on_delivery=lambda error, _message: error and problems.append(error),
        )
    assert producer.flush(30) == 0, "not everything was delivered"
    assert not problems, problems

    consumer = Consumer({"bootstrap.servers": address, "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe([TOPIC])
    latest, seen = {}, set()
    deadline = time.monotonic() + 40
    while len(seen) < COUNT and time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        number = int(message.value())
        assert message.headers() == [("number", message.value())]
        # The records of one key lie in one partition, in the order they were sent.
        assert latest.get(message.key(), -1) < number, (message.key(), number)
        latest[message.key()] = number
        seen.add(number)
    consumer.close()
    print(f"read {len(seen)} of {COUNT}")


main(sys.argv[1])
