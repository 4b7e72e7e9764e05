//! A catalog for the tests of groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tidelog_catalog_api::{
    ApplyListener, Catalog, CatalogError, ClientQuotas, ClusterView, Command, Extent, ExtentPlan, GroupOffset,
    GroupRecord, GroupRefused, InlineExtent, KeyView, MetricsSubscriptions, OffsetRefused, OrphanRange, Outcome,
    PartitionView, ProducerView, Proposal, QuorumView, StoredTotals, TopicTotals, TopicView,
};
use tidelog_model::{
    FencingToken, LogIndex, ObjectId, Offset, PartitionId, ProducerId, TenantId, TimestampMs, TopicId,
};

/// A catalog of group offsets and topics only. What is committed, or made, becomes visible at the next read barrier, as on a replica
/// that lags.
#[derive(Default)]
pub(super) struct LaggingCatalog {
    committed: Mutex<Vec<(TenantId, String, GroupOffset)>>,
    visible: Mutex<Vec<(TenantId, String, GroupOffset)>>,
    pub(super) proposals: Mutex<Vec<Command>>,
    pub(super) down: Mutex<bool>,
    /// Has no room for records.
    pub(super) is_full: Mutex<bool>,
    /// How often a record was to be stored.
    pub(super) record_proposals: Mutex<usize>,
    /// What records are answered with instead of being stored.
    pub(super) refusal: Mutex<Option<GroupRefused>>,
    /// Whether the topics of offsets are deleted by the time they are committed.
    pub(super) refuses_offsets: Mutex<bool>,
    pub(super) records: Mutex<BTreeMap<(TenantId, String), Arc<GroupRecord>>>,
    topics: Mutex<Vec<Arc<TopicView>>>,
    visible_topics: Mutex<Vec<Arc<TopicView>>>,
}

#[async_trait]
impl Catalog for LaggingCatalog {
    fn propose(&self, command: Command) -> Proposal {
        if let Command::StoreGroup { tenant, group, record, .. } = command {
            if *self.down.lock() {
                return Box::pin(async { Err(CatalogError::Unavailable("down".to_owned())) });
            }
            if record.is_some() {
                *self.record_proposals.lock() += 1;
                if *self.is_full.lock() {
                    return Box::pin(async { Err(CatalogError::Full("no room".to_owned())) });
                }
            }
            if let Some(refused) = *self.refusal.lock() {
                return Box::pin(async move { Ok(Outcome::GroupStored(Err(refused))) });
            }
            match record {
                Some(record) => drop(self.records.lock().insert((tenant, group), Arc::new(record))),
                None => drop(self.records.lock().remove(&(tenant, group))),
            }
            return Box::pin(async { Ok(Outcome::GroupStored(Ok(()))) });
        }
        self.proposals.lock().push(command.clone());
        if *self.down.lock() {
            return Box::pin(async { Err(CatalogError::Unavailable("down".to_owned())) });
        }
        let (tenant, group, offsets) = match command {
            Command::CommitOffsetsAs { tenant, group, offsets, .. } => (tenant, group, offsets),
            Command::DeleteOffsets { tenant, group, partitions } => {
                let is_asked = |id: &PartitionId| partitions.as_ref().is_none_or(|asked| asked.contains(id));
                let mut committed = self.committed.lock();
                let before = committed.len();
                let is_kept = |it: &(TenantId, String, GroupOffset)| {
                    (it.0, &it.1) != (tenant, &group) || !is_asked(&it.2.partition)
                };
                committed.retain(is_kept);
                let count = before - committed.len();
                // A proposal's answer means that it is applied here.
                self.visible.lock().retain(is_kept);
                return Box::pin(async move { Ok(Outcome::OffsetsDeleted(count)) });
            }
            other => unreachable!("groups do not propose {other:?}"),
        };
        if *self.refuses_offsets.lock() {
            let results = offsets.iter().map(|_| Err(OffsetRefused::UnknownPartition)).collect();
            return Box::pin(async move { Ok(Outcome::OffsetsCommittedAs(Ok(results))) });
        }
        let results = offsets.iter().map(|_| Ok(())).collect();
        self.committed.lock().extend(offsets.into_iter().map(|offset| (tenant, group.clone(), offset)));
        Box::pin(async move { Ok(Outcome::OffsetsCommittedAs(Ok(results))) })
    }
    async fn read_barrier(&self) -> Result<LogIndex, CatalogError> {
        if *self.down.lock() {
            return Err(CatalogError::Unavailable("down".to_owned()));
        }
        *self.visible.lock() = self.committed.lock().clone();
        *self.visible_topics.lock() = self.topics.lock().clone();
        Ok(LogIndex(1))
    }
    fn group_offsets(&self, tenant: TenantId, group: &str, partitions: Option<&[PartitionId]>) -> Vec<GroupOffset> {
        let visible = self.visible.lock();
        let mine = visible.iter().filter(|(whose, name, _)| *whose == tenant && name == group);
        mine.map(|(_, _, offset)| offset.clone())
            .filter(|offset| partitions.is_none_or(|asked| asked.contains(&offset.partition)))
            .collect()
    }
    fn group_record(&self, tenant: TenantId, group: &str) -> Option<Arc<GroupRecord>> {
        self.records.lock().get(&(tenant, group.to_owned())).cloned()
    }
    fn group_records(&self) -> Vec<(TenantId, Arc<str>, Arc<GroupRecord>)> {
        self.records.lock().iter().map(|((tenant, name), it)| (*tenant, name.as_str().into(), it.clone())).collect()
    }
    fn groups(&self, tenant: TenantId) -> Vec<Arc<str>> {
        let visible = self.visible.lock();
        let mut names: Vec<Arc<str>> = visible
            .iter()
            .filter(|(whose, _, _)| *whose == tenant)
            .map(|(_, name, _)| Arc::from(name.as_str()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
    fn has_group(&self, tenant: TenantId, group: &str) -> bool {
        !self.group_offsets(tenant, group, None).is_empty()
    }
    fn partition_bytes(&self, _: PartitionId) -> Option<u64> {
        unreachable!()
    }
    fn stored_totals(&self) -> StoredTotals {
        unreachable!()
    }
    fn topic_totals(&self, _: TopicId) -> Option<TopicTotals> {
        unreachable!()
    }
    fn group_offsets_from(&self, _: TenantId, _: &str, _: PartitionId, _: usize) -> Vec<GroupOffset> {
        unreachable!()
    }
    fn producers(&self, _: PartitionId) -> Option<Vec<ProducerView>> {
        unreachable!()
    }
    fn applied(&self) -> LogIndex {
        unreachable!()
    }
    fn quorum(&self) -> QuorumView {
        unreachable!()
    }
    fn cluster(&self) -> ClusterView {
        unreachable!()
    }
    fn topic(&self, id: TopicId) -> Option<Arc<TopicView>> {
        self.visible_topics.lock().iter().find(|topic| topic.id == id).cloned()
    }
    fn topic_by_name(&self, tenant: TenantId, name: &str) -> Option<Arc<TopicView>> {
        let topics = self.visible_topics.lock();
        topics.iter().find(|topic| topic.tenant == tenant && *topic.name == *name).cloned()
    }
    fn topics(&self, _: TenantId) -> Vec<Arc<TopicView>> {
        unreachable!()
    }
    fn partition(&self, _: PartitionId) -> Option<PartitionView> {
        unreachable!()
    }
    fn extents(&self, _: PartitionId, _: Offset, _: usize) -> Option<ExtentPlan> {
        unreachable!()
    }
    fn extent_by_time(&self, _: PartitionId, _: TimestampMs, _: Offset) -> Option<Extent> {
        unreachable!()
    }
    fn extent_of_max_timestamp(&self, _: PartitionId, _: Offset) -> Option<Extent> {
        unreachable!()
    }
    fn next_producer(&self) -> ProducerId {
        unreachable!()
    }
    fn fence(&self, _: PartitionId) -> Option<FencingToken> {
        unreachable!()
    }
    fn idempotency_key(&self, _: TopicId, _: [u8; 16]) -> Option<KeyView> {
        unreachable!()
    }
    fn inline_payload(&self, _: LogIndex) -> Option<Bytes> {
        unreachable!()
    }
    fn inline_bytes(&self) -> usize {
        unreachable!()
    }
    fn inline_extents(&self, _: usize) -> Vec<InlineExtent> {
        unreachable!()
    }
    fn client_quotas(&self, _: TenantId) -> Arc<ClientQuotas> {
        unreachable!()
    }
    fn metrics_subscriptions(&self, _: TenantId) -> Arc<MetricsSubscriptions> {
        unreachable!()
    }
    fn orphans(&self) -> Vec<OrphanRange> {
        unreachable!()
    }
    fn object_count(&self) -> usize {
        unreachable!()
    }
    fn is_referenced(&self, _: ObjectId) -> bool {
        unreachable!()
    }
    fn listen(&self, _: Arc<dyn ApplyListener>) {
        unreachable!()
    }
}

/// What the tests of the Kafka door do, which share this file.
#[allow(dead_code, reason = "each of the two crates that share it uses a part")]
impl LaggingCatalog {
    /// Makes a topic of three partitions, in place of one with the same name.
    pub(super) fn make_topic(&self, tenant: TenantId, name: &str, id: u8) {
        let mut topics = self.topics.lock();
        topics.retain(|topic| *topic.name != *name);
        topics.push(Arc::new(TopicView {
            id: TopicId([id; 16]),
            tenant,
            name: Arc::from(name),
            partitions: 3,
            replication_factor: 1,
            configs: Arc::default(),
        }));
    }

    /// Commits an offset of partition 0 of a topic through another node.
    pub(super) fn commit_elsewhere(&self, tenant: TenantId, group: &str, topic: u8, offset: u64) {
        let partition = PartitionId { topic: TopicId([topic; 16]), index: 0 };
        let offset = GroupOffset { partition, offset: Offset(offset), leader_epoch: -1, metadata: String::new() };
        self.committed.lock().push((tenant, group.to_owned(), offset));
    }
}
