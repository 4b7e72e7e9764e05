//! What the catalog should do, written as simply as possible: every batch that was ever appended in a plain `Vec` per
//! partition, every outcome ever given, every id ever granted; all else is found by looking through them.

mod commits;
mod guards;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use tidelog_catalog_api::*;
use tidelog_model::limits::GRANT_OBJECTS_MAX;
use tidelog_model::*;

use commits::{longer, moved};

#[derive(Clone, Debug)]
pub struct Batch {
    pub extent: Extent,
    pub producer: Option<ProducerBatch>,
    pub at: Tick,
    /// With its whole extent before the partition's beginning.
    pub deleted: bool,
}

pub struct Grant {
    pub view: GrantView,
    pub ended: bool,
    lengths: BTreeMap<ObjectId, u32>,
}

/// Epoch, next sequence, and when it was seen last.
type Progress = (ProducerEpoch, i32, Tick);
type Departed = BTreeMap<(u32, ProducerId), Progress>;

#[derive(Default)]
pub struct Model {
    pub tick: Tick,
    pub wall: Option<i64>,
    pub cluster: Option<([u8; 16], Incarnation)>,
    /// All there ever were, by id from 1 on: the node, and whether a newer one has fenced it.
    pub sessions: Vec<(NodeId, bool)>,
    pub grants: Vec<Grant>,
    /// All there ever were, and whether they were deleted.
    pub topics: Vec<(NewTopic, bool)>,
    pub partitions: BTreeMap<PartitionId, Vec<Batch>>,
    /// Where partitions begin that do not begin at 0.
    pub log_starts: BTreeMap<PartitionId, Offset>,
    /// Of each lane all outcomes ever, and how many are acknowledged.
    pub lanes: BTreeMap<(SessionId, LaneId), (Vec<CommitOutcome>, u64)>,
    pub payloads: BTreeMap<LogIndex, Bytes>,
    pub groups: BTreeMap<(TenantId, String), BTreeMap<PartitionId, GroupOffset>>,
    pub records: BTreeMap<(TenantId, String), GroupRecord>,
    /// Of tenant 1.
    pub quotas: BTreeMap<(QuotaEntity, QuotaKind), QuotaValue>,
    pub subscriptions: MetricsSubscriptions,
    pub next_producer: i64,
    /// See `model/guards.rs`.
    pub guards: guards::ModelGuards,
    /// How far producers were in the last topic of a name, by partition; and when it was deleted.
    departed: BTreeMap<(TenantId, String), (Tick, Departed)>,
    /// How far producers were in the topic before, of all partitions there are.
    pub continued: BTreeMap<(PartitionId, ProducerId), Progress>,
}

impl Model {
    pub fn apply(&mut self, index: LogIndex, command: &Command) -> Outcome {
        match command {
            Command::Bootstrap { cluster_id, incarnation } => {
                self.cluster = self.cluster.or(Some((*cluster_id, *incarnation)));
                Outcome::Done
            }
            Command::Tick { wall } => {
                self.tick.0 += 1;
                self.wall = Some(self.wall.map_or(wall.0, |before| wall.0.max(before).min(before + 60_000)));
                let now = self.tick;
                self.grants.iter_mut().for_each(|grant| grant.ended |= grant.view.deadline <= now);
                self.guards.keys.retain(|_, key| now.0 - key.since.0 < 86_400);
                Outcome::Done
            }
            Command::OpenSession { node } => {
                self.sessions.iter_mut().for_each(|session| session.1 |= session.0 == *node);
                self.sessions.push((*node, false));
                let sessions = &self.sessions;
                self.grants.iter_mut().for_each(|grant| grant.ended |= sessions[grant.view.session.0 as usize - 1].1);
                Outcome::SessionOpened(SessionId(self.sessions.len() as u64))
            }
            Command::GrantObjects { session, count, ticks } => {
                if self.is_fenced(*session) {
                    return Outcome::Granted(Err(SessionRefused::Fenced));
                }
                let view = GrantView {
                    session: *session,
                    first: ObjectId(1 + self.granted().len() as u64),
                    count: (*count).clamp(1, GRANT_OBJECTS_MAX),
                    deadline: Tick(self.tick.0 + u64::from((*ticks).clamp(1, 3_600))),
                };
                self.grants.push(Grant { view, ended: false, lengths: BTreeMap::new() });
                Outcome::Granted(Ok(view))
            }
            Command::Commit(commit) => Outcome::Committed(self.commit(index, commit, &[])),
            Command::GuardedCommit(GuardedCommit { commit, guards }) => {
                Outcome::Committed(self.commit(index, commit, guards))
            }
            Command::RaiseFence { partition, token } => Outcome::FenceRaised(self.raise_fence(*partition, *token)),
            Command::MoveInline(moves) => Outcome::Moved(self.move_inline(moves)),
            Command::CreateTopics { topics } => {
                Outcome::TopicsCreated(topics.iter().map(|topic| self.create(topic)).collect())
            }
            Command::DeleteTopics { topics } => {
                Outcome::TopicsDeleted(topics.iter().map(|topic| self.delete(*topic)).collect())
            }
            Command::RemoveTopics { topics } => {
                let remove = |topic: &TopicId| {
                    self.remember(*topic);
                    self.delete(*topic)
                };
                Outcome::TopicsDeleted(topics.iter().map(remove).collect())
            }
            Command::AllocateProducerIds { count } => {
                let count = (*count).clamp(1, 100_000);
                let first = ProducerId(self.next_producer);
                self.next_producer += i64::from(count);
                Outcome::ProducerIds { first, count }
            }
            Command::CommitOffsets { tenant, group, offsets } => {
                Outcome::OffsetsCommitted(self.commit_offsets(*tenant, group, offsets))
            }
            Command::AlterMetricsSubscription { name, before, after, .. } => {
                let found = self.subscriptions.get(name).cloned().unwrap_or_default();
                Outcome::MetricsSubscriptionAltered(if found == *before {
                    self.subscriptions.insert(name.clone(), after.clone());
                    self.subscriptions.retain(|_, settings| !settings.is_empty());
                    Ok(())
                } else {
                    Err(SubscriptionRefused::Changed)
                })
            }
            Command::StoreGroup { session, tenant, group, record } => {
                Outcome::GroupStored(self.store_group(*session, (*tenant, group.clone()), record.as_ref()))
            }
            Command::AlterClientQuotas { alterations, .. } => {
                let alter = |alteration: &QuotaAlteration| {
                    alteration.check()?;
                    for (kind, value) in &alteration.changes {
                        let key = (alteration.entity.clone(), *kind);
                        match value {
                            Some(value) => drop(self.quotas.insert(key, *value)),
                            None => drop(self.quotas.remove(&key)),
                        }
                    }
                    Ok(())
                };
                Outcome::ClientQuotasAltered(alterations.iter().map(alter).collect())
            }
            Command::CommitOffsetsAs { tenant, group, claim, offsets } => {
                let record = self.records.get(&(*tenant, group.clone()));
                let generation = record.map(|record| record.generation);
                let members: Vec<&String> = record.iter().flat_map(|it| &it.members).map(|it| &it.member_id).collect();
                let refused = match claim {
                    None => (!members.is_empty()).then_some(ClaimRefused::UnknownMember),
                    Some(claim) if generation != Some(claim.generation) => Some(ClaimRefused::IllegalGeneration),
                    Some(claim) => (!members.contains(&&claim.member_id)).then_some(ClaimRefused::UnknownMember),
                };
                Outcome::OffsetsCommittedAs(match refused {
                    Some(refused) => Err(refused),
                    None => Ok(self.commit_offsets(*tenant, group, offsets)),
                })
            }
            Command::AlterTopicConfigs { topic, before, after } => {
                Outcome::TopicConfigsAltered(match self.live_mut(*topic) {
                    None => Err(AlterTopicError::UnknownTopic),
                    Some(topic) if topic.configs != *before => Err(AlterTopicError::Changed),
                    Some(topic) => {
                        topic.configs = after.clone();
                        Ok(())
                    }
                })
            }
            Command::CreatePartitions { topic, count } => Outcome::PartitionsCreated(match self.live_mut(*topic) {
                None => Err(AlterTopicError::UnknownTopic),
                Some(topic) if *count <= topic.partitions => Err(AlterTopicError::NotMore(topic.partitions)),
                Some(_) if *count > 100_000 => {
                    let why = format!("partition count {count} is outside 1..=100000");
                    Err(AlterTopicError::Invalid(why))
                }
                Some(topic) => {
                    topic.partitions = *count;
                    Ok(())
                }
            }),
            Command::DeleteOffsets { tenant, group, partitions } => {
                let offsets = self.groups.entry((*tenant, group.clone())).or_default();
                let before = offsets.len();
                offsets.retain(|id, _| partitions.as_ref().is_some_and(|asked| !asked.contains(id)));
                Outcome::OffsetsDeleted(before - offsets.len())
            }
            Command::DeleteRecords { partitions } => {
                Outcome::RecordsDeleted(partitions.iter().map(|deletion| self.delete_records(deletion)).collect())
            }
        }
    }

    fn commit_offsets(
        &mut self,
        tenant: TenantId,
        group: &str,
        offsets: &[GroupOffset],
    ) -> Vec<Result<(), OffsetRefused>> {
        let mut one = |offset: &GroupOffset| {
            if offset.metadata.len() > 4_096 {
                return Err(OffsetRefused::MetadataTooLarge);
            }
            match self.topic(offset.partition) {
                Some(topic) if topic.tenant == tenant => {}
                _ => return Err(OffsetRefused::UnknownPartition),
            }
            let stored = self.groups.entry((tenant, group.to_owned())).or_default();
            stored.insert(offset.partition, offset.clone());
            Ok(())
        };
        offsets.iter().map(&mut one).collect()
    }

    fn store_group(
        &mut self,
        session: SessionId,
        key: (TenantId, String),
        record: Option<&GroupRecord>,
    ) -> Result<(), GroupRefused> {
        if self.is_fenced(session) {
            return Err(GroupRefused::Fenced);
        }
        let Some(record) = record else {
            self.records.remove(&key);
            return Ok(());
        };
        let ids: Vec<&String> = record.members.iter().map(|member| &member.member_id).collect();
        if record.session != session || ids.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(GroupRefused::Invalid);
        }
        match self.records.get(&key) {
            Some(before) if before.session == session && before.revision >= record.revision => return Ok(()),
            Some(before) if before.generation > record.generation => {
                return Err(GroupRefused::GenerationBack(before.generation));
            }
            _ => {}
        }
        self.records.insert(key, record.clone());
        Ok(())
    }

    fn is_fenced(&self, session: SessionId) -> bool {
        session.0 == 0 || self.sessions.get(session.0 as usize - 1).is_none_or(|session| session.1)
    }

    fn live_mut(&mut self, id: TopicId) -> Option<&mut NewTopic> {
        self.topics.iter_mut().find(|topic| topic.0.id == id && !topic.1).map(|topic| &mut topic.0)
    }

    pub fn log_start(&self, partition: PartitionId) -> Offset {
        self.log_starts.get(&partition).copied().unwrap_or_default()
    }

    fn delete_records(&mut self, deletion: &RecordsDeletion) -> Result<Offset, DeleteRecordsError> {
        let id = deletion.partition;
        if self.topic(id).is_none() {
            return Err(DeleteRecordsError::UnknownPartition);
        }
        let tail = self.tail(id);
        let before = deletion.before.unwrap_or(tail);
        if before > tail {
            return Err(DeleteRecordsError::BeyondTail(tail));
        }
        let log_start = self.log_start(id).max(before);
        self.log_starts.insert(id, log_start);
        // The extents as they are now: those that end before the beginning go, and never touch a later one again.
        let mut gone = self.extents(id).into_iter().filter(|extent| extent.end_offset() <= log_start);
        let end = gone.next_back().map_or(Offset(0), |extent| extent.end_offset());
        for batch in self.partitions.get_mut(&id).into_iter().flatten() {
            batch.deleted |= batch.extent.base_offset < end;
        }
        Ok(log_start)
    }

    /// The topic of a partition that exists.
    pub fn topic(&self, partition: PartitionId) -> Option<&NewTopic> {
        let mut live = self.topics.iter().filter(|topic| !topic.1).map(|topic| &topic.0);
        live.find(|topic| topic.id == partition.topic && partition.index < topic.partitions)
    }

    /// All ids that were ever granted.
    fn granted(&self) -> Vec<(ObjectId, bool)> {
        let ids = |grant: &Grant| (0..u64::from(grant.view.count)).map(|i| ObjectId(grant.view.first.0 + i)).collect();
        let all = self.grants.iter().flat_map(|grant| {
            let ids: Vec<ObjectId> = ids(grant);
            ids.into_iter().map(|id| (id, grant.ended))
        });
        all.collect()
    }

    /// Ids that extents refer to.
    pub fn referenced(&self) -> BTreeSet<ObjectId> {
        let object = |batch: &Batch| match batch.extent.location {
            Location::Object { range, .. } => Some(range.object),
            Location::Inline { .. } => None,
        };
        self.partitions.values().flatten().filter(|batch| !batch.deleted).filter_map(object).collect()
    }

    /// Ids whose grant has ended and that nothing refers to.
    pub fn orphans(&self) -> BTreeSet<ObjectId> {
        let referenced = self.referenced();
        self.granted().iter().filter(|(id, ended)| *ended && !referenced.contains(id)).map(|(id, _)| *id).collect()
    }

    /// Payloads that extents refer to.
    pub fn live_payloads(&self) -> BTreeMap<LogIndex, Bytes> {
        let index = |batch: &Batch| match batch.extent.location {
            Location::Inline { index, .. } => Some(index),
            Location::Object { .. } => None,
        };
        let kept = self.partitions.values().flatten().filter(|batch| !batch.deleted);
        let live: BTreeSet<LogIndex> = kept.filter_map(index).collect();
        live.into_iter().map(|index| (index, self.payloads[&index].clone())).collect()
    }

    /// Neighbours in one place, as one.
    pub fn extents(&self, partition: PartitionId) -> Vec<Extent> {
        let mut extents: Vec<Extent> = Vec::new();
        for batch in self.partitions.get(&partition).into_iter().flatten().filter(|batch| !batch.deleted) {
            let next = &batch.extent;
            match extents.last_mut() {
                Some(last) if moved(last.location, last.bytes(), next.bytes()) == next.location => {
                    last.records += next.records;
                    last.max_timestamp = last.max_timestamp.max(next.max_timestamp);
                    last.location = longer(last.location, next.bytes());
                }
                _ => extents.push(next.clone()),
            }
        }
        extents
    }

    pub fn tail(&self, partition: PartitionId) -> Offset {
        Offset(self.partitions.get(&partition).into_iter().flatten().map(|batch| u64::from(batch.extent.records)).sum())
    }

    fn create(&mut self, topic: &NewTopic) -> Result<CreatedTopic, CreateTopicError> {
        check_topic_name(&topic.name).map_err(|error| CreateTopicError::Invalid(error.to_string()))?;
        let fold = |name: &str| name.replace('.', "_");
        let live = || self.topics.iter().filter(|topic| !topic.1).map(|topic| &topic.0);
        let mut same_tenant = live().filter(|other| other.tenant == topic.tenant);
        if let Some(other) = same_tenant.find(|other| fold(&other.name) == fold(&topic.name)) {
            let (name, existing) = (topic.name.clone(), other.name.clone());
            let exists = name == existing;
            return Err(if exists {
                CreateTopicError::Exists(name)
            } else {
                CreateTopicError::Collides { name, existing }
            });
        }
        if topic.partitions == 0 || topic.partitions > 100_000 {
            let why = format!("partition count {} is outside 1..=100000", topic.partitions);
            return Err(CreateTopicError::Invalid(why));
        }
        if topic.id == TopicId::ZERO || live().any(|other| other.id == topic.id) {
            return Err(CreateTopicError::Invalid(format!("topic id {} is taken", topic.id)));
        }
        self.topics.push((topic.clone(), false));
        if let Some((at, producers)) = self.departed.remove(&(topic.tenant, topic.name.clone()))
            && self.tick.0 - at.0 <= 3_600
        {
            let here = producers.into_iter().filter(|((index, _), _)| *index < topic.partitions);
            self.continued
                .extend(here.map(|((index, id), progress)| ((PartitionId { topic: topic.id, index }, id), progress)));
        }
        Ok(CreatedTopic { id: topic.id })
    }

    fn remember(&mut self, id: TopicId) {
        let Some((topic, _)) = self.topics.iter().find(|topic| topic.0.id == id && !topic.1) else { return };
        let mut producers = BTreeMap::new();
        for ((partition, producer), progress) in self.continued.iter().filter(|(key, _)| key.0.topic == id) {
            producers.insert((partition.index, *producer), *progress);
        }
        for (partition, batches) in self.partitions.iter().filter(|(partition, _)| partition.topic == id) {
            for (batch, producer) in batches.iter().filter_map(|batch| Some((batch, batch.producer?))) {
                let next = producer.sequence + batch.extent.records as i32;
                producers.insert((partition.index, producer.id), (producer.epoch, next, batch.at));
            }
        }
        producers.retain(|_, progress| self.tick.0 - progress.2.0 <= 3_600);
        if !producers.is_empty() {
            self.departed.insert((topic.tenant, topic.name.clone()), (self.tick, producers));
        }
    }

    fn delete(&mut self, id: TopicId) -> bool {
        let Some(topic) = self.topics.iter_mut().find(|topic| topic.0.id == id && !topic.1) else { return false };
        topic.1 = true;
        self.partitions.retain(|partition, _| partition.topic != id);
        self.continued.retain(|(partition, _), _| partition.topic != id);
        self.log_starts.retain(|partition, _| partition.topic != id);
        self.guards.forget(id);
        self.groups.values_mut().for_each(|offsets| offsets.retain(|partition, _| partition.topic != id));
        true
    }
}
