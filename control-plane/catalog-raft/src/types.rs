//! The types that openraft is told to use, and what a log entry carries.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use openraft::impls::leader_id_adv::LeaderId;
use openraft::{BasicNode, OptionalSend};
use tidelog_catalog_api::{Command, Outcome, Payload, decode_command, encode_command};
use tidelog_format::codec::Corrupt;

use crate::propose::Answer;
use crate::snapshot::StoredSnapshot;

/// Tidelog's choice of types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeConfig;

// By hand: openraft's macro takes no responder of one's own.
impl openraft::RaftTypeConfig for TypeConfig {
    type D = Logged;
    type R = Option<Outcome>;
    type NodeId = u64;
    type Node = BasicNode;
    type Term = u64;
    type LeaderId = Leader;
    type Vote = Vote;
    type Payload = EntryPayload;
    type Entry = Entry;
    type AsyncRuntime = openraft::TokioRuntime;
    type Responder<T>
        = Answer<T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

pub(crate) type Leader = LeaderId<u64, u64>;
pub(crate) type LogId = openraft::LogId<Leader>;
pub(crate) type Vote = openraft::Vote<Leader>;
pub(crate) type EntryPayload = openraft::EntryPayload<Logged, u64, BasicNode>;
pub(crate) type Entry = openraft::Entry<Leader, EntryPayload>;
pub(crate) type Membership = openraft::Membership<u64, BasicNode>;
pub(crate) type StoredMembership = openraft::StoredMembership<Leader, u64, BasicNode>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<Leader, u64, BasicNode>;
pub(crate) type Snapshot = openraft::Snapshot<Leader, u64, BasicNode, StoredSnapshot>;
pub(crate) type IoFlushed = openraft::storage::IOFlushed<TypeConfig>;

/// A command with its stored bytes: encoded once, by its proposer, and shared from there on. Cloning is cheap.
#[derive(Clone)]
pub struct Logged {
    inner: Arc<LoggedInner>,
}

struct LoggedInner {
    command: Command,
    bytes: Bytes,
}

impl Logged {
    /// Encodes a command. An inline payload is kept once: the command's own is made a slice of the stored bytes, so that
    /// the buffer it arrived in is let go.
    pub(crate) fn new(command: Command) -> Logged {
        let bytes = encode_command(&command);
        let is_inline = command.commit().is_some_and(|commit| matches!(commit.payload, Payload::Inline(_)));
        let command = if is_inline { decode_command(bytes.clone()).expect("encoded just above") } else { command };
        Logged { inner: Arc::new(LoggedInner { command, bytes }) }
    }

    /// Reads a command back from its stored bytes.
    pub(crate) fn decode(bytes: Bytes) -> Result<Logged, Corrupt> {
        let command = decode_command(bytes.clone())?;
        Ok(Logged { inner: Arc::new(LoggedInner { command, bytes }) })
    }

    pub(crate) fn command(&self) -> &Command {
        &self.inner.command
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.inner.bytes
    }
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command of {} bytes", self.inner.bytes.len())
    }
}

impl fmt::Debug for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
