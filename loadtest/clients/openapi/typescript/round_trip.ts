// What a user of a TypeScript client does that is generated from openapi.json. Compiled strictly, so a document that says too little
// about an answer fails here before anything runs.
// Usage: node round_trip.js URL
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Record = components["schemas"]["Record"];
type Problem = components["schemas"]["Problem"];

const baseUrl = process.argv[2];
assert(baseUrl, "usage: round_trip.js URL");
const client = createClient<paths>({ baseUrl });
const topic = "typescript.client";
const copy = "typescript.client.copy";

/** What was answered, where that is what should have been. */
function good<T>(result: { data?: T; error?: Problem | undefined }): T {
  assert(result.data !== undefined, JSON.stringify(result.error));
  return result.data;
}

const created = good(await client.POST("/v1/topics", {
  body: { name: topic, partitions: 2, configs: { "retention.ms": 3600000, "cleanup.policy": "delete" } },
}));
assert.deepEqual([created.name, created.partitions], [topic, 2]);

// A refusal has a type too.
const again = await client.POST("/v1/topics", { body: { name: topic } });
assert(again.error, "a topic cannot be created twice");
const problem: Problem = again.error;
assert.deepEqual([problem.code, problem.status, problem.retry], ["topic_exists", 409, false]);

const stored = good(await client.POST("/v1/topics/{topic}/records", {
  params: { path: { topic } },
  body: {
    records: [
      { key: "you", value: "hello", partition: 1, headers: [{ name: "lang", value: "en" }] },
      { value: { any: ["json"] }, partition: 1 },
    ],
  },
}));
// Of a list the answer tells each record, of lines it tells runs.
assert("records" in stored && Array.isArray(stored.records));
assert.deepEqual(stored.records, [{ partition: 1, offset: 0 }, { partition: 1, offset: 1 }]);

const lines = good(await client.POST("/v1/topics/{topic}/records", {
  params: { path: { topic } },
  body: '{"value":"a line","partition":1}\n{"value":"another","partition":1}\n',
  bodySerializer: body => body,
  headers: { "content-type": "application/x-ndjson" },
}));
assert("runs" in lines);
assert.deepEqual(lines.partitions, [{ partition: 1, records: 2, first_offset: 2, last_offset: 3 }]);

const bytes = good(await client.POST("/v1/topics/{topic}/records", {
  params: { path: { topic }, query: { key: "bytes", partition: 1 } },
  body: "\u0000raw",
  bodySerializer: body => body,
  headers: { "content-type": "application/octet-stream" },
}));
assert("records" in bytes && Array.isArray(bytes.records));
assert.equal(bytes.records[0]?.offset, 4);

const values: unknown[] = [];
let from = "earliest";
for (;;) {
  const page = good(await client.GET("/v1/topics/{topic}/partitions/{partition}/records", {
    params: { path: { topic, partition: 1 }, query: { from, limit: 2, value_format: "json" } },
    headers: { accept: "application/json" },
  }));
  assert(typeof page === "object" && "records" in page);
  values.push(...page.records.map((record: Record) => record.value ?? record.value_base64));
  from = String(page.next_offset);
  if (page.records.length === 0) break;
}
// What is not JSON comes as base64.
const base64 = (text: string) => Buffer.from(text).toString("base64");
assert.deepEqual(values, [base64("hello"), { any: ["json"] }, base64("a line"), base64("another"), base64("\u0000raw")]);

const described = good(await client.GET("/v1/topics/{topic}", { params: { path: { topic } } }));
assert.equal(described.partitions[1]?.high_watermark, 5);
assert.deepEqual(described.configs["retention.ms"], { value: "3600000", is_set: true });

const listed = good(await client.GET("/v1/topics", { params: { query: { limit: 10 } } }));
assert(listed.topics.some(it => it.name === topic && it.id === created.id));

const events = await client.GET("/v1/topics/{topic}/records", {
  params: { path: { topic }, query: { wait_ms: 0 } },
  headers: { accept: "text/event-stream" },
  parseAs: "stream",
});
assert(events.data, JSON.stringify(events.error));
let text = "";
for await (const piece of events.data.pipeThrough(new TextDecoderStream())) text += piece;
assert.equal(text.match(/^data: /gm)?.length, 5);

// Columns come as bytes, and go to another topic as they are. Of a binary body a generator knows that it is text.
const arrow = "application/vnd.apache.arrow.stream";
const columns = good(await client.GET("/v1/topics/{topic}/partitions/{partition}/records", {
  params: { path: { topic, partition: 1 }, query: { columns: "key,value" } },
  headers: { accept: arrow },
  parseAs: "arrayBuffer",
}));
const copied = good(await client.POST("/v1/topics/{topic}/records", {
  params: { path: { topic: copy } },
  body: "",
  bodySerializer: () => new Uint8Array(columns),
  headers: { "content-type": arrow },
}));
assert("runs" in copied);
assert.deepEqual([copied.records, copied.is_complete], [5, true]);

type Conditions = paths["/v1/topics/{topic}/records"]["post"]["parameters"]["header"];

/** Appends a record under conditions. */
async function append(header: Conditions) {
  return client.POST("/v1/topics/{topic}/records", {
    params: { path: { topic: copy }, header },
    body: { records: [{ value: "only here" }] },
  });
}

/** The offset of the one record that was stored. */
function offset(result: Awaited<ReturnType<typeof append>>) {
  const stored = good(result);
  assert("records" in stored && Array.isArray(stored.records));
  return stored.records[0]?.offset;
}

// A condition that holds, and one that does not.
assert.equal(offset(await append({ "expected-offset": 5, "fencing-token": 7 })), 5);
const late = (await append({ "expected-offset": 5 })).error;
assert.deepEqual([late?.code, late?.tail], ["unexpected_offset", 6]);
const partition = { topic: copy, partition: 0 };
const fence = good(await client.PUT("/v1/topics/{topic}/partitions/{partition}/fence", {
  params: { path: partition },
  body: { token: 8 },
}));
assert.deepEqual(fence, { token: 8, tail: 6 });
const fenced = (await append({ "fencing-token": 7 })).error;
assert.deepEqual([fenced?.code, fenced?.fencing_token], ["fenced", 8]);
// What is sent again is stored once: with a key, and by a producer.
for (let time = 0; time < 2; time++) assert.equal(offset(await append({ "idempotency-key": "a-key" })), 6);
const producer = good(await client.POST("/v1/producers"));
for (const [sequence, expected] of [[0, 7], [1, 8], [1, 8]] as const) {
  const header = { "producer-id": producer.producer_id, "producer-epoch": producer.epoch, "producer-sequence": sequence };
  assert.equal(offset(await append(header)), expected);
}

const changed = good(await client.PATCH("/v1/topics/{topic}", {
  params: { path: { topic: copy } },
  body: { partitions: 2, configs: { "retention.ms": 60000, "segment.ms": null } },
}));
assert.deepEqual([changed.partition_count, changed.configs["retention.ms"]?.value], [2, "60000"]);

const path = { group: "typescript-client" };
const committed = good(await client.PUT("/v1/groups/{group}/offsets", {
  params: { path },
  body: { offsets: [{ topic: copy, partition: 0, offset: 4, metadata: "here" }] },
}));
assert.deepEqual(committed.offsets, [{ topic: copy, partition: 0 }]);
const lag = good(await client.GET("/v1/groups/{group}/offsets", { params: { path, query: { topic: copy } } }));
assert.deepEqual(lag.offsets, [{ topic: copy, partition: 0, offset: 4, metadata: "here", tail: 9, lag: 5 }]);
const groups = good(await client.GET("/v1/groups"));
assert(groups.groups.some(it => it.group === path.group));
const group = good(await client.GET("/v1/groups/{group}", { params: { path } }));
assert.deepEqual([group.state, group.members], ["Empty", []]);
const anew = good(await client.POST("/v1/groups/{group}/offsets", {
  params: { path },
  body: { topic: copy, to: "latest", partitions: [0] },
}));
assert.deepEqual(anew.offsets, [{ topic: copy, partition: 0, before: 4, after: 9 }]);
assert.equal((await client.DELETE("/v1/groups/{group}", { params: { path } })).response.status, 204);
assert.equal((await client.GET("/v1/groups/{group}", { params: { path } })).error?.code, "unknown_group");

const known = good(await client.GET("/v1/status"));
assert(known.appends.accepted && known.topics >= 2);

const removed = await client.DELETE("/v1/topics/{topic}", { params: { path: { topic } } });
assert.equal(removed.response.status, 204);
const missing = await client.GET("/v1/topics/{topic}", { params: { path: { topic } } });
assert.equal(missing.error?.code, "unknown_topic");
console.log("the TypeScript client does what it should");
