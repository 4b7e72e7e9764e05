//! A Fetch answer, walked from field to field and copied, with the records of partition 0 changed.

use anyhow::{Context, ensure};

use super::batch;

/// From here on lengths are varints and every structure ends with tagged fields.
const FLEXIBLE_SINCE: i16 = 12;
/// From here on a topic is named by its id.
const TOPIC_IDS_SINCE: i16 = 13;

/// The same answer without the record.
///
/// # Errors
/// It is no Fetch answer of that version.
pub fn without_one_record(frame: &[u8], version: i16) -> anyhow::Result<Vec<u8>> {
    ensure!((4..=18).contains(&version), "Fetch {version} is not known here");
    let mut walk = Walk { input: frame, output: Vec::with_capacity(frame.len()), flexible: version >= FLEXIBLE_SINCE };
    // Correlation id.
    walk.copy(4)?;
    walk.copy_tags()?;
    // Throttle time; error and session.
    walk.copy(if version >= 7 { 4 + 2 + 4 } else { 4 })?;
    for _ in 0..walk.copy_count(4)? {
        if version >= TOPIC_IDS_SINCE {
            walk.copy(16)?;
        } else {
            let length = walk.copy_count(2)?;
            walk.copy(length)?;
        }
        for _ in 0..walk.copy_count(4)? {
            partition(&mut walk, version)?;
        }
        walk.copy_tags()?;
    }
    walk.copy_tags()?;
    ensure!(walk.input.is_empty(), "{} bytes behind a Fetch answer", walk.input.len());
    Ok(walk.output)
}

fn partition(walk: &mut Walk<'_>, version: i16) -> anyhow::Result<()> {
    let index = walk.copy(4)?;
    let is_first = index == [0; 4];
    // Error, high watermark, last stable offset, and the log's start.
    walk.copy(if version >= 5 { 2 + 8 + 8 + 8 } else { 2 + 8 + 8 })?;
    for _ in 0..walk.copy_count(4)? {
        // An aborted transaction: its producer and first offset.
        walk.copy(16)?;
        walk.copy_tags()?;
    }
    if version >= 11 {
        // The replica to read from instead.
        walk.copy(4)?;
    }
    let length = walk.read_count(4)?;
    let records = match length {
        Some(length) => Some(walk.take(length)?),
        None => None,
    };
    let changed = match records {
        Some(records) if is_first => Some(batch::without_record_at(records, batch::DROPPED_OFFSET)?),
        records => records.map(<[u8]>::to_vec),
    };
    walk.write_count(changed.as_ref().map(Vec::len))?;
    walk.output.extend(changed.unwrap_or_default());
    walk.copy_tags()
}

struct Walk<'a> {
    input: &'a [u8],
    output: Vec<u8>,
    flexible: bool,
}

impl<'a> Walk<'a> {
    fn take(&mut self, count: usize) -> anyhow::Result<&'a [u8]> {
        let (taken, rest) = self.input.split_at_checked(count).context("a Fetch answer is cut off")?;
        self.input = rest;
        Ok(taken)
    }

    fn copy(&mut self, count: usize) -> anyhow::Result<&'a [u8]> {
        let taken = self.take(count)?;
        self.output.extend_from_slice(taken);
        Ok(taken)
    }

    /// A length, in `width` bytes or as a varint of one more; nothing stands for null.
    fn read_count(&mut self, width: usize) -> anyhow::Result<Option<usize>> {
        if self.flexible {
            return Ok(usize::try_from(self.read_varint()?)?.checked_sub(1));
        }
        let value = match width {
            2 => i32::from(i16::from_be_bytes(self.take(2)?.try_into()?)),
            _ => i32::from_be_bytes(self.take(4)?.try_into()?),
        };
        Ok(usize::try_from(value).ok())
    }

    /// The other way round, for what has 4 bytes where it is no varint.
    fn write_count(&mut self, count: Option<usize>) -> anyhow::Result<()> {
        if self.flexible {
            self.write_varint(count.map_or(0, |count| count as u64 + 1));
        } else {
            let count = count.map_or(Ok(-1), i32::try_from)?;
            self.output.extend(count.to_be_bytes());
        }
        Ok(())
    }

    /// Copies a length as it is; null counts as 0.
    fn copy_count(&mut self, width: usize) -> anyhow::Result<usize> {
        let before = self.input;
        let count = self.read_count(width)?;
        self.output.extend_from_slice(&before[..before.len() - self.input.len()]);
        Ok(count.unwrap_or(0))
    }

    fn copy_tags(&mut self) -> anyhow::Result<()> {
        if !self.flexible {
            return Ok(());
        }
        let tags = self.copy_varint()?;
        for _ in 0..tags {
            self.copy_varint()?;
            let bytes = self.copy_varint()?;
            self.copy(usize::try_from(bytes)?)?;
        }
        Ok(())
    }

    fn copy_varint(&mut self) -> anyhow::Result<u64> {
        let value = self.read_varint()?;
        self.write_varint(value);
        Ok(value)
    }

    fn read_varint(&mut self) -> anyhow::Result<u64> {
        let (value, bytes) = batch::read_varint(self.input).context("a varint is cut off")?;
        self.take(bytes)?;
        Ok(value)
    }

    fn write_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.output.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.output.push(value as u8);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_records_stays_as_it_is() {
        // Version 4: one topic "t", one partition 0, no aborted transactions (null), no records.
        let mut old = vec![0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        old.extend([7; 16]);
        old.extend([0xff; 4]);
        old.extend([0, 0, 0, 0]);
        assert_eq!(without_one_record(&old, 4).unwrap(), old);
        // Version 13: tags, an error and a session, a topic by id, a log start, a replica; a tag behind the partition.
        let mut new = vec![0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2];
        new.extend([3; 16]);
        new.extend([2, 0, 0, 0, 0, 0, 0]);
        new.extend([7; 24]);
        new.extend([1, 0xff, 0xff, 0xff, 0xff, 1, 1, 0, 2, 8, 9, 0, 0]);
        assert_eq!(without_one_record(&new, 13).unwrap(), new);
        assert!(without_one_record(&new[..new.len() - 1], 13).is_err());
    }
}
