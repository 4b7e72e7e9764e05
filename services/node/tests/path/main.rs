//! The path of a record through ingest, catalog and fetch, on stores and catalogs that misbehave.
#![allow(clippy::unwrap_used)]

mod batches;
mod harness;
mod local_catalog;
mod stack;

mod full_disk;
mod golden;
mod pipelining;
mod reads;
mod unattended;
mod writes;
