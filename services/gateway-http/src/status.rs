//! What this node knows about itself, for the console and for people.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tidelog_http_api::{
    AppendsStatus, CacheStatus, ConnectionsStatus, NodeStatus, Problem, RaftStatus, StageStatus, Status, StorageStatus,
};

use crate::gateway::Shared;
use crate::json_body;
use crate::negotiate::JSON;
use crate::node_view::NodeFacts;
use crate::problem::Refused;
use crate::query::Query;

/// Tells what this node knows about itself.
///
/// It asks nobody else, so it is answered also when the catalog has no leader or the store is away.
#[utoipa::path(
    get,
    path = "/v1/status",
    tag = "status",
    responses(
        (status = 200, description = "What it knows. A number that cannot be had cheaply is left out.", body = Status),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn status(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, Refused> {
    Query::parse(query.as_deref(), &[])?;
    let facts = shared.parts.node.facts().await;
    let body = json_body::bytes_of(&of(&shared, facts));
    Ok(([(CONTENT_TYPE, JSON), (CACHE_CONTROL, "no-store")], body).into_response())
}

fn of(shared: &Shared, facts: NodeFacts) -> Status {
    let catalog = &shared.parts.catalog;
    let tenant = shared.options.tenant;
    let topics = catalog.topics(tenant);
    let totals = catalog.stored_totals();
    let accepting = catalog.accepting();
    let uptime_s = facts.uptime.as_secs();
    let state = if shared.parts.tasks.is_stopping() { "stopping" } else { "serving" };
    Status {
        cluster_id: URL_SAFE_NO_PAD.encode(catalog.cluster().cluster_id),
        version: facts.version,
        uptime_s,
        topics: topics.len() as u64,
        partitions: topics.iter().map(|topic| u64::from(topic.partitions)).sum(),
        groups: shared.parts.groups.count(tenant) as u64,
        nodes: vec![NodeStatus {
            node_id: facts.node.0,
            zone: facts.zone,
            kafka: facts.kafka,
            http: facts.http,
            state: state.to_owned(),
            uptime_s,
        }],
        raft: RaftStatus {
            leader: facts.raft.leader.map(|node| node.0),
            term: facts.raft.term,
            committed: facts.raft.committed.0,
            applied: catalog.applied().0,
            log_bytes: facts.raft.log_bytes,
            snapshot_index: facts.raft.snapshot.0,
            log_fsync_p99_ms: facts.raft.log_fsync_p99.map(|took| took.as_micros() as f64 / 1_000.0),
        },
        storage: StorageStatus {
            store: facts.store,
            stages: vec![
                StageStatus {
                    stage: "inline".to_owned(),
                    bytes: totals.inline.bytes,
                    extents: totals.inline.extents,
                    objects: None,
                },
                StageStatus {
                    stage: "objects".to_owned(),
                    bytes: totals.objects.bytes,
                    extents: totals.objects.extents,
                    objects: Some(catalog.object_count() as u64),
                },
            ],
        },
        cache: CacheStatus {
            memory_bytes: facts.cache.memory_bytes,
            memory_bytes_max: facts.cache.memory_bytes_max,
            disk_bytes: facts.cache.disk_bytes,
            disk_bytes_max: facts.cache.disk_bytes_max,
            written_bytes: facts.cache.written_bytes,
            hits: facts.cache.hits,
            misses: facts.cache.misses,
        },
        connections: ConnectionsStatus {
            kafka: facts.kafka_connections as u64,
            http: shared.open_connections() as u64,
        },
        appends: AppendsStatus { accepted: accepting.is_ok(), why: accepting.err().map(|error| error.to_string()) },
    }
}
