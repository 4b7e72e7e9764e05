//! What a node knows about itself beside its catalog and its groups, as this door shows it.

use std::time::Duration;

use futures::future::BoxFuture;
use tidelog_model::{LogIndex, NodeId};

/// Looks at the node.
pub trait NodeView: Send + Sync + 'static {
    /// How it is now. It asks nobody outside the process.
    fn facts(&self) -> BoxFuture<'_, NodeFacts>;

    /// Why the node can acknowledge nothing any more until it is started again, if so. Waits for nothing.
    fn failure(&self) -> Option<String>;
}

/// How a node is.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeFacts {
    /// Which one it is.
    pub node: NodeId,
    /// The zone it is in, if that was said.
    pub zone: Option<String>,
    /// Where Kafka clients are told to connect.
    pub kafka: String,
    /// Where HTTP clients connect.
    pub http: Option<String>,
    /// The server's version.
    pub version: String,
    /// Since it began to serve.
    pub uptime: Duration,
    /// The store, for people.
    pub store: String,
    /// The catalog's log.
    pub raft: RaftFacts,
    /// The caches.
    pub cache: CacheFacts,
    /// Kafka clients' connections.
    pub kafka_connections: usize,
}

/// How a replica of the catalog is.
#[derive(Clone, Debug, PartialEq)]
pub struct RaftFacts {
    /// Who leads; nobody knows at times.
    pub leader: Option<NodeId>,
    /// The leader's term.
    pub term: u64,
    /// The last entry that is committed.
    pub committed: LogIndex,
    /// Bytes of commands after the last snapshot.
    pub log_bytes: u64,
    /// The last entry that the last snapshot has; 0 while there is none.
    pub snapshot: LogIndex,
    /// How long the log takes to be durable, 99 times in 100, lately.
    pub log_fsync_p99: Option<Duration>,
}

/// How full caches are, and how often they had what was wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheFacts {
    /// Bytes in memory of what was read.
    pub memory_bytes: u64,
    /// As many as it may be.
    pub memory_bytes_max: u64,
    /// Bytes on disk, where that can be said.
    pub disk_bytes: Option<u64>,
    /// As many as it may be.
    pub disk_bytes_max: u64,
    /// Bytes in memory of what was just written.
    pub written_bytes: u64,
    /// Pieces of objects that were here.
    pub hits: u64,
    /// Pieces that the store was asked for.
    pub misses: u64,
}
