//! The places at which the server ends itself when told to.

/// A named place in the server.
#[derive(Debug)]
pub struct Failpoint {
    /// As in `TIDELOG_FAILPOINT=name:count`.
    pub name: &'static str,
    /// The times it is passed, at least and at most, before it ends the process: so that clients have come back by then.
    pub(crate) count_min: u64,
    /// See `count_min`.
    pub(crate) count_max: u64,
    /// Whether only a client's request leads there.
    pub(crate) is_on_path: bool,
}

/// All of them, along the way of a record.
pub const FAILPOINTS: &[Failpoint] = &[
    Failpoint { name: "admit", count_min: 1, count_max: 60, is_on_path: true },
    Failpoint { name: "upload", count_min: 1, count_max: 3, is_on_path: false },
    Failpoint { name: "commit_proposed", count_min: 1, count_max: 40, is_on_path: true },
    Failpoint { name: "applied", count_min: 100, count_max: 300, is_on_path: false },
    Failpoint { name: "before_acknowledge", count_min: 1, count_max: 40, is_on_path: true },
    Failpoint { name: "snapshot_write", count_min: 1, count_max: 1, is_on_path: false },
    Failpoint { name: "snapshot_switch", count_min: 1, count_max: 1, is_on_path: false },
    Failpoint { name: "log_purge", count_min: 1, count_max: 1, is_on_path: false },
];
