//! A block cache on foyer: blocks that are read stay in memory, and move to the disk when memory needs the room.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use foyer::{
    BlockEngineConfig, DeviceBuilder, FsDeviceBuilder, HybridCache, HybridCacheBuilder, HybridCachePolicy,
    IoEngineConfig, PsyncIoEngineConfig, S3FifoConfig, UringIoEngineConfig,
};
use tidelog_cache::{BlockCache, BlockKey, CacheUsage};
use tidelog_host::disk::RealDisk;
use tidelog_host::metric::{Counter, counter};
use tidelog_host::{Clock, declare_metrics};

use crate::bypass::Bypass;
use crate::entry::{ENTRY_BYTES_MAX, ENTRY_OVERHEAD_BYTES, Entry, EntryKey};
use crate::stamp::{Stamp, claim, give_back};

declare_metrics! {
    counter DISK_FAILURES_TOTAL = "tidelog_cache_disk_failures_total", ["kind"],
        "Looks into the cache's disk that ended in an `error`, were too `slow`, or gave something `foreign`. Is the disk \
         dying?";
}

const MIB: usize = 1024 * 1024;
/// foyer's unit of eviction, a file each.
const FILE_BYTES_MIN: usize = 16 * MIB;
const FILE_BYTES_MAX: usize = 256 * MIB;
/// More files than this cost file handles and time at start; so a large cache has larger ones.
const FILES_MAX: usize = 256;
/// Below this foyer has no room to evict in.
const FILES_MIN: usize = 4;
/// foyer gathers what goes to disk in two buffers of this size, whose memory is taken as they fill.
const WRITE_BUFFER_BYTES: usize = 4 * MIB;
/// Blocks on their way to disk; beyond it they are dropped, which costs a GET if they are wanted again.
const WRITE_QUEUE_BYTES_MAX: usize = 16 * MIB;
/// Memory is cut into shards with a lock each, of at least this.
const SHARD_BYTES_MIN: usize = 16 * MIB;
const SHARDS_MAX: usize = 8;
/// What a look into the disk may take: longer, and the store is as good.
const DISK_WAIT_MS_MAX: u64 = 500;
/// What `stat` counts the room of a file in.
const STAT_BLOCK_BYTES: u64 = 512;
/// What writing out the memory may take at close.
const CLOSE_WAIT_MS_MAX: u64 = 5_000;

const _: () = assert!(WRITE_BUFFER_BYTES >= 2 * ENTRY_BYTES_MAX);
const _: () = assert!(FILE_BYTES_MIN >= 4 * ENTRY_BYTES_MAX);

/// How the disk is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoEngine {
    /// The one that is best for this machine and this version of foyer: [`IoEngine::Psync`]. foyer 0.22's io_uring
    /// thread polls without ever waiting, so an idle node would use a whole core (foyer issue 1311); when that is
    /// mended this tries io_uring first.
    Auto,
    /// io_uring, and psync where the kernel refuses it.
    IoUring,
    /// Blocking reads and writes on the runtime's pool of blocking threads.
    Psync,
}

impl IoEngine {
    /// For people.
    fn name(self) -> &'static str {
        match self {
            IoEngine::IoUring => "io_uring",
            IoEngine::Auto | IoEngine::Psync => "blocking I/O",
        }
    }
}

/// How to open a [`FoyerCache`].
#[derive(Clone, Debug)]
pub struct FoyerOptions {
    /// A folder for the cache's own use.
    pub dir: PathBuf,
    /// Whose blocks they are. A folder stamped otherwise is emptied.
    pub stamp: Stamp,
    /// Bytes of blocks in memory, taken as they come.
    pub memory_bytes: usize,
    /// Bytes on disk, taken as they come. Below 64 MiB there is no cache on disk; with 0, what one has left there is removed.
    pub disk_bytes: usize,
    /// How the disk is used.
    pub io: IoEngine,
}

/// A [`BlockCache`] of memory and disk.
pub struct FoyerCache {
    hybrid: HybridCache<EntryKey, Entry>,
    stamp: Stamp,
    clock: Clock,
    bypass: Bypass,
    description: String,
    failures: Failures,
    /// Where its files are, and how large they may grow; none without a disk.
    disk: Option<(PathBuf, u64)>,
}

struct Failures {
    error: Counter,
    slow: Counter,
    foreign: Counter,
}

impl FoyerCache {
    /// Opens the cache, with what it held before if that is of the same stamp and sizes. Must be called inside a runtime.
    /// Never fails: where the folder cannot be used there is memory only, which is logged and shown by
    /// [`BlockCache::describe`].
    pub async fn open(options: FoyerOptions, clock: Clock) -> FoyerCache {
        let (hybrid, disk_bytes_max, engine) = open_best(&options).await;
        let description = format!("{} MiB memory, {engine}", options.memory_bytes / MIB);
        let failure = |kind| counter!(DISK_FAILURES_TOTAL, "kind" => kind);
        let failures = Failures { error: failure("error"), slow: failure("slow"), foreign: failure("foreign") };
        let disk = (disk_bytes_max > 0).then_some((options.dir, disk_bytes_max as u64));
        let bypass = Bypass::new(clock.clone());
        FoyerCache { hybrid, stamp: options.stamp, bypass, clock, description, failures, disk }
    }

    /// The block of an entry that was found under `key`, if that is what it is.
    fn accept(&self, key: BlockKey, entry: &Entry) -> Option<Bytes> {
        if entry.key == key && entry.stamp == self.stamp {
            return Some(entry.block.clone());
        }
        self.failures.foreign.increment(1);
        None
    }

    async fn write_out_memory(&self) {
        // foyer drops what exceeds its queue and buffer, so it gets a buffer's worth at a time and is waited for.
        loop {
            let mut bytes = 0;
            let fits = |_: &EntryKey, _: &Entry| {
                bytes += ENTRY_BYTES_MAX + ENTRY_OVERHEAD_BYTES + 8192;
                bytes <= WRITE_BUFFER_BYTES
            };
            self.hybrid.flush_if(fits).await;
            self.hybrid.storage().wait().await;
            if bytes == 0 {
                return;
            }
        }
    }
}

#[async_trait]
impl BlockCache for FoyerCache {
    async fn get(&self, key: BlockKey) -> Option<Bytes> {
        if self.bypass.is_on() {
            return self.hybrid.memory().get(&EntryKey(key)).and_then(|entry| self.accept(key, entry.value()));
        }
        let lookup = match self.hybrid.get(&EntryKey(key)).try_unwrap() {
            Ok(entry) => return self.accept(key, entry.value()),
            Err(lookup) => lookup,
        };
        // foyer carries the look into the disk out in a task of its own, so leaving it is safe.
        match self.bypass.within(Duration::from_millis(DISK_WAIT_MS_MAX), lookup).await {
            Some(Ok(found)) => found.and_then(|entry| self.accept(key, entry.value())),
            Some(Err(error)) => {
                tracing::debug!(%error, "cache disk read failed");
                self.failures.error.increment(1);
                self.bypass.begin();
                None
            }
            None => {
                self.failures.slow.increment(1);
                self.bypass.begin();
                None
            }
        }
    }

    fn insert(&self, key: BlockKey, block: Bytes) {
        self.hybrid.insert(EntryKey(key), Entry { stamp: self.stamp, key, block });
    }

    fn remove(&self, key: BlockKey) {
        self.hybrid.remove(&EntryKey(key));
    }

    async fn close(&self) {
        let closed = async {
            self.write_out_memory().await;
            self.hybrid.close().await
        };
        tokio::select! {
            closed = closed => if let Err(error) = closed {
                tracing::warn!(%error, "cache was not closed cleanly, it may be colder after the next start");
            },
            () = self.clock.sleep(Duration::from_millis(CLOSE_WAIT_MS_MAX)) => {
                tracing::warn!("cache took too long to write out, it may be colder after the next start");
            }
        }
    }

    async fn usage(&self) -> CacheUsage {
        let disk_bytes = match &self.disk {
            // Not while the disk is as good as away: the question would wait for it.
            Some((dir, _)) if !self.bypass.is_on() => {
                let dir = dir.clone();
                let looked = tokio::task::spawn_blocking(move || taken_bytes(&dir).ok());
                let wait = Duration::from_millis(DISK_WAIT_MS_MAX);
                tokio::time::timeout(wait, looked).await.ok().and_then(Result::ok).flatten()
            }
            Some(_) | None => None,
        };
        CacheUsage {
            memory_bytes: self.hybrid.memory().usage() as u64,
            memory_bytes_max: self.hybrid.memory().capacity() as u64,
            disk_bytes,
            disk_bytes_max: self.disk.as_ref().map_or(0, |(_, bytes_max)| *bytes_max),
        }
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

/// What the files of a folder take of the disk: the cache's are as long as they may become from the start, and take room as
/// they fill.
fn taken_bytes(dir: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut blocks = 0;
    for entry in std::fs::read_dir(dir)? {
        blocks += entry?.metadata()?.blocks();
    }
    Ok(blocks * STAT_BLOCK_BYTES)
}

/// With the disk if it can be used, else without; with the bytes that may be there.
async fn open_best(options: &FoyerOptions) -> (HybridCache<EntryKey, Entry>, usize, String) {
    let engines: &[IoEngine] = match options.io {
        IoEngine::IoUring => &[IoEngine::IoUring, IoEngine::Psync],
        IoEngine::Auto | IoEngine::Psync => &[IoEngine::Psync],
    };
    if let Some(files) = Files::of(options.disk_bytes) {
        for engine in engines {
            match open_disk(options, &files, *engine).await {
                Ok(hybrid) => {
                    let megabytes = files.bytes() / MIB;
                    let engine = format!("{megabytes} MiB disk in {} ({})", options.dir.display(), engine.name());
                    return (hybrid, files.bytes(), engine);
                }
                Err(error) => tracing::warn!(engine = engine.name(), %error, "cache disk cannot be used this way"),
            }
        }
    }
    if options.disk_bytes == 0
        && options.dir.is_dir()
        && let Err(error) = give_back(&RealDisk, &options.dir)
    {
        tracing::warn!(dir = %options.dir.display(), %error, "what an earlier cache has left on disk cannot be removed");
    }
    let memory = builder(options).storage().build().await.expect("memory alone opens nothing that could fail");
    (memory, 0, "no disk".to_owned())
}

struct Files {
    count: usize,
    bytes_each: usize,
}

impl Files {
    fn of(disk_bytes: usize) -> Option<Files> {
        let bytes_each = (disk_bytes / FILES_MAX).next_power_of_two().clamp(FILE_BYTES_MIN, FILE_BYTES_MAX);
        let count = disk_bytes / bytes_each;
        (count >= FILES_MIN).then_some(Files { count, bytes_each })
    }

    fn bytes(&self) -> usize {
        self.count * self.bytes_each
    }
}

async fn open_disk(
    options: &FoyerOptions,
    files: &Files,
    engine: IoEngine,
) -> Result<HybridCache<EntryKey, Entry>, Box<dyn std::error::Error + Send + Sync>> {
    let sizes = format!("files {} of {}", files.count, files.bytes_each);
    let kept = claim(&RealDisk, &options.dir, options.stamp, &sizes)?;
    tracing::info!(dir = %options.dir.display(), kept, "cache disk claimed");
    let device = FsDeviceBuilder::new(&options.dir).with_capacity(files.bytes()).build()?;
    let blocks = BlockEngineConfig::new(device)
        .with_block_size(files.bytes_each)
        .with_buffer_pool_size(WRITE_BUFFER_BYTES)
        .with_submit_queue_size_threshold(WRITE_QUEUE_BYTES_MAX);
    let io: Box<dyn IoEngineConfig> = match engine {
        IoEngine::IoUring => UringIoEngineConfig::new().boxed(),
        IoEngine::Auto | IoEngine::Psync => PsyncIoEngineConfig::new().boxed(),
    };
    Ok(builder(options).storage().with_io_engine_config(io).with_engine_config(blocks).build().await?)
}

fn builder(options: &FoyerOptions) -> foyer::HybridCacheBuilderPhaseMemory<EntryKey, Entry, foyer::DefaultHasher> {
    HybridCacheBuilder::new()
        .with_name("tidelog")
        // Not on insertion: then every hit from disk would be written again (foyer issue 1351).
        .with_policy(HybridCachePolicy::WriteOnEviction)
        // `close` does it, without losing what exceeds foyer's queue.
        .with_flush_on_close(false)
        .memory(options.memory_bytes)
        .with_shards((options.memory_bytes / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX))
        .with_eviction_config(S3FifoConfig::default())
        // Without one an entry weighs 1, whatever its size.
        .with_weighter(|_: &EntryKey, entry: &Entry| entry.block.len() + ENTRY_OVERHEAD_BYTES)
}

#[cfg(test)]
#[path = "cache_test.rs"]
mod tests;
