//! What guards batches beside what they say of themselves: fencing tokens, Idempotency-Keys, and that a condition that did
//! not hold halts its producer.

use tidelog_format::stored_struct;
use tidelog_model::{FencingToken, Offset};

use crate::Commit;

stored_struct! {
    /// A commit with guarded batches.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct GuardedCommit {
        /// The commit.
        pub commit: Commit,
        /// Of some of its batches, in their order, one each.
        pub guards: Vec<BatchGuard>,
    }

    /// What guards one batch. Even an empty one makes it a conditional append: when its expected offset is not the tail, its
    /// producer is halted.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BatchGuard {
        /// Which batch, counted from 0 through all entries of the commit.
        pub batch: u32,
        /// The batch is appended only if no higher one was seen in the partition, and this one counts as seen then.
        pub fencing_token: Option<FencingToken>,
        /// The batch is appended once.
        pub key: Option<KeyedBatch>,
    }

    /// A batch of a request with an Idempotency-Key.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct KeyedBatch {
        /// The key's hash.
        pub key: [u8; 16],
        /// A hash of all that the request asks for.
        pub body: [u8; 16],
        /// How the request was made into batches.
        pub layout: KeyLayout,
        /// How many batches the request has in all partitions.
        pub batches: u32,
        /// Its number among the request's batches in this partition, from 0.
        pub number: u32,
    }

    /// What decides which record of a request is in which batch of which partition. It stays as the first try found it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct KeyLayout {
        /// The topic's partitions.
        pub partitions: u32,
        /// The bytes after which a batch ends.
        pub batch_bytes_max: u32,
    }
}

/// What is remembered of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyView {
    /// Of the request that was first.
    pub body: [u8; 16],
    /// Of that request.
    pub layout: KeyLayout,
}

/// A fence that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FenceView {
    /// Whoever has a lower one writes no more.
    pub token: FencingToken,
    /// Where the partition ended when it was raised: nothing lands behind it that has a lower token.
    pub tail: Offset,
}

/// Why a fence was not raised; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FenceRefused {
    /// The topic or partition does not exist.
    #[error("unknown topic or partition")]
    UnknownPartition,
    /// A higher token was seen.
    #[error("a higher fencing token was seen: {}", .0.token.0)]
    Fenced(FenceView),
}
