//! What becomes of a record.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::future::Shared;
use tokio::sync::oneshot;

use crate::{Error, RecordPlace};

/// What became of a batch.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// All of it is stored.
    Stored(Vec<RecordPlace>),
    /// None of it is known to be stored.
    Failed(Error),
    /// Some of it is.
    Mixed(Vec<Result<RecordPlace, Error>>),
}

/// Why a partition goes on with nothing that was sent before somebody was told.
#[derive(Debug)]
pub(crate) struct Failure {
    cause: Arc<Error>,
    is_told: AtomicBool,
}

impl Failure {
    pub(super) fn new(cause: Error) -> Failure {
        Failure { cause: Arc::new(cause), is_told: AtomicBool::new(false) }
    }

    /// What is said of records behind it.
    pub(super) fn earlier(&self) -> Error {
        Error::EarlierFailed { cause: self.cause.clone() }
    }

    pub(super) fn is_told(&self) -> bool {
        self.is_told.load(Ordering::Acquire)
    }
}

/// What everybody is told who waits for a batch.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(super) outcome: Outcome,
    /// If nothing behind the batch may be stored.
    pub(super) failure: Option<Arc<Failure>>,
}

/// Of one batch, for all who wait for it.
pub(crate) type Settled = Shared<oneshot::Receiver<Arc<Settlement>>>;

/// The success or failure of one record, to be awaited. It happens whether or not anybody does.
#[derive(Clone, Debug)]
pub struct Delivery {
    settled: Settled,
    /// Of the record in its batch.
    index: usize,
}

impl Delivery {
    pub(super) fn new(settled: Settled, index: usize) -> Delivery {
        Delivery { settled, index }
    }
}

impl Future for Delivery {
    type Output = Result<RecordPlace, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let index = self.index;
        Pin::new(&mut self.settled).poll(context).map(|settlement| {
            let Ok(settlement) = settlement else {
                // The task that would tell was ended with its runtime: a request may have been under way.
                let why = "the runtime that the producer was on has ended".into();
                return Err(Error::Broken { server: "the server".into(), why, may_have_happened: true });
            };
            let told = match &settlement.outcome {
                Outcome::Stored(places) => Ok(places[index]),
                Outcome::Failed(error) => Err(error.clone()),
                Outcome::Mixed(each) => each[index].clone(),
            };
            if let (Err(_), Some(failure)) = (&told, &settlement.failure) {
                failure.is_told.store(true, Ordering::Release);
            }
            told
        })
    }
}
