//! The seam to object stores.

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use tidelog_model::TimestampMs;

use crate::BlobError;

/// The name of an object: segments of `[a-zA-Z0-9._=-]` with `/` between them, not `.` or `..`, 512 bytes at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// A key of our own making.
    ///
    /// # Panics
    /// When the text breaks the rules: keys are computed here, never received.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Key {
        let text = text.into();
        assert!(is_key(&text), "not a key: {text}");
        Key(text)
    }

    /// A key that was received, from a listing; `None` when the text breaks the rules, so is no object of ours.
    #[must_use]
    pub fn received(text: &str) -> Option<Key> {
        is_key(text).then(|| Key(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_key(text: &str) -> bool {
    text.len() <= 512
        && text.split('/').all(|segment| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'=' | b'-'))
        })
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a call is made: each is counted and its bytes are metered by purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// A flush object.
    Flush,
    /// Inline payloads on their way to an object.
    MoveInline,
    /// A consumer's read.
    Read,
    /// Cluster marker, probes.
    Administration,
    /// Deletion of garbage.
    Collection,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Purpose; 5] =
        [Purpose::Flush, Purpose::MoveInline, Purpose::Read, Purpose::Administration, Purpose::Collection];

    /// Its name as a metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Flush => "flush",
            Purpose::MoveInline => "move_inline",
            Purpose::Read => "read",
            Purpose::Administration => "administration",
            Purpose::Collection => "collection",
        }
    }
}

/// The calls of [`BlobStore`], for counting them and for making them fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the method of that name")]
pub enum Call {
    Put,
    PutIfAbsent,
    Get,
    GetAll,
    Delete,
    List,
}

impl Call {
    /// All of them.
    pub const ALL: [Call; 6] = [Call::Put, Call::PutIfAbsent, Call::Get, Call::GetAll, Call::Delete, Call::List];

    /// Its name as a metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Call::Put => "put",
            Call::PutIfAbsent => "put_if_absent",
            Call::Get => "get",
            Call::GetAll => "get_all",
            Call::Delete => "delete",
            Call::List => "list",
        }
    }
}

/// What a listing shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: Key,
    /// Its length.
    pub bytes: u64,
}

/// A place for objects. Implementations limit the time of each attempt, retry what is worth it with jitter, and give up
/// at a deadline.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Writes an object, replacing one of that name. When it returns Ok the object is durable. A cancelled or failed call
    /// may still land later.
    async fn put(&self, key: &Key, payload: Vec<Bytes>, purpose: Purpose) -> Result<(), BlobError>;

    /// Writes an object only when none has that name. Returns whether it was written; a store that cannot decide
    /// atomically reads back, so the payload must be unlike any other writer's.
    async fn put_if_absent(&self, key: &Key, payload: Bytes, purpose: Purpose) -> Result<bool, BlobError>;

    /// Reads exactly `range`, which is not empty.
    async fn get(&self, key: &Key, range: Range<u64>, purpose: Purpose) -> Result<Bytes, BlobError>;

    /// Reads `range`, which is not empty, or what the object has of it: fewer bytes mean that the object ends there. A
    /// range that begins at or after the end is [`BlobError::OutOfRange`]. One call to the store.
    async fn get_up_to(&self, key: &Key, range: Range<u64>, purpose: Purpose) -> Result<Bytes, BlobError>;

    /// Reads a whole (small) object.
    async fn get_all(&self, key: &Key, purpose: Purpose) -> Result<Bytes, BlobError>;

    /// When an object was written, by the store's clock; `None` where the store does not tell.
    async fn written_at(&self, key: &Key, purpose: Purpose) -> Result<Option<TimestampMs>, BlobError> {
        let _ = (key, purpose);
        Ok(None)
    }

    /// Removes objects; those that do not exist are no error.
    async fn delete(&self, keys: &[Key], purpose: Purpose) -> Result<(), BlobError>;

    /// Objects whose key starts with `prefix` and is greater than `after`, in order, `count_max` at most.
    async fn list(&self, prefix: &str, after: Option<&Key>, count_max: usize) -> Result<Vec<ListedObject>, BlobError>;

    /// Whether a call is a request to a service, which takes its time and has its price, rather than work for this machine's
    /// own disk or memory.
    fn is_remote(&self) -> bool;

    /// Where this is, for people: `file:///var/lib/tidelog/objects`, `s3://bucket/prefix`.
    fn describe(&self) -> String;
}
