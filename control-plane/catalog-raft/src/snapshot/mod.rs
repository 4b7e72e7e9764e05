//! Snapshots on disk: a file per part of the state, and a manifest that names them.
//!
//! A part that did not change since the last snapshot keeps its file. New files are made durable first, then the manifest
//! takes its name; only then is the old snapshot gone. So at any moment the folder has one whole snapshot, or none if there
//! never was one. Reading checks every checksum, the cluster and the state's hash, and refuses what does not fit.

mod manifest;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use tidelog_catalog::{Frozen, PartId, State};
use tidelog_host::{Disk, failpoint};
use tidelog_model::{LogIndex, mutant};

use crate::error::OpenError;
use crate::folder;

pub(crate) use manifest::{Manifest, PartFile, Position};

/// A snapshot in a folder: this replica's, or one that another replica has sent.
#[derive(Clone)]
pub struct StoredSnapshot {
    pub(crate) manifest: Arc<Manifest>,
    folder: SnapshotFolder,
}

/// Where a replica keeps its snapshot.
#[derive(Clone)]
pub(crate) struct SnapshotFolder {
    pub disk: Arc<dyn Disk>,
    pub dir: PathBuf,
    pub cluster: [u8; 16],
}

fn part_name(part: &PartFile) -> String {
    format!("{:02x}-{:016x}.part", part.id.number(), part.changed_at.0)
}

impl SnapshotFolder {
    pub(crate) fn manifest_path(&self) -> PathBuf {
        self.dir.join("manifest")
    }

    /// The snapshot that is there, checked as far as its manifest goes.
    pub(crate) fn current(&self) -> Result<Option<StoredSnapshot>, OpenError> {
        let path = self.manifest_path();
        if !self.disk.exists(&path).map_err(|error| OpenError::io(&path, error))? {
            return Ok(None);
        }
        // Its name may be from a process that was killed before it could make that durable, and the log before it is
        // purged on the strength of it.
        self.disk.sync_dir(&self.dir).map_err(|error| OpenError::io(&self.dir, error))?;
        let bytes = read_whole(self.disk.as_ref(), &path).map_err(|error| OpenError::io(&path, error))?;
        let manifest = Manifest::decode(bytes).map_err(|corrupt| OpenError::damaged(&path, 0, corrupt.problem))?;
        if manifest.cluster != self.cluster {
            return Err(OpenError::OtherCluster { path });
        }
        Ok(Some(StoredSnapshot { manifest: Arc::new(manifest), folder: self.clone() }))
    }

    /// Writes a frozen state and makes it the current snapshot. Returns it with the number of bytes written. Blocks.
    pub(crate) fn write(
        &self,
        frozen: &Frozen,
        position: Position,
        previous: Option<&Manifest>,
    ) -> io::Result<(StoredSnapshot, usize)> {
        let mut written = 0;
        let mut parts = Vec::new();
        for part in frozen.parts() {
            let same = |old: &&PartFile| old.id == part.id && old.changed_at == part.changed_at;
            if let Some(old) = previous.and_then(|previous| previous.parts.iter().find(same)) {
                parts.push(old.clone());
                continue;
            }
            let bytes = part.encode();
            let file = PartFile::of(part.id, part.changed_at, &bytes);
            self.write_part(&file, &bytes)?;
            written += bytes.len();
            parts.push(file);
            failpoint::hit("snapshot_write");
        }
        let manifest = Manifest { cluster: self.cluster, position, state_hash: frozen.hash(), parts };
        Ok((self.switch(manifest)?, written))
    }

    /// Takes over a snapshot from another folder, whose parts have been read and checked.
    pub(crate) fn adopt(&self, snapshot: &StoredSnapshot, parts: &[(PartId, Bytes)]) -> io::Result<StoredSnapshot> {
        for (file, (id, bytes)) in snapshot.manifest.parts.iter().zip(parts) {
            assert_eq!(file.id, *id, "parts come in the manifest's order");
            self.write_part(file, bytes)?;
        }
        self.switch((*snapshot.manifest).clone())
    }

    fn write_part(&self, part: &PartFile, bytes: &[u8]) -> io::Result<()> {
        let path = self.dir.join(part_name(part));
        // What has this name is left from a snapshot that was never finished.
        if self.disk.exists(&path)? {
            self.disk.remove(&path)?;
        }
        let file = self.disk.create(&path)?;
        file.write_all_at(&[bytes], 0)?;
        if mutant!("skip_part_fsync") {
            return Ok(());
        }
        file.sync()
    }

    fn switch(&self, manifest: Manifest) -> io::Result<StoredSnapshot> {
        self.disk.sync_dir(&self.dir)?;
        let path = self.manifest_path();
        folder::replace(self.disk.as_ref(), &self.dir, &path, &[&manifest.encode()])?;
        failpoint::hit("snapshot_switch");
        let snapshot = StoredSnapshot { manifest: Arc::new(manifest), folder: self.clone() };
        if let Err(error) = self.remove_unused(&snapshot.manifest) {
            // They cost room only; the next snapshot tries again.
            tracing::warn!(%error, "files of an earlier snapshot could not be removed");
        }
        Ok(snapshot)
    }

    /// Removes the part files that `manifest` does not name.
    fn remove_unused(&self, manifest: &Manifest) -> io::Result<()> {
        let used: BTreeSet<String> = manifest.parts.iter().map(part_name).collect();
        for path in self.disk.list(&self.dir)? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.ends_with(".part") && !used.contains(name) {
                self.disk.remove(&self.dir.join(name))?;
            }
        }
        self.disk.sync_dir(&self.dir)
    }
}

impl StoredSnapshot {
    /// Reads every part and checks it. Blocks.
    pub(crate) fn read_parts(&self) -> Result<Vec<(PartId, Bytes)>, OpenError> {
        let mut parts = Vec::new();
        for part in &self.manifest.parts {
            let path = self.folder.dir.join(part_name(part));
            let bytes = read_whole(self.folder.disk.as_ref(), &path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => OpenError::damaged(&path, 0, "it is missing, and the manifest names it"),
                _ => OpenError::io(&path, error),
            })?;
            if PartFile::of(part.id, part.changed_at, &bytes) != *part {
                return Err(OpenError::damaged(&path, 0, "length or checksum is not what the manifest says"));
            }
            parts.push((part.id, bytes));
        }
        Ok(parts)
    }

    /// The state that these parts make.
    pub(crate) fn restore(&self, parts: Vec<(PartId, Bytes)>) -> Result<State, OpenError> {
        let path = self.folder.manifest_path();
        let state = State::restore(parts).map_err(|corrupt| OpenError::damaged(&path, 0, corrupt.to_string()))?;
        let (hash, expected) = (state.hash(), self.manifest.state_hash);
        if hash != expected {
            let problem = format!("the state's hash is {hash:#018x}, the manifest says {expected:#018x}");
            return Err(OpenError::damaged(&path, 0, problem));
        }
        let at = self.manifest.position.last.map_or(0, |last| last.index);
        if state.applied() != LogIndex(at) {
            let problem = format!("the state is that of {}, the manifest says {at}", state.applied());
            return Err(OpenError::damaged(&path, 0, problem));
        }
        Ok(state)
    }
}

fn read_whole(disk: &dyn Disk, path: &Path) -> io::Result<Bytes> {
    let file = disk.open(path)?;
    let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(Bytes::from(bytes))
}

impl PartFile {
    fn of(id: PartId, changed_at: LogIndex, bytes: &[u8]) -> PartFile {
        let crc = checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32;
        PartFile { id, changed_at, bytes: bytes.len() as u64, crc }
    }
}
