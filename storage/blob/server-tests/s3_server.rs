//! The S3 store against a server.
//!
//! `TIDELOG_TEST_S3_ENDPOINT` names it, `TIDELOG_TEST_S3_BUCKET` a bucket on it; credentials are found as always.
//! `cargo run --release -p tidelog-clients --bin with-s3 -- moto cargo test --release -p tidelog-blob --test s3_server`
//! starts one and sets them.

use std::time::Duration;

use bytes::Bytes;
use tidelog_blob::{Abilities, BlobError, BlobStore, ClaimError, Claimed, Key, Purpose, S3Options, S3Store};
use tidelog_blob::{claim, conformance, probe};
use tidelog_host::{Clock, Random};

const PURPOSE: Purpose = Purpose::Administration;

/// Below a prefix that nobody used before.
fn options() -> S3Options {
    let variable = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set, see the top of this file"));
    S3Options {
        bucket: variable("TIDELOG_TEST_S3_BUCKET"),
        prefix: format!("test/{:016x}", Random::real().next()),
        endpoint: Some(variable("TIDELOG_TEST_S3_ENDPOINT")),
        region: "us-east-1".to_owned(),
        path_style: true,
        ca_file: std::env::var_os("TIDELOG_TEST_S3_CA").map(Into::into),
        allow_http: true,
    }
}

async fn open(options: &S3Options) -> S3Store {
    S3Store::open(options, Clock::real(), Random::real()).await.expect("the settings can work")
}

#[tokio::test]
async fn it_conforms() {
    conformance::conforms(&open(&options()).await, "suite").await;
}

#[tokio::test]
async fn its_abilities_are_found_out() {
    let store = open(&options()).await;
    let abilities = probe(&store, &Random::real()).await.expect("it can be used");
    let all = Abilities { conditional_put: true, ranged_get: true, list_after_put: true, delete: true };
    assert_eq!(abilities, all);
    assert!(store.list("", None, 10).await.expect("list works").is_empty(), "the probe leaves nothing behind");
}

#[tokio::test]
async fn it_belongs_to_the_cluster_that_was_first() {
    let store = open(&options()).await;
    let claim = |cluster: u8| {
        let store = &store;
        async move { claim(store, [cluster; 16], &Random::real()).await }
    };
    assert_eq!(claim(1).await.expect("it is nobody's"), Claimed::Now);
    assert_eq!(claim(1).await.expect("it is ours"), Claimed::Already);
    let other = claim(2).await;
    assert!(matches!(other, Err(ClaimError::Foreign { .. })), "{other:?}");
}

#[tokio::test]
async fn of_two_clusters_that_claim_at_once_one_is_refused() {
    let store = open(&options()).await;
    let (random, other_random) = (Random::real(), Random::real());
    let both = tokio::join!(claim(&store, [1; 16], &random), claim(&store, [2; 16], &other_random));
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
}

#[tokio::test]
async fn large_objects_and_many_of_them_come_back() {
    let store = open(&options()).await;
    let block = Bytes::from((0..1_000_003_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    // As large as a flush object gets.
    let (key, slices) = (Key::new("large"), vec![block.clone(); 16]);
    store.put(&key, slices.clone(), PURPOSE).await.expect("put works");
    assert!(store.get_all(&key, PURPOSE).await.expect("get works") == slices.concat());
    // More than S3 lists or deletes by one request.
    let keys: Vec<Key> = (0..1100).map(|n| Key::new(format!("many/{n:05}"))).collect();
    for some in keys.chunks(50) {
        let puts = some.iter().map(|key| store.put(key, vec![Bytes::from_static(b"x")], PURPOSE));
        for put in futures::future::join_all(puts).await {
            put.expect("put works");
        }
    }
    let listed = store.list("many/", None, 5000).await.expect("list works");
    assert!(listed.iter().map(|object| &object.key).eq(&keys), "{} are listed", listed.len());
    store.delete(&keys, PURPOSE).await.expect("delete works");
    assert!(store.list("many/", None, 10).await.expect("list works").is_empty());
}

#[tokio::test]
async fn refusals_are_told_from_trouble() {
    let good = options();
    let refused = |options: S3Options| async move {
        let answer = open(&options).await.put(&Key::new("k"), vec![Bytes::new()], PURPOSE).await;
        match answer {
            Err(BlobError::Refused(text)) => text,
            other => panic!("{other:?}"),
        }
    };
    let text = refused(S3Options { bucket: "no-such-bucket-here".to_owned(), ..good.clone() }).await;
    assert!(text.starts_with("there is no such bucket") && !text.contains("<?xml"), "{text}");
    // Nobody listens there.
    let dead = open(&S3Options { endpoint: Some("http://127.0.0.1:1".to_owned()), ..good }).await;
    let answer = tokio::time::timeout(Duration::from_secs(40), dead.get_all(&Key::new("k"), PURPOSE)).await;
    let answer = answer.expect("it gives up");
    assert!(matches!(answer, Err(BlobError::Unavailable(_))), "{answer:?}");
}
