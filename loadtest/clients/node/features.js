// What a Node client has to do in the client matrix: the same as in ../python/matrix_features.py.
//
// A client's program hands `main` an adapter with `create(topic, partitions)`, `remove(topic)`, `partitions(topic)` (0 when it
// is not there), `write(topic, records, codec, idempotent)`, `reader(topic, partitions)`, `member(group, topic)`,
// `offsetAt(topic, timestamp)` and `close()`. A reader has `poll()` and `close()`, a member also `assigned()` and `commit()`.
// What administrators do is in features_admin.js.

'use strict'

const { randomBytes } = require('node:crypto')
const adminFeatures = require('./features_admin.js')

const PATIENCE_MS = 40_000
const BASE_MS = 1_600_000_000_000
// Written last into each partition, and in a batch of its own: whoever has read it has been offered everything before.
const END = Buffer.from('the end')
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

class Differs extends Error {}

function record (partition, key, value, headers = [], timestamp = undefined) {
  const bytes = text => (typeof text === 'string' ? Buffer.from(text) : text)
  return { partition, key: bytes(key), value: bytes(value), headers, timestamp }
}

function some (name, count, partitions) {
  const one = (_, i) => record(i % partitions, `key-${i}`, `${name}-${i}:${'wide '.repeat(20)}`)
  return Array.from({ length: count }, one)
}

function withTimes (count) {
  return some('times', count, 1).map((one, i) => ({ ...one, timestamp: BASE_MS + i * 1_000 }))
}

function ends (partitions) {
  return Array.from({ length: partitions }, (_, partition) => record(partition, 'end', END))
}

const isEnd = one => one.value !== null && END.equals(one.value)
const same = (one, other) => (one === null || other === null ? one === other : one.equals(other))
const sameRecord = (one, other) => same(one.key, other.key) && same(one.value, other.value)

function sameHeaders (one, other) {
  const equal = ([name, value], i) => other[i][0] === name && value.equals(other[i][1])
  return one.length === other.length && one.every(equal)
}

function shown (one) {
  const headers = one.headers.map(([name, value]) => `${name}=${value.toString('hex')}`)
  return `p${one.partition} ${one.key} ${one.value?.subarray(0, 40)} headers [${headers}] at ${one.timestamp}`
}

// Every record once, in its place, as it was written. What was not given to the client is not compared.
function compare (written, read, partitions) {
  for (let partition = 0; partition < partitions; partition++) {
    const expected = written.filter(one => one.partition === partition)
    const got = read.filter(one => one.partition === partition && !isEnd(one))
    for (const one of expected) {
      if (!got.some(other => sameRecord(one, other))) throw new Differs(`lost: ${shown(one)}`)
    }
    if (got.length > expected.length) {
      throw new Differs(`doubled or foreign: ${got.length} records instead of ${expected.length}`)
    }
    for (const [i, one] of expected.entries()) {
      const other = got[i]
      const inTime = one.timestamp === undefined || one.timestamp === other.timestamp
      if (!sameRecord(one, other) || !sameHeaders(one.headers, other.headers) || !inTime) {
        throw new Differs(`reordered or altered at ${i}: ${shown(one)} became ${shown(other)}`)
      }
    }
  }
}

// Polls all in turn until `done` with what each got.
async function pollUntil (pollers, done, what) {
  const deadline = Date.now() + PATIENCE_MS
  const shares = pollers.map(() => [])
  while (!done(shares)) {
    for (const [i, poller] of pollers.entries()) shares[i].push(...(await poller.poll()))
    if (Date.now() > deadline) throw new Differs(`${what}: nothing more came after ${shares.map(one => one.length)}`)
  }
  return shares
}

function readToEnd (pollers, partitions, what) {
  return pollUntil(pollers, shares => shares.flat().filter(isEnd).length >= partitions, what)
}

async function writeAndRead (client, topic, records, partitions = 1, codec = 'none', idempotent = false) {
  await client.create(topic, partitions)
  await client.write(topic, records, codec, idempotent)
  await client.write(topic, ends(partitions), 'none', false)
  const reader = await client.reader(topic, partitions)
  const [read] = await readToEnd([reader], partitions, 'reading')
  await reader.close()
  compare(records, read, partitions)
}

async function headers (client, topic) {
  const list = i => [['a-number', Buffer.from(`${i}`)], ['b-empty', Buffer.alloc(0)], ['c-bytes', Buffer.from([0, 255, i])]]
  await writeAndRead(client, topic, some('headers', 20, 1).map((one, i) => ({ ...one, headers: list(i) })))
}

async function tombstones (client, topic) {
  const pairs = [['key', 'value'], ['key', null], [null, 'no key'], ['gone', null], ['key', ''], ['', 'empty key']]
  await writeAndRead(client, topic, pairs.map(([key, value]) => record(0, key, value)))
}

async function big (client, topic) {
  const records = some('big', 6, 1)
  for (const i of [1, 2, 4]) records[i].value = Buffer.concat([records[i].value, randomBytes(900_000)])
  await writeAndRead(client, topic, records)
}

async function offsetsByTime (client, topic) {
  await writeAndRead(client, topic, withTimes(10))
  for (const [since, expected] of [[0, 0], [1, 1], [4_000, 4], [4_500, 5], [9_000, 9]]) {
    const found = await client.offsetAt(topic, BASE_MS + since)
    if (found !== expected) throw new Differs(`the first record at ${since} ms or later is ${expected}, not ${found}`)
  }
}

// An error and those that it holds.
function causes (error) {
  return [error, ...(error.errors ?? []).flatMap(causes)]
}

async function admin (client, topic) {
  if (await client.partitions(topic)) throw new Differs('the topic is there before it is created')
  await writeAndRead(client, topic, some('admin', 30, 3), 3)
  const partitions = await client.partitions(topic)
  if (partitions !== 3) throw new Differs(`${partitions} partitions instead of 3`)
  let twice = true
  try {
    await client.create(topic, 3)
  } catch (error) {
    if (!causes(error).some(one => /exist/i.test(`${one.message} ${one.apiId}`))) throw error
    twice = false
  }
  if (twice) throw new Differs('a topic was created twice')
  await client.remove(topic)
  if (await client.partitions(topic)) throw new Differs('a deleted topic is still there')
}

// Two members share four partitions, one leaves, and a third goes on where the last one stood.
async function group (client, topic) {
  await client.create(topic, 4)
  const name = `${topic}-group`
  async function phase (label, members) {
    const records = some(label, 200, 4)
    await client.write(topic, records, 'none', false)
    await client.write(topic, ends(4), 'none', false)
    const shares = await readToEnd(members, 4, label)
    compare(records, shares.flat(), 4)
    if (shares.some(share => share.length === 0)) throw new Differs(`${label}: one member got nothing`)
    for (const member of members) await member.commit()
  }
  async function untilAssigned (each, members) {
    const done = () => members.every(member => member.assigned() === each)
    const read = (await pollUntil(members, done, 'assignment')).flat()
    if (read.length > 0) throw new Differs(`${read.length} records came again`)
  }
  const [stays, leaves] = await Promise.all([client.member(name, topic), client.member(name, topic)])
  await untilAssigned(2, [stays, leaves])
  await phase('two', [stays, leaves])
  await leaves.close()
  // What it reads before it has noticed would rightly come again: nobody has committed it.
  await untilAssigned(4, [stays])
  await phase('one', [stays])
  await stays.close()
  const late = await client.member(name, topic)
  await phase('late', [late])
  await late.close()
}

const FEATURES = {
  produce: (client, topic) => writeAndRead(client, topic, some('produce', 600, 3), 3),
  idempotence: (client, topic) => writeAndRead(client, topic, some('once', 1_000, 2), 2, 'none', true),
  timestamps: (client, topic) => writeAndRead(client, topic, withTimes(50)),
  'offsets-by-time': offsetsByTime,
  headers,
  tombstones,
  big,
  admin,
  group,
  ...adminFeatures({ Differs, PATIENCE_MS, compare, ends, readToEnd, some, writeAndRead })
}
for (const codec of CODECS) {
  FEATURES[codec] = (client, topic) => writeAndRead(client, topic, some(codec, 300, 2), 2, codec)
}

// `PROGRAM version`, or `PROGRAM ADDRESS TOPIC FEATURE`: exits with 0, or prints what differed.
async function main (Adapter, version) {
  const words = process.argv.slice(2)
  if (words[0] === 'version') {
    console.log(version)
    return
  }
  const [address, topic, feature] = words
  try {
    const client = new Adapter(address)
    await FEATURES[feature](client, topic)
    await client.close()
  } catch (error) {
    console.log(error instanceof Differs ? error.message : error)
    process.exitCode = 1
  }
  // A client that was interrupted leaves sockets that would keep the process.
  process.exit()
}

// Records in calls of at most 50 and less than a batch may have, for clients that make one batch of each call.
function calls (records) {
  const all = [[]]
  let bytes = 0
  for (const one of records) {
    const more = one.value?.length ?? 0
    if (all.at(-1).length === 50 || (bytes > 0 && bytes + more > 950_000)) {
      all.push([])
      bytes = 0
    }
    all.at(-1).push(one)
    bytes += more
  }
  return all
}

// What a reader was given and nobody has polled yet.
class Inbox {
  #records = []
  #wake = () => {}

  put (one) {
    this.#records.push(one)
    this.#wake()
  }

  // What has come, after 100 ms at most.
  async take () {
    if (this.#records.length === 0) {
      await new Promise(resolve => {
        this.#wake = resolve
        setTimeout(resolve, 100)
      })
    }
    return this.#records.splice(0)
  }
}

module.exports = { main, calls, Inbox }
