//! The client matrix: every client does every feature it has, and each record is counted and compared.
//!
//! A client is a program of its own in its own language: `PROGRAM ADDRESS TOPIC FEATURE` exits with 0 or prints what differed.
//! What a client does not have is in `matrix_not_applicable.toml`, with the reason. The same cells run again through a
//! [`proxy`] that drops one record of each topic, and every one of them must notice.

pub mod clients;
mod codec;
pub mod not_applicable;
pub mod own;
pub mod proxy;
pub mod run;
pub mod table;

/// The columns of the table, in the words that programs are called with.
pub const FEATURES: &[&str] = &[
    "produce",
    "group",
    "headers",
    "tombstones",
    "none",
    "gzip",
    "snappy",
    "lz4",
    "zstd",
    "big",
    "timestamps",
    "offsets-by-time",
    "admin",
    "add-partitions",
    "configs",
    "delete-records",
    "describe-groups",
    "alter-groups",
    "idempotence",
];
