//! The door itself: its parts, its listener, its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use tidelog_access::Quotas;
use tidelog_catalog_api::Catalog;
use tidelog_groups::Coordinator;
use tidelog_host::tasks::OnPanic;
use tidelog_host::{Clock, Random, Tasks};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::{debug, info, warn};

use crate::memory::Memory;
use crate::meters::Meters;
use crate::metrics::{RenderMetrics, Rendered};
use crate::node_view::NodeView;
use crate::options::{GatewayOptions, QUOTA_WAITERS_MAX, UNSENT_BYTES_MAX};
use crate::routes::Routes;
use crate::storage::{Appender, Reader};
use crate::{connection, quotas, router};

/// How long accepting pauses after the operating system refused a connection (no file handles left, as a rule).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Numbers of requests, as the write path knows them, begin here: below are those of the other door's connections.
const FIRST_SOURCE: u64 = 1 << 63;

/// What the door stands between.
pub struct GatewayParts {
    /// Topics.
    pub catalog: Arc<dyn Catalog>,
    /// The write path.
    pub ingest: Arc<dyn Appender>,
    /// The read path.
    pub fetch: Arc<dyn Reader>,
    /// The group coordinator.
    pub groups: Arc<Coordinator>,
    /// The node itself.
    pub node: Arc<dyn NodeView>,
    /// What clients have used, by any door.
    pub quotas: Arc<Quotas>,
    /// Time.
    pub clock: Clock,
    /// Chance: topic ids, request ids, and where records without a key go.
    pub random: Random,
    /// Runs the connections; when they stop, the door closes.
    pub tasks: Tasks,
    /// What everybody has counted.
    pub metrics: Arc<dyn RenderMetrics>,
}

/// The HTTP door of one node.
pub struct Gateway {
    shared: Arc<Shared>,
    router: Router,
}

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) options: GatewayOptions,
    pub(crate) parts: GatewayParts,
    pub(crate) memory: Memory,
    pub(crate) meters: Meters,
    pub(crate) rendered: Rendered,
    pub(crate) routes: Routes,
    /// Streams that have begun.
    pub(crate) streams: Arc<Semaphore>,
    /// Requests that wait because their client's quota is used up.
    pub(crate) throttled: Semaphore,
    connections: Arc<Semaphore>,
    /// Told when a connection has ended.
    disconnected: Notify,
    sources: AtomicU64,
}

impl Shared {
    /// A number for a request, as the write path wants it.
    pub(crate) fn source(&self) -> u64 {
        self.sources.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.options.connections_max - self.connections.available_permits()
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.options.streams_max - self.streams.available_permits()
    }
}

impl Gateway {
    /// A door with no listener yet.
    ///
    /// # Panics
    /// When a bound of the options is zero.
    #[must_use]
    pub fn new(options: GatewayOptions, parts: GatewayParts) -> Gateway {
        assert!(options.connections_max > 0 && options.requests_max > 0 && options.streams_max > 0);
        let routes = router::routes();
        let shared = Arc::new(Shared {
            memory: Memory::new(&options),
            meters: Meters::new(&routes),
            rendered: Rendered::default(),
            routes,
            streams: Arc::new(Semaphore::new(options.streams_max)),
            throttled: Semaphore::new(QUOTA_WAITERS_MAX),
            connections: Arc::new(Semaphore::new(options.connections_max)),
            disconnected: Notify::new(),
            sources: AtomicU64::new(FIRST_SOURCE),
            options,
            parts,
        });
        Gateway { router: router::router(&shared), shared }
    }

    /// Accepts connections until the tasks stop, then lets requests that are being worked on finish for as long as
    /// [`GatewayOptions::drain_timeout`] says. Meanwhile whoever asks is told that the node is not ready.
    pub async fn serve(&self, listener: TcpListener) {
        let shared = &self.shared;
        tokio::select! {
            () = self.accept_and_drain(listener) => {}
            () = shared.memory.watch(&shared.options, &shared.parts.clock) => unreachable!("it watches for ever"),
        }
    }

    async fn accept_and_drain(&self, listener: TcpListener) {
        let shared = &self.shared;
        match listener.local_addr() {
            Ok(address) => info!(%address, "http door open"),
            Err(error) => warn!(%error, "http door open on an address that the system does not tell"),
        }
        loop {
            tokio::select! {
                biased;
                () = shared.parts.tasks.stopping() => break,
                accepted = listener.accept() => self.accepted(accepted).await,
            }
        }
        let drained = async {
            while shared.open_connections() > 0 {
                tokio::select! {
                    () = shared.disconnected.notified() => {}
                    accepted = listener.accept() => self.accepted(accepted).await,
                }
            }
        };
        match tokio::time::timeout(shared.options.drain_timeout, drained).await {
            Ok(()) => info!("http door closed"),
            Err(_) => warn!("http door closed with requests unanswered"),
        }
    }

    async fn accepted(&self, accepted: std::io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((stream, peer)) => self.admit(stream, peer),
            Err(error) => {
                warn!(%error, "no connection accepted");
                self.shared.parts.clock.sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    fn admit(&self, stream: TcpStream, address: SocketAddr) {
        let peer = &address.to_string();
        let Ok(permit) = self.shared.connections.clone().try_acquire_owned() else {
            debug!(peer, "connection refused, the maximum is reached");
            self.shared.meters.connection_refused("connections_max");
            return;
        };
        if let Some(kept) = quotas::connected(&self.shared, address.ip()) {
            debug!(peer, "connection refused, there are too many from its address");
            let shared = self.shared.clone();
            self.shared.parts.tasks.spawn_detached("http connection too many", OnPanic::Continue, async move {
                tokio::select! {
                    () = shared.parts.clock.sleep(kept) => {}
                    () = shared.parts.tasks.stopping() => {}
                }
                drop((stream, permit));
                shared.disconnected.notify_one();
            });
            return;
        }
        let set = stream.set_nodelay(true).and_then(|()| hold_little_unsent(&stream));
        if let Err(error) = set {
            debug!(peer, %error, "connection lost at once");
            return;
        }
        let open = OpenConnection { shared: self.shared.clone(), permit: Some(permit), peer: peer.clone() };
        let router = self.router.clone();
        self.shared.parts.tasks.spawn_detached("http connection", OnPanic::Continue, async move {
            let ended = connection::serve(&open.shared, router, stream, address.ip()).await;
            if matches!(ended, connection::Ended::SlowReader) {
                open.shared.meters.connection_refused("slow_reader");
            }
            debug!(peer = open.peer, %ended, "disconnected");
        });
    }

    /// Past the listener, for tests that need none.
    #[cfg(test)]
    pub(crate) async fn answer(&self, request: axum::extract::Request) -> axum::response::Response {
        crate::passage::around(&self.shared, self.router.clone(), request).await
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// See [`UNSENT_BYTES_MAX`]. What is under way to a client that is far off is not bounded by it.
#[cfg(target_os = "linux")]
fn hold_little_unsent(stream: &TcpStream) -> std::io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)
}

#[cfg(not(target_os = "linux"))]
fn hold_little_unsent(stream: &TcpStream) -> std::io::Result<()> {
    socket2::SockRef::from(stream).set_send_buffer_size(UNSENT_BYTES_MAX as usize)
}

/// Counts a connection for as long as its task lives, however it ends.
struct OpenConnection {
    shared: Arc<Shared>,
    permit: Option<OwnedSemaphorePermit>,
    peer: String,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.shared.disconnected.notify_one();
    }
}
