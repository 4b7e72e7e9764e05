//! The seams to the outside: clock, randomness, tasks, disk, metric handles and spans.
//!
//! **Owns:** the only real clock, random source, task spawner and file access of the workspace, and their test doubles,
//! which are driven by hand or by a seed. **Promises:** code that takes its time, chance, tasks and files from here runs
//! the same for the same seed. **Does not know:** the domain: no record, topic or object.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod clock;
pub mod disk;
pub mod failpoint;
pub mod metric;
pub mod random;
pub mod tasks;
pub mod trace;

pub use clock::Clock;
pub use disk::{Disk, DiskFile, ForgetfulDisk, RealDisk};
pub use random::Random;
pub use tasks::Tasks;
