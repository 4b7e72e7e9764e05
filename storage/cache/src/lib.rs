//! Reading objects: what was just written, then the block cache, then one GET for all who wait.
//!
//! **Owns:** [`ObjectReader`] with its single flight and its memory of objects just written, and the [`BlockCache`] seam.
//! **Promises:** the bytes returned lie in that range of that object or are recognisably not what was written (see
//! `tidelog_model::BatchPlacement`); a cache failure is a cache miss. **Does not know:** partitions, offsets, batches.

mod block_cache;

pub use block_cache::{BlockCache, BlockKey};
