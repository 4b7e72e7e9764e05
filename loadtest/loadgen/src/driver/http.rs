//! HTTP: records as lines, a request at a time on each connection, and readers of events, one for each partition.

mod answer;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use super::sockets::{LOOK_EACH, Socket, Sockets};
use super::{Answer, Arrived, Driver, Offered, Receiver, Senders};
use crate::plan::Plan;
use crate::reach::connect;
use crate::record::Head;
use crate::schedule::{Clock, Moment};
use crate::target::Addresses;
use answer::{Chunks, take_answer, take_head};

const PATIENCE: Duration = Duration::from_secs(60);
/// Of a server that may be gone.
const DELETE_PATIENCE: Duration = Duration::from_secs(15);
/// What all connections together may hold of records that wait.
const WAITING_BYTES_MAX: usize = 512 << 20;

pub(crate) struct Http {
    address: String,
}

impl Http {
    pub(crate) fn new(addresses: &Addresses) -> Http {
        Http { address: addresses.http.clone() }
    }
}

impl Driver for Http {
    fn name(&self) -> String {
        "HTTP/1.1 lines and events".to_owned()
    }

    fn create_topics(&self, plan: &Plan) -> anyhow::Result<()> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        for topic in &plan.topics {
            let body = format!("{{\"name\":\"{topic}\",\"partitions\":{}}}", plan.workload.partitions);
            let head = format!(
                "POST /v1/topics HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let (status, answer) = ask(&mut stream, &(head + &body))?;
            ensure!(status == 200 || status == 201, "creating {topic}: {status} {answer}");
        }
        Ok(())
    }

    fn delete_topics(&self, plan: &Plan) -> anyhow::Result<()> {
        let mut stream = connect(&self.address)?;
        stream.set_read_timeout(Some(DELETE_PATIENCE))?;
        for topic in &plan.topics {
            let request = format!("DELETE /v1/topics/{topic} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
            let (status, answer) = ask(&mut stream, &request)?;
            ensure!(matches!(status, 200 | 204 | 404), "deleting {topic}: {status} {answer}");
        }
        Ok(())
    }

    fn senders<'a>(
        &'a self,
        plan: &'a Plan,
        clock: Clock,
        connections: &[u32],
    ) -> anyhow::Result<Box<dyn Senders + 'a>> {
        let sockets = connections.iter().map(|_| Socket::connect(&self.address)).collect::<anyhow::Result<_>>()?;
        let bytes_max = WAITING_BYTES_MAX / plan.workload.connections as usize;
        let waiting_max = (bytes_max / plan.workload.batch_bytes.max(plan.workload.record_bytes)).clamp(2, 10_000);
        Ok(Box::new(Connections {
            plan,
            clock,
            sockets: Sockets::new(sockets)?,
            first: connections.first().copied().unwrap_or(0),
            step: connections.get(1).map_or(1, |second| second - connections[0]),
            lanes: connections.iter().map(|_| Lane::default()).collect(),
            waiting_max,
        }))
    }

    fn receiver<'a>(&'a self, plan: &'a Plan, clock: Clock, places: &[u32]) -> anyhow::Result<Box<dyn Receiver + 'a>> {
        let (mut sockets, mut requests) = (Vec::new(), Vec::new());
        for place in places {
            let (topic, partition) = plan.topic_and_partition(*place);
            sockets.push(Socket::connect(&self.address)?);
            requests.push(format!(
                "GET /v1/topics/{topic}/partitions/{partition}/records?from=earliest HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n"
            ));
        }
        let mut sockets = Sockets::new(sockets)?;
        requests.iter().enumerate().try_for_each(|(index, request)| sockets.send(index, &[request.as_bytes()]))?;
        let streams = places.iter().map(|place| Stream { place: *place, chunks: None, lines: Vec::new() }).collect();
        Ok(Box::new(Streams { clock, sockets, streams }))
    }
}

/// Waits for the answer to a request.
fn ask(stream: &mut TcpStream, request: &str) -> anyhow::Result<(u16, String)> {
    stream.write_all(request.as_bytes())?;
    let mut input = Vec::new();
    loop {
        if let Some(answer) = take_answer(&mut input)? {
            return Ok(answer);
        }
        let mut part = [0; 4096];
        let count = stream.read(&mut part)?;
        ensure!(count > 0, "the server ended the connection");
        input.extend_from_slice(&part[..count]);
    }
}

/// What waits for one connection, and what it is waiting for.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<Batch>,
    /// Of the request that is under way.
    under_way: Option<Vec<Head>>,
}

/// Lines of one topic.
struct Batch {
    topic: u32,
    since: Moment,
    lines: Vec<u8>,
    heads: Vec<Head>,
}

struct Connections<'a> {
    plan: &'a Plan,
    clock: Clock,
    sockets: Sockets,
    first: u32,
    step: u32,
    lanes: Vec<Lane>,
    /// Batches of a connection, at most.
    waiting_max: usize,
}

impl Senders for Connections<'_> {
    fn offer(&mut self, head: &Head, value: &[u8]) -> anyhow::Result<Offered> {
        let workload = &self.plan.workload;
        let lane = &mut self.lanes[((head.producer - self.first) / self.step) as usize];
        let (topic, partition) = (head.place / workload.partitions, head.place % workload.partitions);
        let fits = |batch: &&mut Batch| batch.topic == topic && batch.lines.len() + value.len() <= workload.batch_bytes;
        if lane.waiting.back_mut().filter(fits).is_none() {
            if lane.waiting.len() >= self.waiting_max {
                return Ok(Offered::Full);
            }
            lane.waiting.push_back(Batch { topic, since: self.clock.now(), lines: Vec::new(), heads: Vec::new() });
        }
        let batch = lane.waiting.back_mut().context("it was made above")?;
        write!(batch.lines, "{{\"partition\":{partition},\"value\":\"")?;
        batch.lines.extend_from_slice(value);
        batch.lines.extend_from_slice(b"\"}\n");
        batch.heads.push(*head);
        Ok(Offered::Taken)
    }

    fn turn(&mut self, until: Moment, answers: &mut Vec<Answer>) -> anyhow::Result<()> {
        let now = self.clock.now();
        let linger = Duration::from_millis(u64::from(self.plan.workload.linger_ms));
        let mut wait = now.until(until).max(LOOK_EACH * self.lanes.len() as u32);
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let Some(batch) = lane.waiting.front().filter(|_| lane.under_way.is_none()) else { continue };
            let sent_at = batch.since.plus(linger);
            // A batch with another one behind it is full.
            if now < sent_at && lane.waiting.len() == 1 {
                wait = wait.min(now.until(sent_at));
                continue;
            }
            let batch = lane.waiting.pop_front().context("it was looked at above")?;
            let head = format!(
                "POST /v1/topics/{}/records HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
                self.plan.topics[batch.topic as usize],
                batch.lines.len()
            );
            self.sockets.send(index, &[head.as_bytes(), &batch.lines])?;
            lane.under_way = Some(batch.heads);
        }
        self.sockets.turn(wait)?;
        let at = self.clock.now();
        for index in &self.sockets.ready {
            let Some((status, body)) = take_answer(&mut self.sockets.all[*index].input)? else { continue };
            let heads = self.lanes[*index].under_way.take().context("an answer that nobody waits for")?;
            let failure = (status != 200).then(|| format!("{status} {body}"));
            answers.extend(heads.into_iter().map(|head| Answer { head, at, failure: failure.clone() }));
        }
        Ok(())
    }
}

struct Stream {
    place: u32,
    /// Once the head has come.
    chunks: Option<Chunks>,
    /// As much of a line as has come.
    lines: Vec<u8>,
}

/// What is looked at of an event's data.
#[derive(Deserialize)]
struct Data<'a> {
    offset: i64,
    #[serde(borrow)]
    value: Option<&'a str>,
}

struct Streams {
    clock: Clock,
    sockets: Sockets,
    streams: Vec<Stream>,
}

impl Receiver for Streams {
    fn turn(&mut self, wait: Duration, visit: &mut dyn FnMut(&Arrived<'_>)) -> anyhow::Result<()> {
        self.sockets.turn(wait)?;
        let at = self.clock.now();
        for index in &self.sockets.ready {
            let (stream, input) = (&mut self.streams[*index], &mut self.sockets.all[*index].input);
            if stream.chunks.is_none() {
                let Some(status) = take_head(input)? else { continue };
                ensure!(status == 200, "reading: status {status}");
                stream.chunks = Some(Chunks::default());
            }
            let chunks = stream.chunks.as_mut().context("made above")?;
            chunks.take(input, &mut stream.lines)?;
            let whole = stream.lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            for line in stream.lines[..whole].split(|byte| *byte == b'\n') {
                if line == b"event: problem" {
                    bail!("a stream of events ended with a problem");
                }
                let Some(data) = line.strip_prefix(b"data:").filter(|data| !data.trim_ascii().is_empty()) else {
                    continue;
                };
                let data: Data<'_> = serde_json::from_slice(data).context("an event's data")?;
                let value = data.value.unwrap_or_default().as_bytes();
                visit(&Arrived { place: stream.place, offset: data.offset, value, at });
            }
            stream.lines.drain(..whole);
        }
        Ok(())
    }
}
