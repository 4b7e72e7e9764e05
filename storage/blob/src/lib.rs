//! Objects in a store: put, ranged get, delete, list.
//!
//! **Owns:** the [`BlobStore`] trait, its file, memory, S3 and faulty implementations, the conformance suite that all of
//! them pass, the probe of a store's abilities, the marker that names a store's cluster, and the count of calls by
//! purpose. The only door to `object_store` and to the AWS SDK. **Promises:** when `put` returns, the object is durable
//! and every later `get` sees it whole. **Does not know:** what is in an object.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod conformance;
mod error;
mod faulty;
mod file;
mod marker;
mod memory;
mod metered;
mod open;
mod probe;
mod s3;
mod skew;
mod store;

pub use error::BlobError;
pub use faulty::{Fault, FaultyStore};
pub use file::FileStore;
pub use marker::{ClaimError, Claimed, check_unclaimed, claim};
pub use memory::MemoryStore;
pub use metered::Metered;
pub use open::open;
pub use probe::{Abilities, ProbeError, probe};
pub use s3::{S3Options, S3Store};
pub use skew::clock_skew_ms;
pub use store::{BlobStore, Call, Key, ListedObject, Purpose};

/// What this crate counts.
pub const METRICS: &[&[tidelog_host::metric::Metric]] = &[metered::METRICS];
