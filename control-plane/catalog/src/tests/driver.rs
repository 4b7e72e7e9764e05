//! Turns small random numbers into commands that are mostly sensible, applies them to the state and to the model, and
//! compares everything that can be asked.

mod check;
mod guards;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use tidelog_catalog_api::*;
use tidelog_model::*;

use super::model::Model;
use super::steps::{BatchStep, CommitStep, Step};
use crate::{PartId, State};

const NAMES: [&str; 5] = ["a.b", "a_b", "orders", "x", "not a name"];

/// A frozen state, encoded at once, and again at the end.
struct Snapshot {
    after: usize,
    frozen: crate::Frozen,
    hash: u64,
    parts: Vec<(PartId, Bytes)>,
}

#[derive(Default)]
pub struct Driver {
    pub state: State,
    model: Model,
    /// All commands with their outcomes; command `i` has index `2 * i + 2`, so that there are others between.
    log: Vec<(Command, Outcome)>,
    /// The next sequence per producer, epoch and partition, as a client that never fails would count.
    sequences: BTreeMap<(u8, i16, PartitionId), i32>,
    snapshots: Vec<Snapshot>,
    /// Bytes of each part at each change.
    seen_parts: BTreeMap<(PartId, LogIndex), Bytes>,
    seen_orphans: BTreeSet<ObjectId>,
}

impl Driver {
    /// A cluster with two topics and two sessions, so that random commits find something.
    pub fn new() -> Driver {
        let mut driver = Driver::default();
        driver.apply(Command::Bootstrap { cluster_id: [7; 16], incarnation: Incarnation(9) });
        for tenant in 0..2 {
            driver.step(&Step::Create { tenant, name: 0, partitions: 3, id: 9 });
            driver.step(&Step::OpenSession(tenant));
            driver.step(&Step::Grant { session: tenant, count: 5, ticks: 20 });
        }
        driver
    }

    pub fn step(&mut self, step: &Step) {
        match step {
            Step::LongSleep => {
                for _ in 0..3_700 {
                    self.apply_unchecked(Command::Tick { wall: TimestampMs(0) });
                }
                self.check();
            }
            Step::Freeze => self.freeze(),
            step => {
                if let Some(command) = self.command(step) {
                    self.apply(command);
                }
            }
        }
    }

    fn apply(&mut self, command: Command) {
        self.apply_unchecked(command);
        self.check();
    }

    fn apply_unchecked(&mut self, command: Command) {
        let index = LogIndex(self.log.len() as u64 * 2 + 2);
        let before = self.bounds();
        let had: Vec<u32> =
            self.model.topics.iter().map(|topic| if topic.1 { 0 } else { topic.0.partitions }).collect();
        let expected = self.model.apply(index, &command);
        let applied = self.state.apply(index, &command);
        assert_eq!(applied.outcome, expected, "outcome of {command:?}");
        let bounds = self.bounds();
        let moved = bounds.iter().filter(|(id, bounds)| before.get(id).copied().unwrap_or_default() != **bounds);
        let new_or_gone = self.model.topics.iter().zip(had).flat_map(|((topic, is_deleted), had)| {
            let indexes = if *is_deleted { 0..had } else { had..topic.partitions };
            indexes.map(|index| PartitionId { topic: topic.id, index })
        });
        let changed: BTreeSet<PartitionId> = moved.map(|(id, _)| *id).chain(new_or_gone).collect();
        assert_eq!(applied.changed, changed.into_iter().collect::<Vec<_>>(), "changed by {command:?}");
        self.log.push((command, expected));
    }

    /// Beginning and end of the partitions with records.
    fn bounds(&self) -> BTreeMap<PartitionId, (Offset, Offset)> {
        let ids = self.model.partitions.keys();
        ids.map(|id| (*id, (self.model.log_start(*id), self.model.tail(*id)))).collect()
    }

    /// Mostly a partition that exists.
    fn partition(&self, pick: u8) -> PartitionId {
        let live = self.model.topics.iter().filter(|topic| !topic.1).map(|topic| &topic.0);
        let live: Vec<PartitionId> = live.map(|topic| PartitionId { topic: topic.id, index: 0 }).collect();
        let every: Vec<PartitionId> =
            self.model.topics.iter().map(|topic| PartitionId { topic: topic.0.id, index: 0 }).collect();
        let from = if pick < 230 && !live.is_empty() { live } else { every };
        let partition = from[usize::from(pick / 4) % from.len()];
        let index = u32::from(pick % 4);
        let other = PartitionId { index, ..partition };
        if pick < 230 && self.model.topic(other).is_none() { partition } else { other }
    }

    /// Mostly a session that lives.
    fn session(&self, pick: u8) -> SessionId {
        let sessions = self.model.sessions.iter().enumerate();
        let live = sessions.filter(|(_, session)| !session.1 || pick >= 230).map(|(at, _)| SessionId(at as u64 + 1));
        let live: Vec<SessionId> = live.collect();
        if pick == 255 { SessionId(99) } else { live[usize::from(pick) % live.len()] }
    }

    /// Mostly an id of one of the session's live grants.
    fn object(&self, session: SessionId, pick: u8) -> ObjectId {
        let own = self.model.grants.iter().filter(|grant| grant.view.session == session && !grant.ended);
        let own: Vec<_> = own.map(|grant| grant.view).collect();
        let all: Vec<_> = self.model.grants.iter().map(|grant| grant.view).collect();
        let from = if pick.is_multiple_of(16) || own.is_empty() { &all } else { &own };
        match from.get(usize::from(pick / 8) % from.len().max(1)) {
            Some(grant) => ObjectId(
                grant.first.0 + u64::from(pick % 5) % (u64::from(grant.count) + u64::from(pick.is_multiple_of(16))),
            ),
            None => ObjectId(u64::from(pick)),
        }
    }

    fn command(&mut self, step: &Step) -> Option<Command> {
        Some(match step {
            Step::Tick(wall) => Command::Tick { wall: TimestampMs(self.model.wall.unwrap_or(0) + i64::from(*wall)) },
            Step::OpenSession(node) => Command::OpenSession { node: NodeId(u64::from(*node)) },
            Step::Grant { session, count, ticks } => Command::GrantObjects {
                session: self.session(*session),
                count: u32::from(*count),
                ticks: u32::from(*ticks),
            },
            Step::Commit(step) => {
                let commit = self.commit(step);
                match self.guards(step, &commit) {
                    guards if guards.is_empty() => Command::Commit(commit),
                    guards => Command::GuardedCommit(GuardedCommit { commit, guards }),
                }
            }
            Step::Fence(partition, token) => {
                let token = FencingToken(u64::from(*token % 6));
                Command::RaiseFence { partition: self.partition(*partition), token }
            }
            Step::Move { session, object, skip, spread, tamper } => {
                let session = self.session(*session);
                let mut to_position = 0;
                let mut moves = Vec::new();
                let mut extents = self.state.inline_extents(if *skip == 0 { 200 } else { 10_000 });
                extents.sort_by_key(|it| (it.partition, it.extent.base_offset));
                for it in extents.iter().skip(usize::from(*skip) * 2) {
                    let Location::Inline { index, position, bytes } = it.extent.location else { panic!("not inline") };
                    let (partition, base_offset) = (it.partition, it.extent.base_offset);
                    let step =
                        ExtentMove { partition, base_offset, from: index, from_position: position, bytes, to_position };
                    moves.push(step);
                    to_position += bytes + u32::from(*spread / 2);
                }
                if let Some(first) = moves.first_mut() {
                    match tamper {
                        0 => first.from_position += 1,
                        1 => first.base_offset.0 += 1,
                        2 => first.bytes += 1,
                        3 => first.to_position += 5,
                        4 => first.from.0 += 2,
                        _ => {}
                    }
                }
                let object = self.object(session, *object);
                Command::MoveInline(MoveInline { session, object, object_bytes: to_position.max(500), moves })
            }
            Step::Create { tenant, name, partitions, id } => {
                let random = (self.log.len() as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
                let old = self.model.topics.first().map(|topic| topic.0.id);
                let id = match id {
                    0 => TopicId::ZERO,
                    1 => old?,
                    _ => TopicId::from_random(random.to_be_bytes()),
                };
                let topic = NewTopic {
                    tenant: TenantId(u32::from(*tenant)),
                    id,
                    name: NAMES[usize::from(*name) % NAMES.len()].to_owned(),
                    partitions: u32::from(*partitions),
                    replication_factor: 3,
                    configs: BTreeMap::from([("retention.ms".to_owned(), "1".to_owned())]),
                };
                Command::CreateTopics { topics: vec![topic.clone(), NewTopic { name: "y".into(), ..topic }] }
            }
            Step::Delete(pick) => {
                let topic = self.partition(*pick).topic;
                let topics = vec![topic, topic];
                if pick % 4 == 0 { Command::DeleteTopics { topics } } else { Command::RemoveTopics { topics } }
            }
            Step::ProducerIds(count) => Command::AllocateProducerIds { count: u32::from(*count) },
            Step::Offsets { tenant, group, partition, offset } => {
                let metadata = "m".repeat(if *offset < 32 { 5_000 } else { 1 });
                let partition = self.partition(*partition);
                let offset = GroupOffset { partition, offset: Offset(u64::from(*offset)), leader_epoch: -1, metadata };
                let other = GroupOffset { partition: PartitionId { index: 0, ..partition }, ..offset.clone() };
                let (tenant, group) = (TenantId(u32::from(*tenant)), format!("g{group}"));
                Command::CommitOffsets { tenant, group, offsets: vec![offset, other] }
            }
            Step::Configs { topic, value, stale } => {
                let topic = self.partition(*topic).topic;
                let live = self.model.topics.iter().find(|it| it.0.id == topic && !it.1);
                let mut before = live.map(|it| it.0.configs.clone()).unwrap_or_default();
                let mut after = before.clone();
                match value {
                    0 => drop(after.remove("retention.ms")),
                    value => drop(after.insert("retention.ms".to_owned(), value.to_string())),
                }
                if *stale == 0 {
                    before.insert("segment.ms".to_owned(), "7".to_owned());
                }
                Command::AlterTopicConfigs { topic, before, after }
            }
            Step::Grow { topic, by } => {
                let topic = self.partition(*topic).topic;
                let live = self.model.topics.iter().find(|it| it.0.id == topic && !it.1);
                let now = live.map_or(0, |it| it.0.partitions);
                // Few, so that comparing all of them stays quick; and now and then too many.
                let count = if *by == 4 { 100_001 } else { (now + u32::from(*by)).min(6) };
                Command::CreatePartitions { topic, count }
            }
            Step::StoreGroup(group, generation, members) => self.store_group(*group, *generation, *members),
            Step::OffsetsAs(group, claim, partition) => {
                let (tenant, group) = group_of(*group);
                let generation = self.model.records.get(&(tenant, group.clone())).map_or(0, |it| it.generation);
                let generation = generation - i32::from(*claim >= 200);
                let member_id = format!("member-{}", claim % 4);
                let claim = (claim % 5 > 0).then_some(GroupClaim { generation, member_id });
                let partition = self.partition(*partition);
                let offset = GroupOffset { partition, offset: Offset(7), leader_epoch: 0, metadata: String::new() };
                Command::CommitOffsetsAs { tenant, group, claim, offsets: vec![offset] }
            }
            Step::Quotas(entity, kinds, value) => quotas(*entity, *kinds, *value),
            Step::Subscription { name, value, stale } => {
                let name = format!("subscription-{}", name % 3);
                let settings = |value: u8| match value % 4 {
                    0 => BTreeMap::new(),
                    value => BTreeMap::from([("metrics".to_owned(), value.to_string())]),
                };
                let current = self.model.subscriptions.get(&name).cloned().unwrap_or_default();
                let before = if *stale < 60 { settings(*stale) } else { current };
                Command::AlterMetricsSubscription { tenant: TenantId(1), name, before, after: settings(*value) }
            }
            Step::DeleteOffsets { tenant, group, partition } => {
                let some = vec![self.partition(*partition), self.partition(partition.wrapping_add(4))];
                let partitions = if *partition < 60 { None } else { Some(some) };
                let (tenant, group) = (TenantId(u32::from(*tenant)), format!("g{group}"));
                Command::DeleteOffsets { tenant, group, partitions }
            }
            Step::DeleteRecords { partition, before } => {
                let partition = self.partition(*partition);
                let tail = self.model.tail(partition).0;
                let before = match before {
                    0..25 => None,
                    25..40 => Some(Offset(tail + 1)),
                    before => Some(Offset(u64::from(*before) % (tail + 1))),
                };
                let some = RecordsDeletion { partition, before };
                let other = PartitionId { index: partition.index + 1, ..partition };
                let more = RecordsDeletion { partition: other, before: Some(Offset(1)) };
                Command::DeleteRecords { partitions: vec![some, more] }
            }
            Step::Again(ago) => self.log[self.log.len().checked_sub(usize::from(*ago))?].0.clone(),
            Step::LongSleep | Step::Freeze => return None,
        })
    }

    /// Mostly the next generation, by a session that lives, with a later revision and members in order.
    fn store_group(&self, group: u8, generation: u8, members: u8) -> Command {
        let session = self.session(generation);
        let (tenant, group) = group_of(group);
        let before = self.model.records.get(&(tenant, group.clone()));
        let member = |number: u8| GroupMember {
            member_id: format!("member-{number}"),
            instance_id: number.is_multiple_of(2).then(|| "static".to_owned()),
            client_id: "client".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout_ms: 45_000,
            rebalance_timeout_ms: 300_000,
            protocols: vec![GroupProtocol { name: "range".to_owned(), metadata: Bytes::from(vec![number; 3]) }],
            assignment: Bytes::from(vec![members; 2]),
        };
        let mut listed: Vec<GroupMember> = (0..members % 4).map(member).collect();
        if members >= 240 {
            listed.reverse();
        }
        let record = GroupRecord {
            session: if members == 77 { SessionId(1) } else { session },
            revision: before.map_or(0, |before| before.revision) + u64::from(generation % 4),
            generation: before.map_or(0, |before| before.generation) + i32::from(generation % 5) - 1,
            protocol_type: "consumer".to_owned(),
            protocol: "range".to_owned(),
            leader: listed.first().map(|member| member.member_id.clone()).unwrap_or_default(),
            members: listed,
        };
        Command::StoreGroup { session, tenant, group, record: (members % 16 != 5).then_some(record) }
    }

    fn commit(&mut self, step: &CommitStep) -> Commit {
        let (session, lane) = (self.session(step.session), LaneId(step.lane));
        let applied = self.model.lanes.get(&(session, lane)).map_or(0, |lane| lane.0.len() as u64);
        let sequence = match step.sequence {
            0..20 => u64::from(step.sequence % 4),
            20..30 => applied + 2,
            30..50 => applied.saturating_sub(u64::from(step.sequence % 3)),
            _ => applied + 1,
        };
        let received =
            if step.received < 10 { applied + 3 } else { applied.saturating_sub(u64::from(step.received % 8)) };
        let mut position = u32::from(step.object % 2) * 3;
        let mut entries = Vec::new();
        for (pick, batches) in &step.entries {
            let partition = self.partition(*pick);
            let start = position;
            let batches = batches.iter().map(|batch| self.batch(partition, batch)).collect::<Vec<_>>();
            position += batches.iter().map(|batch| batch.bytes).sum::<u32>();
            // Now and then one that lies over the one before.
            let start = if *pick == 255 { start.saturating_sub(1) } else { start };
            entries.push(CommitEntry { partition, position: start, batches });
        }
        let payload = if step.object.is_multiple_of(3) {
            Payload::Inline(Bytes::from(vec![step.object; position as usize]))
        } else {
            Payload::Object { object: self.object(session, step.object), bytes: if step.object == 7 { 1 } else { 500 } }
        };
        let (sequence, outcomes_received) = (CommitSequence(sequence), CommitSequence(received));
        Commit { session, lane, sequence, outcomes_received, payload, entries }
    }

    fn batch(&mut self, partition: PartitionId, step: &BatchStep) -> CommitBatch {
        let mut records = if step.bytes == 19 && step.records == 4 { 0 } else { u32::from(step.records) };
        let epoch = i16::from(step.epoch / 9);
        let producer = (step.producer < 3).then(|| {
            let known = self.model.continued.get(&(partition, ProducerId(i64::from(step.producer))));
            let known = known.filter(|known| known.0 == ProducerEpoch(epoch)).map_or(0, |known| known.1);
            let next = self.sequences.entry((step.producer, epoch, partition)).or_insert(known);
            let sequence = match step.sequence {
                0..10 => 0,
                10..30 => *next + i32::from(step.sequence % 3),
                30..50 => *next - i32::from(step.sequence % 16),
                50..90 => {
                    // One that is in the log, as a client would send it again.
                    let all = self.model.partitions.get(&partition).into_iter().flatten();
                    let same = |it: &&ProducerBatch| it.id.0 == i64::from(step.producer) && it.epoch.0 == epoch;
                    let own: Vec<_> = all.filter(|it| it.producer.as_ref().filter(same).is_some()).collect();
                    match own.len().checked_sub(1 + usize::from(step.sequence % 8)) {
                        Some(at) => {
                            records = own[at].extent.records;
                            own[at].producer.unwrap().sequence
                        }
                        None => 0,
                    }
                }
                _ => {
                    *next += records as i32;
                    *next - records as i32
                }
            };
            ProducerBatch { id: ProducerId(i64::from(step.producer)), epoch: ProducerEpoch(epoch), sequence }
        });
        let tail = self.model.tail(partition);
        let expected_offset = match step.expected {
            0..30 => Some(tail),
            30..60 => Some(tail.plus(1)),
            _ => None,
        };
        let max_timestamp = TimestampMs(i64::from(step.timestamp) - 100);
        CommitBatch { bytes: u32::from(step.bytes), records, max_timestamp, producer, expected_offset }
    }

    fn freeze(&mut self) {
        let frozen = self.state.freeze();
        let parts: Vec<(PartId, Bytes)> = frozen.parts().iter().map(|part| (part.id, part.encode())).collect();
        for (part, (id, bytes)) in frozen.parts().iter().zip(&parts) {
            let seen = self.seen_parts.entry((*id, part.changed_at)).or_insert_with(|| bytes.clone());
            assert_eq!(seen, bytes, "part {id} as of {} has one encoding", part.changed_at);
        }
        self.snapshots.push(Snapshot { after: self.log.len(), hash: frozen.hash(), frozen, parts });
    }

    /// Replays from each snapshot, and looks at the frozen ones again.
    pub fn finish(mut self) {
        self.freeze();
        let hash = self.state.hash();
        for snapshot in self.snapshots {
            let again: Vec<_> = snapshot.frozen.parts().iter().map(|part| (part.id, part.encode())).collect();
            assert_eq!(again, snapshot.parts, "a frozen state does not change");
            let mut parts = snapshot.parts;
            parts.reverse();
            let mut restored = State::restore(parts).unwrap();
            assert_eq!(restored.hash(), snapshot.hash, "restore of encode is identity");
            assert_eq!(restored.applied(), snapshot.frozen.applied());
            for (at, (command, outcome)) in self.log.iter().enumerate().skip(snapshot.after) {
                let applied = restored.apply(LogIndex(at as u64 * 2 + 2), command);
                assert_eq!(&applied.outcome, outcome, "replayed outcome of {command:?}");
            }
            assert_eq!(restored.hash(), hash, "replay from any snapshot gives the same state");
        }
    }
}

/// Mostly what can be: one or two of a user, a client id and an address, with or without a name, and some of their kinds.
fn quotas(entity: u8, kinds: u8, value: u8) -> Command {
    let name = |bits: u8| match bits % 4 {
        0 => Some(QuotaName::Default),
        1 => Some(QuotaName::Named("10.0.0.1".to_owned())),
        _ => None,
    };
    let of = |user, client_id, ip| QuotaEntity { user, client_id, ip };
    let entity = match entity % 8 {
        0 => of(name(entity / 8), None, name(entity / 32)),
        1 => of(None, None, name(entity / 16)),
        _ => of(name(entity / 16), name(entity / 64), None),
    };
    let value = (value > 80).then(|| QuotaValue::new(f64::from(value) - 100.0));
    let is_chosen = |at: usize, kind: QuotaKind| {
        kinds >> at & 1 == 1 && (kinds > 220 || kind.is_of_address() == entity.ip.is_some())
    };
    let chosen = QuotaKind::ALL.into_iter().enumerate().filter(|(at, kind)| is_chosen(*at, *kind));
    let changes = chosen.map(|(_, kind)| (kind, value)).collect();
    let alterations = vec![QuotaAlteration { entity, changes }];
    Command::AlterClientQuotas { tenant: TenantId(1), alterations }
}

/// One of a few groups of two tenants.
fn group_of(pick: u8) -> (TenantId, String) {
    (TenantId(u32::from(pick % 2)), format!("group-{}", pick / 2 % 2))
}
