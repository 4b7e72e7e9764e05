//! Batches that arrived ahead of their producer's sequence: their bytes are durable or in memory, and they are proposed
//! again until the one before them has landed or their time is up. So a change of routing never turns into a loss.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidelog_model::limits::INLINE_FLUSH_BYTES_MAX;
use tidelog_model::{ObjectId, PartitionId, ProducerId};
use tokio::time::Instant;

use crate::flush::{Flush, Place};
use crate::lane::Pending;

/// Between two tries, when nothing else suggests one.
const RETRY_DELAY: Duration = Duration::from_millis(25);
/// Batches parked per lane; beyond it they are refused at once.
const PARKED_MAX: usize = 1_024;

pub(crate) struct Parked {
    parking: Duration,
    batches: Vec<ParkedBatch>,
    due: Option<Instant>,
}

struct ParkedBatch {
    pending: Pending,
    /// Where it is in an object: object, its length, position. Others are small, and ride in a commit again.
    stored: Option<(ObjectId, u32, u32)>,
    /// The sequence that the catalog wanted.
    expected: i32,
    since: Instant,
}

/// What is to be done about parked batches now.
pub(crate) struct Due {
    /// To be proposed.
    pub flushes: Vec<Flush>,
    /// Their time is up; with the sequence that the catalog wanted.
    pub given_up: Vec<(Pending, i32)>,
}

impl Parked {
    pub(crate) fn new(parking: Duration) -> Parked {
        Parked { parking, batches: Vec::new(), due: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// When something should be tried again.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.batches.is_empty() { None } else { self.due }
    }

    /// A batch of this producer was appended: perhaps the one that a parked one waits for.
    pub(crate) fn landed(&mut self, partition: PartitionId, producer: ProducerId, now: Instant) {
        let waits_for = |parked: &ParkedBatch| {
            parked.pending.partition == partition && parked.pending.batch.header.producer_id == producer
        };
        if self.batches.iter().any(waits_for) {
            self.due = Some(now);
        }
    }

    /// Parks a batch. Gives it back when waiting cannot help: it is behind the sequence, its time is up, or there is no
    /// room.
    pub(crate) fn offer(
        &mut self,
        mut pending: Pending,
        position: u32,
        place: &Place,
        expected: i32,
        now: Instant,
    ) -> Option<Pending> {
        // Sequences wrap, so "ahead" is the shorter way round.
        let ahead = pending.batch.header.base_sequence.wrapping_sub(expected) & i32::MAX;
        let is_ahead = ahead > 0 && ahead < i32::MAX / 2;
        // From when it was first refused, however long its upload took.
        let since = *pending.parked.get_or_insert(now);
        if !is_ahead || now >= since + self.parking || self.batches.len() >= PARKED_MAX {
            return Some(pending);
        }
        let stored = match place {
            Place::Object { object, bytes } => Some((*object, *bytes, position)),
            Place::Inline(_) => None,
        };
        self.batches.push(ParkedBatch { pending, stored, expected, since });
        self.due = Some(now + RETRY_DELAY);
        None
    }

    /// What to propose again, in sequence, in `flushes_max` commits at most, and what to give up.
    pub(crate) fn take_due(&mut self, now: Instant, flushes_max: usize) -> Due {
        self.due = Some(now + RETRY_DELAY);
        let parking = self.parking;
        let (given_up, mut again): (Vec<_>, Vec<_>) =
            self.batches.drain(..).partition(|batch| now >= batch.since + parking);
        again.sort_by_key(|batch| {
            let header = &batch.pending.batch.header;
            (batch.pending.partition, header.producer_id, header.base_sequence.wrapping_sub(batch.expected) & i32::MAX)
        });
        let mut flushes = Vec::new();
        let mut small = Small::default();
        for batch in again {
            // One commit for all the small ones; batches in objects need not be neighbours, so each has its own.
            let full = flushes.len() + usize::from(!small.batches.is_empty()) >= flushes_max;
            match batch.stored {
                Some((object, bytes, position)) if !full => {
                    let place = Place::Object { object, bytes };
                    flushes.push(Flush { batches: vec![(batch.pending, position)], place, slot: None });
                }
                None if small.has_room(&batch.pending) && (!full || !small.batches.is_empty()) => {
                    small.push(batch.pending);
                }
                _ => self.batches.push(batch),
            }
        }
        flushes.extend(small.finish());
        let given_up = given_up.into_iter().map(|batch| (batch.pending, batch.expected)).collect();
        Due { flushes, given_up }
    }
}

/// Small batches that ride in one commit.
#[derive(Default)]
struct Small {
    batches: Vec<(Pending, u32)>,
    payload: BytesMut,
}

impl Small {
    fn has_room(&self, pending: &Pending) -> bool {
        self.payload.len() + pending.batch.bytes.len() <= INLINE_FLUSH_BYTES_MAX
    }

    fn push(&mut self, pending: Pending) {
        let position = u32::try_from(self.payload.len()).expect("inline flushes are limited to far less");
        self.payload.extend_from_slice(&pending.batch.bytes);
        self.batches.push((pending, position));
    }

    fn finish(self) -> Option<Flush> {
        let place = Place::Inline(Bytes::from(self.payload));
        (!self.batches.is_empty()).then_some(Flush { batches: self.batches, place, slot: None })
    }
}
