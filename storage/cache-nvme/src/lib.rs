//! The block cache in memory and on the local disk.
//!
//! **Owns:** [`FoyerCache`], what an entry of it looks like on disk, and the only door to `foyer`. **Promises:** a block
//! that it returns is the one that was inserted under that key, in this cluster and incarnation; whatever goes wrong
//! with the disk is a miss, within half a second, and never an error. **Does not know:** what blocks hold, where
//! they come from.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bypass;
mod cache;
mod entry;
mod stamp;

pub use cache::{FoyerCache, FoyerOptions, IoEngine};
pub use stamp::Stamp;

/// What this crate counts.
pub const METRICS: &[&[tidelog_host::metric::Metric]] = &[cache::METRICS];
