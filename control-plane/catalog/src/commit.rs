//! Applying a commit.
//!
//! A commit is taken when it is the next of its (session, lane); what is asked again is answered from the retained outcomes
//! and changes nothing. A commit that contradicts itself (entries outside its payload or over one another, batches without
//! records, guards of batches that are not there) is answered like one whose object is not granted: nothing of it can be trusted.
//!
//! A writer has several commits under way. When one of them is refused as a whole, those that it sent before it could know
//! are refused as well, so that the writer decides what may still be appended and in which order:
//!
//! ```text
//! writer   7, 8, 9 →                            (8 and 9 say: outcomes received up to 6)
//! apply    7 ObjectRefused   8 EarlierRefused   9 EarlierRefused
//! writer   7 failed; what follows 7's batches on their connections fails; the rest of 8 and 9 → 10, 11 (received up to 9)
//! ```

use tidelog_catalog_api::{
    BatchGuard, BatchOutcome, Commit, CommitBatch, CommitEntry, CommitOutcome, CommitRefused, Location, ObjectRange,
    Payload,
};
use tidelog_model::limits::{
    BATCH_RECORDS_MAX, INLINE_BYTES_MAX, INLINE_FLUSH_BYTES_MAX, OBJECT_BYTES_MAX, OUTCOMES_RETAINED_MAX,
};
use tidelog_model::{CommitSequence, LogIndex, PartitionId, TenantId, mutant};

use crate::guards::Gate;
use crate::meta::{Lane, Meta};
use crate::part::{Shared, Stamped};
use crate::partition::Partition;
use crate::shard::{payload_part_of, shard_of};
use crate::state::State;
use crate::totals::Added;

impl State {
    pub(crate) fn apply_commit(
        &mut self,
        index: LogIndex,
        commit: &Commit,
        guards: &[BatchGuard],
        changed: &mut Vec<PartitionId>,
    ) -> Result<CommitOutcome, CommitRefused> {
        let meta = Stamped::write(&mut self.meta, index);
        if let Some(outcome) = outcome_before(meta, commit)? {
            return Ok(outcome);
        }
        let refused = if is_after_refusal(meta, commit) {
            Some(CommitOutcome::EarlierRefused)
        } else if !guards_fit(commit, guards) {
            Some(CommitOutcome::ObjectRefused)
        } else {
            payload_refused(meta, self.derived.inline.bytes, commit)
        };
        let outcome = match refused {
            Some(refused) => refused,
            None => CommitOutcome::Applied(self.append_entries(index, commit, guards, changed)),
        };
        let lane = lane_mut(Stamped::write(&mut self.meta, index), commit);
        let received = commit.outcomes_received.min(lane.last);
        lane.outcomes = lane.outcomes.split_off(&CommitSequence(received.0 + 1));
        lane.last = commit.sequence;
        lane.outcomes.insert(commit.sequence, Shared::new(outcome.clone()));
        Ok(outcome)
    }

    fn append_entries(
        &mut self,
        index: LogIndex,
        commit: &Commit,
        guards: &[BatchGuard],
        changed: &mut Vec<PartitionId>,
    ) -> Vec<BatchOutcome> {
        let batches = commit.entries.iter().map(|entry| entry.batches.len()).sum();
        let mut outcomes = Vec::with_capacity(batches);
        let mut extents = 0;
        for entry in &commit.entries {
            let before = outcomes.len();
            if let Some(topic) = self.topic_of(entry.partition) {
                let owned = Owned { tenant: topic.tenant, guards: guards_of(guards, before, entry.batches.len()) };
                extents += self.append_entry(index, &commit.payload, entry, owned, &mut outcomes, changed);
            } else {
                outcomes.extend(entry.batches.iter().map(|_| BatchOutcome::UnknownPartition));
            }
            assert_eq!(outcomes.len() - before, entry.batches.len(), "one outcome per batch");
        }
        match &commit.payload {
            Payload::Object { object, .. } => self.derived.objects.add(*object, extents),
            Payload::Inline(bytes) if extents > 0 => {
                let part = Stamped::write(&mut self.payloads[payload_part_of(index)], index);
                part.payloads.insert(index, bytes.clone());
                self.derived.inline.bytes += bytes.len();
            }
            Payload::Inline(_) => {}
        }
        outcomes
    }

    /// Returns how many extents are new.
    fn append_entry(
        &mut self,
        index: LogIndex,
        payload: &Payload,
        entry: &CommitEntry,
        owned: Owned<'_>,
        outcomes: &mut Vec<BatchOutcome>,
        changed: &mut Vec<PartitionId>,
    ) -> u32 {
        let shard = &mut self.shards[shard_of(entry.partition)];
        let now = self.meta.body.tick;
        let mut position = entry.position;
        let mut gate = Gate {
            parts: &mut self.guards,
            keys: &mut self.derived.keys,
            id: entry.partition,
            tenant: owned.tenant,
            index,
            now,
        };
        let first = outcomes.len();
        let mut guards = owned.guards.iter().peekable();
        let guarded = entry
            .batches
            .iter()
            .enumerate()
            .map(|(at, batch)| (batch, guards.next_if(|guard| guard.batch as usize == first + at)));
        let mut batches = guarded.peekable();

        // What is refused before anything is appended copies and marks nothing.
        let empty = Partition::default();
        let before = shard.body.partitions.get(&entry.partition).map_or(&empty, |partition| &**partition);
        while let Some(outcome) = batches.peek().and_then(|(batch, guard)| gate.check(before, batch, *guard).err()) {
            let (batch, guard) = batches.next().expect("just peeked");
            gate.refused(batch, guard, outcome);
            outcomes.push(outcome);
            position += batch.bytes;
        }
        if batches.peek().is_none() {
            return 0;
        }

        let partition = Stamped::write(shard, index).partitions.entry(entry.partition).or_default().write();
        let mut extents = 0;
        let mut added = Added::default();
        for (batch, guard) in batches {
            let outcome = match gate.check(partition, batch, guard) {
                Err(outcome) => {
                    gate.refused(batch, guard, outcome);
                    outcome
                }
                Ok(()) => {
                    let location = location(payload, index, position, batch);
                    let (base_offset, new) = partition.append(batch, location, now);
                    gate.appended(batch, guard, base_offset);
                    extents += u32::from(new);
                    added.bytes += u64::from(batch.bytes);
                    added.extents += u64::from(new);
                    added.records += u64::from(batch.records);
                    if let (true, Payload::Inline(_)) = (new, payload) {
                        let places = self.derived.inline.places.entry(index).or_default();
                        places.insert((entry.partition, base_offset));
                    }
                    BatchOutcome::Appended { base_offset }
                }
            };
            outcomes.push(outcome);
            position += batch.bytes;
        }
        // The stage is the same for all of a payload.
        let stage = location(payload, index, entry.position, &entry.batches[0]);
        self.derived.totals.appended(entry.partition.topic, &stage, added);
        changed.push(entry.partition);
        extents
    }
}

/// Whose a partition is, and the guards of its batches in one entry.
#[derive(Clone, Copy)]
struct Owned<'a> {
    tenant: TenantId,
    guards: &'a [BatchGuard],
}

/// Those of the batches from number `first` on. Guards are in the order of their batches.
fn guards_of(guards: &[BatchGuard], first: usize, count: usize) -> &[BatchGuard] {
    let from = guards.partition_point(|guard| (guard.batch as usize) < first);
    let to = guards.partition_point(|guard| (guard.batch as usize) < first + count);
    &guards[from..to]
}

/// Whether the guards are in order, one for a batch at most, and each for one that is there.
fn guards_fit(commit: &Commit, guards: &[BatchGuard]) -> bool {
    let batches: usize = commit.entries.iter().map(|entry| entry.batches.len()).sum();
    let is_in_order = guards.windows(2).all(|pair| pair[0].batch < pair[1].batch);
    is_in_order && guards.last().is_none_or(|guard| (guard.batch as usize) < batches)
}

/// Whether the commit is next (`None`), was applied before (its outcome), or is refused.
fn outcome_before(meta: &Meta, commit: &Commit) -> Result<Option<CommitOutcome>, CommitRefused> {
    let Some(session) = meta.sessions.get(&commit.session) else { return Err(CommitRefused::SessionFenced) };
    let lane = session.lanes.get(&commit.lane);
    let last = lane.map_or(CommitSequence(0), |lane| lane.last);
    if commit.sequence <= last {
        let of = if mutant!("wrong-repeated-outcome") { last } else { commit.sequence };
        let retained = lane.and_then(|lane| lane.outcomes.get(&of));
        return retained.map(|outcome| Some((**outcome).clone())).ok_or(CommitRefused::OutcomeForgotten);
    }
    let expected = CommitSequence(last.0 + 1);
    if commit.sequence != expected {
        return Err(CommitRefused::SequenceGap { expected });
    }
    let received = commit.outcomes_received.min(last);
    // They are the last ones without gaps, so their number follows from the first.
    let first_kept = lane.and_then(|lane| lane.outcomes.keys().next().copied()).unwrap_or(expected);
    let first_kept = first_kept.max(CommitSequence(received.0 + 1));
    if expected.0 - first_kept.0 >= OUTCOMES_RETAINED_MAX as u64 {
        return Err(CommitRefused::TooManyOutcomes);
    }
    Ok(None)
}

fn lane_mut<'a>(meta: &'a mut Meta, commit: &Commit) -> &'a mut Lane {
    let session = meta.sessions.get_mut(&commit.session).expect("it was there when the commit was looked at");
    session.lanes.entry(commit.lane).or_insert_with(Lane::new)
}

/// Whether an outcome that the writer had not received when it sent this commit is a refusal. Those outcomes are retained.
fn is_after_refusal(meta: &Meta, commit: &Commit) -> bool {
    let lane = meta.sessions.get(&commit.session).and_then(|session| session.lanes.get(&commit.lane));
    let not_received = CommitSequence(commit.outcomes_received.0.saturating_add(1))..;
    let mut outcomes = lane.into_iter().flat_map(|lane| lane.outcomes.range(not_received.clone()));
    !mutant!("refusal-overtaken") && outcomes.any(|(_, outcome)| !matches!(**outcome, CommitOutcome::Applied(_)))
}

/// Why nothing of the commit can be appended.
fn payload_refused(meta: &mut Meta, inline_bytes: usize, commit: &Commit) -> Option<CommitOutcome> {
    match &commit.payload {
        Payload::Object { object, bytes } => {
            let taken = *bytes as usize <= OBJECT_BYTES_MAX
                && entries_fit(&commit.entries, *bytes)
                && meta.name_object(commit.session, *object, *bytes);
            (!taken).then_some(CommitOutcome::ObjectRefused)
        }
        Payload::Inline(payload) => {
            let fits_budget =
                payload.len() <= INLINE_FLUSH_BYTES_MAX && inline_bytes + payload.len() <= INLINE_BYTES_MAX;
            if !fits_budget {
                return Some(CommitOutcome::InlineFull);
            }
            let fits = entries_fit(&commit.entries, payload.len() as u32);
            (!fits).then_some(CommitOutcome::ObjectRefused)
        }
    }
}

/// Whether each entry lies within the payload and none over another: two partitions that share bytes would be two tenants
/// that read each other.
fn entries_fit(entries: &[CommitEntry], payload_bytes: u32) -> bool {
    let mut ranges = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut end = entry.position;
        for batch in &entry.batches {
            if batch.bytes == 0 || batch.records == 0 || batch.records > BATCH_RECORDS_MAX {
                return false;
            }
            match end.checked_add(batch.bytes) {
                Some(next) if next <= payload_bytes => end = next,
                _ => return false,
            }
        }
        if end > entry.position {
            ranges.push((entry.position, end));
        }
    }
    // Ingest writes entries in the order of their bytes, so this finds them sorted.
    ranges.sort_unstable();
    ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0)
}

fn location(payload: &Payload, index: LogIndex, position: u32, batch: &CommitBatch) -> Location {
    match payload {
        Payload::Object { object, .. } => {
            let range = ObjectRange { object: *object, position, bytes: batch.bytes };
            Location::Object { range, copies: 1, encoding: 0 }
        }
        Payload::Inline(_) => Location::Inline { index, position, bytes: batch.bytes },
    }
}
