//! Power loss, kills and full disks under the file store.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tidelog_host::Disk;
use tidelog_host::disk::{Call, ForgetfulDisk, Operation};

use super::{FileStore, TEMPORARY};
use crate::{BlobError, BlobStore, Key, Purpose};

const SEEDS: u64 = 40;

fn open(disk: &ForgetfulDisk) -> Result<FileStore, BlobError> {
    FileStore::open(Arc::new(disk.clone()), "/data/objects")
}

fn key(n: u64) -> Key {
    // Some in the root, some in folders that are shared, some deep.
    Key::new(match n % 3 {
        0 => format!("k{n}"),
        1 => format!("data/{:02}/k{n}", n % 2),
        _ => format!("data/a/b/c{n}/k{n}"),
    })
}

fn payload(n: u64) -> Vec<Bytes> {
    (0..n % 4 + 1).map(|part| Bytes::from(vec![(n * 7 + part) as u8; 700 * (part as usize + 1)])).collect()
}

async fn put(store: &FileStore, n: u64) -> Result<(), BlobError> {
    store.put(&key(n), payload(n), Purpose::Flush).await
}

async fn is_whole(store: &FileStore, n: u64) -> bool {
    store.get_all(&key(n), Purpose::Read).await.is_ok_and(|found| found == payload(n).concat())
}

/// A syncs-are-lies filter, and where in the run it holds.
type Lie = Option<fn(&Call<'_>) -> bool>;

/// Puts, deletes and is killed; then the power fails. What was acknowledged must hold, or the answer says what did not.
async fn run(seed: u64, lie: Lie) -> Result<(), String> {
    let disk = ForgetfulDisk::new(seed);
    if let Some(lie) = lie {
        disk.skip_syncs_where(lie);
    }
    let store = open(&disk).unwrap();
    for n in 0..6 {
        put(&store, n).await.unwrap();
    }
    store.delete(&[key(1), key(3)], Purpose::Collection).await.unwrap();
    // These are in flight as the power fails: whole, or not there.
    disk.stop_after(seed % 8);
    let _ = put(&store, 7).await;
    disk.stop_after(u64::MAX / 2);
    if seed.is_multiple_of(2) {
        disk.crash()
    } else {
        disk.crash_torn()
    }
    disk.heal();

    let store = open(&disk).map_err(|error| error.to_string())?;
    for n in [0, 2, 4, 5] {
        if !is_whole(&store, n).await {
            return Err(format!("seed {seed}: object {n} is lost"));
        }
    }
    for n in [1, 3] {
        if store.get_all(&key(n), Purpose::Read).await.is_ok() {
            return Err(format!("seed {seed}: object {n} is back"));
        }
    }
    match store.get_all(&key(7), Purpose::Read).await {
        Ok(found) if found != payload(7).concat() => Err(format!("seed {seed}: object 7 is torn")),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_power_loss() {
    for seed in 0..SEEDS {
        run(seed, None).await.unwrap();
    }
}

#[tokio::test]
async fn each_sync_is_needed() {
    type IsSync = fn(&Call<'_>) -> bool;
    let mutants: [(&str, IsSync); 5] = [
        ("the object's content", |call| call.operation == Operation::Sync),
        ("the object's name in the root", |call| is_dir(call, "/data/objects")),
        ("the object's name in a folder", |call| {
            is_dir(call, "/data/objects/data/00") || is_dir(call, "/data/objects/data/01")
        }),
        ("a folder's name in its parent", |call| is_dir(call, "/data/objects/data")),
        ("the root's name in its parent", |call| is_dir(call, "/data")),
    ];
    for (name, lie) in mutants {
        let mut caught = None;
        for seed in 0..SEEDS {
            caught = caught.or(run(seed, Some(lie)).await.err());
        }
        assert!(caught.is_some(), "nobody misses the sync of {name}");
    }
}

fn is_dir(call: &Call<'_>, path: &str) -> bool {
    call.operation == Operation::SyncDir && call.path == Path::new(path)
}

/// Deletes alone, with the sync of their folder a lie.
#[tokio::test]
async fn the_sync_after_a_delete_is_needed() {
    for lie in [false, true] {
        let disk = ForgetfulDisk::new(1);
        let store = open(&disk).unwrap();
        put(&store, 4).await.unwrap();
        if lie {
            disk.skip_syncs_where(|call| call.operation == Operation::SyncDir);
        }
        store.delete(&[key(4)], Purpose::Collection).await.unwrap();
        disk.crash();
        let back = open(&disk).unwrap().get_all(&key(4), Purpose::Read).await.is_ok();
        assert_eq!(back, lie);
    }
}

/// Killed anywhere in a put, begun again by a new process that is told "exists" or "written": then it must be durable.
#[tokio::test]
async fn an_answer_after_a_kill_is_durable_too() {
    let mut told_exists = 0;
    for step in 0..20 {
        let disk = ForgetfulDisk::new(step);
        disk.stop_after(step);
        if let Ok(store) = open(&disk) {
            let _ = store.put_if_absent(&key(5), Bytes::from_static(b"marker"), Purpose::Administration).await;
        }
        disk.heal();
        let store = open(&disk).unwrap();
        let written = store.put_if_absent(&key(5), Bytes::from_static(b"marker"), Purpose::Administration).await;
        told_exists += u32::from(!written.unwrap());
        disk.crash();
        let found = open(&disk).unwrap().get_all(&key(5), Purpose::Administration).await;
        assert_eq!(found.unwrap(), "marker", "step {step}");
        assert_eq!(disk.list(&Path::new("/data/objects").join(TEMPORARY)).unwrap(), Vec::<std::path::PathBuf>::new());
    }
    assert!(told_exists > 1, "the kill between rename and sync was met");
}

#[tokio::test]
async fn a_full_disk_is_said_so_and_leaves_nothing() {
    let disk = ForgetfulDisk::new(1);
    let store = open(&disk).unwrap();
    disk.fill(8192);
    let big = vec![Bytes::from(vec![1; 10_000])];
    let refused = store.put(&key(1), big.clone(), Purpose::Flush).await;
    assert!(matches!(refused, Err(BlobError::Full(_))), "{refused:?}");
    assert!(matches!(store.get_all(&key(1), Purpose::Read).await, Err(BlobError::NotFound { .. })));
    store.put(&key(1), vec![Bytes::from(vec![1; 8000])], Purpose::Flush).await.unwrap();
    disk.heal();
    store.put(&key(1), big, Purpose::Flush).await.unwrap();
}

#[tokio::test]
async fn a_failed_sync_is_not_acknowledged() {
    for operation in [Operation::Sync, Operation::SyncDir, Operation::Rename, Operation::Write] {
        let disk = ForgetfulDisk::new(1);
        let store = open(&disk).unwrap();
        put(&store, 4).await.unwrap();
        disk.fail_where(ErrorKind::Other, move |call| call.operation == operation);
        let failed = put(&store, 1).await;
        assert!(matches!(failed, Err(BlobError::Unavailable(_))), "{operation:?}: {failed:?}");
        disk.heal();
        put(&store, 1).await.unwrap();
        disk.crash();
        assert!(is_whole(&open(&disk).unwrap(), 1).await, "{operation:?}");
    }
}
