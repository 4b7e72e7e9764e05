//! Whether a state is one that `apply` can have made. Reads all of it; replicas ask on restore, tests after every command.

use std::collections::BTreeSet;

use tidelog_catalog_api::{Location, QuotaAlteration, check_subscription};
use tidelog_model::limits::{
    GRANT_OBJECTS_MAX, GROUP_RECORD_BYTES_MAX, GROUP_RECORDS_BYTES_MAX, HALTED_PRODUCERS_MAX, INLINE_BYTES_MAX,
    KEYED_BATCHES_MAX, METRICS_SUBSCRIPTIONS_MAX, OUTCOMES_RETAINED_MAX, QUOTA_ENTITIES_MAX,
};
use tidelog_model::{CommitSequence, ObjectId, Offset, PartitionId};

use crate::departed::DEPARTED_PRODUCERS_MAX;
use crate::derived::Derived;
use crate::group_records::group_part_of;
use crate::guards::{GuardedPartition, KEY_TICKS_MAX, guard_part_of, key_part_of};
use crate::part::Stamped;
use crate::shard::{payload_part_of, shard_of, shard_of_topic};
use crate::state::State;

/// What does not hold in a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("catalog state is invalid: {place}: {problem}")]
pub struct Violation {
    /// Where.
    pub place: String,
    /// What.
    pub problem: String,
}

fn holds(condition: bool, place: impl FnOnce() -> String, problem: &str) -> Result<(), Violation> {
    if condition { Ok(()) } else { Err(Violation { place: place(), problem: problem.to_owned() }) }
}

impl State {
    /// Checks the whole state: dense extents, counted references, sequences, grants, where each thing is kept, and that what
    /// is derived is what would be derived.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn validate(&self) -> Result<(), Violation> {
        self.validate_stamps()?;
        self.validate_sessions()?;
        self.validate_shards()?;
        self.validate_payloads()?;
        self.validate_groups()?;
        self.validate_quotas()?;
        self.validate_subscriptions()?;
        self.validate_departed()?;
        self.validate_guards()?;
        let derived = Derived::of(self);
        holds(derived.names == self.derived.names, || "names".into(), "the index of names is stale")?;
        holds(derived.objects == self.derived.objects, || "objects".into(), "references are miscounted")?;
        holds(derived.inline == self.derived.inline, || "inline".into(), "the index of inline extents is stale")?;
        holds(derived.group_bytes == self.derived.group_bytes, || "groups".into(), "their bytes are miscounted")?;
        holds(derived.totals == self.derived.totals, || "totals".into(), "what is stored is miscounted")?;
        holds(derived.keys == self.derived.keys, || "keys".into(), "their index is stale")?;
        // Two topics of one name, or of names that collide, would be one entry there.
        let topics: usize = self.shards.iter().map(|shard| shard.body.topics.len()).sum();
        let by_name: usize = derived.names.values().map(|names| names.by_name.len()).sum();
        let folded: usize = derived.names.values().map(|names| names.folded.len()).sum();
        holds(topics == by_name && topics == folded, || "names".into(), "two topics have one name")?;
        self.validate_objects()
    }

    fn validate_stamps(&self) -> Result<(), Violation> {
        fn all_before<T>(parts: &[std::sync::Arc<Stamped<T>>], applied: tidelog_model::LogIndex) -> bool {
            parts.iter().all(|part| part.changed_at <= applied)
        }
        let before = all_before(&self.shards, self.applied()) && all_before(&self.payloads, self.applied());
        let before = before && all_before(&self.groups, self.applied()) && self.quotas.changed_at <= self.applied();
        let before = before && self.subscriptions.changed_at <= self.applied();
        let before = before && self.departed.changed_at <= self.applied();
        let before = before && all_before(&self.guards, self.applied());
        holds(before, || "parts".into(), "a part is of a later index than the state")
    }

    fn validate_sessions(&self) -> Result<(), Violation> {
        let meta = &self.meta.body;
        let mut nodes = BTreeSet::new();
        for (id, session) in &meta.sessions {
            let place = || format!("session {id}");
            holds(*id < meta.next_session, place, "it was never opened")?;
            holds(nodes.insert(session.node), place, "its node has two")?;
            for (lane_id, lane) in &session.lanes {
                let place = || format!("session {id} {lane_id}");
                let count = lane.outcomes.len() as u64;
                holds(count <= OUTCOMES_RETAINED_MAX as u64, place, "too many outcomes are retained")?;
                let first = lane.outcomes.keys().next().map_or(lane.last.0 + 1, |first| first.0);
                let last = lane.outcomes.keys().next_back().copied().unwrap_or(lane.last);
                let whole = last == lane.last && first + count == lane.last.0 + 1;
                holds(whole && lane.last > CommitSequence(0), place, "retained outcomes have gaps")?;
            }
        }
        for (first, grant) in &meta.grants {
            let place = || format!("grant {first}+{}", grant.count);
            holds(meta.sessions.contains_key(&grant.session), place, "its session is fenced")?;
            holds(grant.deadline > meta.tick, place, "its deadline has passed")?;
            holds((1..=GRANT_OBJECTS_MAX).contains(&grant.count), place, "its size is outside the limits")?;
            let end = ObjectId(first.0.saturating_add(u64::from(grant.count)));
            let within = grant.named.keys().all(|object| (*first..end).contains(object));
            holds(within, place, "it names objects outside it")?;
        }
        Ok(())
    }

    fn validate_shards(&self) -> Result<(), Violation> {
        for (at, shard) in self.shards.iter().enumerate() {
            for (id, topic) in &shard.body.topics {
                let place = || format!("topic {id}");
                holds(shard_of_topic(*id) == at && topic.0.id == *id, place, "it is in the wrong shard")?;
            }
            for (id, partition) in &shard.body.partitions {
                let place = || format!("partition {id}");
                holds(shard_of(*id) == at, place, "it is in the wrong shard")?;
                holds(self.partition_exists(*id), place, "its topic does not exist")?;
                if let Some(problem) = partition.violation() {
                    return Err(Violation { place: place(), problem });
                }
            }
            for (key, offsets) in &shard.body.groups {
                let place = || format!("group {}/{}", key.tenant, key.name);
                holds(key.shard() == at && !offsets.is_empty(), place, "it is empty or in the wrong shard")?;
                for (id, offset) in offsets.iter() {
                    let own = self.topic_of(*id).is_some_and(|topic| topic.tenant == key.tenant);
                    holds(
                        own && offset.partition == *id,
                        place,
                        "it has an offset in a topic that is not its tenant's",
                    )?;
                }
            }
        }
        Ok(())
    }

    fn validate_groups(&self) -> Result<(), Violation> {
        for (at, part) in self.groups.iter().enumerate() {
            for (key, record) in &part.body.records {
                let place = || format!("group {}/{}", key.tenant, key.name);
                holds(group_part_of(key) == at, place, "it is in the wrong part")?;
                let in_order = record.members.windows(2).all(|pair| pair[0].member_id < pair[1].member_id);
                holds(in_order, place, "its members are not in order")?;
                holds(record.bytes() <= GROUP_RECORD_BYTES_MAX, place, "it is too large")?;
                holds(
                    record.session < self.meta.body.next_session,
                    place,
                    "its coordinator's session was never opened",
                )?;
            }
        }
        let total = self.derived.group_bytes;
        holds(total <= GROUP_RECORDS_BYTES_MAX, || "groups".into(), "they are over their budget")
    }

    fn validate_quotas(&self) -> Result<(), Violation> {
        for (tenant, quotas) in &self.quotas.body.tenants {
            let place = || format!("quotas of {tenant}");
            holds((1..=QUOTA_ENTITIES_MAX).contains(&quotas.len()), place, "they are none or too many")?;
            for (entity, values) in quotas.iter() {
                let changes = values.iter().map(|(kind, value)| (*kind, Some(*value))).collect();
                let is_right = QuotaAlteration { entity: entity.clone(), changes }.check().is_ok();
                holds(is_right && !values.is_empty(), place, "one is none that could be set")?;
            }
        }
        Ok(())
    }

    fn validate_subscriptions(&self) -> Result<(), Violation> {
        for (tenant, subscriptions) in &self.subscriptions.body.tenants {
            let place = || format!("metrics subscriptions of {tenant}");
            holds((1..=METRICS_SUBSCRIPTIONS_MAX).contains(&subscriptions.len()), place, "they are none or too many")?;
            for (name, settings) in subscriptions.iter() {
                let is_right = check_subscription(name, settings).is_ok() && !settings.is_empty();
                holds(is_right, place, "one is none that could be set")?;
            }
        }
        Ok(())
    }

    fn validate_guards(&self) -> Result<(), Violation> {
        for (at, part) in self.guards.iter().enumerate() {
            for (id, guarded) in &part.body.0.partitions {
                let place = || format!("guards of {id}");
                holds(guard_part_of(*id) == at, place, "they are in the wrong part")?;
                holds(self.partition_exists(*id), place, "its topic does not exist")?;
                let is_right = **guarded != GuardedPartition::default() && guarded.halted.len() <= HALTED_PRODUCERS_MAX;
                holds(is_right, place, "there are none, or too many producers are halted")?;
            }
            for (id, entry) in &part.body.0.keys {
                let place = || format!("a key of topic {}", id.topic);
                holds(key_part_of(id) == at, place, "it is in the wrong part")?;
                let age = self.meta.body.tick.0.checked_sub(entry.since.0);
                holds(age.is_some_and(|age| age < KEY_TICKS_MAX), place, "it is too old, or will be used")?;
                let batches: usize = entry.landed.values().map(Vec::len).sum();
                let is_right = (1..=entry.batches as usize).contains(&batches);
                holds(is_right, place, "none of its batches or too many have landed")?;
                for (index, landed) in &entry.landed {
                    let partition = self.partition(PartitionId { topic: id.topic, index: *index });
                    let own = self.topic(id.topic).is_some_and(|topic| topic.tenant == id.tenant);
                    let tail = partition.map_or(Offset(0), |partition| partition.high_watermark);
                    let is_there = landed.is_sorted() && landed.last().is_some_and(|last| *last < tail);
                    holds(own && is_there, place, "its batches are not in the log of its tenant")?;
                }
                let used = self.derived.keys.batches(id.tenant);
                holds(used <= KEYED_BATCHES_MAX, place, "too many batches are remembered by keys")?;
            }
        }
        Ok(())
    }

    fn validate_departed(&self) -> Result<(), Violation> {
        let mut total = 0;
        for (key, topic) in &self.departed.body.topics {
            let place = || format!("the topic {}/{} that was", key.tenant, key.name);
            total += topic.producers();
            holds(topic.deleted_at <= self.meta.body.tick, place, "it will be deleted")?;
            for producers in topic.partitions.values() {
                let is_right = producers.count() > 0 && producers.are_all_continued();
                holds(is_right, place, "it remembers nothing, or more than how far producers were")?;
                if let Some(problem) = producers.violation(Offset(0)) {
                    return Err(Violation { place: place(), problem });
                }
            }
        }
        holds(total <= DEPARTED_PRODUCERS_MAX, || "topics that were".into(), "they remember too many producers")
    }

    fn validate_payloads(&self) -> Result<(), Violation> {
        let mut bytes = 0;
        for (at, part) in self.payloads.iter().enumerate() {
            for (index, payload) in &part.body.payloads {
                let place = || format!("payload {index}");
                bytes += payload.len();
                holds(payload_part_of(*index) == at && *index <= self.applied(), place, "it is in the wrong part")?;
                let used = self.derived.inline.places.contains_key(index);
                holds(used, place, "no extent lies in it")?;
            }
        }
        holds(bytes <= INLINE_BYTES_MAX, || "payloads".into(), "they are over their budget")?;
        for shard in &self.shards {
            for (id, partition) in &shard.body.partitions {
                for extent in partition.extents.iter() {
                    let Location::Inline { index, position, bytes } = extent.location else { continue };
                    let payload = self.payloads[payload_part_of(index)].body.payloads.get(&index);
                    let end = u64::from(position) + u64::from(bytes);
                    let inside = payload.is_some_and(|payload| end <= payload.len() as u64);
                    holds(inside, || format!("partition {id}"), "an extent lies outside its payload")?;
                }
            }
        }
        Ok(())
    }

    /// Every id that was given out is granted, referenced or an orphan; and no orphan is anything else.
    fn validate_objects(&self) -> Result<(), Violation> {
        let meta = &self.meta.body;
        let refs = &self.derived.objects.0;
        let grants = meta.grants.iter().map(|(first, grant)| (*first, grant.count));
        let orphans = meta.orphans.iter().map(|(first, orphans)| (*first, orphans.count));
        for (first, count) in orphans.clone() {
            let end = ObjectId(first.0.saturating_add(u64::from(count)));
            let free = refs.range(first..end).next().is_none();
            holds(free && count > 0, || format!("orphans {first}+{count}"), "they are referenced")?;
        }
        let mut ranges: Vec<(ObjectId, u32)> = grants.chain(orphans).collect();
        ranges.sort_unstable();
        ranges.push((meta.next_object, 0));
        let mut next = ObjectId(1);
        for (first, count) in ranges {
            let place = || format!("objects {next}..{first}");
            holds(next <= first, place, "ids are both granted and orphans, or twice one of them")?;
            let referenced = refs.range(next..first).count() as u64;
            holds(referenced == first.0 - next.0, place, "ids are neither granted nor referenced nor orphans")?;
            next = ObjectId(first.0.saturating_add(u64::from(count)));
        }
        let known = refs.keys().next_back().is_none_or(|last| *last < meta.next_object);
        holds(known, || "objects".into(), "extents refer to ids that were never granted")
    }
}
