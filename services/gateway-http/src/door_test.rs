//! The door itself: what every request gets, overload, slow clients, the end.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::options::CONNECTION_BUFFER_BYTES;
use crate::testing::{Door, Fault, eventually, open_body};

const RECORDS: &str = "/v1/topics/t/records";

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let door = Door::start().await;
    door.get("/v2/topics", "*/*").await.check_problem(404, "not_found");
    let answer = door.send(Request::put("/v1/topics").body(Body::empty()).unwrap()).await;
    answer.check_problem(405, "method_not_allowed");
    let mut allowed = answer.header("allow").split(',').collect::<Vec<_>>();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    assert_eq!(door.get("/livez", "*/*").await.body, "ok\n");
    assert_eq!(door.get("/readyz", "*/*").await.body, "ready\n");
    let document = door.get("/openapi.json", "*/*").await.json();
    assert!(document["paths"]["/v1/topics/{topic}/records"]["post"].is_object());
    door.stop().await;
}

#[tokio::test]
async fn a_request_has_a_name() {
    let door = Door::start().await;
    let own = Request::get("/livez").header("x-request-id", "mine").body(Body::empty()).unwrap();
    assert_eq!(door.send(own).await.header("x-request-id"), "mine");
    let long = Request::get("/livez").header("x-request-id", "x".repeat(129)).body(Body::empty()).unwrap();
    assert_eq!(door.send(long).await.header("x-request-id").len(), 32);
    let (first, second) = (door.get("/livez", "*/*").await, door.get("/livez", "*/*").await);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    door.stop().await;
}

fn preflight(origin: &str) -> Request<Body> {
    let request = Request::options(RECORDS).header("origin", origin).header("access-control-request-method", "POST");
    request.header("access-control-request-headers", "content-type,x-client-id").body(Body::empty()).unwrap()
}

fn from(origin: &str, path: &str) -> Request<Body> {
    Request::get(path).header("origin", origin).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn pages_of_allowed_origins_may_ask_and_others_may_not() {
    const ALLOWED: &str = "access-control-allow-origin";
    let door = Door::start_with(|options| {
        options.cors_allowed_origins = vec!["https://a.example".to_owned(), "http://localhost:3000".to_owned()];
    })
    .await;
    for origin in ["https://a.example", "http://localhost:3000"] {
        let told = door.send(preflight(origin)).await;
        assert_eq!((told.status.as_u16(), told.header(ALLOWED)), (200, origin));
        assert!(told.header("access-control-allow-methods").contains("POST"));
        assert_eq!(told.header("access-control-allow-headers"), "content-type,x-client-id");
        assert_eq!(told.header("access-control-max-age"), "600");
        assert_eq!(told.header("x-request-id").len(), 32);
        // Of a problem too: else a page could not read what was wrong.
        let problem = door.send(from(origin, "/none")).await;
        problem.check_problem(404, "not_found");
        assert_eq!((problem.header(ALLOWED), problem.header("access-control-expose-headers")), (origin, "*"));
        assert!(problem.headers.get_all("vary").iter().any(|vary| vary.to_str().unwrap().contains("origin")));
    }
    for origin in ["https://b.example", "https://a.example.evil", "http://a.example", "null"] {
        assert_eq!(door.send(preflight(origin)).await.header(ALLOWED), "", "{origin}");
        assert_eq!(door.send(from(origin, "/livez")).await.header(ALLOWED), "", "{origin}");
    }
    door.stop().await;
    let any = Door::start_with(|options| options.cors_allowed_origins = vec!["*".to_owned()]).await;
    assert_eq!(any.send(preflight("https://b.example")).await.header(ALLOWED), "*");
    any.stop().await;
    let off = Door::start().await;
    assert_eq!(off.send(from("https://a.example", "/livez")).await.header(ALLOWED), "");
    off.send(preflight("https://a.example")).await.check_problem(405, "method_not_allowed");
    off.stop().await;
}

#[tokio::test]
async fn a_panic_ends_its_request_alone() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    door.fail_next(Fault::Panics);
    let problem = door.post(RECORDS, "application/octet-stream", "x").await.check_problem(500, "internal");
    assert_eq!(problem["may_have_happened"], true);
    assert_eq!(door.post(RECORDS, "application/octet-stream", "x").await.status.as_u16(), 200);
    door.stop().await;
}

#[tokio::test]
async fn too_many_requests_are_told_to_come_again() {
    let door = Door::start_with(|options| options.requests_max = 1).await;
    door.create(r#"{"name":"t"}"#).await;
    door.fail_next(Fault::Hangs);
    let hanging =
        Request::post(RECORDS).header("content-type", "application/octet-stream").body(Body::from("x")).unwrap();
    let hanging = door.begin(hanging);
    let mut hanging = std::pin::pin!(hanging);
    assert!(futures::poll!(hanging.as_mut()).is_pending());
    eventually("it hangs", async || {
        assert!(futures::poll!(hanging.as_mut()).is_pending());
        door.write_path.faults.lock().is_empty()
    })
    .await;
    let answer = door.get("/v1/topics", "*/*").await;
    answer.check_problem(503, "overloaded");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(door.get("/livez", "*/*").await.status.as_u16(), 200, "who watches is always answered");
}

#[tokio::test]
async fn streams_are_bounded() {
    let door = Door::start_with(|options| options.streams_max = 1).await;
    door.append("t", &["0"]).await;
    let path = "/v1/topics/t/partitions/0/records";
    let stream = || Request::get(path).header("accept", "text/event-stream").body(Body::empty()).unwrap();
    let first = door.begin(stream()).await;
    door.send(stream()).await.check_problem(503, "overloaded");
    drop(first);
    assert_eq!(door.begin(stream()).await.status().as_u16(), 200);
    door.stop().await;
}

async fn exchange(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = String::new();
    let read = stream.read_to_string(&mut said);
    let _ = tokio::time::timeout(Duration::from_secs(20), read).await.expect("it is answered");
    said
}

#[tokio::test]
async fn readiness_falls_while_what_is_under_way_is_finished() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let address = door.listen().await;
    let ready = exchange(&address, "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");

    let mut upload = TcpStream::connect(&address).await.unwrap();
    let head = "POST /v1/topics/t/records HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
    upload.write_all(format!("{head}c\r\n{{\"value\":1}}\n\r\n").as_bytes()).await.unwrap();
    eventually("its first line is stored", async || door.tail("t", 0).await == 1).await;

    let doors = door.doors.clone();
    let stopping = tokio::spawn(async move { doors.stop().await });
    eventually("it is known to stop", async || door.doors.is_stopping()).await;
    let ready = exchange(&address, "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("\"stopping\""), "{ready}");
    let refused = exchange(&address, "GET /v1/topics HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");

    upload.write_all(b"c\r\n{\"value\":2}\n\r\n0\r\n\r\n").await.unwrap();
    let mut said = String::new();
    upload.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("\"records\":2"), "{said}");
    stopping.await.unwrap();
    assert!(TcpStream::connect(&address).await.is_err(), "nobody listens any more");
    door.stop().await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_disconnected_and_nobody_else_notices() {
    let door = Door::start_with(|options| {
        options.write_timeout = Duration::from_millis(200);
        options.pieces_bytes_max = 64 << 10;
    })
    .await;
    let value = "x".repeat(500_000);
    for _ in 0..40 {
        door.append("t", &[&value]).await;
    }
    let address = door.listen().await;
    let mut slow = TcpStream::connect(&address).await.unwrap();
    let request = "GET /v1/topics/t/partitions/0/records HTTP/1.1\r\nhost: x\r\naccept: application/x-ndjson\r\n\r\n";
    slow.write_all(request.as_bytes()).await.unwrap();
    // It takes nothing, and holds all the room for pieces; this one waits for it.
    let said = exchange(&address, &request.replace("host: x", "host: x\r\nconnection: close")).await;
    assert!(said.len() > 20_000_000 && said.ends_with("0\r\n\r\n"), "{} bytes", said.len());
    // What the kernel has of it can be read; then it ends before its end.
    let mut taken = Vec::new();
    let _ = slow.read_to_end(&mut taken).await;
    assert!(taken.len() < 20_000_000, "{} bytes", taken.len());
    door.stop().await;
}

#[tokio::test]
async fn a_body_that_stands_still_is_refused_and_gives_its_room_back() {
    let door = Door::start_with(|options| {
        options.body_timeout = Duration::from_millis(100);
        (options.uploads_bytes_max, options.begun_uploads_bytes_max) = (64 << 10, 0);
    })
    .await;
    door.create(r#"{"name":"t"}"#).await;
    let (parts, body) = open_body();
    parts.send(Ok(Bytes::from(vec![b'x'; 40 << 10]))).unwrap();
    let standing = door.post(RECORDS, "application/octet-stream", body);
    let other = door.post(RECORDS, "application/octet-stream", vec![b'y'; 40 << 10]);
    let (standing, other) = tokio::join!(standing, other);
    standing.check_problem(408, "request_timeout");
    assert_eq!(other.json(), json!({"records": [{"partition": 0, "offset": 0}]}));
    drop(parts);
    door.stop().await;
}

#[tokio::test]
async fn a_body_that_stands_still_makes_way_sooner_when_others_wait() {
    let door = Door::start_with(|options| {
        (options.uploads_bytes_max, options.begun_uploads_bytes_max) = (64 << 10, 0);
    })
    .await;
    door.create(r#"{"name":"t"}"#).await;
    // Much of it has come, and fast.
    let (parts, body) = open_body();
    parts.send(Ok(Bytes::from(vec![b'x'; 1_000_000]))).unwrap();
    let standing = door.post(RECORDS, "application/octet-stream", body);
    let other = door.post(RECORDS, "application/octet-stream", vec![b'y'; 40 << 10]);
    let both = tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(standing, other) });
    let (standing, other) = both.await.expect("long before a body without rivals is given up");
    standing.check_problem(408, "request_timeout");
    assert_eq!(other.json(), json!({"records": [{"partition": 0, "offset": 0}]}));
    drop(parts);
    door.stop().await;
}

#[tokio::test]
async fn a_body_that_drips_makes_way_when_others_wait() {
    let door = Door::start_with(|options| {
        (options.uploads_bytes_max, options.begun_uploads_bytes_max) = (64 << 10, 0);
    })
    .await;
    door.create(r#"{"name":"t"}"#).await;
    let (parts, body) = open_body();
    parts.send(Ok(Bytes::from(vec![b'x'; 40 << 10]))).unwrap();
    let dripping = door.post(RECORDS, "application/octet-stream", body);
    let other = door.post(RECORDS, "application/octet-stream", vec![b'y'; 40 << 10]);
    let drip = async {
        while parts.send(Ok(Bytes::from_static(b"x"))).is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (dripping, other, ()) = tokio::join!(dripping, other, drip);
    dripping.check_problem(408, "request_timeout");
    assert_eq!(other.json(), json!({"records": [{"partition": 0, "offset": 0}]}));
    door.stop().await;
}

/// They may have said that much will come: what they hold is what has.
#[tokio::test]
async fn bodies_that_have_begun_and_stand_still_hold_little() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let begun: Vec<_> = (0..100).map(|_| open_body()).collect();
    let mut standing = Vec::new();
    let mut senders = Vec::new();
    for (parts, body) in begun {
        parts.send(Ok(Bytes::from(vec![b' '; 20 << 10]))).unwrap();
        let request = Request::post(RECORDS).header("content-type", "application/json");
        let request = request.header("content-length", 8 << 20).body(body).unwrap();
        standing.push(Box::pin(door.begin(request)));
        senders.push(parts);
    }
    for _ in 0..20 {
        for request in &mut standing {
            assert!(futures::poll!(request.as_mut()).is_pending());
        }
        tokio::task::yield_now().await;
    }
    let value = "y".repeat(100_000);
    let other = door.post(RECORDS, "application/json", format!("{{\"records\":[{{\"value\":\"{value}\"}}]}}"));
    let other = tokio::time::timeout(Duration::from_secs(1), other).await.expect("before any of them is given up");
    assert_eq!(other.status.as_u16(), 200);
    drop((standing, senders));
    door.stop().await;
}

/// As fast as any body has to be, but for what it holds of the room.
#[tokio::test]
async fn a_body_that_is_slow_for_its_size_makes_way_when_others_wait() {
    let door = Door::start_with(|options| {
        (options.uploads_bytes_max, options.begun_uploads_bytes_max) = (32 << 20, 0);
    })
    .await;
    door.create(r#"{"name":"t","configs":{"max.message.bytes":16000000}}"#).await;
    let (parts, body) = open_body();
    parts.send(Ok(Bytes::from(vec![b'x'; 20 << 10]))).unwrap();
    let slow = door.post(RECORDS, "application/octet-stream", body);
    let other = door.post(RECORDS, "application/octet-stream", vec![b'y'; 8 << 20]);
    let steadily = async {
        while parts.send(Ok(Bytes::from(vec![b'x'; 20 << 10]))).is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let all = async { tokio::join!(slow, other, steadily) };
    let (slow, other, ()) = tokio::time::timeout(Duration::from_secs(20), all).await.expect("within its turn");
    slow.check_problem(408, "request_timeout");
    assert_eq!(other.json(), json!({"records": [{"partition": 0, "offset": 0}]}));
    door.stop().await;
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_its_connection() {
    let door = Door::start_with(|options| options.head_timeout = Duration::from_millis(100)).await;
    let address = door.listen().await;
    let said = exchange(&address, "GET /livez HTTP/1.1\r\nhost:").await;
    assert!(!said.contains("200"), "{said}");
    let said = exchange(&address, &format!("GET /livez HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(40_000))).await;
    assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    let head = |bytes: usize| {
        let (begin, end) = ("GET /livez HTTP/1.1\r\nconnection: close\r\nx: ", "\r\n\r\n");
        format!("{begin}{}{end}", "y".repeat(bytes - begin.len() - end.len()))
    };
    for (bytes, status) in [(CONNECTION_BUFFER_BYTES, 200), (CONNECTION_BUFFER_BYTES + 1, 431)] {
        let said = exchange(&address, &head(bytes)).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{bytes}: {said}");
    }
    let said = exchange(&address, "NOT HTTP\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    door.stop().await;
}
