//! What the node tells of itself to whoever asks at a door.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tidelog_cache::{BlockCache, ObjectReader};
use tidelog_catalog_raft::RaftCatalog;
use tidelog_gateway_http::{CacheFacts, NodeFacts, NodeView, RaftFacts};
use tidelog_gateway_kafka::Gateway;
use tidelog_host::Clock;
use tidelog_model::NodeId;
use tokio::time::Instant;

/// A node, and where to look.
pub(crate) struct View {
    pub(crate) node: NodeId,
    pub(crate) zone: Option<String>,
    pub(crate) version: String,
    /// Where clients are told to connect.
    pub(crate) kafka: String,
    pub(crate) http: Option<String>,
    /// The store, for people.
    pub(crate) store: String,
    pub(crate) serving_since: Instant,
    pub(crate) clock: Clock,
    pub(crate) catalog: Arc<RaftCatalog>,
    pub(crate) cache: Arc<dyn BlockCache>,
    pub(crate) reader: Arc<ObjectReader>,
    pub(crate) kafka_door: Arc<Gateway>,
}

impl NodeView for View {
    fn failure(&self) -> Option<String> {
        self.catalog.failure()
    }

    fn facts(&self) -> BoxFuture<'_, NodeFacts> {
        async move {
            let (raft, blocks, reader) = (self.catalog.status(), self.cache.usage().await, self.reader.usage());
            NodeFacts {
                node: self.node,
                zone: self.zone.clone(),
                kafka: self.kafka.clone(),
                http: self.http.clone(),
                version: self.version.clone(),
                uptime: self.clock.now().saturating_duration_since(self.serving_since),
                store: self.store.clone(),
                raft: RaftFacts {
                    leader: raft.leader,
                    term: raft.term,
                    committed: raft.committed,
                    log_bytes: raft.log_bytes,
                    snapshot: raft.snapshot,
                    log_fsync_p99: raft.log_fsync_p99,
                },
                cache: CacheFacts {
                    memory_bytes: blocks.memory_bytes,
                    memory_bytes_max: blocks.memory_bytes_max,
                    disk_bytes: blocks.disk_bytes,
                    disk_bytes_max: blocks.disk_bytes_max,
                    written_bytes: reader.written_bytes,
                    hits: reader.hits,
                    misses: reader.misses,
                },
                kafka_connections: self.kafka_door.connection_count(),
            }
        }
        .boxed()
    }
}
