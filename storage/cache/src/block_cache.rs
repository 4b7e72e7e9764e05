//! The seam to a cache of fixed-size object blocks.

use async_trait::async_trait;
use bytes::Bytes;
use tidelog_model::ObjectId;

/// Names a block of [`tidelog_model::limits::CACHE_BLOCK_BYTES`]; the last one of an object may be shorter. Immutable:
/// an object id is used for one payload, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockKey {
    /// The object.
    pub object: ObjectId,
    /// The block's number in it.
    pub block: u32,
}

/// How full a cache is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUsage {
    /// Bytes of blocks in memory, with what each of them takes beside its own.
    pub memory_bytes: u64,
    /// As many as it may be.
    pub memory_bytes_max: u64,
    /// Bytes that it takes of the disk; `None` where the disk does not say.
    pub disk_bytes: Option<u64>,
    /// As many as it may be; 0 without a disk.
    pub disk_bytes_max: u64,
}

/// A cache of blocks. Never an authority: a failure is a miss, a lost insert is fine, a wrong entry is recognised by its
/// key, length and checksum and treated as a miss.
#[async_trait]
pub trait BlockCache: Send + Sync + 'static {
    /// The block, if it is here and intact.
    async fn get(&self, key: BlockKey) -> Option<Bytes>;
    /// Offers a block.
    fn insert(&self, key: BlockKey, block: Bytes);
    /// Forgets a block, because it turned out to be damaged.
    fn remove(&self, key: BlockKey);
    /// Writes out what should survive a restart.
    async fn close(&self);
    /// How full it is now.
    async fn usage(&self) -> CacheUsage;
    /// For people: sizes, and which engine.
    fn describe(&self) -> String;
}
