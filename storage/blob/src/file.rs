//! Objects as files of a folder, each synced with its name before it is acknowledged.
//!
//! An object's key is its path below the root, so a key must not be a folder of another. New objects are written below
//! `~tmp` (no key can have that name) and renamed to where they belong: what is left there after a kill is of nobody,
//! and opening the store removes it without walking the objects.

mod list;

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tidelog_host::Disk;
use tidelog_host::disk::create_dir_all_durable;
use tokio::sync::Semaphore;

use crate::{BlobError, BlobStore, Key, ListedObject, Purpose};

/// Calls that block a thread at once; more wait their turn.
const CALLS_AT_ONCE_MAX: usize = 64;
/// Folders remembered as durable; beyond it the memory starts anew, which costs a sync each.
const FOLDERS_KNOWN_MAX: usize = 10_000;
/// Where objects are written before they get their name.
const TEMPORARY: &str = "~tmp";

/// Objects as files below a folder, which one process uses at a time.
///
/// Files are opened for each read: that took 2 µs beside 78 µs for reading 1 MiB from the page cache, and a kept handle
/// could go on reading an object that was since replaced.
pub struct FileStore {
    inner: Arc<Inner>,
    calls: Arc<Semaphore>,
}

struct Inner {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    temporary_next: AtomicU64,
    /// Folders whose names, up to the root, are durable.
    folders: Mutex<BTreeSet<PathBuf>>,
    /// Held from "has nobody that name" to the rename.
    names: Mutex<()>,
}

impl FileStore {
    /// Opens or makes the folder. Blocks.
    ///
    /// # Errors
    /// What the disk says.
    pub fn open(disk: Arc<dyn Disk>, root: impl Into<PathBuf>) -> Result<FileStore, BlobError> {
        let root = root.into();
        let temporary = root.join(TEMPORARY);
        let prepare = || {
            create_dir_all_durable(&*disk, &temporary)?;
            for name in disk.list(&temporary)? {
                disk.remove(&temporary.join(name))?;
            }
            Ok(())
        };
        prepare().map_err(|error| failed(&error))?;
        let inner =
            Inner { disk, root, temporary_next: AtomicU64::new(0), folders: Mutex::default(), names: Mutex::default() };
        Ok(FileStore { inner: Arc::new(inner), calls: Arc::new(Semaphore::new(CALLS_AT_ONCE_MAX)) })
    }

    /// Does `work` on a thread that may block. A cancelled caller leaves it running to its end.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let permit = self.calls.clone().acquire_owned().await.expect("the semaphore is never closed");
        let inner = self.inner.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&inner)
        });
        match done.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(BlobError::Unavailable("the process is stopping".to_owned())),
        }
    }
}

#[async_trait]
impl BlobStore for FileStore {
    async fn put(&self, key: &Key, payload: Vec<Bytes>, _purpose: Purpose) -> Result<(), BlobError> {
        let key = key.clone();
        self.blocking(move |inner| inner.put(&key, &payload, true).map(drop)).await
    }

    async fn put_if_absent(&self, key: &Key, payload: Bytes, _purpose: Purpose) -> Result<bool, BlobError> {
        let key = key.clone();
        self.blocking(move |inner| inner.put(&key, &[payload], false)).await
    }

    async fn get(&self, key: &Key, range: Range<u64>, _purpose: Purpose) -> Result<Bytes, BlobError> {
        assert!(!range.is_empty(), "an empty range is not read");
        let key = key.clone();
        self.blocking(move |inner| inner.get(&key, Wanted::Exactly(range))).await
    }

    async fn get_up_to(&self, key: &Key, range: Range<u64>, _purpose: Purpose) -> Result<Bytes, BlobError> {
        assert!(!range.is_empty(), "an empty range is not read");
        let key = key.clone();
        self.blocking(move |inner| inner.get(&key, Wanted::UpTo(range))).await
    }

    async fn get_all(&self, key: &Key, _purpose: Purpose) -> Result<Bytes, BlobError> {
        let key = key.clone();
        self.blocking(move |inner| inner.get(&key, Wanted::All)).await
    }

    async fn delete(&self, keys: &[Key], _purpose: Purpose) -> Result<(), BlobError> {
        let keys = keys.to_vec();
        self.blocking(move |inner| inner.delete(&keys)).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, count_max: usize) -> Result<Vec<ListedObject>, BlobError> {
        let (prefix, after) = (prefix.to_owned(), after.cloned());
        self.blocking(move |inner| {
            list::list(&*inner.disk, &inner.root, &prefix, after.as_ref(), count_max).map_err(|error| failed(&error))
        })
        .await
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        format!("file://{}", self.inner.root.display())
    }
}

/// What of an object is read.
enum Wanted {
    Exactly(Range<u64>),
    UpTo(Range<u64>),
    All,
}

impl Inner {
    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// Whether the object was written. What fails before the rename has certainly not happened.
    fn put(&self, key: &Key, payload: &[Bytes], replace: bool) -> Result<bool, BlobError> {
        let number = self.temporary_next.fetch_add(1, Ordering::Relaxed);
        let temporary = self.root.join(TEMPORARY).join(number.to_string());
        let path = self.path(key);
        let folder = path.parent().expect("a key has a segment, so its path has a parent");
        let written = self.write(&temporary, payload).and_then(|()| self.make_folder(folder));
        if let Err(error) = written {
            // Its space may be what others wait for. Should this fail, opening the store removes it.
            let _ = self.disk.remove(&temporary);
            return Err(no_room_or_failed(&error));
        }
        let renamed = self.rename(&temporary, &path, replace);
        if !matches!(renamed, Ok(true)) {
            let _ = self.disk.remove(&temporary);
        }
        let renamed = renamed.map_err(|error| failed(&error))?;
        // Also when another has that name: whoever wrote it may have been killed before this.
        self.disk.sync_dir(folder).map_err(|error| failed(&error))?;
        Ok(renamed)
    }

    fn write(&self, path: &Path, payload: &[Bytes]) -> io::Result<()> {
        let file = self.disk.create(path)?;
        let slices: Vec<&[u8]> = payload.iter().map(|slice| &slice[..]).collect();
        file.write_all_at(&slices, 0)?;
        file.sync()
    }

    fn rename(&self, temporary: &Path, path: &Path, replace: bool) -> io::Result<bool> {
        let _names = self.names.lock();
        if !replace && self.disk.exists(path)? {
            return Ok(false);
        }
        self.disk.rename(temporary, path)?;
        Ok(true)
    }

    /// Makes a folder below the root and every name on the way durable, also those that a killed process made.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder == self.root || self.folders.lock().contains(folder) {
            return Ok(());
        }
        self.disk.create_dir_all(folder)?;
        for parent in folder.ancestors().skip(1).take_while(|parent| parent.starts_with(&self.root)) {
            self.disk.sync_dir(parent)?;
        }
        let mut folders = self.folders.lock();
        if folders.len() >= FOLDERS_KNOWN_MAX {
            folders.clear();
        }
        folders.insert(folder.to_path_buf());
        Ok(())
    }

    fn get(&self, key: &Key, wanted: Wanted) -> Result<Bytes, BlobError> {
        let out_of_range = |end| BlobError::OutOfRange { key: key.to_string(), end };
        let read = || -> io::Result<Result<Bytes, BlobError>> {
            let file = self.disk.open(&self.path(key))?;
            // The length first: a range that was received wrong must not make us allocate.
            let bytes = file.len()?;
            let range = match wanted {
                Wanted::Exactly(range) if range.end > bytes => return Ok(Err(out_of_range(range.end))),
                Wanted::UpTo(range) if range.start >= bytes => return Ok(Err(out_of_range(range.end))),
                Wanted::Exactly(range) => range,
                Wanted::UpTo(range) => range.start..range.end.min(bytes),
                Wanted::All => 0..bytes,
            };
            let count = (range.end - range.start) as usize;
            Ok(Ok(file.read_exact_of(count, range.start)?.into()))
        };
        match read() {
            Ok(found) => found,
            Err(error) if is_missing(&error) => Err(BlobError::NotFound { key: key.to_string() }),
            Err(error) => Err(failed(&error)),
        }
    }

    fn delete(&self, keys: &[Key]) -> Result<(), BlobError> {
        let mut folders = BTreeSet::new();
        for key in keys {
            let path = self.path(key);
            match self.disk.remove(&path) {
                Err(error) if !is_missing(&error) => return Err(failed(&error)),
                // Missing perhaps because of a removal that was not synced yet, so its folder is synced all the same.
                _ => folders.insert(path.parent().expect("a key has a segment").to_path_buf()),
            };
        }
        for folder in folders {
            match self.disk.sync_dir(&folder) {
                Err(error) if !is_missing(&error) => return Err(failed(&error)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

fn no_room_or_failed(error: &io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobError::Full(error.to_string()),
        _ => failed(error),
    }
}

fn failed(error: &io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => BlobError::Refused(error.to_string()),
        _ => BlobError::Unavailable(error.to_string()),
    }
}

#[cfg(test)]
#[path = "file_test.rs"]
mod tests;
