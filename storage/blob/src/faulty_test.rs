//! Each fault does what it says, and the same seed fails the same calls.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidelog_host::{Clock, Random};

use super::{Fault, FaultyStore};
use crate::{BlobError, BlobStore, Call, Key, MemoryStore, Purpose};

const CONTENT: &[u8] = b"0123456789";

fn store(seed: u64) -> FaultyStore {
    FaultyStore::new(Arc::new(MemoryStore::new()), Clock::real(), Random::seeded(seed))
}

fn key(name: &str) -> Key {
    Key::new(name)
}

async fn put(store: &FaultyStore, name: &str) -> Result<(), BlobError> {
    store.put(&key(name), vec![Bytes::from_static(CONTENT)], Purpose::Flush).await
}

#[tokio::test]
async fn a_refused_put_does_nothing_and_a_lost_answer_does_it() {
    let store = store(1);
    for fault in [Fault::Unavailable, Fault::Throttled, Fault::Refused, Fault::Full, Fault::AnswerLost] {
        store.next(Call::Put, fault);
        assert!(put(&store, "k").await.is_err());
        let there = store.get_all(&key("k"), Purpose::Read).await.is_ok();
        assert_eq!(there, fault == Fault::AnswerLost, "{fault:?}");
    }
    put(&store, "k").await.unwrap();
    assert_eq!(store.calls(Purpose::Flush, Call::Put), 6);
    assert_eq!(store.bytes(Purpose::Flush, Call::Put), 60);
    assert_eq!(store.calls(Purpose::Read, Call::Put), 0);
}

#[tokio::test]
async fn damaged_reads_are_wrong() {
    let store = store(1);
    put(&store, "k").await.unwrap();
    put(&store, "last").await.unwrap();
    for fault in [Fault::ShortRead, Fault::FlippedBit, Fault::WrongRange] {
        for range in [0..10, 0..4, 6..10] {
            store.next(Call::Get, fault);
            let found = store.get(&key("k"), range.clone(), Purpose::Read).await.unwrap();
            assert_ne!(found, CONTENT[range.start as usize..range.end as usize], "{fault:?} {range:?}");
        }
    }
    store.inner.put(&key("other"), vec![Bytes::from_static(b"otherother")], Purpose::Flush).await.unwrap();
    store.script.lock().last_put = Some(key("other"));
    store.next(Call::Get, Fault::WrongObject);
    assert_eq!(store.get(&key("k"), 0..5, Purpose::Read).await.unwrap(), "other");
    store.next(Call::GetAll, Fault::Missing);
    let found = store.get_all(&key("k"), Purpose::Read).await;
    assert!(matches!(found, Err(BlobError::NotFound { .. })));
    assert_eq!(store.get_all(&key("k"), Purpose::Read).await.unwrap(), CONTENT);
}

#[tokio::test(start_paused = true)]
async fn latency_and_hangs_take_the_runtimes_time() {
    let store = store(1);
    store.set_latency(Duration::from_millis(50));
    let start = tokio::time::Instant::now();
    put(&store, "k").await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(50));
    store.next(Call::Put, Fault::Slow(Duration::from_secs(10)));
    put(&store, "k").await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(10_100));
    store.always(Call::Put, Fault::Hang);
    assert!(tokio::time::timeout(Duration::from_secs(3600), put(&store, "k")).await.is_err());
    store.heal();
    put(&store, "k").await.unwrap();
}

#[tokio::test]
async fn the_same_seed_fails_the_same_calls() {
    async fn run(seed: u64) -> Vec<bool> {
        let store = store(seed);
        store.sometimes(Call::Put, Fault::Unavailable, 3);
        let mut failed = Vec::new();
        for _ in 0..100 {
            failed.push(put(&store, "k").await.is_err());
        }
        failed
    }
    assert_eq!(run(5).await, run(5).await);
    assert_ne!(run(5).await, run(6).await);
    let count = run(5).await.iter().filter(|failed| **failed).count();
    assert!((15..60).contains(&count), "{count}");
}
