//! The places at which the server ends itself when told to.

/// A named place in the server.
#[derive(Debug)]
pub struct Failpoint {
    /// As in `TIDELOG_FAILPOINT=name:count`.
    pub name: &'static str,
    /// The most times it may be passed before it ends the process.
    pub(crate) count_max: u64,
    /// Whether only a client's request leads there.
    pub(crate) is_on_path: bool,
}

/// All of them, along the way of a record.
pub const FAILPOINTS: &[Failpoint] = &[
    Failpoint { name: "admit", count_max: 60, is_on_path: true },
    Failpoint { name: "upload", count_max: 5, is_on_path: false },
    Failpoint { name: "commit_proposed", count_max: 40, is_on_path: true },
    Failpoint { name: "applied", count_max: 40, is_on_path: false },
    Failpoint { name: "before_acknowledge", count_max: 40, is_on_path: true },
    Failpoint { name: "snapshot_write", count_max: 1, is_on_path: false },
    Failpoint { name: "snapshot_switch", count_max: 1, is_on_path: false },
    Failpoint { name: "log_purge", count_max: 1, is_on_path: false },
];
