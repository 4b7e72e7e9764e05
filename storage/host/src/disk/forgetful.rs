//! A disk in memory that forgets, when its power fails, whatever was not fsynced.

mod contents;
mod names;
mod switches;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::contents::{BLOCK_BYTES, Contents};
use self::names::Folder;
use self::switches::Switches;
pub use self::switches::{Call, Operation};
use super::{Disk, DiskFile, Stat};
use crate::Random;

/// A disk in memory that forgets, when its power fails, whatever was not fsynced: content not covered by
/// [`DiskFile::sync`], names not covered by [`Disk::sync_dir`] of their folder. Each folder's name is its parent's to
/// sync. A rename between two folders takes a sync of both; until then a crash may leave both names, or neither.
///
/// It is harsher than a file system need be, never kinder, but for two things: sectors of 512 bytes are written whole,
/// and a sector written twice between two syncs is found in its first (synced) or last state.
///
/// A sync that *fails* drops what it should have made durable, as Linux does: a later sync answers Ok and the bytes are
/// gone all the same after a crash. Clones share one disk.
#[derive(Clone)]
pub struct ForgetfulDisk {
    state: Arc<Mutex<State>>,
}

struct State {
    root: Folder,
    /// Grows at every crash; handles from before answer errors.
    life: u64,
    random: Random,
    switches: Switches,
    /// Blocks that files may take in all.
    blocks_max: Option<u64>,
}

impl ForgetfulDisk {
    /// An empty disk: a root folder, nothing in it. What [`ForgetfulDisk::crash_torn`] leaves depends on the seed.
    #[must_use]
    pub fn new(seed: u64) -> ForgetfulDisk {
        let state = State {
            root: Folder::default(),
            life: 0,
            random: Random::seeded(seed),
            switches: Switches::default(),
            blocks_max: None,
        };
        ForgetfulDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// Power loss: what was not fsynced is gone, all of it. Handles from before answer errors from now on. Switches are
    /// left as they are.
    pub fn crash(&self) {
        let mut state = self.state.lock();
        state.life += 1;
        state.root.crash(None);
    }

    /// Power loss in the middle of writing: of what was not fsynced, each file has kept none, all, a beginning or a random
    /// part of its sectors, and each folder a beginning of its changes, as the seed will have it.
    pub fn crash_torn(&self) {
        let mut state = self.state.lock();
        state.life += 1;
        let random = state.random.clone();
        state.root.crash(Some(&random));
    }

    /// Syncs asked for so far, of files and of folders, those skipped and failed included.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state.lock().switches.syncs
    }

    /// Calls so far that change something: all but open, read, list and stat.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state.lock().switches.changes
    }

    /// Lies about one sync: the `nth` from now (0 is the next) answers Ok and does nothing.
    pub fn skip_sync(&self, nth: u64) {
        let switches = &mut self.state.lock().switches;
        switches.skip_nth = Some(switches.syncs + nth);
    }

    /// Lies about every sync that `lie` picks, until [`ForgetfulDisk::heal`].
    pub fn skip_syncs_where(&self, lie: impl Fn(&Call<'_>) -> bool + Send + 'static) {
        self.state.lock().switches.skip_where = Some(Box::new(lie));
    }

    /// Every call that `fails` picks answers `kind` and, but for syncs, does nothing; until [`ForgetfulDisk::heal`].
    pub fn fail_where(&self, kind: io::ErrorKind, fails: impl Fn(&Call<'_>) -> bool + Send + 'static) {
        self.state.lock().switches.fail_where = Some((kind, Box::new(fails)));
    }

    /// Lets `count` more changes through; from then on every call answers an error, as if the process had been killed
    /// there; until [`ForgetfulDisk::heal`].
    pub fn stop_after(&self, count: u64) {
        let switches = &mut self.state.lock().switches;
        switches.stop_at = Some(switches.changes + count);
    }

    /// All switches off; room is unlimited again.
    pub fn heal(&self) {
        let mut state = self.state.lock();
        state.switches.heal();
        state.blocks_max = None;
    }

    /// Leaves room for `bytes_free` more, in blocks of 4 KiB. Writes beyond allocated blocks then answer `StorageFull`
    /// after writing what fits.
    pub fn fill(&self, bytes_free: u64) {
        let mut state = self.state.lock();
        state.blocks_max = Some(state.root.blocks() + bytes_free / BLOCK_BYTES);
    }

    /// Damage: turns one bit over, in what is read now and after a crash.
    ///
    /// # Panics
    /// When there is no such file or byte: the test is wrong.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) {
        let state = self.state.lock();
        let file = state.root.file(path).expect("damage is done to a file that exists");
        file.lock().flip_bit(offset, bit);
    }

    /// Opens the handle that `contents` backs.
    fn handle(&self, path: &Path, life: u64, contents: Arc<Mutex<Contents>>) -> Arc<dyn DiskFile> {
        Arc::new(ForgetfulFile { disk: self.clone(), path: path.to_path_buf(), life, contents })
    }
}

impl State {
    /// Blocks that may still be taken.
    fn blocks_free(&self) -> u64 {
        self.blocks_max.map_or(u64::MAX, |max| max.saturating_sub(self.root.blocks()))
    }
}

impl Disk for ForgetfulDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.switches.enter(Operation::CreateDir, path)?;
        state.root.create_dir_all(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.switches.enter(Operation::Create, path)?;
        let contents = state.root.create(path)?;
        Ok(self.handle(path, state.life, contents))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.switches.enter(Operation::Open, path)?;
        let contents = state.root.file(path)?;
        Ok(self.handle(path, state.life, contents))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.switches.enter(Operation::Rename, to)?;
        state.root.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.switches.enter(Operation::Remove, path)?;
        state.root.remove(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.state.lock();
        state.switches.enter(Operation::List, path)?;
        state.root.list(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let mut state = self.state.lock();
        state.switches.enter(Operation::Stat, path)?;
        state.root.stat(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        match state.switches.enter_sync(Operation::SyncDir, path) {
            Ok(true) => state.root.sync_dir(path),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn bytes_free(&self, _path: &Path) -> io::Result<u64> {
        Ok(self.state.lock().blocks_free().saturating_mul(BLOCK_BYTES))
    }
}

struct ForgetfulFile {
    disk: ForgetfulDisk,
    /// The name it was opened by, for the switches.
    path: PathBuf,
    life: u64,
    contents: Arc<Mutex<Contents>>,
}

impl ForgetfulFile {
    /// Checks switches and power, then does `work` with the content and the blocks that may be taken.
    fn with<T>(&self, operation: Operation, work: impl FnOnce(&mut Contents, u64) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state.lock();
        self.check_power(&state)?;
        state.switches.enter(operation, &self.path)?;
        // Counts blocks through the tree, this file's too, so before its lock is taken.
        let blocks_free = state.blocks_free();
        work(&mut self.contents.lock(), blocks_free)
    }

    fn check_power(&self, state: &State) -> io::Result<()> {
        if state.life == self.life {
            Ok(())
        } else {
            Err(io::Error::other("the power failed since this file was opened"))
        }
    }
}

impl DiskFile for ForgetfulFile {
    fn write_all_at(&self, slices: &[&[u8]], offset: u64) -> io::Result<()> {
        self.with(Operation::Write, |contents, blocks_free| contents.write(slices, offset, blocks_free))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.with(Operation::Read, |contents, _| contents.read(buffer, offset))
    }

    fn len(&self) -> io::Result<u64> {
        self.with(Operation::Stat, |contents, _| Ok(contents.len()))
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.with(Operation::SetLen, |contents, _| {
            contents.set_len(bytes);
            Ok(())
        })
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.with(Operation::Allocate, |contents, blocks_free| contents.allocate(bytes, blocks_free))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        self.check_power(&state)?;
        let mut contents = self.contents.lock();
        match state.switches.enter_sync(Operation::Sync, &self.path) {
            Ok(true) => contents.sync(),
            Ok(false) => {}
            Err(error) => {
                contents.lose_unsynced();
                return Err(error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "forgetful_test.rs"]
mod tests;
