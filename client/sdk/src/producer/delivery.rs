//! What becomes of a record.

use std::pin::Pin;
use std::sync::Arc;
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

/// Of one batch, for all who wait for it.
pub(crate) type Settled = Shared<oneshot::Receiver<Arc<Outcome>>>;

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
        Pin::new(&mut self.settled).poll(context).map(|outcome| match outcome.as_deref() {
            Ok(Outcome::Stored(places)) => Ok(places[index]),
            Ok(Outcome::Failed(error)) => Err(error.clone()),
            Ok(Outcome::Mixed(each)) => each[index].clone(),
            // The task that would tell was ended with its runtime: a request may have been under way.
            Err(_) => Err(Error::Broken {
                server: "the server".into(),
                why: "the runtime that the producer was on has ended".into(),
            }),
        })
    }
}
