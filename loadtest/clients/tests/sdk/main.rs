//! The Rust SDK and the command line that is built on it, against a server of their own, which is killed now and then.

#![allow(clippy::unwrap_used)]

mod cli;
mod cli_groups;
mod examples;
mod growth;
mod kills;
mod records;

use tidelog::Client;
use tidelog_clients::Server;
use tidelog_clients::server::Options;

/// A server with default settings.
fn server() -> Server {
    Server::start(Options::default()).expect("the server starts")
}

fn client(server: &Server) -> Client {
    Client::new(&format!("http://{}", server.http_address())).unwrap()
}
