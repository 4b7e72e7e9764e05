//! The disk cache: restarts, damage, foreign folders, failing disks, on both engines.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use tempfile::TempDir;
use tidelog_host::Random;
use tidelog_model::{Incarnation, ObjectId};

use super::*;

const ENGINES: [IoEngine; 3] = [IoEngine::Auto, IoEngine::IoUring, IoEngine::Psync];
const BLOCK_BYTES: usize = 300_000;
const OURS: Stamp = Stamp { cluster_id: [7; 16], incarnation: Incarnation(1) };

async fn open(dir: &Path, io: IoEngine) -> FoyerCache {
    open_as(dir, io, OURS, 64 * MIB).await
}

async fn open_as(dir: &Path, io: IoEngine, stamp: Stamp, disk_bytes: usize) -> FoyerCache {
    let options = FoyerOptions { dir: dir.to_owned(), stamp, memory_bytes: 4 * MIB, disk_bytes, io };
    FoyerCache::open(options, Clock::real()).await
}

fn key(i: u32) -> BlockKey {
    BlockKey { object: ObjectId(u64::from(i) / 3 + 1), block: i % 3 }
}

/// Every block is unlike every other.
fn block(i: u32) -> Bytes {
    (0..BLOCK_BYTES as u32 / 4 - i).flat_map(|at| (at ^ (i << 20)).to_le_bytes()).collect()
}

/// Reads blocks `0..count`; whatever comes must be right. Returns how many came.
async fn check(cache: &FoyerCache, count: u32) -> usize {
    let mut found = 0;
    for i in 0..count {
        if let Some(bytes) = cache.get(key(i)).await {
            assert!(bytes == block(i), "block {i} has other bytes");
            found += 1;
        }
    }
    found
}

async fn filled(dir: &TempDir, io: IoEngine, count: u32) {
    let cache = open(dir.path(), io).await;
    for i in 0..count {
        cache.insert(key(i), block(i));
    }
    cache.close().await;
}

fn cache_files(dir: &TempDir) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("foyer")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_disk_what_an_earlier_cache_left_is_given_back() {
    let dir = TempDir::new().unwrap();
    filled(&dir, IoEngine::Auto, 8).await;
    fs::write(dir.path().join("notes"), "of somebody else").unwrap();
    assert!(!cache_files(&dir).is_empty());
    let cache = open_as(dir.path(), IoEngine::Auto, OURS, 0).await;
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["notes"]);
    cache.insert(key(0), block(0));
    assert_eq!(check(&cache, 1).await, 1, "memory is enough");
    assert_eq!(cache.usage().await.disk_bytes_max, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_inserted_is_found_and_what_is_removed_is_not() {
    for io in ENGINES {
        let dir = TempDir::new().unwrap();
        let cache = open(dir.path(), io).await;
        for i in 0..5 {
            cache.insert(key(i), block(i));
        }
        assert_eq!(check(&cache, 5).await, 5, "{io:?}");
        assert!(cache.get(key(77)).await.is_none());
        cache.remove(key(3));
        assert!(cache.get(key(3)).await.is_none(), "{io:?}");
        cache.insert(key(4), Bytes::from_static(b"longer or shorter, the last one counts"));
        assert_eq!(cache.get(key(4)).await.unwrap().len(), 38);
        cache.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_survive_a_restart_and_most_of_what_memory_cannot_hold_is_on_disk() {
    for io in ENGINES {
        let dir = TempDir::new().unwrap();
        filled(&dir, io, 10).await;
        let cache = open(dir.path(), io).await;
        assert_eq!(check(&cache, 10).await, 10, "{io:?}: {}", cache.describe());
        // Four times the memory; the disk has room for all, and may have dropped some that came too fast.
        for i in 10..60 {
            cache.insert(key(i), block(i));
            cache.hybrid.storage().wait().await;
        }
        let found = check(&cache, 60).await;
        assert!(found >= 50, "{io:?}: {found} of 60");
        let usage = cache.usage().await;
        assert_eq!((usage.memory_bytes_max, usage.disk_bytes_max), (4 * MIB as u64, 64 * MIB as u64));
        assert!((1..=usage.memory_bytes_max).contains(&usage.memory_bytes), "{usage:?}");
        let on_disk = usage.disk_bytes.unwrap();
        assert!((40 * BLOCK_BYTES as u64..=usage.disk_bytes_max + MIB as u64).contains(&on_disk), "{usage:?}");
        cache.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_anywhere_in_the_files_is_a_miss_and_never_a_wrong_byte() {
    let random = Random::real();
    for io in [IoEngine::IoUring, IoEngine::Psync] {
        for damage in ["bits", "zeros", "swapped pages", "cut", "garbage"] {
            let dir = TempDir::new().unwrap();
            filled(&dir, io, 10).await;
            let seed = random.next();
            println!("{io:?}, {damage}, seed {seed}");
            let random = Random::seeded(seed);
            for path in cache_files(&dir) {
                // The files are sparse, and far longer than what was written into them.
                let mut bytes = vec![0; 6 * MIB];
                let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
                file.read_exact_at(&mut bytes, 0).unwrap();
                let used = bytes.iter().rposition(|byte| *byte != 0).map_or(4096, |last| last + 1);
                let at = |random: &Random| random.below(used as u64) as usize;
                match damage {
                    "bits" => (0..20).for_each(|_| bytes[at(&random)] ^= 1 << random.below(8)),
                    "zeros" => (0..5).for_each(|_| {
                        let from = at(&random);
                        let to = bytes.len().min(from + 10_000);
                        bytes[from..to].fill(0);
                    }),
                    "swapped pages" => (0..50).for_each(|_| {
                        let (a, b) = (at(&random) / 4096 * 4096, at(&random) / 4096 * 4096);
                        (0..4096).for_each(|i| bytes.swap(a + i, b + i));
                    }),
                    "cut" => file.set_len(at(&random) as u64).unwrap(),
                    _ => bytes[..used].iter_mut().for_each(|byte| *byte = random.next() as u8),
                }
                if damage != "cut" {
                    file.write_all_at(&bytes[..used], 0).unwrap();
                }
            }
            let cache = open(dir.path(), io).await;
            let found = check(&cache, 10).await;
            println!("{found} of 10 found");
            cache.insert(key(99), block(99));
            assert!(cache.get(key(99)).await.is_some(), "it goes on working");
            cache.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_stamp_or_another_size_empties_the_cache() {
    let strangers = [
        (Stamp { cluster_id: [8; 16], ..OURS }, 64 * MIB),
        (Stamp { incarnation: Incarnation(2), ..OURS }, 64 * MIB),
        (OURS, 96 * MIB),
    ];
    for (stamp, disk_bytes) in strangers {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("not-ours"), "left alone").unwrap();
        filled(&dir, IoEngine::Psync, 10).await;
        let cache = open_as(dir.path(), IoEngine::Psync, stamp, disk_bytes).await;
        assert_eq!(check(&cache, 10).await, 0, "{stamp:?}, {disk_bytes}");
        cache.insert(key(1), block(1));
        cache.close().await;
        let cache = open_as(dir.path(), IoEngine::Psync, stamp, disk_bytes).await;
        assert_eq!(check(&cache, 10).await, 1, "{stamp:?}, {disk_bytes}");
        assert!(dir.path().join("not-ours").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_under_a_foreign_stamp_is_a_miss_even_if_the_folder_s_stamp_was_forged() {
    let dir = TempDir::new().unwrap();
    filled(&dir, IoEngine::Psync, 10).await;
    let theirs = Stamp { cluster_id: [8; 16], ..OURS };
    let stamp = fs::read_to_string(dir.path().join("stamp")).unwrap();
    fs::write(dir.path().join("stamp"), stamp.replace(&"07".repeat(16), &"08".repeat(16))).unwrap();
    let cache = open_as(dir.path(), IoEngine::Psync, theirs, 64 * MIB).await;
    assert!(cache.hybrid.storage().may_contains(&EntryKey(key(1))), "the files were kept");
    assert_eq!(check(&cache, 10).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_used_leaves_memory() {
    let dir = TempDir::new().unwrap();
    let taken = dir.path().join("taken");
    fs::write(&taken, "a file").unwrap();
    let cache = open(&taken, IoEngine::IoUring).await;
    assert!(cache.describe().contains("no disk"), "{}", cache.describe());
    cache.insert(key(1), block(1));
    assert_eq!(check(&cache, 2).await, 1);
    let usage = cache.usage().await;
    assert_eq!((usage.disk_bytes, usage.disk_bytes_max), (None, 0));
    cache.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_is_left_alone_for_a_while() {
    let dir = TempDir::new().unwrap();
    filled(&dir, IoEngine::Psync, 10).await;
    let cache = open(dir.path(), IoEngine::Psync).await;
    for path in cache_files(&dir) {
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
    }
    assert!(!cache.bypass.is_on());
    assert_eq!(check(&cache, 10).await, 0);
    assert!(cache.bypass.is_on());
    cache.insert(key(1), block(1));
    assert_eq!(check(&cache, 10).await, 1, "memory is not the disk");
    cache.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_disk_costs_one_wait() {
    let clock = Clock::real();
    let bypass = Bypass::new(clock.clone());
    let begun = clock.now();
    let wait = Duration::from_millis(DISK_WAIT_MS_MAX);
    assert_eq!(bypass.within(wait, std::future::pending::<()>()).await, None);
    assert_eq!(clock.now() - begun, wait);
    assert_eq!(bypass.within(wait, async { 1 }).await, Some(1));
    bypass.begin();
    assert!(bypass.is_on());
    clock.sleep(Duration::from_millis(crate::bypass::BYPASS_MS + 1)).await;
    assert!(!bypass.is_on());
}
