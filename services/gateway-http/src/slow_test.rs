//! Clients that do not take their answers: what they cost the others, and how they end.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::options::SMALL_PAGES_BYTES_MAX;
use crate::testing::{Door, Fault, eventually};

const STREAM: &str =
    "GET /v1/topics/t/partitions/0/records HTTP/1.1\r\nhost: x\r\naccept: application/x-ndjson\r\n\r\n";

/// A connection on which these requests were sent and of which nothing is read.
async fn silent(address: &str, requests: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    stream.write_all(requests.as_bytes()).await.unwrap();
    stream
}

/// Where a door listens that has 10 MB in topic `t`, and one record in topic `small`.
async fn filled(door: &Door) -> String {
    let values = vec!["x".repeat(1_000); 500];
    let values = values.iter().map(String::as_str).collect::<Vec<_>>();
    for _ in 0..20 {
        door.append("t", &values).await;
    }
    door.append("small", &["here"]).await;
    door.listen().await
}

/// How long it takes until this is answered in full.
async fn time_of(address: &str, accept: &str) -> Duration {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let path = "/v1/topics/small/partitions/0/records";
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("\"value\":\"here\""), "{said}");
    begun.elapsed()
}

/// What the system holds for them does not count as taken.
#[tokio::test]
async fn pages_that_are_not_taken_make_way() {
    let door = Door::start_with(|options| options.pages_bytes_max = 16 << 20).await;
    let address = filled(&door).await;
    let path = "/v1/topics/t/partitions/0/records?max_bytes=8388608&limit=10000";
    let mut silents = Vec::new();
    for _ in 0..4 {
        silents.push(silent(&address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await);
    }
    eventually("they hold all of the room", async || door.gateway.shared().memory.pages.is_wanted()).await;
    let begun = Instant::now();
    assert_eq!(door.send(Request::get("/v1/topics").body(Body::empty()).unwrap()).await.status.as_u16(), 200);
    assert!(begun.elapsed() < Duration::from_secs(1), "small answers do not wait: {:?}", begun.elapsed());
    let took = time_of(&address, "application/json").await;
    assert!(took < Duration::from_secs(8), "{took:?}");
    drop(silents);
    door.stop().await;
}

/// They wait for each other. Whoever needs no room of theirs has nothing to do with it.
#[tokio::test]
async fn who_waits_for_room_takes_nobodys_place() {
    let door = Door::start_with(|options| {
        options.pages_bytes_max = 2 << 20;
        options.requests_max = 2;
    })
    .await;
    let address = filled(&door).await;
    let memory = &door.gateway.shared().memory;
    let all = memory.pages.try_take(2 << 20).expect("nobody has any");
    let mut silents = Vec::new();
    for waiting in 1..=4 {
        let page = "GET /v1/topics/t/partitions/0/records HTTP/1.1\r\nhost: x\r\n\r\n";
        silents.push(silent(&address, page).await);
        eventually("it waits, and is not refused", async || memory.places.waiting() == waiting).await;
    }
    let told = door.get("/v1/topics", "application/json").await;
    assert_eq!(told.status.as_u16(), 200, "{told:?}");
    door.append("small", &["and here"]).await;
    drop(all);
    drop(silents);
    door.stop().await;
}

/// Scrapes are answered however much there is to do, so they wait too. Requests are bounded all the same.
#[tokio::test]
async fn scrapes_that_wait_for_room_are_no_reason_to_work_on_more() {
    let door = Door::start_with(|options| options.requests_max = 1).await;
    door.create(r#"{"name":"t"}"#).await;
    let address = door.listen().await;
    let memory = &door.gateway.shared().memory;
    let all = memory.small_pages.try_take(SMALL_PAGES_BYTES_MAX).expect("nobody has any");
    let mut scrapes = Vec::new();
    for waiting in 1..=4 {
        scrapes.push(silent(&address, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await);
        eventually("it waits", async || memory.places.waiting() == waiting).await;
    }
    door.fail_next(Fault::Hangs);
    let append = || door.post("/v1/topics/t/records", "application/octet-stream", "x");
    let mut worked_on = Box::pin(append());
    assert!(futures::poll!(worked_on.as_mut()).is_pending());
    append().await.check_problem(503, "overloaded");
    drop(all);
    for mut scrape in scrapes {
        let mut said = [0; 12];
        scrape.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"HTTP/1.1 200");
    }
    drop(worked_on);
    door.stop().await;
}

#[tokio::test]
async fn readers_that_take_nothing_cost_others_no_more_than_a_moment() {
    let door = Door::start_with(|options| {
        options.pieces_bytes_max = 1 << 20;
        options.reads_bytes_max = 1 << 20;
    })
    .await;
    let address = filled(&door).await;
    let mut silents = Vec::new();
    for _ in 0..60 {
        silents.push(silent(&address, STREAM).await);
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        for accept in ["application/json", "application/x-ndjson"] {
            let took = time_of(&address, accept).await;
            assert!(
                took < Duration::from_millis(2_500),
                "{accept} took {took:?}, {:?} after the start",
                begun.elapsed()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(silents);
    door.stop().await;
}

#[tokio::test]
async fn what_has_to_be_read_again_is_neither_lost_nor_repeated() {
    // Room for what one reader reads at once.
    let door = Door::start_with(|options| options.reads_bytes_max = 256 << 10).await;
    let values = (0..3_000).map(|number| format!("{number:0100}")).collect::<Vec<_>>();
    door.append("t", &values.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let request = Request::get("/v1/topics/t/partitions/0/records").header("accept", "application/x-ndjson");
        bodies.push((door.begin(request.body(Body::empty()).unwrap()).await.into_body(), Vec::new()));
    }
    // Each in turn takes a piece, and the room that the others' records wait in.
    for _ in 0..10 {
        for (body, text) in &mut bodies {
            if let Some(frame) = body.frame().await {
                text.extend_from_slice(&frame.unwrap().into_data().unwrap());
            }
        }
    }
    for (mut body, text) in bodies {
        assert!(body.frame().await.is_none());
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let told = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap()["value"].clone());
        assert!(told.eq(values.iter().map(|value| Value::from(value.as_str()))), "all of them, in order, once");
    }
    door.stop().await;
}

#[tokio::test]
async fn a_client_that_sends_requests_and_reads_nothing_loses_its_connection() {
    let door = Door::start_with(|options| options.write_timeout = Duration::from_millis(200)).await;
    let address = door.listen().await;
    // A document, a problem, a few bytes, and a head alone.
    for request in ["GET /openapi.json", "GET /none", "GET /livez", "HEAD /livez"] {
        let one = format!("{request} HTTP/1.1\r\nhost: x\r\n\r\n");
        let mut stream = silent(&address, &one).await;
        // It goes on sending until nobody takes that any more.
        let many = one.repeat(1_000);
        let mut send =
            async || tokio::time::timeout(Duration::from_millis(500), stream.write_all(many.as_bytes())).await;
        while matches!(send().await, Ok(Ok(()))) {}
        eventually(request, async || door.gateway.shared().open_connections() == 0).await;
    }
    door.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_not_taken_ends_alone() {
    let door = Door::start_with(|options| options.write_timeout = Duration::from_millis(500)).await;
    for _ in 0..20 {
        door.append("t", &["x".repeat(100_000).as_str()]).await;
    }
    let address = door.listen().await;
    let socket = TcpStream::connect(&address).await.unwrap();
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(1_024)
        .initial_connection_window_size(1 << 20)
        .handshake::<_, bytes::Bytes>(socket)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let begin = async |path: &str| {
        let request = Request::get(format!("http://x{path}")).header("accept", "application/x-ndjson, */*;q=0.5");
        let mut client = client.clone().ready().await.unwrap();
        let (answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
        answer.await.unwrap().into_body()
    };
    // Of a stream, of a document and of a page nothing is taken beyond the window.
    let paths = ["/v1/topics/t/partitions/0/records", "/openapi.json", "/v1/topics/t/partitions/0/records?limit=1"];
    let mut stalled = Vec::new();
    for path in paths {
        stalled.push(begin(path).await);
    }
    for (path, mut body) in paths.into_iter().zip(stalled) {
        let ended = async {
            loop {
                // Other streams of the connection go on meanwhile.
                let mut alive = begin("/livez").await;
                assert_eq!(alive.data().await.unwrap().unwrap(), "ok\n");
                // What is in the window is not given back.
                match tokio::time::timeout(Duration::from_millis(50), body.data()).await {
                    Err(_) | Ok(Some(Ok(_))) => {}
                    Ok(end) => return end,
                }
            }
        };
        let end = tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it ends");
        let error = end.expect("it does not end well").unwrap_err();
        assert_eq!(error.reason(), Some(h2::Reason::CANCEL), "{path}");
    }
    assert!(!connection.is_finished());
    drop(client);
    door.stop().await;
}
