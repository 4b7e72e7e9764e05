//! How connections begin: which HTTP it is, and what becomes of those that do not say.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::testing::{Door, eventually};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame of settings, with none.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

async fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends it in pieces that come one by one.
async fn drip(stream: &mut TcpStream, bytes: &[u8], piece_bytes: usize) {
    for piece in bytes.chunks(piece_bytes) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// All that is said until the connection ends, however it does.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let read = stream.read_to_end(&mut said);
    let _ = tokio::time::timeout(Duration::from_secs(20), read).await.expect("the connection ends");
    said
}

#[tokio::test]
async fn requests_in_pieces_are_whole() {
    let door = Door::start().await;
    let address = door.listen().await;
    let requests =
        b"POST /v1/topics HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n\
        {\"name\":\"t\"}GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    for piece_bytes in [1, 2, 23, 24, 25, requests.len()] {
        let mut stream = connect(&address).await;
        drip(&mut stream, requests, piece_bytes).await;
        let said = String::from_utf8(rest(&mut stream).await).unwrap();
        assert!(said.contains("HTTP/1.1 200") && said.ends_with("ok\n"), "in {piece_bytes}: {said}");
        assert_eq!(said.matches("HTTP/1.1 ").count(), 2, "in {piece_bytes}: {said}");
    }
    assert_eq!(door.tail("t", 0).await, 0);
    door.stop().await;
}

#[tokio::test]
async fn http2_is_known_by_its_preface_however_it_comes() {
    let door = Door::start().await;
    let address = door.listen().await;
    let begin = [PREFACE, SETTINGS].concat();
    for piece_bytes in [1, 23, 24, 25, begin.len()] {
        let mut stream = connect(&address).await;
        drip(&mut stream, &begin, piece_bytes).await;
        let mut head = [0; 9];
        let read = stream.read_exact(&mut head);
        tokio::time::timeout(Duration::from_secs(20), read).await.expect("it is answered").unwrap();
        assert_eq!((head[3], head[4]), (4, 0), "its settings come first: {head:?}");
        let mut settings = vec![0; usize::from(head[2])];
        stream.read_exact(&mut settings).await.unwrap();
        // A request for /livez: GET, http, and a path and an authority that are not indexed.
        let path = b"\x82\x86\x04\x06/livez\x01\x01x";
        let headers = [&[0, 0, path.len() as u8, 1, 5, 0, 0, 0, 1], &path[..]].concat();
        stream.write_all(&headers).await.unwrap();
        let mut said = Vec::new();
        while !said.windows(3).any(|part| part == b"ok\n") {
            let read = stream.read_buf(&mut said);
            let read = tokio::time::timeout(Duration::from_secs(20), read).await.expect("it is answered").unwrap();
            assert_ne!(read, 0, "{said:?}");
        }
    }
    door.stop().await;
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let door = Door::start().await;
    let address = door.listen().await;
    let almost = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX";
    for said in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"\0\0\0\0", b"PRI\r\n\r\n", almost] {
        let mut stream = connect(&address).await;
        stream.write_all(said).await.unwrap();
        let answer = String::from_utf8(rest(&mut stream).await).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{said:?}: {answer}");
    }
    eventually("all of them end", async || door.gateway.shared().open_connections() == 0).await;
    door.stop().await;
}

/// What the library refuses by itself has no problem; docs/http.md says of what.
#[tokio::test]
async fn heads_that_are_no_heads_are_refused_without_a_body() {
    let door = Door::start().await;
    let address = door.listen().await;
    let many = (0..101).map(|number| format!("x{number}: 1\r\n")).collect::<String>();
    let long = format!("x: {}\r\n", "y".repeat(40_000));
    let path = format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(40_000));
    let with = |header: &str| format!("POST /v1/topics HTTP/1.1\r\nhost: x\r\n{header}\r\n");
    let all = [
        (400, "GET /livez\r\n\r\n".to_owned()),
        (400, "GET /livez HTTP/3.0\r\n\r\n".to_owned()),
        (400, "GET /a b HTTP/1.1\r\n\r\n".to_owned()),
        (400, with("content-length: some\r\n")),
        (400, with("content-length: 1\r\ncontent-length: 2\r\n")),
        (400, with("transfer-encoding: gzip\r\n")),
        (400, with("no header\r\n")),
        (400, with("x: \u{1}\r\n")),
        (431, with(&many)),
        (431, with(&long)),
        (431, path),
    ];
    for (status, head) in all {
        let mut stream = connect(&address).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let told = String::from_utf8(rest(&mut stream).await).unwrap();
        let start = &head[..head.len().min(60)];
        assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{start:?}: {told}");
        assert!(told.contains("content-length: 0\r\n") && told.contains("connection: close\r\n"), "{start:?}: {told}");
        assert!(told.ends_with("\r\n\r\n") && !told.contains("x-request-id"), "{start:?}: {told}");
    }
    // Of HTTP/2, whose connection goes on.
    let stream = TcpStream::connect(&address).await.unwrap();
    let (client, connection) = h2::client::Builder::new().handshake::<_, bytes::Bytes>(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = axum::http::Request::get("http://x/livez").header("x", "y".repeat(40_000)).body(()).unwrap();
    let (told, _) = client.clone().ready().await.unwrap().send_request(request, true).unwrap();
    let told = told.await.unwrap();
    assert_eq!((told.status().as_u16(), told.headers().contains_key("x-request-id")), (431, false));
    assert!(told.into_body().data().await.is_none());
    let request = axum::http::Request::get("http://x/livez").body(()).unwrap();
    let (told, _) = client.clone().ready().await.unwrap().send_request(request, true).unwrap();
    assert_eq!(told.await.unwrap().status().as_u16(), 200);
    drop(client);
    connection.abort();
    door.stop().await;
}

#[tokio::test]
async fn who_does_not_say_what_it_speaks_is_not_waited_for() {
    let head_timeout = Duration::from_millis(200);
    let door = Door::start_with(|options| options.head_timeout = head_timeout).await;
    let address = door.listen().await;
    for said in [&b""[..], b"P", b"G", &PREFACE[..23], b"POST / HTTP/1.1\r\nhost"] {
        let begun = Instant::now();
        let mut stream = connect(&address).await;
        stream.write_all(said).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(!answer.windows(3).any(|part| part == b"200"), "{said:?}: {answer:?}");
        assert!(begun.elapsed() >= head_timeout, "{said:?}: {:?}", begun.elapsed());
    }
    eventually("all of them end", async || door.gateway.shared().open_connections() == 0).await;
    door.stop().await;
}

#[tokio::test]
async fn uploads_are_told_what_is_stored_and_do_not_hold_up_a_stop() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let address = door.listen().await;
    let mut streams = Vec::new();
    for _ in 0..16 {
        let mut stream = connect(&address).await;
        let upload = b"POST /v1/topics/t/records HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n\
            transfer-encoding: chunked\r\n\r\n5\r\n{}\n{}\r\n";
        stream.write_all(upload).await.unwrap();
        streams.push(stream);
    }
    eventually("the first line of each is stored", async || door.tail("t", 0).await == 16).await;
    let begun = Instant::now();
    door.doors.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for mut stream in streams {
        let answer = String::from_utf8(rest(&mut stream).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains(r#""code":"stopping""#), "{answer}");
        assert!(answer.contains(r#""stored":{"records":1,"#), "{answer}");
    }
    door.stop().await;
}

#[tokio::test]
async fn who_has_asked_nothing_does_not_hold_up_a_stop() {
    let door = Door::start().await;
    let address = door.listen().await;
    let (mut silent, mut partial) = (connect(&address).await, connect(&address).await);
    partial.write_all(&PREFACE[..9]).await.unwrap();
    eventually("both are there", async || door.gateway.shared().open_connections() == 2).await;
    let begun = Instant::now();
    door.doors.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!((rest(&mut silent).await, rest(&mut partial).await), (vec![], vec![]));
    door.stop().await;
}
