//! A folder for trying things, which goes when it was tried.

use std::io;
use std::path::{Path, PathBuf};

/// A folder of our own where something will be.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one inside `folder`, or inside the nearest of its parents that is there: where this can be made, the rest can.
    ///
    /// # Errors
    /// Nothing can be made there.
    pub fn make_for(folder: &Path) -> io::Result<Scratch> {
        let path = nearest(folder).join(format!(".tidelog-doctor-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Scratch(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed has a name that says what it is.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The folder, or the nearest of its parents that is there, whatever it is.
pub fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_where_the_folder_will_be_and_goes() {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::make_for(&root.path().join("not/there")).unwrap();
        assert_eq!(scratch.path().parent(), Some(root.path()));
        std::fs::write(scratch.path().join("x"), "x").unwrap();
        drop(scratch);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
        assert!(Scratch::make_for(Path::new("/dev/null/x")).is_err(), "nothing can be made below a file");
    }
}
