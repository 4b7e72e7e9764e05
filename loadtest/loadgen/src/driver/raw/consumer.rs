//! A connection that reads: one Fetch under way, and the next one as soon as it is answered, in a fetch session.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tidelog_format::records::for_each_record;

use super::codec::Unfolder;
use super::topic_number;
use super::wire::{Api, Body, Reader, frame, take_frame};
use crate::driver::sockets::{Socket, Sockets};
use crate::driver::{Arrived, Receiver};
use crate::plan::Plan;
use crate::schedule::{Clock, Moment};

const WAIT_MS: i32 = 100;
const ANSWER_BYTES_MAX: i32 = 16 << 20;
const PARTITION_BYTES_MAX: i32 = 1 << 20;
/// The epoch of a request that begins no session.
const NO_SESSION: i32 = -1;
/// Of a follower that is none.
const NO_LOG_START: i64 = -1;
const FETCH_SESSION_ID_NOT_FOUND: i16 = 70;
const INVALID_FETCH_SESSION_EPOCH: i16 = 71;
const PATIENCE: Duration = Duration::from_secs(60);
/// Base offset and length, which say how long a batch is.
const BATCH_PREFIX_BYTES: usize = 12;

pub(super) struct Consumer<'a> {
    clock: Clock,
    sockets: Sockets,
    reading: Reading<'a>,
    is_under_way: bool,
}

impl<'a> Consumer<'a> {
    pub(super) fn connect(address: &str, plan: &'a Plan, clock: Clock, places: &[u32]) -> anyhow::Result<Consumer<'a>> {
        let sockets = Sockets::new(vec![Socket::connect(address)?])?;
        Ok(Consumer { clock, sockets, reading: Reading::of(plan, places)?, is_under_way: false })
    }

    /// Asks for nothing, to know whether all of its places can be read.
    pub(super) fn probe(&mut self) -> anyhow::Result<()> {
        self.sockets.send(0, &[&self.reading.request(0, Asking::Once)])?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            ensure!(Instant::now() < deadline, "no answer");
            self.sockets.turn(Duration::from_millis(100))?;
            if let Some(answer) = take_frame(&mut self.sockets.all[0].input)? {
                return self.reading.answered(&answer, self.clock.now(), &mut |_| {});
            }
        }
    }
}

impl Receiver for Consumer<'_> {
    fn turn(&mut self, wait: Duration, visit: &mut dyn FnMut(&Arrived<'_>)) -> anyhow::Result<()> {
        if !self.is_under_way {
            self.sockets.send(0, &[&self.reading.request(WAIT_MS, Asking::On)])?;
            self.is_under_way = true;
        }
        self.sockets.turn(wait)?;
        if let Some(answer) = take_frame(&mut self.sockets.all[0].input)? {
            self.is_under_way = false;
            self.reading.answered(&answer, self.clock.now(), visit)?;
        }
        Ok(())
    }
}

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    /// Without a session.
    Once,
    /// In the session, which begins with the first request.
    On,
}

/// Places, how far each is read, and the fetch session (KIP-227) that the server remembers them in: a request names only those
/// that have moved, and an answer only those with news. Without it a request of 100,000 partitions has two megabytes.
struct Reading<'a> {
    plan: &'a Plan,
    /// Places of each topic, and the next offset of each.
    topics: Vec<(u32, Vec<(u32, i64)>)>,
    /// Of these, by their indexes, the ones that the server has to be told of.
    moved: BTreeSet<(usize, usize)>,
    /// None where the server gives out none.
    session: i32,
    /// Of the next request; 0 names all places.
    epoch: i32,
    correlation: i32,
    unfolder: Unfolder,
}

impl<'a> Reading<'a> {
    fn of(plan: &'a Plan, places: &[u32]) -> anyhow::Result<Reading<'a>> {
        let mut topics: Vec<(u32, Vec<(u32, i64)>)> = Vec::new();
        for place in places {
            let (topic, partition) = (place / plan.workload.partitions, place % plan.workload.partitions);
            match topics.last_mut().filter(|(last, _)| *last == topic) {
                Some((_, partitions)) => partitions.push((partition, 0)),
                None => topics.push((topic, vec![(partition, 0)])),
            }
        }
        let unfolder = Unfolder::new()?;
        Ok(Reading { plan, topics, moved: BTreeSet::new(), session: 0, epoch: 0, correlation: 0, unfolder })
    }

    fn request(&mut self, wait_ms: i32, asking: Asking) -> Vec<u8> {
        let (session, epoch) = if asking == Asking::Once { (0, NO_SESSION) } else { (self.session, self.epoch) };
        let named: Vec<(usize, Vec<usize>)> = if epoch > 0 { self.take_moved() } else { self.all() };
        let body = Body::default().i32(-1).i32(wait_ms).i32(1).i32(ANSWER_BYTES_MAX).i8(0).i32(session).i32(epoch);
        let body = named.iter().fold(body.count(named.len()), |body, (topic, partitions)| {
            let (number, offsets) = &self.topics[*topic];
            let body = body.string(&self.plan.topics[*number as usize]).count(partitions.len());
            partitions.iter().fold(body, |body, partition| {
                let (partition, offset) = offsets[*partition];
                body.i32(partition as i32).i64(offset).i64(NO_LOG_START).i32(PARTITION_BYTES_MAX)
            })
        });
        self.correlation = self.correlation.wrapping_add(1);
        // Nothing is taken out of the session.
        frame(Api::Fetch, self.correlation, &body.count(0))
    }

    fn all(&mut self) -> Vec<(usize, Vec<usize>)> {
        self.moved.clear();
        self.topics
            .iter()
            .enumerate()
            .map(|(index, (_, partitions))| (index, (0..partitions.len()).collect()))
            .collect()
    }

    fn take_moved(&mut self) -> Vec<(usize, Vec<usize>)> {
        let mut named: Vec<(usize, Vec<usize>)> = Vec::new();
        for (topic, partition) in std::mem::take(&mut self.moved) {
            match named.last_mut().filter(|(last, _)| *last == topic) {
                Some((_, partitions)) => partitions.push(partition),
                None => named.push((topic, vec![partition])),
            }
        }
        named
    }

    fn answered(&mut self, answer: &[u8], at: Moment, visit: &mut dyn FnMut(&Arrived<'_>)) -> anyhow::Result<()> {
        let mut reader = Reader::of_answer(answer, self.correlation)?;
        reader.i32()?;
        match reader.i16()? {
            0 => {}
            // The server has forgotten it, as it may: the next request begins another one.
            FETCH_SESSION_ID_NOT_FOUND | INVALID_FETCH_SESSION_EPOCH if self.epoch > 0 => {
                (self.session, self.epoch) = (0, 0);
                return Ok(());
            }
            code => bail!("reading: error {code}"),
        }
        self.session = reader.i32()?;
        self.epoch = match self.session {
            0 => 0,
            // After 2³¹ − 1 comes 1, for 0 begins anew.
            _ => self.epoch.checked_add(1).unwrap_or(1),
        };
        for _ in 0..reader.count()? {
            let number = topic_number(self.plan, &mut reader)?;
            let topic = self.topics.binary_search_by_key(&number, |(topic, _)| *topic);
            let topic = topic.ok().context("a topic that was not asked for")?;
            let places = &mut self.topics[topic].1;
            for _ in 0..reader.count()? {
                let partition = u32::try_from(reader.i32()?)?;
                let code = reader.i16()?;
                ensure!(
                    code == 0,
                    "reading partition {partition} of {}: error {code}",
                    self.plan.topics[number as usize]
                );
                // High watermark, last stable offset, beginning of the log, and aborted transactions, of which there are none.
                reader.skip(24)?;
                for _ in 0..reader.count()? {
                    reader.skip(16)?;
                }
                let records = reader.bytes()?;
                let index = places.binary_search_by_key(&partition, |(partition, _)| *partition);
                let index = index.ok().context("a partition that was not asked for")?;
                let (next, place) = (&mut places[index].1, number * self.plan.workload.partitions + partition);
                let before = *next;
                show(records, next, &mut self.unfolder, &mut |offset, value| {
                    visit(&Arrived { place, offset, value, at })
                })?;
                if *next != before {
                    self.moved.insert((topic, index));
                }
            }
        }
        Ok(())
    }
}

/// Shows the records of whole batches from `next` on. The last batch may be cut off, and the first may begin before; what else
/// comes twice or out of order is shown as it came, for whoever checks.
fn show(
    records: &[u8],
    next: &mut i64,
    unfolder: &mut Unfolder,
    visit: &mut dyn FnMut(i64, &[u8]),
) -> anyhow::Result<()> {
    let (mut rest, asked, mut is_first) = (records, *next, true);
    while let Some(prefix) = rest.get(..BATCH_PREFIX_BYTES) {
        let base = i64::from_be_bytes(prefix[..8].try_into()?);
        let length = usize::try_from(i32::from_be_bytes(prefix[8..].try_into()?))?;
        let Some((batch, behind)) = rest.split_at_checked(BATCH_PREFIX_BYTES + length) else { break };
        for_each_record(unfolder.unfold(batch)?, |record| {
            let offset = base + i64::from(record.offset_delta);
            if offset >= asked || !is_first {
                visit(offset, record.value.unwrap_or_default());
                *next = (*next).max(offset + 1);
            }
            ControlFlow::Continue(())
        })?;
        is_first = false;
        rest = behind;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tidelog_format::records::BatchBuilder;
    use tidelog_model::TimestampMs;

    use super::*;
    use crate::workload::Workload;

    fn batch() -> Vec<u8> {
        let mut builder = BatchBuilder::default();
        builder.push(TimestampMs(1), None, Some(b"v"), &[]);
        builder.finish().into_bytes()
    }

    /// Session, epoch, and the topics and partitions that a request names.
    fn named(request: &[u8]) -> (i32, i32, Vec<(String, Vec<i32>)>) {
        let correlation = i32::from_be_bytes(request[8..12].try_into().unwrap());
        let mut reader = Reader::of_answer(&request[8..], correlation).unwrap();
        reader.string().unwrap();
        reader.skip(4 + 4 + 4 + 4 + 1).unwrap();
        let (session, epoch) = (reader.i32().unwrap(), reader.i32().unwrap());
        let mut topics = Vec::new();
        for _ in 0..reader.count().unwrap() {
            let topic = reader.string().unwrap().to_owned();
            let mut partitions = Vec::new();
            for _ in 0..reader.count().unwrap() {
                partitions.push(reader.i32().unwrap());
                reader.skip(8 + 8 + 4).unwrap();
            }
            topics.push((topic, partitions));
        }
        assert_eq!(reader.count().unwrap(), 0, "nothing is forgotten");
        (session, epoch, topics)
    }

    /// An answer of a session with records of some partitions of one topic.
    fn answer(reading: &Reading<'_>, code: i16, session: i32, topic: &str, partitions: &[i32]) -> Vec<u8> {
        let body = Body::default().i32(reading.correlation).i32(0).i16(code).i32(session).count(1).string(topic);
        let body = partitions.iter().fold(body.count(partitions.len()), |body, partition| {
            body.i32(*partition).i16(0).i64(1).i64(1).i64(0).i32(-1).bytes(&batch())
        });
        frame(Api::Fetch, 0, &body)[4 + 2 + 2 + 4 + 2 + "tidelog-loadgen".len()..].to_vec()
    }

    #[test]
    fn a_session_names_what_has_moved_alone_and_begins_anew_when_it_is_forgotten() {
        let set = ["topics=2", "partitions=3", "consumers=1"].map(str::to_owned);
        let plan = Plan::new(Workload::load("w4", &set).unwrap(), 1);
        let [first, second] = [0, 1].map(|topic: usize| plan.topics[topic].clone());
        let everything = vec![(first.clone(), vec![0, 1, 2]), (second.clone(), vec![0, 1, 2])];
        let mut reading = Reading::of(&plan, &[0, 1, 2, 3, 4, 5]).unwrap();
        let mut seen = 0;
        let mut take = |reading: &mut Reading<'_>, code, session, topic: &str, partitions: &[i32]| {
            let answer = answer(reading, code, session, topic, partitions);
            reading.answered(&answer, Moment(0), &mut |_| seen += 1)
        };
        assert_eq!(named(&reading.request(0, Asking::Once)), (0, -1, everything.clone()));
        assert_eq!(named(&reading.request(0, Asking::On)), (0, 0, everything.clone()));
        take(&mut reading, 0, 7, &second, &[0, 2]).unwrap();
        assert_eq!(named(&reading.request(0, Asking::On)), (7, 1, vec![(second.clone(), vec![0, 2])]));
        take(&mut reading, 0, 7, &first, &[1]).unwrap();
        assert_eq!(named(&reading.request(0, Asking::On)), (7, 2, vec![(first.clone(), vec![1])]));
        take(&mut reading, FETCH_SESSION_ID_NOT_FOUND, 0, &first, &[]).unwrap();
        assert_eq!(named(&reading.request(0, Asking::On)), (0, 0, everything.clone()));
        // No session is given out, so each request names all.
        take(&mut reading, 0, 0, &first, &[]).unwrap();
        assert_eq!(named(&reading.request(0, Asking::On)), (0, 0, everything));
        assert!(take(&mut reading, FETCH_SESSION_ID_NOT_FOUND, 0, &first, &[]).is_err(), "no session was asked for");
        assert_eq!(seen, 3);
    }

    #[test]
    fn whole_batches_are_shown_from_the_next_offset_on() {
        let batch = |base: i64| {
            let mut builder = BatchBuilder::default();
            (0..3).for_each(|_| builder.push(TimestampMs(1), None, Some(b"v"), &[]));
            let mut bytes = builder.finish().into_bytes();
            bytes[..8].copy_from_slice(&base.to_be_bytes());
            bytes
        };
        let mut unfolder = Unfolder::new().unwrap();
        let records = [batch(10), batch(13), batch(16)].concat();
        let (mut next, mut seen) = (12, Vec::new());
        show(&records[..records.len() - 1], &mut next, &mut unfolder, &mut |offset, _| seen.push(offset)).unwrap();
        assert_eq!((seen, next), (vec![12, 13, 14, 15], 16));
        let (mut next, mut seen) = (12, Vec::new());
        show(&[batch(10), batch(11)].concat(), &mut next, &mut unfolder, &mut |offset, _| seen.push(offset)).unwrap();
        assert_eq!((seen, next), (vec![12, 11, 12, 13], 14), "what overlaps is not hidden");
    }
}
