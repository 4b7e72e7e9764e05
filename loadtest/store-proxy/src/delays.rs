//! Waiting for a point in time to well below a millisecond. The runtime's own timers go by whole milliseconds, upwards, which
//! would be a tenth of what the zonal class takes. One thread sleeps for all who wait, and only wakes them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// The thread, and who waits for it.
pub(crate) struct Delays {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// By time, and by a number for those of the same time. As many as there are requests, whose number is bounded; one that
    /// has gone stays until its time.
    due: BTreeMap<(Instant, u64), oneshot::Sender<()>>,
    number: u64,
    is_over: bool,
}

impl Delays {
    pub(crate) fn start() -> std::io::Result<Delays> {
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new().name("delays".to_owned()).spawn(move || wake(&of_thread))?;
        Ok(Delays { shared, thread: Some(thread) })
    }

    /// Comes back at `due`, at once when that is past. A cancelled caller leaves nothing that anybody waits for.
    pub(crate) async fn until(&self, due: Instant) {
        if due <= Instant::now() {
            return;
        }
        let woken = {
            let mut waiting = self.shared.waiting.lock();
            let (wake, woken) = oneshot::channel();
            let number = waiting.number;
            waiting.number += 1;
            let is_first = waiting.due.first_key_value().is_none_or(|((first, _), _)| due < *first);
            waiting.due.insert((due, number), wake);
            if is_first {
                self.shared.changed.notify_one();
            }
            woken
        };
        // An error says that the proxy has ended, which nobody waits for any longer either.
        let _ = woken.await;
    }
}

impl Drop for Delays {
    fn drop(&mut self) {
        self.shared.waiting.lock().is_over = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It panics at nothing that it does.
            let _ = thread.join();
        }
    }
}

fn wake(shared: &Shared) {
    let mut waiting = shared.waiting.lock();
    while !waiting.is_over {
        let now = Instant::now();
        match waiting.due.first_key_value().map(|((due, _), _)| *due) {
            Some(due) if due <= now => {
                if let Some((_, wake)) = waiting.due.pop_first() {
                    // Who waited may have gone.
                    let _ = wake.send(());
                }
            }
            Some(due) => {
                shared.changed.wait_until(&mut waiting, due);
            }
            None => shared.changed.wait(&mut waiting),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_nearest_is_woken_first_and_none_early() {
        let delays = Delays::start().expect("a thread");
        let start = Instant::now();
        let wait = |ms| {
            let due = start + Duration::from_millis(ms);
            let delays = &delays;
            async move {
                delays.until(due).await;
                (ms, Instant::now().duration_since(due))
            }
        };
        let ((far, _), (near, _), (past, _)) = tokio::join!(wait(60), wait(20), wait(0));
        assert_eq!((far, near, past), (60, 20, 0));
        // The last of them came with its time, not before: `duration_since` is 0 for what is earlier.
        assert!(start.elapsed() >= Duration::from_millis(60));
    }

    #[tokio::test]
    async fn half_a_millisecond_is_not_a_whole_one() {
        let delays = Delays::start().expect("a thread");
        let mut late = Vec::new();
        for _ in 0..200 {
            let due = Instant::now() + Duration::from_micros(500);
            delays.until(due).await;
            late.push(Instant::now().duration_since(due));
        }
        late.sort();
        // A quarter, because the machine may be busy; the runtime's timers would be late by more in nine of ten.
        assert!(late[50] < Duration::from_micros(400), "{:?} late", late[50]);
    }
}
