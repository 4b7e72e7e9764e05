//! Whose cache it is: the folder is stamped, and so is every entry in it.

use std::io;
use std::path::Path;

use tidelog_host::Disk;
use tidelog_model::Incarnation;

/// The cluster and the catalog's life that a cache belongs to. Object ids mean nothing outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The cluster.
    pub cluster_id: [u8; 16],
    /// The catalog's life: after a restore object ids may be granted again.
    pub incarnation: Incarnation,
}

/// The stamp's file in the cache's folder.
const FILE: &str = "stamp";
/// Where the stamp is written before it gets its name.
const FILE_NEW: &str = "stamp.new";
/// What foyer names its files.
const CACHE_FILE_PREFIX: &str = "foyer-storage-direct-fs-";
/// No stamp is longer.
const STAMP_BYTES_MAX: u64 = 1024;

/// Makes sure that the cache files in `dir` are of `stamp`, with these sizes: others are removed before foyer can open
/// them. Returns whether the files that are there were kept.
pub(crate) fn claim(disk: &dyn Disk, dir: &Path, stamp: Stamp, sizes: &str) -> io::Result<bool> {
    disk.create_dir_all(dir)?;
    let wanted = text(stamp, sizes);
    if read(disk, &dir.join(FILE)).is_some_and(|found| found == wanted.as_bytes()) {
        return Ok(true);
    }
    give_back(disk, dir)?;
    // Last, so that a stamp never stands beside files that are not its own; lost with the power, it costs the cache.
    let file = disk.create(&dir.join(FILE_NEW))?;
    file.write_all_at(&[wanted.as_bytes()], 0)?;
    disk.rename(&dir.join(FILE_NEW), &dir.join(FILE))?;
    Ok(false)
}

/// Removes what a cache has left in `dir`, whosever it is, and nothing else.
pub(crate) fn give_back(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    for path in disk.list(dir)? {
        // `list` may give names or whole paths; a join takes either.
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with(CACHE_FILE_PREFIX) || name == FILE || name == FILE_NEW {
            disk.remove(&dir.join(name))?;
        }
    }
    Ok(())
}

fn text(stamp: Stamp, sizes: &str) -> String {
    let cluster = u128::from_be_bytes(stamp.cluster_id);
    format!("tidelog block cache v1\ncluster {cluster:032x}\nincarnation {:016x}\n{sizes}\n", stamp.incarnation.0)
}

fn read(disk: &dyn Disk, path: &Path) -> Option<Vec<u8>> {
    let file = disk.open(path).ok()?;
    let bytes = file.len().ok().filter(|bytes| *bytes <= STAMP_BYTES_MAX)?;
    let mut found = vec![0; bytes as usize];
    file.read_exact_at(&mut found, 0).ok()?;
    Some(found)
}
