//! A connection that reads: one Fetch under way, and the next one as soon as it is answered.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tidelog_format::records::for_each_record;

use super::topic_number;
use super::wire::{Api, Body, Reader, frame, take_frame};
use crate::driver::sockets::{Socket, Sockets};
use crate::driver::{Arrived, Receiver};
use crate::plan::Plan;
use crate::schedule::Clock;

const WAIT_MS: i32 = 100;
const ANSWER_BYTES_MAX: i32 = 16 << 20;
const PARTITION_BYTES_MAX: i32 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(60);
/// Base offset and length, which say how long a batch is.
const BATCH_PREFIX_BYTES: usize = 12;

pub(super) struct Consumer<'a> {
    plan: &'a Plan,
    clock: Clock,
    sockets: Sockets,
    /// Places of each topic, and the next offset of each.
    topics: Vec<(u32, Vec<(u32, i64)>)>,
    correlation: i32,
    is_under_way: bool,
}

impl<'a> Consumer<'a> {
    pub(super) fn connect(address: &str, plan: &'a Plan, clock: Clock, places: &[u32]) -> anyhow::Result<Consumer<'a>> {
        let mut topics: Vec<(u32, Vec<(u32, i64)>)> = Vec::new();
        for place in places {
            let (topic, partition) = (place / plan.workload.partitions, place % plan.workload.partitions);
            match topics.last_mut().filter(|(last, _)| *last == topic) {
                Some((_, partitions)) => partitions.push((partition, 0)),
                None => topics.push((topic, vec![(partition, 0)])),
            }
        }
        let sockets = Sockets::new(vec![Socket::connect(address)?]);
        Ok(Consumer { plan, clock, sockets, topics, correlation: 0, is_under_way: false })
    }

    /// Asks for nothing, to know whether all of its places can be read.
    pub(super) fn probe(&mut self) -> anyhow::Result<()> {
        self.ask(0)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            ensure!(Instant::now() < deadline, "no answer");
            self.sockets.turn(Duration::from_millis(100))?;
            if let Some(answer) = take_frame(&mut self.sockets.all[0].input)? {
                return self.answered(&answer, &mut |_| {});
            }
        }
    }

    fn ask(&mut self, wait_ms: i32) -> anyhow::Result<()> {
        let body = Body::default().i32(-1).i32(wait_ms).i32(1).i32(ANSWER_BYTES_MAX).i8(0).count(self.topics.len());
        let body = self.topics.iter().fold(body, |body, (topic, partitions)| {
            let body = body.string(&self.plan.topics[*topic as usize]).count(partitions.len());
            partitions.iter().fold(body, |body, (partition, offset)| {
                body.i32(*partition as i32).i64(*offset).i32(PARTITION_BYTES_MAX)
            })
        });
        self.correlation = self.correlation.wrapping_add(1);
        self.sockets.all[0].send(&[&frame(Api::Fetch, self.correlation, &body)])?;
        self.is_under_way = true;
        Ok(())
    }

    fn answered(&mut self, answer: &[u8], visit: &mut dyn FnMut(&Arrived<'_>)) -> anyhow::Result<()> {
        self.is_under_way = false;
        let at = self.clock.now();
        let mut reader = Reader::of_answer(answer, self.correlation)?;
        reader.i32()?;
        for _ in 0..reader.count()? {
            let topic = topic_number(self.plan, &mut reader)?;
            let found = self.topics.binary_search_by_key(&topic, |(topic, _)| *topic);
            let places = &mut self.topics[found.ok().context("a topic that was not asked for")?].1;
            for _ in 0..reader.count()? {
                let partition = u32::try_from(reader.i32()?)?;
                let code = reader.i16()?;
                ensure!(
                    code == 0,
                    "reading partition {partition} of {}: error {code}",
                    self.plan.topics[topic as usize]
                );
                // High watermark, last stable offset, and aborted transactions, of which there are none.
                reader.skip(16)?;
                for _ in 0..reader.count()? {
                    reader.skip(16)?;
                }
                let records = reader.bytes()?;
                let found = places.binary_search_by_key(&partition, |(partition, _)| *partition);
                let next = &mut places[found.ok().context("a partition that was not asked for")?].1;
                let place = topic * self.plan.workload.partitions + partition;
                show(records, next, &mut |offset, value| visit(&Arrived { place, offset, value, at }))?;
            }
        }
        Ok(())
    }
}

/// Shows the records of whole batches from `next` on. The last batch may be cut off, and the first may begin before; what else
/// comes twice or out of order is shown as it came, for whoever checks.
fn show(records: &[u8], next: &mut i64, visit: &mut dyn FnMut(i64, &[u8])) -> anyhow::Result<()> {
    let (mut rest, asked, mut is_first) = (records, *next, true);
    while let Some(prefix) = rest.get(..BATCH_PREFIX_BYTES) {
        let base = i64::from_be_bytes(prefix[..8].try_into()?);
        let length = usize::try_from(i32::from_be_bytes(prefix[8..].try_into()?))?;
        let Some((batch, behind)) = rest.split_at_checked(BATCH_PREFIX_BYTES + length) else { break };
        for_each_record(batch, |record| {
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

impl Receiver for Consumer<'_> {
    fn turn(&mut self, wait: Duration, visit: &mut dyn FnMut(&Arrived<'_>)) -> anyhow::Result<()> {
        if !self.is_under_way {
            self.ask(WAIT_MS)?;
        }
        self.sockets.turn(wait)?;
        if let Some(answer) = take_frame(&mut self.sockets.all[0].input)? {
            self.answered(&answer, visit)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidelog_format::records::BatchBuilder;
    use tidelog_model::TimestampMs;

    use super::*;

    #[test]
    fn whole_batches_are_shown_from_the_next_offset_on() {
        let batch = |base: i64| {
            let mut builder = BatchBuilder::default();
            (0..3).for_each(|_| builder.push(TimestampMs(1), None, Some(b"v"), &[]));
            let mut bytes = builder.finish().into_bytes();
            bytes[..8].copy_from_slice(&base.to_be_bytes());
            bytes
        };
        let records = [batch(10), batch(13), batch(16)].concat();
        let (mut next, mut seen) = (12, Vec::new());
        show(&records[..records.len() - 1], &mut next, &mut |offset, _| seen.push(offset)).unwrap();
        assert_eq!((seen, next), (vec![12, 13, 14, 15], 16));
        let (mut next, mut seen) = (12, Vec::new());
        show(&[batch(10), batch(11)].concat(), &mut next, &mut |offset, _| seen.push(offset)).unwrap();
        assert_eq!((seen, next), (vec![12, 11, 12, 13], 14), "what overlaps is not hidden");
    }
}
