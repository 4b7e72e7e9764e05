//! Ctrl-C: a run breaks off, and the server that it started goes, with its folder. A second one ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

static CAUGHT: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C, SIGTERM, and the end of the terminal break a run off instead of ending the program. For programs: a library leaves signals alone.
pub fn break_off_when_interrupted() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        set(signal, note as extern "C" fn(libc::c_int) as libc::sighandler_t);
    }
}

/// Whether one of them came.
#[must_use]
pub fn is_interrupted() -> bool {
    CAUGHT.load(Relaxed)
}

/// Only what a signal handler may do.
extern "C" fn note(signal: libc::c_int) {
    CAUGHT.store(true, Relaxed);
    set(signal, libc::SIG_DFL);
}

fn set(signal: libc::c_int, handler: libc::sighandler_t) {
    // SAFETY: the handler stores to an atomic and calls `signal`, both of which a handler may do.
    unsafe { libc::signal(signal, handler) };
}
