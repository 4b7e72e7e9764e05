//! From sealed to durable: a small flush becomes an inline payload, a large one an object in the store.

use std::sync::Arc;
use std::time::Duration;

use tidelog_blob::{BlobError, BlobStore, Key, Purpose};
use tidelog_cache::ObjectReader;
use tidelog_catalog_api::{Catalog, ClusterView};
use tidelog_format::flush_object::{FlushObject, FlushObjectBuilder, object_key};
use tidelog_host::tasks::OnPanic;
use tidelog_host::{Clock, Tasks, failpoint, follow};
use tidelog_model::limits::INLINE_BYTES_MAX;
use tidelog_model::{ObjectId, PartitionId};
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::AppendError;
use crate::flush::{Flush, Place};
use crate::grants::Grants;
use crate::lane::{Pending, Sealed};
use crate::meters;

/// A flush that will be ready, or has failed, when this resolves; in the lane's order.
pub(crate) struct Uploading {
    /// What it writes to, sorted, each once.
    pub partitions: Vec<PartitionId>,
    /// Admission of its oldest batch, and of its newest.
    pub admissions: (u64, u64),
    pub ready: oneshot::Receiver<Result<Flush, FailedUpload>>,
}

/// A flush that will never be committed.
pub(crate) struct FailedUpload {
    pub batches: Vec<Pending>,
    pub error: AppendError,
}

/// Makes flushes durable.
pub(crate) struct Uploader {
    pub catalog: Arc<dyn Catalog>,
    pub blob: Arc<dyn BlobStore>,
    pub reader: Arc<ObjectReader>,
    pub grants: Arc<Grants>,
    pub clock: Clock,
    pub tasks: Tasks,
    pub deadline: Duration,
}

impl Uploader {
    /// Whether the catalog's budget of inline payloads has room. Half of it is kept for the flushes in flight and for
    /// other nodes.
    pub(crate) fn inline_has_room(&self, bytes: usize) -> bool {
        self.catalog.inline_bytes() + bytes <= INLINE_BYTES_MAX / 2
    }

    /// Begins to make a flush durable, in a task: whoever drops the result does not stop it.
    pub(crate) fn start(self: &Arc<Self>, sealed: Sealed, inline: bool) -> Uploading {
        let (done, ready) = oneshot::channel();
        let uploading = uploading(&sealed.batches, ready);
        if inline {
            // Nothing to wait for: the commit's own fsync makes it durable.
            let _ = done.send(Ok(Flush::inline(sealed.batches, Some(sealed.slot))));
            return uploading;
        }
        let uploader = self.clone();
        let span = follow!(within: &sealed.slot.span(), "upload");
        let upload = async move {
            let _ = done.send(uploader.upload(sealed).await);
        };
        self.tasks.spawn_detached("upload", OnPanic::EndProcess, upload.instrument(span));
        uploading
    }

    async fn upload(&self, sealed: Sealed) -> Result<Flush, FailedUpload> {
        let Sealed { batches, slot, .. } = sealed;
        // An object whose commit would be refused is litter, and on the disk of the catalog it takes the room that is left.
        if let Err(error) = self.catalog.accepting() {
            return Err(FailedUpload { batches, error: AppendError::of_refused(error) });
        }
        let object = match self.grants.next().await {
            Ok(object) => object,
            Err(error) => return Err(FailedUpload { batches, error }),
        };
        let cluster = self.catalog.cluster();
        let mut builder = FlushObjectBuilder::new(object, cluster.incarnation, cluster.cluster_id);
        let mut positions = Vec::with_capacity(batches.len());
        for group in batches.chunk_by(|a, b| a.partition == b.partition) {
            let batches = group.iter().map(|pending| pending.batch.bytes.clone());
            let mut position = builder.add(group[0].partition, batches).position;
            for pending in group {
                positions.push(position);
                position += u32::try_from(pending.batch.bytes.len()).expect("batches are limited to far less");
            }
        }
        let laid_out = builder.finish();
        let bytes = laid_out.bytes;
        match put(self, &cluster, object, laid_out, Purpose::Flush).await {
            Ok(()) => {
                let batches = batches.into_iter().zip(positions).collect();
                Ok(Flush { batches, place: Place::Object { object, bytes }, slot: Some(slot) })
            }
            Err(error) => Err(FailedUpload { batches, error }),
        }
    }
}

/// Batches that nobody waits for any more, and that were not begun with.
pub(crate) fn given_up(batches: Vec<Pending>) -> Uploading {
    let (done, ready) = oneshot::channel();
    let uploading = uploading(&batches, ready);
    let _ = done.send(Err(FailedUpload { batches, error: AppendError::Timeout }));
    uploading
}

fn uploading(batches: &[Pending], ready: oneshot::Receiver<Result<Flush, FailedUpload>>) -> Uploading {
    let mut partitions: Vec<PartitionId> = batches.iter().map(|pending| pending.partition).collect();
    partitions.dedup();
    let admissions = batches.iter().map(|pending| pending.admission);
    let oldest = admissions.clone().min().expect("a sealed flush has a batch at least");
    Uploading { partitions, admissions: (oldest, admissions.max().expect("as above")), ready }
}

/// Puts an object, and remembers its bytes for readers of the tail *before* anything refers to it. A failed one burns
/// its id.
pub(crate) async fn put(
    uploader: &Uploader,
    cluster: &ClusterView,
    object: ObjectId,
    laid_out: FlushObject,
    purpose: Purpose,
) -> Result<(), AppendError> {
    let started = uploader.clock.now();
    let key = Key::new(object_key(cluster.incarnation, object));
    let put = uploader.blob.put(&key, laid_out.parts.clone(), purpose);
    match tokio::time::timeout(uploader.deadline, put).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%key, %error, "upload failed");
            return Err(upload_error(&error));
        }
        Err(_) => {
            tracing::warn!(%key, deadline_ms = uploader.deadline.as_millis(), "upload took too long");
            return Err(AppendError::Unavailable("the store did not answer in time".into()));
        }
    }
    failpoint::hit("upload");
    meters::uploaded(started.elapsed());
    uploader.reader.insert_written(object, laid_out.parts);
    Ok(())
}

/// Whatever the store did with the bytes, nothing refers to them and nothing will: the id is burnt.
fn upload_error(error: &BlobError) -> AppendError {
    match error {
        BlobError::Full(what) => AppendError::StoreFull(what.clone()),
        other => AppendError::Unavailable(other.to_string()),
    }
}
