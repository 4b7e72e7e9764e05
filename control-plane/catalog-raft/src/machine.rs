//! The state machine: applies what is committed, tells who listens, and is written to snapshots.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{FutureExt, Stream, StreamExt};
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use parking_lot::{Mutex, RwLock};
use tidelog_catalog::State;
use tidelog_catalog_api::ApplyListener;
use tidelog_host::{Clock, failpoint};
use tidelog_model::LogIndex;
use tokio::sync::watch;

use crate::error::OpenError;
use crate::log::LogFacts;
use crate::measure;
use crate::snapshot::{Position, SnapshotFolder, StoredSnapshot};
use crate::types::{EntryPayload, LogId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig};

/// Entries that are applied under one lock: readers wait no longer than that.
const APPLY_BATCH_MAX: usize = 256;

/// The state machine. Clones share it.
#[derive(Clone)]
pub(crate) struct Machine {
    shared: Arc<Shared>,
}

struct Shared {
    current: RwLock<Current>,
    /// The last index that is visible.
    visible: watch::Sender<u64>,
    listeners: RwLock<Vec<Arc<dyn ApplyListener>>>,
    folder: SnapshotFolder,
    snapshot: Mutex<Option<StoredSnapshot>>,
    /// Held by whoever changes the snapshot's folder.
    writing: Mutex<()>,
    clock: Clock,
    /// Since the last snapshot.
    log_bytes: AtomicU64,
    log_entries: AtomicU64,
}

struct Current {
    state: State,
    position: Position,
}

impl Machine {
    /// The state of the last snapshot, or an empty one. The log that goes with it must reach back to it.
    pub(crate) fn open(folder: SnapshotFolder, log: &LogFacts, clock: Clock) -> Result<Machine, OpenError> {
        let snapshot = folder.current()?;
        let current = match &snapshot {
            Some(snapshot) => Current {
                state: snapshot.restore(snapshot.read_parts()?)?,
                position: snapshot.manifest.position.clone(),
            },
            None => Current { state: State::new(), position: Position::default() },
        };
        if log.purged.map(|purged| purged.index) > current.position.last.map(|last| last.index) {
            let problem = match snapshot {
                Some(_) => "it is too old: the log begins later",
                None => "it is missing, and the log before it is purged",
            };
            return Err(OpenError::damaged(&folder.manifest_path(), 0, problem));
        }
        let shared = Shared {
            visible: watch::Sender::new(current.state.applied().0),
            current: RwLock::new(current),
            listeners: RwLock::new(Vec::new()),
            folder,
            snapshot: Mutex::new(snapshot),
            writing: Mutex::new(()),
            clock,
            log_bytes: AtomicU64::new(0),
            log_entries: AtomicU64::new(0),
        };
        Ok(Machine { shared: Arc::new(shared) })
    }

    /// Looks at the state.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        at(&self.shared.current.read().state)
    }

    /// The last index that is visible.
    pub(crate) fn visible(&self) -> u64 {
        *self.shared.visible.borrow()
    }

    /// Waits until everything up to `index` is visible.
    pub(crate) async fn wait_visible(&self, index: u64) {
        let mut visible = self.shared.visible.subscribe();
        // The sender lives in `self`, so this cannot fail.
        let _ = visible.wait_for(|visible| *visible >= index).await;
    }

    pub(crate) fn listen(&self, listener: Arc<dyn ApplyListener>) {
        self.shared.listeners.write().push(listener);
    }

    /// Bytes and entries of log that were applied since the last snapshot.
    pub(crate) fn since_snapshot(&self) -> (u64, u64) {
        (self.shared.log_bytes.load(Ordering::Relaxed), self.shared.log_entries.load(Ordering::Relaxed))
    }

    /// Writes a snapshot of the state as it is now, and returns its position. Blocks; the state goes on meanwhile.
    /// After an error the last snapshot is still there.
    pub(crate) fn write_snapshot(&self) -> io::Result<Option<LogId>> {
        let shared = &self.shared;
        let _writing = shared.writing.lock();
        let begun = shared.clock.now();
        let (frozen, position, since) = {
            let current = shared.current.read();
            (current.state.freeze(), current.position.clone(), self.since_snapshot())
        };
        let last = position.last;
        let previous = shared.snapshot.lock().clone();
        if previous.as_ref().is_some_and(|previous| previous.manifest.position == position) {
            return Ok(last);
        }
        let previous = previous.as_ref().map(|previous| previous.manifest.as_ref());
        let (snapshot, bytes) = shared.folder.write(&frozen, position, previous)?;
        *shared.snapshot.lock() = Some(snapshot);
        shared.log_bytes.fetch_sub(since.0, Ordering::Relaxed);
        shared.log_entries.fetch_sub(since.1, Ordering::Relaxed);
        let took = begun.elapsed();
        measure::snapshot(bytes, took);
        tracing::info!(
            bytes,
            ms = took.as_millis() as u64,
            index = last.map(|last| last.index),
            "catalog snapshot written"
        );
        Ok(last)
    }

    fn meta(snapshot: &StoredSnapshot) -> SnapshotMeta {
        let position = &snapshot.manifest.position;
        SnapshotMeta { last_log_id: position.last, last_membership: position.membership.clone() }
    }

    fn current_snapshot(&self) -> Option<Snapshot> {
        let snapshot = self.shared.snapshot.lock().clone()?;
        Some(Snapshot { meta: Self::meta(&snapshot), snapshot })
    }

    /// Applies entries, shows them, tells the listeners, answers. A panic here means that this replica's state cannot be
    /// trusted: the process ends.
    fn apply_batch(&self, batch: &mut Vec<EntryResponder<TypeConfig>>) {
        let work = AssertUnwindSafe(|| self.apply_batch_unguarded(batch));
        if catch_unwind(work).is_err() {
            tracing::error!("applying to the catalog panicked, the process ends");
            std::process::abort();
        }
    }

    fn apply_batch_unguarded(&self, batch: &mut Vec<EntryResponder<TypeConfig>>) {
        let shared = &self.shared;
        let begun = shared.clock.now();
        let mut changed = Vec::new();
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut bytes = 0;
        let mut current = shared.current.write();
        for (entry, _) in batch.iter() {
            let index = LogIndex(entry.log_id.index);
            let outcome = match &entry.payload {
                EntryPayload::Normal(logged) => {
                    bytes += logged.bytes().len();
                    let applied = current.state.apply(index, logged.command());
                    changed.extend(applied.changed);
                    Some(applied.outcome)
                }
                // The state of nothing is that of index 0, where the first membership is.
                EntryPayload::Blank | EntryPayload::Membership(_) if index.0 == 0 => None,
                EntryPayload::Blank | EntryPayload::Membership(_) => {
                    current.state.skip(index);
                    None
                }
            };
            if let EntryPayload::Membership(membership) = &entry.payload {
                current.position.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
            }
            current.position.last = Some(entry.log_id);
            outcomes.push(outcome);
        }
        let index = current.state.applied();
        // Counted under the lock, so that a snapshot that is begun now takes them off.
        shared.log_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        shared.log_entries.fetch_add(batch.len() as u64, Ordering::Relaxed);
        drop(current);
        measure::applied(batch.len(), begun.elapsed());
        failpoint::hit("applied");
        changed.sort_unstable();
        changed.dedup();
        // Before a read barrier is answered: who has waited for one knows of everything that has changed.
        for listener in shared.listeners.read().iter() {
            listener.applied(index, &changed);
        }
        shared.visible.send_replace(index.0);
        for ((_, responder), outcome) in batch.drain(..).zip(outcomes) {
            if let Some(responder) = responder {
                responder.send(outcome);
            }
        }
    }
}

/// Hands openraft a snapshot.
pub(crate) struct Builder {
    machine: Machine,
    /// Whether one is written now; else the last one will do.
    write: bool,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = StoredSnapshot;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        if self.write {
            let machine = self.machine.clone();
            tokio::task::spawn_blocking(move || machine.write_snapshot()).await.map_err(io::Error::other)??;
        }
        self.machine.current_snapshot().ok_or_else(|| io::Error::other("there is no snapshot"))
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = StoredSnapshot;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let position = self.shared.current.read().position.clone();
        Ok((position.last, position.membership))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut batch = Vec::new();
        while let Some(first) = entries.next().await {
            batch.push(first?);
            while batch.len() < APPLY_BATCH_MAX
                && let Some(Some(next)) = entries.next().now_or_never()
            {
                batch.push(next?);
            }
            self.apply_batch(&mut batch);
        }
        Ok(())
    }

    /// An error while building stops openraft, and a full disk must not. So unless it is forced, only what has been
    /// written already is handed out.
    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Builder> {
        (force || self.shared.snapshot.lock().is_some()).then(|| Builder { machine: self.clone(), write: force })
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { machine: self.clone(), write: true }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: StoredSnapshot) -> Result<(), io::Error> {
        let machine = self.clone();
        let position = Position { last: meta.last_log_id, membership: meta.last_membership.clone() };
        let install = move || -> Result<(), io::Error> {
            let shared = &machine.shared;
            let _writing = shared.writing.lock();
            let invalid = |error: OpenError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
            if snapshot.manifest.cluster != shared.folder.cluster || snapshot.manifest.position != position {
                let problem = "the snapshot is of another cluster, or not the one that was announced";
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
            let parts = snapshot.read_parts().map_err(invalid)?;
            let state = snapshot.restore(parts.clone()).map_err(invalid)?;
            let index = state.applied();
            *shared.snapshot.lock() = Some(shared.folder.adopt(&snapshot, &parts)?);
            *shared.current.write() = Current { state, position };
            for listener in shared.listeners.read().iter() {
                listener.replaced(index);
            }
            shared.visible.send_replace(index.0);
            Ok(())
        };
        tokio::task::spawn_blocking(install).await.map_err(io::Error::other)?
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        Ok(self.current_snapshot())
    }
}
