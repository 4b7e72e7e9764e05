//! The node's table of budgets.

use super::budget::{Budget, Share, Waiting};
use super::frames::LargeFrames;
use super::records::AnswerRecords;
use crate::options::LARGE_FRAMES_ARRIVING_BYTES_MAX;

/// Requests of frames up to this length have room of their own, so that signs of life do not wait behind large requests.
const SMALL_FRAME_BYTES_MAX: usize = 16 * 1024;
/// Memory that a decoded request and what becomes of it may take, per byte of its frame. The worst is OffsetFetch, whose
/// four bytes of a partition number become an offset with its metadata's string.
const DECODED_BYTES_PER_BYTE: usize = 32;
/// Memory that one partition of a Produce request takes beside its records, until it is answered.
const PRODUCE_ENTRY_BYTES: usize = 512;
/// Memory that one partition of a Fetch takes while it is worked on, and while it waits: its place in the plan and a watch.
const FETCH_PARTITION_BYTES: usize = 512;
const FETCH_WAIT_PARTITION_BYTES: usize = 256;
/// An answer up to this length is written without asking for room: the kernel takes it, as a rule.
const ANSWER_BYTES_FREE: usize = 16 * 1024;

const SMALL_REQUESTS_BYTES_MAX: usize = 32 << 20;
const LARGE_REQUESTS_BYTES_MAX: usize = 64 << 20;
const PRODUCE_ENTRIES_BYTES_MAX: usize = 64 << 20;
const ANSWERS_BYTES_MAX: usize = 64 << 20;
const WAITS_BYTES_MAX: usize = 64 << 20;

/// The budgets of one node.
pub(crate) struct Memory {
    small_requests: Budget,
    large_requests: Budget,
    produce_entries: Budget,
    answers: Budget,
    answers_waiting: Waiting,
    waits: Budget,
    /// Of Fetch answers.
    pub(crate) records: AnswerRecords,
    pub(super) large_frames: LargeFrames,
    /// Connections that wait for room for a frame.
    pub(super) frames_waiting: Waiting,
}

impl Memory {
    /// With so many bytes for the records of Fetch answers.
    pub(crate) fn new(fetch_bytes_max: usize) -> Memory {
        Memory {
            small_requests: Budget::new(SMALL_REQUESTS_BYTES_MAX),
            large_requests: Budget::new(LARGE_REQUESTS_BYTES_MAX),
            produce_entries: Budget::new(PRODUCE_ENTRIES_BYTES_MAX),
            answers: Budget::new(ANSWERS_BYTES_MAX),
            answers_waiting: Waiting::default(),
            waits: Budget::new(WAITS_BYTES_MAX),
            records: AnswerRecords::new(fetch_bytes_max),
            large_frames: LargeFrames::new(LARGE_FRAMES_ARRIVING_BYTES_MAX),
            frames_waiting: Waiting::default(),
        }
    }

    /// Room for a request that is not Produce, decoded, until its answer is made or it begins to wait for something that
    /// other clients do. One that needs more than there is gets all there is, so it is alone.
    pub(crate) async fn request(&self, frame_bytes: usize) -> Share {
        let budget = if frame_bytes <= SMALL_FRAME_BYTES_MAX { &self.small_requests } else { &self.large_requests };
        budget.take(frame_bytes * DECODED_BYTES_PER_BYTE).await
    }

    /// Room for the partitions of a Produce request until it is answered.
    pub(crate) async fn produce_entries(&self, entries: usize) -> Share {
        self.produce_entries.take(entries * PRODUCE_ENTRY_BYTES).await
    }

    /// Room for an answer of some length until it is written.
    pub(crate) async fn answer(&self, bytes: usize) -> Option<Share> {
        if bytes <= ANSWER_BYTES_FREE {
            return None;
        }
        Some(self.answers_waiting.wait(self.answers.take(bytes)).await)
    }

    /// Whether somebody waits for the room of an answer that is being written.
    pub(crate) fn is_answer_wanted(&self) -> bool {
        self.answers_waiting.is_any()
    }

    /// Room for working on so many partitions of a Fetch. What they are may come from its session, not its frame.
    pub(crate) async fn fetch_work(&self, partitions: usize) -> Share {
        let bytes = partitions * FETCH_PARTITION_BYTES;
        let is_small = bytes <= SMALL_FRAME_BYTES_MAX;
        if is_small { self.small_requests.take(bytes).await } else { self.large_requests.take(bytes).await }
    }

    /// Room for what a Fetch keeps while it waits for records; `None`: it has to be answered at once.
    pub(crate) fn fetch_wait(&self, partitions: usize) -> Option<Share> {
        self.waits.try_take(partitions * FETCH_WAIT_PARTITION_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::super::shrink;
    use super::*;

    #[tokio::test]
    async fn small_requests_do_not_wait_for_large_ones() {
        let memory = Memory::new(1 << 20);
        let all = memory.request(LARGE_REQUESTS_BYTES_MAX).await;
        assert!(memory.request(SMALL_FRAME_BYTES_MAX + 1).now_or_never().is_none());
        assert!(memory.request(SMALL_FRAME_BYTES_MAX).now_or_never().is_some());
        drop(all);
        assert!(memory.request(SMALL_FRAME_BYTES_MAX + 1).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_would_wait_without_room_is_told() {
        let memory = Memory::new(1 << 20);
        let all = memory.fetch_wait(usize::MAX / 512).unwrap();
        assert!(memory.fetch_wait(1).is_none());
        let few = shrink(all, 1);
        assert_eq!(few.num_permits(), 1);
        assert!(memory.fetch_wait((WAITS_BYTES_MAX - 1024) / FETCH_WAIT_PARTITION_BYTES).is_some());
    }
}
