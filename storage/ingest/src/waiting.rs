//! Flushes between seal and proposal, in the order of sealing.
//!
//! Commits keep the order of sealing *within a partition*. So an upload that takes long holds back what came after it to
//! the same partitions, and nothing else: a flush behind it whose partitions are all free passes, and one that has some of
//! both is taken apart.
//!
//! ```text
//! sealed     1 {a b}   2 {b c}   3 {d}          1 is still uploading, 2 and 3 are ready
//! proposed   2's c, 3          … 1 comes …      1, 2's b
//! ```

use std::collections::{HashSet, VecDeque};
use std::task::{Context, Poll};

use futures::FutureExt;
use tidelog_model::limits::INLINE_FLUSH_BYTES_MAX;
use tidelog_model::{PartitionId, mutant};

use crate::flush::{Flush, Place};
use crate::lane::Pending;
use crate::upload::{FailedUpload, Uploading};

/// Bounded by the lane's slots; what is held back without a slot is bounded by its share of the bytes in flight.
#[derive(Default)]
pub(crate) struct Waiting {
    flushes: VecDeque<Entry>,
    /// Whether something came or went since nothing was found to be next.
    changed: bool,
}

struct Entry {
    /// Sorted, each once.
    partitions: Vec<PartitionId>,
    /// Admission of its oldest batch.
    oldest: u64,
    state: Upload,
}

enum Upload {
    UnderWay(Uploading),
    Failed(FailedUpload),
    Ready(Flush),
    HeldBack(HeldBack),
}

/// Small batches that have to wait. Their flush has given up its slot, so that others pass; neighbours are joined, and laid
/// out when their turn comes.
#[derive(Default)]
struct HeldBack {
    batches: Vec<Pending>,
    bytes: usize,
}

/// What is to be done next.
pub(crate) enum Next {
    Propose(Flush),
    Fail(FailedUpload),
}

impl Waiting {
    pub(crate) fn push(&mut self, mut uploading: Uploading) {
        let partitions = std::mem::take(&mut uploading.partitions);
        let oldest = uploading.admissions.0;
        self.flushes.push_back(Entry { partitions, oldest, state: Upload::UnderWay(uploading) });
        self.changed = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.flushes.is_empty()
    }

    /// The oldest admission of all that wait.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.flushes.iter().map(|entry| entry.oldest).min()
    }

    /// Waits for something to do. A cancelled caller loses nothing.
    pub(crate) async fn next(&mut self) -> Next {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        for entry in &mut self.flushes {
            if let Upload::UnderWay(uploading) = &mut entry.state
                && let Poll::Ready(ready) = uploading.ready.poll_unpin(cx)
            {
                entry.state = match ready {
                    Ok(Ok(flush)) => Upload::Ready(flush),
                    Ok(Err(failed)) => Upload::Failed(failed),
                    // The upload's task ended without a word: only when the process ends.
                    Err(_) => Upload::HeldBack(HeldBack::default()),
                };
                self.changed = true;
            }
        }
        if !self.changed {
            return Poll::Pending;
        }
        match self.take_next() {
            Some(next) => Poll::Ready(next),
            None => {
                self.changed = false;
                Poll::Pending
            }
        }
    }

    fn take_next(&mut self) -> Option<Next> {
        let mut blocked: HashSet<PartitionId> = HashSet::new();
        let mut at = 0;
        while at < self.flushes.len() {
            let entry = &mut self.flushes[at];
            let blocked_count = entry.partitions.iter().filter(|partition| blocked.contains(partition)).count();
            let is_free = blocked_count == 0 || mutant!("upload-overtaken");
            let may_go = match entry.state {
                Upload::UnderWay(_) => false,
                // It blocks nobody any more.
                Upload::Failed(_) => true,
                Upload::Ready(_) | Upload::HeldBack(_) => is_free,
            };
            if may_go {
                match self.flushes.remove(at).expect("just looked at").state {
                    Upload::Failed(failed) => return Some(Next::Fail(failed)),
                    Upload::Ready(flush) => return Some(Next::Propose(flush)),
                    Upload::HeldBack(held_back) if held_back.batches.is_empty() => continue,
                    Upload::HeldBack(held_back) => return Some(Next::Propose(Flush::inline(held_back.batches, None))),
                    Upload::UnderWay(_) => unreachable!("may not go"),
                }
            }
            entry.hold_back();
            if blocked_count < entry.partitions.len()
                && let Some(free) = entry.take_free(&blocked)
            {
                return Some(Next::Propose(free));
            }
            blocked.extend(&entry.partitions);
            if self.join(at) {
                self.flushes.remove(at);
            } else {
                at += 1;
            }
        }
        None
    }

    /// Appends what is held back at `at` to what is held back right before it, so that their number is bounded by their
    /// bytes. Only right before: between them may be what has to come between them.
    fn join(&mut self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else { return false };
        let (Upload::HeldBack(first), Upload::HeldBack(second)) =
            (&self.flushes[before].state, &self.flushes[at].state)
        else {
            return false;
        };
        if first.bytes + second.bytes > INLINE_FLUSH_BYTES_MAX {
            return false;
        }
        let Upload::HeldBack(second) = &mut self.flushes[at].state else { unreachable!("matched above") };
        let second = std::mem::take(second);
        let entry = &mut self.flushes[before];
        let Upload::HeldBack(first) = &mut entry.state else { unreachable!("matched above") };
        first.batches.extend(second.batches);
        first.bytes += second.bytes;
        entry.partitions = partitions_of(first.batches.iter());
        true
    }
}

impl Entry {
    /// A small flush gives up its slot.
    fn hold_back(&mut self) {
        if let Upload::Ready(Flush { batches, place: Place::Inline(_), .. }) = &mut self.state {
            let batches = std::mem::take(batches).into_iter().map(|(pending, _)| pending);
            self.state = Upload::HeldBack(HeldBack::new(batches.collect()));
        }
    }

    /// The part of it whose partitions are free; the rest stays.
    fn take_free(&mut self, blocked: &HashSet<PartitionId>) -> Option<Flush> {
        let is_blocked = |pending: &Pending| blocked.contains(&pending.partition);
        match &mut self.state {
            Upload::Ready(flush) => {
                let batches = std::mem::take(&mut flush.batches).into_iter();
                let (rest, free): (Vec<_>, Vec<_>) = batches.partition(|(pending, _)| is_blocked(pending));
                self.partitions = partitions_of(rest.iter().map(|(pending, _)| pending));
                flush.batches = rest;
                // Both parts name the object, each in a commit of its own.
                Some(Flush { batches: free, place: flush.place.clone(), slot: flush.slot.clone() })
            }
            Upload::HeldBack(held_back) => {
                let batches = std::mem::take(held_back).batches.into_iter();
                let (rest, free): (Vec<_>, Vec<_>) = batches.partition(is_blocked);
                self.partitions = partitions_of(rest.iter());
                *held_back = HeldBack::new(rest);
                (!free.is_empty()).then(|| Flush::inline(free, None))
            }
            Upload::UnderWay(_) | Upload::Failed(_) => None,
        }
    }
}

impl HeldBack {
    fn new(batches: Vec<Pending>) -> HeldBack {
        let bytes = batches.iter().map(|pending| pending.batch.bytes.len()).sum();
        HeldBack { batches, bytes }
    }
}

fn partitions_of<'a>(batches: impl Iterator<Item = &'a Pending>) -> Vec<PartitionId> {
    let mut partitions: Vec<PartitionId> = batches.map(|pending| pending.partition).collect();
    partitions.sort_unstable();
    partitions.dedup();
    partitions
}
