//! The scenarios that come with the program.

/// Name and text of each.
const NAMED: &[(&str, &str)] = &[
    ("produce-8", include_str!("../../scenarios/produce-8.toml")),
    ("produce-1000", include_str!("../../scenarios/produce-1000.toml")),
    ("acknowledge-20k", include_str!("../../scenarios/acknowledge-20k.toml")),
    ("acknowledge-half", include_str!("../../scenarios/acknowledge-half.toml")),
    ("one-at-a-time", include_str!("../../scenarios/one-at-a-time.toml")),
    ("w2-100", include_str!("../../scenarios/w2-100.toml")),
    ("w2-500", include_str!("../../scenarios/w2-500.toml")),
    ("w2-2000", include_str!("../../scenarios/w2-2000.toml")),
    ("partitions-100k", include_str!("../../scenarios/partitions-100k.toml")),
    ("same", include_str!("../../scenarios/same.toml")),
];

/// The text of the scenario with that name.
pub(super) fn find(name: &str) -> Option<&'static str> {
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// All names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMED.iter().map(|(name, _)| *name)
}
