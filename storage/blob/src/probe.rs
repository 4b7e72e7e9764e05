//! What a store can do, found out by trying.

use std::fmt;

use bytes::Bytes;
use tidelog_host::Random;

use crate::{BlobError, BlobStore, Key, Purpose};

const PURPOSE: Purpose = Purpose::Administration;
const CONTENT: &[u8] = b"tidelog tries what this store can do; this object may be deleted";

/// What a store can do beside put and get, which every store must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Of two writers of one new name, the second is told so. Some stores ignore the condition.
    pub conditional_put: bool,
    /// A range is answered exactly.
    pub ranged_get: bool,
    /// An object is listed as soon as it is put.
    pub list_after_put: bool,
    /// Objects can be deleted, and are gone at once.
    pub delete: bool,
}

impl fmt::Display for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            ("conditional put", self.conditional_put),
            ("ranged get", self.ranged_get),
            ("list after put", self.list_after_put),
            ("delete", self.delete),
        ];
        for (n, (name, able)) in all.into_iter().enumerate() {
            write!(f, "{}{name}: {}", if n == 0 { "" } else { ", " }, if able { "yes" } else { "NO" })?;
        }
        Ok(())
    }
}

/// A store that cannot be used at all.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store at {store} cannot be used: {right} failed: {error}")]
pub struct ProbeError {
    /// Where it is.
    pub store: String,
    /// The right that is missing.
    pub right: &'static str,
    /// What the store says.
    pub error: BlobError,
}

/// Tries everything with a throw-away object below `probe/`, which is removed if the store lets us.
///
/// # Errors
/// When objects cannot be written or read: without these nothing works. Other inabilities are in the answer.
pub async fn probe(store: &dyn BlobStore, random: &Random) -> Result<Abilities, ProbeError> {
    let failed = |right| move |error| ProbeError { store: store.describe(), right, error };
    let key = Key::new(format!("probe/{:032x}", u128::from_be_bytes(random.bytes())));
    let content = Bytes::from_static(CONTENT);
    store.put(&key, vec![content.clone()], PURPOSE).await.map_err(failed("writing objects (s3:PutObject)"))?;
    let abilities = try_all(store, &key, &content).await.map_err(failed("reading objects (s3:GetObject)"));
    let deleted = store.delete(std::slice::from_ref(&key), PURPOSE).await.is_ok();
    let gone = matches!(store.get_all(&key, PURPOSE).await, Err(BlobError::NotFound { .. }));
    Ok(Abilities { delete: deleted && gone, ..abilities? })
}

async fn try_all(store: &dyn BlobStore, key: &Key, content: &Bytes) -> Result<Abilities, BlobError> {
    let found = store.get_all(key, PURPOSE).await?;
    if found != content {
        return Err(BlobError::Unavailable("other bytes came back than were put".to_owned()));
    }
    let range = store.get(key, 3..9, PURPOSE).await;
    let listed = store.list("probe/", None, usize::from(u16::MAX)).await;
    // Last, for a store that ignores the condition has now replaced the object.
    let second = store.put_if_absent(key, Bytes::from_static(b"second"), PURPOSE).await;
    let kept = store.get_all(key, PURPOSE).await?;
    Ok(Abilities {
        conditional_put: matches!(second, Ok(false)) && kept == content,
        ranged_get: range.is_ok_and(|range| range == content[3..9]),
        list_after_put: listed.is_ok_and(|listed| listed.iter().any(|object| object.key == *key)),
        delete: false,
    })
}
