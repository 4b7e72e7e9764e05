//! Appends under conditions and fences against a sequential model: a partition is a tail and the highest token that was seen.
//!
//! Every answer tells where in the one order its operation has its place: an append by its offset, a refusal and a fence by the
//! tail that they were told, and among those of one tail by the token, which never goes down. So there is no need to search
//! for an order: it is sorted by tail, appends last, and token, and gone through once with the model; and in that order no
//! operation may have been over before one further down was begun. An append of unknown outcome has a place if somebody has
//! read its record; a fence of unknown outcome is only a token that others may be told of.

use std::collections::{BTreeSet, HashMap};

use crate::event::{Condition, Place, Refusal};
use crate::violation::{Findings, Invariant};

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditional {
    pub(crate) process: u32,
    pub(crate) invoked_us: u64,
    /// `u64::MAX` when it never was.
    pub(crate) completed_us: u64,
    pub(crate) condition: Condition,
    pub(crate) kind: Kind,
}

/// How it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// At this offset.
    Appended { offset: u64 },
    /// A fence that stands, and the tail that was told.
    Raised { tail: u64 },
    /// For its condition.
    Refused(Refusal),
    /// For another reason, before anybody looked at the condition.
    Nothing,
    /// An append that may have happened.
    UnknownAppend { record: u64 },
    /// A fence that may stand.
    Unknown,
}

impl Conditional {
    /// The tail that its answer told.
    pub(crate) fn told_tail(&self) -> Option<u64> {
        match self.kind {
            Kind::Raised { tail } | Kind::Refused(Refusal { tail, .. }) => Some(tail),
            Kind::Appended { .. } | Kind::Nothing | Kind::UnknownAppend { .. } | Kind::Unknown => None,
        }
    }
}

/// What an operation shows of the one order.
#[derive(Clone, Copy, Debug)]
struct Shown {
    tail: u64,
    /// At its tail the last one, as it moves it.
    appends: bool,
    /// The highest token that was seen, as far as the answer tells.
    token: Option<u64>,
    of: Conditional,
}

pub(crate) fn check(place: &Place, all: &[Conditional], seen: &HashMap<u64, u64>, findings: &mut Findings) {
    let stated: BTreeSet<u64> = all.iter().filter_map(|one| one.condition.token).collect();
    let mut shown: Vec<Shown> = all.iter().filter_map(|one| show(one, seen)).collect();
    // What tells no token at a tail may be anywhere among those that do: it is looked at first, when least was seen.
    shown.sort_by_key(|one| (one.tail, one.appends, one.token, one.of.invoked_us));
    check_model(place, &shown, &stated, findings);
    check_time(place, &shown, findings);
}

fn show(one: &Conditional, seen: &HashMap<u64, u64>) -> Option<Shown> {
    let mut of = *one;
    let token = one.condition.token;
    let (tail, appends, token) = match one.kind {
        Kind::Appended { offset } => (offset, true, token),
        Kind::UnknownAppend { record } => {
            // It may have landed at any time after.
            of.completed_us = u64::MAX;
            (*seen.get(&record)?, true, token)
        }
        Kind::Raised { tail } => (tail, false, token),
        Kind::Refused(refusal) => (refusal.tail, false, refusal.token),
        Kind::Nothing | Kind::Unknown => return None,
    };
    Some(Shown { tail, appends, token, of })
}

/// Goes through the order with the model.
fn check_model(place: &Place, shown: &[Shown], stated: &BTreeSet<u64>, findings: &mut Findings) {
    // The highest token that was seen for certain before what is looked at.
    let mut highest: Option<u64> = None;
    for one in shown {
        let Shown { tail, of, .. } = one;
        let Condition { expected, token } = of.condition;
        let mut wrong = |what: String| {
            let process = of.process;
            findings.add(Invariant::I10Linearizable, || format!("process {process} at {tail} of {place:?}: {what}"));
        };
        let is_by_token = matches!(of.kind, Kind::Refused(Refusal { token: Some(_), .. }));
        if is_by_token {
            let told = one.token.unwrap_or_default();
            if token.is_none_or(|token| token >= told) {
                wrong(format!("it was refused by token {told} with token {token:?}"));
            }
            if Some(told) < highest {
                wrong(format!("it was told of token {told} when {highest:?} had been seen"));
            }
            if !stated.contains(&told) {
                wrong(format!("it was told of token {told}, which nobody ever stated"));
            }
        } else if token.is_some() && token < highest {
            wrong(format!("it passed with token {token:?} when {highest:?} had been seen"));
        }
        match (of.kind, expected) {
            (Kind::Refused(Refusal { token: None, .. }), expected) if expected.is_none_or(|it| it == *tail) => {
                wrong(format!("it was refused for its expected offset {expected:?}"));
            }
            (Kind::Appended { .. } | Kind::UnknownAppend { .. }, Some(expected)) if expected != *tail => {
                wrong(format!("it was appended though it expected {expected}"));
            }
            _ => {}
        }
        highest = highest.max(one.token);
    }
}

/// No operation was over before one further down was begun.
fn check_time(place: &Place, shown: &[Shown], findings: &mut Findings) {
    // The one that was begun last, of all further down.
    let mut floor: Option<Shown> = None;
    for step in shown.chunk_by(|one, next| (one.tail, one.appends) == (next.tail, next.appends)) {
        // What tells no token is before and after nothing else at its tail.
        let (without, with): (Vec<Shown>, Vec<Shown>) = step.iter().partition(|one| one.token.is_none());
        without.iter().for_each(|one| check_after(place, floor, one, findings));
        let mut below = floor;
        for same in with.chunk_by(|one, next| one.token == next.token) {
            same.iter().for_each(|one| check_after(place, below, one, findings));
            below = same.iter().fold(below, |below, one| later(below, *one));
        }
        floor = without.iter().fold(below, |floor, one| later(floor, *one));
    }
}

fn check_after(place: &Place, below: Option<Shown>, one: &Shown, findings: &mut Findings) {
    if let Some(below) = below.filter(|below| one.of.completed_us < below.of.invoked_us) {
        findings.add(Invariant::I10Linearizable, || {
            let (high, low) = ((one.tail, one.token), (below.tail, below.token));
            format!("in {place:?} tail and token {high:?} were told before what was told {low:?} was begun")
        });
    }
}

fn later(latest: Option<Shown>, one: Shown) -> Option<Shown> {
    latest.filter(|latest| latest.of.invoked_us >= one.of.invoked_us).or(Some(one))
}
