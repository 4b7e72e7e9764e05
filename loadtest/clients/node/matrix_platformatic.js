// @platformatic/kafka in the client matrix.

'use strict'

const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const { Admin, ConfigResourceTypes, Consumer, Producer, ProduceAcks } = require('@platformatic/kafka')
const { calls, Inbox, main } = require('./features.js')

class Member {
  #consumer
  #stream
  #inbox = new Inbox()
  #latest = new Map()

  static async start (options, groupId, topic) {
    const member = new Member()
    member.#consumer = new Consumer({ ...options, groupId, heartbeatInterval: 300, maxWaitTime: 200, minBytes: 1 })
    const mode = { mode: 'committed', fallbackMode: 'earliest', autocommit: false }
    member.#stream = await member.#consumer.consume({ ...mode, topics: [topic] })
    member.#stream.on('data', message => member.#inbox.put(message))
    member.topic = topic
    return member
  }

  async poll () {
    const taken = await this.#inbox.take()
    return taken.map(({ partition, key, value, headers, timestamp, offset, leaderEpoch }) => {
      this.#latest.set(partition, { topic: this.topic, partition, offset: offset + 1n, leaderEpoch })
      const list = [...headers].map(([name, bytes]) => [`${name}`, bytes])
      return { partition, key: key ?? null, value: value ?? null, headers: list, timestamp: Number(timestamp) }
    })
  }

  assigned () {
    return this.#consumer.assignments?.find(one => one.topic === this.topic)?.partitions.length ?? 0
  }

  async commit () {
    await this.#consumer.commit({ offsets: [...this.#latest.values()] })
  }

  async close () {
    await this.#stream.close()
    await this.#consumer.close()
  }
}

class Platformatic {
  #options
  #admin

  constructor (address) {
    this.#options = { clientId: 'matrix', bootstrapBrokers: [address] }
    this.#admin = new Admin(this.#options)
  }

  async create (topic, partitions) {
    await this.#admin.createTopics({ topics: [topic], partitions, replicas: 1 })
  }

  async remove (topic) {
    await this.#admin.deleteTopics({ topics: [topic] })
  }

  async partitions (topic) {
    if (!(await this.#admin.listTopics()).includes(topic)) return 0
    const { topics } = await this.#admin.metadata({ topics: [topic], forceUpdate: true })
    return topics.get(topic).partitionsCount
  }

  async addPartitions (name, count) {
    await this.#admin.createPartitions({ topics: [{ name, count, assignments: null }] })
  }

  async config (resourceName, name) {
    const resources = [{ resourceType: ConfigResourceTypes.TOPIC, resourceName, configurationKeys: [name] }]
    const [described] = await this.#admin.describeConfigs({ resources })
    return described.configs.find(one => one.name === name).value
  }

  async setConfig (resourceName, name, value) {
    const configs = [{ name, configOperation: 0, value }]
    const resources = [{ resourceType: ConfigResourceTypes.TOPIC, resourceName, configs }]
    await this.#admin.incrementalAlterConfigs({ resources })
  }

  async deleteRecords (name, before) {
    await this.#admin.deleteRecords({ topics: [{ name, partitions: [{ partition: 0, offset: BigInt(before) }] }] })
  }

  async groups () {
    return [...(await this.#admin.listGroups()).keys()]
  }

  async describeGroup (group) {
    const found = (await this.#admin.describeGroups({ groups: [group] })).get(group)
    return [found.state.toLowerCase(), found.members.size]
  }

  async groupOffsets (group, topic) {
    const [found] = await this.#admin.listConsumerGroupOffsets({ groups: [group] })
    const { partitions } = found.topics.find(one => one.name === topic)
    return partitions.map(({ partitionIndex, committedOffset }) => [partitionIndex, Number(committedOffset)])
  }

  async setGroupOffsets (groupId, name, offsets) {
    const partitionOffsets = offsets.map(([partition, offset]) => ({ partition, offset: BigInt(offset) }))
    await this.#admin.alterConsumerGroupOffsets({ groupId, topics: [{ name, partitionOffsets }] })
  }

  async deleteGroup (group) {
    await this.#admin.deleteGroups({ groups: [group] })
  }

  async write (topic, records, compression, idempotent) {
    const acks = ProduceAcks.ALL
    const producer = new Producer({ ...this.#options, compression, idempotent, acks })
    for (const call of calls(records)) {
      const messages = call.map(({ partition, key, value, headers, timestamp }) => {
        const map = new Map(headers.map(([name, bytes]) => [Buffer.from(name), bytes]))
        return { topic, partition, key, value, headers: map, timestamp: timestamp && BigInt(timestamp) }
      })
      await producer.send({ messages })
    }
    await producer.close()
  }

  // It reads in groups only.
  reader (topic) {
    return Member.start(this.#options, `${topic}-reader`, topic)
  }

  member (group, topic) {
    return Member.start(this.#options, group, topic)
  }

  async offsetAt (topic, timestamp) {
    const consumer = new Consumer({ ...this.#options, groupId: `${topic}-asks` })
    const found = await consumer.listOffsets({ topics: [topic], timestamp: BigInt(timestamp) })
    await consumer.close()
    return Number(found.get(topic)[0])
  }

  async close () {
    await this.#admin.close()
  }
}

// Its package does not export its own description.
const folder = require.resolve('@platformatic/kafka').split('/dist/')[0]
main(Platformatic, JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version)
