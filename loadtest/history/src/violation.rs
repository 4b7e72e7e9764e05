//! What a history can be found guilty of.

use std::fmt;

/// The promises that a history can be held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// After ok(o), every later read covering o returns that record.
    I1AcknowledgedStays,
    /// If a reader saw offset b, every acknowledged record below b is readable.
    I2NothingBelowIsMissing,
    /// One offset, one record; one record, one offset.
    I3OneToOne,
    /// Offsets are dense.
    I4Dense,
    /// A acknowledged before B was sent lies below B; a producer's order is offset order.
    I5Order,
    /// What is read was appended, to that place, byte for byte.
    I6NothingForeign,
    /// High watermark and log start never go back; a read begun after ok(o) sees o.
    I7NeverBack,
    /// An idempotent producer's record lands once, and a duplicate gets the original offset.
    I8Once,
    /// Appends under conditions, and fences, are as if they had happened one after the other.
    I10Linearizable,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Invariant::I1AcknowledgedStays => "I1 (acknowledged records stay)",
            Invariant::I2NothingBelowIsMissing => "I2 (nothing acknowledged is missing below what was seen)",
            Invariant::I3OneToOne => "I3 (one offset, one record)",
            Invariant::I4Dense => "I4 (offsets are dense)",
            Invariant::I5Order => "I5 (real-time and producer order)",
            Invariant::I6NothingForeign => "I6 (what is read was appended there)",
            Invariant::I7NeverBack => "I7 (the log's bounds never go back)",
            Invariant::I8Once => "I8 (idempotent records land once)",
            Invariant::I10Linearizable => "I10 (conditional appends are linearizable)",
        })
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The promise broken.
    pub invariant: Invariant,
    /// Where and how, with numbers.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.text)
    }
}

/// Findings, of which only so many are kept: one broken run can have millions.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: Vec<Violation>,
    pub(crate) count: u64,
}

/// Enough to see the pattern.
const KEPT_MAX: usize = 200;

impl Findings {
    pub(crate) fn add(&mut self, invariant: Invariant, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(Violation { invariant, text: text() });
        }
    }

    pub(crate) fn into_kept(self) -> Vec<Violation> {
        self.kept
    }
}
