//! Known bugs, planted behind a switch: a test suite that stays green with one of them switched on is not testing what it
//! says. Each place that asks for a name lists it in its crate's header.
//!
//! Without the feature `mutants` the question is a constant `false` and nothing of the bug is compiled in.

/// Whether the bug `name` is switched on: environment variable `TIDELOG_MUTANT`, read once.
#[cfg(feature = "mutants")]
#[must_use]
pub fn is(name: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("TIDELOG_MUTANT").ok()).as_deref() == Some(name)
}

/// Whether the bug `name` is switched on: never, in this build.
#[cfg(not(feature = "mutants"))]
#[must_use]
#[inline(always)]
pub const fn is(_name: &str) -> bool {
    false
}
