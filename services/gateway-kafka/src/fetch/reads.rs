//! The reads of one Fetch: within its bounds, side by side, those that have something first.

use futures::future::join_all;
use tidelog_catalog_api::PartitionView;
use tidelog_fetch::{Read, ReadError, ReadOutcome};
use tidelog_kafka_wire::{ErrorCode, FetchReplyPartition};
use tidelog_model::{Offset, PartitionId};

use crate::errors;
use crate::fetch::sessions::Asked;
use crate::gateway::Shared;

/// Reads of partitions with records that are under way at once.
const READS_AT_ONCE: usize = 16;
/// Reads at the tail that are under way at once; they share the read barrier that confirms it.
const TAIL_READS_AT_ONCE: usize = 256;

/// A partition of a Fetch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) index: i32,
    pub(crate) asked: Asked,
    pub(crate) target: Result<PartitionId, ErrorCode>,
}

/// Bytes of records that may be read from them as far as this node knows: zero when all are at their tail, else one at
/// least.
pub(crate) fn bytes_ahead(shared: &Shared, wanted: &[Wanted]) -> usize {
    let bytes = |wanted: &Wanted| {
        let view = shared.parts.catalog.partition(wanted.target.ok()?)?;
        let is_ahead = is_between(view, offset(&wanted.asked)?);
        is_ahead.then(|| usize::try_from(wanted.asked.bytes_max).unwrap_or(0).max(1))
    };
    wanted.iter().filter_map(bytes).fold(0, usize::saturating_add)
}

/// Whether answers tell of records that were not read.
pub(crate) fn is_any_ahead(wanted: &[Wanted], answers: &[FetchReplyPartition]) -> bool {
    let is_ahead = |(wanted, answer): (&Wanted, &FetchReplyPartition)| {
        answer.records.is_empty() && answer.high_watermark > wanted.asked.offset
    };
    wanted.iter().zip(answers).any(is_ahead)
}

fn is_between(view: PartitionView, offset: Offset) -> bool {
    view.log_start <= offset && offset < view.high_watermark
}

/// Reads from all of them, `bytes_max` in all, or only where they end when there is no room for records: the first batch that is found is delivered even when it is larger, and
/// partitions for which nothing is left are answered without records. One answer per partition, in their order.
pub(crate) async fn read_all(shared: &Shared, wanted: &[Wanted], bytes_max: Option<usize>) -> Vec<FetchReplyPartition> {
    let mut answers = wanted.iter().map(|wanted| empty(wanted.index)).collect::<Vec<_>>();
    let (mut ahead, mut tail) = (Vec::new(), Vec::new());
    for (position, wanted) in wanted.iter().enumerate() {
        match (wanted.target, offset(&wanted.asked)) {
            (Err(code), _) => answers[position].error = code,
            (Ok(_), None) => answers[position].error = ErrorCode::OffsetOutOfRange,
            (Ok(partition), Some(offset)) => match shared.parts.catalog.partition(partition) {
                // What is seen here did happen: there is something to read.
                Some(view) if is_between(view, offset) => {
                    ahead.push(Reading { position, partition, offset, view: Some(view), asked: wanted.asked });
                }
                view => tail.push(Reading { position, partition, offset, view, asked: wanted.asked }),
            },
        }
    }
    let mut left = Left { bytes: bytes_max.unwrap_or(0), nothing_yet: bytes_max.is_some() };
    let mut rest = &ahead[..];
    while !rest.is_empty() && (left.bytes > 0 || left.nothing_yet) {
        // A round ends where the bounds of its partitions add up to what is left. It has one at least: also who asks for
        // no bytes at all gets a first batch, as from Kafka.
        let mut bound = 0;
        let fits = rest.iter().take(READS_AT_ONCE).enumerate().take_while(|(place, reading)| {
            let fits = *place == 0 || bound < left.bytes;
            bound += reading.bytes_max(left.bytes);
            fits
        });
        let (round, later) = rest.split_at(fits.count());
        let share = |so_far: &mut usize, reading: &Reading| {
            let bytes = reading.bytes_max(left.bytes - *so_far);
            *so_far += bytes;
            bytes
        };
        left = run(shared, round, left, share, &mut answers).await;
        rest = later;
    }
    for reading in rest {
        // Nothing is left for it. It is said to be there, so that the client comes back.
        if let Some(view) = reading.view {
            bounds(&mut answers[reading.position], view);
        }
    }
    for round in tail.chunks(TAIL_READS_AT_ONCE) {
        let each = left.bytes / round.len();
        left = run(shared, round, left, |_, reading| reading.bytes_max(each), &mut answers).await;
    }
    answers
}

struct Reading {
    position: usize,
    partition: PartitionId,
    offset: Offset,
    view: Option<PartitionView>,
    asked: Asked,
}

impl Reading {
    fn bytes_max(&self, left: usize) -> usize {
        usize::try_from(self.asked.bytes_max).unwrap_or(0).min(left)
    }
}

#[derive(Clone, Copy)]
struct Left {
    bytes: usize,
    nothing_yet: bool,
}

/// Runs a round of reads side by side. While nothing was found, the first of them may deliver a first batch beyond its
/// bound.
async fn run(
    shared: &Shared,
    round: &[Reading],
    left: Left,
    share: impl Fn(&mut usize, &Reading) -> usize,
    answers: &mut [FetchReplyPartition],
) -> Left {
    let mut so_far = 0;
    let reads = round.iter().enumerate().map(|(place, reading)| {
        let bytes_max = share(&mut so_far, reading);
        shared.parts.fetch.read(Read {
            partition: reading.partition,
            offset: reading.offset,
            bytes_max,
            at_least_one: left.nothing_yet && place == 0,
        })
    });
    let outcomes = join_all(reads.collect::<Vec<_>>()).await;
    let mut left = left;
    for (reading, outcome) in round.iter().zip(outcomes) {
        take(&mut left, outcome, &mut answers[reading.position]);
    }
    left
}

fn take(left: &mut Left, outcome: Result<ReadOutcome, ReadError>, answer: &mut FetchReplyPartition) {
    match outcome {
        Ok(outcome) => {
            bounds(answer, outcome.partition);
            if outcome.bytes > 0 {
                answer.records = outcome.chunks;
                left.nothing_yet = false;
                left.bytes = left.bytes.saturating_sub(outcome.bytes);
            }
        }
        Err(error) => {
            answer.error = errors::of_read(&error);
            log(&error, answer.index);
        }
    }
}

/// Damage is an event of its own; the rest is everyday life.
fn log(error: &ReadError, partition: i32) {
    match error {
        ReadError::Corrupt(_) => tracing::error!(%error, partition, "records are not readable"),
        ReadError::Unavailable(_) | ReadError::UnknownPartition | ReadError::OutOfRange { .. } => {
            tracing::debug!(%error, partition, "nothing was read");
        }
    }
}

fn offset(asked: &Asked) -> Option<Offset> {
    u64::try_from(asked.offset).ok().map(Offset)
}

fn empty(index: i32) -> FetchReplyPartition {
    FetchReplyPartition {
        index,
        error: ErrorCode::None,
        high_watermark: -1,
        last_stable: -1,
        log_start: -1,
        records: Vec::new(),
    }
}

fn bounds(answer: &mut FetchReplyPartition, view: PartitionView) {
    answer.high_watermark = view.high_watermark.as_i64();
    answer.last_stable = view.last_stable.as_i64();
    answer.log_start = view.log_start.as_i64();
}
