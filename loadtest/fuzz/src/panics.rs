//! Panics are findings here: they are kept instead of printed where a target runs, and printed where they should never be.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the threads are called that run targets.
pub const WORKER: &str = "fuzz-worker";

static ELSEWHERE: AtomicUsize = AtomicUsize::new(0);
static LAST: Mutex<String> = Mutex::new(String::new());

/// From now on.
pub fn keep() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        // One that ends the process is seen by this line alone.
        if std::thread::current().name() != Some(WORKER) {
            ELSEWHERE.fetch_add(1, Ordering::SeqCst);
            eprintln!("{text}");
        }
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }));
}

/// How many there were outside of the threads that run targets.
pub fn elsewhere() -> usize {
    ELSEWHERE.load(Ordering::SeqCst)
}

/// What the last one said.
pub fn last() -> String {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
