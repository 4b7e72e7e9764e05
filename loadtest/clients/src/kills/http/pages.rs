//! A reader of pages, a poller of bounds, and the full read at the end by this door.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tidelog_history::{Bounds, Seen};

use super::{client, seen};
use crate::http::{Answer, Http};
use crate::kills::clients::{self, Client, Reader, bounds_begin, bounds_end};
use crate::kills::world::{PARTITIONS, TOPIC, World};

const PAGES: Client = client(61, "reader of pages");
const POLLER: Client = client(62, "poller");
const LAST_READER: Client = client(31, "last reader");
const PACE: Duration = Duration::from_millis(25);

/// What a page told.
struct Page {
    next: u64,
    records: Vec<Seen>,
    bounds: Bounds,
}

pub(super) fn start(world: &Arc<World>) -> Vec<JoinHandle<()>> {
    let pages = clients::start(world, PAGES, |world| read_pages(world));
    let poller = clients::start(world, POLLER, |world| ask_again_and_again(world));
    vec![pages, poller]
}

/// Reads a page of one partition after another, each from where the one before ended.
fn read_pages(world: &World) -> anyhow::Result<()> {
    let (mut http, mut reader) = (Http::new(&world.http_address), Reader::new(PAGES));
    let mut partition = 0;
    while !world.pace(PACE) {
        partition = (partition + 1) % PARTITIONS;
        read_page(world, &mut http, &mut reader, partition)?;
    }
    Ok(())
}

/// Reads every partition from its start to its end, after all kills.
pub(crate) fn read_everything(world: &World) -> anyhow::Result<()> {
    let (mut http, mut reader) = (Http::new(&world.http_address), Reader::last(LAST_READER));
    for partition in 0..PARTITIONS {
        loop {
            let from = reader.next(partition);
            let bounds = read_page(world, &mut http, &mut reader, partition)?.context("nobody is killed any more")?;
            let next = reader.next(partition);
            if next >= bounds.high {
                break;
            }
            ensure!(
                next > from,
                "the full read stands at {from} of partition {partition}, which ends at {}",
                bounds.high
            );
        }
    }
    Ok(())
}

/// Reads the next page and writes it down. `None` when there is no answer.
fn read_page(world: &World, http: &mut Http, reader: &mut Reader, partition: u32) -> anyhow::Result<Option<Bounds>> {
    let from = reader.next(partition);
    let path = format!("/v1/topics/{TOPIC}/partitions/{partition}/records?value_format=base64&from={from}");
    let operation = reader.begins(world, partition);
    let Some(told) = told(http.send("GET", &path, &[], &[]))? else { return Ok(None) };
    let Page { next, records, bounds } = page(&told, partition).with_context(|| format!("{path}: {told}"))?;
    reader.ends(world, partition, operation, (next, records, Some(bounds)));
    Ok(Some(bounds))
}

fn page(told: &Value, partition: u32) -> anyhow::Result<Page> {
    let records = told["records"].as_array().context("a page has records")?;
    let records = records.iter().map(|record| match seen(record) {
        Some((of, seen)) if of == partition => Ok(seen),
        Some(_) | None => bail!("no record of partition {partition}: {record}"),
    });
    let next = told["next_offset"].as_u64().context("a page tells where to go on")?;
    let high = told["high_watermark"].as_u64().context("a page tells the high watermark")?;
    // It does not tell where the log begins, and here that is always at 0.
    Ok(Page { next, records: records.collect::<anyhow::Result<_>>()?, bounds: Bounds { low: 0, high } })
}

/// Asks for the bounds of all partitions, as one question to the server.
fn ask_again_and_again(world: &World) -> anyhow::Result<()> {
    let mut http = Http::new(&world.http_address);
    while !world.pace(PACE) {
        let operations: Vec<u64> = (0..PARTITIONS).map(|partition| bounds_begin(world, POLLER, partition)).collect();
        let Some(told) = told(http.send("GET", &format!("/v1/topics/{TOPIC}"), &[], &[]))? else { continue };
        for (partition, operation) in (0..PARTITIONS).zip(operations) {
            let of = &told["partitions"][usize::try_from(partition)?];
            ensure!(of["partition"] == partition, "partitions come in order: {told}");
            let number = |name: &str| of[name].as_u64().with_context(|| format!("{of} has a {name}"));
            bounds_end(world, POLLER, operation, Bounds { low: number("log_start")?, high: number("high_watermark")? });
        }
    }
    Ok(())
}

/// What was answered; `None` while the server is away.
fn told(answer: Answer) -> anyhow::Result<Option<Value>> {
    match answer {
        Ok((200, told)) => Ok(Some(told)),
        Ok((503 | 504, _)) | Err(_) => Ok(None),
        Ok((status, problem)) => bail!("{status}: {problem}"),
    }
}
