//! Real clients do what their users do, against a server of their own.

#![allow(clippy::unwrap_used)]

mod confluent;
mod curl;
mod curl_pages;
mod groups;
mod http_groups;
mod java;
mod kcat;
mod librdkafka;
mod lifecycle;
mod membership;
mod pyarrow;
mod quotas;
mod recreation;
mod rskafka_client;
mod topic_settings;

use tidelog_clients::Server;
use tidelog_clients::server::Options;

/// A server with default settings.
fn server() -> Server {
    Server::start(Options::default()).expect("the server starts")
}

/// Texts that are different, of which half compresses, with some that are empty or larger than a buffer.
fn texts(count: usize) -> Vec<String> {
    (0..count)
        .map(|index| match index % 50 {
            7 => String::new(),
            11 => format!("{index}:{}", "wide ".repeat(4_000)),
            _ => format!("{index}:{:x}", (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        })
        .collect()
}
