//! The answer to Fetch, laid out around the records instead of copying them.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_wire_core::{EncodeError, StrBytes};

use crate::response::{EncodeFailed, header_is_flexible};
use crate::{Api, ErrorCode, RequestHeader};

/// The answer to Fetch.
#[derive(Clone, Debug)]
pub struct FetchReply {
    /// Of the request as a whole.
    pub error: ErrorCode,
    /// The fetch session, 0 for none (KIP-227).
    pub session_id: i32,
    /// What was found.
    pub topics: Vec<FetchReplyTopic>,
}

/// One topic of the answer.
#[derive(Clone, Debug)]
pub struct FetchReplyTopic {
    /// Stands in versions up to 12.
    pub name: StrBytes,
    /// Stands in versions from 13 on.
    pub id: [u8; 16],
    /// Its partitions.
    pub partitions: Vec<FetchReplyPartition>,
}

/// One partition of the answer.
#[derive(Clone, Debug)]
pub struct FetchReplyPartition {
    /// Its number.
    pub index: i32,
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// −1 when unknown.
    pub high_watermark: i64,
    /// −1 when unknown.
    pub last_stable: i64,
    /// −1 when unknown.
    pub log_start: i64,
    /// Whole batches, in pieces that may be cut anywhere.
    pub records: Vec<Bytes>,
}

impl FetchReplyPartition {
    /// Bytes of its records.
    #[must_use]
    pub fn records_bytes(&self) -> usize {
        self.records.iter().map(Bytes::len).sum()
    }
}

/// The whole frame, length field included, in pieces to be written one after the other; pieces with records share their
/// memory.
///
/// # Errors
/// [`EncodeFailed`] when the frame would not fit its length field.
pub fn encode_fetch_reply(to: &RequestHeader, reply: &FetchReply) -> Result<Vec<Bytes>, EncodeFailed> {
    assert_eq!(to.api, Api::Fetch, "an answer goes to a request of its own kind");
    let version = to.version;
    let mut out = Pieces::new(Api::Fetch.advertised().is_flexible(version));
    out.head.put_i32(0); // The length, written at the end.
    out.head.put_i32(to.correlation_id);
    if header_is_flexible(Api::Fetch, version) {
        out.head.put_u8(0);
    }
    out.head.put_i32(0); // Throttle time.
    if version >= 7 {
        out.head.put_i16(reply.error.code());
        out.head.put_i32(reply.session_id);
    }
    out.count(reply.topics.len());
    for topic in &reply.topics {
        if version >= 13 {
            out.head.put_slice(&topic.id);
        } else {
            out.string(&topic.name);
        }
        out.count(topic.partitions.len());
        for partition in &topic.partitions {
            out.partition(version, partition);
        }
        out.no_tags();
    }
    out.no_tags();
    out.finish(version)
}

struct Pieces {
    flexible: bool,
    done: Vec<Bytes>,
    head: BytesMut,
}

impl Pieces {
    fn new(flexible: bool) -> Pieces {
        Pieces { flexible, done: Vec::new(), head: BytesMut::with_capacity(512) }
    }

    fn partition(&mut self, version: i16, partition: &FetchReplyPartition) {
        self.head.put_i32(partition.index);
        self.head.put_i16(partition.error.code());
        self.head.put_i64(partition.high_watermark);
        self.head.put_i64(partition.last_stable);
        if version >= 5 {
            self.head.put_i64(partition.log_start);
        }
        self.no_array(); // Aborted transactions: there are none.
        if version >= 11 {
            self.head.put_i32(-1); // Preferred read replica.
        }
        let bytes = partition.records_bytes();
        if self.flexible {
            self.varint(bytes as u64 + 1);
        } else {
            // A length that does not fit makes the frame too long, which `finish` refuses.
            self.head.put_i32(bytes as i32);
        }
        for records in partition.records.iter().filter(|records| !records.is_empty()) {
            if !self.head.is_empty() {
                self.done.push(self.head.split().freeze());
            }
            self.done.push(records.clone());
        }
        self.no_tags();
    }

    fn count(&mut self, count: usize) {
        if self.flexible { self.varint(count as u64 + 1) } else { self.head.put_i32(count as i32) }
    }

    fn string(&mut self, value: &StrBytes) {
        if self.flexible {
            self.varint(value.len() as u64 + 1)
        } else {
            self.head.put_i16(value.len() as i16)
        }
        self.head.put_slice(value.as_bytes());
    }

    fn no_array(&mut self) {
        if self.flexible { self.head.put_u8(0) } else { self.head.put_i32(-1) }
    }

    fn no_tags(&mut self) {
        if self.flexible {
            self.head.put_u8(0);
        }
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.head.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.head.put_u8(value as u8);
    }

    fn finish(mut self, version: i16) -> Result<Vec<Bytes>, EncodeFailed> {
        if !self.head.is_empty() {
            self.done.push(self.head.freeze());
        }
        let bytes = self.done.iter().map(Bytes::len).sum::<usize>() - 4;
        let length = i32::try_from(bytes).map_err(|_| EncodeFailed {
            api: Api::Fetch,
            version,
            source: EncodeError::FrameTooLarge { bytes },
        })?;
        let mut first = BytesMut::from(std::mem::take(&mut self.done[0]));
        first[..4].copy_from_slice(&length.to_be_bytes());
        self.done[0] = first.freeze();
        Ok(self.done)
    }
}

#[cfg(test)]
#[path = "fetch_reply_test.rs"]
mod tests;
