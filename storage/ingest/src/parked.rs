//! Batches that arrived ahead of their producer's sequence: their bytes are durable, and they are proposed again until the
//! one before them has landed or their time is up. So a change of routing never turns into a loss.

use std::time::Duration;

use tokio::time::Instant;

use crate::flush::Place;
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

pub(crate) struct ParkedBatch {
    pub pending: Pending,
    pub position: u32,
    pub place: Place,
    /// The sequence that the catalog wanted.
    pub expected: i32,
    since: Instant,
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

    /// Something was appended: perhaps what they wait for.
    pub(crate) fn try_now(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// Parks a batch, unless waiting cannot help: it is behind the sequence, its time is up, or there is no room.
    pub(crate) fn offer(
        &mut self,
        pending: Pending,
        position: u32,
        place: &Place,
        expected: i32,
        now: Instant,
    ) -> Result<(), Pending> {
        // Sequences wrap, so "ahead" is the shorter way round.
        let ahead = pending.batch.header.base_sequence.wrapping_sub(expected) & i32::MAX;
        let is_ahead = ahead > 0 && ahead < i32::MAX / 2;
        let since = pending.admitted;
        if !is_ahead || now >= since + self.parking || self.batches.len() >= PARKED_MAX {
            return Err(pending);
        }
        self.batches.push(ParkedBatch { pending, position, place: place.clone(), expected, since });
        self.due = Some(now + RETRY_DELAY);
        Ok(())
    }

    /// What to propose again, in sequence, and what to give up.
    pub(crate) fn take_due(&mut self, now: Instant) -> (Vec<ParkedBatch>, Vec<ParkedBatch>) {
        self.due = Some(now + RETRY_DELAY);
        let parking = self.parking;
        let (given_up, mut again): (Vec<_>, Vec<_>) =
            self.batches.drain(..).partition(|batch| now >= batch.since + parking);
        again.sort_by_key(|batch| {
            let header = &batch.pending.batch.header;
            (batch.pending.partition, header.producer_id, header.base_sequence.wrapping_sub(batch.expected) & i32::MAX)
        });
        (again, given_up)
    }
}
