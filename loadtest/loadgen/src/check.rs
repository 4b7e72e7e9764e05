//! The judge: what was acknowledged came, once, in order, at the offsets where it had to.
//!
//! Every producer numbers what it writes to each partition, so one number per pair says how far it came, and a gap is a
//! record that is late or lost.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::record::Head;

/// A gap larger than that is no gap but nonsense: it is not kept record by record.
const GAP_MAX: u64 = 1 << 20;

/// Which numbers of a sequence have been seen: all below `next`, except the missing ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    next: u64,
    missing: BTreeSet<u64>,
}

/// What a number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// The next one.
    Next,
    /// Others before it have not come.
    Ahead,
    /// It had been missing.
    Late,
    /// It had come already.
    Again,
    /// So far away that it can only be wrong.
    Wrong,
}

impl Seen {
    pub(crate) fn note(&mut self, sequence: u64) -> Noted {
        if sequence == self.next {
            self.next += 1;
            return Noted::Next;
        }
        if sequence < self.next {
            return if self.missing.remove(&sequence) { Noted::Late } else { Noted::Again };
        }
        if sequence - self.next > GAP_MAX {
            return Noted::Wrong;
        }
        self.missing.extend(self.next..sequence);
        self.next = sequence + 1;
        Noted::Ahead
    }

    fn has(&self, sequence: u64) -> bool {
        sequence < self.next && !self.missing.contains(&sequence)
    }

    /// How many that `self` has are not in `other`.
    fn not_in(&self, other: &Seen) -> u64 {
        let beyond = (other.next..self.next).filter(|sequence| self.has(*sequence)).count();
        let missing = other.missing.range(..self.next).filter(|sequence| self.has(**sequence)).count();
        (beyond + missing) as u64
    }
}

/// Producer and place.
pub(crate) type Stream = (u32, u32);

/// What was acknowledged of each producer and place.
pub(crate) type Acknowledged = HashMap<Stream, Seen>;

/// What is wrong with a run, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// Acknowledged, and not received by a group.
    pub lost: u64,
    /// Received more than once.
    pub doubled: u64,
    /// Received behind a later one of the same producer.
    pub reordered: u64,
    /// Received with other bytes than were sent.
    pub damaged: u64,
    /// Received at another partition than it was sent to, or of another run.
    pub strange: u64,
    /// Offsets that did not follow the one before.
    pub offset_steps: u64,
    /// Refused, or failed.
    pub errors: u64,
    /// Sent, and neither acknowledged nor refused when the run ended.
    pub unanswered: u64,
}

impl Checks {
    pub(crate) fn add(&mut self, other: &Checks) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.damaged += other.damaged;
        self.strange += other.strange;
        self.offset_steps += other.offset_steps;
        self.errors += other.errors;
        self.unanswered += other.unanswered;
    }

    /// What is wrong, a line each; nothing when all is well.
    pub(crate) fn complaints(&self, errors_max: u64) -> Vec<String> {
        let records = [
            (self.lost, "acknowledged and lost"),
            (self.doubled, "received more than once"),
            (self.reordered, "received out of order"),
            (self.damaged, "received damaged"),
            (self.strange, "received that belong elsewhere"),
            (self.offset_steps, "received at an offset that does not follow the one before"),
        ];
        let wrong = records.iter().filter(|(count, _)| *count > 0);
        let mut found: Vec<String> = wrong.map(|(count, what)| format!("{count} records {what}")).collect();
        let failed = self.errors + self.unanswered;
        if failed > errors_max {
            let (errors, unanswered) = (self.errors, self.unanswered);
            found.push(format!("{errors} records were refused and {unanswered} not answered, {errors_max} may be"));
        }
        found
    }
}

/// What one consumer has received.
#[derive(Debug)]
pub(crate) struct Received {
    run: u32,
    streams: HashMap<Stream, Seen>,
    next_offsets: HashMap<u32, i64>,
    pub(crate) checks: Checks,
}

impl Received {
    pub(crate) fn of_run(run: u32) -> Received {
        Received { run, streams: HashMap::new(), next_offsets: HashMap::new(), checks: Checks::default() }
    }

    /// A record came at this place and offset; `head` is nothing when its bytes are wrong. True when it counts as received.
    pub(crate) fn note(&mut self, place: u32, offset: i64, head: Option<&Head>) -> bool {
        let next = self.next_offsets.entry(place).or_insert(0);
        let follows = offset == *next;
        *next = offset + 1;
        let Some(head) = head else {
            self.checks.damaged += 1;
            return false;
        };
        if head.run != self.run || head.place != place {
            self.checks.strange += 1;
            return false;
        }
        let noted = self.streams.entry((head.producer, place)).or_default().note(head.sequence);
        match noted {
            Noted::Next | Noted::Ahead if !follows => self.checks.offset_steps += 1,
            Noted::Next | Noted::Ahead => {}
            Noted::Late => self.checks.reordered += 1,
            Noted::Again => self.checks.doubled += 1,
            Noted::Wrong => self.checks.strange += 1,
        }
        matches!(noted, Noted::Next | Noted::Ahead | Noted::Late)
    }

    /// How much of what was acknowledged at `places` never came.
    pub(crate) fn lost(&self, acknowledged: &Acknowledged, is_ours: impl Fn(u32) -> bool) -> u64 {
        let nothing = Seen::default();
        let ours = acknowledged.iter().filter(|((_, place), _)| is_ours(*place));
        ours.map(|(stream, seen)| seen.not_in(self.streams.get(stream).unwrap_or(&nothing))).sum()
    }
}

#[cfg(test)]
#[path = "check_test.rs"]
mod tests;
