//! Open-loop load for a log service: records that are sent at their time whatever became of those before, each of them checked.
//!
//! **Owns:** workloads ([`Workload`]), the absolute schedule of a run, what every record carries so that it can be judged where
//! it arrives, the ways to a server (the drivers), and what is told of a run ([`Report`]). **Promises:** latency counts from the
//! moment when a record *should* have been sent, so a stall is never hidden; an acknowledged record that is lost, doubled, reordered
//! or damaged fails the run, and so does a generator that could not hold its schedule. **Does not know:** what a server is
//! made of: it measures a process from outside, as the operating system sees it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod check;
mod driver;
mod engine;
mod failure;
mod html;
mod interrupt;
mod latency;
mod machine;
mod measure;
mod plan;
mod progress;
mod reach;
mod record;
mod report;
mod run;
mod schedule;
mod senders;
mod store;
mod table;
mod tail;
mod target;
mod workload;

pub use failure::Failure;
pub use html::plot::{Line, Plot, Scale};
pub use html::{document, escaped, page};
pub use interrupt::{break_off_when_interrupted, is_interrupted};
pub use latency::Latency;
pub use machine::{Machine, allow_open_files, date, load_average};
pub use measure::{Sample, processor_seconds_of_others};
pub use report::Report;
pub use run::{Options, run};
pub use store::{Store, StoreReport};
pub use table::Table;
pub use target::Target;
pub use workload::{Protocol, Spread, Stage, Workload};

#[cfg(test)]
mod engine_test;
