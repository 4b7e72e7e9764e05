//! Reading objects: what was just written, then the block cache, then one GET for all who wait.
//!
//! **Owns:** [`ObjectReader`] with its single flight and its memory of objects just written, and the [`BlockCache`] seam.
//! **Promises:** the bytes returned lie in that range of that object or are recognisably not what was written (see
//! `tidelog_model::BatchPlacement`); a cache failure is a cache miss. **Does not know:** partitions, offsets, batches.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod block_cache;
mod error;
mod flights;
mod loader;
mod memory;
mod metrics;
mod read_bytes;
mod reader;
mod written;

pub use block_cache::{BlockCache, BlockKey, CacheUsage};
pub use error::ReadError;
pub use memory::MemoryBlockCache;
pub use read_bytes::{Origin, ReadBytes};
pub use reader::{ObjectReader, ReaderLimits, ReaderUsage};

/// What this crate counts.
pub const METRICS: &[&[tidelog_host::metric::Metric]] = &[metrics::METRICS];
