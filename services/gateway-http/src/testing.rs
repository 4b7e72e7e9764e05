//! A door in a test: on the real write path, read path and catalog, whose disk and store are in memory. The write path can be
//! told to fail.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::Value;
use tidelog_access::Quotas;
use tidelog_blob::{BlobStore, Key, MemoryStore};
use tidelog_cache::{MemoryBlockCache, ObjectReader, ReaderLimits};
use tidelog_catalog_api::{
    Catalog, Command, Outcome, QuotaAlteration, QuotaEntity, QuotaKind, QuotaName, QuotaValue, RecordsDeletion,
};
use tidelog_catalog_raft::{RaftCatalog, RaftOptions};
use tidelog_fetch::Fetch;
use tidelog_format::flush_object::object_key;
use tidelog_groups::Coordinator;
use tidelog_host::tasks::OnPanic;
use tidelog_host::{Clock, Disk, ForgetfulDisk, Random, Tasks};
use tidelog_ingest::{Append, AppendError, Appended, Ingest, IngestOptions, LaneProfile, Reservation};
use tidelog_model::{LogIndex, NodeId, Offset, PartitionId, TenantId};
use tokio::net::TcpListener;

use crate::storage::{Appender, NoRoom};
use crate::{CacheFacts, Gateway, GatewayOptions, GatewayParts, NodeFacts, NodeView, RaftFacts, RenderMetrics};

const NODE: NodeId = NodeId(1);
pub(crate) const TENANT: TenantId = TenantId(0);

pub(crate) struct Door {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) write_path: Arc<WritePath>,
    pub(crate) doors: Tasks,
    pub(crate) groups: Arc<Coordinator>,
    catalog: Arc<RaftCatalog>,
    base: Tasks,
}

/// Who collects nothing says so.
struct NothingCounted;

impl RenderMetrics for NothingCounted {
    fn render(&self) -> String {
        "# nothing is counted\n".to_owned()
    }
}

/// What the write path does to the next appends instead of storing them.
pub(crate) enum Fault {
    Fails(AppendError),
    Panics,
    /// Room never comes.
    Hangs,
}

pub(crate) struct WritePath {
    inner: Arc<Ingest>,
    pub(crate) faults: Mutex<VecDeque<Fault>>,
}

impl Appender for WritePath {
    fn reserve(&self, bytes: usize) -> BoxFuture<'_, Option<Arc<Reservation>>> {
        let mut faults = self.faults.lock();
        match faults.front() {
            Some(Fault::Hangs) => {
                faults.pop_front();
                futures::future::pending().boxed()
            }
            Some(Fault::Panics) => {
                faults.pop_front();
                panic!("for the test");
            }
            Some(Fault::Fails(_)) | None => Appender::reserve(&*self.inner, bytes),
        }
    }

    fn reserve_more(&self, first: Option<Arc<Reservation>>, bytes: usize) -> Result<Option<Arc<Reservation>>, NoRoom> {
        Appender::reserve_more(&*self.inner, first, bytes)
    }

    fn append(&self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        match self.faults.lock().pop_front() {
            Some(Fault::Fails(error)) => futures::future::ready(Err(error)).boxed(),
            Some(Fault::Panics | Fault::Hangs) | None => Appender::append(&*self.inner, append),
        }
    }
}

/// A node that says the same of itself whenever it is asked.
struct Told {
    catalog: Arc<RaftCatalog>,
}

impl NodeView for Told {
    fn failure(&self) -> Option<String> {
        self.catalog.failure()
    }

    fn facts(&self) -> BoxFuture<'_, NodeFacts> {
        let facts = NodeFacts {
            node: NODE,
            zone: Some("here".to_owned()),
            kafka: "broker:9092".to_owned(),
            http: None,
            version: "1.2.3".to_owned(),
            uptime: Duration::from_millis(61_999),
            store: "a store".to_owned(),
            raft: RaftFacts {
                leader: Some(NODE),
                term: 3,
                committed: LogIndex(70),
                log_bytes: 4_096,
                snapshot: LogIndex(0),
                log_fsync_p99: Some(Duration::from_micros(1_250)),
            },
            cache: CacheFacts {
                memory_bytes: 1,
                memory_bytes_max: 2,
                disk_bytes: None,
                disk_bytes_max: 4,
                written_bytes: 5,
                hits: 6,
                misses: 7,
            },
            kafka_connections: 8,
        };
        futures::future::ready(facts).boxed()
    }
}

/// An answer that is here.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Each line as JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let text = std::str::from_utf8(&self.body).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// It is a problem with this status and code, that says what it should.
    #[track_caller]
    pub(crate) fn check_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let length = self.header("content-length");
        assert!(length.is_empty() || length == self.body.len().to_string(), "{length} of {}", self.body.len());
        assert!(self.body.ends_with(b"}\n"), "people read it at a terminal");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert!(!problem["detail"].as_str().unwrap().is_empty() && !problem["title"].as_str().unwrap().is_empty());
        problem
    }
}

impl Door {
    pub(crate) async fn start() -> Door {
        Door::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut GatewayOptions)) -> Door {
        let disk: Arc<dyn Disk> = Arc::new(ForgetfulDisk::new(1));
        let (clock, random) = (Clock::real(), Random::seeded(1));
        let options = RaftOptions { disk_free_bytes_min: 0, ticks: false, ..RaftOptions::new("/raft", NODE) };
        let catalog = RaftCatalog::open(options, disk, clock.clone(), random.clone()).await.unwrap();
        let store: Arc<dyn BlobStore> = Arc::new(MemoryStore::new());
        let base = Tasks::on_current_runtime();
        let incarnation = catalog.cluster().incarnation;
        let key_of = move |object| Key::new(object_key(incarnation, object));
        let blocks = Arc::new(MemoryBlockCache::new(16 << 20));
        let reader = Arc::new(ObjectReader::new(store.clone(), blocks, key_of, ReaderLimits::default(), base.clone()));
        let fetch = Fetch::new(catalog.clone(), reader.clone());
        let ingest_options = IngestOptions::embedded(NODE, LaneProfile::local(), 64 << 20);
        let ingest = Ingest::start(ingest_options, catalog.clone(), store, reader, clock.clone(), base.clone()).await;
        let ingest = ingest.unwrap();
        let doors = Tasks::on_current_runtime();
        let groups = Coordinator::start(
            catalog.clone(),
            ingest.session(),
            clock.clone(),
            random.clone(),
            &doors,
            Duration::ZERO,
        );
        let write_path = Arc::new(WritePath { inner: ingest, faults: Mutex::default() });
        let parts = GatewayParts {
            catalog: catalog.clone(),
            ingest: write_path.clone(),
            fetch,
            groups: groups.clone(),
            node: Arc::new(Told { catalog: catalog.clone() }),
            quotas: Arc::new(Quotas::new(clock.now().into_std())),
            clock,
            random,
            tasks: doors.clone(),
            metrics: Arc::new(NothingCounted),
        };
        let mut options = GatewayOptions::embedded(TENANT);
        change(&mut options);
        Door { gateway: Arc::new(Gateway::new(options, parts)), write_path, doors, groups, catalog, base }
    }

    pub(crate) fn fail_next(&self, fault: Fault) {
        self.write_path.faults.lock().push_back(fault);
    }

    /// Sends a request past the listener. The answer's body is still to come.
    pub(crate) async fn begin(&self, request: Request<Body>) -> axum::response::Response {
        self.gateway.answer(request).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.begin(request).await.into_parts();
        // As a client, which does not keep what it was sent in the door's memory.
        let (mut body, mut taken) = (body, Vec::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.expect("the body comes to its end");
            taken.extend_from_slice(frame.data_ref().map_or(&[][..], |bytes| &bytes[..]));
        }
        Answer { status: head.status, headers: head.headers, body: taken.into() }
    }

    pub(crate) async fn get(&self, path: &str, accept: &str) -> Answer {
        self.send(Request::get(path).header("accept", accept).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, content_type: &str, body: impl Into<Body>) -> Answer {
        self.send(Request::post(path).header("content-type", content_type).body(body.into()).unwrap()).await
    }

    /// With a body of JSON.
    pub(crate) async fn put(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Request::delete(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn create(&self, body: &str) {
        let answer = self.post("/v1/topics", "application/json", body.to_owned()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }

    /// Appends values without keys to partition 0, a batch each time.
    pub(crate) async fn append(&self, topic: &str, values: &[&str]) {
        let records = values.iter().map(|value| serde_json::json!({ "value": value, "partition": 0 }));
        let body = serde_json::json!({ "records": records.collect::<Vec<_>>() });
        let answer = self.post(&format!("/v1/topics/{topic}/records"), "application/json", body.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    /// Appends a value to a partition.
    pub(crate) async fn append_to(&self, topic: &str, partition: u32, value: &str) {
        let path = format!("/v1/topics/{topic}/records?partition={partition}");
        let answer = self.post(&path, "application/octet-stream", value.to_owned()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    /// Gives a topic more partitions, so that it has so many.
    pub(crate) async fn grow(&self, topic: &str, partitions: u32) {
        let changes = serde_json::json!({ "partitions": partitions });
        let answer = self.put("PATCH", &format!("/v1/topics/{topic}"), &changes).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    /// Deletes the records of a partition before an offset.
    pub(crate) async fn delete_records(&self, topic: &str, partition: u32, before: u64) {
        let topic = self.catalog.topic_by_name(TENANT, topic).unwrap().id;
        let (partition, before) = (PartitionId { topic, index: partition }, Offset(before));
        let partitions = vec![RecordsDeletion { partition, before: Some(before) }];
        let outcome = self.catalog.propose(Command::DeleteRecords { partitions }).await.unwrap();
        assert_eq!(outcome, Outcome::RecordsDeleted(vec![Ok(before)]));
    }

    /// Sets a quota of clients by their ids.
    pub(crate) async fn set_quota(&self, client_id: QuotaName, kind: QuotaKind, rate: f64) {
        let entity = QuotaEntity { client_id: Some(client_id), ..QuotaEntity::default() };
        let changes = BTreeMap::from([(kind, Some(QuotaValue::new(rate)))]);
        let alterations = vec![QuotaAlteration { entity, changes }];
        let outcome = self.catalog.propose(Command::AlterClientQuotas { tenant: TENANT, alterations }).await.unwrap();
        assert_eq!(outcome, Outcome::ClientQuotasAltered(vec![Ok(())]));
    }

    /// The tail of a partition.
    pub(crate) async fn tail(&self, topic: &str, partition: usize) -> u64 {
        let topic = self.get(&format!("/v1/topics/{topic}"), "application/json").await.json();
        topic["partitions"][partition]["high_watermark"].as_u64().unwrap()
    }

    /// Opens the listener; where it is.
    pub(crate) async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let gateway = self.gateway.clone();
        self.doors.spawn("gateway-http", OnPanic::Continue, async move { gateway.serve(listener).await });
        address
    }

    pub(crate) async fn stop(self) {
        self.doors.stop().await;
        self.write_path.inner.drain().await;
        self.base.stop().await;
        self.catalog.close().await;
    }
}

/// A body of which the test sends the parts.
pub(crate) fn open_body() -> (tokio::sync::mpsc::UnboundedSender<Result<Bytes, std::io::Error>>, Body) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let stream =
        futures::stream::unfold(receiver, |mut receiver: tokio::sync::mpsc::UnboundedReceiver<_>| async move {
            Some((receiver.recv().await?, receiver))
        });
    (sender, Body::from_stream(stream))
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
