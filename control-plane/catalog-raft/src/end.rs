//! Raft's end, as those see it who wait for its answer.
//!
//! What is sent to openraft just while it stops can be lost: it stays in the channel, unread, until the last handle goes,
//! and nobody is told. Whoever waits for an answer therefore waits for the end, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openraft::async_runtime::watch::WatchReceiver;
use tidelog_catalog_api::CatalogError;
use tokio::sync::watch;

use crate::raft_catalog::RaftHandle;

/// Why Raft has stopped, once it has. Clones share it.
#[derive(Clone)]
pub(crate) struct End {
    reason: Arc<watch::Sender<Option<String>>>,
    /// Set before Raft is told to stop: what ends then does so in order.
    is_meant: Arc<AtomicBool>,
}

impl End {
    pub(crate) fn new() -> End {
        End { reason: Arc::new(watch::Sender::new(None)), is_meant: Arc::default() }
    }

    /// Waits until Raft has stopped, and tells everybody. Not to be cancelled: whoever joins openraft's core and goes leaves
    /// the next who asks with a panic.
    pub(crate) async fn watch(self, raft: RaftHandle) {
        // Of all that can be watched this changes least; it ends when Raft does.
        let mut server = raft.server_metrics();
        while server.changed().await.is_ok() {}
        // Joins the core before anybody is told, for the same reason: who is told may be about to join it, and goes.
        if let Err(error) = raft.shutdown().await {
            tracing::debug!(%error, "raft had stopped by itself");
        }
        let reason = match &raft.metrics().borrow_watched().running_state {
            Ok(()) => "it ended without a reason".to_owned(),
            Err(fatal) => fatal.to_string(),
        };
        self.reason.send_replace(Some(reason));
    }

    /// What `answer` gives, unless Raft stops before: what has not been answered by then may never be.
    ///
    /// # Errors
    /// [`CatalogError::Stopped`], with the reason.
    pub(crate) async fn or<T>(&self, answer: impl Future<Output = T>) -> Result<T, CatalogError> {
        tokio::select! {
            biased;
            answer = answer => Ok(answer),
            reason = self.reached() => Err(CatalogError::Stopped(reason)),
        }
    }

    /// Raft is about to be told to stop.
    pub(crate) fn announce(&self) {
        self.is_meant.store(true, Ordering::SeqCst);
    }

    /// Why Raft has stopped by itself, if it has.
    pub(crate) fn failure(&self) -> Option<String> {
        let reason = self.reason.borrow().clone();
        reason.filter(|_| !self.is_meant.load(Ordering::SeqCst))
    }

    /// Waits until Raft has stopped by itself. For ever when it is told to.
    pub(crate) async fn failed(&self) -> String {
        self.reached().await;
        match self.failure() {
            Some(reason) => reason,
            None => std::future::pending().await,
        }
    }

    async fn reached(&self) -> String {
        let mut reason = self.reason.subscribe();
        // The sender lives in `self`, so this cannot fail.
        let reason = reason.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_default()
    }
}
