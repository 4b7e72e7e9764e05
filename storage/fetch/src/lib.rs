//! The read path: plan, read, deliver, wait.
//!
//! **Owns:** turning (partition, offset) into record bytes with their final offsets, look-ups by time, and the wake-up of
//! waiting readers. **Promises:** what is delivered was appended to that partition at those offsets, byte for byte: bytes
//! that came from a store or a disk are checked batch by batch; and a negative or a tail is never answered from a view that
//! may be stale. **Does not know:** protocols, writers, how the catalog replicates.
//!
//! With the feature `mutants`, `TIDELOG_MUTANT` plants one of these bugs, and `tidelog-node`'s test `path` fails:
//!
//! | name | bug | breaks |
//! |---|---|---|
//! | `stale-negative` | the tail, or out of range, is answered without a read barrier | I7 |
//! | `unchecked-read` | bytes from a store are delivered without a look at their address and checksum | I6 |

mod delivery;
mod error;
mod fetch;
mod hints;
mod meters;
mod read_ahead;
mod rope;
mod scan;
mod tail;
mod time;

pub use error::ReadError;
pub use fetch::{Fetch, Read, ReadOutcome};
pub use tail::Watch;

/// What this crate counts.
pub const METRICS: &[&[tidelog_host::metric::Metric]] = &[meters::METRICS];
