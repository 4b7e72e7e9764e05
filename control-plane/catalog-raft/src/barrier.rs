//! ReadIndex, shared: whoever asks while a round is under way waits for the next one, and all who wait share it.

use parking_lot::Mutex;
use tidelog_catalog_api::CatalogError;
use tidelog_model::LogIndex;
use tokio::sync::{Notify, oneshot};

type Answer = Result<LogIndex, CatalogError>;

/// Those who wait for the next round. Each is a caller's future, so they are as many as the callers allow themselves.
pub(crate) struct Barrier {
    /// `None` when closed.
    waiting: Mutex<Option<Vec<oneshot::Sender<Answer>>>>,
    arrived: Notify,
}

impl Barrier {
    pub(crate) fn new() -> Barrier {
        Barrier { waiting: Mutex::new(Some(Vec::new())), arrived: Notify::new() }
    }

    /// Waits for a round that begins after this call.
    pub(crate) async fn wait(&self) -> Answer {
        let (answer, wait) = oneshot::channel();
        match self.waiting.lock().as_mut() {
            Some(waiting) => waiting.push(answer),
            None => return Err(CatalogError::Stopped("it was closed".to_owned())),
        }
        self.arrived.notify_one();
        wait.await.unwrap_or_else(|_| Err(CatalogError::Stopped("it was closed".to_owned())))
    }

    /// Waits until somebody waits.
    pub(crate) async fn asked(&self) {
        while self.waiting.lock().as_ref().is_none_or(Vec::is_empty) {
            self.arrived.notified().await;
        }
    }

    /// Makes a round for those who have come by now.
    pub(crate) async fn round(&self, read_index: impl Future<Output = Answer>) {
        let round = self.waiting.lock().as_mut().map(std::mem::take).unwrap_or_default();
        let answer = read_index.await;
        for waiting in round {
            // Whoever no longer waits needs no answer.
            let _ = waiting.send(answer.clone());
        }
    }

    /// Nobody makes rounds any more: who waits, and who comes later, is told.
    pub(crate) fn close(&self) {
        *self.waiting.lock() = None;
    }
}
