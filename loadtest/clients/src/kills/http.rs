//! HTTP clients of a kill run: appenders of each kind, followers of each kind, a reader of pages and a poller.
//!
//! Records are the history's bytes, as base64 where there is JSON around them. `answers.rs` is what an answer says of each
//! record.

mod answers;
mod followers;
mod lines;
mod lists;
mod pages;
mod repeated;
mod sequenced;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tidelog_history::{Append, Guarantees, Seen};

use super::clients::{self, Appender, Client, Door};
use super::world::World;

pub(crate) use pages::read_everything;

/// Where records are appended to, and where a topic is read as a whole.
const RECORDS: &str = "/v1/topics/kills/records";
const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
/// A record that no server takes.
const WRONG: &str = "{\"value_base64\":\"?\"}";
/// Something is appended so often.
const PACE: Duration = Duration::from_millis(20);
/// How long to let pass when there was no answer.
const AWAY: Duration = Duration::from_millis(20);

/// A way to append, with the name of who does it and what it promises.
type Way = (&'static str, Guarantees, fn(&World, Appender) -> anyhow::Result<()>);

const ONCE: Guarantees = Guarantees { idempotent: true, ordered: true };
const PLAIN: Guarantees = Guarantees { idempotent: false, ordered: true };
const APPENDERS: [Way; 4] = [
    ("lists", PLAIN, lists::append),
    ("lines", PLAIN, lines::append),
    ("lists with a key", ONCE, repeated::append),
    ("producer", ONCE, sequenced::append),
];
const APPENDERS_FROM: u32 = 40;

/// Starts all of them; they end when the world stops, the appenders after their last record is answered.
pub(crate) fn start(world: &Arc<World>, seed: u64) -> Vec<JoinHandle<()>> {
    let appenders = (APPENDERS_FROM..).zip(APPENDERS).map(|(process, (name, guarantees, append))| {
        let client = client(process, name);
        clients::start(world, client, move |world| append(world, Appender::new(client, guarantees, seed)))
    });
    appenders.chain(followers::start(world)).chain(pages::start(world)).collect()
}

const fn client(process: u32, name: &'static str) -> Client {
    Client { process, name, door: Door::Http }
}

fn content_type(name: &'static str) -> (&'static str, String) {
    ("content-type", name.to_owned())
}

/// A record to append, as JSON.
fn json_of(partition: u32, append: &Append) -> String {
    format!("{{\"partition\":{partition},\"value_base64\":\"{}\"}}", STANDARD.encode(&append.bytes))
}

/// A record that was read as JSON, and its partition; `None` when it is none, with its value as base64.
fn seen(record: &Value) -> Option<(u32, Seen)> {
    let partition = u32::try_from(record["partition"].as_u64()?).ok()?;
    let value = STANDARD.decode(record["value_base64"].as_str()?).ok()?;
    Some((partition, Seen::read(record["offset"].as_u64()?, &value)))
}
