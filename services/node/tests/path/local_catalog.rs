//! The real state machine without Raft: proposals are applied in order by a task, which now and then loses an answer or
//! refuses a proposal.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tidelog_catalog::State;
use tidelog_catalog_api::*;
use tidelog_host::Random;
use tidelog_model::{
    FencingToken, Incarnation, LogIndex, ObjectId, Offset, PartitionId, ProducerId, TenantId, TimestampMs, TopicId,
};
use tokio::sync::{mpsc, oneshot};

/// How often things go wrong: once in so many proposals, never when zero.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub lose_answer_one_in: u64,
    pub refuse_one_in: u64,
    /// The catalog takes the commit, and refuses what it names.
    pub refuse_object_one_in: u64,
    /// An answer to a commit takes up to so long, while the next ones are applied.
    pub answer_delay_ms_max: u64,
}

pub struct LocalCatalog {
    state: Arc<std::sync::RwLock<State>>,
    listeners: Arc<std::sync::Mutex<Vec<Arc<dyn ApplyListener>>>>,
    proposals: mpsc::UnboundedSender<(Command, oneshot::Sender<Result<Outcome, CatalogError>>)>,
    /// Read barriers that were asked for.
    pub barriers: std::sync::atomic::AtomicU64,
    /// While set, what readers see does not move on until a barrier: a replica that lags behind.
    frozen: std::sync::Mutex<Option<State>>,
    /// Commits that the catalog takes, and of which it refuses what they name.
    refuse_objects: Arc<std::sync::atomic::AtomicU64>,
}

impl LocalCatalog {
    pub fn start(faults: Faults, random: Random) -> Arc<LocalCatalog> {
        let mut state = State::new();
        state.apply(LogIndex(1), &Command::Bootstrap { cluster_id: [9; 16], incarnation: Incarnation(1) });
        let state = Arc::new(std::sync::RwLock::new(state));
        let listeners: Arc<std::sync::Mutex<Vec<Arc<dyn ApplyListener>>>> = Arc::default();
        let (proposals, mut queue) = mpsc::unbounded_channel::<(Command, oneshot::Sender<_>)>();
        let (applying, told) = (state.clone(), listeners.clone());
        let refuse_objects: Arc<std::sync::atomic::AtomicU64> = Arc::default();
        let refuse = refuse_objects.clone();
        tokio::spawn(async move {
            let mut index = 1;
            while let Some((mut command, answer)) = queue.recv().await {
                let is_commit = command.commit().is_some();
                if let Some(commit) = command.commit_mut()
                    && (refuse.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
                        || faults.refuse_object_one_in > 0 && random.one_in(faults.refuse_object_one_in))
                {
                    commit.payload = Payload::Object { object: ObjectId(u64::MAX), bytes: 1 };
                }
                if is_commit && faults.refuse_one_in > 0 && random.one_in(faults.refuse_one_in) {
                    let _ = answer.send(Err(CatalogError::Unavailable("refused for the test".into())));
                    continue;
                }
                index += 1;
                let applied = applying.write().unwrap().apply(LogIndex(index), &command);
                for listener in told.lock().unwrap().iter() {
                    listener.applied(LogIndex(index), &applied.changed);
                }
                if is_commit && faults.lose_answer_one_in > 0 && random.one_in(faults.lose_answer_one_in) {
                    let _ = answer.send(Err(CatalogError::AnswerLost("lost for the test".into())));
                    continue;
                }
                if is_commit && faults.answer_delay_ms_max > 0 {
                    let delay = std::time::Duration::from_millis(
                        faults.answer_delay_ms_max.div_ceil(2) + random.below(faults.answer_delay_ms_max / 2 + 1),
                    );
                    tokio::spawn(async move {
                        tokio::time::sleep(delay).await;
                        let _ = answer.send(Ok(applied.outcome));
                    });
                    continue;
                }
                let _ = answer.send(Ok(applied.outcome));
            }
        });
        let frozen = std::sync::Mutex::new(None);
        Arc::new(LocalCatalog { state, listeners, proposals, barriers: 0.into(), frozen, refuse_objects })
    }

    pub fn refuse_next_objects(&self, count: u64) {
        self.refuse_objects.store(count, SeqCst);
    }

    pub fn validate(&self) {
        self.state.read().unwrap().validate().expect("the state is consistent");
    }

    /// From now on readers see the state as it is, until a barrier.
    pub fn freeze_view(&self) {
        let parts = self.state.read().unwrap().freeze().parts().iter().map(|part| (part.id, part.encode())).collect();
        *self.frozen.lock().unwrap() = Some(State::restore(parts).unwrap());
    }

    fn with<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        let frozen = self.frozen.lock().unwrap();
        match &*frozen {
            Some(state) => look(state),
            None => look(&self.state.read().unwrap()),
        }
    }
}

#[async_trait::async_trait]
impl Catalog for LocalCatalog {
    fn propose(&self, command: Command) -> BoxFuture<'static, Result<Outcome, CatalogError>> {
        let (answer, answered) = oneshot::channel();
        self.proposals.send((command, answer)).unwrap();
        async move { answered.await.unwrap() }.boxed()
    }

    async fn read_barrier(&self) -> Result<LogIndex, CatalogError> {
        self.barriers.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        *self.frozen.lock().unwrap() = None;
        Ok(self.applied())
    }

    fn applied(&self) -> LogIndex {
        self.with(State::applied)
    }
    fn quorum(&self) -> QuorumView {
        QuorumView { term: 1, last: self.applied() }
    }
    fn cluster(&self) -> ClusterView {
        self.with(State::cluster)
    }
    fn topic(&self, topic: TopicId) -> Option<Arc<TopicView>> {
        self.with(|state| state.topic(topic))
    }
    fn topic_by_name(&self, tenant: TenantId, name: &str) -> Option<Arc<TopicView>> {
        self.with(|state| state.topic_by_name(tenant, name))
    }
    fn topics(&self, tenant: TenantId) -> Vec<Arc<TopicView>> {
        self.with(|state| state.topics(tenant))
    }
    fn partition(&self, partition: PartitionId) -> Option<PartitionView> {
        self.with(|state| state.partition(partition))
    }
    fn extents(&self, partition: PartitionId, from: Offset, bytes_max: usize) -> Option<ExtentPlan> {
        self.with(|state| state.extents(partition, from, bytes_max))
    }
    fn extent_by_time(&self, partition: PartitionId, timestamp: TimestampMs, from: Offset) -> Option<Extent> {
        self.with(|state| state.extent_by_time(partition, timestamp, from))
    }
    fn extent_of_max_timestamp(&self, partition: PartitionId, from: Offset) -> Option<Extent> {
        self.with(|state| state.extent_of_max_timestamp(partition, from))
    }
    fn next_producer(&self) -> ProducerId {
        self.with(State::next_producer)
    }
    fn fence(&self, partition: PartitionId) -> Option<FencingToken> {
        self.with(|state| state.fence(partition))
    }
    fn idempotency_key(&self, topic: TopicId, key: [u8; 16]) -> Option<KeyView> {
        self.with(|state| state.idempotency_key(topic, key))
    }
    fn inline_payload(&self, index: LogIndex) -> Option<Bytes> {
        self.with(|state| state.inline_payload(index))
    }
    fn inline_bytes(&self) -> usize {
        self.with(State::inline_bytes)
    }
    fn inline_extents(&self, bytes_max: usize) -> Vec<InlineExtent> {
        self.with(|state| state.inline_extents(bytes_max))
    }
    fn group_offsets(&self, tenant: TenantId, group: &str, partitions: Option<&[PartitionId]>) -> Vec<GroupOffset> {
        self.with(|state| state.group_offsets(tenant, group, partitions))
    }
    fn group_offsets_from(&self, tenant: TenantId, group: &str, from: PartitionId, count: usize) -> Vec<GroupOffset> {
        self.with(|state| state.group_offsets_from(tenant, group, from, count))
    }
    fn group_record(&self, tenant: TenantId, group: &str) -> Option<Arc<GroupRecord>> {
        self.with(|state| state.group_record(tenant, group))
    }
    fn group_records(&self) -> Vec<(TenantId, Arc<str>, Arc<GroupRecord>)> {
        self.with(State::group_records)
    }
    fn groups(&self, tenant: TenantId) -> Vec<Arc<str>> {
        self.with(|state| state.groups(tenant))
    }

    fn has_group(&self, tenant: TenantId, group: &str) -> bool {
        self.with(|state| state.has_group(tenant, group))
    }

    fn partition_bytes(&self, partition: PartitionId) -> Option<u64> {
        self.with(|state| state.partition_bytes(partition))
    }

    fn stored_totals(&self) -> StoredTotals {
        self.with(State::stored_totals)
    }

    fn topic_totals(&self, topic: TopicId) -> Option<TopicTotals> {
        self.with(|state| state.topic_totals(topic))
    }

    fn producers(&self, partition: PartitionId) -> Option<Vec<ProducerView>> {
        self.with(|state| state.producers(partition))
    }

    fn client_quotas(&self, tenant: TenantId) -> Arc<ClientQuotas> {
        self.with(|state| state.client_quotas(tenant))
    }

    fn metrics_subscriptions(&self, tenant: TenantId) -> Arc<MetricsSubscriptions> {
        self.with(|state| state.metrics_subscriptions(tenant))
    }

    fn orphans(&self) -> Vec<OrphanRange> {
        self.with(State::orphans)
    }
    fn object_count(&self) -> usize {
        self.with(State::object_count)
    }
    fn is_referenced(&self, object: ObjectId) -> bool {
        self.with(|state| state.is_referenced(object))
    }
    fn listen(&self, listener: Arc<dyn ApplyListener>) {
        self.listeners.lock().unwrap().push(listener);
    }
}
