//! The names in folders: as they are read now, and as they are on the platter.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::contents::Contents;
use crate::Random;
use crate::disk::Stat;

type Names = BTreeMap<OsString, Entry>;
/// Names that change together: set to something, or removed.
type Change = Vec<(OsString, Option<Entry>)>;

#[derive(Clone)]
enum Entry {
    File(Arc<Mutex<Contents>>),
    Folder(Arc<Mutex<Folder>>),
}

/// A folder now and on the platter.
#[derive(Default)]
pub(super) struct Folder {
    live: Names,
    durable: Names,
    /// What leads from `durable` to `live`, in order.
    unsynced: Vec<Change>,
}

impl Folder {
    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut names = names_of(path)?.into_iter();
        let Some(name) = names.next() else { return Ok(()) };
        if !self.live.contains_key(&name) {
            self.change(vec![(name.clone(), Some(Entry::Folder(Arc::default())))]);
        }
        let rest: PathBuf = names.collect();
        self.folder(Path::new(&name), |folder| folder.create_dir_all(&rest))
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<Arc<Mutex<Contents>>> {
        let (parent, name) = split(path)?;
        self.folder(&parent, |folder| {
            if folder.live.contains_key(&name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let contents: Arc<Mutex<Contents>> = Arc::default();
            folder.change(vec![(name, Some(Entry::File(contents.clone())))]);
            Ok(contents)
        })
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<Arc<Mutex<Contents>>> {
        match self.entry(path)? {
            Entry::File(contents) => Ok(contents),
            Entry::Folder(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let entry = Entry::File(self.file(from)?);
        if matches!(self.entry(to), Ok(Entry::Folder(_))) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let ((from_parent, from_name), (to_parent, to_name)) = (split(from)?, split(to)?);
        if from_name == to_name && from_parent == to_parent {
            return Ok(());
        }
        let (added, removed) = ((to_name, Some(entry)), (from_name, None));
        if from_parent == to_parent {
            self.folder(&to_parent, |folder| {
                folder.change(vec![added, removed]);
                Ok(())
            })
        } else {
            self.folder(&to_parent, |folder| {
                folder.change(vec![added]);
                Ok(())
            })?;
            self.folder(&from_parent, |folder| {
                folder.change(vec![removed]);
                Ok(())
            })
        }
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        let (parent, name) = split(path)?;
        self.folder(&parent, |folder| {
            folder.change(vec![(name, None)]);
            Ok(())
        })
    }

    pub(super) fn list(&mut self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.folder(path, |folder| Ok(folder.live.keys().map(PathBuf::from).collect()))
    }

    pub(super) fn stat(&self, path: &Path) -> io::Result<Stat> {
        if names_of(path)?.is_empty() {
            return Ok(Stat { is_dir: true, bytes: 0 });
        }
        Ok(match self.entry(path)? {
            Entry::File(contents) => Stat { is_dir: false, bytes: contents.lock().len() },
            Entry::Folder(_) => Stat { is_dir: true, bytes: 0 },
        })
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        self.folder(path, |folder| {
            for change in std::mem::take(&mut folder.unsynced) {
                apply(&mut folder.durable, change);
            }
            Ok(())
        })
    }

    /// Blocks that all files below take.
    pub(super) fn blocks(&self) -> u64 {
        let of = |entry: &Entry| match entry {
            Entry::File(contents) => contents.lock().blocks(),
            Entry::Folder(folder) => folder.lock().blocks(),
        };
        self.live.values().map(of).sum()
    }

    /// Power loss, here and below. With `random`, the first few changes may have reached the platter.
    pub(super) fn crash(&mut self, random: Option<&Random>) {
        let mut changes = std::mem::take(&mut self.unsynced);
        let kept = random.map_or(0, |random| random.below(changes.len() as u64 + 1) as usize);
        for change in changes.drain(..kept) {
            apply(&mut self.durable, change);
        }
        self.live.clone_from(&self.durable);
        for entry in self.live.values() {
            match entry {
                Entry::File(contents) => contents.lock().crash(random),
                Entry::Folder(folder) => folder.lock().crash(random),
            }
        }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.live, change.clone());
        self.unsynced.push(change);
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        let (parent, name) = split(path)?;
        if parent.as_os_str().is_empty() {
            return self.live.get(&name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into());
        }
        match self.entry(&parent)? {
            Entry::Folder(folder) => folder.lock().entry(Path::new(&name)),
            Entry::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Does `work` in the folder of that name.
    fn folder<T>(&mut self, path: &Path, work: impl FnOnce(&mut Folder) -> io::Result<T>) -> io::Result<T> {
        if names_of(path)?.is_empty() {
            return work(self);
        }
        match self.entry(path)? {
            Entry::Folder(folder) => work(&mut folder.lock()),
            Entry::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }
}

fn apply(names: &mut Names, change: Change) {
    for (name, entry) in change {
        match entry {
            Some(entry) => names.insert(name, entry),
            None => names.remove(&name),
        };
    }
}

/// The parent's path from the root, without a leading `/`, and the last name.
fn split(path: &Path) -> io::Result<(PathBuf, OsString)> {
    let mut names = names_of(path)?;
    let name = names.pop().ok_or(io::ErrorKind::IsADirectory)?;
    Ok((names.into_iter().collect(), name))
}

fn names_of(path: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_os_string()),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok(names)
}
