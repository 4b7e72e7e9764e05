//! Known bugs, planted behind a switch: a test suite that stays green with one of them switched on is not testing what it
//! says. Each place that asks for a name lists it in its crate's header.
//!
//! The question is `mutant!("name")`. In a crate's own tests, and in a build with its feature `mutants`, it looks at the
//! environment; in every other build it is a constant `false`, and nothing of the bug is compiled in. So a crate's own tests
//! need no second build to be tried with its bugs.

/// Whether the bug of this name is switched on: a constant `false` but in the asking crate's own tests and with its feature
/// `mutants`.
#[macro_export]
macro_rules! mutant {
    ($name:literal) => {
        cfg!(any(test, feature = "mutants")) && $crate::mutant::is_chosen($name)
    };
}

/// Whether environment variable `TIDELOG_MUTANT` names this bug; read once. Ask with [`mutant!`](crate::mutant!).
#[must_use]
pub fn is_chosen(name: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("TIDELOG_MUTANT").ok()).as_deref() == Some(name)
}
