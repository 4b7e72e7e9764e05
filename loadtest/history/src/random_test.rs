//! Random histories: of a log that keeps its promises all are good; after one random lie, none is.

use proptest::prelude::*;

use crate::{Bounds, Event, Outcome, Payload, Place, Seen, What, check};

/// What a random client does next.
#[derive(Clone, Debug)]
enum Step {
    /// Process n sends a record.
    Send(u32),
    /// The oldest open append of process n is applied.
    Apply(u32),
    /// The oldest applied append of process n is answered; `false` loses the answer.
    Answer(u32, bool),
    /// A reader goes on by at most so many records.
    Read(u64),
    /// Somebody asks for the bounds.
    Ask,
}

const PROCESSES: u32 = 3;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..PROCESSES).prop_map(Step::Send),
        3 => (0..PROCESSES).prop_map(Step::Apply),
        3 => (0..PROCESSES, prop::bool::weighted(0.8)).prop_map(|(process, ok)| Step::Answer(process, ok)),
        1 => (1..5_u64).prop_map(Step::Read),
        1 => Just(Step::Ask),
    ]
}

fn place() -> Place {
    Place { tenant: "default".to_owned(), topic: "t".to_owned(), partition: 0 }
}

/// A log that keeps its promises, and the history of what was done with it.
#[derive(Default)]
struct Model {
    events: Vec<Event>,
    operations: u64,
    log: Vec<Payload>,
    sent: Vec<Vec<(u64, Payload)>>,
    applied: Vec<Vec<(u64, u64)>>,
    sequences: Vec<u64>,
    reader: u64,
}

impl Model {
    fn run(steps: Vec<Step>) -> Vec<Event> {
        let mut model = Model::default();
        model.sent.resize(PROCESSES as usize, Vec::new());
        model.applied.resize(PROCESSES as usize, Vec::new());
        model.sequences.resize(PROCESSES as usize, 0);
        for step in steps {
            model.step(step);
        }
        let end = model.log.len() as u64;
        model.read(0, end, true);
        model.events
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send(process) => {
                let sequence = self.sequences[process as usize];
                self.sequences[process as usize] += 1;
                let operation = self.operation();
                let payload = Payload { place: place(), record: operation, process, sequence };
                let what = What::AppendInvoked {
                    place: place(),
                    record: operation,
                    sequence,
                    idempotent: process % 2 == 0,
                    ordered: true,
                    slot: None,
                    checksum: Seen::read(0, &payload.encode(0)).checksum,
                    node: String::new(),
                    protocol: String::new(),
                };
                self.push(process, operation, what);
                self.sent[process as usize].push((operation, payload));
            }
            Step::Apply(process) if !self.sent[process as usize].is_empty() => {
                let (operation, payload) = self.sent[process as usize].remove(0);
                self.applied[process as usize].push((operation, self.log.len() as u64));
                self.log.push(payload);
            }
            Step::Answer(process, ok) if !self.applied[process as usize].is_empty() => {
                let (operation, offset) = self.applied[process as usize].remove(0);
                let outcome = if ok { Outcome::Ok(offset) } else { Outcome::Unknown };
                self.push(process, operation, What::AppendCompleted { outcome });
            }
            Step::Read(records) => {
                let (from, next) = (self.reader, (self.reader + records).min(self.log.len() as u64));
                self.reader = next;
                self.read(from, next, false);
            }
            Step::Ask => {
                let next = self.reader;
                self.read(next, next, false);
            }
            Step::Apply(_) | Step::Answer(..) => {}
        }
    }

    fn read(&mut self, from: u64, next: u64, last: bool) {
        let operation = self.operation();
        let (node, protocol) = (String::new(), String::new());
        self.push(9, operation, What::ReadInvoked { place: place(), from, node, protocol });
        let records = (from..next).map(|offset| Seen::read(offset, &self.log[offset as usize].encode(0))).collect();
        let bounds = Some(Bounds { low: 0, high: self.log.len() as u64 });
        self.push(9, operation, What::ReadCompleted { next, records, bounds, last });
    }

    fn operation(&mut self) -> u64 {
        self.operations += 1;
        self.operations
    }

    fn push(&mut self, process: u32, operation: u64, what: What) {
        let at_us = self.events.len() as u64;
        self.events.push(Event { at_us, process, operation, what });
    }
}

/// Makes the history tell one lie; `None` when it offers no place for it.
fn lie(events: &mut [Event], kind: u8, at: usize) -> Option<()> {
    let acknowledged = |event: &Event| match event.what {
        What::AppendCompleted { outcome: Outcome::Ok(offset) } => Some(offset),
        _ => None,
    };
    let last = events.iter_mut().rev().find_map(|event| match &mut event.what {
        What::ReadCompleted { next, records, bounds, last: true } => Some((next, records, bounds)),
        _ => None,
    });
    let (next, records, bounds) = last?;
    let index = at.checked_rem(records.len())?;
    match kind {
        // The final read ends too early, and says so.
        0 => {
            records.truncate(index);
            *next = index as u64;
            bounds.as_mut()?.high = index as u64;
            let lost = events.iter().filter_map(acknowledged).any(|offset| offset >= index as u64);
            lost.then_some(())
        }
        // One record is missing.
        1 => {
            records.remove(index);
            Some(())
        }
        // One record is there twice.
        2 => {
            let mut copy = records[index].clone();
            copy.offset = *next;
            records.push(copy);
            *next += 1;
            Some(())
        }
        // Two neighbours changed places.
        3 => {
            let other = (index + 1 < records.len()).then_some(index + 1)?;
            let (low, high) = (records[index].offset, records[other].offset);
            records.swap(index, other);
            records[index].offset = low;
            records[other].offset = high;
            // Nobody can tell when both were unknown, unless another reader saw them; require an answer for one.
            events.iter().filter_map(acknowledged).any(|offset| offset == low || offset == high).then_some(())
        }
        // One byte changed.
        4 => {
            records[index].checksum ^= 1;
            Some(())
        }
        // The high watermark is one too low, after something was acknowledged up there.
        _ => {
            let high = &mut bounds.as_mut()?.high;
            *high = high.checked_sub(1)?;
            let high = *high;
            events.iter().filter_map(acknowledged).any(|offset| offset >= high).then_some(())
        }
    }
}

proptest! {
    #[test]
    fn a_true_history_is_good(steps in prop::collection::vec(step(), 0..200)) {
        let report = check(Model::run(steps)).unwrap();
        prop_assert!(report.is_good(), "{report}");
        prop_assert_eq!(report.lost, 0);
    }

    #[test]
    fn one_lie_is_caught(steps in prop::collection::vec(step(), 20..200), kind in 0..6_u8, at in 0..1000_usize) {
        let mut events = Model::run(steps);
        prop_assume!(lie(&mut events, kind, at).is_some());
        let report = check(events).unwrap();
        prop_assert!(!report.is_good(), "lie {kind} was believed: {report}");
    }
}
