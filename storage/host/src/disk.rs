//! Files: what the Raft store and the file store do to a disk, and a disk that forgets what was not fsynced.
//!
//! Calls block; whoever is async makes them on a thread that may block.

mod forgetful;
mod real;
#[cfg(test)]
mod suite_test;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use forgetful::{Call, ForgetfulDisk, Operation};
pub use real::RealDisk;

/// A folder tree on a disk. A change of names (create, rename, remove) lasts through power loss only after
/// [`Disk::sync_dir`] of the folder; a change of content only after [`DiskFile::sync`].
pub trait Disk: Send + Sync + 'static {
    /// Makes a folder and its parents. Existing ones are fine.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes an empty file, open for reading and writing; one that exists is an error (`AlreadyExists`).
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file, replacing what had that name. Atomic.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Names in a folder, sorted: files and folders, without `.` and `..`. Each is bare, to be joined to `path`.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// What has this name; `NotFound` when nothing has.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// Whether something has this name.
    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.stat(path) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
            Err(error) => Err(error),
        }
    }
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Bytes that can still be written under this path.
    fn bytes_free(&self, path: &Path) -> io::Result<u64>;
    /// Keeps other processes out of a folder until the guard is dropped or this process ends, however it ends;
    /// `WouldBlock` when another has it. A disk that only this process sees has nobody to keep out.
    fn lock_dir(&self, _path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(()))
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// A folder, not a file.
    pub is_dir: bool,
    /// Length of a file; of no meaning for a folder.
    pub bytes: u64,
}

/// Makes a folder and its parents, and makes all of their names durable: the new ones, and those that a process which
/// was killed between making and syncing may have left.
///
/// A parent that was there before and which we may not read is taken to be durable.
pub fn create_dir_all_durable(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let mut found = path;
    while !found.as_os_str().is_empty() && !disk.exists(found)? {
        found = found.parent().unwrap_or(Path::new(""));
    }
    let found = found.to_path_buf();
    disk.create_dir_all(path)?;
    for parent in path.ancestors().skip(1) {
        let was_there = found.starts_with(parent) && found != parent;
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        match disk.sync_dir(parent) {
            Err(error) if was_there && error.kind() == io::ErrorKind::PermissionDenied => break,
            done => done?,
        }
    }
    Ok(())
}

/// An open file.
pub trait DiskFile: Send + Sync + 'static {
    /// Writes all of the slices, one after the other, at `offset`, growing the file as needed.
    fn write_all_at(&self, slices: &[&[u8]], offset: u64) -> io::Result<()>;
    /// Fills `buffer` from `offset`; `UnexpectedEof` when the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// `count` bytes from `offset`, in a buffer of just that size; `UnexpectedEof` when the file ends before.
    fn read_exact_of(&self, count: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; count];
        self.read_exact_at(&mut buffer, offset)?;
        Ok(buffer)
    }
    /// Bytes in the file.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has none.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or zero-extends the file.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Reserves disk blocks for the first `bytes`, so that writing there cannot run out of space; the file grows to that
    /// length, the new part reads as zeros.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
    /// Makes content and length durable (fdatasync).
    fn sync(&self) -> io::Result<()>;
}
