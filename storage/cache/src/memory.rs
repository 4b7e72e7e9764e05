//! A block cache in memory, for tests and for nodes without a disk.

use std::collections::{HashMap, VecDeque};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::{BlockCache, BlockKey, CacheUsage};

/// Bounded by bytes. A block that was read since its turn came gets a second one (CLOCK).
pub struct MemoryBlockCache {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    blocks: HashMap<BlockKey, Held>,
    /// In turn order, each with the insert that it belongs to; an outdated one is passed over.
    turns: VecDeque<(BlockKey, u64)>,
    inserts: u64,
    bytes: usize,
}

struct Held {
    block: Bytes,
    insert: u64,
    was_read: bool,
}

impl MemoryBlockCache {
    /// An empty one that holds `bytes_max` at most.
    #[must_use]
    pub fn new(bytes_max: usize) -> MemoryBlockCache {
        MemoryBlockCache { bytes_max, state: Mutex::default() }
    }
}

impl State {
    fn forget(&mut self, key: BlockKey) {
        if let Some(held) = self.blocks.remove(&key) {
            self.bytes -= held.block.len();
        }
    }

    fn make_room(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let (key, insert) = self.turns.pop_front().expect("bytes are held, so a block has a turn");
            match self.blocks.get_mut(&key) {
                Some(held) if held.insert == insert && held.was_read => {
                    held.was_read = false;
                    self.turns.push_back((key, insert));
                }
                Some(held) if held.insert == insert => self.forget(key),
                _ => {}
            }
        }
        // Turns of blocks that were removed or replaced do not pile up.
        if self.turns.len() > 2 * self.blocks.len() + 64 {
            let blocks = &self.blocks;
            self.turns.retain(|(key, insert)| blocks.get(key).is_some_and(|held| held.insert == *insert));
        }
    }
}

#[async_trait]
impl BlockCache for MemoryBlockCache {
    async fn get(&self, key: BlockKey) -> Option<Bytes> {
        let mut state = self.state.lock();
        let held = state.blocks.get_mut(&key)?;
        held.was_read = true;
        Some(held.block.clone())
    }

    fn insert(&self, key: BlockKey, block: Bytes) {
        let mut state = self.state.lock();
        state.forget(key);
        state.inserts += 1;
        let insert = state.inserts;
        state.bytes += block.len();
        state.blocks.insert(key, Held { block, insert, was_read: false });
        state.turns.push_back((key, insert));
        state.make_room(self.bytes_max);
    }

    fn remove(&self, key: BlockKey) {
        self.state.lock().forget(key);
    }

    async fn close(&self) {}

    async fn usage(&self) -> CacheUsage {
        let memory_bytes = self.state.lock().bytes as u64;
        CacheUsage { memory_bytes, memory_bytes_max: self.bytes_max as u64, disk_bytes: None, disk_bytes_max: 0 }
    }

    fn describe(&self) -> String {
        format!("memory, {} MiB", self.bytes_max / (1024 * 1024))
    }
}

#[cfg(test)]
mod tests {
    use tidelog_model::ObjectId;

    use super::*;

    fn key(block: u32) -> BlockKey {
        BlockKey { object: ObjectId(1), block }
    }

    #[tokio::test]
    async fn it_keeps_what_is_read_and_stays_within_its_bound() {
        let cache = MemoryBlockCache::new(3);
        for block in 0..3 {
            cache.insert(key(block), Bytes::from_static(b"x"));
        }
        assert!(cache.get(key(0)).await.is_some());
        cache.insert(key(3), Bytes::from_static(b"x"));
        assert!(cache.get(key(0)).await.is_some(), "it was read");
        assert!(cache.get(key(1)).await.is_none(), "it was the oldest that was not");
        for _ in 0..1000 {
            cache.insert(key(7), Bytes::from_static(b"xyz"));
            cache.remove(key(7));
        }
        assert!(cache.state.lock().turns.len() < 100);
        assert_eq!(cache.usage().await, CacheUsage { memory_bytes_max: 3, ..CacheUsage::default() });
    }
}
