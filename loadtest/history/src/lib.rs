//! The checker of histories: what clients did and saw, judged against the invariants I1 to I8 and I10.
//!
//! **Owns:** the [`Event`]s of a history and their JSON-lines file, the [`Payload`] that makes every record recognisable,
//! and [`check`]. **Promises:** a history in which an acknowledged record is lost, reordered, duplicated, altered or shown
//! in another place gives a [`Violation`] that names the invariant; time and memory are linear in the history, but for
//! sorting. **Does not know:** Kafka, Tidelog's code, how the history came about.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod check;
mod conditional;
mod event;
mod partition;
mod payload;
mod recorder;
mod sweep;
mod violation;

pub use check::{HistoryError, Report, Share, check, check_file};
pub use event::{Bounds, Condition, Event, FenceOutcome, Outcome, Place, Refusal, Seen, Slot, What};
pub use payload::{Payload, PayloadError, checksum};
pub use recorder::{Append, Guarantees, Recorder};
pub use violation::{Invariant, Violation};

#[cfg(test)]
#[path = "check_test.rs"]
mod check_test;

#[cfg(test)]
#[path = "conditional_test.rs"]
mod conditional_test;

#[cfg(test)]
#[path = "random_test.rs"]
mod random_test;
