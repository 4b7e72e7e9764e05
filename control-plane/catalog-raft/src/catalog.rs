//! The catalog as the data path sees it: reads from the local state, proposals and barriers through Raft.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tidelog_catalog_api::{
    ApplyListener, Catalog, CatalogError, ClientQuotas, ClusterView, Command, Extent, ExtentPlan, GroupOffset,
    GroupRecord, InlineExtent, KeyView, MetricsSubscriptions, OrphanRange, PartitionView, ProducerView, Proposal,
    QuorumView, StoredTotals, TopicTotals, TopicView,
};
use tidelog_model::{
    FencingToken, LogIndex, ObjectId, Offset, PartitionId, ProducerId, TenantId, TimestampMs, TopicId,
};

use crate::raft_catalog::RaftCatalog;

#[async_trait]
impl Catalog for RaftCatalog {
    fn propose(&self, command: Command) -> Proposal {
        self.proposer.propose(command)
    }

    fn accepting(&self) -> Result<(), CatalogError> {
        self.log.accepting().map_err(CatalogError::Full)
    }

    async fn read_barrier(&self) -> Result<LogIndex, CatalogError> {
        self.barrier.wait().await
    }

    fn applied(&self) -> LogIndex {
        LogIndex(self.machine.visible())
    }

    fn quorum(&self) -> QuorumView {
        let (term, last) = self.term_and_last();
        QuorumView { term, last: LogIndex(last) }
    }

    fn cluster(&self) -> ClusterView {
        self.machine.look(|state| state.cluster())
    }

    fn topic(&self, topic: TopicId) -> Option<Arc<TopicView>> {
        self.machine.look(|state| state.topic(topic))
    }

    fn topic_by_name(&self, tenant: TenantId, name: &str) -> Option<Arc<TopicView>> {
        self.machine.look(|state| state.topic_by_name(tenant, name))
    }

    fn topics(&self, tenant: TenantId) -> Vec<Arc<TopicView>> {
        self.machine.look(|state| state.topics(tenant))
    }

    fn partition(&self, partition: PartitionId) -> Option<PartitionView> {
        self.machine.look(|state| state.partition(partition))
    }

    fn extents(&self, partition: PartitionId, from: Offset, bytes_max: usize) -> Option<ExtentPlan> {
        self.machine.look(|state| state.extents(partition, from, bytes_max))
    }

    fn extent_by_time(&self, partition: PartitionId, timestamp: TimestampMs, from: Offset) -> Option<Extent> {
        self.machine.look(|state| state.extent_by_time(partition, timestamp, from))
    }

    fn extent_of_max_timestamp(&self, partition: PartitionId, from: Offset) -> Option<Extent> {
        self.machine.look(|state| state.extent_of_max_timestamp(partition, from))
    }

    fn next_producer(&self) -> ProducerId {
        self.machine.look(|state| state.next_producer())
    }

    fn fence(&self, partition: PartitionId) -> Option<FencingToken> {
        self.machine.look(|state| state.fence(partition))
    }

    fn idempotency_key(&self, topic: TopicId, key: [u8; 16]) -> Option<KeyView> {
        self.machine.look(|state| state.idempotency_key(topic, key))
    }

    fn inline_payload(&self, index: LogIndex) -> Option<Bytes> {
        self.machine.look(|state| state.inline_payload(index))
    }

    fn inline_bytes(&self) -> usize {
        self.machine.look(|state| state.inline_bytes())
    }

    fn inline_extents(&self, bytes_max: usize) -> Vec<InlineExtent> {
        self.machine.look(|state| state.inline_extents(bytes_max))
    }

    fn group_offsets(&self, tenant: TenantId, group: &str, partitions: Option<&[PartitionId]>) -> Vec<GroupOffset> {
        self.machine.look(|state| state.group_offsets(tenant, group, partitions))
    }

    fn group_offsets_from(
        &self,
        tenant: TenantId,
        group: &str,
        from: PartitionId,
        count_max: usize,
    ) -> Vec<GroupOffset> {
        self.machine.look(|state| state.group_offsets_from(tenant, group, from, count_max))
    }

    fn groups(&self, tenant: TenantId) -> Vec<Arc<str>> {
        self.machine.look(|state| state.groups(tenant))
    }

    fn has_group(&self, tenant: TenantId, group: &str) -> bool {
        self.machine.look(|state| state.has_group(tenant, group))
    }

    fn group_record(&self, tenant: TenantId, group: &str) -> Option<Arc<GroupRecord>> {
        self.machine.look(|state| state.group_record(tenant, group))
    }

    fn group_records(&self) -> Vec<(TenantId, Arc<str>, Arc<GroupRecord>)> {
        self.machine.look(|state| state.group_records())
    }

    fn partition_bytes(&self, partition: PartitionId) -> Option<u64> {
        self.machine.look(|state| state.partition_bytes(partition))
    }

    fn stored_totals(&self) -> StoredTotals {
        self.machine.look(|state| state.stored_totals())
    }

    fn topic_totals(&self, topic: TopicId) -> Option<TopicTotals> {
        self.machine.look(|state| state.topic_totals(topic))
    }

    fn producers(&self, partition: PartitionId) -> Option<Vec<ProducerView>> {
        self.machine.look(|state| state.producers(partition))
    }

    fn metrics_subscriptions(&self, tenant: TenantId) -> Arc<MetricsSubscriptions> {
        self.machine.look(|state| state.metrics_subscriptions(tenant))
    }

    fn client_quotas(&self, tenant: TenantId) -> Arc<ClientQuotas> {
        self.machine.look(|state| state.client_quotas(tenant))
    }

    fn orphans(&self) -> Vec<OrphanRange> {
        self.machine.look(|state| state.orphans())
    }

    fn object_count(&self) -> usize {
        self.machine.look(|state| state.object_count())
    }

    fn is_referenced(&self, object: ObjectId) -> bool {
        self.machine.look(|state| state.is_referenced(object))
    }

    fn listen(&self, listener: Arc<dyn ApplyListener>) {
        self.machine.listen(listener);
    }
}
