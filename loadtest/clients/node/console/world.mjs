// What is in the server when the browser comes: topics with records, groups that are behind, and values that would like to
// be more than text.

import { Kafka, logLevel } from 'kafkajs';

// Each tells on its own when it is taken for markup or for script.
export const HOSTILE = '<img src=x onerror="window.broken=1;alert(1)"><script>window.broken=2</script><svg onload=alert(2)>';
export const HOSTILE_GROUP = '<img src=x onerror=alert(3)>/../"';
export const BIG_NUMBER = '9007199254740993';

const order = (index) => ({
  key: `customer-${index % 40}`,
  value: JSON.stringify({ order: index, customer: `customer-${index % 40}`, total: ((index * 737) % 20_000) / 100, express: index % 3 === 0 }),
  headers: index % 5 ? [] : [{ name: 'trace', value: `4bf92f3577b34da6${index}` }],
});

const range = (count, make) => Array.from({ length: count }, (_, index) => make(index));

// 600 orders in 6 partitions; `reports` has read 400 of them and is gone, `billing` reads along.
export async function fill(server) {
  await server.create('orders', 6, { 'retention.ms': 259_200_000 });
  await server.create('payments', 3);
  await server.create('empty');
  await server.append('orders', range(400, order));
  await server.append('payments', range(120, (index) => ({ key: `p-${index}`, value: `paid ${index}` })));
  await read(server, 'reports', 'orders', 400);
  await server.append('orders', range(200, (index) => order(400 + index)));
  await server.append('hostile', [
    { key: HOSTILE, value: HOSTILE, headers: [{ name: HOSTILE, value: HOSTILE }] },
    { value: `{"exact":${BIG_NUMBER},"html":${JSON.stringify(HOSTILE)}}` },
    { value: 'turned \u202e round\u0007, and a\nsecond line' },
    { value_base64: '//4AAQID' },
    { key: 'gone', value: null },
  ]);
  await read(server, HOSTILE_GROUP, 'hostile', 5);
}

const client = (server, id) => new Kafka({ clientId: id, brokers: [server.kafka], logLevel: logLevel.NOTHING });

// Reads `count` records in a group, commits, and leaves.
async function read(server, group, topic, count) {
  const member = await join(server, group, topic, HOSTILE);
  await member.until(count);
  await member.leave();
}

// A member of a group that goes on reading.
export async function join(server, group, topic, clientId = 'console-tests') {
  const consumer = client(server, clientId).consumer({ groupId: group, retry: { retries: 2 } });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let seen = 0;
  let wake = () => {};
  await consumer.run({ eachMessage: async () => { seen += 1; wake(); } });
  return {
    async until(count) {
      const late = setTimeout(() => wake(new Error(`${group} has read ${seen} of ${count}`)), 60_000);
      while (seen < count) {
        const problem = await new Promise((resolve) => { wake = resolve; });
        if (problem) throw problem;
      }
      clearTimeout(late);
    },
    async leave() {
      // Commits what was read.
      await consumer.stop();
      await consumer.disconnect();
    },
  };
}

// Does `work` for each of `items`, many at once.
async function atOnce(items, work) {
  const worker = async () => { while (items.length) await work(items.pop()); };
  await Promise.all(range(32, worker));
}

const named = (prefix, index, digits) => `${prefix}-${String(index).padStart(digits, '0')}`;

// As many topics as a page must bear.
export const many = (server, count) => atOnce(range(count, (index) => named('many', index, 5)), (name) => server.create(name));

// Groups without members; `placeOf(index)` is the topic that each reads, and how far it is in its first partition.
export const crowd = (server, count, placeOf) => atOnce(range(count, (index) => index), (index) => {
  const [topic, offset] = placeOf(index);
  return server.ask(`/v1/groups/${named('crowd', index, 4)}/offsets`, { method: 'PUT', body: { offsets: [{ topic, partition: 0, offset }] } });
});
