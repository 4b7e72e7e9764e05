//! Bodies and answers that are encoded, through the door.

use std::io::Write;

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzDecoder, GzEncoder};
use http_body_util::BodyExt;
use serde_json::json;

use crate::testing::{Answer, Door, eventually, open_body};

const RECORDS: &str = "/v1/topics/t/records";
const PARTITION: &str = "/v1/topics/t/partitions/0/records";

type Encode = fn(&[u8]) -> Vec<u8>;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

async fn post(door: &Door, content_type: &str, encoding: &str, body: impl Into<Body>) -> Answer {
    let request = Request::post(RECORDS).header("content-type", content_type).header("content-encoding", encoding);
    door.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn bodies_are_taken_in_each_encoding() {
    let door = Door::start().await;
    let lines = (0..5_000).map(|number| format!("{{\"value\":\"{number}\"}}\n")).collect::<String>();
    let mut tail = 0;
    for (encoding, encode) in
        [("gzip", gzip as Encode), ("zstd", zstd as Encode), ("identity", <[u8]>::to_vec as Encode)]
    {
        let answer = post(&door, "application/json", encoding, encode(br#"{"records":[{"value":"a"}]}"#)).await;
        assert_eq!(answer.json(), json!({"records": [{"partition": 0, "offset": tail}]}), "{encoding}");
        let answer = post(&door, "application/octet-stream", encoding, encode(b"a")).await;
        assert_eq!(answer.json(), json!({"records": [{"partition": 0, "offset": tail + 1}]}), "{encoding}");
        let answer = post(&door, "application/x-ndjson", encoding, encode(lines.as_bytes())).await;
        assert_eq!(answer.json()["records"], 5_000, "{encoding}");
        // Two of them, one after the other, are one.
        let both = [encode(b"{\"value\":1}\n"), encode(b"{\"value\":2}\n")].concat();
        assert_eq!(post(&door, "application/x-ndjson", encoding, both).await.json()["records"], 2, "{encoding}");
        tail += 5_004;
        let last = door.get(&format!("{PARTITION}?from={}", tail - 3), "application/json").await.json();
        let values = last["records"].as_array().unwrap().iter().map(|record| &record["value"]).collect::<Vec<_>>();
        assert_eq!(values, ["4999", "1", "2"], "{encoding}");
    }
    door.stop().await;
}

#[tokio::test]
async fn lines_are_stored_as_they_come_also_when_they_are_encoded() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let (parts, body) = open_body();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let appending = post(&door, "application/x-ndjson", "gzip", body);
    let writing = async {
        for number in 1..=3 {
            encoder.write_all(b"{\"value\":1}\n").unwrap();
            encoder.flush().unwrap();
            parts.send(Ok(Bytes::from(std::mem::take(encoder.get_mut())))).unwrap();
            eventually("it is stored", async || door.tail("t", 0).await == number).await;
        }
        parts.send(Ok(Bytes::from(encoder.finish().unwrap()))).unwrap();
        drop(parts);
    };
    let (answer, ()) = tokio::join!(appending, writing);
    assert_eq!(answer.json()["records"], 3);
    door.stop().await;
}

#[tokio::test]
async fn bombs_are_refused() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let zeros = vec![b'0'; 100 << 20];
    let empty_lines = vec![b'\n'; 100 << 20];
    for (encoding, encode) in [("gzip", gzip as Encode), ("zstd", zstd as Encode)] {
        let (zeros, empty_lines) = (encode(&zeros), encode(&empty_lines));
        assert!(zeros.len() < 200_000, "{}", zeros.len());
        for content_type in ["application/json", "application/octet-stream"] {
            post(&door, content_type, encoding, zeros.clone()).await.check_problem(413, "body_too_large");
        }
        post(&door, "application/x-ndjson", encoding, zeros.clone()).await.check_problem(413, "line_too_long");
        post(&door, "application/x-ndjson", encoding, empty_lines).await.check_problem(413, "body_too_large");
    }
    assert_eq!(door.tail("t", 0).await, 0);
    door.stop().await;
}

/// As many as there are decoders of that kind, and more.
#[tokio::test]
async fn bodies_that_stand_still_leave_their_decoders_to_others() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let lines = zstd(b"{\"value\":\"a\"}\n");
    let begun: Vec<_> = (0..60).map(|_| open_body()).collect();
    let mut standing = Vec::new();
    let mut senders = Vec::new();
    for (parts, body) in begun {
        parts.send(Ok(Bytes::from(lines[..lines.len() / 2].to_vec()))).unwrap();
        standing.push(post(&door, "application/x-ndjson", "zstd", body));
        senders.push(parts);
    }
    let standing = futures::future::join_all(standing);
    let other = async {
        eventually("they hold all decoders", async || door.gateway.shared().memory.decoders.is_wanted()).await;
        let lively = post(&door, "application/x-ndjson", "zstd", lines.clone()).await;
        (lively, drop(senders))
    };
    let both = tokio::time::timeout(std::time::Duration::from_secs(20), async { tokio::join!(standing, other) });
    let (standing, (lively, ())) = both.await.expect("long before bodies without rivals are given up");
    assert_eq!(lively.json()["records"], 1);
    let slow = standing.iter().filter(|answer| answer.status.as_u16() == 408).count();
    assert!(slow > 0, "they made way");
    door.stop().await;
}

#[tokio::test]
async fn what_is_not_what_it_says_is_refused() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let body = br#"{"records":[{"value":"a"}]}"#;
    for (encoding, good) in [("gzip", gzip(body)), ("zstd", zstd(body))] {
        let problem = post(&door, "application/json", encoding, body.to_vec()).await.check_problem(400, "invalid_body");
        assert_eq!(problem["at"]["parameter"], "content-encoding");
        let torn = good[..good.len() - 3].to_vec();
        post(&door, "application/json", encoding, torn).await.check_problem(400, "body_cut_off");
        post(&door, "application/json", encoding, Vec::new()).await.check_problem(400, "body_cut_off");
        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 0x10;
        let answer = post(&door, "application/json", encoding, flipped).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
        post(&door, "application/json", encoding, good).await.json();
    }
    // A window of 8 MiB.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(23).unwrap();
    encoder.write_all(&vec![b' '; 9 << 20]).unwrap();
    let wide = encoder.finish().unwrap();
    post(&door, "application/json", "zstd", wide).await.check_problem(400, "invalid_body");
    let answer = post(&door, "application/json", "br", body.to_vec()).await;
    answer.check_problem(415, "unsupported_encoding");
    assert_eq!(answer.header("accept-encoding"), "gzip, zstd");
    let create = Request::post("/v1/topics").header("content-type", "application/json");
    let create = create.header("content-encoding", "gzip").body(Body::from(gzip(br#"{"name":"u"}"#))).unwrap();
    door.send(create).await.check_problem(415, "unsupported_encoding");
    assert_eq!(door.tail("t", 0).await, 2);
    door.stop().await;
}

fn get(path: &str, accept: &str, encoding: &str) -> Request<Body> {
    Request::get(path).header("accept", accept).header("accept-encoding", encoding).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn answers_are_encoded_as_is_accepted() {
    let door = Door::start().await;
    let values = vec!["x".repeat(1_000); 1_000];
    door.append("t", &values.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for path in ["/openapi.json".to_owned(), PARTITION.to_owned(), format!("{PARTITION}?limit=1000&max_bytes=8000000")]
    {
        for accept in ["application/json", "application/x-ndjson, */*;q=0.1"] {
            let plain = door.send(get(&path, accept, "identity")).await;
            assert_eq!((plain.header("vary"), plain.header("content-encoding")), ("accept-encoding", ""));
            let gzip = door.send(get(&path, accept, "gzip, deflate")).await;
            assert_eq!((gzip.header("vary"), gzip.header("content-encoding")), ("accept-encoding", "gzip"));
            let mut decoder = GzDecoder::new(Vec::new());
            decoder.write_all(&gzip.body).unwrap();
            assert!(decoder.finish().unwrap() == plain.body, "{path}");
            assert!(gzip.body.len() < plain.body.len() / 3);
            let zstd = door.send(get(&path, accept, "gzip, zstd")).await;
            assert_eq!(zstd.header("content-encoding"), "zstd");
            assert!(zstd::decode_all(&*zstd.body).unwrap() == plain.body, "{path}");
        }
    }
    let short = door.send(get("/livez", "*/*", "gzip")).await;
    assert_eq!((short.body, short.headers.get("content-encoding")), (Bytes::from("ok\n"), None));
    door.stop().await;
}

#[tokio::test]
async fn an_event_can_be_read_when_it_comes_also_when_it_is_encoded() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let mut body = door.begin(get(PARTITION, "text/event-stream", "gzip")).await.into_body();
    let mut decoder = GzDecoder::new(Vec::new());
    for number in 0..20 {
        door.append("t", &[&format!("event {number}")]).await;
        let expected = format!("id: {number}\n");
        while !String::from_utf8_lossy(decoder.get_ref()).contains(&expected) {
            let frame = tokio::time::timeout(std::time::Duration::from_secs(10), body.frame()).await;
            decoder.write_all(&frame.expect("it comes").unwrap().unwrap().into_data().unwrap()).unwrap();
            decoder.flush().unwrap();
        }
        assert!(decoder.get_ref().ends_with(b"\n\n"), "all of it");
    }
    door.stop().await;
}

#[tokio::test]
async fn answers_go_as_they_are_when_there_is_no_encoder_for_them() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let mut streams = Vec::new();
    let encoding = |streams: &[axum::response::Response]| {
        streams.iter().filter(|stream| stream.headers().contains_key("content-encoding")).count()
    };
    for _ in 0..200 {
        streams.push(door.begin(get(PARTITION, "text/event-stream", "gzip")).await);
    }
    assert_eq!(encoding(&streams), 128);
    streams.clear();
    streams.push(door.begin(get(PARTITION, "text/event-stream", "gzip")).await);
    assert_eq!(encoding(&streams), 1);
    drop(streams);
    door.stop().await;
}
