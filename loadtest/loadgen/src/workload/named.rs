//! The workloads that come with the program.

/// Name and text of each.
const NAMED: &[(&str, &str)] = &[
    ("w1", include_str!("../../workloads/w1.toml")),
    ("w2-100", include_str!("../../workloads/w2-100.toml")),
    ("w2-500", include_str!("../../workloads/w2-500.toml")),
    ("w2-2000", include_str!("../../workloads/w2-2000.toml")),
    ("w3-1k", include_str!("../../workloads/w3-1k.toml")),
    ("w3-10k", include_str!("../../workloads/w3-10k.toml")),
    ("w3-100k", include_str!("../../workloads/w3-100k.toml")),
    ("w3-1m", include_str!("../../workloads/w3-1m.toml")),
    ("w4", include_str!("../../workloads/w4.toml")),
    ("w5", include_str!("../../workloads/w5.toml")),
    ("w6-1", include_str!("../../workloads/w6-1.toml")),
    ("w6-3", include_str!("../../workloads/w6-3.toml")),
    ("w6-10", include_str!("../../workloads/w6-10.toml")),
    ("w6-100", include_str!("../../workloads/w6-100.toml")),
    ("w7", include_str!("../../workloads/w7.toml")),
    ("s3-100", include_str!("../../workloads/s3-100.toml")),
    ("w11", include_str!("../../workloads/w11.toml")),
];

/// The text of the workload with that name, in capitals or not.
pub(super) fn find(name: &str) -> Option<&'static str> {
    NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, text)| *text)
}

/// All names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMED.iter().map(|(name, _)| *name)
}
