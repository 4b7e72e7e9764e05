//! Why a replica could not be opened.

use std::io;
use std::path::{Path, PathBuf};

use tidelog_model::ErrorKind;

/// A replica's folder cannot be used. Nothing in it was changed, except that a write which a crash cut short was erased.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error("{} is in use by another process; stop that one first, or choose another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// What is there is not what was written.
    #[error("{} is damaged at byte {position}: {problem}; it is left as it is, restore it from a copy", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// Where in it.
        position: u64,
        /// What is wrong.
        problem: String,
    },
    /// It was copied here from another cluster.
    #[error("{} belongs to another cluster", path.display())]
    OtherCluster {
        /// The file.
        path: PathBuf,
    },
    /// The folder belongs to another node of the cluster.
    #[error("{} belongs to node {found}, this is node {expected}", path.display())]
    OtherNode {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        found: u64,
        /// Who opens it.
        expected: u64,
    },
    /// The folder cannot be made or taken.
    #[error("cannot {tried} {}: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What was tried with it.
        tried: &'static str,
        /// What the operating system said.
        error: io::Error,
    },
    /// The disk or the operating system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// Raft did not start.
    #[error("raft did not start: {0}")]
    Raft(String),
}

impl OpenError {
    pub(crate) fn io(path: &Path, error: io::Error) -> OpenError {
        OpenError::Io { path: path.to_owned(), error }
    }

    pub(crate) fn damaged(path: &Path, position: u64, problem: impl Into<String>) -> OpenError {
        OpenError::Damaged { path: path.to_owned(), position, problem: problem.into() }
    }

    /// What the caller would do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            OpenError::InUse { .. } | OpenError::OtherCluster { .. } | OpenError::OtherNode { .. } => {
                ErrorKind::Conflict
            }
            OpenError::Damaged { .. } => ErrorKind::Corrupt,
            OpenError::Folder { .. } | OpenError::Io { .. } => ErrorKind::Unavailable,
            OpenError::Raft(_) => ErrorKind::Internal,
        }
    }
}
