//! The house rules as tests.
//!
//! **Owns:** which crate may depend on which, which heavy dependency enters where, how a source file begins and how long it
//! gets, what may not be written outside tests, where links between pages lead, and the floors of Cargo.lock. **Promises:** each rule is a function from
//! what was read to a list of complaints, has a test that shows it complaining, and a test that runs it over this
//! workspace. **Does not know:** what the code does; clippy and the other tests do.

pub mod behaviours;
pub mod doors;
pub mod layers;
pub mod links;
pub mod lockfile;
pub mod manifests;
pub mod places;
pub mod sources;
pub mod workspace;

#[cfg(test)]
#[path = "rules_test.rs"]
mod rules_test;
