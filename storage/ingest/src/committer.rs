//! The committer of a lane: proposes flushes in the order in which they were sealed, several at a time, and hands every
//! batch its answer.
//!
//! ```text
//! sealed     k   k+1  k+2        (order of admission)
//! uploaded   k+1, k, k+2         (any order)
//! proposed   k → c7, k+1 → c8 …  (in order; sequences are given out here)
//! ```
//!
//! A flush whose upload failed gets no sequence, and one that takes long holds back only its own partitions
//! ([`crate::waiting`]). When a proposal is not answered with "applied", all that are under way are awaited; if every answer
//! is known, those that the catalog refused fail, and the others, which it does not let pass the refused ones, are given
//! new sequences; if any answer was lost, *the same* commits are proposed again under the same sequences until the catalog
//! says what became of them: giving one a new sequence could append it twice.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tidelog_catalog_api::{BatchOutcome, Catalog, CatalogError, CommitOutcome, CommitRefused, Outcome, Proposal};
use tidelog_host::{Clock, failpoint, follow};
use tidelog_model::{CommitSequence, FirstTry, Offset, PartitionId, mutant};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Span;

use crate::append::{AppendError, Appended};
use crate::flush::{Flush, Writer};
use crate::lane::{Buffer, Pending};
use crate::meters::{self, CommitMeters};
use crate::parked::Parked;
use crate::poisoned::Poisoned;
use crate::upload::Uploading;
use crate::waiting::{Next, Waiting};

/// Proposals under way at once, on the whole lane.
const PROPOSALS_MAX: usize = 16;
/// Between two tries of a proposal whose answer was lost.
const RETRY_DELAY: Duration = Duration::from_millis(50);

pub(crate) struct Committer {
    catalog: Arc<dyn Catalog>,
    clock: Clock,
    writer: Writer,
    buffer: Arc<Buffer>,
    flushes: mpsc::Receiver<Uploading>,
    /// The last sequence that was given out.
    sequence: CommitSequence,
    /// Every outcome up to here has been received.
    received: CommitSequence,
    waiting: Waiting,
    /// The newest admission that has come here.
    newest: u64,
    proposed: VecDeque<Proposed>,
    parked: Parked,
    poisoned: Poisoned,
    /// Says why when the session is fenced or the catalog has stopped: nothing can be committed any more.
    ended: watch::Sender<Option<String>>,
    meters: CommitMeters,
}

struct Proposed {
    sequence: CommitSequence,
    /// Which outcomes it said were received: asked again, it says the same.
    received: CommitSequence,
    flush: Flush,
    proposal: Proposal,
    /// Follows the proposal until it is answered.
    _span: Span,
}

/// An answer to one proposal.
enum Answer {
    Outcome(CommitOutcome),
    /// Not applied, and the sequence is not used.
    Gap,
    Refused(AppendError),
    Lost(String),
    Ended(String),
}

impl Committer {
    pub(crate) fn new(
        catalog: Arc<dyn Catalog>,
        clock: Clock,
        writer: Writer,
        buffer: Arc<Buffer>,
        flushes: mpsc::Receiver<Uploading>,
        parking: Duration,
        ended: watch::Sender<Option<String>>,
    ) -> Committer {
        Committer {
            catalog,
            clock,
            writer,
            buffer,
            flushes,
            sequence: CommitSequence(0),
            received: CommitSequence(0),
            waiting: Waiting::default(),
            newest: 0,
            proposed: VecDeque::new(),
            parked: Parked::new(parking),
            poisoned: Poisoned::default(),
            ended,
            meters: CommitMeters::new(),
        }
    }

    /// Runs until the sealer has gone and everything is resolved.
    pub(crate) async fn run(mut self) {
        let mut open = true;
        while open || !self.waiting.is_empty() || !self.proposed.is_empty() || !self.parked.is_empty() {
            let room = self.proposed.len() < PROPOSALS_MAX;
            let parked_due = self.parked.due();
            tokio::select! {
                biased;
                answer = answered(self.proposed.front_mut()), if !self.proposed.is_empty() => {
                    self.on_answer(answer).await;
                }
                next = self.waiting.next(), if room && !self.waiting.is_empty() => {
                    match next {
                        Next::Propose(flush) => self.propose(flush),
                        Next::Fail(failed) => self.fail(failed.batches, &failed.error),
                    }
                    self.poisoned.forget(self.newest, self.waiting.oldest());
                }
                next = self.flushes.recv(), if room && open => {
                    match next {
                        Some(next) => {
                            self.newest = self.newest.max(next.admissions.1);
                            self.waiting.push(next);
                        }
                        None => open = false,
                    }
                }
                () = wait_until(parked_due), if room && parked_due.is_some() => {
                    self.propose_parked();
                }
            }
        }
    }

    fn propose(&mut self, flush: Flush) {
        let ended = self.ended.borrow().clone();
        if let Some(why) = ended {
            let error = AppendError::Unavailable(why);
            flush.batches.into_iter().for_each(|(pending, _)| answer(pending, Err(error.clone())));
            return;
        }
        let mut flush = flush;
        for pending in self.poisoned.take_from(&mut flush) {
            answer(pending, Err(AppendError::EarlierFailed));
        }
        if flush.batches.is_empty() {
            return;
        }
        if mutant!("acknowledge-before-commit") {
            self.acknowledge_too_early(&mut flush);
        }
        self.sequence = CommitSequence(self.sequence.0 + 1);
        let sequence = self.sequence;
        let received = self.received;
        let proposal = self.send(&flush, sequence, received);
        let around = flush.slot.as_ref().map_or_else(Span::none, |slot| slot.span());
        let _span = follow!(within: &around, "commit", entries = flush.batches.len());
        self.proposed.push_back(Proposed { sequence, received, flush, proposal, _span });
    }

    fn send(&self, flush: &Flush, sequence: CommitSequence, received: CommitSequence) -> Proposal {
        let commit = flush.commit(self.writer, sequence, received);
        self.catalog.propose(commit)
    }

    /// A known bug, for tests of the tests: answers with the tail that is seen now.
    fn acknowledge_too_early(&self, flush: &mut Flush) {
        for (pending, _) in &mut flush.batches {
            let (nobody, _) = oneshot::channel();
            let early = std::mem::replace(&mut pending.answer, nobody);
            let view = self.catalog.partition(pending.partition);
            let base_offset = view.map_or(Offset(0), |view| view.high_watermark);
            let log_append_time = pending.batch.log_append_time();
            let _ =
                early.send(Ok(Appended { base_offset, log_append_time, is_duplicate: false, log_start: Offset(0) }));
        }
    }

    fn propose_parked(&mut self) {
        let room = PROPOSALS_MAX.saturating_sub(self.proposed.len());
        let due = self.parked.take_due(self.clock.now(), room);
        for (pending, expected) in due.given_up {
            answer(pending, Err(AppendError::OutOfOrder { expected }));
        }
        due.flushes.into_iter().for_each(|flush| self.propose(flush));
    }

    async fn on_answer(&mut self, first: Answer) {
        let front = self.proposed.pop_front().expect("an answer belongs to the first proposal");
        if let Answer::Outcome(outcome @ CommitOutcome::Applied(_)) = first {
            self.resolve(front, outcome);
            return;
        }
        let mut unresolved = VecDeque::from([(front, first)]);
        while let Some(mut next) = self.proposed.pop_front() {
            let answer = answered(Some(&mut next)).await;
            unresolved.push_back((next, answer));
        }
        let resequence = mutant!("resequence-lost-answers");
        let again = if !resequence && unresolved.iter().any(|(_, answer)| matches!(answer, Answer::Lost(_))) {
            self.ask_again(unresolved).await
        } else {
            self.settle(unresolved)
        };
        for flush in again {
            self.propose(flush);
        }
    }

    /// Nothing of this was applied except what says so; the sequences after the last outcome are free again. Returns what
    /// is to be proposed again.
    fn settle(&mut self, unresolved: VecDeque<(Proposed, Answer)>) -> Vec<Flush> {
        let first = unresolved.front().expect("there is one at least").0.sequence;
        let mut again = Vec::new();
        self.sequence = CommitSequence(first.0 - 1);
        for (proposed, answer) in unresolved {
            match answer {
                Answer::Outcome(outcome) => {
                    // The catalog took it, so everything before it was resolved and this sequence is used.
                    self.sequence = proposed.sequence;
                    again.extend(self.resolve(proposed, outcome));
                }
                Answer::Gap => again.push(proposed.flush),
                Answer::Refused(error) => self.fail_flush(proposed.flush, &error),
                Answer::Ended(why) => {
                    // It may have been applied.
                    self.end(why);
                    self.fail_flush(proposed.flush, &AppendError::Stopping);
                }
                Answer::Lost(_) => {
                    assert!(mutant!("resequence-lost-answers"), "the caller asks again when an answer was lost");
                    self.sequence = proposed.sequence;
                    again.push(proposed.flush);
                }
            }
        }
        again
    }

    /// Asks the catalog, in order and one at a time, what became of these commits, until it says. Returns what is to be
    /// proposed again.
    async fn ask_again(&mut self, unresolved: VecDeque<(Proposed, Answer)>) -> Vec<Flush> {
        let mut queue: VecDeque<(Proposed, Option<Answer>)> =
            unresolved.into_iter().map(|(proposed, answer)| (proposed, Some(answer))).collect();
        let mut again = Vec::new();
        while let Some((proposed, mut answer)) = queue.pop_front() {
            let outcome = loop {
                match answer {
                    Some(Answer::Outcome(outcome)) => break outcome,
                    Some(Answer::Ended(why)) => {
                        // Whether this was applied cannot be known here any more: no answer is given, callers time out.
                        self.end(why);
                        return again;
                    }
                    Some(Answer::Lost(why)) => {
                        tracing::warn!(sequence = %proposed.sequence, %why, "commit not answered, asking again");
                        self.clock.sleep(RETRY_DELAY).await;
                    }
                    Some(Answer::Refused(error)) => {
                        tracing::warn!(sequence = %proposed.sequence, %error, "commit not taken, asking again");
                        self.clock.sleep(RETRY_DELAY).await;
                    }
                    Some(Answer::Gap) => self.clock.sleep(RETRY_DELAY).await,
                    None => {}
                }
                let proposal = self.send(&proposed.flush, proposed.sequence, proposed.received);
                answer = Some(classify(proposal.await));
            };
            again.extend(self.resolve(proposed, outcome));
        }
        again
    }

    fn end(&mut self, why: String) {
        if self.ended.borrow().is_none() {
            tracing::error!(%why, "this node can commit nothing any more");
            self.ended.send_replace(Some(why));
        }
    }

    /// Returns the flush when it is to be proposed again.
    fn resolve(&mut self, proposed: Proposed, outcome: CommitOutcome) -> Option<Flush> {
        let Proposed { sequence, flush, .. } = proposed;
        self.received = self.received.max(sequence);
        match outcome {
            CommitOutcome::Applied(outcomes) => self.answer_batches(flush, &outcomes),
            CommitOutcome::ObjectRefused => {
                self.fail_flush(flush, &AppendError::Unavailable("the object's grant had ended".into()));
            }
            CommitOutcome::InlineFull => {
                self.fail_flush(flush, &AppendError::Unavailable("the catalog's inline budget is used up".into()));
            }
            CommitOutcome::EarlierRefused => return Some(flush),
        }
        None
    }

    fn answer_batches(&mut self, flush: Flush, outcomes: &[BatchOutcome]) {
        assert_eq!(flush.batches.len(), outcomes.len(), "one outcome per batch");
        failpoint::hit("before_acknowledge");
        let mut log_start: Option<(PartitionId, Offset)> = None;
        for ((pending, position), outcome) in flush.batches.into_iter().zip(outcomes) {
            let error = match *outcome {
                BatchOutcome::Appended { base_offset } | BatchOutcome::Duplicate { base_offset } => {
                    let partition = pending.partition;
                    self.parked.landed(partition, pending.batch.header.producer_id, self.clock.now());
                    if log_start.is_none_or(|(known, _)| known != partition) {
                        let view = self.catalog.partition(partition);
                        log_start = Some((partition, view.map_or(Offset(0), |view| view.log_start)));
                    }
                    let log_start = log_start.expect("set above").1;
                    let (records, bytes) = (pending.batch.records, pending.batch.bytes.len());
                    self.meters.acknowledged(pending.admitted.elapsed(), records, bytes);
                    let is_duplicate = matches!(outcome, BatchOutcome::Duplicate { .. });
                    let log_append_time = if is_duplicate { None } else { pending.batch.log_append_time() };
                    answer(pending, Ok(Appended { base_offset, log_append_time, is_duplicate, log_start }));
                    continue;
                }
                BatchOutcome::OutOfOrder { expected } => {
                    match self.parked.offer(pending, position, &flush.place, expected, self.clock.now()) {
                        None => self.meters.parked(),
                        Some(pending) => answer(pending, Err(AppendError::OutOfOrder { expected })),
                    }
                    continue;
                }
                BatchOutcome::DuplicateForgotten => AppendError::DuplicateForgotten,
                BatchOutcome::UnknownProducer => AppendError::UnknownProducer,
                BatchOutcome::StaleEpoch { current } => AppendError::StaleEpoch { current },
                BatchOutcome::UnknownPartition => AppendError::UnknownPartition,
                BatchOutcome::UnexpectedOffset { tail } => AppendError::UnexpectedOffset { tail },
                BatchOutcome::Fenced { token, tail } => AppendError::Fenced { token, tail },
                BatchOutcome::ProducerHalted { epoch } => AppendError::ProducerHalted { epoch },
                BatchOutcome::KeyReused => AppendError::KeyReused,
                BatchOutcome::OtherLayout { layout } => AppendError::OtherLayout { layout },
                BatchOutcome::KeysFull => AppendError::KeysFull,
            };
            answer(pending, Err(error));
        }
    }

    fn fail_flush(&mut self, flush: Flush, error: &AppendError) {
        self.fail(flush.batches.into_iter().map(|(pending, _)| pending), error);
    }

    /// Fails batches, and with them what the same connections have under way to the same partitions.
    fn fail(&mut self, batches: impl IntoIterator<Item = Pending>, error: &AppendError) {
        let until = self.buffer.admissions();
        for pending in batches {
            self.poisoned.add(&pending, until);
            answer(pending, Err(error.clone()));
        }
    }
}

fn answer(pending: Pending, result: Result<Appended, AppendError>) {
    if let Err(error) = &result {
        meters::refused(error.kind());
    }
    // Whoever asked may have gone; that changes nothing.
    let _ = pending.answer.send(result);
}

async fn answered(proposed: Option<&mut Proposed>) -> Answer {
    match proposed {
        Some(proposed) => classify((&mut proposed.proposal).await),
        None => std::future::pending().await,
    }
}

async fn wait_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn classify(result: Result<Outcome, CatalogError>) -> Answer {
    match result {
        Ok(Outcome::Committed(Ok(outcome))) => Answer::Outcome(outcome),
        Ok(Outcome::Committed(Err(refused))) => match refused {
            CommitRefused::SequenceGap { .. } => Answer::Gap,
            CommitRefused::SessionFenced | CommitRefused::OutcomeForgotten => Answer::Ended(refused.to_string()),
            CommitRefused::TooManyOutcomes => Answer::Refused(AppendError::Unavailable(refused.to_string())),
        },
        Ok(other) => panic!("a commit was answered with {other:?}"),
        Err(CatalogError::Stopped(why)) => Answer::Ended(why),
        Err(error) => match error.first_try() {
            FirstTry::DidNotHappen => Answer::Refused(AppendError::of_refused(error)),
            FirstTry::MayHaveHappened => Answer::Lost(error.to_string()),
        },
    }
}
