//! Single flight: at most one load of a block is under way, and everybody who wants the block waits for that one.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{BlockKey, Origin, ReadError};

/// A block, and whether the store was asked for it.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) block: Bytes,
    pub(crate) origin: Origin,
}

type Outcome = Result<Loaded, ReadError>;

/// The loads under way.
#[derive(Default)]
pub(crate) struct Flights {
    under_way: Mutex<HashMap<BlockKey, watch::Receiver<Option<Outcome>>>>,
}

/// One load. Whoever holds it must land it; dropped, it tells those who wait that it was lost.
pub(crate) struct Flight {
    pub(crate) key: BlockKey,
    /// Bytes of the block that are needed at least.
    pub(crate) needed: usize,
    outcome: watch::Sender<Option<Outcome>>,
    flights: Arc<Flights>,
}

/// A wait for one load. A cancelled waiter leaves nothing behind.
pub(crate) struct Waiter {
    key: BlockKey,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Flights {
    /// Joins the load of a block, or begins one, which the caller has to carry out.
    pub(crate) fn join(self: &Arc<Flights>, key: BlockKey, needed: usize) -> (Waiter, Option<Flight>) {
        let mut under_way = self.under_way.lock();
        if let Some(outcome) = under_way.get(&key) {
            return (Waiter { key, outcome: outcome.clone() }, None);
        }
        let (sender, outcome) = watch::channel(None);
        under_way.insert(key, outcome.clone());
        let flight = Flight { key, needed, outcome: sender, flights: Arc::clone(self) };
        (Waiter { key, outcome }, Some(flight))
    }
}

impl Flight {
    /// Hands the outcome to all who wait.
    pub(crate) fn land(self, outcome: Outcome) {
        self.outcome.send_replace(Some(outcome));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.under_way.lock().remove(&self.key);
    }
}

impl Waiter {
    pub(crate) async fn wait(mut self) -> Outcome {
        let lost = Err(ReadError::LoadLost { object: self.key.object });
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(lost),
            Err(_) => lost,
        }
    }
}
