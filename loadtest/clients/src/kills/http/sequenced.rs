//! A producer with several requests under way, each sent again until it is answered. Which of them arrives first is chance.

use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::Value;
use tidelog_history::Append;

use super::repeated::until_stored;
use super::{AWAY, NDJSON, PACE, RECORDS, answers, content_type, json_of};
use crate::http::Http;
use crate::kills::clients::Appender;
use crate::kills::world::World;

/// Requests under way at once. The server remembers the last five batches, and each of these is one.
const LANES: usize = 3;
/// Even the largest ones are one batch.
const RECORDS_MAX: u64 = 3;
/// Whoever is ahead of what is on its way is refused after a while, and comes again.
const AHEAD: &str = "out_of_order";

/// A request in a producer's sequence.
struct Request {
    sequence: u64,
    appends: Vec<Append>,
    body: String,
}

pub(super) fn append(world: &World, mut appender: Appender) -> anyhow::Result<()> {
    let mut lanes: Vec<Http> = (0..LANES).map(|_| Http::new(&world.http_address)).collect();
    let Some(opened) = open(world, &mut lanes[0]) else { return Ok(()) };
    while !world.pace(if appender.is_pressed(world) { Duration::ZERO } else { PACE }) {
        let is_pressed = appender.is_pressed(world);
        let partition = appender.any_partition();
        // The first of a partition goes alone.
        let requests = if appender.begun(partition) == 0 { 1 } else { LANES };
        let requests: Vec<Request> =
            (0..requests).map(|_| Request::begin(world, &mut appender, partition, is_pressed)).collect();
        let (path, opened) = (&format!("{RECORDS}?partition={partition}"), &opened);
        let answers: Vec<anyhow::Result<Value>> = std::thread::scope(|scope| {
            let sending = lanes.iter_mut().zip(&requests);
            let sending = sending.map(|(http, request)| scope.spawn(move || request.send(http, path, opened)));
            let sending: Vec<_> = sending.collect();
            sending.into_iter().map(|sent| sent.join().map_err(|_| anyhow!("it panicked"))?).collect()
        });
        for (request, told) in requests.iter().zip(answers) {
            let outcomes = answers::of_lines(&Ok((200, told?)), &vec![Some(partition); request.appends.len()])?;
            for (append, outcome) in request.appends.iter().zip(outcomes) {
                world.append_ends(appender.client, append.operation, outcome);
            }
        }
    }
    Ok(())
}

/// Opens a producer, which nobody else is: one whose answer is lost is never used. `None` when it is time to stop.
fn open(world: &World, http: &mut Http) -> Option<Value> {
    loop {
        if let Ok((201, opened)) = http.send("POST", "/v1/producers", &[], &[]) {
            return Some(opened);
        }
        if world.pace(AWAY) {
            return None;
        }
    }
}

impl Request {
    fn begin(world: &World, appender: &mut Appender, partition: u32, is_pressed: bool) -> Request {
        let sequence = appender.begun(partition);
        let records = 1 + appender.chance.below(RECORDS_MAX);
        let appends: Vec<Append> = (0..records).map(|_| appender.begin(world, partition, is_pressed)).collect();
        let body = appends.iter().map(|append| format!("{}\n", json_of(partition, append))).collect();
        Request { sequence, appends, body }
    }

    fn send(&self, http: &mut Http, path: &str, opened: &Value) -> anyhow::Result<Value> {
        let headers = [
            content_type(NDJSON),
            ("producer-id", opened["producer_id"].to_string()),
            ("producer-epoch", opened["epoch"].to_string()),
            ("producer-sequence", self.sequence.to_string()),
        ];
        let told = until_stored(http, path, &headers, self.body.as_bytes(), &[AHEAD]);
        told.with_context(|| format!("sequence {}", self.sequence))
    }
}
