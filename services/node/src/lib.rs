//! One process of Tidelog, put together.
//!
//! **Owns:** which parts a node has, the order in which they start and stop, and who is told about whom. **Promises:** a
//! node that started serves; a node that stopped has resolved what it took in and released its folder; nothing listens
//! before data folder and store have been recognised as belonging together; a node that can acknowledge nothing any more
//! says so, also when nobody appends. **Does not know:** where settings come from,
//! nor what any part does inside.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod examine;
mod node;
#[cfg(test)]
mod node_test;
mod options;
mod scrape;
mod store;
mod view;

pub use examine::{StoreExamination, examine_store};
pub use node::{DoorName, Node, StartError};
pub use options::{CacheOptions, IoEngine, NodeOptions, StoreOptions};
pub use scrape::{Recorded, metrics};
/// Why the catalog's folder cannot be used.
pub use tidelog_catalog_raft::OpenError as CatalogOpenError;
