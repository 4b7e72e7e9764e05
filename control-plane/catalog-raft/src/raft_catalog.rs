//! The replica: openraft, its log, its state, and what keeps them going.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{LinearizableReadError, RaftError};
use openraft::raft::ReadPolicy;
use openraft::{BasicNode, Config, SnapshotPolicy};
use parking_lot::Mutex;
use tidelog_catalog::State;
use tidelog_catalog_api::{CatalogError, Command, TICK_MS};
use tidelog_host::tasks::OnPanic;
use tidelog_host::{Clock, Disk, Random, Tasks};
use tidelog_model::{Incarnation, LogIndex};
use tokio::runtime::Runtime;

use crate::barrier::Barrier;
use crate::end::End;
use crate::error::OpenError;
use crate::folder::{self, Folder};
use crate::log::RaftLog;
use crate::machine::Machine;
use crate::measure;
use crate::network::NoPeers;
use crate::options::RaftOptions;
use crate::propose::{self, Proposer};
use crate::snapshot::SnapshotFolder;
use crate::types::{LogId, TypeConfig};

pub(crate) type RaftHandle = openraft::Raft<TypeConfig, Machine>;

/// Threads of Raft's own runtime: a busy data path must not starve its timers.
const RAFT_THREADS: usize = 2;
/// How often it is looked whether a snapshot is due.
const SNAPSHOT_LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// After a snapshot that could not be written.
const SNAPSHOT_RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// A voter alone is elected at once; this is far beyond.
const ELECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// One replica of the catalog. See the crate's header.
pub struct RaftCatalog {
    pub(crate) machine: Machine,
    pub(crate) proposer: Proposer,
    pub(crate) barrier: Arc<Barrier>,
    pub(crate) raft: RaftHandle,
    pub(crate) log: RaftLog,
    options: RaftOptions,
    tasks: Tasks,
    end: End,
    /// One snapshot at a time.
    snapshot: Arc<tokio::sync::Mutex<()>>,
    held: Mutex<Option<Held>>,
}

/// What [`RaftCatalog::close`] lets go of.
struct Held {
    _runtime: OwnRuntime,
    _folder: Folder,
}

/// Raft's own threads. A runtime may not be dropped where waiting is forbidden; this one waits for nothing.
struct OwnRuntime {
    runtime: Option<Runtime>,
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for RaftCatalog {
    fn drop(&mut self) {
        self.log.let_go();
    }
}

impl RaftCatalog {
    /// Opens or creates the replica on `disk`. When this returns it leads, and everything that was acknowledged before is
    /// visible. A new folder is bootstrapped with a cluster id and an incarnation from `random`.
    ///
    /// # Errors
    /// See [`OpenError`]. A cancelled caller may leave a folder that is half made; the next open completes it.
    pub async fn open(
        options: RaftOptions,
        disk: Arc<dyn Disk>,
        clock: Clock,
        random: Random,
    ) -> Result<Arc<RaftCatalog>, OpenError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(RAFT_THREADS)
            .thread_name("raft")
            .enable_all()
            .build()
            .map_err(|error| OpenError::io(&options.dir, error))?;
        let opening = runtime.spawn(open_on_raft_threads(options, disk, clock, random));
        let runtime = OwnRuntime { runtime: Some(runtime) };
        let (catalog, folder) = opening.await.map_err(|error| OpenError::Raft(error.to_string()))??;
        *catalog.held.lock() = Some(Held { _runtime: runtime, _folder: folder });
        Ok(catalog)
    }

    /// Whether [`RaftCatalog::open`] would make a new replica, of a new cluster.
    #[must_use]
    pub fn is_new(options: &RaftOptions, disk: &dyn Disk) -> bool {
        folder::is_new(disk, &options.dir)
    }

    /// Writes a snapshot if there is much to read otherwise, stops Raft, and lets go of the folder. Proposals and reads
    /// answer errors from then on. A second call does nothing.
    pub async fn close(&self) {
        let Some(held) = self.held.lock().take() else { return };
        self.stop_tasks().await;
        let (bytes, entries) = self.machine.since_snapshot();
        if (bytes >= self.options.snapshot_every_bytes / 8 || entries >= self.options.snapshot_every_entries / 8)
            && let Err(error) = self.snapshot_now().await
        {
            tracing::warn!(%error, "no snapshot was written at the end; the next start reads more log");
        }
        self.stop_raft().await;
        drop(held);
    }

    /// Resolves, with the reason, when the replica has stopped by itself: its log cannot be written, as a rule. It proposes and
    /// confirms nothing any more, and only opening it again helps. Never when it is closed. A cancelled caller leaves nothing behind.
    pub async fn failed(&self) -> String {
        self.end.failed().await
    }

    /// Why it has stopped by itself, if it has; see [`RaftCatalog::failed`].
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.end.failure()
    }

    /// The term, and the last entry of the log.
    pub(crate) fn term_and_last(&self) -> (u64, u64) {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        (metrics.current_term, metrics.last_log_index.unwrap_or(0))
    }

    async fn stop_tasks(&self) {
        self.proposer.close();
        self.tasks.stop().await;
        self.barrier.close();
    }

    async fn stop_raft(&self) {
        self.end.announce();
        if let Err(error) = self.raft.shutdown().await {
            tracing::error!(%error, "raft did not stop by itself");
        }
        let log = self.log.clone();
        if tokio::task::spawn_blocking(move || log.close()).await.is_err() {
            tracing::error!("closing the raft log panicked");
        }
    }

    /// The hash of the state as it is now: equal on all replicas at one index.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        self.machine.look(State::freeze).hash()
    }

    /// Checks the state's invariants.
    ///
    /// # Errors
    /// Names the first that does not hold.
    pub fn validate(&self) -> Result<(), String> {
        self.machine.look(|state| state.validate().map_err(|violation| violation.to_string()))
    }

    /// Writes a snapshot of the state as it is now, and lets go of the log before it. The index it is of.
    ///
    /// # Errors
    /// When it cannot be written: then the last one is still there. When Raft has stopped.
    pub async fn snapshot_now(&self) -> Result<LogIndex, CatalogError> {
        let index =
            take_snapshot(&self.raft, &self.machine, &self.snapshot).await.map_err(CatalogError::Unavailable)?;
        Ok(LogIndex(index.map_or(0, |id| id.index)))
    }
}

async fn open_on_raft_threads(
    options: RaftOptions,
    disk: Arc<dyn Disk>,
    clock: Clock,
    random: Random,
) -> Result<(Arc<RaftCatalog>, Folder), OpenError> {
    let (folder, log, machine) = {
        let (options, disk, clock, random) = (options.clone(), disk.clone(), clock.clone(), random.clone());
        let open = move || -> Result<_, OpenError> {
            let (node, log_options) = (options.node.0, options.log());
            let folder = Folder::open(disk.as_ref(), &options.dir, node, &random, &log_options)?;
            let log = RaftLog::open(disk.clone(), &folder.log, folder.cluster, node, log_options, clock.clone())?;
            let snapshots = SnapshotFolder { disk, dir: folder.snapshot.clone(), cluster: folder.cluster };
            let machine = Machine::open(snapshots, &log.facts(), clock).inspect_err(|_| log.close())?;
            Ok((folder, log, machine))
        };
        tokio::task::spawn_blocking(open).await.map_err(|error| OpenError::Raft(error.to_string()))??
    };
    let cluster = folder.cluster;
    let (tasks, end) = (Tasks::on_current_runtime(), End::new());
    let started = start_raft(&options, &log, &machine, &tasks, &end).await;
    let raft = match started {
        Ok(raft) => raft,
        Err(error) => {
            log.close();
            return Err(error);
        }
    };
    let (proposer, proposed) = Proposer::new(log.clone(), end.clone());
    let catalog = Arc::new(RaftCatalog {
        machine: machine.clone(),
        proposer,
        barrier: Arc::new(Barrier::new()),
        raft: raft.clone(),
        log,
        options,
        tasks,
        end: end.clone(),
        snapshot: Arc::default(),
        held: Mutex::new(None),
    });
    let tasks = &catalog.tasks;
    tasks.spawn("raft-propose", OnPanic::EndProcess, propose::forward(raft.clone(), proposed));
    tasks.spawn("raft-read", OnPanic::EndProcess, read_rounds(&catalog, end));
    tasks.spawn("raft-snapshot", OnPanic::EndProcess, take_snapshots(&catalog, clock.clone()));

    if let Err(error) = catch_up(&catalog, cluster, &random).await {
        catalog.stop_tasks().await;
        catalog.stop_raft().await;
        return Err(error);
    }
    if catalog.options.ticks {
        tasks.spawn("raft-tick", OnPanic::EndProcess, tick(&catalog, clock));
    }
    Ok((catalog, folder))
}

/// Waits until everything that was acknowledged before is visible, and gives a new catalog its names.
async fn catch_up(catalog: &RaftCatalog, cluster: [u8; 16], random: &Random) -> Result<(), OpenError> {
    let failed = |error: CatalogError| OpenError::Raft(error.to_string());
    catalog.barrier.wait().await.map_err(failed)?;
    if catalog.machine.look(State::cluster).cluster_id == [0; 16] {
        let incarnation = Incarnation(random.next() >> 1);
        let bootstrap = catalog.proposer.propose(Command::Bootstrap { cluster_id: cluster, incarnation });
        bootstrap.await.map_err(failed)?;
    }
    if catalog.machine.look(State::cluster).cluster_id != cluster {
        return Err(OpenError::OtherCluster { path: catalog.options.dir.clone() });
    }
    Ok(())
}

async fn start_raft(
    options: &RaftOptions,
    log: &RaftLog,
    machine: &Machine,
    tasks: &Tasks,
    end: &End,
) -> Result<RaftHandle, OpenError> {
    let failed = |error: &dyn std::fmt::Display| OpenError::Raft(error.to_string());
    let config = Config {
        cluster_name: "tidelog".to_owned(),
        heartbeat_interval: 100,
        election_timeout_min: 300,
        election_timeout_max: 600,
        // Snapshots are written by `take_snapshots`, where a full disk is no reason to stop.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: options.entries_kept,
        enable_pre_vote: Some(true),
        ..Config::default()
    };
    let config = Arc::new(config.validate().map_err(|error| failed(&error))?);
    let node = options.node.0;
    let raft =
        RaftHandle::new(node, config, NoPeers, log.clone(), machine.clone()).await.map_err(|error| failed(&error))?;
    // Goes on until Raft ends, also while the replica is closed: who waits then is told by it.
    tasks.spawn_detached("raft-end", OnPanic::EndProcess, end.clone().watch(raft.clone()));
    end.or(lead(&raft, node)).await.map_err(|error| failed(&error))??;
    Ok(raft)
}

/// Waits until this node leads.
async fn lead(raft: &RaftHandle, node: u64) -> Result<(), OpenError> {
    let failed = |error: &dyn std::fmt::Display| OpenError::Raft(error.to_string());
    if !raft.is_initialized().await.map_err(|error| failed(&error))? {
        let members = std::collections::BTreeMap::from([(node, BasicNode::default())]);
        raft.initialize(members).await.map_err(|error| failed(&error))?;
    } else if !raft.with_raft_state(|state| state.server_state.is_leader()).await.map_err(|error| failed(&error))? {
        // Without pre-vote and without waiting for a timeout: there is nobody else to ask.
        raft.trigger().elect(false).await.map_err(|error| failed(&error))?;
    }
    let elected = raft.wait(Some(ELECTION_TIMEOUT)).current_leader(node, "a voter alone leads").await;
    elected.map_err(|error| failed(&error))?;
    Ok(())
}

/// Makes rounds of ReadIndex for those who wait at the barrier.
fn read_rounds(catalog: &RaftCatalog, end: End) -> impl Future<Output = ()> + Send + 'static {
    let (raft, machine) = (catalog.raft.clone(), catalog.machine.clone());
    let (barrier, tasks) = (catalog.barrier.clone(), catalog.tasks.clone());
    async move {
        loop {
            tokio::select! {
                () = barrier.asked() => {}
                () = tasks.stopping() => return,
            }
            measure::read_round();
            let round = async { end.or(read_index(&raft, &machine)).await? };
            barrier.round(round).await;
        }
    }
}

async fn read_index(raft: &RaftHandle, machine: &Machine) -> Result<LogIndex, CatalogError> {
    match raft.get_read_log_id(ReadPolicy::ReadIndex).await {
        Ok((read, _applied)) => {
            let index = read.log_id().index;
            machine.wait_visible(index).await;
            Ok(LogIndex(index))
        }
        Err(RaftError::APIError(
            error @ (LinearizableReadError::ForwardToLeader(_) | LinearizableReadError::QuorumNotEnough(_)),
        )) => Err(CatalogError::Unavailable(error.to_string())),
        Err(RaftError::Fatal(error)) => Err(CatalogError::Stopped(error.to_string())),
    }
}

/// The leader's clock.
fn tick(catalog: &Arc<RaftCatalog>, clock: Clock) -> impl Future<Output = ()> + Send + 'static {
    let (catalog, tasks) = (Arc::downgrade(catalog), catalog.tasks.clone());
    async move {
        let mut next = clock.now() + Duration::from_millis(TICK_MS);
        loop {
            tokio::select! {
                () = clock.sleep(next.saturating_duration_since(clock.now())) => {}
                () = tasks.stopping() => return,
            }
            // After a suspension the missed ticks are not made up for: the catalog's clock may be late, never early.
            next = (next + Duration::from_millis(TICK_MS)).max(clock.now());
            let Some(catalog) = catalog.upgrade() else { return };
            if catalog.raft.is_leader() {
                let ticked = catalog.proposer.propose(Command::Tick { wall: clock.wall() });
                drop(catalog);
                if let Err(error) = ticked.await {
                    tracing::debug!(%error, "no tick");
                }
            }
        }
    }
}

/// Writes a snapshot whenever enough log has gathered.
fn take_snapshots(catalog: &RaftCatalog, clock: Clock) -> impl Future<Output = ()> + Send + 'static {
    let (raft, machine) = (catalog.raft.clone(), catalog.machine.clone());
    let (one_at_a_time, tasks) = (catalog.snapshot.clone(), catalog.tasks.clone());
    let (bytes_max, entries_max) = (catalog.options.snapshot_every_bytes, catalog.options.snapshot_every_entries);
    async move {
        let mut interval = SNAPSHOT_LOOK_INTERVAL;
        loop {
            tokio::select! {
                () = clock.sleep(interval) => {}
                () = tasks.stopping() => return,
            }
            interval = SNAPSHOT_LOOK_INTERVAL;
            let (bytes, entries) = machine.since_snapshot();
            if (bytes >= bytes_max || entries >= entries_max)
                && let Err(error) = take_snapshot(&raft, &machine, &one_at_a_time).await
            {
                tracing::warn!(%error, "catalog snapshot could not be written, the log is kept");
                interval = SNAPSHOT_RETRY_INTERVAL;
            }
        }
    }
}

/// Writes a snapshot off the Raft threads, then tells openraft, which lets go of the log before it.
async fn take_snapshot(
    raft: &RaftHandle,
    machine: &Machine,
    one_at_a_time: &tokio::sync::Mutex<()>,
) -> Result<Option<LogId>, String> {
    let _one = one_at_a_time.lock().await;
    let writing = machine.clone();
    let written = tokio::task::spawn_blocking(move || writing.write_snapshot()).await;
    let last = written.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    raft.trigger().snapshot().await.map_err(|error| error.to_string())?;
    let known = raft.wait(None).metrics(|metrics| metrics.snapshot >= last, "openraft knows of the snapshot").await;
    known.map_err(|error| error.to_string())?;
    Ok(last)
}
