//! The data folder: whether it can be used, how much fits in, and how long it takes to make something durable.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use tidelog_host::{Disk, RealDisk};

use super::machine::mebibytes;
use super::report::Report;
use super::scratch::{Scratch, nearest};
use crate::settings::{Settings, StoreUrl};

const CHECK: &str = "data folder";
const FSYNC: &str = "fsync";
/// What the catalog's log and its snapshots need at least.
const LOG_BYTES_MIN: u64 = 256 << 20;
/// Below this a store that is a folder is full soon.
const OBJECTS_BYTES_WANTED: u64 = 4 << 30;
/// How often a file is made durable, and how long it may take.
const SYNCS: usize = 16;
const SYNC_TIME_GOOD: Duration = Duration::from_millis(20);

pub fn look(settings: &Settings, data_dir: &Path, report: &mut Report) {
    let shown = data_dir.display();
    let elsewhere = "--data-dir with a folder that this user may make and write, on a disk";
    if data_dir.exists() && !data_dir.is_dir() {
        return report.wrong(CHECK, format!("{shown} is no folder"), elsewhere);
    }
    if is_in_use(data_dir) {
        let advice = "stop that one, or take another folder with --data-dir; `tidelog status` asks a running one";
        return report.wrong(CHECK, format!("{shown} is in use by another process"), advice);
    }
    let scratch = match Scratch::make_for(data_dir) {
        Ok(scratch) => scratch,
        Err(error) => {
            let at = nearest(data_dir).display();
            return report.wrong(CHECK, format!("nothing can be made in {at}: {error}"), elsewhere);
        }
    };
    room(settings, data_dir, report);
    durability(scratch.path(), report);
}

/// The lock is on a folder inside, which is there when a node was.
fn is_in_use(data_dir: &Path) -> bool {
    let raft = data_dir.join("raft");
    raft.is_dir() && RealDisk.lock_dir(&raft).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

fn room(settings: &Settings, data_dir: &Path, report: &mut Report) {
    let shown = data_dir.display();
    let free = match RealDisk.bytes_free(nearest(data_dir)) {
        Ok(free) => free,
        Err(error) => {
            return report.warn(CHECK, format!("{shown}: its free space is not known: {error}"), "look with df");
        }
    };
    // A cache that is there has its room already.
    let cache = if data_dir.join("cache").join("stamp").is_file() { 0 } else { settings.cache_disk_bytes };
    let needed = cache.saturating_add(LOG_BYTES_MIN);
    let has_objects = matches!(settings.store.url, StoreUrl::InDataDir);
    let said = format!("{shown}: {} free, {} needed", mebibytes(free), mebibytes(needed));
    if free < needed {
        let advice = match settings.cache_disk_bytes {
            0 => "more room, or another --data-dir",
            _ => "more room, another --data-dir, or less for --cache-disk-bytes (0 for no cache on disk)",
        };
        report.wrong(CHECK, said, advice);
    } else if has_objects && free < needed.saturating_add(OBJECTS_BYTES_WANTED) {
        let advice = "nothing is deleted from the store yet: more room, or --store s3://bucket/prefix";
        report.warn(CHECK, format!("{said}, and all records are kept here too"), advice);
    } else {
        report.well(CHECK, said);
    }
}

fn durability(folder: &Path, report: &mut Report) {
    if is_in_memory(folder) {
        let what = "the folder is in memory (tmpfs): what is acknowledged does not outlive this machine's end";
        return report.warn(FSYNC, what, "--data-dir on a disk, unless it is for play");
    }
    match sync_time(folder) {
        Ok(time) if time <= SYNC_TIME_GOOD => report.well(FSYNC, format!("takes {:.2} ms", milliseconds(time))),
        Ok(time) => {
            let what = format!("takes {:.0} ms, and every append waits for one", milliseconds(time));
            report.warn(FSYNC, what, "a local SSD for --data-dir; network disks and spinning ones are slow at this");
        }
        Err(error) => {
            let advice = "--data-dir on a file system that can make files durable (ext4, xfs, btrfs, zfs)";
            report.wrong(FSYNC, format!("does not work there: {error}"), advice);
        }
    }
}

/// The median time in which a small write is durable.
fn sync_time(folder: &Path) -> io::Result<Duration> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[7; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        times.push(began.elapsed());
    }
    // Names have to be made durable too.
    File::open(folder)?.sync_all()?;
    drop(file);
    fs::remove_file(&path)?;
    times.sort();
    Ok(times[SYNCS / 2])
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Whether the file system has no disk below it.
#[cfg(target_os = "linux")]
fn is_in_memory(folder: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    rustix::fs::statfs(folder).is_ok_and(|found| matches!(found.f_type, TMPFS | RAMFS))
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_measured_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        assert!(sync_time(folder.path()).unwrap() < Duration::from_secs(60));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(!is_in_use(folder.path()), "nobody has it");
        fs::create_dir(folder.path().join("raft")).unwrap();
        let lock = RealDisk.lock_dir(&folder.path().join("raft")).unwrap();
        assert!(is_in_use(folder.path()));
        drop(lock);
        assert!(!is_in_use(folder.path()));
    }
}
