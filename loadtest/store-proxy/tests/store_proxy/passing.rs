//! What passes, and what is counted of it.

use hyper::{Method, StatusCode};
use serde_json::json;
use tidelog_store_proxy::{Operation, Options, StoreProxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{Client, WAIT_MAX, ask_once, control, of, start};

#[tokio::test]
async fn requests_and_answers_pass_unchanged_over_kept_connections() {
    let (store, proxy) = start().await;
    let mut client = Client::connect(&proxy.endpoint()).await;
    let object: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7) as u8).collect();
    let target = "/bucket/a%2Fb%20c+d/%E2%82%AC?x-id=PutObject";
    assert_eq!(client.ask(Method::PUT, target, &object).await.unwrap().0, StatusCode::OK);
    let (status, found) = client.ask(Method::GET, target, b"").await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert!(found == object, "{} bytes came back of {}", found.len(), object.len());
    assert_eq!(client.ask(Method::GET, "/bucket/nothing", b"").await.unwrap().0, StatusCode::NOT_FOUND);
    let head = client.head(Method::HEAD, target, b"").await.unwrap();
    assert_eq!(head.headers()["content-length"], object.len().to_string());

    let seen = store.seen();
    assert_eq!(seen.len(), 4);
    assert_eq!((seen[0].target.as_str(), seen[0].body_bytes), (target, object.len()));
    // What was signed: the host that the client asked for, not the store's own.
    assert!(seen.iter().all(|seen| format!("http://{}", seen.host) == proxy.endpoint()), "{seen:?}");
    assert_eq!(store.connections(), 1);

    let put = of(&proxy, Operation::PutObject);
    let bytes = object.len() as u64;
    assert_eq!((put.requests, put.answers.success, put.bytes_in, put.bytes_stored), (1, 1, bytes, bytes));
    assert_eq!((put.store_requests, put.store_answers.success, put.billed), (1, 1, 1));
    let got = of(&proxy, Operation::GetObject);
    assert_eq!((got.requests, got.answers.success, got.answers.client_error), (2, 1, 1));
    assert_eq!((got.bytes_out, got.billed, got.cut_off), (bytes, 2, 0));
    assert_eq!(of(&proxy, Operation::HeadObject).requests, 1);
}

/// Both ways the first piece arrives before the second one is sent: nobody waits for a whole body.
#[tokio::test]
async fn bodies_pass_while_they_come() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (proxy, probe) = tokio::join!(StoreProxy::start(Options::new(endpoint)), listener.accept());
    drop(probe);
    let proxy = proxy.unwrap();
    let mut client = TcpStream::connect(proxy.endpoint().strip_prefix("http://").unwrap()).await.unwrap();
    client.write_all(b"PUT /b/k HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nfirst").await.unwrap();
    let (mut store, _) = listener.accept().await.unwrap();
    read_until(&mut store, "first").await;
    client.write_all(b"later").await.unwrap();
    read_until(&mut store, "later").await;
    store.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst").await.unwrap();
    read_until(&mut client, "first").await;
    store.write_all(b"later").await.unwrap();
    read_until(&mut client, "later").await;
}

/// A store that takes nothing is felt by who sends.
#[tokio::test]
async fn a_body_is_never_held_as_a_whole() {
    const BODY_BYTES: usize = 512 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (proxy, probe) = tokio::join!(StoreProxy::start(Options::new(endpoint)), listener.accept());
    drop(probe);
    let proxy = proxy.unwrap();
    let mut client = TcpStream::connect(proxy.endpoint().strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!("PUT /b/k HTTP/1.1\r\nhost: h\r\ncontent-length: {BODY_BYTES}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    // Taken, and never read.
    let _store = listener.accept().await.unwrap();
    let piece = vec![b'.'; 1 << 20];
    let mut sent = 0;
    while sent < BODY_BYTES {
        match tokio::time::timeout(std::time::Duration::from_secs(1), client.write(&piece)).await {
            Ok(written) => sent += written.unwrap(),
            Err(_) => break,
        }
    }
    // What the system's own buffers of four sockets take; the proxy has one piece of it.
    assert!(sent < 64 << 20, "{sent} bytes were taken of a body that the store does not want");
}

async fn read_until(stream: &mut TcpStream, text: &str) {
    let mut found = Vec::new();
    while !String::from_utf8_lossy(&found).contains(text) {
        let mut bytes = [0; 4096];
        let count = tokio::time::timeout(WAIT_MAX, stream.read(&mut bytes)).await.expect("in time").unwrap();
        assert!(count > 0, "ended after {:?}", String::from_utf8_lossy(&found));
        found.extend_from_slice(&bytes[..count]);
    }
}

/// Whoever goes while the store is at it has asked for it all the same.
#[tokio::test]
async fn a_client_that_goes_before_the_answer_is_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (proxy, probe) = tokio::join!(StoreProxy::start(Options::new(endpoint)), listener.accept());
    drop(probe);
    let proxy = proxy.unwrap();
    let requests = [
        ("PUT /b/k HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nwhole", "whole"),
        ("PUT /b/k HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\npart", "part"),
    ];
    for (request, seen) in requests {
        let mut client = TcpStream::connect(proxy.endpoint().strip_prefix("http://").unwrap()).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let (mut store, _) = listener.accept().await.unwrap();
        read_until(&mut store, seen).await;
        drop(client);
        // The proxy ends its connection to the store when it knows.
        let ended = tokio::time::timeout(WAIT_MAX, store.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "the proxy waits for a client that has gone");
    }
    while proxy.report().total.in_flight > 0 {
        tokio::task::yield_now().await;
    }
    let put = of(&proxy, Operation::PutObject);
    assert_eq!((put.requests, put.unanswered, put.store_requests, put.store_given_up), (2, 2, 2, 2));
    assert_eq!((put.billed, put.store_failures, put.bytes_stored), (1, 0, 0), "a part of a request is not charged");
}

#[tokio::test]
async fn a_store_that_has_gone_is_told_as_an_error_of_the_gateway() {
    let (store, proxy) = start().await;
    assert_eq!(ask_once(&proxy.endpoint(), Method::PUT, "/b/k", b"v").await.unwrap().0, StatusCode::OK);
    let mut client = Client::connect(&proxy.endpoint()).await;
    drop(store);
    // The first one may still find the connection that was kept, while it ends.
    for _ in 0..2 {
        let (status, text) = client.ask(Method::GET, "/b/k", b"").await.unwrap();
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        assert!(String::from_utf8_lossy(&text).contains("<Code>StoreUnreachable</Code>"), "{text:?}");
    }
    let got = of(&proxy, Operation::GetObject);
    assert_eq!((got.store_failures, got.answers.server_error, got.billed), (2, 2, 0));
}

#[tokio::test]
async fn the_control_address_tells_what_was_counted_and_what_it_costs() {
    let (_store, proxy) = start().await;
    for number in 0..10 {
        ask_once(&proxy.endpoint(), Method::PUT, &format!("/b/{number}"), &[7; 1 << 20]).await.unwrap();
    }
    ask_once(&proxy.endpoint(), Method::GET, "/b/1", b"").await.unwrap();
    assert_eq!(control(&proxy, Method::PUT, "/payload", r#"{"bytes":5242880}"#).await, (StatusCode::OK, json!({})));
    let (status, counted) = control(&proxy, Method::GET, "/counts", "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(counted["operations"]["PutObject"]["answers"]["2xx"], 10);
    assert_eq!(counted["total"]["requests"], 11);
    // 10 MiB of which 5 were payload: twice as much per GiB.
    assert_eq!(counted["per_gib"]["bytes_in"], (2_u64 << 30) as f64);
    assert_eq!(counted["per_gib"]["requests_by_operation"]["PutObject"], 2048.0);
    let standard = &counted["costs"][0];
    assert_eq!(standard["class"], "s3-standard");
    let dollars_per_gib = standard["dollars_per_gib"].as_f64().unwrap();
    assert!((dollars_per_gib - (2048.0 * 0.005 + 204.8 * 0.0004) / 1e3).abs() < 1e-9, "{dollars_per_gib}");

    let (_, table) = ask_once(&proxy.control_endpoint(), Method::GET, "/report", b"").await.unwrap();
    let table = String::from_utf8(table.to_vec()).unwrap();
    for line in
        ["PutObject        10   10", "per GiB of payload (of 0.005 GiB): 2252.8 requests", "prices as of 2026-09-28"]
    {
        assert!(table.contains(line), "{line:?} is not in\n{table}");
    }

    let (_, until_now) = control(&proxy, Method::POST, "/reset", "").await;
    assert_eq!(until_now["total"]["requests"], 11);
    assert_eq!(proxy.report().total.requests, 0);
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_and_change_nothing() {
    let (_store, proxy) = start().await;
    let wrong = [
        ("/latency", r#"{"profile":"s3-slow"}"#),
        ("/latency", r#"{"p50_ms":20,"p99_ms":10}"#),
        ("/latency", r#"{"p50_ms":20}"#),
        ("/faults", r#"{"rate":2}"#),
        ("/faults", r#"{"rate":0.5,"kinds":["earthquake"]}"#),
        ("/faults", r#"{"rate":0.5,"operations":["Put"]}"#),
        ("/payload", r#"{"bytes":-1}"#),
        ("/payload", ""),
    ];
    let before = proxy.report();
    for (path, body) in wrong {
        let (status, answer) = control(&proxy, Method::PUT, path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path} {body}");
        assert!(answer["error"].as_str().is_some_and(|why| !why.is_empty() && !why.contains('\n')), "{answer}");
    }
    assert_eq!(control(&proxy, Method::GET, "/elsewhere", "").await.0, StatusCode::NOT_FOUND);
    let after = proxy.report();
    assert_eq!(
        (before.latency, before.faults, before.payload_bytes),
        (after.latency, after.faults, after.payload_bytes)
    );
}
