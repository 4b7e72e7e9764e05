//! One connection's records: batches that gather, requests under way, and what was answered.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use tidelog_format::records::BatchBuilder;
use tidelog_model::{ProducerEpoch, ProducerId, TimestampMs};

use super::codec::Folder;
use super::wire::{Api, Body, Reader, frame};
use super::{error_of, topic_number};
use crate::driver::{Answer, Offered};
use crate::plan::Plan;
use crate::record::Head;
use crate::schedule::Moment;

/// Requests that may be under way: what Kafka remembers of an idempotent producer.
const UNDER_WAY_MAX: usize = 5;
/// Bytes of a request, about.
const REQUEST_BYTES_MAX: usize = 1 << 20;
const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
const TIMEOUT_MS: i32 = 30_000;

pub(super) struct Lane {
    producer: ProducerId,
    epoch: ProducerEpoch,
    linger: Duration,
    /// In the order in which they were begun.
    waiting: BTreeMap<u64, Waiting>,
    next_number: u64,
    /// The batch of each place that takes more.
    open: HashMap<u32, u64>,
    sequences: HashMap<u32, i32>,
    under_way: VecDeque<Request>,
    correlation: i32,
}

/// A batch that gathers.
struct Waiting {
    place: u32,
    since: Moment,
    is_full: bool,
    builder: BatchBuilder,
    heads: Vec<Head>,
}

struct Request {
    correlation: i32,
    heads: HashMap<u32, Vec<Head>>,
}

impl Lane {
    /// Of a producer that `answer` is about; nothing when the server is not ready to say (Apache Kafka soon after it has started).
    pub(super) fn new(plan: &Plan, answer: &[u8]) -> anyhow::Result<Option<Lane>> {
        let mut reader = Reader::of_answer(answer, 0)?;
        reader.i32()?;
        let code = reader.i16()?;
        if code == COORDINATOR_LOAD_IN_PROGRESS {
            return Ok(None);
        }
        ensure!(code == 0, "no producer id is given out: error {code}");
        Ok(Some(Lane {
            producer: ProducerId(reader.i64()?),
            epoch: ProducerEpoch(reader.i16()?),
            linger: Duration::from_millis(u64::from(plan.workload.linger_ms)),
            waiting: BTreeMap::new(),
            next_number: 0,
            open: HashMap::new(),
            sequences: HashMap::new(),
            under_way: VecDeque::new(),
            correlation: 0,
        }))
    }

    /// Puts a record into the batch of its place.
    pub(super) fn offer(
        &mut self,
        head: &Head,
        value: &[u8],
        now: Moment,
        bytes_max: usize,
        waiting_max: usize,
    ) -> Offered {
        let more = BatchBuilder::record_bytes_max(None, Some(value), &[]);
        let fits = |batch: &Waiting| batch.builder.bytes() + more <= bytes_max;
        let open = self.open.get(&head.place).copied();
        let open = open.filter(|number| match self.waiting.get_mut(number) {
            Some(batch) if fits(batch) => true,
            Some(batch) => {
                batch.is_full = true;
                false
            }
            None => false,
        });
        let number = match open {
            Some(number) => number,
            None if self.waiting.len() >= waiting_max => return Offered::Full,
            None => {
                let number = self.next_number;
                self.next_number += 1;
                let (builder, heads) = (BatchBuilder::default(), Vec::new());
                self.waiting.insert(number, Waiting { place: head.place, since: now, is_full: false, builder, heads });
                self.open.insert(head.place, number);
                number
            }
        };
        let batch = self.waiting.get_mut(&number).expect("it is there or was made");
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        batch.builder.push(TimestampMs(since.as_millis() as i64), None, Some(value), &[]);
        batch.heads.push(*head);
        Offered::Taken
    }

    /// Whether something waits, be it for its linger or for an answer.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// When a batch has gathered for long enough, if a request may be sent then.
    pub(super) fn next_is_due(&self) -> Option<Moment> {
        let first = self.waiting.values().next().filter(|_| self.under_way.len() < UNDER_WAY_MAX)?;
        Some(first.since.plus(self.linger))
    }

    /// A request with what is due, if something is and it may be sent.
    pub(super) fn request(&mut self, plan: &Plan, folder: &mut Folder, now: Moment) -> Option<Vec<u8>> {
        if self.under_way.len() >= UNDER_WAY_MAX || self.waiting.is_empty() {
            return None;
        }
        let (mut places, mut numbers, mut bytes) = (HashSet::new(), Vec::new(), 0);
        for (number, batch) in &self.waiting {
            let is_due = batch.is_full || now >= batch.since.plus(self.linger);
            // One batch of a partition in each request, and none before those in front of it.
            if places.insert(batch.place) && is_due {
                numbers.push(*number);
                bytes += batch.builder.bytes();
            }
            if bytes >= REQUEST_BYTES_MAX || (!is_due && batch.since > now) {
                break;
            }
        }
        if numbers.is_empty() {
            return None;
        }
        let mut topics: BTreeMap<u32, Vec<(i32, Vec<u8>)>> = BTreeMap::new();
        let mut heads = HashMap::new();
        for number in numbers {
            let mut batch = self.waiting.remove(&number).expect("it was found above");
            if self.open.get(&batch.place) == Some(&number) {
                self.open.remove(&batch.place);
            }
            let sequence = self.sequences.entry(batch.place).or_insert(0);
            let built = batch.builder.finish_as(self.producer, self.epoch, *sequence);
            // After 2³¹ − 1 comes 0.
            *sequence = ((i64::from(*sequence) + batch.heads.len() as i64) % (1 << 31)) as i32;
            let records = folder.fold(built.into_bytes());
            let partition = (batch.place % plan.workload.partitions) as i32;
            topics.entry(batch.place / plan.workload.partitions).or_default().push((partition, records));
            heads.insert(batch.place, batch.heads);
        }
        let mut body = Body::default().null_string().i16(-1).i32(TIMEOUT_MS).count(topics.len());
        for (topic, partitions) in topics {
            body = body.string(&plan.topics[topic as usize]).count(partitions.len());
            for (partition, records) in partitions {
                body = body.i32(partition).bytes(&records);
            }
        }
        self.correlation = self.correlation.wrapping_add(1);
        self.under_way.push_back(Request { correlation: self.correlation, heads });
        Some(frame(Api::Produce, self.correlation, &body))
    }

    /// An answer came.
    pub(super) fn answer(
        &mut self,
        plan: &Plan,
        answer: &[u8],
        at: Moment,
        answers: &mut Vec<Answer>,
    ) -> anyhow::Result<()> {
        let mut request = self.under_way.pop_front().context("an answer that nobody waits for")?;
        let mut reader = Reader::of_answer(answer, request.correlation)?;
        for _ in 0..reader.count()? {
            let topic = topic_number(plan, &mut reader)?;
            for _ in 0..reader.count()? {
                let partition = u32::try_from(reader.i32()?)?;
                let failure = error_of(reader.i16()?);
                // Base offset, time of append, beginning of the log.
                reader.skip(24)?;
                let heads = request.heads.remove(&(topic * plan.workload.partitions + partition));
                let heads = heads.context("an answer about a partition that was not written to")?;
                answers.extend(heads.into_iter().map(|head| Answer { head, at, failure: failure.clone() }));
            }
        }
        ensure!(request.heads.is_empty(), "an answer says nothing of some partitions");
        Ok(())
    }
}

#[cfg(test)]
#[path = "lane_test.rs"]
mod tests;
