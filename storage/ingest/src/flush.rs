//! A flush on its way: its batches, where each lies, and the commit that says so.

use bytes::{Bytes, BytesMut};
use tidelog_catalog_api::{
    BatchGuard, Command, Commit, CommitBatch, CommitEntry, GuardedCommit, Payload, ProducerBatch,
};
use tidelog_model::{CommitSequence, LaneId, ObjectId, SessionId};

use crate::CheckedBatch;
use crate::lane::{Pending, Slot};

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
    pub slot: Option<Slot>,
}

impl Flush {
    /// The commit of this flush. Asked again it is the same, so that a lost answer can be asked for.
    pub(crate) fn commit(&self, writer: Writer, sequence: CommitSequence, received: CommitSequence) -> Command {
        let mut guards = Vec::new();
        let mut entries: Vec<CommitEntry> = Vec::new();
        // Where the last entry's batches end. One that was taken out of the flush leaves a hole, and an entry has none.
        let mut end = 0;
        for (number, (pending, position)) in self.batches.iter().enumerate() {
            let mut batch = commit_batch(&pending.batch);
            if let Some(conditions) = &pending.conditions {
                batch.expected_offset = conditions.expected_offset;
                guards.push(BatchGuard {
                    batch: u32::try_from(number).expect("a flush has far fewer batches"),
                    fencing_token: conditions.fencing_token,
                    key: conditions.key,
                });
            }
            let bytes = batch.bytes;
            match entries.last_mut() {
                Some(entry) if entry.partition == pending.partition && *position == end => entry.batches.push(batch),
                _ => entries.push(CommitEntry {
                    partition: pending.partition,
                    position: *position,
                    batches: vec![batch],
                }),
            }
            end = *position + bytes;
        }
        let payload = match &self.place {
            Place::Object { object, bytes } => Payload::Object { object: *object, bytes: *bytes },
            Place::Inline(bytes) => Payload::Inline(bytes.clone()),
        };
        let Writer { session, lane } = writer;
        let commit = Commit { session, lane, sequence, outcomes_received: received, payload, entries };
        if guards.is_empty() {
            Command::Commit(commit)
        } else {
            Command::GuardedCommit(GuardedCommit { commit, guards })
        }
    }

    /// Lays small batches out as the payload of their own commit.
    pub(crate) fn inline(mut batches: Vec<Pending>, slot: Option<Slot>) -> Flush {
        // Stable, so that a partition's batches keep their order.
        batches.sort_by_key(|pending| pending.partition);
        let mut payload = BytesMut::with_capacity(batches.iter().map(|pending| pending.batch.bytes.len()).sum());
        let place_of = |pending: Pending| {
            let position = u32::try_from(payload.len()).expect("inline flushes are limited to far less");
            payload.extend_from_slice(&pending.batch.bytes);
            (pending, position)
        };
        let batches = batches.into_iter().map(place_of).collect();
        Flush { batches, place: Place::Inline(payload.freeze()), slot }
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
