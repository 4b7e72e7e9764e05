//! Files: what the Raft store and the file store do to a disk, and a disk that forgets what was not fsynced.
//!
//! Calls block; whoever is async makes them on a thread that may block.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// Names in a folder, sorted: files and folders, without `.` and `..`.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// Whether something has this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Bytes that can still be written under this path.
    fn bytes_free(&self, path: &Path) -> io::Result<u64>;
}

/// An open file.
pub trait DiskFile: Send + Sync + 'static {
    /// Writes all of the slices, one after the other, at `offset`, growing the file as needed.
    fn write_all_at(&self, slices: &[&[u8]], offset: u64) -> io::Result<()>;
    /// Fills `buffer` from `offset`; `UnexpectedEof` when the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
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
