//! What a node knows about itself. A number that cannot be had cheaply is left out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A node and what it stands on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The cluster's id, as Kafka clients are told it.
    pub cluster_id: String,
    /// The server's version.
    pub version: String,
    /// Seconds since this process began to serve.
    pub uptime_s: u64,
    /// How many topics there are.
    pub topics: u64,
    /// How many partitions they have.
    pub partitions: u64,
    /// How many groups there are.
    pub groups: u64,
    /// The nodes of the cluster, this one first.
    pub nodes: Vec<NodeStatus>,
    /// The catalog's log.
    pub raft: RaftStatus,
    /// Where records are.
    pub storage: StorageStatus,
    /// What is kept of them close by.
    pub cache: CacheStatus,
    /// Who is connected.
    pub connections: ConnectionsStatus,
    /// Whether records are taken.
    pub appends: AppendsStatus,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeStatus {
    /// Its id; Kafka's broker id.
    pub node_id: u64,
    /// The zone it is in, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Where Kafka clients are told to connect.
    pub kafka: String,
    /// Where HTTP clients connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// `serving` or `stopping`.
    pub state: String,
    /// Seconds since it began to serve.
    pub uptime_s: u64,
}

/// The catalog's log, as this node's replica has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RaftStatus {
    /// The node that leads; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<u64>,
    /// The leader's term.
    pub term: u64,
    /// The last entry that is committed.
    pub committed: u64,
    /// The last entry whose effect is visible here.
    pub applied: u64,
    /// Bytes of commands after the last snapshot: what a restart reads.
    pub log_bytes: u64,
    /// The last entry that the last snapshot has; 0 while there is none.
    pub snapshot_index: u64,
    /// Of the last 1,024 times that the log was made durable: how long 99 in 100 took at most, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_fsync_p99_ms: Option<f64>,
}

/// Where records are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageStatus {
    /// The store, for people.
    pub store: String,
    /// The stages that a record passes, in order.
    pub stages: Vec<StageStatus>,
}

/// What is in one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StageStatus {
    /// `inline` (in the catalog's log until it is moved) or `objects` (in the store).
    pub stage: String,
    /// Bytes of batches.
    pub bytes: u64,
    /// Runs of batches that are stored together.
    pub extents: u64,
    /// Objects that hold them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
}

/// What is kept close by of what is in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheStatus {
    /// Bytes in memory of what was read.
    pub memory_bytes: u64,
    /// As many as it may be.
    pub memory_bytes_max: u64,
    /// Bytes on disk of what was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// As many as it may be; 0 without a cache on disk.
    pub disk_bytes_max: u64,
    /// Bytes in memory of what was just written.
    pub written_bytes: u64,
    /// Pieces of objects that were read from memory or disk, since this process began.
    pub hits: u64,
    /// Pieces that the store was asked for.
    pub misses: u64,
}

/// Who is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionsStatus {
    /// Kafka clients' connections.
    pub kafka: u64,
    /// HTTP clients' connections.
    pub http: u64,
}

/// Whether records are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppendsStatus {
    /// Whether they are.
    pub accepted: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
