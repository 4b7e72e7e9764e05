//! Waiting at the tail: readers register for partitions, and are told which of them have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tidelog_catalog_api::ApplyListener;
use tidelog_model::{LogIndex, PartitionId};
use tokio::sync::Notify;

/// Locks that registrations are spread over.
const SHARDS: usize = 64;

/// Who is interested in what.
pub(crate) struct Tails {
    shards: Vec<Mutex<Registrations>>,
    watches: AtomicU64,
}

/// By partition and number of the watch. A session may have tens of thousands of them, so they are kept small.
type Registrations = BTreeMap<(PartitionId, u64), Arc<Waiter>>;

#[derive(Default)]
struct Waiter {
    /// Not taken yet; at most what is registered.
    changed: Mutex<BTreeSet<PartitionId>>,
    notify: Notify,
}

/// Interest in partitions, from when each was added until it is removed or this is dropped.
pub struct Watch {
    tails: Arc<Tails>,
    number: u64,
    partitions: BTreeSet<PartitionId>,
    waiter: Arc<Waiter>,
}

impl Tails {
    pub(crate) fn new() -> Arc<Tails> {
        Arc::new(Tails { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), watches: AtomicU64::new(0) })
    }

    pub(crate) fn watch(self: &Arc<Self>) -> Watch {
        let number = self.watches.fetch_add(1, Ordering::Relaxed);
        Watch { tails: self.clone(), number, partitions: BTreeSet::new(), waiter: Arc::default() }
    }

    fn shard(&self, partition: PartitionId) -> &Mutex<Registrations> {
        let topic = u64::from_le_bytes(partition.topic.0[8..].try_into().expect("half of sixteen bytes"));
        &self.shards[(topic.wrapping_add(u64::from(partition.index)) % SHARDS as u64) as usize]
    }
}

impl ApplyListener for Tails {
    fn applied(&self, _index: LogIndex, changed: &[PartitionId]) {
        for partition in changed {
            let shard = self.shard(*partition).lock();
            for (_, waiter) in shard.range((*partition, 0)..=(*partition, u64::MAX)) {
                waiter.note(*partition);
            }
        }
    }

    fn replaced(&self, _index: LogIndex) {
        for shard in &self.shards {
            for ((partition, _), waiter) in &*shard.lock() {
                waiter.note(*partition);
            }
        }
    }
}

impl Waiter {
    fn note(&self, partition: PartitionId) {
        self.changed.lock().insert(partition);
        self.notify.notify_one();
    }
}

impl Watch {
    /// Interest in a partition from now on. Once is enough.
    pub fn add(&mut self, partition: PartitionId) {
        if self.partitions.insert(partition) {
            self.tails.shard(partition).lock().insert((partition, self.number), self.waiter.clone());
        }
    }

    /// No more interest in a partition.
    pub fn remove(&mut self, partition: PartitionId) {
        if self.partitions.remove(&partition) {
            self.tails.shard(partition).lock().remove(&(partition, self.number));
            self.waiter.changed.lock().remove(&partition);
        }
    }

    /// Those whose tail or beginning has moved, or that are new or gone, since they were added or last taken. A partition need
    /// not be there yet to be added.
    pub fn take_changed(&mut self) -> Vec<PartitionId> {
        std::mem::take(&mut *self.waiter.changed.lock()).into_iter().collect()
    }

    /// Resolves when there are some to be taken. A cancelled caller leaves nothing behind.
    pub async fn changed(&mut self) {
        while self.waiter.changed.lock().is_empty() {
            self.waiter.notify.notified().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for partition in &self.partitions {
            self.tails.shard(*partition).lock().remove(&(*partition, self.number));
        }
    }
}

#[cfg(test)]
mod tests {
    use tidelog_model::TopicId;

    use super::*;

    fn partition(index: u32) -> PartitionId {
        PartitionId { topic: TopicId([7; 16]), index }
    }

    fn watch(tails: &Arc<Tails>, indexes: &[u32]) -> Watch {
        let mut watch = tails.watch();
        indexes.iter().for_each(|index| watch.add(partition(*index)));
        watch
    }

    fn registrations(tails: &Tails) -> usize {
        tails.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    #[tokio::test]
    async fn only_those_who_wait_for_it_are_told() {
        let tails = Tails::new();
        let (mut told, mut other) = (watch(&tails, &[1, 2]), watch(&tails, &[3]));
        tails.applied(LogIndex(1), &[partition(2)]);
        told.changed().await;
        assert_eq!(told.take_changed(), [partition(2)]);
        assert_eq!(other.take_changed(), []);
        drop((told, other));
        assert_eq!(registrations(&tails), 0, "nothing is left behind");
    }

    #[tokio::test]
    async fn each_change_is_told_once_and_none_is_missed() {
        let tails = Tails::new();
        let mut watch = watch(&tails, &[1, 2]);
        tails.applied(LogIndex(1), &[partition(1), partition(2)]);
        tails.applied(LogIndex(2), &[partition(1)]);
        watch.changed().await;
        assert_eq!(watch.take_changed(), [partition(1), partition(2)]);
        assert_eq!(watch.take_changed(), []);
        tails.applied(LogIndex(3), &[partition(2)]);
        watch.changed().await;
        assert_eq!(watch.take_changed(), [partition(2)], "it is still registered");
    }

    #[tokio::test]
    async fn what_is_removed_is_not_told() {
        let tails = Tails::new();
        let mut watch = watch(&tails, &[1, 2]);
        tails.applied(LogIndex(1), &[partition(1)]);
        watch.remove(partition(1));
        tails.applied(LogIndex(2), &[partition(1)]);
        assert_eq!(watch.take_changed(), []);
        assert_eq!(registrations(&tails), 1);
    }

    #[tokio::test]
    async fn a_replaced_state_may_have_changed_anywhere() {
        let tails = Tails::new();
        let mut watch = watch(&tails, &[1, 2]);
        tails.replaced(LogIndex(9));
        assert_eq!(watch.take_changed(), [partition(1), partition(2)]);
    }
}
