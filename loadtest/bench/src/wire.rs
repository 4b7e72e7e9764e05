//! A Kafka connection that costs its owner nothing: frames by hand, in versions without compact lengths. A library's threads
//! and timers would be measured along with the server, and twenty thousand of them would not fit the machine.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use crc_fast::{CrcAlgorithm, checksum};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest answer: one to Metadata for 100,000 partitions is a tenth of it.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// One connection. Answers come in the order of requests.
pub struct Wire {
    stream: TcpStream,
    sent: i32,
    received: i32,
}

/// A request's body that is being put together. Kafka's integers are big-endian.
#[derive(Clone, Default)]
pub struct Body(Vec<u8>);

/// An answer that is being taken apart.
pub struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

impl Wire {
    pub fn connect(address: &str) -> anyhow::Result<Wire> {
        let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Wire { stream, sent: 0, received: 0 })
    }

    pub fn send(&mut self, (api, version): (i16, i16), body: &Body) -> anyhow::Result<()> {
        self.sent += 1;
        let head = Body::default().i16(api).i16(version).i32(self.sent).string("bench");
        let length = i32::try_from(head.0.len() + body.0.len())?;
        let frame = [&length.to_be_bytes()[..], &head.0, &body.0].concat();
        self.stream.write_all(&frame)?;
        Ok(())
    }

    pub fn receive(&mut self) -> anyhow::Result<Answer> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).context("no answer")?;
        let length = usize::try_from(i32::from_be_bytes(length))?;
        ensure!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        let mut answer = Answer { bytes, at: 0 };
        self.received += 1;
        let correlation = answer.i32()?;
        ensure!(correlation == self.received, "request {} is answered by {correlation}", self.received);
        Ok(answer)
    }

    pub fn call(&mut self, api: (i16, i16), body: &Body) -> anyhow::Result<Answer> {
        self.send(api, body)?;
        self.receive()
    }
}

impl Body {
    pub fn i8(self, value: i8) -> Body {
        self.raw(&value.to_be_bytes())
    }

    pub fn i16(self, value: i16) -> Body {
        self.raw(&value.to_be_bytes())
    }

    pub fn i32(self, value: i32) -> Body {
        self.raw(&value.to_be_bytes())
    }

    pub fn i64(self, value: i64) -> Body {
        self.raw(&value.to_be_bytes())
    }

    /// How many follow.
    pub fn count(self, count: usize) -> Body {
        self.i32(i32::try_from(count).expect("counts here are small"))
    }

    pub fn string(self, value: &str) -> Body {
        self.i16(i16::try_from(value.len()).expect("names here are short")).raw(value.as_bytes())
    }

    /// With their length.
    pub fn bytes(self, value: &[u8]) -> Body {
        self.count(value.len()).raw(value)
    }

    /// What was put together.
    pub fn done(self) -> Vec<u8> {
        self.0
    }

    fn raw(mut self, value: &[u8]) -> Body {
        self.0.extend_from_slice(value);
        self
    }

    /// One part for each of `items`, after their number.
    pub fn each<T>(
        self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        part: impl Fn(Body, T) -> Body,
    ) -> Body {
        let items = items.into_iter();
        let counted = self.count(items.len());
        items.fold(counted, part)
    }
}

impl Answer {
    fn take(&mut self, count: usize) -> anyhow::Result<&[u8]> {
        let taken = self.bytes.get(self.at..self.at.saturating_add(count)).context("the answer ends early")?;
        self.at += count;
        Ok(taken)
    }

    pub fn i8(&mut self) -> anyhow::Result<i8> {
        Ok(i8::from_be_bytes(self.take(1)?.try_into()?))
    }

    pub fn i16(&mut self) -> anyhow::Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into()?))
    }

    pub fn i32(&mut self) -> anyhow::Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    pub fn i64(&mut self) -> anyhow::Result<i64> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into()?))
    }

    /// How many follow; none for null.
    pub fn count(&mut self) -> anyhow::Result<usize> {
        Ok(usize::try_from(self.i32()?).unwrap_or(0))
    }

    /// Empty for null.
    pub fn string(&mut self) -> anyhow::Result<String> {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        Ok(String::from_utf8(self.take(length)?.to_vec())?)
    }

    pub fn bytes(&mut self) -> anyhow::Result<Vec<u8>> {
        let length = self.count()?;
        Ok(self.take(length)?.to_vec())
    }

    /// An error code, which must be "none".
    pub fn good(&mut self, what: &str) -> anyhow::Result<()> {
        let code = self.i16()?;
        ensure!(code == 0, "{what}: error {code}");
        Ok(())
    }
}

/// Who writes, and where in its sequence.
#[derive(Clone, Copy)]
pub struct Sequence {
    pub producer: i64,
    pub epoch: i16,
    pub first: i32,
}

impl Sequence {
    /// A producer that is not idempotent.
    pub const NONE: Sequence = Sequence { producer: -1, epoch: -1, first: -1 };
}

/// A batch of one record.
pub fn batch(value: &[u8], sequence: Sequence) -> Vec<u8> {
    let mut record = vec![0, 0, 0, 1];
    put_varint(&mut record, value.len());
    record.extend_from_slice(value);
    record.push(0);
    let mut records = Vec::with_capacity(record.len() + 5);
    put_varint(&mut records, record.len());
    records.extend_from_slice(&record);

    let of_crc = Body::default().i16(0).i32(0).i64(1).i64(1);
    let of_crc = of_crc.i64(sequence.producer).i16(sequence.epoch).i32(sequence.first).i32(1).raw(&records);
    let crc = checksum(CrcAlgorithm::Crc32Iscsi, &of_crc.0) as u32;
    // Behind the length: leader epoch, magic, CRC, and what it covers.
    let length = i32::try_from(4 + 1 + 4 + of_crc.0.len()).expect("records here are small");
    Body::default().i64(0).i32(length).i32(-1).i8(2).raw(&crc.to_be_bytes()).raw(&of_crc.0).0
}

/// A length as records have it: zigzag, which doubles it.
fn put_varint(out: &mut Vec<u8>, length: usize) {
    let mut left = length << 1;
    while left > 127 {
        out.push(left as u8 | 128);
        left >>= 7;
    }
    out.push(left as u8);
}
