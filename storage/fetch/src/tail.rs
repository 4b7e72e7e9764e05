//! Waiting at the tail: readers register for partitions and are woken when one of them advances.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tidelog_catalog_api::ApplyListener;
use tidelog_model::{LogIndex, PartitionId};
use tokio::sync::Notify;

/// Locks that waiting readers are spread over.
const SHARDS: usize = 64;

/// Who waits for what.
pub(crate) struct Tails {
    shards: Vec<Mutex<HashMap<PartitionId, Vec<Arc<Waiter>>>>>,
}

struct Waiter {
    advanced: AtomicBool,
    notify: Notify,
}

/// Interest in some partitions, from when it was made until it is dropped.
pub struct Watch {
    tails: Arc<Tails>,
    partitions: Vec<PartitionId>,
    waiter: Arc<Waiter>,
}

impl Tails {
    pub(crate) fn new() -> Arc<Tails> {
        Arc::new(Tails { shards: (0..SHARDS).map(|_| Mutex::new(HashMap::new())).collect() })
    }

    pub(crate) fn watch(self: &Arc<Self>, partitions: &[PartitionId]) -> Watch {
        let waiter = Arc::new(Waiter { advanced: AtomicBool::new(false), notify: Notify::new() });
        for partition in partitions {
            self.shard(*partition).lock().entry(*partition).or_default().push(waiter.clone());
        }
        Watch { tails: self.clone(), partitions: partitions.to_vec(), waiter }
    }

    fn shard(&self, partition: PartitionId) -> &Mutex<HashMap<PartitionId, Vec<Arc<Waiter>>>> {
        let topic = u64::from_le_bytes(partition.topic.0[8..].try_into().expect("half of sixteen bytes"));
        &self.shards[(topic.wrapping_add(u64::from(partition.index)) % SHARDS as u64) as usize]
    }
}

impl ApplyListener for Tails {
    fn applied(&self, _index: LogIndex, advanced: &[PartitionId]) {
        for partition in advanced {
            // Whoever is woken registers again, so the entry can go at once.
            let waiters = self.shard(*partition).lock().remove(partition);
            for waiter in waiters.into_iter().flatten() {
                waiter.advanced.store(true, Ordering::SeqCst);
                waiter.notify.notify_one();
            }
        }
    }
}

impl Watch {
    /// Resolves when one of the partitions has advanced since the watch was made. A cancelled caller leaves nothing
    /// behind.
    pub async fn changed(&mut self) {
        while !self.waiter.advanced.load(Ordering::SeqCst) {
            self.waiter.notify.notified().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for partition in &self.partitions {
            if let Entry::Occupied(mut entry) = self.tails.shard(*partition).lock().entry(*partition) {
                entry.get_mut().retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
                if entry.get().is_empty() {
                    entry.remove();
                }
            }
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

    fn waiting(tails: &Tails) -> usize {
        tails.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    #[tokio::test]
    async fn only_those_who_wait_for_it_are_woken() {
        let tails = Tails::new();
        let mut woken = tails.watch(&[partition(1), partition(2)]);
        let other = tails.watch(&[partition(3)]);
        tails.applied(LogIndex(1), &[partition(2)]);
        woken.changed().await;
        assert!(!other.waiter.advanced.load(Ordering::SeqCst));
        drop((woken, other));
        assert_eq!(waiting(&tails), 0, "nothing is left behind");
    }

    #[tokio::test]
    async fn an_advance_before_the_wait_is_not_missed() {
        let tails = Tails::new();
        let mut watch = tails.watch(&[partition(1)]);
        tails.applied(LogIndex(1), &[partition(1)]);
        watch.changed().await;
    }
}
