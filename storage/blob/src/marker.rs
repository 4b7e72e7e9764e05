//! The cluster's marker: an object at the root of the store that says whose it is.
//!
//! Two clusters in one prefix would delete each other's objects. The marker is written once and never changed. Its text,
//! of four lines, each ending in a line feed: `tidelog cluster v1`, `cluster <32 hex digits>`, `nonce <32 hex digits>`,
//! and `checksum <16 hex digits>` (FNV-1a of the lines before it).

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tidelog_host::{Clock, Disk, Random};

use crate::open::{Place, place};
use crate::{BlobError, BlobStore, Key, Purpose, S3Options, open};

const KEY: &str = "cluster";
const HEAD: &str = "tidelog cluster v1\ncluster ";
/// More than a marker has.
const MARKER_BYTES_MAX: usize = 1_024;
const PURPOSE: Purpose = Purpose::Administration;

/// A store that is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Since now: the store had no marker.
    Now,
    /// Since earlier.
    Already,
}

impl fmt::Display for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Claimed::Now => "now",
            Claimed::Already => "earlier",
        })
    }
}

/// A store that is not ours, or may not be.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClaimError {
    /// It belongs to another cluster.
    #[error(
        "the store at {store} belongs to cluster {found}, not to this one; use the data folder of that cluster, or another prefix"
    )]
    Foreign {
        /// Where it is.
        store: String,
        /// The id in its marker, in hex.
        found: String,
    },
    /// Its marker cannot be read.
    #[error("the marker `{KEY}` in the store at {store} is damaged: it has {bytes} bytes that say no cluster")]
    Damaged {
        /// Where it is.
        store: String,
        /// Bytes found in it.
        bytes: usize,
    },
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] BlobError),
}

/// Makes the store this cluster's, if it is nobody's.
///
/// Of two clusters that claim at the same time one gets it, where the store has conditional puts; where it has not, the
/// last writer, and each finds out at its next start at the latest.
///
/// # Errors
/// When it is another's, or is not known to be ours; nothing was written then, unless the store failed on the way.
pub async fn claim(store: &dyn BlobStore, cluster_id: [u8; 16], random: &Random) -> Result<Claimed, ClaimError> {
    if let Some(found) = find(store).await? {
        return ours(store, cluster_id, found).map(|()| Claimed::Already);
    }
    let marker = encode(cluster_id, random.bytes());
    let written = match store.put_if_absent(&Key::new(KEY), marker.clone(), PURPOSE).await {
        // A store without conditional puts; if it is a right that is missing, this fails the same.
        Err(BlobError::Refused(_)) => store.put(&Key::new(KEY), vec![marker], PURPOSE).await.map(|()| true)?,
        written => written?,
    };
    let found =
        find(store).await?.ok_or_else(|| BlobError::Unavailable("the marker just written is gone".to_owned()))?;
    ours(store, cluster_id, found)?;
    Ok(if written { Claimed::Now } else { Claimed::Already })
}

/// Refuses a store that somebody owns, for whoever has no id yet. Nothing in it is made or changed, and a folder is not even
/// opened, for its owner may be at work in it. What cannot be told so is left to [`claim`].
///
/// # Errors
/// When it is another's, its marker is damaged, or the store cannot be opened or reached.
pub async fn check_unclaimed(
    url: &str,
    options: &S3Options,
    disk: Arc<dyn Disk>,
    clock: Clock,
    random: Random,
) -> Result<(), ClaimError> {
    let found = match place(url)? {
        Place::Memory => None,
        Place::Folder(folder) => match marker_in(&*disk, &folder.join(KEY)) {
            Ok(Some(text)) => {
                let damaged = || ClaimError::Damaged { store: url.to_owned(), bytes: text.len() };
                Some(decode(&text).ok_or_else(damaged)?)
            }
            Ok(None) | Err(_) => None,
        },
        Place::Bucket { .. } => match find(&*open(url, options, disk, clock, random).await?).await {
            // The probe names the right that is missing.
            Err(ClaimError::Store(BlobError::Refused(_))) => None,
            found => found?,
        },
    };
    found.map_or(Ok(()), |found| Err(ClaimError::Foreign { store: url.to_owned(), found: hex(found) }))
}

fn marker_in(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    if !disk.exists(path)? {
        return Ok(None);
    }
    let file = disk.open(path)?;
    // What is longer is not a marker either.
    let mut text = vec![0; usize::try_from(file.len()?).map_or(MARKER_BYTES_MAX, |bytes| bytes.min(MARKER_BYTES_MAX))];
    file.read_exact_at(&mut text, 0)?;
    Ok(Some(text))
}

async fn find(store: &dyn BlobStore) -> Result<Option<[u8; 16]>, ClaimError> {
    let text = match store.get_all(&Key::new(KEY), PURPOSE).await {
        Err(BlobError::NotFound { .. }) => return Ok(None),
        text => text?,
    };
    let damaged = || ClaimError::Damaged { store: store.describe(), bytes: text.len() };
    decode(&text).map(Some).ok_or_else(damaged)
}

fn ours(store: &dyn BlobStore, cluster_id: [u8; 16], found: [u8; 16]) -> Result<(), ClaimError> {
    if found == cluster_id {
        return Ok(());
    }
    Err(ClaimError::Foreign { store: store.describe(), found: hex(found) })
}

fn hex(id: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(id))
}

fn encode(cluster_id: [u8; 16], nonce: [u8; 16]) -> Bytes {
    let text = format!("{HEAD}{}\nnonce {}\n", hex(cluster_id), hex(nonce));
    format!("{text}checksum {:016x}\n", checksum(text.as_bytes())).into()
}

/// Accepts exactly what [`encode`] writes.
fn decode(text: &[u8]) -> Option<[u8; 16]> {
    let rest = std::str::from_utf8(text).ok()?.strip_prefix(HEAD)?;
    let (cluster, rest) = rest.split_once("\nnonce ")?;
    let (nonce, _) = rest.split_once('\n')?;
    let [cluster, nonce] = [cluster, nonce].map(|id| u128::from_str_radix(id, 16).map(u128::to_be_bytes).ok());
    Some(cluster?).filter(|cluster| nonce.is_some_and(|nonce| encode(*cluster, nonce) == text))
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
#[path = "marker_test.rs"]
mod tests;
