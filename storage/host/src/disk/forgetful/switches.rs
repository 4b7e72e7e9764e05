//! What a test makes the disk do: lie about a sync, fail a call, stop as if the process were killed.

use std::io;
use std::path::Path;

/// A call that reaches the disk.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What is asked.
    pub operation: Operation,
    /// Of which file or folder. For a rename the new name; for an open file the name it was opened by.
    pub path: &'a Path,
}

/// What is asked of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the method of that name")]
pub enum Operation {
    CreateDir,
    Create,
    Open,
    Rename,
    Remove,
    List,
    Stat,
    SyncDir,
    Write,
    Read,
    SetLen,
    Allocate,
    Sync,
}

impl Operation {
    fn is_change(self) -> bool {
        !matches!(self, Operation::Open | Operation::List | Operation::Stat | Operation::Read)
    }
}

type Picks = Box<dyn Fn(&Call<'_>) -> bool + Send>;

#[derive(Default)]
pub(super) struct Switches {
    pub(super) syncs: u64,
    pub(super) changes: u64,
    pub(super) skip_nth: Option<u64>,
    pub(super) skip_where: Option<Picks>,
    pub(super) fail_where: Option<(io::ErrorKind, Picks)>,
    pub(super) stop_at: Option<u64>,
}

impl Switches {
    pub(super) fn heal(&mut self) {
        *self = Switches { syncs: self.syncs, changes: self.changes, ..Switches::default() };
    }

    /// Counts a call; an error when it is to fail.
    pub(super) fn enter(&mut self, operation: Operation, path: &Path) -> io::Result<()> {
        if self.stop_at.is_some_and(|at| self.changes >= at) {
            return Err(io::Error::other("the test stopped this disk"));
        }
        if operation.is_change() {
            self.changes += 1;
        }
        match &self.fail_where {
            Some((kind, picks)) if picks(&Call { operation, path }) => Err((*kind).into()),
            _ => Ok(()),
        }
    }

    /// Counts a sync; whether it is to be done rather than lied about.
    pub(super) fn enter_sync(&mut self, operation: Operation, path: &Path) -> io::Result<bool> {
        let number = self.syncs;
        self.syncs += 1;
        self.enter(operation, path)?;
        let picked = self.skip_where.as_ref().is_some_and(|picks| picks(&Call { operation, path }));
        Ok(self.skip_nth != Some(number) && !picked)
    }
}
