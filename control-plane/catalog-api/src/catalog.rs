//! The catalog as the data path sees it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use tidelog_model::{
    FencingToken, LogIndex, ObjectId, Offset, PartitionId, ProducerId, TenantId, TimestampMs, TopicId,
};

use crate::{
    CatalogError, ClientQuotas, ClusterView, Command, Extent, ExtentPlan, GroupOffset, GroupRecord, InlineExtent,
    KeyView, MetricsSubscriptions, OrphanRange, Outcome, PartitionView, ProducerView, QuorumView, StoredTotals,
    TopicTotals, TopicView,
};

/// A command on its way. Dropping it does not take the command back.
pub type Proposal = BoxFuture<'static, Result<Outcome, CatalogError>>;

/// The catalog, or this node's view of it.
///
/// The reading methods look at the local replica and may be stale. What they show did happen; what they do *not* show may
/// still have. So before a negative (no such topic, out of range) or a tail is answered to a client, the caller awaits
/// [`Catalog::read_barrier`] and looks again.
#[async_trait]
pub trait Catalog: Send + Sync + 'static {
    /// Proposes a command. It has its place in the order of this catalog's proposals when the call returns; the future
    /// resolves when it has been applied here (so that this node reads its own writes).
    fn propose(&self, command: Command) -> Proposal;

    /// Whether a command that takes room (a commit, a new topic) would be proposed now; else why not. Whoever prepares
    /// something costly for such a command asks first.
    ///
    /// # Errors
    /// [`CatalogError::Full`].
    fn accepting(&self) -> Result<(), CatalogError> {
        Ok(())
    }

    /// ReadIndex: when it returns, everything that had been committed anywhere when it was called is visible here. Calls
    /// share rounds. A cancelled caller leaves nothing behind.
    async fn read_barrier(&self) -> Result<LogIndex, CatalogError>;

    /// The last index that is visible here.
    fn applied(&self) -> LogIndex;

    /// How far the log is.
    fn quorum(&self) -> QuorumView;

    /// The cluster's names.
    fn cluster(&self) -> ClusterView;

    /// A topic by id.
    fn topic(&self, topic: TopicId) -> Option<Arc<TopicView>>;

    /// A topic by name.
    fn topic_by_name(&self, tenant: TenantId, name: &str) -> Option<Arc<TopicView>>;

    /// All topics of a tenant, by name.
    fn topics(&self, tenant: TenantId) -> Vec<Arc<TopicView>>;

    /// A partition's bounds.
    fn partition(&self, partition: PartitionId) -> Option<PartitionView>;

    /// The extents from the one that holds `from` on, until `bytes_max` are planned (one at least). `None` when the
    /// partition is unknown; no extents when `from` is outside its bounds or at its tail.
    fn extents(&self, partition: PartitionId, from: Offset, bytes_max: usize) -> Option<ExtentPlan>;

    /// The first extent with a record at or after `timestamp`, of those that end beyond `from`. The record may lie before
    /// the beginning of the partition when the extent begins before it.
    fn extent_by_time(&self, partition: PartitionId, timestamp: TimestampMs, from: Offset) -> Option<Extent>;

    /// The first of the extents that hold the greatest timestamp of those that end beyond `from`; see
    /// [`Catalog::extent_by_time`] about the partition's beginning.
    fn extent_of_max_timestamp(&self, partition: PartitionId, from: Offset) -> Option<Extent>;

    /// Bytes of the extents of a partition; an extent that begins before the partition does counts whole.
    fn partition_bytes(&self, partition: PartitionId) -> Option<u64>;

    /// What is stored of all records. It is counted as it changes, so to ask costs nothing.
    fn stored_totals(&self) -> StoredTotals;

    /// What a topic holds; as [`Catalog::stored_totals`].
    fn topic_totals(&self, topic: TopicId) -> Option<TopicTotals>;

    /// The idempotent producers that a partition remembers, by id.
    fn producers(&self, partition: PartitionId) -> Option<Vec<ProducerView>>;

    /// The next producer id that will be given out; all below it were.
    fn next_producer(&self) -> ProducerId;

    /// The highest fencing token that was seen in a partition.
    fn fence(&self, partition: PartitionId) -> Option<FencingToken>;

    /// What is remembered of an Idempotency-Key in a topic, by its hash.
    fn idempotency_key(&self, topic: TopicId, key: [u8; 16]) -> Option<KeyView>;

    /// The payload of an inline commit, as long as some extent lies in it.
    fn inline_payload(&self, index: LogIndex) -> Option<Bytes>;

    /// Bytes of the inline payloads that wait to be moved.
    fn inline_bytes(&self) -> usize;

    /// The oldest inline extents, whole payloads of `bytes_max` in all (one at least, if there is any).
    fn inline_extents(&self, bytes_max: usize) -> Vec<InlineExtent>;

    /// What a group has committed: for the partitions asked, or for all when `None`. Partitions without an offset are
    /// absent.
    fn group_offsets(&self, tenant: TenantId, group: &str, partitions: Option<&[PartitionId]>) -> Vec<GroupOffset>;

    /// What a group has committed, by partition, from one on, `count_max` at most.
    fn group_offsets_from(
        &self,
        tenant: TenantId,
        group: &str,
        from: PartitionId,
        count_max: usize,
    ) -> Vec<GroupOffset>;

    /// The groups of a tenant that have committed offsets, by name.
    fn groups(&self, tenant: TenantId) -> Vec<Arc<str>>;

    /// Whether a group has committed offsets.
    fn has_group(&self, tenant: TenantId, group: &str) -> bool;

    /// What a group's last rebalance has decided.
    fn group_record(&self, tenant: TenantId, group: &str) -> Option<Arc<GroupRecord>>;

    /// All groups that have a record.
    fn group_records(&self) -> Vec<(TenantId, Arc<str>, Arc<GroupRecord>)>;

    /// All metrics subscriptions of a tenant.
    fn metrics_subscriptions(&self, tenant: TenantId) -> Arc<MetricsSubscriptions>;

    /// All quotas of a tenant's clients. The same `Arc` as long as they are the same.
    fn client_quotas(&self, tenant: TenantId) -> Arc<ClientQuotas>;

    /// Orphans and the retired: object ids that nothing references and nothing can reference any more.
    fn orphans(&self) -> Vec<OrphanRange>;

    /// Objects that extents refer to.
    fn object_count(&self) -> usize;

    /// Whether extents refer to an object.
    fn is_referenced(&self, object: ObjectId) -> bool;

    /// Tells `listener` of every apply from now on.
    fn listen(&self, listener: Arc<dyn ApplyListener>);
}

/// Is told what became visible. Called on the apply path: it must be quick and must not wait.
pub trait ApplyListener: Send + Sync + 'static {
    /// Everything up to `index` can be read, and a read barrier that is asked for now has not been answered yet. Of these
    /// partitions tail or beginning moved, or they are new in their topic, or gone.
    fn applied(&self, index: LogIndex, changed: &[PartitionId]);

    /// The state was replaced by that of `index`: any partition may have changed.
    fn replaced(&self, index: LogIndex);
}
