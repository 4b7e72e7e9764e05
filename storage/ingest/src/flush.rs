//! A flush on its way: its batches, where each lies, and the commit that says so.

use bytes::Bytes;
use tidelog_catalog_api::{Commit, CommitBatch, CommitEntry, Payload, ProducerBatch};
use tidelog_model::{CommitSequence, LaneId, ObjectId, SessionId};
use tokio::sync::OwnedSemaphorePermit;

use crate::CheckedBatch;
use crate::lane::Pending;

/// Where a flush's bytes are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Object { object: ObjectId, bytes: u32 },
    Inline(Bytes),
}

/// A flush whose bytes are ready to be committed.
pub(crate) struct Flush {
    /// Sorted by partition, with the byte position of each in the payload.
    pub batches: Vec<(Pending, u32)>,
    pub place: Place,
    /// Frees the lane's slot when the flush is resolved.
    pub _slot: Option<OwnedSemaphorePermit>,
}

impl Flush {
    /// The commit of this flush. Asked again it is the same, so that a lost answer can be asked for.
    pub(crate) fn commit(&self, writer: Writer, sequence: CommitSequence, received: CommitSequence) -> Commit {
        let mut entries: Vec<CommitEntry> = Vec::new();
        for (pending, position) in &self.batches {
            let batch = commit_batch(&pending.batch);
            match entries.last_mut() {
                Some(entry) if entry.partition == pending.partition => entry.batches.push(batch),
                _ => entries.push(CommitEntry {
                    partition: pending.partition,
                    position: *position,
                    batches: vec![batch],
                }),
            }
        }
        let payload = match &self.place {
            Place::Object { object, bytes } => Payload::Object { object: *object, bytes: *bytes },
            Place::Inline(bytes) => Payload::Inline(bytes.clone()),
        };
        let Writer { session, lane } = writer;
        Commit { session, lane, sequence, outcomes_received: received, payload, entries }
    }
}

/// Whose commits they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub session: SessionId,
    pub lane: LaneId,
}

fn commit_batch(batch: &CheckedBatch) -> CommitBatch {
    let header = &batch.header;
    let producer = (header.producer_id.0 >= 0).then_some(ProducerBatch {
        id: header.producer_id,
        epoch: header.producer_epoch,
        sequence: header.base_sequence,
    });
    CommitBatch {
        bytes: u32::try_from(batch.bytes.len()).expect("batches are limited to far less"),
        records: batch.records,
        max_timestamp: batch.max_timestamp,
        producer,
        expected_offset: None,
    }
}
