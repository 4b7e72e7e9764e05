//! Moves inline payloads to objects, so that the catalog's log and memory stay small.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidelog_blob::Purpose;
use tidelog_catalog_api::{Command, ExtentMove, InlineExtent, Location, MoveInline, Outcome};
use tidelog_format::flush_object::FlushObjectBuilder;
use tidelog_host::Tasks;
use tidelog_model::{BatchHeader, SessionId};

use crate::IngestOptions;
use crate::meters;
use crate::upload::{self, Uploader};

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Bytes moved into one object.
const MOVE_BYTES_MAX: usize = 16 << 20;

pub(crate) struct Mover {
    pub uploader: Arc<Uploader>,
    pub session: SessionId,
    pub options: IngestOptions,
    pub tasks: Tasks,
}

impl Mover {
    pub(crate) async fn run(self) {
        let mut waiting_since = None;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.tasks.stopping() => return,
            }
            let now = self.uploader.clock.now();
            let bytes = self.uploader.catalog.inline_bytes();
            if bytes == 0 {
                waiting_since = None;
                continue;
            }
            let since = *waiting_since.get_or_insert(now);
            if bytes < self.options.move_inline_bytes && now < since + self.options.move_inline_after {
                continue;
            }
            if self.move_some().await {
                waiting_since = None;
            }
        }
    }

    /// Moves the oldest payloads. Returns whether it worked; if not, they are still where they were.
    async fn move_some(&self) -> bool {
        let extents = self.uploader.catalog.inline_extents(MOVE_BYTES_MAX);
        let Some(moves) = self.gather(extents) else { return false };
        let object = match self.uploader.grants.next().await {
            Ok(object) => object,
            Err(error) => {
                tracing::warn!(%error, "no object id to move inline payloads to");
                return false;
            }
        };
        let cluster = self.uploader.catalog.cluster();
        let mut builder = FlushObjectBuilder::new(object, cluster.incarnation, cluster.cluster_id);
        let mut extent_moves = Vec::with_capacity(moves.len());
        for group in moves.chunk_by(|a, b| a.extent.partition == b.extent.partition) {
            let batches = group.iter().flat_map(|gathered| gathered.batches.iter().cloned());
            let mut to_position = builder.add(group[0].extent.partition, batches).position;
            for Gathered { extent: InlineExtent { partition, extent }, .. } in group {
                let Location::Inline { index, position, bytes } = extent.location else {
                    unreachable!("gather keeps inline extents only")
                };
                extent_moves.push(ExtentMove {
                    partition: *partition,
                    base_offset: extent.base_offset,
                    from: index,
                    from_position: position,
                    bytes,
                    to_position,
                });
                to_position += bytes;
            }
        }
        let laid_out = builder.finish();
        let object_bytes = laid_out.bytes;
        if let Err(error) = upload::put(&self.uploader, &cluster, object, laid_out, Purpose::MoveInline).await {
            tracing::warn!(%error, "inline payloads could not be moved");
            return false;
        }
        let command = MoveInline { session: self.session, object, object_bytes, moves: extent_moves };
        match self.uploader.catalog.propose(Command::MoveInline(command)).await {
            Ok(Outcome::Moved(Ok(moved))) => {
                meters::moved(moved.iter().filter(|done| **done).count() as u64);
                true
            }
            Ok(Outcome::Moved(Err(refused))) => {
                tracing::warn!(%refused, "the move of inline payloads was refused");
                false
            }
            Ok(other) => panic!("MoveInline was answered with {other:?}"),
            Err(error) => {
                tracing::warn!(%error, "the move of inline payloads was not answered");
                false
            }
        }
    }

    /// The extents with their batches, by partition and offset. `None` when there is nothing to move.
    fn gather(&self, extents: Vec<InlineExtent>) -> Option<Vec<Gathered>> {
        let mut gathered: Vec<Gathered> = extents
            .into_iter()
            .filter_map(|extent| {
                let Location::Inline { index, position, bytes } = extent.extent.location else { return None };
                // A payload that has gone meanwhile needs no move.
                let payload = self.uploader.catalog.inline_payload(index)?;
                let bytes = payload.slice(position as usize..(position + bytes) as usize);
                Some(Gathered { extent, batches: split(bytes) })
            })
            .collect();
        gathered.sort_by_key(|gathered| (gathered.extent.partition, gathered.extent.extent.base_offset));
        (!gathered.is_empty()).then_some(gathered)
    }
}

struct Gathered {
    extent: InlineExtent,
    batches: Vec<Bytes>,
}

fn split(mut bytes: Bytes) -> Vec<Bytes> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        // The log entry that held them was checked when it was read, and they were checked when admitted.
        let header = BatchHeader::read(&bytes).expect("an inline extent holds whole batches");
        batches.push(bytes.split_to(header.bytes));
    }
    batches
}
