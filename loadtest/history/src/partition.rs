//! Judging one partition: the bijection of offsets and records, gaps, what is missing at the end, producers' order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::check::{HistoryError, Record};
use crate::conditional::{self, Conditional};
use crate::event::{Bounds, Place, Seen};
use crate::sweep::{self, Item, Kind};
use crate::violation::{Findings, Invariant};

/// A read that returned everything in `[from, next)`.
pub(crate) struct Read {
    pub(crate) process: u32,
    pub(crate) invoked_us: u64,
    pub(crate) completed_us: u64,
    pub(crate) from: u64,
    pub(crate) next: u64,
    pub(crate) records: Vec<Seen>,
    pub(crate) bounds: Option<Bounds>,
    pub(crate) last: bool,
}

/// Everything that happened in one partition.
pub(crate) struct Partition {
    pub(crate) place: Place,
    pub(crate) reads: Vec<Read>,
    /// Appends under conditions, and fences.
    pub(crate) conditional: Vec<Conditional>,
    /// The records handed to clients for this place, by ascending id.
    pub(crate) sent: Vec<u64>,
}

/// Which record is at which offset, and the other way round, as far as anybody saw.
#[derive(Default)]
struct Bijection {
    at: BTreeMap<u64, u64>,
    of: HashMap<u64, u64>,
}

impl Partition {
    pub(crate) fn new(place: Place) -> Partition {
        Partition { place, reads: Vec::new(), conditional: Vec::new(), sent: Vec::new() }
    }

    /// Adds what is wrong here to `findings`; returns how many acknowledged records are lost.
    pub(crate) fn check(&self, records: &HashMap<u64, Record>, findings: &mut Findings) -> Result<u64, HistoryError> {
        let acknowledged = self.acknowledged(records, findings);
        let seen = self.match_reads(records, &acknowledged, findings);
        self.check_gaps(&acknowledged, findings);
        let lost = self.count_lost(&acknowledged, findings)?;
        self.check_producers(records, &seen, findings);
        self.check_log_start(findings);
        conditional::check(&self.place, &self.conditional, &seen.of, findings);
        let sent = self.sent.iter().map(|id| (*id, &records[id]));
        let appends = sent.filter_map(|(id, record)| {
            let offset = record.acknowledged.map(|(offset, _)| offset).or_else(|| seen.of.get(&id).copied())?;
            let completed_us = record.acknowledged.map_or(u64::MAX, |(_, at_us)| at_us);
            let kind = Kind::Append { record: id };
            Some(Item { position: offset, kind, process: record.process, invoked_us: record.invoked_us, completed_us })
        });
        let tails = self.reads.iter().filter_map(|read| {
            let Read { process, invoked_us, completed_us, .. } = *read;
            Some(Item { position: read.bounds?.high, kind: Kind::Tail, process, invoked_us, completed_us })
        });
        let told = self.conditional.iter().filter_map(|one| {
            let Conditional { process, invoked_us, completed_us, .. } = *one;
            Some(Item { position: one.told_tail()?, kind: Kind::Tail, process, invoked_us, completed_us })
        });
        sweep::check(&self.place, appends.chain(tails).chain(told).collect(), findings);
        Ok(lost)
    }

    /// Offset to record, by the answers to appends.
    fn acknowledged(&self, records: &HashMap<u64, Record>, findings: &mut Findings) -> BTreeMap<u64, u64> {
        let mut at = BTreeMap::new();
        for id in &self.sent {
            let Some((offset, _)) = records[id].acknowledged else { continue };
            if let Some(other) = at.insert(offset, *id) {
                findings.add(Invariant::I3OneToOne, || {
                    format!("records {other} and {id} were both acknowledged at offset {offset} of {:?}", self.place)
                });
            }
        }
        at
    }

    /// Goes through every record of every read: is it ours (I6), and is it always at one place (I3, I8)?
    fn match_reads(
        &self,
        records: &HashMap<u64, Record>,
        acknowledged: &BTreeMap<u64, u64>,
        findings: &mut Findings,
    ) -> Bijection {
        let mut seen = Bijection::default();
        for read in &self.reads {
            for one in &read.records {
                if let Some(id) = self.check_origin(read, one, records, findings) {
                    self.check_position(id, one.offset, &records[&id], acknowledged, &mut seen, findings);
                }
            }
        }
        seen
    }

    /// The id of the record that was read, when it was appended, here, and is whole.
    fn check_origin(
        &self,
        read: &Read,
        one: &Seen,
        records: &HashMap<u64, Record>,
        findings: &mut Findings,
    ) -> Option<u64> {
        let mut foreign = |what: &str| {
            findings.add(Invariant::I6NothingForeign, || {
                format!("offset {} of {:?}, read by process {}: {what}", one.offset, self.place, read.process)
            });
        };
        let Some(payload) = &one.payload else {
            foreign("the payload is damaged or none of ours");
            return None;
        };
        let id = payload.record;
        let Some(record) = records.get(&id) else {
            foreign(&format!("record {id} was never appended"));
            return None;
        };
        let is_here = payload.place == self.place && self.sent.binary_search(&id).is_ok();
        if !is_here {
            foreign(&format!("record {id} was sent to {:?}", payload.place));
            return None;
        }
        if payload.sequence != record.sequence || payload.process != record.process || one.checksum != record.checksum {
            foreign(&format!("record {id} is not byte for byte what was appended"));
        }
        if record.possible == 0 {
            foreign(&format!("record {id} was refused, yet it is there"));
        }
        if read.completed_us < record.invoked_us {
            foreign(&format!("record {id} was read before it was sent"));
        }
        Some(id)
    }

    fn check_position(
        &self,
        id: u64,
        offset: u64,
        record: &Record,
        acknowledged: &BTreeMap<u64, u64>,
        seen: &mut Bijection,
        findings: &mut Findings,
    ) {
        let place = &self.place;
        let twice = if record.idempotent { Invariant::I8Once } else { Invariant::I3OneToOne };
        let first = *seen.of.entry(id).or_insert(offset);
        if first != offset {
            findings.add(twice, || format!("record {id} is at offsets {first} and {offset} of {place:?}"));
        } else if let Some((told, _)) = record.acknowledged.filter(|(told, _)| *told != offset) {
            findings
                .add(twice, || format!("record {id} was acknowledged at offset {told} of {place:?}, read at {offset}"));
        }
        let before = *seen.at.entry(offset).or_insert(id);
        let told = acknowledged.get(&offset).copied().unwrap_or(id);
        if let Some(other) = [before, told].into_iter().find(|other| *other != id) {
            findings.add(Invariant::I3OneToOne, || format!("offset {offset} of {place:?} is record {other} and {id}"));
        }
    }

    /// What a reader stepped over: acknowledged there (I2), or nobody's (I4).
    fn check_gaps(&self, acknowledged: &BTreeMap<u64, u64>, findings: &mut Findings) {
        let low = self.bounds().map(|bounds| bounds.low).max().unwrap_or(0);
        for read in &self.reads {
            let mut expected = read.from;
            for offset in read.records.iter().map(|one| one.offset) {
                if offset < expected || offset >= read.next {
                    let Read { from, next, process, .. } = read;
                    findings.add(Invariant::I4Dense, || {
                        format!(
                            "offset {offset} of {:?} came out of turn in a read of {from}..{next} by process {process}",
                            self.place
                        )
                    });
                }
                self.check_gap(read, expected.max(low), offset, acknowledged, findings);
                expected = expected.max(offset.saturating_add(1));
            }
            self.check_gap(read, expected.max(low), read.next, acknowledged, findings);
        }
    }

    fn check_gap(&self, read: &Read, from: u64, to: u64, acknowledged: &BTreeMap<u64, u64>, findings: &mut Findings) {
        if from >= to {
            return;
        }
        let mut missing = to - from;
        for (offset, id) in acknowledged.range(from..to) {
            missing -= 1;
            findings.add(Invariant::I2NothingBelowIsMissing, || {
                let Read { process, next, .. } = read;
                format!(
                    "process {process} read up to {next} of {:?} without {offset}, which is record {id}",
                    self.place
                )
            });
        }
        if missing > 0 {
            findings.add(Invariant::I4Dense, || {
                format!("process {} found {missing} offsets empty in {from}..{to} of {:?}", read.process, self.place)
            });
        }
    }

    /// Acknowledged records that a full read at the end did not return (I1). Whoever reads all of it must find all of it.
    fn count_lost(&self, acknowledged: &BTreeMap<u64, u64>, findings: &mut Findings) -> Result<u64, HistoryError> {
        if acknowledged.is_empty() {
            return Ok(0);
        }
        let mut readers: BTreeMap<u32, Vec<&Read>> = BTreeMap::new();
        for read in self.reads.iter().filter(|read| read.last) {
            readers.entry(read.process).or_default().push(read);
        }
        if readers.is_empty() {
            return Err(HistoryError::NoLastRead { place: self.place.clone() });
        }
        // What retention removed by then is not lost.
        let bounds = readers.values().flatten().filter_map(|read| read.bounds);
        let low = bounds.map(|bounds| bounds.low).max().unwrap_or(0);
        let mut lost = BTreeSet::new();
        for (process, reads) in readers {
            let end = reads.iter().map(|read| read.next).max().unwrap_or(0);
            let found = reads.iter().flat_map(|read| &read.records);
            let found: HashMap<u64, Option<u64>> =
                found.map(|one| (one.offset, one.payload.as_ref().map(|payload| payload.record))).collect();
            for (offset, id) in acknowledged.range(low..) {
                if found.get(offset) != Some(&Some(*id)) {
                    lost.insert(*offset);
                    findings.add(Invariant::I1AcknowledgedStays, || {
                        let place = &self.place;
                        format!(
                            "record {id}, acknowledged at offset {offset} of {place:?}, is lost: process {process} read the log to {end}"
                        )
                    });
                }
            }
        }
        Ok(lost.len() as u64)
    }

    /// A producer's order is offset order (I5). A plain producer's unknown records may land late, so they are left out.
    fn check_producers(&self, records: &HashMap<u64, Record>, seen: &Bijection, findings: &mut Findings) {
        let mut producers: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
        for (id, record) in self.sent.iter().map(|id| (id, &records[id])).filter(|(_, record)| record.ordered) {
            let read_at = seen.of.get(id).copied().filter(|_| record.idempotent);
            if let Some(offset) = record.acknowledged.map(|(offset, _)| offset).or(read_at) {
                producers.entry(record.process).or_default().push((record.sequence, offset));
            }
        }
        for (process, mut placed) in producers {
            placed.sort_unstable();
            for pair in placed.windows(2) {
                let [(sequence, offset), (next_sequence, next_offset)] = [pair[0], pair[1]];
                if next_offset <= offset {
                    findings.add(Invariant::I5Order, || {
                        format!(
                            "process {process} sent {sequence} before {next_sequence} to {:?}, they are at {offset} and {next_offset}",
                            self.place
                        )
                    });
                }
            }
        }
    }

    /// The log start does not go back (I7): no answer is lower than one that was complete before its question.
    fn check_log_start(&self, findings: &mut Findings) {
        let mut by_end: Vec<&Read> = self.reads.iter().filter(|read| read.bounds.is_some()).collect();
        let mut by_begin = by_end.clone();
        by_end.sort_by_key(|read| read.completed_us);
        by_begin.sort_by_key(|read| read.invoked_us);
        let low = |read: &Read| read.bounds.map_or(0, |bounds| bounds.low);
        let mut ended = by_end.into_iter().peekable();
        let mut highest = 0;
        for read in by_begin {
            while let Some(before) = ended.next_if(|before| before.completed_us < read.invoked_us) {
                highest = highest.max(low(before));
            }
            if low(read) < highest {
                findings.add(Invariant::I7NeverBack, || {
                    format!("the log start of {:?} went back from {highest} to {}", self.place, low(read))
                });
            }
        }
    }

    fn bounds(&self) -> impl Iterator<Item = Bounds> + '_ {
        self.reads.iter().filter_map(|read| read.bounds)
    }
}
