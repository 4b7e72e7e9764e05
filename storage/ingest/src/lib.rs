//! The write path: admit, buffer, seal, upload, commit, acknowledge.
//!
//! **Owns:** the checks that a batch must pass ([`admit`]), the lanes that batch everybody's records into flushes, object
//! ids under grants, the order of commits, parking of batches that arrived ahead of their sequence, and the move of
//! inline payloads to objects. **Promises:** a resolved append is durable and has its offset in the catalog; batches of
//! one lane are committed in the order in which [`Ingest::append`] was called; everything in flight is bounded.
//! **Does not know:** protocols, readers, how the catalog replicates.
//!
//! The path, in the order of the files: [`admit`] → [`Ingest::append`] (`ingest.rs`) → `lane.rs` seals → `flush.rs` lays
//! out → `upload.rs` → `waiting.rs` → `committer.rs` → the caller's [`AppendFuture`].
//!
//! With the feature `mutants`, `TIDELOG_MUTANT` plants one of these bugs, and `tidelog-node`'s test `path` fails:
//!
//! | name | bug | breaks |
//! |---|---|---|
//! | `acknowledge-before-commit` | batches are answered when their commit is proposed | I1 |
//! | `resequence-lost-answers` | a commit whose answer was lost is proposed under a new sequence | I3, I8 |
//! | `reordered-seal` | a flush turns the order of its batches round | I5 |
//! | `upload-overtaken` | a flush does not wait for an earlier one that shares a partition with it | I5 |

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod admit;
mod append;
mod committer;
mod flush;
mod grants;
mod ingest;
mod inline_budget;
mod lane;
mod meters;
mod mover;
mod options;
mod parked;
mod poisoned;
mod upload;
mod waiting;

pub use admit::{
    AdmitError, AdmitRules, CheckedBatch, RECORDS_TOLD_MAX, RefusedTimestamps, Timestamps, admit, admit_built,
};
pub use append::{Append, AppendError, AppendFuture, Appended, Conditions};
pub use ingest::{Ingest, Reservation, StartError};
pub use options::{IngestOptions, LaneProfile};

/// What this crate counts.
pub const METRICS: &[&[tidelog_host::metric::Metric]] = &[meters::METRICS];
