//! The committer of a lane: proposes flushes in the order in which they were sealed, several at a time, and hands every
//! batch its answer.
//!
//! ```text
//! sealed     k   k+1  k+2        (order of admission)
//! uploaded   k+1, k, k+2         (any order)
//! proposed   k → c7, k+1 → c8 …  (in order; sequences are given out here)
//! ```
//!
//! A flush whose upload failed gets no sequence. When a proposal is not answered with an outcome, all that are under way
//! are awaited; if every one of them is known not to have been applied, those that the catalog refused fail and the others
//! are given new sequences; if any answer was lost, *the same* commits are proposed again under the same sequences until
//! the catalog says what became of them: giving one a new sequence could append it twice.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidelog_catalog_api::{
    BatchOutcome, Catalog, CatalogError, Command, CommitOutcome, CommitRefused, Outcome, Proposal,
};
use tidelog_host::metric::{counter, histogram};
use tidelog_host::{Clock, failpoint};
use tidelog_model::{CommitSequence, FirstTry, Offset, PartitionId, mutant};
use tokio::sync::{mpsc, oneshot, watch};

use crate::append::{AppendError, Appended};
use crate::flush::{Flush, Writer};
use crate::lane::{Buffer, Pending};
use crate::parked::Parked;
use crate::upload::{FailedUpload, Uploading};

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
    proposed: VecDeque<Proposed>,
    parked: Parked,
    poisoned: HashMap<(u64, PartitionId), u64>,
    /// Says why when the session is fenced or the catalog has stopped: nothing can be committed any more.
    ended: watch::Sender<Option<String>>,
}

struct Proposed {
    sequence: CommitSequence,
    flush: Flush,
    proposal: Proposal,
}

/// An answer to one proposal.
enum Answer {
    Outcome(CommitOutcome),
    /// Not applied, and the sequence is not used.
    Gap,
    Refused(String),
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
            proposed: VecDeque::new(),
            parked: Parked::new(parking),
            poisoned: HashMap::new(),
            ended,
        }
    }

    /// Runs until the sealer has gone and everything is resolved.
    pub(crate) async fn run(mut self) {
        let mut uploading: Option<Uploading> = None;
        let mut open = true;
        while open || uploading.is_some() || !self.proposed.is_empty() || !self.parked.is_empty() {
            let room = self.proposed.len() < PROPOSALS_MAX;
            let parked_due = self.parked.due();
            tokio::select! {
                biased;
                answer = answered(self.proposed.front_mut()), if !self.proposed.is_empty() => {
                    self.on_answer(answer).await;
                }
                ready = upload(uploading.as_mut()), if room && uploading.is_some() => {
                    uploading = None;
                    match ready {
                        Some(Ok(flush)) => self.propose(flush),
                        Some(Err(failed)) => self.fail_upload(failed),
                        // The upload task ended without a word: only when the process ends.
                        None => {}
                    }
                }
                next = self.flushes.recv(), if uploading.is_none() && open => {
                    match next {
                        Some(next) => uploading = Some(next),
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
        self.drop_poisoned(&mut flush);
        if flush.batches.is_empty() {
            return;
        }
        if mutant::is("acknowledge-before-commit") {
            self.acknowledge_too_early(&mut flush);
        }
        self.sequence = CommitSequence(self.sequence.0 + 1);
        let sequence = self.sequence;
        let proposal = self.send(&flush, sequence);
        self.proposed.push_back(Proposed { sequence, flush, proposal });
    }

    fn send(&self, flush: &Flush, sequence: CommitSequence) -> Proposal {
        let commit = flush.commit(self.writer, sequence, self.received);
        self.catalog.propose(Command::Commit(commit))
    }

    /// A known bug, for tests of the tests: answers with the tail that is seen now.
    fn acknowledge_too_early(&self, flush: &mut Flush) {
        for (pending, _) in &mut flush.batches {
            let (nobody, _) = oneshot::channel();
            let early = std::mem::replace(&mut pending.answer, nobody);
            let view = self.catalog.partition(pending.partition);
            let base_offset = view.map_or(Offset(0), |view| view.high_watermark);
            let _ = early.send(Ok(Appended { base_offset, log_append_time: None, log_start: Offset(0) }));
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
        if let Answer::Outcome(outcome) = first {
            self.resolve(front, outcome);
            return;
        }
        let mut unresolved = VecDeque::from([(front, first)]);
        while let Some(mut next) = self.proposed.pop_front() {
            let answer = answered(Some(&mut next)).await;
            unresolved.push_back((next, answer));
        }
        let resequence = mutant::is("resequence-lost-answers");
        if !resequence && unresolved.iter().any(|(_, answer)| matches!(answer, Answer::Lost(_))) {
            self.ask_again(unresolved).await;
        } else {
            self.settle_unapplied(unresolved);
        }
    }

    /// Nothing of this was applied except what says so; the sequences from the first on are free again.
    fn settle_unapplied(&mut self, unresolved: VecDeque<(Proposed, Answer)>) {
        let first = unresolved.front().expect("there is one at least").0.sequence;
        let mut again = Vec::new();
        self.sequence = CommitSequence(first.0 - 1);
        for (proposed, answer) in unresolved {
            match answer {
                Answer::Outcome(outcome) => {
                    // The catalog took it, so everything before it was resolved and this sequence is used.
                    self.sequence = proposed.sequence;
                    self.resolve(proposed, outcome);
                }
                Answer::Gap => again.push(proposed.flush),
                Answer::Refused(why) => self.fail(proposed.flush, AppendError::Unavailable(why)),
                Answer::Ended(why) => {
                    // It may have been applied.
                    self.end(why);
                    self.fail(proposed.flush, AppendError::Stopping);
                }
                Answer::Lost(_) => {
                    assert!(mutant::is("resequence-lost-answers"), "the caller asks again when an answer was lost");
                    self.sequence = proposed.sequence;
                    again.push(proposed.flush);
                }
            }
        }
        for flush in again {
            self.propose(flush);
        }
    }

    /// Asks the catalog, in order and one at a time, what became of these commits, until it says.
    async fn ask_again(&mut self, unresolved: VecDeque<(Proposed, Answer)>) {
        let mut queue: VecDeque<(Proposed, Option<Answer>)> =
            unresolved.into_iter().map(|(proposed, answer)| (proposed, Some(answer))).collect();
        while let Some((proposed, mut answer)) = queue.pop_front() {
            let outcome = loop {
                match answer {
                    Some(Answer::Outcome(outcome)) => break outcome,
                    Some(Answer::Ended(why)) => {
                        // Whether this was applied cannot be known here any more: no answer is given, callers time out.
                        self.end(why);
                        return;
                    }
                    Some(Answer::Lost(why) | Answer::Refused(why)) => {
                        tracing::warn!(sequence = %proposed.sequence, %why, "commit not answered, asking again");
                        self.clock.sleep(RETRY_DELAY).await;
                    }
                    Some(Answer::Gap) => self.clock.sleep(RETRY_DELAY).await,
                    None => {}
                }
                let proposal = self.send(&proposed.flush, proposed.sequence);
                answer = Some(classify(proposal.await));
            };
            self.resolve(proposed, outcome);
        }
    }

    fn end(&mut self, why: String) {
        if self.ended.borrow().is_none() {
            tracing::error!(%why, "this node can commit nothing any more");
            self.ended.send_replace(Some(why));
        }
    }

    fn resolve(&mut self, proposed: Proposed, outcome: CommitOutcome) {
        let Proposed { sequence, flush, .. } = proposed;
        self.received = self.received.max(sequence);
        match outcome {
            CommitOutcome::Applied(outcomes) => self.answer_batches(flush, &outcomes),
            CommitOutcome::ObjectRefused => {
                self.fail(flush, AppendError::Unavailable("the object's grant had ended".into()));
            }
            CommitOutcome::InlineFull => {
                self.fail(flush, AppendError::Unavailable("the catalog's inline budget is used up".into()));
            }
        }
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
                    histogram!("tidelog_ingest_append_seconds").record(pending.admitted.elapsed().as_secs_f64());
                    counter!("tidelog_ingest_records_total").increment(u64::from(pending.batch.records));
                    answer(pending, Ok(Appended { base_offset, log_append_time: None, log_start }));
                    continue;
                }
                BatchOutcome::OutOfOrder { expected } => {
                    match self.parked.offer(pending, position, &flush.place, expected, self.clock.now()) {
                        None => counter!("tidelog_ingest_parked_total").increment(1),
                        Some(pending) => answer(pending, Err(AppendError::OutOfOrder { expected })),
                    }
                    continue;
                }
                BatchOutcome::DuplicateForgotten => AppendError::DuplicateForgotten,
                BatchOutcome::UnknownProducer => AppendError::UnknownProducer,
                BatchOutcome::StaleEpoch { current } => AppendError::StaleEpoch { current },
                BatchOutcome::UnknownPartition => AppendError::UnknownPartition,
                BatchOutcome::UnexpectedOffset { tail } => AppendError::UnexpectedOffset { tail },
            };
            answer(pending, Err(error));
        }
    }

    fn fail_upload(&mut self, failed: FailedUpload) {
        let FailedUpload { batches, error } = failed;
        for pending in batches {
            self.fail_batch(pending, error.clone());
        }
    }

    fn fail(&mut self, flush: Flush, error: AppendError) {
        for (pending, _) in flush.batches {
            self.fail_batch(pending, error.clone());
        }
    }

    /// Fails a batch, and with it what the same connection has under way to the same partition: a plain producer sees
    /// its order kept. An idempotent one's sequence does that by itself.
    fn fail_batch(&mut self, pending: Pending, error: AppendError) {
        if pending.batch.header.producer_id.0 < 0 {
            self.poisoned.insert((pending.source, pending.partition), self.buffer.admissions());
        }
        answer(pending, Err(error));
    }

    fn drop_poisoned(&mut self, flush: &mut Flush) {
        if self.poisoned.is_empty() {
            return;
        }
        let newest = flush.batches.iter().map(|(pending, _)| pending.admission).max().unwrap_or(0);
        let poisoned = &self.poisoned;
        let is_poisoned = |pending: &Pending| {
            let until = poisoned.get(&(pending.source, pending.partition));
            pending.batch.header.producer_id.0 < 0 && until.is_some_and(|until| pending.admission <= *until)
        };
        let (bad, good): (Vec<_>, Vec<_>) = flush.batches.drain(..).partition(|(pending, _)| is_poisoned(pending));
        flush.batches = good;
        bad.into_iter().for_each(|(pending, _)| answer(pending, Err(AppendError::EarlierFailed)));
        // Flushes come in order of admission, so what is older than this one will not be seen again.
        self.poisoned.retain(|_, until| *until >= newest);
    }
}

fn answer(pending: Pending, result: Result<Appended, AppendError>) {
    if let Err(error) = &result {
        counter!("tidelog_ingest_refused_total", "kind" => format!("{:?}", error.kind())).increment(1);
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

async fn upload(uploading: Option<&mut Uploading>) -> Option<Result<Flush, FailedUpload>> {
    match uploading {
        Some(uploading) => (&mut uploading.ready).await.ok(),
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
            CommitRefused::TooManyOutcomes => Answer::Refused(refused.to_string()),
        },
        Ok(other) => panic!("a commit was answered with {other:?}"),
        Err(CatalogError::Stopped(why)) => Answer::Ended(why),
        Err(error) => match error.first_try() {
            FirstTry::DidNotHappen => Answer::Refused(error.to_string()),
            FirstTry::MayHaveHappened => Answer::Lost(error.to_string()),
        },
    }
}
