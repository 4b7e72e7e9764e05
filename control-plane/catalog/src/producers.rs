//! What one partition remembers of its idempotent producers (KIP-98). Kafka's `ProducerStateManager` is the reference.
//!
//! A producer's state shrinks in steps, and each step can only make an answer vaguer, never wrong:
//!
//! 1. **Active**: epoch, next sequence, and its last [`PRODUCER_BATCHES_KEPT`] batches with their offsets.
//! 2. **Idle** for [`PRODUCER_IDLE_TICKS`]: the last batch only.
//! 3. **Evicted**, when the partition has more than [`PARTITION_PRODUCERS_MAX`] (the idlest go first, a sixteenth of the
//!    bound at once so that looking for them is paid rarely): epoch and next sequence, no batch. Duplicates are still
//!    recognised, their offsets are not known.
//! 4. **Dropped**, when there are more than [`EVICTED_PRODUCERS_MAX`] of those: nothing but that some producer up to this
//!    id was dropped. An unknown producer up to it may begin at any sequence, since it may be one of them; all others must
//!    begin at 0.
//!
//! **Continued**: in a topic that was created under the name of a deleted one, a producer of that one is known by epoch and
//! next sequence until it writes, with no batch and `known` 0. It may go on there, or begin at 0.
//!
//! `known` counts the sequences before the next one that are certainly in the log under this epoch. A batch behind the next
//! sequence is a duplicate only as far as `known` reaches: after a dropped producer began again in the middle, an earlier
//! batch that never landed must not be answered as if it had.

use std::collections::BTreeMap;

use tidelog_catalog_api::{BatchOutcome, ProducerBatch, ProducerView};
use tidelog_format::codec::{Corrupt, Decode, Encode, Reader, Writer};
use tidelog_format::stored_struct;
use tidelog_model::limits::{PARTITION_PRODUCERS_MAX, PRODUCER_BATCHES_KEPT};
use tidelog_model::{Offset, ProducerEpoch, ProducerId, Tick, mutant};

use crate::part::Shared;

/// Ticks without a batch after which a producer keeps its last batch only: far above clients' delivery timeouts.
pub(crate) const PRODUCER_IDLE_TICKS: u64 = 3_600;
/// Evicted producers per partition that are still known by epoch and sequence.
pub(crate) const EVICTED_PRODUCERS_MAX: usize = PARTITION_PRODUCERS_MAX;
/// Evicted or dropped at once.
const EVICTED_AT_ONCE: usize = PARTITION_PRODUCERS_MAX / 16;
/// Sequences are 31 bits: after `i32::MAX` comes 0.
const SEQUENCES: i64 = 1 << 31;
/// What lies further behind than half the circle lies ahead.
const KNOWN_MAX: u32 = 1 << 30;

stored_struct! {
    /// One producer.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Producer {
        pub epoch: ProducerEpoch,
        pub next_sequence: i32,
        pub known: u32,
        pub seen_at: Tick,
        /// The oldest first; none when evicted.
        pub batches: Vec<KeptBatch>,
    }

    /// A batch in the log.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct KeptBatch {
        pub sequence: i32,
        pub records: u32,
        pub base_offset: Offset,
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    entries: BTreeMap<ProducerId, Shared<Producer>>,
    /// How many of the entries have no batch. Counted, not stored.
    evicted: usize,
    /// The greatest id that was dropped.
    dropped_max: Option<ProducerId>,
}

impl Producers {
    /// Whether a batch is next in its producer's sequence; if not, its outcome.
    pub fn check(&self, batch: ProducerBatch, records: u32) -> Result<(), BatchOutcome> {
        if batch.id.0 < 0 || batch.epoch.0 < 0 {
            return Err(BatchOutcome::UnknownProducer);
        }
        let Some(producer) = self.entries.get(&batch.id) else {
            let may_be_dropped = batch.sequence > 0 && self.dropped_max >= Some(batch.id);
            let accepted = batch.sequence == 0 || may_be_dropped;
            return if accepted { Ok(()) } else { Err(BatchOutcome::UnknownProducer) };
        };
        if batch.epoch < producer.epoch && !mutant!("stale-epoch-accepted") {
            return Err(BatchOutcome::StaleEpoch { current: producer.epoch });
        }
        if batch.epoch != producer.epoch {
            return if batch.sequence == 0 { Ok(()) } else { Err(BatchOutcome::OutOfOrder { expected: 0 }) };
        }
        if producer.is_continued() && (batch.sequence == 0 || mutant!("continued-anywhere")) {
            return Ok(());
        }
        let same = |kept: &&KeptBatch| kept.sequence == batch.sequence && kept.records == records;
        if let Some(kept) = producer.batches.iter().find(same) {
            return Err(BatchOutcome::Duplicate { base_offset: kept.base_offset });
        }
        let expected = producer.next_sequence;
        if batch.sequence == expected {
            return Ok(());
        }
        let behind = (i64::from(expected) - i64::from(batch.sequence)).rem_euclid(SEQUENCES) as u32;
        if batch.sequence >= 0 && behind <= producer.known && records <= behind {
            return Err(BatchOutcome::DuplicateForgotten);
        }
        Err(BatchOutcome::OutOfOrder { expected })
    }

    /// What is left of them when the topic is deleted at `now`: epoch and next sequence of those that were not idle.
    pub fn departed(&self, now: Tick) -> Producers {
        let lately = |producer: &Producer| now.0.saturating_sub(producer.seen_at.0) <= PRODUCER_IDLE_TICKS;
        let lately = self.entries.iter().filter(|(_, producer)| lately(producer));
        let departed = |producer: &Producer| Producer {
            epoch: producer.epoch,
            next_sequence: producer.next_sequence,
            known: 0,
            seen_at: producer.seen_at,
            batches: Vec::new(),
        };
        let entries: BTreeMap<_, _> = lately.map(|(id, it)| (*id, Shared::new(departed(it)))).collect();
        Producers { evicted: entries.len(), entries, dropped_max: None }
    }

    /// How many are remembered with epoch and sequence.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Whether none of them has written here.
    pub fn are_all_continued(&self) -> bool {
        self.entries.values().all(|producer| producer.is_continued())
    }

    /// All that have written here and are remembered with epoch and sequence, by id.
    pub fn views(&self) -> impl Iterator<Item = ProducerView> {
        self.entries.iter().filter(|(_, producer)| !producer.is_continued()).map(|(id, producer)| ProducerView {
            id: *id,
            epoch: producer.epoch,
            last_sequence: (i64::from(producer.next_sequence) - 1).rem_euclid(SEQUENCES) as i32,
        })
    }

    /// Remembers a batch that passed [`Producers::check`] and was appended at `base_offset`.
    pub fn record(&mut self, batch: ProducerBatch, records: u32, base_offset: Offset, now: Tick) {
        let kept = KeptBatch { sequence: batch.sequence, records, base_offset };
        let next_sequence = sequence_after(batch.sequence, records);
        match self.entries.get_mut(&batch.id) {
            Some(producer) if producer.epoch == batch.epoch => {
                let producer = producer.write();
                if producer.batches.is_empty() {
                    self.evicted -= 1;
                }
                if producer.batches.len() >= PRODUCER_BATCHES_KEPT {
                    producer.batches.remove(0);
                }
                producer.batches.push(kept);
                producer.next_sequence = next_sequence;
                producer.known = producer.known.saturating_add(records).min(KNOWN_MAX);
                producer.seen_at = now;
            }
            _ => {
                let known = records.min(KNOWN_MAX);
                let producer = Producer { epoch: batch.epoch, next_sequence, known, seen_at: now, batches: vec![kept] };
                let before = self.entries.insert(batch.id, Shared::new(producer));
                if before.is_some_and(|before| before.batches.is_empty()) {
                    self.evicted -= 1;
                }
            }
        }
        self.evict(batch.id);
    }

    /// Whether [`Producers::shrink`] would change something.
    pub fn can_shrink(&self, now: Tick) -> bool {
        self.entries.values().any(|producer| is_idle(producer, now))
    }

    /// Cuts idle producers to their last batch.
    pub fn shrink(&mut self, now: Tick) {
        for producer in self.entries.values_mut().filter(|producer| is_idle(producer, now)) {
            let producer = producer.write();
            producer.batches.drain(..producer.batches.len() - 1);
            producer.batches.shrink_to_fit();
        }
    }

    /// Keeps the bounds. `spare` has just written.
    fn evict(&mut self, spare: ProducerId) {
        if self.entries.len() - self.evicted > PARTITION_PRODUCERS_MAX {
            for id in self.idlest(spare, |producer| !producer.batches.is_empty()) {
                let producer = self.entries.get_mut(&id).expect("just found").write();
                producer.batches = Vec::new();
                self.evicted += 1;
            }
        }
        if self.evicted > EVICTED_PRODUCERS_MAX {
            for id in self.idlest(spare, |producer| producer.batches.is_empty()) {
                self.entries.remove(&id);
                self.evicted -= 1;
                self.dropped_max = self.dropped_max.max(Some(id));
            }
        }
    }

    fn idlest(&self, spare: ProducerId, of: impl Fn(&Producer) -> bool) -> Vec<ProducerId> {
        let others = self.entries.iter().filter(|(id, producer)| **id != spare && of(producer));
        let mut by_age: Vec<(Tick, ProducerId)> = others.map(|(id, producer)| (producer.seen_at, *id)).collect();
        by_age.sort_unstable();
        by_age.into_iter().take(EVICTED_AT_ONCE).map(|(_, id)| id).collect()
    }

    /// What is wrong with it, in a partition that ends at `tail`.
    pub fn violation(&self, tail: Offset) -> Option<String> {
        let evicted = self.entries.values().filter(|producer| producer.batches.is_empty()).count();
        if evicted != self.evicted || evicted > EVICTED_PRODUCERS_MAX {
            return Some(format!("{evicted} producers are evicted, {} counted", self.evicted));
        }
        if self.entries.len() - evicted > PARTITION_PRODUCERS_MAX {
            return Some(format!("{} producers are active", self.entries.len() - evicted));
        }
        self.entries.iter().find_map(|(id, producer)| {
            if producer.batches.len() > PRODUCER_BATCHES_KEPT || producer.next_sequence < 0 {
                return Some(format!("producer {id} keeps too much or expects a negative sequence"));
            }
            let mut next = producer.batches.first().map_or(producer.next_sequence, |first| first.sequence);
            for kept in &producer.batches {
                if kept.sequence != next || kept.base_offset.0.saturating_add(u64::from(kept.records)) > tail.0 {
                    return Some(format!("producer {id} has a batch at {} that is not in the log", kept.sequence));
                }
                next = sequence_after(kept.sequence, kept.records);
            }
            (next != producer.next_sequence).then(|| format!("producer {id} expects {}", producer.next_sequence))
        })
    }
}

impl Producer {
    /// It has not written here, but to the topic that had this one's name before.
    fn is_continued(&self) -> bool {
        self.known == 0 && self.batches.is_empty()
    }
}

fn is_idle(producer: &Producer, now: Tick) -> bool {
    producer.batches.len() > 1 && now.0.saturating_sub(producer.seen_at.0) > PRODUCER_IDLE_TICKS
}

/// The sequence `records` further on.
fn sequence_after(sequence: i32, records: u32) -> i32 {
    (i64::from(sequence) + i64::from(records)).rem_euclid(SEQUENCES) as i32
}

impl Encode for Producers {
    fn encode(&self, out: &mut Writer) {
        if mutant!("dedup-outside-snapshot") {
            out.put(&BTreeMap::<ProducerId, Shared<Producer>>::new());
        } else {
            out.put(&self.entries);
        }
        out.put(&self.dropped_max);
    }
}

impl Decode for Producers {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        let entries: BTreeMap<ProducerId, Shared<Producer>> = input.get()?;
        let evicted = entries.values().filter(|producer| producer.batches.is_empty()).count();
        Ok(Producers { entries, evicted, dropped_max: input.get()? })
    }
}

#[cfg(test)]
#[path = "producers_test.rs"]
mod tests;
