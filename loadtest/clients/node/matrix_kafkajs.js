// kafkajs in the client matrix, with its package for snappy and Node's own zstd.

'use strict'

const { zstdCompress, zstdDecompress } = require('node:zlib')
const { promisify } = require('node:util')
const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require('kafkajs')
const snappy = require('kafkajs-snappy')
const { calls, Inbox, main } = require('./features.js')

CompressionCodecs[CompressionTypes.Snappy] = snappy
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: encoder => promisify(zstdCompress)(encoder.buffer),
  decompress: promisify(zstdDecompress)
})
const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD
}

class Member {
  #consumer
  #inbox = new Inbox()
  #assigned = 0
  #next = new Map()

  static async start (kafka, groupId, topic) {
    const member = new Member()
    const consumer = kafka.consumer({ groupId, heartbeatInterval: 300, maxWaitTimeInMs: 200 })
    member.#consumer = consumer
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      member.#assigned = payload.memberAssignment[topic]?.length ?? 0
    })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => member.#inbox.put({ partition, message })
    })
    member.topic = topic
    return member
  }

  async poll () {
    const taken = await this.#inbox.take()
    return taken.map(({ partition, message }) => {
      this.#next.set(partition, `${BigInt(message.offset) + 1n}`)
      const { key, value } = message
      const headers = Object.entries(message.headers)
      return { partition, key, value, headers, timestamp: Number(message.timestamp) }
    })
  }

  assigned () {
    return this.#assigned
  }

  async commit () {
    const offsets = [...this.#next].map(([partition, offset]) => ({ topic: this.topic, partition, offset }))
    await this.#consumer.commitOffsets(offsets)
  }

  async close () {
    await this.#consumer.disconnect()
  }
}

class Kafkajs {
  #kafka
  #admin

  constructor (address) {
    this.#kafka = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING })
    this.#admin = this.#kafka.admin()
  }

  async create (topic, numPartitions) {
    await this.#admin.connect()
    const created = await this.#admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1 }] })
    if (!created) throw new Error('the topic exists')
  }

  async remove (topic) {
    await this.#admin.deleteTopics({ topics: [topic] })
  }

  async partitions (topic) {
    await this.#admin.connect()
    // All topics: asking for one by name would create it.
    const { topics } = await this.#admin.fetchTopicMetadata()
    return topics.find(one => one.name === topic)?.partitions.length ?? 0
  }

  async addPartitions (topic, count) {
    await this.#admin.createPartitions({ topicPartitions: [{ topic, count }] })
  }

  async config (name, setting) {
    const resources = [{ type: ConfigResourceTypes.TOPIC, name, configNames: [setting] }]
    const answer = await this.#admin.describeConfigs({ resources, includeSynonyms: false })
    return answer.resources[0].configEntries[0].configValue
  }

  async setConfig (name, setting, value) {
    const resources = [{ type: ConfigResourceTypes.TOPIC, name, configEntries: [{ name: setting, value }] }]
    await this.#admin.alterConfigs({ validateOnly: false, resources })
  }

  async deleteRecords (topic, before) {
    // It finds the leader of a topic only that it was asked about before.
    await this.#admin.fetchTopicOffsets(topic)
    await this.#admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: `${before}` }] })
  }

  async groups () {
    const { groups } = await this.#admin.listGroups()
    return groups.map(one => one.groupId)
  }

  async describeGroup (group) {
    const { groups } = await this.#admin.describeGroups([group])
    return [groups[0].state.toLowerCase(), groups[0].members.length]
  }

  async groupOffsets (groupId, topic) {
    const [found] = await this.#admin.fetchOffsets({ groupId, topics: [topic] })
    return found.partitions.map(({ partition, offset }) => [partition, Number(offset)])
  }

  async setGroupOffsets (groupId, topic, offsets) {
    const partitions = offsets.map(([partition, offset]) => ({ partition, offset: `${offset}` }))
    await this.#admin.setOffsets({ groupId, topic, partitions })
  }

  async deleteGroup (group) {
    await this.#admin.deleteGroups([group])
  }

  async write (topic, records, codec, idempotent) {
    const producer = this.#kafka.producer({ idempotent, maxInFlightRequests: idempotent ? 1 : null })
    await producer.connect()
    for (const call of calls(records)) {
      const messages = call.map(({ partition, key, value, headers, timestamp }) => {
        return { partition, key, value, headers: Object.fromEntries(headers), timestamp: timestamp?.toString() }
      })
      await producer.send({ topic, messages, compression: CODECS[codec], acks: -1 })
    }
    await producer.disconnect()
  }

  // It reads in groups only.
  reader (topic) {
    return Member.start(this.#kafka, `${topic}-reader`, topic)
  }

  member (group, topic) {
    return Member.start(this.#kafka, group, topic)
  }

  async offsetAt (topic, timestamp) {
    const found = await this.#admin.fetchTopicOffsetsByTimestamp(topic, timestamp)
    return Number(found.find(one => one.partition === 0).offset)
  }

  async close () {
    await this.#admin.disconnect()
  }
}

main(Kafkajs, require('kafkajs/package.json').version)
