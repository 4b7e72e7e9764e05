//! Interest in partitions whose tails a test moves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tidelog_model::PartitionId;
use tokio::sync::watch;

use crate::storage::WatchTail;

/// Tails that moved, in order.
#[derive(Clone)]
pub(crate) struct FakeMoves {
    moved: Arc<Mutex<Vec<PartitionId>>>,
    count: watch::Sender<usize>,
    waiting: Arc<AtomicUsize>,
}

impl Default for FakeMoves {
    fn default() -> FakeMoves {
        FakeMoves { moved: Arc::default(), count: watch::Sender::new(0), waiting: Arc::default() }
    }
}

impl FakeMoves {
    pub(crate) fn note(&self, partition: PartitionId) {
        self.moved.lock().push(partition);
        self.count.send_modify(|count| *count += 1);
    }

    /// How many wait for a move.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(crate) fn watch(&self) -> FakeWatch {
        FakeWatch { partitions: BTreeMap::new(), count: self.count.subscribe(), moves: self.clone() }
    }
}

/// Interest in partitions, each from a place in the list of moves on.
pub(crate) struct FakeWatch {
    partitions: BTreeMap<PartitionId, usize>,
    count: watch::Receiver<usize>,
    moves: FakeMoves,
}

impl FakeWatch {
    fn moved(&self) -> Vec<PartitionId> {
        let moved = self.moves.moved.lock();
        let moved = self.partitions.iter().filter(|(id, from)| moved[**from..].contains(id));
        moved.map(|(id, _)| *id).collect()
    }
}

impl WatchTail for FakeWatch {
    fn add(&mut self, partition: PartitionId) {
        let from = self.moves.moved.lock().len();
        self.partitions.entry(partition).or_insert(from);
    }

    fn remove(&mut self, partition: PartitionId) {
        self.partitions.remove(&partition);
    }

    fn take_changed(&mut self) -> Vec<PartitionId> {
        let moved = self.moved();
        let end = self.moves.moved.lock().len();
        self.partitions.iter_mut().filter(|(id, _)| moved.contains(id)).for_each(|(_, from)| *from = end);
        moved
    }

    fn changed(&mut self) -> BoxFuture<'_, ()> {
        async move {
            self.moves.waiting.fetch_add(1, Ordering::SeqCst);
            let _waiting = Waiting(self.moves.waiting.clone());
            while self.moved().is_empty() {
                self.count.changed().await.expect("the read path outlives its watches");
            }
        }
        .boxed()
    }
}

/// One who waits, until it is dropped.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
