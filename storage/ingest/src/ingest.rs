//! The door to the write path.

use std::sync::Arc;

use parking_lot::Mutex;
use tidelog_blob::BlobStore;
use tidelog_cache::ObjectReader;
use tidelog_catalog_api::{Catalog, CatalogError, Command, Outcome};
use tidelog_host::tasks::OnPanic;
use tidelog_host::{Clock, Tasks, failpoint};
use tidelog_model::{LaneId, SessionId};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::append::{Append, AppendError, AppendFuture};
use crate::committer::Committer;
use crate::flush::Writer;
use crate::grants::Grants;
use crate::lane::{Buffer, Sealer};
use crate::meters::{self, SealMeters};
use crate::mover::Mover;
use crate::options::IngestOptions;
use crate::upload::Uploader;

/// Bytes per permit of the in-flight bound, so that the count fits a semaphore.
const RESERVATION_UNIT: usize = 1024;

/// The write path of one node.
pub struct Ingest {
    buffer: Arc<Buffer>,
    clock: Clock,
    session: SessionId,
    in_flight: Arc<Semaphore>,
    in_flight_units: usize,
    stop: Arc<Notify>,
    /// Resolves when everything that was appended is resolved.
    drained: Mutex<Option<oneshot::Receiver<()>>>,
    stopping: std::sync::atomic::AtomicBool,
    ended: watch::Receiver<Option<String>>,
}

/// A share of the bytes that may be in flight: held until the response is written and the batches are resolved; dropping
/// it gives the share back.
#[derive(Debug)]
pub struct Reservation {
    _permit: OwnedSemaphorePermit,
    /// What it is in addition to.
    _first: Option<Arc<Reservation>>,
}

/// Why the write path could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The catalog gave no session.
    #[error("the catalog gave no session: {0}")]
    Session(#[from] CatalogError),
}

impl Ingest {
    /// Opens a session, which fences an earlier one of this node, and starts the lane.
    ///
    /// # Errors
    /// When the catalog does not answer.
    pub async fn start(
        options: IngestOptions,
        catalog: Arc<dyn Catalog>,
        blob: Arc<dyn BlobStore>,
        reader: Arc<ObjectReader>,
        clock: Clock,
        tasks: Tasks,
    ) -> Result<Arc<Ingest>, StartError> {
        let session = match catalog.propose(Command::OpenSession { node: options.node }).await? {
            Outcome::SessionOpened(session) => session,
            other => panic!("OpenSession was answered with {other:?}"),
        };
        let grants = Arc::new(Grants::new(catalog.clone(), session, clock.clone()));
        let uploader = Arc::new(Uploader {
            catalog: catalog.clone(),
            blob,
            reader,
            grants,
            clock: clock.clone(),
            tasks: tasks.clone(),
            deadline: options.lane.upload_deadline,
        });
        let buffer = Buffer::new();
        let stop = Arc::new(Notify::new());
        let (flushes, sealed) = mpsc::channel(2 * options.lane.flushes_in_flight_max);
        let sealer = Sealer {
            buffer: buffer.clone(),
            profile: options.lane.clone(),
            clock: clock.clone(),
            uploader: uploader.clone(),
            flushes,
            stop: stop.clone(),
            meters: SealMeters::new(),
        };
        let writer = Writer { session, lane: LaneId(0) };
        let (end, ended) = watch::channel(None);
        let committer = Committer::new(catalog, clock.clone(), writer, buffer.clone(), sealed, options.parking, end);
        let (done, drained) = oneshot::channel();
        tasks.spawn_detached("sealer", OnPanic::EndProcess, sealer.run());
        tasks.spawn_detached("committer", OnPanic::EndProcess, async move {
            committer.run().await;
            let _ = done.send(());
        });
        let in_flight_units = options.in_flight_bytes_max.div_ceil(RESERVATION_UNIT);
        tasks.spawn("mover", OnPanic::EndProcess, Mover { uploader, session, options, tasks: tasks.clone() }.run());
        tracing::info!(%session, "write path open");
        Ok(Arc::new(Ingest {
            buffer,
            clock,
            session,
            in_flight: Arc::new(Semaphore::new(in_flight_units)),
            in_flight_units,
            stop,
            drained: Mutex::new(Some(drained)),
            stopping: std::sync::atomic::AtomicBool::new(false),
            ended,
        }))
    }

    /// Waits for room for a request of `bytes`; at the bound the caller does not read its socket. A request larger than
    /// the whole bound waits until it is alone. Fair: first come, first served. A cancelled caller leaves nothing behind.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        let units = bytes.div_ceil(RESERVATION_UNIT).min(self.in_flight_units);
        let units = u32::try_from(units).expect("the bound on bytes in flight is far below 4 TiB");
        let permit = self.in_flight.clone().acquire_many_owned(units).await;
        Reservation { _permit: permit.expect("the semaphore is never closed"), _first: None }
    }

    /// Room for `bytes` more than `first`, for records that have grown: both in one. `None` when there is none now. It does
    /// not wait, because requests that hold some room and wait for more could wait for each other.
    pub fn reserve_more(&self, first: Option<Arc<Reservation>>, bytes: usize) -> Option<Arc<Reservation>> {
        let units = u32::try_from(bytes.div_ceil(RESERVATION_UNIT)).ok()?;
        let permit = self.in_flight.clone().try_acquire_many_owned(units).ok()?;
        Some(Arc::new(Reservation { _permit: permit, _first: first }))
    }

    /// Bytes of requests in flight.
    #[must_use]
    pub fn in_flight_bytes(&self) -> usize {
        (self.in_flight_units - self.in_flight.available_permits()) * RESERVATION_UNIT
    }

    /// Says in the metrics what goes up and down: whoever collects them asks for it.
    pub fn observe(&self) {
        meters::in_flight(self.in_flight_bytes(), self.in_flight_units * RESERVATION_UNIT);
    }

    /// Gives the batches their place in the order, at once; the future resolves when they are durable and have their
    /// offsets. The batches were [`crate::admit`]ted, one at least.
    pub fn append(&self, append: Append) -> AppendFuture {
        assert!(!append.batches.is_empty(), "an append has a batch at least");
        let deadline = append.deadline;
        failpoint::hit("admit");
        let is_stopping = self.stopping.load(std::sync::atomic::Ordering::SeqCst);
        let answers = if is_stopping { None } else { self.buffer.push(append, self.clock.now()) };
        match answers {
            Some(answers) => AppendFuture::new(answers, deadline),
            None => AppendFuture::ready(Err(AppendError::Unavailable("the node is stopping".into()))),
        }
    }

    /// This life of the node.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Resolves, with the reason, when this node can commit nothing any more: a newer session of it was opened, or its
    /// catalog replica has stopped. Only a restart helps.
    pub async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(why) => why.clone().expect("waited for"),
            // The committer is gone without an error: the node was drained.
            Err(_) => std::future::pending().await,
        }
    }

    /// Refuses new appends, seals what waits, and returns when all of it is resolved.
    pub async fn drain(&self) {
        self.stopping.store(true, std::sync::atomic::Ordering::SeqCst);
        self.stop.notify_one();
        let drained = self.drained.lock().take();
        if let Some(drained) = drained {
            // An error means that the committer is gone, which is what was waited for.
            let _ = drained.await;
        }
    }
}
