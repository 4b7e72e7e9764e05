//! That a server was away, and that it is tried again: said once in a while.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::escape::shown;

/// So often at most.
const QUIET_FOR: Duration = Duration::from_secs(10);

/// Says on standard error, not for every try, that something goes on only when the server is there again.
pub(crate) fn told_once() -> impl Fn(&tidelog::Error, Duration) + Send + Sync {
    let told_at = Mutex::new(None::<Instant>);
    move |error, _| {
        let mut told_at = told_at.lock().unwrap_or_else(PoisonError::into_inner);
        if told_at.is_none_or(|at| at.elapsed() > QUIET_FOR) {
            *told_at = Some(Instant::now());
            eprintln!("tidelog: {}; trying again", shown(&error.to_string()));
        }
    }
}
