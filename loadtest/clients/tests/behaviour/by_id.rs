//! Requests of flexible versions: Metadata, Produce and Fetch, which know topics by their ids, and what others are made of.

use crate::wire::{Client, FETCH, METADATA, PRODUCE, Put, body};

pub type TopicId = [u8; 16];

const METADATA_VERSION: i16 = 12;
const PRODUCE_VERSION: i16 = 13;
const FETCH_VERSION: i16 = 13;
/// One request at a time is under way here, so they need not be told apart.
const CORRELATION: i32 = 0x7155;

/// What flexible versions are made of beside [`Put`].
pub trait PutFlexible {
    fn varint(self, value: usize) -> Self;
    /// Before the elements of an array, or before bytes.
    fn count(self, count: usize) -> Self;
    fn no_tags(self) -> Self;
}

impl PutFlexible for Vec<u8> {
    fn varint(mut self, mut value: usize) -> Self {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
        self
    }

    fn count(self, count: usize) -> Self {
        self.varint(count + 1)
    }

    fn no_tags(self) -> Self {
        self.i8(0)
    }
}

/// Takes an answer of a flexible version apart.
pub struct Cursor {
    bytes: Vec<u8>,
    at: usize,
}

impl Cursor {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        self.slice(N).try_into().unwrap()
    }

    fn slice(&mut self, count: usize) -> &[u8] {
        self.at += count;
        &self.bytes[self.at - count..self.at]
    }

    pub fn i8(&mut self) -> i8 {
        i8::from_be_bytes(self.take())
    }

    pub fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take())
    }

    pub fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    pub fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.take())
    }

    pub fn varint(&mut self) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let [byte] = self.take();
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return value;
            }
            shift += 7;
        }
    }

    /// Elements of an array; 0 for an absent one.
    pub fn count(&mut self) -> usize {
        self.varint().saturating_sub(1)
    }

    pub fn text(&mut self) -> Option<String> {
        let count = self.varint().checked_sub(1)?;
        Some(String::from_utf8(self.slice(count).to_vec()).unwrap())
    }

    pub fn payload(&mut self) -> Vec<u8> {
        let count = self.count();
        self.slice(count).to_vec()
    }

    /// The numbers of the tagged fields that are there.
    pub fn tags(&mut self) -> Vec<usize> {
        let count = self.varint();
        let mut found = Vec::new();
        for _ in 0..count {
            found.push(self.varint());
            let bytes = self.varint();
            self.slice(bytes);
        }
        found
    }

    pub fn end(self) {
        assert_eq!(self.at, self.bytes.len(), "bytes follow the answer");
    }
}

/// Sends a request of a flexible version, and takes the head off its answer.
pub fn call(client: &mut Client, api: i16, version: i16, request: &[u8]) -> Cursor {
    let content = body().i16(api).i16(version).i32(CORRELATION).string("behaviour").no_tags().raw(request);
    client.send_raw(&body().bytes(&content)).expect("the server reads");
    let mut answer = Cursor { bytes: client.receive_raw().expect("an answer"), at: 0 };
    assert_eq!(answer.i32(), CORRELATION);
    answer.tags();
    answer
}

/// What Metadata says of one topic: its id and number of partitions, or an error.
pub fn describe(client: &mut Client, topic: &str, create: bool) -> Result<(TopicId, usize), i16> {
    let asked = body().count(1).raw(&[0; 16]).count(topic.len()).raw(topic.as_bytes()).no_tags();
    let request = asked.i8(i8::from(create)).i8(0).no_tags();
    let mut answer = call(client, METADATA, METADATA_VERSION, &request);
    answer.i32();
    for _ in 0..answer.count() {
        answer.i32();
        answer.text();
        answer.i32();
        answer.text();
        answer.tags();
    }
    answer.text();
    answer.i32();
    assert_eq!(answer.count(), 1, "one topic was asked for");
    let (error, name, id) = (answer.i16(), answer.text(), answer.take());
    assert_eq!(name.as_deref(), Some(topic));
    answer.i8();
    let partitions = answer.count();
    for _ in 0..partitions {
        let (error, _index, _leader, epoch) = (answer.i16(), answer.i32(), answer.i32(), answer.i32());
        assert_eq!((error, epoch), (0, 0), "each partition has its leader, in the one epoch");
        for _ in 0..3 {
            for _ in 0..answer.count() {
                answer.i32();
            }
        }
        answer.tags();
    }
    answer.i32();
    answer.tags();
    answer.tags();
    answer.end();
    if error == 0 { Ok((id, partitions)) } else { Err(error) }
}

/// The id of a topic that is there.
pub fn id_of(client: &mut Client, topic: &str) -> TopicId {
    describe(client, topic, false).expect("the topic is there").0
}

/// Produces one batch to a topic of this id; error code and first offset.
pub fn produce(client: &mut Client, topic: TopicId, partition: i32, records: &[u8]) -> (i16, i64) {
    let head = body().varint(0).i16(-1).i32(30_000).count(1).raw(&topic).count(1);
    let request = head.i32(partition).count(records.len()).raw(records).no_tags().no_tags().no_tags();
    let mut answer = call(client, PRODUCE, PRODUCE_VERSION, &request);
    assert_eq!(answer.count(), 1);
    assert_eq!(answer.take(), topic);
    assert_eq!(answer.count(), 1);
    assert_eq!(answer.i32(), partition);
    let (error, offset) = (answer.i16(), answer.i64());
    answer.i64();
    answer.i64();
    for _ in 0..answer.count() {
        answer.i32();
        answer.text();
        answer.tags();
    }
    answer.text();
    answer.tags();
    answer.tags();
    answer.i32();
    answer.tags();
    answer.end();
    (error, offset)
}

/// What is asked of a partition.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub topic: TopicId,
    pub partition: i32,
    pub offset: i64,
    /// As the reader knows it; −1 for not.
    pub leader_epoch: i32,
    /// Of the last record that the reader has; −1 for none.
    pub last_epoch: i32,
}

impl Wanted {
    pub fn of(topic: TopicId, partition: i32, offset: i64) -> Wanted {
        Wanted { topic, partition, offset, leader_epoch: -1, last_epoch: -1 }
    }
}

/// A Fetch request.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Id and epoch; (0, −1) for none, (0, 0) to begin one.
    pub session: (i32, i32),
    /// Those of one topic stand side by side.
    pub wanted: Vec<Wanted>,
    pub forgotten: Vec<(TopicId, i32)>,
    pub max_wait_ms: i32,
    pub min_bytes: i32,
}

/// Its answer.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub error: i16,
    pub session: i32,
    pub partitions: Vec<FetchedPartition>,
    /// Of the whole answer.
    pub bytes: usize,
}

#[derive(Clone, Debug)]
pub struct FetchedPartition {
    pub topic: TopicId,
    pub partition: i32,
    pub error: i16,
    pub high_watermark: i64,
    pub last_stable: i64,
    pub log_start: i64,
    /// The reader is told that its log diverges.
    pub diverges: bool,
    pub records: Vec<u8>,
}

impl Fetch {
    /// Without a session; what is there now.
    pub fn now(wanted: Vec<Wanted>) -> Fetch {
        Fetch::in_session((0, -1), wanted)
    }

    /// In a session; what is there now.
    pub fn in_session(session: (i32, i32), wanted: Vec<Wanted>) -> Fetch {
        Fetch { session, wanted, forgotten: Vec::new(), max_wait_ms: 0, min_bytes: 0 }
    }

    pub fn ask(&self, client: &mut Client) -> Fetched {
        let head = body().i32(-1).i32(self.max_wait_ms).i32(self.min_bytes).i32(16 << 20).i8(0);
        let topics = self.wanted.chunk_by(|one, next| one.topic == next.topic).collect::<Vec<_>>();
        let mut request = head.i32(self.session.0).i32(self.session.1).count(topics.len());
        for topic in topics {
            request = request.raw(&topic[0].topic).count(topic.len());
            for wanted in topic {
                let Wanted { partition, offset, leader_epoch, last_epoch, .. } = *wanted;
                request = request.i32(partition).i32(leader_epoch).i64(offset).i32(last_epoch).i64(-1);
                request = request.i32(1 << 20).no_tags();
            }
            request = request.no_tags();
        }
        request = request.count(self.forgotten.len());
        for (topic, partition) in &self.forgotten {
            request = request.raw(topic).count(1).i32(*partition).no_tags();
        }
        read(call(client, FETCH, FETCH_VERSION, &request.count(0).no_tags()))
    }
}

fn read(mut answer: Cursor) -> Fetched {
    let bytes = answer.bytes.len();
    answer.i32();
    let (error, session) = (answer.i16(), answer.i32());
    let mut partitions = Vec::new();
    for _ in 0..answer.count() {
        let topic = answer.take();
        for _ in 0..answer.count() {
            let (partition, error) = (answer.i32(), answer.i16());
            let (high_watermark, last_stable, log_start) = (answer.i64(), answer.i64(), answer.i64());
            for _ in 0..answer.count() {
                answer.i64();
                answer.i64();
                answer.tags();
            }
            answer.i32();
            let records = answer.payload();
            // Tag 0 is the diverging epoch.
            let diverges = answer.tags().contains(&0);
            partitions.push(FetchedPartition {
                topic,
                partition,
                error,
                high_watermark,
                last_stable,
                log_start,
                diverges,
                records,
            });
        }
        answer.tags();
    }
    answer.tags();
    answer.end();
    Fetched { error, session, partitions, bytes }
}
