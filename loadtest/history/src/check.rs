//! Reading a history from its first to its last event, and then judging each partition.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::conditional::{Conditional, Kind};
use crate::event::{Condition, Event, FenceOutcome, Outcome, Place, Slot, What};
use crate::partition::{Partition, Read};
use crate::violation::{Findings, Invariant, Violation};

/// What a history came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Records whose append was answered with an offset.
    pub acknowledged: u64,
    /// Records of which nobody was told whether they were appended.
    pub unknown: u64,
    /// Records that were definitely not appended.
    pub failed: u64,
    /// Acknowledged records that the full read at the end did not find.
    pub lost: u64,
    /// Records in all reads, repetitions included.
    pub read: u64,
    /// How much of that came by which protocol.
    pub protocols: BTreeMap<String, Share>,
    /// How many findings there were.
    pub violation_count: u64,
    /// The first of them.
    pub violations: Vec<Violation>,
}

/// What clients of one protocol have their part in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Records whose append was answered with an offset.
    pub acknowledged: u64,
    /// Records in all reads.
    pub read: u64,
}

impl Report {
    /// Whether every invariant held.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.violation_count == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        for (protocol, Share { acknowledged, read }) in &self.protocols {
            writeln!(f, "{protocol}: {acknowledged} acknowledged, {read} read")?;
        }
        let Report { acknowledged, unknown, failed, lost, read, violation_count, .. } = self;
        write!(
            f,
            "{acknowledged} acknowledged, {unknown} unknown, {failed} failed, {lost} lost, {read} read, {violation_count} violations"
        )
    }
}

/// Why a history proves nothing either way.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file cannot be read.
    #[error("cannot read the history: {0}")]
    Io(#[from] std::io::Error),
    /// A line is no event.
    #[error("line {line} is no event: {source}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An operation ended that had not begun, or as what it is not, or began twice.
    #[error("operation {operation} at {at_us} µs: {what}")]
    Operation {
        /// Its number.
        operation: u64,
        /// When.
        at_us: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// One record id was given to two records.
    #[error("record {record} was appended as two different records")]
    RecordTwice {
        /// The id.
        record: u64,
    },
    /// Something was acknowledged where nothing was read at the end.
    #[error("{place:?} has acknowledged records but no full read at the end")]
    NoLastRead {
        /// Where.
        place: Place,
    },
}

/// What is known of one record that was handed to a client.
pub(crate) struct Record {
    pub(crate) partition: usize,
    pub(crate) process: u32,
    protocol: String,
    pub(crate) sequence: u64,
    pub(crate) idempotent: bool,
    pub(crate) ordered: bool,
    pub(crate) checksum: u32,
    pub(crate) invoked_us: u64,
    /// Offset and time of the first answer with an offset.
    pub(crate) acknowledged: Option<(u64, u64)>,
    /// Appends of it that did not end in a definite failure.
    pub(crate) possible: u64,
}

enum Open {
    Append { process: u32, record: u64, slot: Option<Slot>, condition: Option<Condition> },
    Read { partition: usize, from: u64, protocol: String },
    Fence { partition: usize, token: u64 },
}

#[derive(Default)]
struct Checker {
    open: HashMap<u64, (u64, Open)>,
    records: HashMap<u64, Record>,
    partitions: Vec<Partition>,
    index: HashMap<Place, usize>,
    slots: HashMap<(usize, Slot), u64>,
    findings: Findings,
    protocols: BTreeMap<String, Share>,
}

/// Judges the history in the file at `path`.
///
/// # Errors
/// The file is no history, or one that proves nothing.
pub fn check_file(path: &Path) -> Result<Report, HistoryError> {
    let mut checker = Checker::default();
    for (index, line) in BufReader::new(File::open(path)?).lines().enumerate() {
        let event = serde_json::from_str(&line?).map_err(|source| HistoryError::Line { line: index + 1, source })?;
        checker.take(event)?;
    }
    checker.finish()
}

/// Judges `events`, which are in time order.
///
/// # Errors
/// They are no history, or one that proves nothing.
pub fn check(events: impl IntoIterator<Item = Event>) -> Result<Report, HistoryError> {
    let mut checker = Checker::default();
    for event in events {
        checker.take(event)?;
    }
    checker.finish()
}

impl Checker {
    fn take(&mut self, event: Event) -> Result<(), HistoryError> {
        let Event { at_us, process, operation, what } = event;
        let wrong = |what| HistoryError::Operation { operation, at_us, what };
        match what {
            What::AppendInvoked { place, record, sequence, idempotent, ordered, slot, checksum, protocol, .. } => {
                let partition = self.partition(place);
                let known = self.records.entry(record).or_insert(Record {
                    partition,
                    process,
                    protocol,
                    sequence,
                    idempotent,
                    ordered,
                    checksum,
                    invoked_us: at_us,
                    acknowledged: None,
                    possible: 0,
                });
                if known.partition != partition || known.checksum != checksum || known.sequence != sequence {
                    return Err(HistoryError::RecordTwice { record });
                }
                known.possible += 1;
                self.begins(operation, at_us, Open::Append { process, record, slot, condition: None })
            }
            What::ReadInvoked { place, from, protocol, .. } => {
                let partition = self.partition(place);
                self.begins(operation, at_us, Open::Read { partition, from, protocol })
            }
            What::AppendCondition { condition } => match self.open.get_mut(&operation) {
                Some((_, Open::Append { condition: known @ None, .. })) => {
                    *known = Some(condition);
                    Ok(())
                }
                _ => Err(wrong("asks as an append that was not open, or twice")),
            },
            What::FenceInvoked { place, token } => {
                let partition = self.partition(place);
                self.begins(operation, at_us, Open::Fence { partition, token })
            }
            What::FenceCompleted { outcome } => match self.open.remove(&operation) {
                Some((invoked_us, Open::Fence { partition, token })) => {
                    let kind = match outcome {
                        FenceOutcome::Ok(tail) => Kind::Raised { tail },
                        FenceOutcome::Refused(refusal) => Kind::Refused(refusal),
                        FenceOutcome::Unknown => Kind::Unknown,
                    };
                    let condition = Condition { expected: None, token: Some(token) };
                    let one = Conditional { process, invoked_us, completed_us: at_us, condition, kind };
                    self.partitions[partition].conditional.push(one);
                    Ok(())
                }
                _ => Err(wrong("ends as a fence that was not open")),
            },
            What::AppendCompleted { outcome } => match self.open.remove(&operation) {
                Some((invoked_us, Open::Append { record, slot, condition, .. })) => {
                    if let Some(condition) = condition {
                        let kind = match outcome {
                            Outcome::Ok(offset) => Kind::Appended { offset },
                            Outcome::Refused(refusal) => Kind::Refused(refusal),
                            Outcome::Fail => Kind::Nothing,
                            Outcome::Unknown => Kind::UnknownAppend { record },
                        };
                        let one = Conditional { process, invoked_us, completed_us: at_us, condition, kind };
                        let partition = self.records[&record].partition;
                        self.partitions[partition].conditional.push(one);
                    } else if matches!(outcome, Outcome::Refused(_)) {
                        return Err(wrong("was refused for a condition that it did not have"));
                    }
                    self.append_ends(record, slot, outcome, at_us);
                    Ok(())
                }
                _ => Err(wrong("ends as an append that was not open")),
            },
            What::ReadCompleted { next, records, bounds, last } => match self.open.remove(&operation) {
                Some((invoked_us, Open::Read { partition, from, protocol })) => {
                    self.protocols.entry(protocol).or_default().read += records.len() as u64;
                    let read = Read { process, invoked_us, completed_us: at_us, from, next, records, bounds, last };
                    self.partitions[partition].reads.push(read);
                    Ok(())
                }
                _ => Err(wrong("ends as a read that was not open")),
            },
        }
    }

    fn begins(&mut self, operation: u64, at_us: u64, open: Open) -> Result<(), HistoryError> {
        match self.open.insert(operation, (at_us, open)) {
            None => Ok(()),
            Some(_) => Err(HistoryError::Operation { operation, at_us, what: "begins twice" }),
        }
    }

    fn append_ends(&mut self, id: u64, slot: Option<Slot>, outcome: Outcome, at_us: u64) {
        let record = self.records.get_mut(&id).expect("noted when the append began");
        match outcome {
            Outcome::Unknown => {}
            Outcome::Fail | Outcome::Refused(_) => record.possible -= 1,
            Outcome::Ok(offset) => {
                let place = &self.partitions[record.partition].place;
                let once = if record.idempotent { Invariant::I8Once } else { Invariant::I3OneToOne };
                match record.acknowledged {
                    None => record.acknowledged = Some((offset, at_us)),
                    Some((first, _)) if first == offset => {}
                    Some((first, _)) => self.findings.add(once, || {
                        format!("record {id} in {place:?} was acknowledged at offset {first} and again at {offset}")
                    }),
                }
                let slot = slot.map(|slot| (slot, *self.slots.entry((record.partition, slot)).or_insert(offset)));
                if let Some((slot, first)) = slot.filter(|(_, first)| *first != offset) {
                    self.findings.add(Invariant::I8Once, || {
                        format!("{slot:?} in {place:?} landed at offset {first} and again at {offset}, as record {id}")
                    });
                }
            }
        }
    }

    fn partition(&mut self, place: Place) -> usize {
        let next = self.partitions.len();
        *self.index.entry(place).or_insert_with_key(|place| {
            self.partitions.push(Partition::new(place.clone()));
            next
        })
    }

    /// What never ended may have happened.
    fn leave_open(&mut self) {
        for (invoked_us, open) in std::mem::take(&mut self.open).into_values() {
            let (process, partition, condition, kind) = match open {
                Open::Append { process, record, condition: Some(condition), .. } => {
                    (process, self.records[&record].partition, condition, Kind::UnknownAppend { record })
                }
                Open::Fence { partition, token } => {
                    (0, partition, Condition { expected: None, token: Some(token) }, Kind::Unknown)
                }
                Open::Append { condition: None, .. } | Open::Read { .. } => continue,
            };
            let one = Conditional { process, invoked_us, completed_us: u64::MAX, condition, kind };
            self.partitions[partition].conditional.push(one);
        }
    }

    fn finish(mut self) -> Result<Report, HistoryError> {
        self.leave_open();
        let mut report = Report::default();
        // In the order of their ids, so that a report does not depend on hash order.
        let mut ids: Vec<u64> = self.records.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let record = &self.records[&id];
            match record.acknowledged {
                Some(_) => {
                    report.acknowledged += 1;
                    self.protocols.entry(record.protocol.clone()).or_default().acknowledged += 1;
                }
                None if record.possible == 0 => report.failed += 1,
                None => report.unknown += 1,
            }
            self.partitions[record.partition].sent.push(id);
        }
        for partition in &self.partitions {
            report.read += partition.reads.iter().map(|read| read.records.len() as u64).sum::<u64>();
            report.lost += partition.check(&self.records, &mut self.findings)?;
        }
        report.protocols = self.protocols;
        report.violation_count = self.findings.count;
        report.violations = self.findings.into_kept();
        Ok(report)
    }
}
