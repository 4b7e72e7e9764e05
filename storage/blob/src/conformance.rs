//! The behaviour of every store, as a test that any of them can be put through.

use bytes::Bytes;

use crate::{BlobError, BlobStore, Key, Purpose};

const PURPOSE: Purpose = Purpose::Administration;

/// Puts a store through everything [`BlobStore`] promises, with keys below `base`, which nobody else uses and which are
/// removed at the end.
///
/// # Panics
/// Where the store breaks a promise.
pub async fn conforms(store: &dyn BlobStore, base: &str) {
    objects_are_what_was_put(store, &format!("{base}/objects")).await;
    ranges_are_exact(store, &format!("{base}/ranges")).await;
    missing_objects_are_not_found(store, &format!("{base}/missing")).await;
    put_if_absent_writes_once(store, &format!("{base}/absent")).await;
    of_many_writers_one_is_first(store, &format!("{base}/race")).await;
    deleted_objects_are_gone(store, &format!("{base}/deleted")).await;
    listings_are_ordered_and_paged(store, &format!("{base}/list")).await;
    assert!(list(store, base, None, 1000).await.is_empty(), "the suite leaves nothing behind");
}

async fn objects_are_what_was_put(store: &dyn BlobStore, base: &str) {
    let key = Key::new(format!("{base}/x=1/a_b.c-D"));
    let slices: Vec<Bytes> = (0..300_usize).map(|n| Bytes::from(vec![n as u8; n % 50 * 100])).collect();
    put(store, &key, slices.clone()).await;
    assert!(get_all(store, &key).await == slices.concat());
    put(store, &key, vec![Bytes::from_static(b"replaced")]).await;
    assert_eq!(get_all(store, &key).await, "replaced");
    put(store, &key, vec![]).await;
    assert_eq!(get_all(store, &key).await, "");
    delete(store, &[key]).await;
}

async fn ranges_are_exact(store: &dyn BlobStore, base: &str) {
    let key = Key::new(format!("{base}/k"));
    put(store, &key, vec![Bytes::from_static(b"0123456789")]).await;
    for range in [0..10, 0..1, 9..10, 3..7] {
        let found = store.get(&key, range.clone(), PURPOSE).await.expect("the range is there");
        assert_eq!(found, b"0123456789"[range.start as usize..range.end as usize]);
    }
    for range in [0..11, 9..11, 10..11, 1000..1001, 0..u64::MAX / 2] {
        let found = store.get(&key, range.clone(), PURPOSE).await;
        assert!(
            matches!(&found, Err(BlobError::OutOfRange { end, .. }) if *end == range.end),
            "{range:?} gave {found:?}"
        );
    }
    for (range, expected) in [(0..11, &b"0123456789"[..]), (9..11, b"9"), (3..7, b"3456"), (8..1000, b"89")] {
        let found = store.get_up_to(&key, range, PURPOSE).await.expect("the range begins inside");
        assert_eq!(found, expected);
    }
    let found = store.get_up_to(&key, 10..11, PURPOSE).await;
    assert!(matches!(&found, Err(BlobError::OutOfRange { .. })), "{found:?}");
    delete(store, &[key]).await;
}

async fn missing_objects_are_not_found(store: &dyn BlobStore, base: &str) {
    let key = Key::new(format!("{base}/none"));
    let found = store.get(&key, 0..1, PURPOSE).await;
    assert!(matches!(found, Err(BlobError::NotFound { .. })), "{found:?}");
    let found = store.get_all(&key, PURPOSE).await;
    assert!(matches!(found, Err(BlobError::NotFound { .. })), "{found:?}");
    delete(store, &[key]).await;
    delete(store, &[]).await;
}

async fn put_if_absent_writes_once(store: &dyn BlobStore, base: &str) {
    let key = Key::new(format!("{base}/k"));
    let create = |payload| store.put_if_absent(&key, Bytes::from_static(payload), PURPOSE);
    assert!(create(b"first").await.expect("nobody is in the way"));
    assert!(!create(b"second").await.expect("being second is an answer, not an error"));
    assert_eq!(get_all(store, &key).await, "first");
    delete(store, std::slice::from_ref(&key)).await;
    assert!(create(b"third").await.expect("the first is gone"));
    assert_eq!(get_all(store, &key).await, "third");
    delete(store, &[key]).await;
}

async fn of_many_writers_one_is_first(store: &dyn BlobStore, base: &str) {
    let key = Key::new(format!("{base}/k"));
    let writers = (0..8).map(|n| store.put_if_absent(&key, Bytes::from(format!("writer {n}")), PURPOSE));
    let answers = futures::future::join_all(writers).await;
    let first: Vec<usize> = (0..8).filter(|n| matches!(answers[*n], Ok(true))).collect();
    assert_eq!(first.len(), 1, "{answers:?}");
    assert_eq!(get_all(store, &key).await, format!("writer {}", first[0]));
    delete(store, &[key]).await;
}

async fn deleted_objects_are_gone(store: &dyn BlobStore, base: &str) {
    let keys: Vec<Key> = (0..5).map(|n| Key::new(format!("{base}/{n}/k"))).collect();
    for key in &keys {
        put(store, key, vec![Bytes::from_static(b"x")]).await;
    }
    delete(store, &keys[1..4]).await;
    delete(store, &keys[2..5]).await;
    assert_eq!(list(store, base, None, 10).await, vec![keys[0].to_string()]);
    let found = store.get(&keys[1], 0..1, PURPOSE).await;
    assert!(matches!(found, Err(BlobError::NotFound { .. })), "{found:?}");
    delete(store, &keys).await;
}

async fn listings_are_ordered_and_paged(store: &dyn BlobStore, base: &str) {
    // `-` and `.` sort before the `/` of a folder, digits and letters after it.
    let names = ["a-/x", "a-b", "a.c", "a/b/c", "a/b=", "a/d", "a0", "aa/z", "b/a"];
    let mut all: Vec<String> = names.iter().map(|name| format!("{base}/{name}")).collect();
    all.sort_unstable();
    for key in all.iter().rev() {
        put(store, &Key::new(key.clone()), vec![Bytes::from(key.clone())]).await;
    }
    for prefix in ["", "a", "a/", "a/b", "a/b/", "a/b/c", "aa", "a.", "b/a", "b/ab", "c"] {
        let prefix = format!("{base}/{prefix}");
        let wanted: Vec<&String> = all.iter().filter(|key| key.starts_with(&prefix)).collect();
        assert!(list(store, &prefix, None, 100).await.iter().eq(wanted.iter().copied()), "prefix {prefix}");
        let two = list(store, &prefix, None, 2).await;
        assert!(two.iter().eq(wanted.iter().copied().take(2)), "two of prefix {prefix}: {two:?}");
        for after in all.iter().chain([&format!("{base}/a/c"), &format!("{base}/Z")]) {
            let rest = list(store, &prefix, Some(&Key::new(after.clone())), 100).await;
            let wanted = wanted.iter().copied().filter(|key| *key > after);
            assert!(rest.iter().eq(wanted), "prefix {prefix} after {after}: {rest:?}");
        }
    }
    let listed = store.list(&all[0], None, 1).await.expect("it is there");
    assert_eq!(listed[0].bytes, all[0].len() as u64);
    let keys: Vec<Key> = all.into_iter().map(Key::new).collect();
    delete(store, &keys).await;
}

async fn put(store: &dyn BlobStore, key: &Key, payload: Vec<Bytes>) {
    store.put(key, payload, PURPOSE).await.expect("put works");
}

async fn get_all(store: &dyn BlobStore, key: &Key) -> Bytes {
    store.get_all(key, PURPOSE).await.expect("the object is there")
}

async fn delete(store: &dyn BlobStore, keys: &[Key]) {
    store.delete(keys, PURPOSE).await.expect("delete works");
}

async fn list(store: &dyn BlobStore, prefix: &str, after: Option<&Key>, count_max: usize) -> Vec<String> {
    let listed = store.list(prefix, after, count_max).await.expect("list works");
    listed.into_iter().map(|object| object.key.to_string()).collect()
}

#[cfg(test)]
#[path = "conformance_test.rs"]
mod tests;
