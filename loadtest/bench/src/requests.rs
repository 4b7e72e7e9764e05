//! The requests of the stages with many partitions and many groups.

use anyhow::ensure;

use crate::wire::{Answer, Body, Sequence, Wire, batch};

const PRODUCE: (i16, i16) = (0, 7);
const FETCH: (i16, i16) = (1, 11);
const METADATA: (i16, i16) = (3, 4);
const CREATE_TOPICS: (i16, i16) = (19, 2);
const INIT_PRODUCER_ID: (i16, i16) = (22, 1);

/// Topics in one request to create them.
const TOPICS_AT_ONCE: usize = 500;

/// A partition, by its topic's name.
pub type Partition = (String, i32);

impl Wire {
    pub fn create_topics(&mut self, names: &[String], partitions: i32) -> anyhow::Result<()> {
        for names in names.chunks(TOPICS_AT_ONCE) {
            let body = Body::default()
                .each(names, |body, name| body.string(name).i32(partitions).i16(1).count(0).count(0))
                .i32(30_000)
                .i8(0);
            let mut answer = self.call(CREATE_TOPICS, &body)?;
            answer.i32()?;
            for _ in 0..answer.count()? {
                let name = answer.string()?;
                answer.good(&name)?;
                answer.string()?;
            }
        }
        Ok(())
    }

    /// Asks for one topic, or all. How many partitions are described.
    pub fn metadata(&mut self, topic: Option<&str>) -> anyhow::Result<usize> {
        let body = match topic {
            Some(topic) => Body::default().each([topic], |body, topic| body.string(topic)),
            None => Body::default().i32(-1),
        };
        let mut answer = self.call(METADATA, &body.i8(0))?;
        answer.i32()?;
        for _ in 0..answer.count()? {
            let _ = (answer.i32()?, answer.string()?, answer.i32()?, answer.string()?);
        }
        let _ = (answer.string()?, answer.i32()?);
        let mut partitions = 0;
        for _ in 0..answer.count()? {
            let code = answer.i16()?;
            let name = answer.string()?;
            ensure!(code == 0, "{name}: error {code}");
            answer.i8()?;
            for _ in 0..answer.count()? {
                partitions += 1;
                answer.good(&name)?;
                let _ = (answer.i32()?, answer.i32()?);
                for _ in 0..2 {
                    for _ in 0..answer.count()? {
                        answer.i32()?;
                    }
                }
            }
        }
        Ok(partitions)
    }

    pub fn producer(&mut self) -> anyhow::Result<(i64, i16)> {
        let mut answer = self.call(INIT_PRODUCER_ID, &Body::default().i16(-1).i32(60_000))?;
        answer.i32()?;
        answer.good("InitProducerId")?;
        Ok((answer.i64()?, answer.i16()?))
    }

    /// One record to each of them, acknowledged by the store.
    pub fn produce(&mut self, partitions: &[Partition], value: &[u8], sequence: Sequence) -> anyhow::Result<()> {
        let records = batch(value, sequence);
        let body = Body::default().i16(-1).i16(-1).i32(30_000);
        let body = body.each(&by_topic(partitions), |body, (name, indexes)| {
            body.string(name).each(indexes, |body, index| body.i32(*index).bytes(&records))
        });
        let mut answer = self.call(PRODUCE, &body)?;
        for _ in 0..answer.count()? {
            let name = answer.string()?;
            for _ in 0..answer.count()? {
                answer.i32()?;
                answer.good(&name)?;
                let _ = (answer.i64()?, answer.i64()?, answer.i64()?);
            }
        }
        Ok(())
    }
}

/// A consumer that reads some partitions in a session, one Fetch after the other.
pub struct Consumer {
    wire: Wire,
    session: i32,
    epoch: i32,
    /// Where a partition is read next, as far as the server does not know it.
    moved: Vec<(Partition, i64)>,
}

impl Consumer {
    /// Begins a session at `offset` of each of them.
    pub fn begin(wire: Wire, partitions: &[Partition], offset: i64) -> anyhow::Result<Consumer> {
        let moved = partitions.iter().map(|partition| (partition.clone(), offset)).collect();
        let mut consumer = Consumer { wire, session: 0, epoch: 0, moved };
        consumer.fetch(0)?;
        ensure!(consumer.session != 0, "no session was begun");
        Ok(consumer)
    }

    /// Fetches once, waiting up to so long. How many partitions had records.
    pub fn fetch(&mut self, wait_ms: i32) -> anyhow::Result<usize> {
        let body = fetch_body(wait_ms, self.session, self.epoch, &std::mem::take(&mut self.moved));
        let mut answer = self.wire.call(FETCH, &body)?;
        (self.session, self.moved) = fetched(&mut answer)?;
        self.epoch += 1;
        Ok(self.moved.len())
    }
}

/// A Fetch without a session from one place.
pub fn read(wire: &mut Wire, partition: &Partition, offset: i64) -> anyhow::Result<()> {
    let mut answer = wire.call(FETCH, &fetch_body(500, 0, -1, &[(partition.clone(), offset)]))?;
    let (_, read) = fetched(&mut answer)?;
    ensure!(read.len() == 1, "{}-{} has nothing at {offset}", partition.0, partition.1);
    Ok(())
}

fn fetch_body(wait_ms: i32, session: i32, epoch: i32, from: &[(Partition, i64)]) -> Body {
    let body = Body::default().i32(-1).i32(wait_ms).i32(1).i32(1 << 20).i8(0).i32(session).i32(epoch);
    let names: Vec<Partition> = from.iter().map(|(partition, _)| partition.clone()).collect();
    let mut offsets = from.iter().map(|(_, offset)| *offset);
    let topics = by_topic(&names);
    let mut body = body.count(topics.len());
    for (name, indexes) in topics {
        body = body.string(name).count(indexes.len());
        for index in indexes {
            let offset = offsets.next().unwrap_or_default();
            body = body.i32(index).i32(-1).i64(offset).i64(-1).i32(64 << 10);
        }
    }
    body.count(0).string("")
}

/// The session, and where the partitions that had records go on: all have one record in a batch.
fn fetched(answer: &mut Answer) -> anyhow::Result<(i32, Vec<(Partition, i64)>)> {
    answer.i32()?;
    answer.good("Fetch")?;
    let session = answer.i32()?;
    let mut read = Vec::new();
    for _ in 0..answer.count()? {
        let name = answer.string()?;
        for _ in 0..answer.count()? {
            let index = answer.i32()?;
            answer.good(&name)?;
            let high_watermark = answer.i64()?;
            let _ = (answer.i64()?, answer.i64()?);
            ensure!(answer.count()? == 0, "no transaction was aborted");
            answer.i32()?;
            if !answer.bytes()?.is_empty() {
                read.push(((name.clone(), index), high_watermark));
            }
        }
    }
    Ok((session, read))
}

/// Neighbours of one topic together.
fn by_topic(partitions: &[Partition]) -> Vec<(&str, Vec<i32>)> {
    let mut topics: Vec<(&str, Vec<i32>)> = Vec::new();
    for (name, index) in partitions {
        match topics.last_mut() {
            Some((last, indexes)) if *last == name.as_str() => indexes.push(*index),
            _ => topics.push((name, vec![*index])),
        }
    }
    topics
}
