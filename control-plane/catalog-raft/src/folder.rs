//! The replica's folder: the lock that keeps a second process out, and the file that says whose it is.
//!
//! | name | what |
//! |---|---|
//! | `lock` | locked while a process has the folder |
//! | `cluster` | cluster id and node id; written last when a folder is made |
//! | `log/` | the Raft log |
//! | `snapshot/` | the last snapshot |

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use tidelog_format::codec::{Corrupt, Reader, Writer};
use tidelog_host::{Disk, Random};

use crate::error::OpenError;
use crate::log::{LogOptions, RaftLog};

const MAGIC: &[u8; 8] = b"TIDECLUS";
const VERSION: u8 = 1;
/// The file that says whose the folder is.
const CLUSTER: &str = "cluster";
/// The file is far shorter; what is longer is not ours.
const FILE_BYTES_MAX: u64 = 4_096;

/// A replica's folder, held by this process alone until dropped.
pub(crate) struct Folder {
    pub cluster: [u8; 16],
    pub log: PathBuf,
    pub snapshot: PathBuf,
    _lock: Box<dyn Send + Sync>,
}

impl Folder {
    /// Takes the folder, and makes it if it is new.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        node: u64,
        random: &Random,
        log_options: &LogOptions,
    ) -> Result<Folder, OpenError> {
        let io_error = |error| OpenError::io(dir, error);
        let cannot = |tried| move |error| OpenError::Folder { path: dir.to_owned(), tried, error };
        tidelog_host::disk::create_dir_all_durable(disk, dir).map_err(cannot("make the folder"))?;
        let lock = disk.lock_dir(dir).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse { path: dir.to_owned() },
            _ => cannot("lock the folder")(error),
        })?;
        let (log, snapshot) = (dir.join("log"), dir.join("snapshot"));
        let path = dir.join(CLUSTER);
        let cluster = match read(disk, &path)? {
            Some((_, found)) if found != node => {
                return Err(OpenError::OtherNode { path: dir.to_owned(), found, expected: node });
            }
            Some((cluster, _)) => {
                // Its name may be from a process that was killed before it could make that durable.
                disk.sync_dir(dir).map_err(io_error)?;
                cluster
            }
            None => {
                check_unused(disk, dir, &log)?;
                let cluster = random.bytes();
                disk.create_dir_all(&snapshot).map_err(io_error)?;
                RaftLog::create(disk, &log, cluster, node, log_options).map_err(|error| OpenError::io(&log, error))?;
                write(disk, dir, &path, cluster, node).map_err(|error| OpenError::io(&path, error))?;
                cluster
            }
        };
        Ok(Folder { cluster, log, snapshot, _lock: lock })
    }
}

/// Whether there is no replica in the folder yet. What cannot be looked at is told by who opens it.
pub(crate) fn is_new(disk: &dyn Disk, dir: &Path) -> bool {
    disk.exists(&dir.join(CLUSTER)).is_ok_and(|exists| !exists)
}

/// Without a cluster file the folder is new, or its making was cut short. A log with something in it says otherwise.
fn check_unused(disk: &dyn Disk, dir: &Path, log: &Path) -> Result<(), OpenError> {
    let used = RaftLog::has_records(disk, log).map_err(|error| OpenError::io(log, error))?;
    if used {
        return Err(OpenError::damaged(&dir.join(CLUSTER), 0, "it is missing, and there is a log"));
    }
    Ok(())
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Option<([u8; 16], u64)>, OpenError> {
    let io_error = |error| OpenError::io(path, error);
    if !disk.exists(path).map_err(io_error)? {
        return Ok(None);
    }
    let file = disk.open(path).map_err(io_error)?;
    let length = file.len().map_err(io_error)?;
    if length > FILE_BYTES_MAX {
        return Err(OpenError::damaged(path, 0, format!("it has {length} bytes")));
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, 0).map_err(io_error)?;
    decode(bytes).map(Some).map_err(|corrupt| OpenError::damaged(path, 0, corrupt.problem))
}

fn decode(bytes: Vec<u8>) -> Result<([u8; 16], u64), Corrupt> {
    const WHAT: &str = "cluster file";
    let length = bytes.len().checked_sub(4).ok_or_else(|| Corrupt::new(WHAT, "it ends early"))?;
    let bytes = Bytes::from(bytes);
    let mut crc = Reader::new(WHAT, bytes.slice(length..));
    let mut input = Reader::new(WHAT, bytes.slice(..length));
    let expected = (checksum(CrcAlgorithm::Crc32Iscsi, &bytes[..length]) as u32).to_le_bytes();
    if crc.raw(4)?.as_ref() != expected {
        return Err(input.corrupt("its checksum does not match"));
    }
    if input.raw(MAGIC.len())?.as_ref() != MAGIC {
        return Err(input.corrupt("it does not begin with its magic bytes"));
    }
    let version = input.byte()?;
    if version != VERSION {
        return Err(input.corrupt(format!("its version is {version}, known here is {VERSION}")));
    }
    let cluster = input.raw(16)?.as_ref().try_into().expect("sixteen bytes were taken");
    let node = input.varint()?;
    input.end()?;
    Ok((cluster, node))
}

fn write(disk: &dyn Disk, dir: &Path, path: &Path, cluster: [u8; 16], node: u64) -> io::Result<()> {
    let mut out = Writer::new();
    out.raw(MAGIC);
    out.byte(VERSION);
    out.raw(&cluster);
    out.varint(node);
    let content = out.finish();
    let crc = (checksum(CrcAlgorithm::Crc32Iscsi, &content) as u32).to_le_bytes();
    replace(disk, dir, path, &[&content, &crc])
}

/// Writes a whole file under another name, and gives it its name when it is durable.
pub(crate) fn replace(disk: &dyn Disk, dir: &Path, path: &Path, content: &[&[u8]]) -> io::Result<()> {
    let unfinished = path.with_extension("tmp");
    if disk.exists(&unfinished)? {
        disk.remove(&unfinished)?;
    }
    let file = disk.create(&unfinished)?;
    file.write_all_at(content, 0)?;
    file.sync()?;
    disk.rename(&unfinished, path)?;
    disk.sync_dir(dir)
}
