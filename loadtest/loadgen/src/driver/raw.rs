//! Kafka by a client of our own: many connections on few threads, requests pipelined, producers idempotent.
//!
//! A library's threads for each connection would take the machine before the server does. Frames are in versions without compact
//! lengths, which Tidelog and Apache Kafka both take. It knows one address: a cluster of one node.

mod codec;
mod consumer;
mod lane;
mod wire;

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tidelog_model::Codec;

use super::librdkafka::Librdkafka;
use super::sockets::{LOOK_EACH, Socket, Sockets};
use super::{Answer, Driver, Offered, Receiver, Senders};
use crate::plan::Plan;
use crate::record::Head;
use crate::schedule::{Clock, Moment};
use crate::target::Addresses;
use crate::workload::Compression;
use codec::Folder;
use consumer::Consumer;
use lane::Lane;
use wire::{Api, Body, Reader, frame, take_frame};

/// A request that prepares the run.
const PATIENCE: Duration = Duration::from_secs(60);
/// Until a server that has just started is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// What all connections together may hold of records that wait.
const WAITING_BYTES_MAX: usize = 512 << 20;

pub(crate) struct Raw {
    address: String,
    library: Librdkafka,
}

impl Raw {
    pub(crate) fn new(addresses: &Addresses) -> Raw {
        Raw { address: addresses.kafka.clone(), library: Librdkafka::new(addresses) }
    }
}

impl Driver for Raw {
    fn name(&self) -> String {
        "raw Kafka connections".to_owned()
    }

    /// Made by the library. They are there when each can be read: a server may say "made" before its parts have all heard of it.
    fn create_topics(&self, plan: &Plan) -> anyhow::Result<()> {
        self.library.create_topics(plan)?;
        let deadline = Instant::now() + PATIENCE;
        let clock = Clock::begins_in(Duration::ZERO);
        let places: Vec<u32> = (0..plan.workload.places()).collect();
        for places in places.chunks(10_000) {
            let mut consumer = Consumer::connect(&self.address, plan, clock, places)?;
            while let Err(error) = consumer.probe() {
                ensure!(Instant::now() < deadline, "the topics are not there: {error:#}");
                std::thread::sleep(ASK_AGAIN);
            }
        }
        Ok(())
    }

    fn delete_topics(&self, plan: &Plan) -> anyhow::Result<()> {
        self.library.delete_topics(plan)
    }

    fn senders<'a>(
        &'a self,
        plan: &'a Plan,
        clock: Clock,
        connections: &[u32],
    ) -> anyhow::Result<Box<dyn Senders + 'a>> {
        let mut sockets = Vec::new();
        for _ in connections {
            sockets.push(Socket::connect(&self.address)?);
        }
        let mut sockets = Sockets::new(sockets)?;
        (0..connections.len()).try_for_each(|index| sockets.send(index, &[&ask_for_producer()]))?;
        let mut lanes: Vec<Option<Lane>> = connections.iter().map(|_| None).collect();
        let deadline = Instant::now() + PATIENCE;
        while lanes.iter().any(Option::is_none) {
            ensure!(Instant::now() < deadline, "the server gives out no producer ids");
            sockets.turn(Duration::from_millis(100))?;
            let mut not_yet = Vec::new();
            for index in &sockets.ready {
                if let Some(answer) = take_frame(&mut sockets.all[*index].input)? {
                    lanes[*index] = Lane::new(plan, &answer)?;
                    not_yet.extend(lanes[*index].is_none().then_some(*index));
                }
            }
            if !not_yet.is_empty() {
                std::thread::sleep(ASK_AGAIN);
                not_yet.iter().try_for_each(|index| sockets.send(*index, &[&ask_for_producer()]))?;
            }
        }
        let bytes_max = WAITING_BYTES_MAX / plan.workload.connections as usize;
        Ok(Box::new(Connections {
            plan,
            clock,
            sockets,
            folder: Folder::new(codec(plan.workload.compression))?,
            first: connections.first().copied().unwrap_or(0),
            step: connections.get(1).map_or(1, |second| second - connections[0]),
            lanes: lanes.into_iter().flatten().collect(),
            active: Vec::new(),
            is_active: vec![false; connections.len()],
            waiting_max: (bytes_max / plan.workload.batch_bytes.max(plan.workload.record_bytes)).clamp(4, 10_000),
        }))
    }

    fn receiver<'a>(&'a self, plan: &'a Plan, clock: Clock, places: &[u32]) -> anyhow::Result<Box<dyn Receiver + 'a>> {
        Ok(Box::new(Consumer::connect(&self.address, plan, clock, places)?))
    }
}

struct Connections<'a> {
    plan: &'a Plan,
    clock: Clock,
    sockets: Sockets,
    folder: Folder,
    first: u32,
    step: u32,
    lanes: Vec<Lane>,
    /// Those of them that have something waiting, and which these are: only they are looked at.
    active: Vec<usize>,
    is_active: Vec<bool>,
    /// Batches of a connection, at most.
    waiting_max: usize,
}

impl Senders for Connections<'_> {
    fn offer(&mut self, head: &Head, value: &[u8]) -> anyhow::Result<Offered> {
        let index = ((head.producer - self.first) / self.step) as usize;
        if !self.is_active[index] {
            self.is_active[index] = true;
            self.active.push(index);
        }
        let lane = &mut self.lanes[index];
        Ok(lane.offer(head, value, self.clock.now(), self.plan.workload.batch_bytes, self.waiting_max))
    }

    fn turn(&mut self, until: Moment, answers: &mut Vec<Answer>) -> anyhow::Result<()> {
        let now = self.clock.now();
        let mut wait = now.until(until).max(LOOK_EACH * self.active.len() as u32);
        let mut at = 0;
        while let Some(index) = self.active.get(at).copied() {
            let lane = &mut self.lanes[index];
            while let Some(request) = lane.request(self.plan, &mut self.folder, now) {
                self.sockets.send(index, &[&request])?;
            }
            if let Some(next) = lane.next_is_due() {
                wait = wait.min(now.until(next));
            }
            if lane.has_waiting() {
                at += 1;
            } else {
                self.is_active[index] = false;
                self.active.swap_remove(at);
            }
        }
        self.sockets.turn(wait)?;
        let at = self.clock.now();
        for index in &self.sockets.ready {
            while let Some(answer) = take_frame(&mut self.sockets.all[*index].input)? {
                self.lanes[*index].answer(self.plan, &answer, at, answers)?;
            }
        }
        Ok(())
    }
}

fn codec(compression: Compression) -> Codec {
    match compression {
        Compression::None => Codec::None,
        Compression::Gzip => Codec::Gzip,
        Compression::Snappy => Codec::Snappy,
        Compression::Lz4 => Codec::Lz4,
        Compression::Zstd => Codec::Zstd,
    }
}

/// Without a transaction, and so with a time-out that nobody uses.
fn ask_for_producer() -> Vec<u8> {
    frame(Api::InitProducerId, 0, &Body::default().null_string().i32(60_000))
}

/// What an error code means; nothing for none.
fn error_of(code: i16) -> Option<String> {
    (code != 0).then(|| format!("Kafka's error {code}"))
}

/// The number of one of the run's topics.
fn topic_number(plan: &Plan, reader: &mut Reader<'_>) -> anyhow::Result<u32> {
    let name = reader.string()?;
    // The number is the last part of the name.
    let number =
        name.rsplit('-').next().and_then(|number| number.parse::<u32>().ok()).context("a topic of another run")?;
    if plan.topics.get(number as usize).is_none_or(|known| known != name) {
        bail!("a topic of another run: {name}");
    }
    Ok(number)
}
