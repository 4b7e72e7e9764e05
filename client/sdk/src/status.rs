//! What the server knows about itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Client, Error};

/// The state of the server. Numbers that it cannot have cheaply are absent, and what a later version tells beyond this is in
/// `more`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Status {
    /// The cluster's id.
    pub cluster_id: String,
    /// The version of the server.
    pub version: String,
    /// For how long it has been running, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_s: Option<u64>,
    /// How many topics there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topics: Option<u64>,
    /// How many partitions all of them have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions: Option<u64>,
    /// How many groups there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<u64>,
    /// The nodes.
    pub nodes: Vec<NodeStatus>,
    /// Whether records are taken.
    pub appends: AppendsStatus,
    /// All else, as the server says it: Raft, storage, cache, connections.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NodeStatus {
    /// Its number.
    pub node_id: i64,
    /// The zone it is in, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Where Kafka clients connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<String>,
    /// Where HTTP clients connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// What it is doing.
    pub state: String,
    /// For how long it has been running, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_s: Option<u64>,
}

/// Whether records are taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AppendsStatus {
    /// Whether they are.
    pub accepted: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Client {
    /// What the server knows about itself.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn status(&self) -> Result<Status, Error> {
        self.get(self.url(&["v1", "status"])?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_understood_and_nothing_is_dropped() {
        let said = serde_json::json!({
            "cluster_id": "c", "version": "1", "uptime_s": 5, "topics": 1, "partitions": 2, "groups": 0,
            "nodes": [{"node_id": 1, "kafka": "k", "state": "serving", "uptime_s": 5}],
            "raft": {"term": 1, "committed": 2, "applied": 2, "log_bytes": 3, "snapshot_index": 0},
            "storage": {"store": "s", "stages": [{"stage": "inline", "bytes": 1, "extents": 1}]},
            "cache": {"memory_bytes": 0, "memory_bytes_max": 1, "disk_bytes_max": 0, "written_bytes": 0, "hits": 0, "misses": 0},
            "connections": {"kafka": 0, "http": 1},
            "appends": {"accepted": false, "why": "full"}
        });
        // It is what the server would say.
        serde_json::from_value::<tidelog_http_api::Status>(said.clone()).unwrap();
        let status: Status = serde_json::from_value(said.clone()).unwrap();
        assert_eq!(
            (status.topics, status.nodes[0].kafka.as_deref(), status.appends.accepted),
            (Some(1), Some("k"), false)
        );
        assert_eq!(serde_json::to_value(&status).unwrap(), said);
    }
}
