"""What a Python client's administrator has to do in the client matrix, once for all of them.

An adapter has, for what its client can: `add_partitions(topic, count)`, `config(topic, name)`, `set_config(topic, name,
value)`, `delete_records(topic, before)` (of partition 0), `groups()`, `describe_group(group)` (state and number of members),
`group_offsets(group, topic)`, `set_group_offsets(group, topic, offsets)` (by partition) and `delete_group(group)`. What is
refused raises.
"""

import time

from matrix_features import PATIENCE_S, Differs, compare, ends, read_to_end, some, write_and_read


def equal(what, found, expected):
    if found != expected:
        raise Differs(f"{what}: {found} instead of {expected}")


def refused(what, call):
    try:
        call()
    except Exception:
        return
    raise Differs(f"{what} was not refused")


def add_partitions(client, topic):
    before = some("before", 30, 2)
    write_and_read(client, topic, before, partitions=2)
    client.add_partitions(topic, 4)
    equal("partitions", client.partitions(topic), 4)
    after = some("after", 30, 2)
    for record in after:
        record.partition += 2
    client.write(topic, after, "none", False)
    client.write(topic, ends(4)[2:], "none", False)
    reader = client.reader(topic, 4)
    read = read_to_end([reader], 4)
    reader.close()
    compare(before + after, read, 4)
    refused("fewer partitions", lambda: client.add_partitions(topic, 1))


def configs(client, topic):
    write_and_read(client, topic, some("configs", 30, 1))
    equal("the default", client.config(topic, "retention.ms"), "604800000")
    client.set_config(topic, "retention.ms", "777000")
    equal("what was set", client.config(topic, "retention.ms"), "777000")
    refused("a time that is none", lambda: client.set_config(topic, "retention.ms", "soon"))


def delete_records(client, topic):
    records = some("delete", 30, 1)
    write_and_read(client, topic, records)
    client.delete_records(topic, 10)
    reader = client.reader(topic, 1)
    read = read_to_end([reader], 1)
    reader.close()
    compare(records[10:], read, 1)


def read_by_member(client, topic):
    """A group, its one member, which has read and committed everything, and what that was."""
    client.create(topic, 2)
    records = some("groups", 40, 2)
    client.write(topic, records, "none", False)
    client.write(topic, ends(2), "none", False)
    group = topic + "-group"
    member = client.member(group, topic)
    compare(records, read_to_end([member], 2), 2)
    member.commit()
    return group, member, records


def until_empty(client, group):
    deadline = time.monotonic() + PATIENCE_S
    while client.describe_group(group) != ("empty", 0):
        if time.monotonic() > deadline:
            raise Differs(f"the group is {client.describe_group(group)} after its member has left")


def describe_groups(client, topic):
    group, member, _ = read_by_member(client, topic)
    equal("the group", client.describe_group(group), ("stable", 1))
    member.close()
    until_empty(client, group)
    if group not in client.groups():
        raise Differs(f"{group} is not among {client.groups()}")
    equal("its offsets", client.group_offsets(group, topic), {0: 21, 1: 21})


def alter_groups(client, topic):
    group, member, records = read_by_member(client, topic)
    member.close()
    until_empty(client, group)
    client.set_group_offsets(group, topic, {0: 5, 1: 7})
    late = client.member(group, topic)
    read = read_to_end([late], 2)
    late.close()
    rest = [record for partition, first in ((0, 5), (1, 7)) for record in records[partition::2][first:]]
    compare(rest, read, 2)
    until_empty(client, group)
    client.delete_group(group)
    if group in client.groups():
        raise Differs(f"{group} is deleted and still there")


FEATURES = {
    "add-partitions": add_partitions,
    "configs": configs,
    "delete-records": delete_records,
    "describe-groups": describe_groups,
    "alter-groups": alter_groups,
}
