//! The state and `apply`.

use std::sync::Arc;

use tidelog_catalog_api::{ClientQuotas, Command, GuardedCommit, Outcome};
use tidelog_model::{LogIndex, PartitionId, Tick, TimestampMs};

use crate::client_quotas::TenantQuotas;
use crate::departed::Departed;
use crate::derived::Derived;
use crate::frozen::Frozen;
use crate::group_records::GroupRecords;
use crate::guards::Guards;
use crate::meta::{Cluster, Meta};
use crate::metrics_subscriptions::TenantSubscriptions;
use crate::part::{GROUP_PARTS, GUARD_PARTS, PAYLOAD_PARTS, SHARDS, Shared, Stamped};
use crate::shard::{Payloads, Shard};

/// Everything that must survive, as of one index of the log.
#[derive(Debug)]
pub struct State {
    pub(crate) meta: Arc<Stamped<Meta>>,
    pub(crate) shards: Vec<Arc<Stamped<Shard>>>,
    pub(crate) payloads: Vec<Arc<Stamped<Payloads>>>,
    /// See `group_records.rs`.
    pub(crate) groups: Vec<Arc<Stamped<GroupRecords>>>,
    /// See `client_quotas.rs`.
    pub(crate) quotas: Arc<Stamped<TenantQuotas>>,
    /// What a tenant has that has none; one for all, so that it is always the same.
    pub(crate) no_quotas: Shared<ClientQuotas>,
    /// See `metrics_subscriptions.rs`.
    pub(crate) subscriptions: Arc<Stamped<TenantSubscriptions>>,
    /// See `departed.rs`.
    pub(crate) departed: Arc<Stamped<Departed>>,
    /// See `guards.rs`.
    pub(crate) guards: Vec<Arc<Stamped<Guards>>>,
    pub(crate) derived: Derived,
}

/// What `apply` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The answer.
    pub outcome: Outcome,
    /// Partitions of which a reader is told something else than before, each once, in order: their tail or beginning moved,
    /// or they are new in a topic that was there, or gone with it.
    pub changed: Vec<PartitionId>,
}

impl Default for State {
    fn default() -> State {
        State::new()
    }
}

impl State {
    /// The state before the first command.
    #[must_use]
    pub fn new() -> State {
        State {
            meta: Stamped::new(Meta::new()),
            shards: (0..SHARDS).map(|_| Stamped::new(Shard::default())).collect(),
            payloads: (0..PAYLOAD_PARTS).map(|_| Stamped::new(Payloads::default())).collect(),
            groups: (0..GROUP_PARTS).map(|_| Stamped::new(GroupRecords::default())).collect(),
            quotas: Stamped::new(TenantQuotas::default()),
            no_quotas: Shared::default(),
            subscriptions: Stamped::new(TenantSubscriptions::default()),
            departed: Stamped::new(Departed::default()),
            guards: (0..GUARD_PARTS).map(|_| Stamped::new(Guards::default())).collect(),
            derived: Derived::default(),
        }
    }

    /// Applies the command at `index` of the log. The same commands at the same indexes give the same states and answers
    /// everywhere. Every command that can be decoded has an answer.
    ///
    /// # Panics
    /// When `index` is not beyond [`State::applied`], or an invariant of the state does not hold: then this replica must
    /// stop.
    pub fn apply(&mut self, index: LogIndex, command: &Command) -> Applied {
        self.skip(index);
        let mut changed = Vec::new();
        let outcome = match command {
            Command::Bootstrap { cluster_id, incarnation } => {
                let meta = Stamped::write(&mut self.meta, index);
                meta.cluster.get_or_insert(Cluster { cluster_id: *cluster_id, incarnation: *incarnation });
                Outcome::Done
            }
            Command::Tick { wall } => {
                self.tick(index, *wall);
                Outcome::Done
            }
            Command::OpenSession { node } => {
                let meta = Stamped::write(&mut self.meta, index);
                Outcome::SessionOpened(meta.open_session(*node, &self.derived.objects))
            }
            Command::GrantObjects { session, count, ticks } => {
                Outcome::Granted(Stamped::write(&mut self.meta, index).grant_objects(*session, *count, *ticks))
            }
            Command::Commit(commit) => Outcome::Committed(self.apply_commit(index, commit, &[], &mut changed)),
            Command::GuardedCommit(GuardedCommit { commit, guards }) => {
                Outcome::Committed(self.apply_commit(index, commit, guards, &mut changed))
            }
            Command::RaiseFence { partition, token } => {
                Outcome::FenceRaised(self.raise_fence(index, *partition, *token))
            }
            Command::MoveInline(moves) => Outcome::Moved(self.apply_moves(index, moves)),
            Command::CreateTopics { topics } => Outcome::TopicsCreated(self.create_topics(index, topics)),
            Command::DeleteTopics { topics } => {
                Outcome::TopicsDeleted(self.delete_topics(index, topics, false, &mut changed))
            }
            Command::RemoveTopics { topics } => {
                Outcome::TopicsDeleted(self.delete_topics(index, topics, true, &mut changed))
            }
            Command::AllocateProducerIds { count } => {
                let (first, count) = Stamped::write(&mut self.meta, index).allocate_producer_ids(*count);
                Outcome::ProducerIds { first, count }
            }
            Command::CommitOffsets { tenant, group, offsets } => {
                Outcome::OffsetsCommitted(self.commit_offsets(index, *tenant, group, offsets))
            }
            Command::AlterTopicConfigs { topic, before, after } => {
                Outcome::TopicConfigsAltered(self.alter_topic_configs(index, *topic, before, after))
            }
            Command::CreatePartitions { topic, count } => {
                Outcome::PartitionsCreated(self.create_partitions(index, *topic, *count, &mut changed))
            }
            Command::DeleteOffsets { tenant, group, partitions } => {
                Outcome::OffsetsDeleted(self.delete_offsets(index, *tenant, group, partitions.as_deref()))
            }
            Command::DeleteRecords { partitions } => {
                Outcome::RecordsDeleted(self.delete_records(index, partitions, &mut changed))
            }
            Command::StoreGroup { session, tenant, group, record } => {
                Outcome::GroupStored(self.store_group(index, *session, *tenant, group, record.as_ref()))
            }
            Command::CommitOffsetsAs { tenant, group, claim, offsets } => {
                Outcome::OffsetsCommittedAs(self.commit_offsets_as(index, (*tenant, group), claim.as_ref(), offsets))
            }
            Command::AlterClientQuotas { tenant, alterations } => {
                Outcome::ClientQuotasAltered(self.alter_client_quotas(index, *tenant, alterations))
            }
            Command::AlterMetricsSubscription { tenant, name, before, after } => Outcome::MetricsSubscriptionAltered(
                self.alter_metrics_subscription(index, (*tenant, name), before, after),
            ),
        };
        changed.sort_unstable();
        changed.dedup();
        Applied { outcome, changed }
    }

    /// Passes an entry of the log that holds no command.
    ///
    /// # Panics
    /// When `index` is not beyond [`State::applied`].
    pub fn skip(&mut self, index: LogIndex) {
        assert!(index > self.applied(), "the entry at {index} comes after {}", self.applied());
        Stamped::write(&mut self.meta, index);
    }

    /// The last index that was applied or skipped; 0 before the first.
    #[must_use]
    pub fn applied(&self) -> LogIndex {
        // Every entry writes the meta part.
        self.meta.changed_at
    }

    /// The state as it is now, to be written elsewhere while this one goes on. Copies nothing; a part is copied when it is
    /// written for the first time afterwards.
    #[must_use]
    pub fn freeze(&self) -> Frozen {
        Frozen {
            meta: Arc::clone(&self.meta),
            shards: self.shards.clone(),
            payloads: self.payloads.clone(),
            groups: self.groups.clone(),
            quotas: Arc::clone(&self.quotas),
            subscriptions: Arc::clone(&self.subscriptions),
            departed: Arc::clone(&self.departed),
            guards: self.guards.clone(),
        }
    }

    /// The state's hash: equal on all replicas at one index. Looks at parts that changed since it was last asked.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.freeze().hash()
    }

    /// Ticks that have passed.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.meta.body.tick
    }

    /// Wall time, which never goes back and goes on by a minute per tick at most. `None` before the first tick.
    #[must_use]
    pub fn wall(&self) -> Option<TimestampMs> {
        self.meta.body.wall
    }

    fn tick(&mut self, index: LogIndex, wall: TimestampMs) {
        let meta = Stamped::write(&mut self.meta, index);
        meta.tick(wall);
        meta.end_expired_grants(&self.derived.objects);
        let now = meta.tick;
        self.forget_departed(index);
        self.expire_keys(index);
        // One shard per tick: each is looked through about once a minute, and touched only if something is idle.
        let shard = &mut self.shards[now.0 as usize % SHARDS];
        let idle = shard.body.partitions.iter().filter(|(_, partition)| partition.producers.can_shrink(now));
        let idle: Vec<PartitionId> = idle.map(|(id, _)| *id).collect();
        for id in idle {
            let partitions = &mut Stamped::write(shard, index).partitions;
            partitions.get_mut(&id).expect("just listed").write().producers.shrink(now);
        }
    }
}
