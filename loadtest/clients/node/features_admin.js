// What a Node client's administrator has to do in the client matrix: the same as in ../python/matrix_admin.py.
//
// An adapter has `addPartitions(topic, count)`, `config(topic, name)`, `setConfig(topic, name, value)`, `deleteRecords(topic,
// before)` (of partition 0), `groups()`, `describeGroup(group)` (state and number of members), `groupOffsets(group, topic)`,
// `setGroupOffsets(group, topic, offsets)` (pairs of partition and offset) and `deleteGroup(group)`. What is refused rejects.

'use strict'

// `common` is what all features are made of, see features.js.
module.exports = function adminFeatures ({ Differs, PATIENCE_MS, compare, ends, readToEnd, some, writeAndRead }) {
  function equal (what, found, expected) {
    if (`${found}` !== `${expected}`) throw new Differs(`${what}: ${found} instead of ${expected}`)
  }

  async function refused (what, call) {
    const answered = await call().then(() => true, () => false)
    if (answered) throw new Differs(`${what} was not refused`)
  }

  async function readAll (client, topic, partitions, expected) {
    const reader = await client.reader(topic, partitions)
    const [read] = await readToEnd([reader], partitions, 'reading again')
    await reader.close()
    compare(expected, read, partitions)
  }

  async function addPartitions (client, topic) {
    const before = some('before', 30, 2)
    await writeAndRead(client, topic, before, 2)
    await client.addPartitions(topic, 4)
    equal('partitions', await client.partitions(topic), 4)
    const after = some('after', 30, 2).map(one => ({ ...one, partition: one.partition + 2 }))
    await client.write(topic, after, 'none', false)
    await client.write(topic, ends(4).slice(2), 'none', false)
    await readAll(client, topic, 4, [...before, ...after])
    await refused('fewer partitions', () => client.addPartitions(topic, 1))
  }

  async function configs (client, topic) {
    await writeAndRead(client, topic, some('configs', 30, 1))
    equal('the default', await client.config(topic, 'retention.ms'), '604800000')
    await client.setConfig(topic, 'retention.ms', '777000')
    equal('what was set', await client.config(topic, 'retention.ms'), '777000')
    await refused('a time that is none', () => client.setConfig(topic, 'retention.ms', 'soon'))
  }

  async function deleteRecords (client, topic) {
    const records = some('delete', 30, 1)
    await writeAndRead(client, topic, records)
    await client.deleteRecords(topic, 10)
    await readAll(client, topic, 1, records.slice(10))
  }

  // A group, its one member, which has read and committed everything, and what that was.
  async function readByMember (client, topic) {
    await client.create(topic, 2)
    const records = some('groups', 40, 2)
    await client.write(topic, records, 'none', false)
    await client.write(topic, ends(2), 'none', false)
    const group = `${topic}-group`
    const member = await client.member(group, topic)
    const [read] = await readToEnd([member], 2, 'the member')
    compare(records, read, 2)
    await member.commit()
    return { group, member, records }
  }

  async function untilEmpty (client, group) {
    const deadline = Date.now() + PATIENCE_MS
    for (;;) {
      const found = await client.describeGroup(group)
      if (`${found}` === 'empty,0') return
      if (Date.now() > deadline) throw new Differs(`the group is ${found} after its member has left`)
    }
  }

  async function describeGroups (client, topic) {
    const { group, member } = await readByMember(client, topic)
    equal('the group', await client.describeGroup(group), ['stable', 1])
    await member.close()
    await untilEmpty(client, group)
    const groups = await client.groups()
    if (!groups.includes(group)) throw new Differs(`${group} is not among ${groups}`)
    const offsets = await client.groupOffsets(group, topic)
    equal('its offsets', offsets.sort(), [[0, 21], [1, 21]])
  }

  async function alterGroups (client, topic) {
    const { group, member, records } = await readByMember(client, topic)
    await member.close()
    await untilEmpty(client, group)
    const first = [5, 7]
    await client.setGroupOffsets(group, topic, [...first.entries()])
    const late = await client.member(group, topic)
    const [read] = await readToEnd([late], 2, 'the late one')
    await late.close()
    compare(records.filter(({ partition }, i) => Math.floor(i / 2) >= first[partition]), read, 2)
    await untilEmpty(client, group)
    await client.deleteGroup(group)
    const groups = await client.groups()
    if (groups.includes(group)) throw new Differs(`${group} is deleted and still among ${groups}`)
  }

  return {
    'add-partitions': addPartitions,
    configs,
    'delete-records': deleteRecords,
    'describe-groups': describeGroups,
    'alter-groups': alterGroups
  }
}
