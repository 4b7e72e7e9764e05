//! A door in a test: a catalog of topics in memory, a write path and a read path that the test drives by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tidelog_access::Quotas;
use tidelog_catalog_api::{
    AlterTopicError, ApplyListener, Catalog, CatalogError, ClientQuotas, ClusterView, Command, CreateTopicError,
    CreatedTopic, DeleteRecordsError, Extent, ExtentPlan, GroupOffset, GroupRecord, InlineExtent, KeyView,
    MetricsSubscriptions, OrphanRange, Outcome, PartitionView, ProducerView, Proposal, QuorumView, QuotaAlteration,
    RecordsDeletion, StoredTotals, TopicTotals, TopicView,
};
use tidelog_fetch::{Read, ReadError, ReadOutcome};
use tidelog_groups::Coordinator;
use tidelog_host::{Clock, Random, Tasks};
use tidelog_ingest::{Append, AppendError, Appended, Reservation};
use tidelog_model::{
    FencingToken, Incarnation, LogIndex, NodeId, ObjectId, Offset, PartitionId, ProducerEpoch, ProducerId, SessionId,
    TenantId, TimestampMs, TopicId,
};
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use crate::connection::{Peer, serve};
use crate::gateway::Shared;
use crate::storage::{Appender, NoRoom, Reader, WatchTail};
use crate::telemetry::Software;
use crate::testing_client::Client;
use crate::testing_watch::FakeMoves;
use crate::{Gateway, GatewayOptions, GatewayParts};

pub(crate) const TENANT: TenantId = TenantId(1);

/// What the parts were asked, in order.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    pub(crate) fn note(&self, event: impl Into<String>) {
        self.0.lock().push(event.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

/// Topics, which may be invisible until the next read barrier.
#[derive(Default)]
pub(crate) struct FakeCatalog {
    topics: Mutex<Vec<Arc<TopicView>>>,
    hidden: Mutex<Vec<Arc<TopicView>>>,
    pub(crate) tails: Mutex<BTreeMap<PartitionId, u64>>,
    pub(crate) starts: Mutex<BTreeMap<PartitionId, u64>>,
    /// Group, partition, offset.
    pub(crate) offsets: Mutex<BTreeMap<(String, PartitionId), GroupOffset>>,
    /// Changes of settings that are still to be overtaken by another.
    pub(crate) overtakes: Mutex<usize>,
    pub(crate) is_down: Mutex<bool>,
    pub(crate) quotas: Mutex<Arc<ClientQuotas>>,
    pub(crate) subscriptions: Mutex<Arc<MetricsSubscriptions>>,
    producer_ids: Mutex<i64>,
    pub(crate) events: Events,
}

impl FakeCatalog {
    pub(crate) fn add(&self, tenant: TenantId, name: &str, partitions: u32) -> TopicId {
        let topic = view(tenant, name, partitions);
        let id = topic.id;
        self.topics.lock().push(topic);
        id
    }

    /// Sets something of a topic that is there.
    pub(crate) fn set(&self, id: TopicId, name: &str, value: &str) {
        let set = |topic: &mut TopicView| {
            Arc::make_mut(&mut topic.configs).insert(name.to_owned(), value.to_owned());
            Ok(())
        };
        assert!(self.alter(id, set).is_ok(), "the topic is there");
    }

    /// Changes a topic that is there.
    fn alter(
        &self,
        id: TopicId,
        change: impl FnOnce(&mut TopicView) -> Result<(), AlterTopicError>,
    ) -> Result<(), AlterTopicError> {
        let mut topics = self.topics.lock();
        let topic = topics.iter_mut().find(|topic| topic.id == id).ok_or(AlterTopicError::UnknownTopic)?;
        change(Arc::make_mut(topic))
    }

    /// A topic that this node does not see until it asks the leader.
    pub(crate) fn add_unseen(&self, name: &str, partitions: u32) -> TopicId {
        let topic = view(TENANT, name, partitions);
        let id = topic.id;
        self.hidden.lock().push(topic);
        id
    }
}

fn view(tenant: TenantId, name: &str, partitions: u32) -> Arc<TopicView> {
    let mut id = [0x40; 16];
    id[0] = tenant.0 as u8;
    for (at, byte) in name.bytes().enumerate() {
        id[1 + at % 15] = id[1 + at % 15].wrapping_mul(31).wrapping_add(byte);
    }
    Arc::new(TopicView {
        id: TopicId(id),
        tenant,
        name: name.into(),
        partitions,
        replication_factor: 1,
        configs: Arc::default(),
    })
}

#[async_trait]
impl Catalog for FakeCatalog {
    fn propose(&self, command: Command) -> Proposal {
        if *self.is_down.lock() {
            return Box::pin(async { Err(CatalogError::Unavailable("down".to_owned())) });
        }
        let outcome = match command {
            Command::CreateTopics { topics } => {
                let create = |new: tidelog_catalog_api::NewTopic| {
                    let mut topics = self.topics.lock();
                    if topics.iter().any(|topic| topic.name.as_ref() == new.name) {
                        return Err(CreateTopicError::Exists(new.name));
                    }
                    topics.push(Arc::new(TopicView {
                        id: new.id,
                        tenant: new.tenant,
                        name: new.name.into(),
                        partitions: new.partitions,
                        replication_factor: new.replication_factor,
                        configs: Arc::new(new.configs),
                    }));
                    Ok(CreatedTopic { id: new.id })
                };
                Outcome::TopicsCreated(topics.into_iter().map(create).collect())
            }
            Command::RemoveTopics { topics } => {
                let delete = |id: TopicId| {
                    let mut topics = self.topics.lock();
                    let before = topics.len();
                    topics.retain(|topic| topic.id != id);
                    topics.len() < before
                };
                Outcome::TopicsDeleted(topics.into_iter().map(delete).collect())
            }
            Command::AllocateProducerIds { count } => {
                self.events.note("allocate");
                let mut next = self.producer_ids.lock();
                let first = ProducerId(*next);
                *next += i64::from(count);
                Outcome::ProducerIds { first, count }
            }
            Command::AlterClientQuotas { alterations, .. } => {
                let alter = |alteration: QuotaAlteration| {
                    alteration.check()?;
                    let mut quotas = self.quotas.lock();
                    let values = Arc::make_mut(&mut quotas).entry(alteration.entity.clone()).or_default();
                    for (kind, value) in alteration.changes {
                        match value {
                            Some(value) => values.insert(kind, value),
                            None => values.remove(&kind),
                        };
                    }
                    if values.is_empty() {
                        Arc::make_mut(&mut quotas).remove(&alteration.entity);
                    }
                    Ok(())
                };
                Outcome::ClientQuotasAltered(alterations.into_iter().map(alter).collect())
            }
            Command::StoreGroup { .. } => Outcome::GroupStored(Ok(())),
            Command::CommitOffsetsAs { group, offsets, .. } => {
                let count = offsets.len();
                let keyed = offsets.into_iter().map(|offset| ((group.clone(), offset.partition), offset));
                self.offsets.lock().extend(keyed);
                Outcome::OffsetsCommittedAs(Ok(vec![Ok(()); count]))
            }
            Command::AlterTopicConfigs { topic, before, after } => {
                Outcome::TopicConfigsAltered(self.alter(topic, |topic| {
                    let mut overtakes = self.overtakes.lock();
                    if *overtakes > 0 {
                        *overtakes -= 1;
                        let mut configs = before.clone();
                        configs.insert("segment.ms".to_owned(), (7 + *overtakes).to_string());
                        topic.configs = Arc::new(configs);
                        return Err(AlterTopicError::Changed);
                    }
                    assert_eq!(*topic.configs, before);
                    topic.configs = Arc::new(after);
                    Ok(())
                }))
            }
            Command::CreatePartitions { topic, count } => Outcome::PartitionsCreated(self.alter(topic, |topic| {
                if count <= topic.partitions {
                    return Err(AlterTopicError::NotMore(topic.partitions));
                }
                topic.partitions = count;
                Ok(())
            })),
            Command::DeleteOffsets { group, partitions, .. } => {
                let mut offsets = self.offsets.lock();
                let before = offsets.len();
                let is_asked = |id: &PartitionId| partitions.as_ref().is_none_or(|asked| asked.contains(id));
                offsets.retain(|(name, id), _| *name != group || !is_asked(id));
                Outcome::OffsetsDeleted(before - offsets.len())
            }
            Command::DeleteRecords { partitions } => {
                let delete = |deletion: RecordsDeletion| {
                    let view = self.partition(deletion.partition).ok_or(DeleteRecordsError::UnknownPartition)?;
                    let before = deletion.before.unwrap_or(view.high_watermark);
                    if before > view.high_watermark {
                        return Err(DeleteRecordsError::BeyondTail(view.high_watermark));
                    }
                    let start = before.max(view.log_start);
                    self.starts.lock().insert(deletion.partition, start.0);
                    Ok(start)
                };
                Outcome::RecordsDeleted(partitions.into_iter().map(delete).collect())
            }
            Command::AlterMetricsSubscription { name, before, after, .. } => {
                let mut subscriptions = self.subscriptions.lock();
                let all = Arc::make_mut(&mut subscriptions);
                assert_eq!(all.get(&name).cloned().unwrap_or_default(), before);
                if after.is_empty() {
                    all.remove(&name)
                } else {
                    all.insert(name, after)
                };
                Outcome::MetricsSubscriptionAltered(Ok(()))
            }
            other => unreachable!("the door does not propose {other:?}"),
        };
        Box::pin(async move { Ok(outcome) })
    }
    async fn read_barrier(&self) -> Result<LogIndex, CatalogError> {
        if *self.is_down.lock() {
            return Err(CatalogError::Unavailable("down".to_owned()));
        }
        self.events.note("barrier");
        self.topics.lock().append(&mut self.hidden.lock());
        Ok(LogIndex(1))
    }
    fn applied(&self) -> LogIndex {
        LogIndex(1)
    }
    fn quorum(&self) -> QuorumView {
        QuorumView { term: 3, last: LogIndex(4) }
    }
    fn cluster(&self) -> ClusterView {
        ClusterView { cluster_id: [0; 16], incarnation: Incarnation(1) }
    }
    fn topic(&self, id: TopicId) -> Option<Arc<TopicView>> {
        self.topics.lock().iter().find(|topic| topic.id == id).cloned()
    }
    fn topic_by_name(&self, tenant: TenantId, name: &str) -> Option<Arc<TopicView>> {
        self.topics.lock().iter().find(|topic| topic.tenant == tenant && topic.name.as_ref() == name).cloned()
    }
    fn topics(&self, tenant: TenantId) -> Vec<Arc<TopicView>> {
        self.topics.lock().iter().filter(|topic| topic.tenant == tenant).cloned().collect()
    }
    fn partition(&self, partition: PartitionId) -> Option<PartitionView> {
        let topic = self.topic(partition.topic)?;
        let start = self.starts.lock().get(&partition).copied().unwrap_or(0);
        let tail = self.tails.lock().get(&partition).copied().unwrap_or(0);
        let view = PartitionView { log_start: Offset(start), high_watermark: Offset(tail), last_stable: Offset(tail) };
        (partition.index < topic.partitions).then_some(view)
    }
    fn group_record(&self, _: TenantId, _: &str) -> Option<Arc<GroupRecord>> {
        None
    }
    fn group_records(&self) -> Vec<(TenantId, Arc<str>, Arc<GroupRecord>)> {
        Vec::new()
    }
    fn group_offsets(&self, _: TenantId, group: &str, partitions: Option<&[PartitionId]>) -> Vec<GroupOffset> {
        let offsets = self.offsets.lock();
        let own = offsets.iter().filter(|((name, _), _)| name == group).map(|(_, offset)| offset);
        own.filter(|it| partitions.is_none_or(|asked| asked.contains(&it.partition))).cloned().collect()
    }
    fn groups(&self, tenant: TenantId) -> Vec<Arc<str>> {
        let names = self.offsets.lock().keys().map(|(name, _)| Arc::from(name.as_str())).collect::<BTreeSet<_>>();
        if tenant == TENANT { names.into_iter().collect() } else { Vec::new() }
    }
    fn has_group(&self, tenant: TenantId, group: &str) -> bool {
        self.groups(tenant).iter().any(|name| **name == *group)
    }
    fn partition_bytes(&self, partition: PartitionId) -> Option<u64> {
        self.partition(partition).map(|view| (view.high_watermark.0 - view.log_start.0) * 1_000)
    }
    fn stored_totals(&self) -> StoredTotals {
        unreachable!("this door does not show it")
    }
    fn topic_totals(&self, _: TopicId) -> Option<TopicTotals> {
        unreachable!("this door does not show it")
    }
    fn group_offsets_from(&self, _: TenantId, _: &str, _: PartitionId, _: usize) -> Vec<GroupOffset> {
        unreachable!("this door asks for all, or for some")
    }
    fn producers(&self, partition: PartitionId) -> Option<Vec<ProducerView>> {
        let one = ProducerView { id: ProducerId(5), epoch: ProducerEpoch(2), last_sequence: 9 };
        self.partition(partition).map(|_| vec![one])
    }
    fn extents(&self, _: PartitionId, _: Offset, _: usize) -> Option<ExtentPlan> {
        unreachable!("the door reads through the read path")
    }
    fn extent_by_time(&self, _: PartitionId, _: TimestampMs, _: Offset) -> Option<Extent> {
        unreachable!("the door reads through the read path")
    }
    fn extent_of_max_timestamp(&self, _: PartitionId, _: Offset) -> Option<Extent> {
        unreachable!("the door reads through the read path")
    }
    fn next_producer(&self) -> ProducerId {
        ProducerId(*self.producer_ids.lock())
    }
    fn fence(&self, _: PartitionId) -> Option<FencingToken> {
        None
    }
    fn idempotency_key(&self, _: TopicId, _: [u8; 16]) -> Option<KeyView> {
        None
    }
    fn inline_payload(&self, _: LogIndex) -> Option<Bytes> {
        unreachable!("the door reads through the read path")
    }
    fn inline_bytes(&self) -> usize {
        0
    }
    fn inline_extents(&self, _: usize) -> Vec<InlineExtent> {
        Vec::new()
    }
    fn client_quotas(&self, tenant: TenantId) -> Arc<ClientQuotas> {
        if tenant == TENANT { self.quotas.lock().clone() } else { Arc::default() }
    }
    fn metrics_subscriptions(&self, tenant: TenantId) -> Arc<MetricsSubscriptions> {
        if tenant == TENANT { self.subscriptions.lock().clone() } else { Arc::default() }
    }
    fn orphans(&self) -> Vec<OrphanRange> {
        Vec::new()
    }
    fn object_count(&self) -> usize {
        0
    }
    fn is_referenced(&self, _: ObjectId) -> bool {
        false
    }
    fn listen(&self, _: Arc<dyn ApplyListener>) {}
}

/// An append that waits for the test to resolve it.
pub(crate) struct Appending {
    pub(crate) append: Append,
    answer: oneshot::Sender<Result<Appended, AppendError>>,
}

impl Appending {
    pub(crate) fn succeed(self, base_offset: u64) {
        let log_append_time = self.append.batches[0].log_append_time();
        let base_offset = Offset(base_offset);
        let appended = Appended { base_offset, log_append_time, is_duplicate: false, log_start: Offset(0) };
        // The connection may be gone.
        let _ = self.answer.send(Ok(appended));
    }

    /// As what had been appended before.
    pub(crate) fn succeed_again(self, base_offset: u64) {
        let base_offset = Offset(base_offset);
        let again = Appended { base_offset, log_append_time: None, is_duplicate: true, log_start: Offset(0) };
        let _ = self.answer.send(Ok(again));
    }

    pub(crate) fn fail(self, error: AppendError) {
        let _ = self.answer.send(Err(error));
    }
}

pub(crate) struct FakeIngest {
    appends: mpsc::UnboundedSender<Appending>,
    is_full: Arc<AtomicBool>,
    events: Events,
}

impl Appender for FakeIngest {
    fn reserve(&self, _: usize) -> BoxFuture<'_, Option<Arc<Reservation>>> {
        if self.is_full.load(Ordering::SeqCst) {
            return futures::future::pending().boxed();
        }
        futures::future::ready(None).boxed()
    }

    /// Has no room for growth.
    fn reserve_more(&self, _: Option<Arc<Reservation>>, _: usize) -> Result<Option<Arc<Reservation>>, NoRoom> {
        Err(NoRoom)
    }

    fn append(&self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        self.events.note(format!("append {}", append.partition.index));
        let (answer, answered) = oneshot::channel();
        assert!(self.appends.send(Appending { append, answer }).is_ok(), "the test takes appends");
        async move { answered.await.unwrap_or(Err(AppendError::Stopping)) }.boxed()
    }
}

/// Every partition holds records of `record_bytes` each; tails are the catalog's.
pub(crate) struct FakeFetch {
    catalog: Arc<FakeCatalog>,
    pub(crate) record_bytes: usize,
    /// What is to be read was deleted a moment ago.
    pub(crate) is_gone: AtomicBool,
    /// Of each read, in order.
    pub(crate) bytes_asked: Mutex<Vec<usize>>,
    moves: FakeMoves,
}

impl FakeFetch {
    /// Moves a partition's tail and wakes who waits.
    pub(crate) fn advance(&self, partition: PartitionId, records: u64) {
        *self.catalog.tails.lock().entry(partition).or_default() += records;
        self.moves.note(partition);
    }

    /// How many fetches wait at the tail.
    pub(crate) fn waiting(&self) -> usize {
        self.moves.waiting()
    }

    fn view(&self, partition: PartitionId) -> Result<PartitionView, ReadError> {
        let view = self.catalog.partition(partition).filter(|_| !self.is_gone.load(Ordering::SeqCst));
        view.ok_or(ReadError::UnknownPartition)
    }
}

impl Reader for FakeFetch {
    fn read(&self, read: Read) -> BoxFuture<'_, Result<ReadOutcome, ReadError>> {
        async move {
            self.bytes_asked.lock().push(read.bytes_max);
            let view = self.view(read.partition)?;
            if read.offset > view.high_watermark || read.offset < view.log_start {
                return Err(ReadError::OutOfRange { view });
            }
            let there = (view.high_watermark.0 - read.offset.0) as usize;
            let fits = read.bytes_max / self.record_bytes;
            let records = there.min(if read.at_least_one { fits.max(1) } else { fits });
            let chunks = (0..records).map(|_| Bytes::from(vec![b'r'; self.record_bytes])).collect();
            Ok(ReadOutcome { bytes: records * self.record_bytes, chunks, partition: view })
        }
        .boxed()
    }

    fn watch(&self) -> Box<dyn WatchTail> {
        Box::new(self.moves.watch())
    }

    fn offset_for_time(
        &self,
        partition: PartitionId,
        timestamp: TimestampMs,
    ) -> BoxFuture<'_, Result<Option<(Offset, TimestampMs)>, ReadError>> {
        async move {
            let view = self.view(partition)?;
            let offset = timestamp.0 as u64;
            Ok((offset < view.high_watermark.0).then_some((Offset(offset), timestamp)))
        }
        .boxed()
    }

    fn offset_of_max_timestamp(
        &self,
        partition: PartitionId,
    ) -> BoxFuture<'_, Result<Option<(Offset, TimestampMs)>, ReadError>> {
        async move {
            let last = self.view(partition)?.high_watermark.0.checked_sub(1);
            Ok(last.map(|last| (Offset(last), TimestampMs(last as i64))))
        }
        .boxed()
    }

    fn bounds(&self, partition: PartitionId) -> BoxFuture<'_, Result<PartitionView, ReadError>> {
        async move { self.view(partition) }.boxed()
    }
}

/// A door that listens on loopback.
pub(crate) struct Door {
    pub(crate) catalog: Arc<FakeCatalog>,
    pub(crate) fetch: Arc<FakeFetch>,
    pub(crate) appends: mpsc::UnboundedReceiver<Appending>,
    /// Whether the write path has no room.
    pub(crate) is_full: Arc<AtomicBool>,
    pub(crate) events: Events,
    pub(crate) tasks: Tasks,
    pub(crate) shared: Arc<Shared>,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) closed: tokio::task::JoinHandle<()>,
}

impl Door {
    pub(crate) async fn open() -> Door {
        Door::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut GatewayOptions)) -> Door {
        let mut options = GatewayOptions::embedded(NodeId(7), TENANT, "there".to_owned(), 9092);
        change(&mut options);
        let events = Events::default();
        let catalog = Arc::new(FakeCatalog { events: events.clone(), ..FakeCatalog::default() });
        let is_full = Arc::new(AtomicBool::new(false));
        let (sender, appends) = mpsc::unbounded_channel();
        let ingest = Arc::new(FakeIngest { appends: sender, is_full: is_full.clone(), events: events.clone() });
        let fetch = Arc::new(FakeFetch {
            catalog: catalog.clone(),
            record_bytes: 1000,
            is_gone: AtomicBool::new(false),
            bytes_asked: Mutex::default(),
            moves: FakeMoves::default(),
        });
        let (clock, random, tasks) = (Clock::real(), Random::seeded(1), Tasks::on_current_runtime());
        let groups = Coordinator::start(
            catalog.clone(),
            SessionId(1),
            clock.clone(),
            random.clone(),
            &tasks,
            Duration::from_millis(1),
        );
        let parts = GatewayParts {
            catalog: catalog.clone(),
            ingest,
            fetch: fetch.clone(),
            groups,
            quotas: Arc::new(Quotas::new(clock.now().into_std())),
            clock,
            random,
            tasks: tasks.clone(),
        };
        let gateway = Gateway::new(options, parts);
        let shared = gateway.shared.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let closed = tokio::spawn(async move { gateway.serve(listener).await });
        Door { catalog, fetch, appends, is_full, events, tasks, shared, address, closed }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }
}

impl Door {
    /// A client within the process, so that a paused clock goes on only when nobody has anything to do.
    pub(crate) fn connect_here(&self) -> Client<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (input, output) = tokio::io::split(theirs);
        let shared = self.shared.clone();
        let peer = Peer { number: 1_000_000, host: "/here".into(), port: None, software: Software::default() };
        tokio::spawn(async move { serve(&shared, peer, input, output).await });
        Client::new(ours)
    }
}

/// A batch of one small record, as a plain producer sends it.
pub(crate) fn batch() -> Bytes {
    // Length, attributes, timestamp delta, offset delta, no key, a value of three bytes, no headers.
    let record = [18, 0, 0, 0, 1, 6, b'a', b'b', b'c', 0];
    let mut batch = vec![0_u8; 8];
    batch.extend_from_slice(&(49 + record.len() as i32).to_be_bytes());
    batch.extend_from_slice(&(-1_i32).to_be_bytes());
    batch.push(2);
    batch.extend_from_slice(&[0; 4]); // The checksum, below.
    batch.extend_from_slice(&[0; 2]);
    batch.extend_from_slice(&0_i32.to_be_bytes());
    batch.extend_from_slice(&1_i64.to_be_bytes());
    batch.extend_from_slice(&1_i64.to_be_bytes());
    batch.extend_from_slice(&(-1_i64).to_be_bytes());
    batch.extend_from_slice(&(-1_i16).to_be_bytes());
    batch.extend_from_slice(&(-1_i32).to_be_bytes());
    batch.extend_from_slice(&1_i32.to_be_bytes());
    batch.extend_from_slice(&record);
    let checksum = tidelog_model::BatchHeader::read(&batch).unwrap().check_checksum(&batch).unwrap_err();
    let tidelog_model::BatchError::Checksum { found, .. } = checksum else { panic!("only the checksum is wrong") };
    batch[17..21].copy_from_slice(&found.to_be_bytes());
    Bytes::from(batch)
}
