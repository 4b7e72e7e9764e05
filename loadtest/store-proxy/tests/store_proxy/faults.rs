//! What goes wrong when it shall: what the client has of it, and what the store.

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use serde_json::json;
use tidelog_store_proxy::{FaultKind, Faults, Operation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Client, ask_once, control, of, start};

fn always(kind: FaultKind) -> Faults {
    Faults { rate: 1.0, kinds: vec![kind], timeout_ms: 50, slow_body_bytes_per_s: 2_000, ..Faults::default() }
}

/// What a PUT of a value was answered, and whether the store has it.
async fn put(kind: FaultKind) -> (Option<(StatusCode, String)>, bool) {
    let (store, proxy) = start().await;
    proxy.set_faults(always(kind)).unwrap();
    let answer = ask_once(&proxy.endpoint(), Method::PUT, "/b/k", b"value").await.ok();
    let counts = of(&proxy, Operation::PutObject);
    assert_eq!(counts.injected.get(&kind), Some(&1), "{counts:?}");
    assert_eq!(counts.requests, 1);
    assert_eq!(counts.answers.count(), u64::from(answer.is_some()));
    assert_eq!(counts.store_requests, store.seen().len() as u64);
    assert_eq!((counts.billed, counts.bytes_stored), (counts.store_requests, counts.store_requests * 5));
    let answer = answer.map(|(status, text)| (status, String::from_utf8(text.to_vec()).unwrap()));
    (answer, !store.seen().is_empty())
}

async fn check(kind: FaultKind, status: Option<(u16, &str)>, is_stored: bool) {
    let (answer, found) = put(kind).await;
    assert_eq!(found, is_stored, "{kind:?}");
    match (&answer, status) {
        (Some((status, text)), Some((wanted, code))) => {
            assert_eq!(status.as_u16(), wanted, "{kind:?}");
            assert!(text.contains(code), "{kind:?}: {text}");
        }
        (None, None) => {}
        _ => panic!("{kind:?}: {answer:?}, wanted {status:?}"),
    }
}

#[tokio::test]
async fn errors_come_in_the_form_of_s3_and_tell_nothing_of_what_was_done() {
    check(FaultKind::SlowDown, Some((503, "<Code>SlowDown</Code>")), false).await;
    check(FaultKind::InternalError, Some((500, "<Code>InternalError</Code>")), false).await;
    check(FaultKind::InternalErrorAfter, Some((500, "<Code>InternalError</Code>")), true).await;
}

#[tokio::test]
async fn connections_end_before_and_after_the_store_has_done_it() {
    check(FaultKind::ResetBefore, None, false).await;
    check(FaultKind::ResetAfter, None, true).await;
    check(FaultKind::TimeoutBefore, None, false).await;
    check(FaultKind::TimeoutAfter, None, true).await;
}

/// Not an orderly end, which a client could take for the end of a body.
#[tokio::test]
async fn a_reset_is_a_reset() {
    for kind in [FaultKind::ResetBefore, FaultKind::ResetAfter, FaultKind::TimeoutAfter] {
        let (_store, proxy) = start().await;
        proxy.set_faults(always(kind)).unwrap();
        let mut stream = TcpStream::connect(proxy.endpoint().strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(b"GET /b/k HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        let error = stream.read(&mut [0; 64]).await.expect_err("no byte and no orderly end");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{kind:?}");
    }
}

#[tokio::test]
async fn a_slow_body_takes_its_time_both_ways_and_all_of_it_comes() {
    let (_store, proxy) = start().await;
    let object = [7; 1_000];
    for (method, body) in [(Method::PUT, &object[..]), (Method::GET, b"")] {
        proxy.set_faults(Faults::default()).unwrap();
        ask_once(&proxy.endpoint(), Method::PUT, "/b/k", &object).await.unwrap();
        proxy.set_faults(always(FaultKind::SlowBody)).unwrap();
        let began = Instant::now();
        let (status, found) = ask_once(&proxy.endpoint(), method.clone(), "/b/k", body).await.unwrap();
        assert_eq!(status, StatusCode::OK);
        assert!(method == Method::PUT || found[..] == object);
        // 1,000 bytes at 2,000 a second, the last piece of which nobody waits for.
        assert!(began.elapsed() > Duration::from_millis(400), "{method} took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn so_many_fail_as_were_asked_for_and_the_next_one_passes() {
    let (store, proxy) = start().await;
    let faults = r#"{"rate":1,"kinds":["slow-down"],"operations":["PutObject"],"count_max":3}"#;
    assert_eq!(control(&proxy, Method::PUT, "/faults", faults).await, (StatusCode::OK, json!({})));
    let mut client = Client::connect(&proxy.endpoint()).await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        assert_eq!(client.ask(Method::GET, "/b/k", b"").await.unwrap().0.as_u16() / 100 % 2, 0, "a GET was not meant");
        answers.push(client.ask(Method::PUT, "/b/k", b"v").await.unwrap().0.as_u16());
    }
    assert_eq!(answers, [503, 503, 503, 200, 200]);
    let put = of(&proxy, Operation::PutObject);
    assert_eq!((put.store_requests, put.answers.server_error, put.billed), (2, 3, 2));
    assert_eq!(store.seen().iter().filter(|seen| seen.method == Method::PUT).count(), 2);
}

#[tokio::test]
async fn the_same_seed_fails_the_same_requests() {
    let run = async || {
        let (_store, proxy) = start().await;
        proxy.set_faults(Faults { rate: 0.3, ..always(FaultKind::SlowDown) }).unwrap();
        let mut client = Client::connect(&proxy.endpoint()).await;
        let mut answers = Vec::new();
        for _ in 0..60 {
            answers.push(client.ask(Method::PUT, "/b/k", b"v").await.unwrap().0.as_u16());
        }
        answers
    };
    let first = run().await;
    assert!(first.contains(&503) && first.contains(&200));
    assert_eq!(first, run().await);
}
