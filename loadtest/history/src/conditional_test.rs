//! I10: a simulated partition that keeps its conditions gives good histories, and one that breaks any of them is caught.

use crate::{
    Bounds, Condition, Event, FenceOutcome, Invariant, Outcome, Payload, Place, Refusal, Seen, What, check, checksum,
};

fn place() -> Place {
    Place { tenant: "default".to_owned(), topic: "t".to_owned(), partition: 0 }
}

fn payload(record: u64, process: u32) -> Payload {
    Payload { place: place(), record, process, sequence: record }
}

/// How a partition goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    OffsetIgnored,
    TokenIgnored,
    /// An append does not fence.
    NotRaised,
    /// Refused though all is well.
    RefusedForNothing,
    /// A fence is told a tail that is gone.
    StaleTail,
    /// A refusal tells another token than the highest.
    WrongToken,
    /// Fences are forgotten now and then.
    Forgotten,
}

/// What a client is doing.
#[derive(Clone, Copy)]
enum Doing {
    Append { operation: u64, record: u64, condition: Condition, outcome: Option<Outcome> },
    Fence { operation: u64, token: u64, outcome: Option<FenceOutcome> },
}

struct World {
    events: Vec<Event>,
    log: Vec<Payload>,
    token: Option<u64>,
    clients: [Option<Doing>; 4],
    operations: u64,
    state: u64,
    bug: Bug,
}

impl World {
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % bound
    }

    fn push(&mut self, process: usize, operation: u64, what: What) {
        let at_us = self.events.len() as u64;
        self.events.push(Event { at_us, process: process as u32, operation, what });
    }

    fn step(&mut self) {
        let client = self.below(4) as usize;
        match self.clients[client] {
            None => self.begin(client),
            Some(Doing::Append { operation, record, condition, outcome: None }) => {
                let outcome = Some(self.append(client, record, condition));
                self.clients[client] = Some(Doing::Append { operation, record, condition, outcome });
            }
            Some(Doing::Fence { operation, token, outcome: None }) => {
                let outcome = Some(self.raise(token));
                self.clients[client] = Some(Doing::Fence { operation, token, outcome });
            }
            Some(Doing::Append { operation, outcome: Some(outcome), .. }) => {
                let is_lost = self.below(10) == 0;
                let outcome = if is_lost { Outcome::Unknown } else { outcome };
                self.push(client, operation, What::AppendCompleted { outcome });
                self.clients[client] = None;
            }
            Some(Doing::Fence { operation, outcome: Some(outcome), .. }) => {
                let is_lost = self.below(10) == 0;
                let outcome = if is_lost { FenceOutcome::Unknown } else { outcome };
                self.push(client, operation, What::FenceCompleted { outcome });
                self.clients[client] = None;
            }
        }
    }

    fn begin(&mut self, client: usize) {
        self.operations += 1;
        let operation = self.operations;
        if self.below(5) == 0 {
            let token = self.token.unwrap_or(0) + self.below(3);
            let token = token.saturating_sub(self.below(2));
            self.push(client, operation, What::FenceInvoked { place: place(), token });
            self.clients[client] = Some(Doing::Fence { operation, token, outcome: None });
            return;
        }
        let expected =
            (self.below(2) == 0).then(|| (self.log.len() as u64 + self.below(2)).saturating_sub(self.below(2)));
        let token =
            (self.below(2) == 0).then(|| (self.token.unwrap_or(0) + self.below(2)).saturating_sub(self.below(3)));
        let condition = Condition { expected, token };
        let record = operation;
        let what = What::AppendInvoked {
            place: place(),
            record,
            sequence: record,
            idempotent: false,
            ordered: false,
            slot: None,
            checksum: checksum(&payload(record, client as u32).encode(64)),
            node: String::new(),
            protocol: "http".to_owned(),
        };
        self.push(client, operation, what);
        self.push(client, operation, What::AppendCondition { condition });
        self.clients[client] = Some(Doing::Append { operation, record, condition, outcome: None });
    }

    fn breaks(&mut self, bug: Bug) -> bool {
        self.bug == bug && self.below(3) == 0
    }

    fn append(&mut self, client: usize, record: u64, condition: Condition) -> Outcome {
        if self.breaks(Bug::Forgotten) {
            self.token = None;
        }
        let tail = self.log.len() as u64;
        if condition.token.is_some() && condition.token < self.token && !self.breaks(Bug::TokenIgnored) {
            let more = u64::from(self.breaks(Bug::WrongToken)) * 1_000;
            return Outcome::Refused(Refusal { tail, token: self.token.map(|token| token + more) });
        }
        if condition.expected.is_some_and(|expected| expected != tail) && !self.breaks(Bug::OffsetIgnored) {
            return Outcome::Refused(Refusal { tail, token: None });
        }
        if condition.expected.is_some() && self.breaks(Bug::RefusedForNothing) {
            return Outcome::Refused(Refusal { tail, token: None });
        }
        if self.bug != Bug::NotRaised {
            self.token = self.token.max(condition.token);
        }
        self.log.push(payload(record, client as u32));
        Outcome::Ok(tail)
    }

    fn raise(&mut self, token: u64) -> FenceOutcome {
        let mut tail = self.log.len() as u64;
        if self.breaks(Bug::StaleTail) {
            tail = tail.saturating_sub(6);
        }
        if Some(token) < self.token && !self.breaks(Bug::TokenIgnored) {
            return FenceOutcome::Refused(Refusal { tail, token: self.token });
        }
        self.token = self.token.max(Some(token));
        FenceOutcome::Ok(tail)
    }

    fn finish(mut self) -> Vec<Event> {
        let (next, operation) = (self.log.len() as u64, u64::MAX);
        let (node, protocol) = (String::new(), String::new());
        self.push(9, operation, What::ReadInvoked { place: place(), from: 0, node, protocol });
        let records =
            self.log.iter().zip(0..).map(|(payload, offset)| Seen::read(offset, &payload.encode(64))).collect();
        let bounds = Some(Bounds { low: 0, high: next });
        self.push(9, operation, What::ReadCompleted { next, records, bounds, last: true });
        self.events
    }
}

fn history(seed: u64, bug: Bug) -> Vec<Event> {
    let (events, log, clients) = (Vec::new(), Vec::new(), [None; 4]);
    let state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut world = World { events, log, token: None, clients, operations: 0, state, bug };
    (0..600).for_each(|_| world.step());
    world.finish()
}

#[test]
fn a_partition_that_keeps_its_conditions_has_good_histories() {
    for seed in 0..300 {
        let report = check(history(seed, Bug::None)).unwrap();
        assert!(report.is_good(), "seed {seed}: {report}");
        assert!(report.failed > 10 && report.acknowledged > 20, "{report}");
    }
}

#[test]
fn every_broken_condition_is_found() {
    use Bug::*;
    for bug in [OffsetIgnored, TokenIgnored, NotRaised, RefusedForNothing, StaleTail, WrongToken, Forgotten] {
        let found = (0..40).filter(|seed| {
            let report = check(history(*seed, bug)).unwrap();
            report.violations.iter().any(|violation| violation.invariant == Invariant::I10Linearizable)
        });
        let found = found.count();
        assert!(found >= 30, "{bug:?} is found in {found} of 40 histories");
    }
}

#[test]
fn a_history_that_contradicts_itself_is_none() {
    let condition = Condition::default();
    let refusal = Refusal { tail: 0, token: None };
    let only = |what| vec![Event { at_us: 0, process: 0, operation: 1, what }];
    assert!(check(only(What::AppendCondition { condition })).is_err());
    assert!(check(only(What::FenceCompleted { outcome: FenceOutcome::Refused(refusal) })).is_err());
    let mut plain = history(1, Bug::None);
    plain.retain(|event| !matches!(event.what, What::AppendCondition { .. }));
    assert!(check(plain).is_err(), "refused for a condition that it did not have");
}
