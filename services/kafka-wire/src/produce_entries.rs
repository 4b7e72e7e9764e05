//! How many topics and partitions a Produce request names, found out without making anything of them.
//!
//! An entry without records is a few bytes in a frame and hundreds in memory, and a Produce frame may be large. So entries
//! are counted first: over the bound the request is refused, up to it there is room to be made for them.

use crate::apis::Api;

/// Topics and partitions that one Produce request may name: as many as a topic may have partitions.
pub const PRODUCE_ENTRIES_MAX: usize = 100_000;
/// From this version on topics are named by id.
const IDS_FROM_VERSION: i16 = 13;

/// Topics and partitions of a frame without its length field, at most one more than [`PRODUCE_ENTRIES_MAX`]. Of a malformed
/// one, those before the place where it is.
#[must_use]
pub fn produce_entries(frame: &[u8]) -> usize {
    let mut entries = 0;
    // Where it ends early decoding fails at the same place.
    let _ = count(&mut Cursor { rest: frame, flexible: false }, &mut entries);
    entries
}

fn count(input: &mut Cursor<'_>, entries: &mut usize) -> Option<()> {
    input.skip(2)?;
    let version = input.i16()?;
    input.skip(4)?;
    let client_id = usize::try_from(input.i16()?).unwrap_or(0);
    input.skip(client_id)?;
    input.flexible = Api::Produce.advertised().is_flexible(version);
    input.tags()?;
    input.string()?; // The transactional id.
    input.skip(2 + 4)?; // What is waited for, and how long.
    for _ in 0..input.length()? {
        one_more(entries)?;
        if version >= IDS_FROM_VERSION {
            input.skip(16)?
        } else {
            input.string()?
        }
        for _ in 0..input.length()? {
            one_more(entries)?;
            input.skip(4)?;
            let records = input.length()?;
            input.skip(records)?;
            input.tags()?;
        }
        input.tags()?;
    }
    Some(())
}

fn one_more(entries: &mut usize) -> Option<()> {
    *entries += 1;
    (*entries <= PRODUCE_ENTRIES_MAX).then_some(())
}

struct Cursor<'a> {
    rest: &'a [u8],
    flexible: bool,
}

impl Cursor<'_> {
    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }

    fn i16(&mut self) -> Option<i16> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(i16::from_be_bytes(*bytes))
    }

    fn i32(&mut self) -> Option<i32> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(i32::from_be_bytes(*bytes))
    }

    fn varint(&mut self) -> Option<usize> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(value).ok();
            }
        }
        None
    }

    /// Of an array or of bytes; null is as good as empty.
    fn length(&mut self) -> Option<usize> {
        if self.flexible {
            self.varint().map(|length| length.saturating_sub(1))
        } else {
            self.i32().map(|length| usize::try_from(length).unwrap_or(0))
        }
    }

    fn string(&mut self) -> Option<()> {
        let length = if self.flexible { self.length()? } else { usize::try_from(self.i16()?).unwrap_or(0) };
        self.skip(length)
    }

    fn tags(&mut self) -> Option<()> {
        if self.flexible {
            for _ in 0..self.varint()? {
                self.varint()?;
                let bytes = self.varint()?;
                self.skip(bytes)?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message;
    use crate::messages::ProduceRequest;
    use crate::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use crate::{RequestError, decode_request};

    /// Topics with as many partitions each; the frame is without its length field.
    fn frame(version: i16, partitions: &[usize]) -> Bytes {
        let partition = |index: usize| {
            let records = index.is_multiple_of(2).then(|| Bytes::from(vec![7; 300]));
            message!(PartitionProduceData { index: index as i32, records: records })
        };
        let topic = |count: &usize| {
            message!(TopicProduceData {
                name: if version < IDS_FROM_VERSION { "topic".into() } else { "".into() },
                partition_data: (0..*count).map(partition).collect(),
            })
        };
        let request = message!(ProduceRequest {
            transactional_id: Some("id".into()),
            acks: -1,
            topic_data: partitions.iter().map(topic).collect(),
        });
        crate::testing::encode_request(version, 1, &request).1.slice(4..)
    }

    #[test]
    fn entries_are_counted_in_every_version() {
        for version in 3..=13 {
            let frame = frame(version, &[3, 0, 150]);
            assert!(decode_request(frame.clone()).is_ok());
            assert_eq!(produce_entries(&frame), 3 + 153, "v{version}");
            for cut in 0..frame.len() {
                assert!(produce_entries(&frame[..cut]) <= 3 + 153);
            }
        }
    }

    #[test]
    fn more_than_a_topic_has_partitions_are_refused_before_they_are_decoded() {
        let check = |partitions: &[usize]| {
            let frame = frame(9, partitions);
            (produce_entries(&frame), decode_request(frame).err())
        };
        assert_eq!(check(&[PRODUCE_ENTRIES_MAX - 1]), (PRODUCE_ENTRIES_MAX, None));
        let many = [60_000; 2];
        assert_eq!(check(&many), (PRODUCE_ENTRIES_MAX + 1, Some(RequestError::TooManyEntries)));
    }
}
