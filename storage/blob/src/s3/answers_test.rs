//! What we make of a server's answers: each status, and a put whose answer was lost.

use std::collections::VecDeque;

use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};
use tidelog_host::{Clock, Random};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Retry, S3Options, S3Store, builder, client_options, translate};
use crate::{BlobError, BlobStore, Key, Purpose};

/// A store whose server gives these answers in turn, status and body, and then no more.
async fn store(answers: &[(u16, &'static str)]) -> S3Store {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
    let mut answers: VecDeque<_> = answers.iter().copied().collect();
    tokio::spawn(async move {
        while let Some((status, body)) = answers.pop_front() {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !is_whole(&request) {
                assert!(socket.read_buf(&mut request).await.unwrap() > 0, "the request ends early");
            }
            let bytes = body.len();
            let head =
                format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {bytes}\r\netag: \"e\"\r\n");
            let head = format!("{head}last-modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n");
            socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
    let bucket = "bucket".to_owned();
    let options = S3Options { bucket, endpoint, path_style: true, allow_http: true, ..S3Options::default() };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client =
        builder(AmazonS3Builder::new(), &options, client_options(&options).unwrap().with_no_system_certificates(true));
    let client = client.with_access_key_id("a").with_secret_access_key("b").build().unwrap();
    let retry = Retry::new(Clock::real(), Random::seeded(1), "a test's".to_owned());
    S3Store { client, bucket: options.bucket, prefix: String::new(), retry }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    assert!(!head.starts_with("PUT") || head.contains("x-amz-content-sha256: UNSIGNED-PAYLOAD"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// What one get that is answered so comes to.
async fn answered(status: u16, body: &'static str) -> BlobError {
    let store = store(&[(status, body)]).await;
    let options = GetOptions { range: Some(GetRange::Bounded(5..10)), ..GetOptions::default() };
    let error = store.client.get_opts(&Path::from("k"), options).await.unwrap_err();
    translate(&Key::new("k"), 10, &error)
}

#[tokio::test]
async fn each_status_has_its_meaning() {
    assert!(matches!(answered(404, "<Code>NoSuchKey</Code>").await, BlobError::NotFound { .. }));
    assert!(matches!(answered(404, "<Code>NoSuchBucket</Code>").await, BlobError::Refused(_)));
    assert!(matches!(answered(416, "").await, BlobError::OutOfRange { end: 10, .. }));
    for status in [400, 401, 403, 405, 501] {
        assert!(matches!(answered(status, "").await, BlobError::Refused(_)), "{status}");
    }
    for status in [429, 503] {
        assert!(matches!(answered(status, "").await, BlobError::Throttled(_)), "{status}");
    }
    for status in [408, 409, 500, 502, 504] {
        assert!(matches!(answered(status, "").await, BlobError::Unavailable(_)), "{status}");
    }
}

#[tokio::test]
async fn our_own_object_from_a_try_whose_answer_was_lost_is_ours() {
    let payload = Bytes::from_static(b"mine");
    let put = |store: S3Store| {
        let payload = payload.clone();
        async move { store.put_if_absent(&Key::new("k"), payload, Purpose::Administration).await.unwrap() }
    };
    assert!(put(store(&[(500, ""), (412, ""), (200, "mine")]).await).await);
    assert!(!put(store(&[(500, ""), (412, ""), (200, "theirs")]).await).await);
    // A conflict is no proof that there is anything: it is tried again.
    assert!(put(store(&[(409, ""), (404, ""), (200, "")]).await).await);
}

#[tokio::test]
async fn a_failed_get_is_tried_again() {
    let found = store(&[(500, ""), (200, "whole")]).await.get_all(&Key::new("k"), Purpose::Read).await;
    assert_eq!(found.unwrap(), "whole");
}
