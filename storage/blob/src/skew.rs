//! How far the store's clock is from ours: an S3 store refuses requests that were signed a quarter of an hour ago or hence.

use bytes::Bytes;
use tidelog_host::{Clock, Random};

use crate::{BlobError, BlobStore, Key, Purpose};

const PURPOSE: Purpose = Purpose::Administration;
/// Stores tell times in whole seconds, rounded one way or the other.
const RESOLUTION_MS: i64 = 1_000;

/// By how many milliseconds the store's clock is ahead of ours (behind, when negative), at least; zero when it cannot be told
/// from ours, and `None` when the store does not tell times. A throw-away object below `probe/` is written and removed.
///
/// # Errors
/// What the store says.
pub async fn clock_skew_ms(store: &dyn BlobStore, clock: &Clock, random: &Random) -> Result<Option<i64>, BlobError> {
    let key = Key::new(format!("probe/{:032x}", u128::from_be_bytes(random.bytes())));
    let content = Bytes::from_static(b"tidelog looks at the clock of this store; this object may be deleted");
    let before = clock.wall().0;
    store.put(&key, vec![content], PURPOSE).await?;
    let written = store.written_at(&key, PURPOSE).await;
    let after = clock.wall().0;
    // What cannot be removed is found out by the probe.
    let _ = store.delete(std::slice::from_ref(&key), PURPOSE).await;
    Ok(written?.map(|written| skew(written.0, before, after)))
}

/// How far `written` is outside of what was between.
fn skew(written: i64, before: i64, after: i64) -> i64 {
    let (earliest, latest) = (before - RESOLUTION_MS, after + RESOLUTION_MS);
    if written < earliest {
        written - earliest
    } else if written > latest {
        written - latest
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    #[test]
    fn what_may_have_been_meanwhile_is_no_skew() {
        assert_eq!(skew(5_000, 5_200, 5_300), 0);
        assert_eq!(skew(6_000, 5_200, 5_300), 0);
        assert_eq!(skew(1_000, 5_200, 5_300), -3_200);
        assert_eq!(skew(9_000, 5_200, 5_300), 2_700);
    }

    #[tokio::test]
    async fn nothing_is_left_behind() {
        let store = MemoryStore::new();
        let told = clock_skew_ms(&store, &Clock::real(), &Random::seeded(1)).await.unwrap();
        assert_eq!(told, None, "memory tells no times");
        assert_eq!(store.list("", None, 10).await.unwrap(), []);
    }
}
