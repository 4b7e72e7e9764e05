//! An append and its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use tidelog_catalog_api::{CatalogError, KeyLayout, KeyedBatch};
use tidelog_model::{ErrorKind, FencingToken, FirstTry, Offset, PartitionId, ProducerEpoch, TimestampMs};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::{CheckedBatch, Reservation};

/// Batches of one partition of one request.
#[derive(Clone, Debug)]
pub struct Append {
    /// Where to.
    pub partition: PartitionId,
    /// What, in order.
    pub batches: Vec<CheckedBatch>,
    /// Who: a number for the connection. When an append cannot be stored, later ones of the same source and partition
    /// that are not yet proposed to the catalog fail too, so that a plain producer's order is kept.
    pub source: u64,
    /// When to stop waiting. What is under way then may still land.
    pub deadline: Instant,
    /// Nobody waits for the answer (acks=0), so that nobody does is no reason to drop it.
    pub unattended: bool,
    /// The request's share of the bytes in flight: kept for as long as a batch is, also when nobody waits any more.
    pub held: Option<Arc<Reservation>>,
    /// What must hold for the batches to be appended.
    pub conditions: Option<Box<Conditions>>,
}

/// What must hold for batches to be appended, beside what their headers ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The tail must be this at the first batch, and each of the others must follow the one before.
    pub expected_offset: Option<Offset>,
    /// No higher one may have been seen in the partition.
    pub fencing_token: Option<FencingToken>,
    /// The first batch of a request that lands once; the others are numbered from it on.
    pub key: Option<KeyedBatch>,
}

/// An append that is durable and has its offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Of the first record.
    pub base_offset: Offset,
    /// Set when the topic stamps records itself. Not of a duplicate: when its first try was appended is in the log alone.
    pub log_append_time: Option<TimestampMs>,
    /// It had been appended before, and was not again.
    pub is_duplicate: bool,
    /// The partition's first offset.
    pub log_start: Offset,
}

/// Why an append was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The topic or partition does not exist.
    #[error("unknown topic or partition")]
    UnknownPartition,
    /// A batch before it is missing, and did not come in time.
    #[error("out of order: the producer's next sequence is {expected}")]
    OutOfOrder {
        /// The sequence that would be next.
        expected: i32,
    },
    /// The producer is not known here and does not begin at sequence 0.
    #[error("unknown producer")]
    UnknownProducer,
    /// A newer epoch of the producer has written.
    #[error("producer epoch is stale, the current one is {}", current.0)]
    StaleEpoch {
        /// The newer one.
        current: ProducerEpoch,
    },
    /// It was appended before, so long ago that its offset is forgotten.
    #[error("duplicate of a batch whose offset is forgotten")]
    DuplicateForgotten,
    /// The expected offset was not the tail.
    #[error("the tail is {tail}")]
    UnexpectedOffset {
        /// The tail.
        tail: Offset,
    },
    /// A higher fencing token was seen.
    #[error("the fencing token {} was seen, which is higher; the tail is {tail}", token.0)]
    Fenced {
        /// The highest.
        token: FencingToken,
        /// The tail.
        tail: Offset,
    },
    /// A condition of the producer's did not hold before.
    #[error("a condition of the producer's did not hold in epoch {}, and nothing more of it is taken in that epoch", epoch.0)]
    ProducerHalted {
        /// Above this epoch it may go on.
        epoch: ProducerEpoch,
    },
    /// The Idempotency-Key was used for something else.
    #[error("the Idempotency-Key was used for another request")]
    KeyReused,
    /// The request's first try was made into batches in another way.
    #[error("the request's first try was made into batches in another way")]
    OtherLayout {
        /// In this one.
        layout: KeyLayout,
    },
    /// So many Idempotency-Keys are remembered that there is no room for one more yet.
    #[error("as many Idempotency-Keys are remembered as there is room for, and none is old enough to be forgotten")]
    KeysFull,
    /// Not resolved by its deadline: it may still be appended.
    #[error("not resolved in time")]
    Timeout,
    /// No room: nothing was appended.
    #[error("the store is full: {0}")]
    StoreFull(String),
    /// Store or catalog did not take it: nothing was appended.
    #[error("not appended: {0}")]
    Unavailable(String),
    /// An earlier append of the same connection and partition failed: nothing was appended.
    #[error("not appended, because an earlier one of this connection and partition failed")]
    EarlierFailed,
    /// The node is stopping: it may or may not have been appended.
    #[error("the node is stopping")]
    Stopping,
}

impl AppendError {
    /// The catalog did not take a commit.
    pub(crate) fn of_refused(error: CatalogError) -> AppendError {
        match error {
            CatalogError::Full(why) => AppendError::StoreFull(why),
            other => AppendError::Unavailable(other.to_string()),
        }
    }

    /// What the caller would do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            AppendError::UnknownPartition => ErrorKind::NotFound,
            AppendError::OutOfOrder { .. }
            | AppendError::UnknownProducer
            | AppendError::DuplicateForgotten
            | AppendError::UnexpectedOffset { .. }
            | AppendError::KeyReused
            | AppendError::OtherLayout { .. } => ErrorKind::Conflict,
            AppendError::StaleEpoch { .. } | AppendError::Fenced { .. } | AppendError::ProducerHalted { .. } => {
                ErrorKind::Fenced
            }
            AppendError::StoreFull(_) | AppendError::KeysFull => ErrorKind::Throttled,
            AppendError::Timeout | AppendError::Unavailable(_) | AppendError::EarlierFailed | AppendError::Stopping => {
                ErrorKind::Unavailable
            }
        }
    }

    /// Whether it may have been appended all the same.
    #[must_use]
    pub fn first_try(&self) -> FirstTry {
        match self {
            AppendError::Timeout | AppendError::Stopping => FirstTry::MayHaveHappened,
            AppendError::UnknownPartition
            | AppendError::OutOfOrder { .. }
            | AppendError::UnknownProducer
            | AppendError::StaleEpoch { .. }
            | AppendError::DuplicateForgotten
            | AppendError::UnexpectedOffset { .. }
            | AppendError::Fenced { .. }
            | AppendError::ProducerHalted { .. }
            | AppendError::KeyReused
            | AppendError::OtherLayout { .. }
            | AppendError::KeysFull
            | AppendError::StoreFull(_)
            | AppendError::Unavailable(_)
            | AppendError::EarlierFailed => FirstTry::DidNotHappen,
        }
    }
}

/// The answer to one batch.
pub(crate) type BatchResult = Result<Appended, AppendError>;

/// Resolves when every batch of the append is durable and committed, or will not be. Dropping it takes nothing back.
pub struct AppendFuture {
    inner: BoxFuture<'static, BatchResult>,
}

impl AppendFuture {
    pub(crate) fn new(answers: Vec<oneshot::Receiver<BatchResult>>, deadline: Instant) -> AppendFuture {
        let all = async move {
            let mut first = None;
            for answer in answers {
                let appended = answer.await.unwrap_or(Err(AppendError::Stopping))?;
                first.get_or_insert(appended);
            }
            Ok(first.expect("an append has a batch at least"))
        };
        let inner = async move {
            match tokio::time::timeout_at(deadline, all).await {
                Ok(result) => result,
                Err(_) => Err(AppendError::Timeout),
            }
        };
        AppendFuture { inner: inner.boxed() }
    }

    pub(crate) fn ready(result: BatchResult) -> AppendFuture {
        AppendFuture { inner: futures::future::ready(result).boxed() }
    }
}

impl Future for AppendFuture {
    type Output = BatchResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BatchResult> {
        self.inner.poll_unpin(cx)
    }
}
