//! The bound on open files: connections and objects need more than the usual soft limit of 1024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, as far as it goes. Not being allowed to is no failure: it is then lower, and
/// said so in the log.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let is_enough = current.is_none() || current == maximum;
    if !is_enough && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        tracing::warn!(limit = ?current, "cannot raise the limit of open files");
    }
}
