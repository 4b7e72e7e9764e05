//! What must fail because something before it failed: a plain producer has no sequence, so its order is kept by refusing what
//! the same connection had under way to the same partition.

use std::collections::HashMap;

use tidelog_model::PartitionId;

use crate::flush::Flush;
use crate::lane::Pending;

/// Ranges of admissions that fail, by connection and partition.
#[derive(Default)]
pub(crate) struct Poisoned {
    ranges: HashMap<(u64, PartitionId), Range>,
}

struct Range {
    /// The batch that failed; the first one, when several did.
    after: u64,
    /// What is admitted later was sent when the failure could be known.
    until: u64,
}

impl Poisoned {
    /// A batch failed when `until` was the last admission. An idempotent producer's sequence does this by itself.
    pub(crate) fn add(&mut self, failed: &Pending, until: u64) {
        if is_idempotent(failed) {
            return;
        }
        let after = failed.admission;
        let range = self.ranges.entry((failed.source, failed.partition)).or_insert(Range { after, until });
        range.after = range.after.min(after);
        range.until = range.until.max(until);
    }

    /// Takes out of a flush what must fail.
    pub(crate) fn take_from(&self, flush: &mut Flush) -> Vec<Pending> {
        if self.ranges.is_empty() {
            return Vec::new();
        }
        let is_poisoned = |pending: &Pending| {
            let range = self.ranges.get(&(pending.source, pending.partition));
            let is_within = |range: &Range| range.after < pending.admission && pending.admission <= range.until;
            !is_idempotent(pending) && range.is_some_and(is_within)
        };
        let batches = std::mem::take(&mut flush.batches).into_iter();
        let (bad, good): (Vec<_>, Vec<_>) = batches.partition(|(pending, _)| is_poisoned(pending));
        flush.batches = good;
        bad.into_iter().map(|(pending, _)| pending).collect()
    }

    /// Forgets what nothing can fall into any more: everything up to `newest` has come, and of that only what was admitted
    /// from `oldest_waiting` on is still to be proposed.
    pub(crate) fn forget(&mut self, newest: u64, oldest_waiting: Option<u64>) {
        self.ranges
            .retain(|_, range| range.until > newest || oldest_waiting.is_some_and(|oldest| oldest <= range.until));
    }
}

fn is_idempotent(pending: &Pending) -> bool {
    pending.batch.header.producer_id.0 >= 0
}
