//! What clients of Kafka rely on without knowing it, against the real binary: topics that are deleted and made anew under
//! load, fetch sessions over many partitions, topics that come into being at first use, what is stored of a batch, and what a
//! reader is told of the log. Requests are put together by hand, so that each says exactly what is meant.

#![allow(clippy::unwrap_used)]

#[path = "../hostile/batch.rs"]
#[allow(dead_code)]
mod batch;
mod by_id;
#[path = "../hostile/calls.rs"]
#[allow(dead_code)]
mod calls;
mod creation;
mod log;
mod recreation;
mod sessions;
mod settings;
mod stored;
#[path = "../hostile/wire.rs"]
#[allow(dead_code)]
mod wire;

use tidelog_clients::Server;
use tidelog_clients::server::Options;

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const INVALID_TOPIC: i16 = 17;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const FETCH_SESSION_ID_NOT_FOUND: i16 = 70;
const INVALID_FETCH_SESSION_EPOCH: i16 = 71;
const UNKNOWN_LEADER_EPOCH: i16 = 75;
const UNKNOWN_TOPIC_ID: i16 = 100;

/// A server with default settings.
fn server() -> Server {
    server_with(&[])
}

/// A server with these flags.
fn server_with(flags: &[&str]) -> Server {
    let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    Server::start(Options { flags, ..Options::default() }).expect("the server starts")
}
