//! Starting and stopping, in order.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidelog_access::Quotas;
use tidelog_blob::Key;
use tidelog_cache::{BlockCache, ObjectReader, ReaderLimits};
use tidelog_cache_nvme::{FoyerCache, FoyerOptions, Stamp};
use tidelog_catalog_api::{Catalog, ClusterView};
use tidelog_catalog_raft::{RaftCatalog, RaftOptions};
use tidelog_fetch::Fetch;
use tidelog_gateway_http as http;
use tidelog_gateway_kafka::{Gateway, GatewayOptions, GatewayParts};
use tidelog_groups::Coordinator;
use tidelog_host::disk::RealDisk;
use tidelog_host::tasks::OnPanic;
use tidelog_host::{Clock, Disk, Random, Tasks};
use tidelog_ingest::{Ingest, IngestOptions, LaneProfile};
use tidelog_model::{NodeId, ObjectId, TenantId};
use tokio::net::{TcpListener, TcpSocket};

use crate::scrape::Scrape;
use crate::store::{self, OpenStore};
use crate::view::View;
use crate::{CacheOptions, NodeOptions};

/// The one node there is as yet. Kafka shows it as the broker id.
pub(crate) const NODE: NodeId = NodeId(1);
/// The one tenant there is as yet.
const TENANT: TenantId = TenantId(0);
/// How long a new group waits for more members before its first assignment: trades the first member's wait for
/// rebalances.
const INITIAL_REBALANCE_DELAY: Duration = tidelog_groups::limits::INITIAL_REBALANCE_DELAY_DEFAULT;
/// Connections that the kernel completes before they are accepted.
const LISTEN_BACKLOG: u32 = 1_024;

/// Why a node did not start. Nothing was served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The catalog's folder is in use, damaged, or cannot be written.
    #[error(transparent)]
    Catalog(#[from] tidelog_catalog_raft::OpenError),
    /// The store cannot be used.
    #[error("{problem}")]
    Store {
        /// Which store it is, what is wrong, and what would work.
        problem: String,
    },
    /// The write path could not start.
    #[error(transparent)]
    Ingest(#[from] tidelog_ingest::StartError),
    /// Nobody can listen there.
    #[error("cannot listen on {address}: {problem}")]
    Listen {
        /// Who would come there.
        door: DoorName,
        /// As configured.
        address: SocketAddr,
        /// The operating system's words.
        problem: std::io::Error,
    },
}

/// Whom a door is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorName {
    /// Kafka clients.
    Kafka,
    /// HTTP clients.
    Http,
}

/// A node that serves.
pub struct Node {
    catalog: Arc<RaftCatalog>,
    cache: Arc<dyn BlockCache>,
    ingest: Arc<Ingest>,
    /// Stopped first: what takes requests in.
    doors: Tasks,
    /// Stopped last: what the doors stand on.
    base: Tasks,
    kafka: SocketAddr,
    http: Option<SocketAddr>,
    about: Vec<(String, String)>,
}

impl Node {
    /// Starts a node. When it returns, clients are served.
    ///
    /// # Errors
    /// [`StartError`]; whatever had been started is stopped.
    pub async fn start(options: NodeOptions) -> Result<Node, StartError> {
        Node::start_on(options, Arc::new(RealDisk)).await
    }

    /// The same with replica and folders of objects on a disk that may be none. The cache is on the real one.
    pub(crate) async fn start_on(options: NodeOptions, disk: Arc<dyn Disk>) -> Result<Node, StartError> {
        // Before anything is made: an address that is taken is the commonest mistake, and should leave nothing behind.
        let bound = BoundDoors {
            kafka: Door::bind(DoorName::Kafka, options.kafka_listen)?,
            http: options.http_listen.map(|address| Door::bind(DoorName::Http, address)).transpose()?,
        };
        let clock = Clock::real();
        let random = Random::real();
        let base = Tasks::on_current_runtime();
        let raft = RaftOptions::new(options.data_dir.join("raft"), NODE);
        // A store that cannot be used is found out before a new replica is made: it would be left behind for nothing.
        let is_new = RaftCatalog::is_new(&raft, &*disk);
        let early = if is_new { store::open_before_all(&options, &disk, &clock, &random).await? } else { None };
        let catalog = RaftCatalog::open(raft, disk.clone(), clock.clone(), random.clone()).await?;
        let opened = match early {
            Some(early) => Ok(early),
            None => store::open(&options.store, disk, &clock, &random).await,
        };
        let served = match opened {
            Ok(opened) => Node::serve(options, bound, opened, catalog.clone(), clock, random, base.clone()).await,
            Err(error) => Err(error),
        };
        match served {
            Ok(node) => Ok(node),
            Err(error) => {
                base.stop().await;
                catalog.close().await;
                Err(error)
            }
        }
    }

    async fn serve(
        options: NodeOptions,
        bound: BoundDoors,
        opened: OpenStore,
        catalog: Arc<RaftCatalog>,
        clock: Clock,
        random: Random,
        base: Tasks,
    ) -> Result<Node, StartError> {
        let cluster = catalog.cluster();
        let OpenStore { store, abilities } = opened;
        store::claim_for(&*store, &options.store.url, cluster.cluster_id, &random).await?;
        let cache: Arc<dyn BlockCache> = Arc::new(open_cache(&options.cache, &options.data_dir, cluster, &clock).await);
        let key_of =
            move |object: ObjectId| Key::new(tidelog_format::flush_object::object_key(cluster.incarnation, object));
        let written_bytes = options.cache.written_bytes;
        let limits = ReaderLimits { written_bytes_max: written_bytes, ..ReaderLimits::default() };
        let reader = Arc::new(ObjectReader::new(store.clone(), cache.clone(), key_of, limits, base.clone()));
        let fetch = Fetch::new(catalog.clone(), reader.clone());
        let lane = if store.is_remote() { LaneProfile::remote() } else { LaneProfile::local() };
        let ingest_options = IngestOptions::embedded(NODE, lane, options.in_flight_bytes_max);
        let ingest =
            Ingest::start(ingest_options, catalog.clone(), store.clone(), reader.clone(), clock.clone(), base.clone())
                .await?;

        let doors = Tasks::on_current_runtime();
        let (listener, kafka) = bound.kafka.open()?;
        let http = bound.http.map(Door::open).transpose()?;
        let (host, port) = options.kafka_advertised.clone().unwrap_or_else(|| (kafka.ip().to_string(), kafka.port()));
        let gateway_options = GatewayOptions {
            zone: options.zone.clone(),
            auto_create_topics: options.auto_create_topics,
            partitions_default: options.default_partitions,
            ..GatewayOptions::embedded(NODE, TENANT, host.clone(), port)
        };
        let groups = Coordinator::start(
            catalog.clone(),
            ingest.session(),
            clock.clone(),
            random.clone(),
            &doors,
            INITIAL_REBALANCE_DELAY,
        );
        let quotas = Arc::new(Quotas::new(clock.now().into_std()));
        let parts = GatewayParts {
            catalog: catalog.clone(),
            ingest: ingest.clone(),
            fetch: fetch.clone(),
            groups: groups.clone(),
            quotas: quotas.clone(),
            clock: clock.clone(),
            random: random.clone(),
            tasks: doors.clone(),
        };
        let gateway = Arc::new(Gateway::new(gateway_options, parts));
        let http_address = http.as_ref().map(|(_, address)| *address);
        if let Some((listener, _)) = http {
            let http_options = http::GatewayOptions {
                auto_create_topics: options.auto_create_topics,
                partitions_default: options.default_partitions,
                cors_allowed_origins: options.http_cors_allowed_origins.clone(),
                // What others can reach anyway has names that nobody here knows.
                known_hosts: http_address
                    .is_some_and(|address| address.ip().is_loopback())
                    .then(|| options.http_known_hosts.clone()),
                ..http::GatewayOptions::embedded(TENANT)
            };
            let parts = http::GatewayParts {
                catalog: catalog.clone(),
                ingest: ingest.clone(),
                fetch,
                groups,
                node: Arc::new(View {
                    node: NODE,
                    zone: options.zone.clone(),
                    version: options.version.clone(),
                    kafka: format!("{host}:{port}"),
                    http: http_address.map(|address| address.to_string()),
                    store: store.describe(),
                    serving_since: clock.now(),
                    clock: clock.clone(),
                    catalog: catalog.clone(),
                    cache: cache.clone(),
                    reader: reader.clone(),
                    kafka_door: gateway.clone(),
                }),
                quotas,
                clock,
                random,
                tasks: doors.clone(),
                metrics: Arc::new(Scrape {
                    tenant: TENANT,
                    catalog: catalog.clone(),
                    ingest: ingest.clone(),
                    recorded: options.recorded.clone(),
                }),
            };
            let gateway = http::Gateway::new(http_options, parts);
            doors.spawn("gateway-http", OnPanic::EndProcess, async move { gateway.serve(listener).await });
        }
        doors.spawn("gateway-kafka", OnPanic::EndProcess, async move { gateway.serve(listener).await });

        let mut about = vec![
            ("kafka".to_owned(), advertised(kafka, &host, port)),
            (
                "http".to_owned(),
                http_address.map_or_else(
                    || "off".to_owned(),
                    |address| format!("http://{address} (console; its API: http://{address}/docs)"),
                ),
            ),
            ("data".to_owned(), options.data_dir.display().to_string()),
            ("store".to_owned(), format!("{} ({abilities})", store.describe())),
            (
                "cache".to_owned(),
                format!("{}, {} MiB for what was just written", cache.describe(), written_bytes >> 20),
            ),
        ];
        if let Err(error) = catalog.accepting() {
            let refused = format!("REFUSED until that disk has room, which needs no restart; reads work ({error})");
            about.push(("appends".to_owned(), refused));
        }
        tracing::info!(%kafka, store = store.describe(), "serving");
        Ok(Node { catalog, cache, ingest, doors, base, kafka, http: http_address, about })
    }

    /// Where Kafka clients connect.
    #[must_use]
    pub fn kafka_addr(&self) -> SocketAddr {
        self.kafka
    }

    /// Where HTTP clients connect, when that door is open.
    #[must_use]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http
    }

    /// What an operator wants to know at start, as names and values.
    #[must_use]
    pub fn describe(&self) -> Vec<(String, String)> {
        self.about.clone()
    }

    /// Resolves, with the reason, when the node can acknowledge nothing any more and only a restart helps: its catalog
    /// replica has stopped by itself, whether anybody appends or not, or a newer life of it has begun.
    pub async fn ended(&self) -> String {
        tokio::select! {
            // The replica's own words say more than those of who could not commit.
            biased;
            why = self.catalog.failed() => format!("its replica of the catalog has stopped ({why})"),
            why = self.ingest.ended() => why,
        }
    }

    /// Drains: takes nothing in any more, resolves what was taken in, writes a snapshot when it is worth it, and releases
    /// the folder.
    pub async fn stop(self) {
        self.doors.stop().await;
        self.ingest.drain().await;
        self.base.stop().await;
        self.cache.close().await;
        self.catalog.close().await;
        tracing::info!("stopped");
    }
}

/// The addresses of clients: taken first, opened last, so that nobody connects to a node that cannot answer yet.
struct BoundDoors {
    kafka: Door,
    http: Option<Door>,
}

struct Door {
    name: DoorName,
    address: SocketAddr,
    socket: TcpSocket,
}

impl Door {
    fn bind(name: DoorName, address: SocketAddr) -> Result<Door, StartError> {
        let bound = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            // Connections of an earlier process that are being forgotten are no reason to wait.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(socket)
        };
        let socket = bound().map_err(|problem| StartError::Listen { door: name, address, problem })?;
        Ok(Door { name, address, socket })
    }

    /// Connections are taken from now on. Where they come to is returned too.
    fn open(self) -> Result<(TcpListener, SocketAddr), StartError> {
        let (door, address) = (self.name, self.address);
        let listening = self.socket.listen(LISTEN_BACKLOG);
        let opened = listening.and_then(|listener| listener.local_addr().map(|local| (listener, local)));
        opened.map_err(|problem| StartError::Listen { door, address, problem })
    }
}

fn advertised(listening: SocketAddr, host: &str, port: u16) -> String {
    let told = format!("{host}:{port}");
    if told == listening.to_string() { told } else { format!("{listening}, clients are told {told}") }
}

async fn open_cache(options: &CacheOptions, data_dir: &Path, cluster: ClusterView, clock: &Clock) -> FoyerCache {
    let foyer = FoyerOptions {
        dir: data_dir.join("cache"),
        stamp: Stamp { cluster_id: cluster.cluster_id, incarnation: cluster.incarnation },
        memory_bytes: options.memory_bytes,
        disk_bytes: options.disk_bytes,
        io: options.io,
    };
    FoyerCache::open(foyer, clock.clone()).await
}
