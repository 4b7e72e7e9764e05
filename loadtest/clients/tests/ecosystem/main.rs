//! Kafka Streams and Kafka Connect at work on a server of their own, with restarts of them and of the server.

#![allow(clippy::unwrap_used)]

mod connect;
mod feeder;
mod lines;
mod program;
mod rest;
mod streams;
mod streams_app;
mod topics;
mod words;
mod worker;

use std::time::{Duration, Instant};

use anyhow::ensure;
use tidelog_clients::Server;
use tidelog_clients::server::Options;

/// For anything to happen. Nothing takes a third of it on a busy machine, where a member that was killed is missed for
/// [`SESSION_MS`] besides.
const WAIT_MAX: Duration = Duration::from_secs(90);
/// Between two looks at what nobody tells us of.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// After so long a group does without a member that was killed: the least that Kafka allows.
const SESSION_MS: u32 = 6_000;

/// A server with default settings.
fn server() -> Server {
    Server::start(Options::default()).expect("the server starts")
}

/// Ends the server in whatever it does, and starts it again.
fn kill_and_start_again(server: &mut Server) -> anyhow::Result<()> {
    server.kill9()?;
    server.start_again(None)?;
    server.wait_ready()
}

/// Looks until it is so.
fn wait_until(what: &str, mut look: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + WAIT_MAX;
    while !look()? {
        ensure!(Instant::now() < deadline, "no {what} after {WAIT_MAX:?}");
        std::thread::sleep(LOOK_PAUSE);
    }
    Ok(())
}
