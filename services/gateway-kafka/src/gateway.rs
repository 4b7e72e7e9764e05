//! The door itself: its parts, its listener, its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidelog_access::Quotas;
use tidelog_catalog_api::Catalog;
use tidelog_groups::Coordinator;
use tidelog_host::tasks::OnPanic;
use tidelog_host::{Clock, Random, Tasks};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, info, warn};

use crate::fetch::FetchSessions;
use crate::memory::Memory;
use crate::meters::Meters;
use crate::options::GatewayOptions;
use crate::producer_ids::ProducerIds;
use crate::quotas;
use crate::storage::{Appender, Reader};
use crate::telemetry::Telemetry;
use crate::{cluster, connection};

/// How long accepting pauses after the operating system refused a connection (no file handles left, as a rule).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the door stands between.
pub struct GatewayParts {
    /// Topics, producer ids, offsets.
    pub catalog: Arc<dyn Catalog>,
    /// The write path.
    pub ingest: Arc<dyn Appender>,
    /// The read path.
    pub fetch: Arc<dyn Reader>,
    /// The group coordinator.
    pub groups: Arc<Coordinator>,
    /// What clients have used, by any door.
    pub quotas: Arc<Quotas>,
    /// Time.
    pub clock: Clock,
    /// Chance: topic and session ids.
    pub random: Random,
    /// Runs the connections; when they stop, the door closes.
    pub tasks: Tasks,
}

/// The Kafka door of one node.
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) options: GatewayOptions,
    pub(crate) parts: GatewayParts,
    pub(crate) cluster_id: String,
    pub(crate) sessions: FetchSessions,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) telemetry: Telemetry,
    pub(crate) memory: Memory,
    pub(crate) meters: Meters,
    connections: Arc<Semaphore>,
    connection_numbers: AtomicU64,
}

impl Gateway {
    /// A door with no listener yet. The catalog has its cluster id by now.
    ///
    /// # Panics
    /// When a bound of the options is zero or the node id does not fit Kafka's 31 bits.
    #[must_use]
    pub fn new(options: GatewayOptions, parts: GatewayParts) -> Gateway {
        assert!(i32::try_from(options.node.0).is_ok(), "node id {} does not fit a broker id", options.node);
        assert!(options.connections_max > 0 && options.connection_requests_max > 0);
        assert!(options.connection_bytes_max >= 1024 && options.fetch_bytes_max >= options.fetch_answer_bytes_max);
        let shared = Shared {
            cluster_id: cluster::id_text(parts.catalog.cluster().cluster_id),
            sessions: FetchSessions::new(parts.random.clone()),
            producer_ids: ProducerIds::new(),
            telemetry: Telemetry::default(),
            memory: Memory::new(options.fetch_bytes_max),
            meters: Meters::new(),
            connections: Arc::new(Semaphore::new(options.connections_max)),
            connection_numbers: AtomicU64::new(1),
            options,
            parts,
        };
        Gateway { shared: Arc::new(shared) }
    }

    /// Connections that are open.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.shared.options.connections_max - self.shared.connections.available_permits()
    }

    /// Accepts connections until the tasks stop, then lets requests that are being worked on finish for as long as
    /// [`GatewayOptions::drain_timeout`] says. May be called for several listeners at once.
    pub async fn serve(&self, listener: TcpListener) {
        let shared = &self.shared;
        match listener.local_addr() {
            Ok(address) => info!(%address, "kafka door open"),
            Err(error) => warn!(%error, "kafka door open on an address that the system does not tell"),
        }
        loop {
            let accepted = tokio::select! {
                biased;
                () = shared.parts.tasks.stopping() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) => {
                    warn!(%error, "no connection accepted");
                    shared.parts.clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        let all = u32::try_from(shared.options.connections_max).unwrap_or(u32::MAX);
        let drained = tokio::time::timeout(shared.options.drain_timeout, shared.connections.acquire_many(all)).await;
        match drained {
            Ok(_) => info!("kafka door closed"),
            Err(_) => warn!("kafka door closed with requests unanswered"),
        }
    }

    fn admit(&self, stream: TcpStream, address: SocketAddr) {
        let peer = &address.to_string();
        let Ok(permit) = self.shared.connections.clone().try_acquire_owned() else {
            self.shared.meters.refused("connections_max");
            debug!(peer, "connection refused, the maximum is reached");
            return;
        };
        if let Some(kept) = quotas::connected(&self.shared, address.ip()) {
            self.shared.meters.refused("connection_creation_rate");
            debug!(peer, "connection refused, there are too many from its address");
            let shared = self.shared.clone();
            self.shared.parts.tasks.spawn_detached("kafka connection too many", OnPanic::Continue, async move {
                tokio::select! {
                    () = shared.parts.clock.sleep(kept) => {}
                    () = shared.parts.tasks.stopping() => {}
                }
                drop((stream, permit));
            });
            return;
        }
        if let Err(error) = stream.set_nodelay(true) {
            debug!(peer, %error, "connection lost at once");
            return;
        }
        let number = self.shared.connection_numbers.fetch_add(1, Ordering::Relaxed);
        let open = OpenConnection { shared: self.shared.clone(), number, peer: peer.to_owned(), _permit: permit };
        open.shared.meters.connected();
        debug!(connection = number, peer, "connected");
        let tasks = self.shared.parts.tasks.clone();
        tasks.spawn_detached("kafka connection", OnPanic::Continue, async move {
            let reason = connection::run(&open.shared, number, stream).await;
            debug!(connection = open.number, peer = open.peer, %reason, "disconnected");
        });
    }
}

/// Counts a connection for as long as its task lives, however it ends.
struct OpenConnection {
    shared: Arc<Shared>,
    number: u64,
    peer: String,
    _permit: OwnedSemaphorePermit,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.shared.meters.disconnected();
    }
}
