//! Tasks: every one has a name, an owner who joins it, and an answer to "what if it panics".

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a panic in a task means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPanic {
    /// The process cannot be trusted any more and ends: ingest, commit, apply.
    EndProcess,
    /// Only this task's work is lost: one connection, one request.
    Continue,
}

/// Spawns named tasks, tells them when to stop, and joins them. Clones share one set.
#[derive(Clone)]
pub struct Tasks {
    inner: Arc<Inner>,
}

struct Inner {
    stop: watch::Sender<bool>,
    /// The same for who asks often: looking at the channel takes its lock.
    is_stopping: AtomicBool,
    /// Long-lived tasks, joined at shutdown. Short-lived ones are counted by their owners.
    joined: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
    runtime: tokio::runtime::Handle,
}

impl Tasks {
    /// A set of tasks on the current runtime.
    ///
    /// # Panics
    /// Outside a runtime.
    #[must_use]
    pub fn on_current_runtime() -> Tasks {
        let inner = Inner {
            stop: watch::Sender::new(false),
            is_stopping: AtomicBool::new(false),
            joined: Mutex::new(Vec::new()),
            runtime: tokio::runtime::Handle::current(),
        };
        Tasks { inner: Arc::new(inner) }
    }

    /// Runs `future` as a task that [`Tasks::stop`] joins. It should end soon after [`Tasks::stopping`] does.
    pub fn spawn(&self, name: &'static str, on_panic: OnPanic, future: impl Future<Output = ()> + Send + 'static) {
        let handle = self.inner.runtime.spawn(guard(name, on_panic, future));
        let mut joined = self.inner.joined.lock();
        joined.retain(|(_, task)| !task.is_finished());
        joined.push((name, handle));
    }

    /// Runs `future` as a task that nobody joins, because whoever waits for its result does. A panic is handled as
    /// `on_panic` says.
    pub fn spawn_detached(
        &self,
        name: &'static str,
        on_panic: OnPanic,
        future: impl Future<Output = ()> + Send + 'static,
    ) {
        self.inner.runtime.spawn(guard(name, on_panic, future));
    }

    /// Ends when the tasks should stop. A cancelled caller leaves nothing behind.
    pub async fn stopping(&self) {
        let mut stop = self.inner.stop.subscribe();
        // The sender lives in `self`, so this cannot fail while `self` is borrowed.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Whether [`Tasks::stop`] was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.inner.is_stopping.load(Ordering::Acquire)
    }

    /// Tells every task to stop and waits for those that [`Tasks::spawn`] started.
    pub async fn stop(&self) {
        self.inner.is_stopping.store(true, Ordering::Release);
        self.inner.stop.send_replace(true);
        loop {
            let Some((name, task)) = self.inner.joined.lock().pop() else { return };
            if task.await.is_err() {
                tracing::error!(name, "task did not end by itself");
            }
        }
    }
}

/// Turns a panic into what `on_panic` says; the panic hook has already printed where it was.
///
/// Not an async function: its task would have room for `future` twice, as it comes in and as it is waited for.
fn guard(
    name: &'static str,
    on_panic: OnPanic,
    future: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    use futures::FutureExt;
    std::panic::AssertUnwindSafe(future).catch_unwind().map(move |ended| {
        if ended.is_err() {
            match on_panic {
                OnPanic::EndProcess => {
                    tracing::error!(
                        name,
                        "task panicked, the process ends: nothing here is worth more than what is stored"
                    );
                    std::process::abort();
                }
                OnPanic::Continue => tracing::error!(name, "task panicked"),
            }
        }
    })
}
