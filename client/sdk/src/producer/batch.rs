//! A batch while it is gathered.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::delivery::{Delivery, Settled, Settlement};
use crate::encode;

/// Records of one partition that will be sent together.
pub(super) struct Batch {
    body: Vec<u8>,
    /// Where each record ends in the body.
    ends: Vec<usize>,
    pub(super) began: Instant,
    room: OwnedSemaphorePermit,
    settle: oneshot::Sender<Arc<Settlement>>,
    pub(super) settled: Settled,
}

/// One that is complete: what is sent, and what is owed.
pub(super) struct Sealed {
    pub(super) body: Bytes,
    ends: Vec<usize>,
    /// Given back when it is settled.
    _room: OwnedSemaphorePermit,
    settle: oneshot::Sender<Arc<Settlement>>,
}

impl Batch {
    /// With its first record still to come, whose room this is.
    pub(super) fn begin(room: OwnedSemaphorePermit) -> Batch {
        let (settle, settled) = oneshot::channel();
        let body = encode::BEGIN.to_vec();
        Batch { body, ends: Vec::new(), began: Instant::now(), room, settle, settled: settled.shared() }
    }

    /// Adds a record that was encoded.
    pub(super) fn push(&mut self, encoded: &[u8]) -> Delivery {
        if !self.ends.is_empty() {
            self.body.push(b',');
        }
        self.body.extend_from_slice(encoded);
        self.ends.push(self.body.len());
        Delivery::new(self.settled.clone(), self.ends.len() - 1)
    }

    /// More room, for a record that comes to those that are here.
    pub(super) fn add_room(&mut self, room: OwnedSemaphorePermit) {
        self.room.merge(room);
    }

    pub(super) fn bytes(&self) -> usize {
        self.body.len()
    }

    pub(super) fn records(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn seal(mut self) -> Sealed {
        self.body.extend_from_slice(encode::END);
        Sealed { body: self.body.into(), ends: self.ends, _room: self.room, settle: self.settle }
    }
}

impl Sealed {
    pub(super) fn records(&self) -> usize {
        self.ends.len()
    }

    /// The body with these records alone, given by their places in order.
    pub(super) fn body_of(&self, records: &[usize]) -> Bytes {
        let mut body = encode::BEGIN.to_vec();
        for (count, record) in records.iter().enumerate() {
            let begin = record.checked_sub(1).map_or(encode::BEGIN.len(), |before| self.ends[before] + 1);
            if count > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&self.body[begin..self.ends[*record]]);
        }
        body.extend_from_slice(encode::END);
        body.into()
    }

    /// Tells everybody who waits. Nobody may.
    pub(super) fn settle(self, settlement: Settlement) {
        let _ = self.settle.send(Arc::new(settlement));
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn what_is_left_of_a_batch_is_a_batch() {
        let room = Arc::new(Semaphore::new(9)).try_acquire_many_owned(9).unwrap();
        let mut batch = Batch::begin(room);
        for record in ["{}", "{\"value\":\"b\"}", "{\"value\":\"c\"}"] {
            batch.push(record.as_bytes());
        }
        let batch = batch.seal();
        let check = |records: &[usize], json: &str| assert_eq!(batch.body_of(records), json, "{records:?}");
        check(&[0, 1, 2], r#"{"records":[{},{"value":"b"},{"value":"c"}]}"#);
        assert_eq!(batch.body_of(&[0, 1, 2]), batch.body);
        check(&[0, 2], r#"{"records":[{},{"value":"c"}]}"#);
        check(&[1], r#"{"records":[{"value":"b"}]}"#);
    }
}
