//! Followers of events, one of each partition and one of the topic as a whole. After each end of their stream they go on with
//! the last id that they were told, as a browser does, and with nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tidelog_history::Seen;

use super::{AWAY, RECORDS, client, seen};
use crate::http::{Came, Event, Events, NotOpened};
use crate::kills::clients::{self, Client, Reader};
use crate::kills::world::{PARTITIONS, TOPIC, World};

const OF_PARTITIONS_FROM: u32 = 50;
const OF_THE_TOPIC: Client = client(60, "follower of the topic");
/// Records written down as one read.
const READ_RECORDS_MAX: usize = 500;
/// What has come is written down when nothing more comes for so long.
const MOMENT: Duration = Duration::from_millis(50);
/// Problems of a stream with which its reader comes again.
const COME_AGAIN: [&str; 4] = ["unavailable", "overloaded", "timeout", "stopping"];

pub(super) fn start(world: &Arc<World>) -> Vec<JoinHandle<()>> {
    let of_partitions = (0..PARTITIONS).map(|partition| {
        let path = format!("/v1/topics/{TOPIC}/partitions/{partition}/records?value_format=base64");
        let client = client(OF_PARTITIONS_FROM + partition, "follower of a partition");
        clients::start(world, client, move |world| Follower::new(world, client, path).follow())
    });
    let of_the_topic = clients::start(world, OF_THE_TOPIC, |world| {
        Follower::new(world, OF_THE_TOPIC, format!("{RECORDS}?value_format=base64")).follow()
    });
    of_partitions.chain([of_the_topic]).collect()
}

struct Follower<'a> {
    world: &'a World,
    reader: Reader,
    path: String,
    last_id: Option<String>,
    /// What is not written down yet.
    came: BTreeMap<u32, Vec<Seen>>,
    records: usize,
}

impl<'a> Follower<'a> {
    fn new(world: &'a World, client: Client, path: String) -> Follower<'a> {
        Follower { world, reader: Reader::new(client), path, last_id: None, came: BTreeMap::new(), records: 0 }
    }

    fn follow(mut self) -> anyhow::Result<()> {
        while !self.world.is_stopping() {
            match Events::open(&self.world.http_address, &self.path, self.last_id.as_deref(), MOMENT) {
                Ok(events) => {
                    let ended = self.take_all(events);
                    self.write_down();
                    ended?;
                }
                Err(NotOpened::Away) => {}
                Err(NotOpened::Refused(_, problem)) => check_comes_again(&problem)?,
            }
            self.world.pace(AWAY);
        }
        Ok(())
    }

    /// Until the stream breaks off.
    fn take_all(&mut self, mut events: Events) -> anyhow::Result<()> {
        while !self.world.is_stopping() {
            match events.next_event() {
                Ok(Came::Event(event)) => self.take(event)?,
                Ok(Came::Nothing) => self.write_down(),
                Ok(Came::End) | Err(_) => return Ok(()),
            }
            if self.records >= READ_RECORDS_MAX {
                self.write_down();
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> anyhow::Result<()> {
        let Event { id, name, data } = event;
        if name == "problem" {
            return check_comes_again(&serde_json::from_str(&data)?);
        }
        ensure!(name.is_empty(), "an event {name:?} that nobody has heard of: {data}");
        if !data.is_empty() {
            ensure!(id.is_some(), "an event without an id: {data}");
            let record: Value = serde_json::from_str(&data)?;
            let (partition, seen) = seen(&record).with_context(|| format!("{data} is a record"))?;
            self.came.entry(partition).or_default().push(seen);
            self.records += 1;
        }
        self.last_id = id.or(self.last_id.take());
        Ok(())
    }

    fn write_down(&mut self) {
        self.reader.came(self.world, std::mem::take(&mut self.came));
        self.records = 0;
    }
}

fn check_comes_again(problem: &Value) -> anyhow::Result<()> {
    if !COME_AGAIN.iter().any(|code| problem["code"] == *code) {
        bail!("refused for good: {problem}");
    }
    Ok(())
}
