//! Objects in a store: put, ranged get, delete, list.
//!
//! **Owns:** the [`BlobStore`] trait, its file, memory, S3 and faulty implementations, the conformance suite that all of
//! them pass, the probe of a store's abilities, and the count of calls by purpose. The only door to `object_store`.
//! **Promises:** when `put` returns, the object is durable and every later `get` sees it whole. **Does not know:** what
//! is in an object.

mod error;
mod store;

pub use error::BlobError;
pub use store::{BlobStore, Key, ListedObject, Purpose};
