//! The bound on open files: connections and objects need more than the usual soft limit of 1024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, as far as it goes. Not being allowed to is no failure: it is then lower, and
/// said so in the log.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // No limit, or as high as it goes.
    let Some(limit) = current.filter(|_| current != maximum) else { return };
    if setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        tracing::warn!(limit, "cannot raise the limit of open files");
    }
}
