//! Reading a log back when it is opened: what it holds, where it ends, and whether that end is a crash or damage.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;

use bytes::Bytes;
use tidelog_format::codec::Reader;
use tidelog_host::{Disk, DiskFile};

use super::record::{
    Kind, LogFacts, RECORD_ALIGNMENT, RECORD_HEADER_BYTES, RECORDS_START, RecordHeader, SegmentHeader, decode_mark,
    read_record, record_bytes,
};
use super::{Place, Segment, mark_path, segment_path};
use crate::error::OpenError;
use crate::types::LogId;
use crate::wire;

/// A log as it was found.
pub(crate) struct Recovered {
    pub facts: LogFacts,
    /// Of the entries after `facts.purged`, without gaps.
    pub places: VecDeque<Place>,
    pub segments: BTreeMap<u64, Segment>,
    /// Where the next record goes in the last segment.
    pub end: u64,
    pub next_sequence: u64,
    /// Bytes of a write that a crash cut short; they were never acknowledged and are zeros now.
    pub torn_bytes: u64,
    /// Where in the last segment the last group of records begins: those before were durable when it was written.
    last_group: usize,
}

/// Numbers of the segments in `dir`, in order.
pub(crate) fn segment_numbers(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers: Vec<u64> = disk
        .list(dir)?
        .iter()
        .filter_map(|path| path.file_name()?.to_str()?.strip_suffix(".log"))
        .filter_map(|stem| u64::from_str_radix(stem, 16).ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads the log in `dir`, which has a segment at least.
pub(crate) fn recover(disk: &dyn Disk, dir: &Path, cluster: &[u8; 16], node: u64) -> Result<Recovered, OpenError> {
    let numbers = segment_numbers(disk, dir).map_err(|error| OpenError::io(dir, error))?;
    let Some(first) = numbers.first() else {
        return Err(OpenError::damaged(dir, 0, "the raft log has no segments"));
    };
    let mut found = Recovered {
        facts: LogFacts::default(),
        places: VecDeque::new(),
        segments: BTreeMap::new(),
        end: RECORDS_START,
        next_sequence: 0,
        torn_bytes: 0,
        last_group: RECORDS_START as usize,
    };
    let marked = read_mark(disk, dir, cluster)?;
    for pair in numbers.windows(2) {
        if pair[1] != pair[0] + 1 {
            return Err(OpenError::damaged(&segment_path(dir, pair[1]), 0, "the segment before this one is missing"));
        }
    }
    for (nth, number) in numbers.iter().enumerate() {
        let path = segment_path(dir, *number);
        let last = nth + 1 == numbers.len();
        found.read_segment(disk, &path, *number, (nth == 0, last), (cluster, node), marked)?;
    }
    if marked >= found.next_sequence {
        let problem = format!("record {marked} was durable, and the log ends before it");
        return Err(OpenError::damaged(&segment_path(dir, first + numbers.len() as u64 - 1), found.end, problem));
    }
    found.check_entries(dir)?;
    Ok(found)
}

fn read_mark(disk: &dyn Disk, dir: &Path, cluster: &[u8; 16]) -> Result<u64, OpenError> {
    let path = mark_path(dir);
    let read = || -> io::Result<u64> {
        if !disk.exists(&path)? {
            return Ok(0);
        }
        let (file, mut bytes) = (disk.open(&path)?, [0; 32]);
        if file.len()? < bytes.len() as u64 {
            return Ok(0);
        }
        file.read_exact_at(&mut bytes, 0)?;
        // A mark may be torn: it is never fsynced. It is then as if it were not there.
        Ok(decode_mark(cluster, &bytes).unwrap_or(0))
    };
    read().map_err(|error| OpenError::io(&path, error))
}

impl Recovered {
    fn read_segment(
        &mut self,
        disk: &dyn Disk,
        path: &Path,
        number: u64,
        (first, last): (bool, bool),
        (cluster, node): (&[u8; 16], u64),
        marked: u64,
    ) -> Result<(), OpenError> {
        let io_error = |error| OpenError::io(path, error);
        let file = disk.open(path).map_err(io_error)?;
        let length = file.len().map_err(io_error)?;
        let mut bytes = vec![0; usize::try_from(length).expect("a segment fits into memory")];
        file.read_exact_at(&mut bytes, 0).map_err(io_error)?;

        let header = SegmentHeader::decode(&bytes).map_err(|corrupt| OpenError::damaged(path, 0, corrupt.problem))?;
        if header.cluster != *cluster {
            return Err(OpenError::OtherCluster { path: path.to_owned() });
        }
        if header.number != number || header.node != node {
            return Err(OpenError::damaged(
                path,
                0,
                format!("it is segment {} of node {}", header.number, header.node),
            ));
        }
        if first {
            self.facts = header.facts;
            self.next_sequence = header.first_sequence;
        } else if header.first_sequence != self.next_sequence {
            let problem =
                format!("it begins with record {}, expected is {}", header.first_sequence, self.next_sequence);
            return Err(OpenError::damaged(path, 0, problem));
        } else if header.facts.last != self.facts.last || header.facts.vote != self.facts.vote {
            return Err(OpenError::damaged(path, 0, "its header does not continue the segment before it"));
        }

        let end = self.read_records(path, number, &bytes)?;
        let tail = &bytes[end.min(bytes.len())..];
        if last {
            let expected = self.next_sequence;
            if let Some(problem) = damage_in_tail(number, tail, expected, marked) {
                return Err(OpenError::damaged(path, end as u64, problem));
            }
            self.torn_bytes = erase(file.as_ref(), end as u64, tail).map_err(io_error)?;
            if marked + 1 < self.next_sequence {
                write_again(file.as_ref(), &bytes[..end], self.last_group).map_err(io_error)?;
            }
        } else {
            // Whether the records of a finished segment are all there is told by the next one's `first_sequence`.
            self.next_sequence_must_follow(disk, path, number, end)?;
        }
        self.end = end as u64;
        self.segments.insert(number, Segment { file, bytes: length });
        Ok(())
    }

    fn next_sequence_must_follow(
        &self,
        disk: &dyn Disk,
        path: &Path,
        number: u64,
        end: usize,
    ) -> Result<(), OpenError> {
        let next = path.with_file_name(format!("{:016x}.log", number + 1));
        let mut block = [0; RECORDS_START as usize];
        let read = |block: &mut [u8]| disk.open(&next)?.read_exact_at(block, 0);
        read(&mut block).map_err(|error| OpenError::io(&next, error))?;
        let header = SegmentHeader::decode(&block).map_err(|corrupt| OpenError::damaged(&next, 0, corrupt.problem))?;
        if header.first_sequence > self.next_sequence {
            let problem = format!("record {} is not what was written", self.next_sequence);
            return Err(OpenError::damaged(path, end as u64, problem));
        }
        Ok(())
    }

    /// Takes the valid records from the front; where they end.
    fn read_records(&mut self, path: &Path, number: u64, bytes: &[u8]) -> Result<usize, OpenError> {
        let mut at = RECORDS_START as usize;
        self.last_group = at;
        while let Some(record) = bytes.get(at..).and_then(|rest| read_record(number, rest)) {
            if record.sequence != self.next_sequence {
                let problem = format!("record {} stands where {} belongs", record.sequence, self.next_sequence);
                return Err(OpenError::damaged(path, at as u64, problem));
            }
            if record.synced + 1 == record.sequence {
                self.last_group = at;
            }
            let body = &bytes[at + RECORD_HEADER_BYTES..][..record.body_bytes];
            let place = Place { segment: number, position: at as u64, body_bytes: record.body_bytes as u32 };
            self.take(&record, body, place).map_err(|problem| OpenError::damaged(path, at as u64, problem))?;
            self.next_sequence += 1;
            at += record_bytes(record.body_bytes);
        }
        Ok(at)
    }

    fn take(&mut self, record: &RecordHeader, body: &[u8], place: Place) -> Result<(), String> {
        // Heads are short; a command's bytes are not copied.
        let head = Bytes::copy_from_slice(&body[..body.len().min(64)]);
        let mut input = Reader::new("raft log record", head);
        let corrupt = |corrupt: tidelog_format::codec::Corrupt| corrupt.problem;
        match record.kind {
            Kind::Entry => {
                let id = wire::get_log_id(&mut input).map_err(corrupt)?;
                let expected = self.facts.last.map_or(id.index, |last| last.index + 1);
                if id.index != expected {
                    return Err(format!("entry {} follows entry {}", id.index, expected.wrapping_sub(1)));
                }
                self.places.push_back(place);
                self.facts.last = Some(id);
            }
            Kind::Vote => self.facts.vote = Some(wire::get_vote(&mut input).map_err(corrupt)?),
            Kind::Committed => {
                self.facts.committed = wire::get_option(&mut input, wire::get_log_id).map_err(corrupt)?;
            }
            Kind::Truncate => {
                let last = wire::get_option(&mut input, wire::get_log_id).map_err(corrupt)?;
                truncate(&mut self.facts, &mut self.places, last);
            }
            Kind::Purge => {
                let upto = wire::get_log_id(&mut input).map_err(corrupt)?;
                purge(&mut self.facts, &mut self.places, upto);
            }
        }
        Ok(())
    }

    /// Entries reach from the last back to the purged one: else a segment at the front is missing.
    fn check_entries(&self, dir: &Path) -> Result<(), OpenError> {
        let last = self.facts.last.map_or(0, |last| last.index + 1);
        let purged = self.facts.purged.map_or(0, |purged| purged.index + 1);
        let first = last.saturating_sub(self.places.len() as u64);
        if first > purged && !(self.facts.purged.is_none() && self.places.is_empty()) {
            let problem = format!("entries {purged} to {} are missing", first - 1);
            return Err(OpenError::damaged(dir, 0, problem));
        }
        Ok(())
    }
}

/// What a Truncate record does.
pub(crate) fn truncate(facts: &mut LogFacts, places: &mut VecDeque<Place>, last: Option<LogId>) {
    let old_end = facts.last.map_or(0, |last| last.index + 1);
    let new_end = last.map_or(0, |last| last.index + 1);
    let gone = old_end.saturating_sub(new_end).min(places.len() as u64);
    places.truncate(places.len() - gone as usize);
    if new_end < old_end {
        facts.last = last.max(facts.purged);
    }
}

/// What a Purge record does.
pub(crate) fn purge(facts: &mut LogFacts, places: &mut VecDeque<Place>, upto: LogId) {
    let end = facts.last.map_or(0, |last| last.index + 1);
    let first = end - places.len() as u64;
    let gone = (upto.index + 1).saturating_sub(first).min(places.len() as u64);
    places.drain(..gone as usize);
    facts.purged = facts.purged.max(Some(upto));
    facts.last = facts.last.max(facts.purged);
}

/// The first record that does not check is `expected`. Says why that is damage, if it is.
///
/// A write that a crash cut short may have left any part of the records that were not yet fsynced: some whole, some torn,
/// some missing, in any order. What was durable before is beyond that. So it is damage when `expected` is known to have
/// been durable: the mark says so, or a later record that is whole does.
fn damage_in_tail(segment: u64, tail: &[u8], expected: u64, marked: u64) -> Option<String> {
    if marked >= expected {
        return Some(format!("record {expected} is not what was written: it was durable, the mark says {marked}"));
    }
    for at in (0..tail.len()).step_by(RECORD_ALIGNMENT) {
        if let Some(record) = read_record(segment, &tail[at..])
            && record.synced >= expected
        {
            let later = record.sequence;
            return Some(format!("record {expected} is not what was written: record {later} behind it is whole"));
        }
    }
    None
}

/// Zeros what a cut-short write left behind the end, so that no part of it can pass for a record later. Returns how many
/// bytes there were.
fn erase(file: &dyn DiskFile, end: u64, tail: &[u8]) -> io::Result<u64> {
    let Some(last) = tail.iter().rposition(|byte| *byte != 0) else { return Ok(0) };
    let torn = last + 1;
    file.write_all_at(&[&vec![0; torn]], end)?;
    file.sync()?;
    Ok(torn as u64)
}

/// Makes the last group durable, of which nobody says that it is: what is promised from here on was perhaps only read from
/// the operating system's memory. An fsync alone would not do. The process before may have ended because an fsync failed;
/// then these pages count as clean, and only writing them again brings them to the disk.
fn write_again(file: &dyn DiskFile, records: &[u8], from: usize) -> io::Result<()> {
    file.write_all_at(&[&records[from..]], from as u64)?;
    file.sync()
}
