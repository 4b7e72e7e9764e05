//! What is said on standard error beside the data: what was done, and what is otherwise than one might think.

use std::io::{self, IsTerminal};

use crate::escape::shown;

/// Says what was done, if somebody watches. A script has the exit code.
pub(crate) fn done(text: &str) {
    if io::stderr().is_terminal() {
        eprintln!("{}", shown(text));
    }
}

/// Says what should be known in any case.
pub(crate) fn told(text: &str) {
    eprintln!("tidelog: {}", shown(text));
}
