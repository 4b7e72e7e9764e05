//! The requests that most attacks are made of, as a normal client sends them.

use crate::wire::{CREATE_TOPICS, Client, FETCH, INIT_PRODUCER_ID, LIST_OFFSETS, METADATA, PRODUCE, Put, body};

/// Creates a topic; it does not exist yet.
pub fn create_topic(client: &mut Client, topic: &str, partitions: i32, configs: &[(&str, &str)]) {
    let mut request = body().i32(1).string(topic).i32(partitions).i16(1).i32(0);
    request = request.i32(i32::try_from(configs.len()).unwrap());
    for (name, value) in configs {
        request = request.string(name).string(value);
    }
    let mut answer = client.call(CREATE_TOPICS, 2, &request.i32(30_000).i8(0));
    answer.i32();
    assert_eq!(answer.i32(), 1);
    assert_eq!(answer.string().as_deref(), Some(topic));
    assert_eq!(answer.i16(), 0, "{topic} is created");
    answer.string();
    answer.end();
}

/// The body of a Produce request (v3 to v8) with acks=all.
pub fn produce_body(topic: &str, partition: i32, records: &[u8]) -> Vec<u8> {
    produce_body_with(-1, topic, partition, records)
}

/// With other acks.
pub fn produce_body_with(acks: i16, topic: &str, partition: i32, records: &[u8]) -> Vec<u8> {
    let head = body().null_string().i16(acks).i32(30_000);
    head.i32(1).string(topic).i32(1).i32(partition).bytes(records)
}

/// Produces; returns error code and base offset.
pub fn produce(client: &mut Client, topic: &str, partition: i32, records: &[u8]) -> (i16, i64) {
    let correlation = client.send(PRODUCE, 7, &produce_body(topic, partition, records));
    produced(client, correlation)
}

/// Takes the answer to a Produce v7 request of one partition.
pub fn produced(client: &mut Client, correlation: i32) -> (i16, i64) {
    let mut answer = client.receive(correlation);
    assert_eq!(answer.i32(), 1);
    answer.string();
    assert_eq!(answer.i32(), 1);
    answer.i32();
    let (error, offset) = (answer.i16(), answer.i64());
    answer.i64();
    answer.i64();
    answer.i32();
    answer.end();
    (error, offset)
}

/// The offset that the next record of a partition will have.
pub fn next_offset(client: &mut Client, topic: &str, partition: i32) -> i64 {
    let request = body().i32(-1).i32(1).string(topic).i32(1).i32(partition).i64(-1);
    let mut answer = client.call(LIST_OFFSETS, 1, &request);
    assert_eq!(answer.i32(), 1);
    answer.string();
    assert_eq!(answer.i32(), 1);
    answer.i32();
    assert_eq!(answer.i16(), 0);
    answer.i64();
    let offset = answer.i64();
    answer.end();
    offset
}

/// A new producer id.
pub fn producer_id(client: &mut Client) -> i64 {
    let mut answer = client.call(INIT_PRODUCER_ID, 0, &body().null_string().i32(60_000));
    answer.i32();
    assert_eq!(answer.i16(), 0);
    let id = answer.i64();
    assert_eq!(answer.i16(), 0);
    answer.end();
    id
}

/// A Fetch (v11) of one partition.
#[derive(Clone, Copy, Debug)]
pub struct Fetch {
    pub partition: i32,
    pub offset: i64,
    pub max_wait_ms: i32,
    pub min_bytes: i32,
    pub max_bytes: i32,
    pub partition_max_bytes: i32,
    pub session: (i32, i32),
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Of the whole answer.
    pub error_of_all: i16,
    pub session: i32,
    /// Of the partition; 0 when it is not in the answer.
    pub error: i16,
    pub high_watermark: i64,
    pub records: Vec<u8>,
}

impl Fetch {
    /// Without a session, and without waiting longer than a second.
    pub fn from(offset: i64) -> Fetch {
        Fetch {
            partition: 0,
            offset,
            max_wait_ms: 1_000,
            min_bytes: 1,
            max_bytes: 1 << 20,
            partition_max_bytes: 1 << 20,
            session: (0, -1),
        }
    }

    pub fn body(&self, topic: &str) -> Vec<u8> {
        let head = body().i32(-1).i32(self.max_wait_ms).i32(self.min_bytes).i32(self.max_bytes).i8(0);
        let head = head.i32(self.session.0).i32(self.session.1).i32(1).string(topic).i32(1);
        let partition = head.i32(self.partition).i32(-1).i64(self.offset).i64(-1).i32(self.partition_max_bytes);
        partition.i32(0).string("")
    }

    pub fn ask(&self, client: &mut Client, topic: &str) -> Fetched {
        let mut answer = client.call(FETCH, 11, &self.body(topic));
        answer.i32();
        let (error_of_all, session) = (answer.i16(), answer.i32());
        let mut fetched = Fetched { error_of_all, session, error: 0, high_watermark: -1, records: Vec::new() };
        if answer.i32() == 1 {
            answer.string();
            assert_eq!(answer.i32(), 1);
            assert_eq!(answer.i32(), self.partition);
            fetched.error = answer.i16();
            fetched.high_watermark = answer.i64();
            answer.i64();
            answer.i64();
            for _ in 0..answer.i32().max(0) {
                answer.i64();
                answer.i64();
            }
            answer.i32();
            fetched.records = answer.bytes();
        }
        answer.end();
        fetched
    }
}

/// The kinds of topics that there are, without their numbers.
pub fn topics(client: &mut Client) -> Vec<String> {
    let mut answer = client.call(METADATA, 0, &body().i32(0));
    for _ in 0..answer.i32() {
        answer.i32();
        answer.string();
        answer.i32();
    }
    let mut names = Vec::new();
    for _ in 0..answer.i32() {
        answer.i16();
        names.push(answer.string().unwrap().split('-').next().unwrap().to_owned());
        for _ in 0..answer.i32() {
            answer.i16();
            answer.i32();
            answer.i32();
            for _ in 0..2 {
                for _ in 0..answer.i32() {
                    answer.i32();
                }
            }
        }
    }
    answer.end();
    names.dedup();
    names
}
