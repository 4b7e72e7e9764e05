//! The data folder of a process whose store is memory. Its catalog must not outlive it: the next process would be told of
//! objects that are gone. So it gets a folder of its own, which goes with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder that is removed when dropped. A process that is killed leaves it behind; nobody looks into it again.
pub struct PlayFolder {
    path: PathBuf,
}

impl PlayFolder {
    /// Makes it inside the data folder, which is made too if need be.
    ///
    /// # Errors
    /// The operating system's.
    pub fn make(data_dir: &Path) -> io::Result<PlayFolder> {
        let path = data_dir.join(format!("memory-{}", std::process::id()));
        // A killed process may have had our number.
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(&path)?,
        }
        Ok(PlayFolder { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PlayFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the folder of this process");
        }
        // Only if it is empty, so it was made for this.
        if let Some(data_dir) = self.path.parent() {
            let _ = fs::remove_dir(data_dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leaves_nothing_behind_and_touches_nothing_else() {
        let outer = tempfile::tempdir().unwrap();
        let data_dir = outer.path().join("data");
        let folder = PlayFolder::make(&data_dir).unwrap();
        fs::write(folder.path().join("file"), "x").unwrap();
        drop(folder);
        assert!(!data_dir.exists());

        fs::create_dir(&data_dir).unwrap();
        fs::write(data_dir.join("kept"), "x").unwrap();
        drop(PlayFolder::make(&data_dir).unwrap());
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 1);
    }
}
