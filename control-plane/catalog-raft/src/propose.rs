//! Proposals: in the order of their calls, pipelined, bounded in number and bytes, each with one answer.

use std::sync::Arc;

use openraft::OptionalSend;
use openraft::errors::ClientWriteError;
use openraft::raft::ClientWriteResult;
use openraft::raft::responder::Responder;
use parking_lot::Mutex;
use tidelog_catalog_api::{CatalogError, Command, Outcome, Proposal};
use tidelog_host::failpoint;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::end::End;
use crate::log::RaftLog;
use crate::machine::Machine;
use crate::measure;
use crate::types::{Logged, TypeConfig};

/// Proposals that wait for their answer.
pub(crate) const PROPOSALS_MAX: usize = 16_384;
/// Their bytes. What waits must fit the log's reserve, see the log's header.
const PROPOSALS_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Largest command. A flush of as many batches as an object can have is well below.
pub(crate) const COMMAND_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The budget is counted in these.
const UNIT_BYTES: usize = 256;

const _: () = assert!(COMMAND_BYTES_MAX <= PROPOSALS_BYTES_MAX);
const _: () = assert!(COMMAND_BYTES_MAX <= crate::log::record::RECORD_BODY_BYTES_MAX / 2);

type Written = ClientWriteResult<TypeConfig>;
type RaftHandle = openraft::Raft<TypeConfig, Machine>;

/// Where the answer to a proposal goes. Holds the proposal's share of the budget until then, whether or not anybody still
/// waits.
pub struct Answer<T> {
    answer: oneshot::Sender<T>,
    _share: OwnedSemaphorePermit,
}

impl<T: OptionalSend + 'static> Responder<TypeConfig, T> for Answer<T> {
    fn on_complete(self, result: T) {
        // Whoever no longer waits needs no answer.
        let _ = self.answer.send(result);
    }
}

/// A command on its way to openraft.
pub(crate) struct Proposed {
    logged: Logged,
    answer: Answer<Written>,
}

/// Takes proposals.
pub(crate) struct Proposer {
    /// `None` when closed.
    queue: Mutex<Option<mpsc::Sender<Proposed>>>,
    budget: Arc<Semaphore>,
    log: RaftLog,
    end: End,
}

/// Whether a command is refused on a full disk. The others free room, or keep the cluster's clock and sessions going; they
/// are few and small.
fn takes_room(command: &Command) -> bool {
    match command {
        Command::Commit(_)
        | Command::GuardedCommit(_)
        | Command::RaiseFence { .. }
        | Command::CreateTopics { .. }
        | Command::CommitOffsets { .. }
        | Command::CommitOffsetsAs { .. }
        // Clients decide how often and how large, so it would use up what is kept for what frees room.
        | Command::StoreGroup { record: Some(_), .. }
        | Command::AlterTopicConfigs { .. }
        | Command::CreatePartitions { .. }
        | Command::AlterClientQuotas { .. }
        | Command::AlterMetricsSubscription { .. }
        | Command::AllocateProducerIds { .. } => true,
        Command::Bootstrap { .. }
        | Command::Tick { .. }
        | Command::OpenSession { .. }
        // What moves inline payloads out of the log needs both.
        | Command::GrantObjects { .. }
        | Command::MoveInline(_)
        | Command::DeleteTopics { .. }
        | Command::RemoveTopics { .. }
        | Command::DeleteOffsets { .. }
        | Command::StoreGroup { record: None, .. }
        | Command::DeleteRecords { .. } => false,
    }
}

impl Proposer {
    pub(crate) fn new(log: RaftLog, end: End) -> (Proposer, mpsc::Receiver<Proposed>) {
        let (queue, proposed) = mpsc::channel(PROPOSALS_MAX);
        let budget = Arc::new(Semaphore::new(PROPOSALS_BYTES_MAX / UNIT_BYTES));
        (Proposer { queue: Mutex::new(Some(queue)), budget, log, end }, proposed)
    }

    pub(crate) fn propose(&self, command: Command) -> Proposal {
        match self.enqueue(command) {
            Ok(answer) => {
                let end = self.end.clone();
                Box::pin(async move { outcome(end.or(answer).await?) })
            }
            Err(error) => {
                measure::proposal_refused();
                Box::pin(std::future::ready(Err(error)))
            }
        }
    }

    fn enqueue(&self, command: Command) -> Result<oneshot::Receiver<Written>, CatalogError> {
        if takes_room(&command) {
            self.log.accepting().map_err(CatalogError::Full)?;
        }
        let logged = Logged::new(command);
        let bytes = logged.bytes().len();
        if bytes > COMMAND_BYTES_MAX {
            let problem = format!("a command of {bytes} bytes is larger than {COMMAND_BYTES_MAX}");
            return Err(CatalogError::Unavailable(problem));
        }
        let units = (bytes / UNIT_BYTES + 1) as u32;
        let Ok(share) = self.budget.clone().try_acquire_many_owned(units) else {
            return Err(CatalogError::Overloaded(PROPOSALS_MAX));
        };
        let (answer, wait) = oneshot::channel();
        let proposed = Proposed { logged, answer: Answer { answer, _share: share } };
        let queue = self.queue.lock();
        let Some(queue) = queue.as_ref() else {
            return Err(CatalogError::Unavailable("it was closed".to_owned()));
        };
        queue.try_send(proposed).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CatalogError::Overloaded(PROPOSALS_MAX),
            mpsc::error::TrySendError::Closed(_) => CatalogError::Unavailable("it was closed".to_owned()),
        })?;
        measure::proposals_waiting(queue.max_capacity() - queue.capacity());
        Ok(wait)
    }

    /// Takes no more; what was taken still gets its answer.
    pub(crate) fn close(&self) {
        *self.queue.lock() = None;
    }
}

/// Hands proposals to openraft, in order, without waiting for answers. Ends when the proposer is closed.
pub(crate) async fn forward(raft: RaftHandle, mut proposed: mpsc::Receiver<Proposed>) {
    while let Some(Proposed { logged, answer }) = proposed.recv().await {
        let is_commit = logged.command().commit().is_some();
        if let Err(stopped) = raft.client_write_ff(logged, Some(answer)).await {
            // The answer was dropped with it: whoever waits is told that it is lost.
            tracing::debug!(%stopped, "proposal after raft has stopped");
        }
        if is_commit {
            failpoint::hit("commit_proposed");
        }
    }
}

fn outcome(written: Result<Written, oneshot::error::RecvError>) -> Result<Outcome, CatalogError> {
    match written {
        Ok(Ok(written)) => Ok(written.data.expect("a command has an outcome")),
        Ok(Err(ClientWriteError::ForwardToLeader(other))) => {
            let problem = match other.leader_id {
                Some(leader) => format!("node {leader} leads it"),
                None => "it has no leader".to_owned(),
            };
            Err(CatalogError::Unavailable(problem))
        }
        Ok(Err(
            error @ (ClientWriteError::LogEntryDiscarded(_)
            | ClientWriteError::ChangeMembershipError(_)
            | ClientWriteError::PreconditionFailed(_)),
        )) => Err(CatalogError::AnswerLost(error.to_string())),
        // Raft answers everything it has taken, unless it stops for good: its log failed, or it is being closed.
        Err(_) => Err(CatalogError::Stopped("its log failed, or it was closed".to_owned())),
    }
}
