//! Reading pages and lines over HTTP.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::testing::{Answer, Door};

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const LAST_ID: &str = "last-event-id";
const PATH: &str = "/v1/topics/t/partitions/0/records";

/// Offsets and what comes next.
fn page(answer: &Answer) -> (Vec<u64>, u64) {
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    let page = answer.json();
    let offsets = page["records"].as_array().unwrap().iter().map(|record| record["offset"].as_u64().unwrap());
    (offsets.collect(), page["next_offset"].as_u64().unwrap())
}

#[tokio::test]
async fn pages_begin_where_they_should_and_follow_each_other() {
    let door = Door::start().await;
    door.append("t", &["a", "b", "c", "d", "e"]).await;
    door.append("t", &["f", "g"]).await;
    let check = async |query: &str, offsets: &[u64], next: u64| {
        let answer = door.get(&format!("{PATH}{query}"), "*/*").await;
        assert_eq!(page(&answer), (offsets.to_vec(), next), "{query}");
    };
    check("", &[0, 1, 2, 3, 4, 5, 6], 7).await;
    check("?from=earliest&limit=2", &[0, 1], 2).await;
    // Inside a batch, and across batches.
    check("?from=3&limit=3", &[3, 4, 5], 6).await;
    check("?from=latest", &[], 7).await;
    check("?from=7", &[], 7).await;
    check("?from=@0", &[0, 1, 2, 3, 4, 5, 6], 7).await;
    check("?from=@2100-01-01T00:00:00Z", &[], 7).await;
    // One record always, and no more bytes than asked for.
    check("?max_bytes=1", &[0], 1).await;
    check("?from=1&max_bytes=150", &[1, 2], 3).await;
    assert_eq!(door.get(PATH, JSON).await.json()["high_watermark"], 7);
    door.stop().await;
}

/// A reader of JSON that takes what this door takes takes its answers too.
#[tokio::test]
async fn whatever_was_appended_can_be_read_as_json() {
    let door = Door::start().await;
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    // As deep as each kind of body may be.
    let sent = [
        (JSON, deep(125), format!("{{\"records\":[{{\"value\":{}}}]}}", deep(125))),
        (NDJSON, deep(127), format!("{{\"value\":{}}}", deep(127))),
        ("application/octet-stream", deep(200), deep(200)),
    ];
    for (offset, (content_type, value, body)) in sent.into_iter().enumerate() {
        let told = door.post("/v1/topics/t/records", content_type, body).await;
        assert_eq!(told.status.as_u16(), 200, "{told:?}");
        let as_base64 = format!("\"value_base64\":\"{}\"", STANDARD.encode(&value));
        let as_json = format!("\"value\":{value}");
        for (accept, levels_around) in [(JSON, 3), (NDJSON, 1)] {
            let told = door.get(&format!("{PATH}?from={offset}&value_format=json"), accept).await;
            let text = std::str::from_utf8(&told.body).unwrap();
            let fits = value.len() / 2 + levels_around <= 128;
            assert!(text.contains(if fits { &as_json } else { &as_base64 }), "{content_type}, {accept}: {text}");
        }
    }
    door.stop().await;
}

#[tokio::test]
async fn a_time_finds_its_record() {
    let door = Door::start().await;
    let records = [10, 20, 30].map(|time| json!({"value": "x", "timestamp": time}));
    door.post("/v1/topics/t/records", JSON, json!({ "records": records }).to_string()).await;
    assert_eq!(page(&door.get(&format!("{PATH}?from=@20"), JSON).await).0, [1, 2]);
    assert_eq!(page(&door.get(&format!("{PATH}?from=@1970-01-01T00:00:00.021Z"), JSON).await).0, [2]);
    door.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let door = Door::start().await;
    door.append("t", &["a", "b"]).await;
    let check = async |query: &str, status: u16, code: &str| {
        door.get(&format!("{PATH}{query}"), "*/*").await.check_problem(status, code)
    };
    let problem = check("?from=3", 416, "offset_out_of_range").await;
    let told = ["partition", "log_start", "high_watermark"].map(|field| problem[field].clone());
    assert_eq!(told, [0, 0, 2]);
    check("?from=-1", 400, "invalid_parameter").await;
    check("?from=99999999999999999999", 400, "invalid_parameter").await;
    check("?from=@x", 400, "invalid_parameter").await;
    check("?limit=0", 400, "invalid_parameter").await;
    check("?limit=-5", 400, "invalid_parameter").await;
    check("?limit=10001", 400, "invalid_parameter").await;
    check("?max_bytes=0", 400, "invalid_parameter").await;
    check("?max_bytes=99999999", 400, "invalid_parameter").await;
    check("?wait_ms=300001", 400, "invalid_parameter").await;
    check("?value_format=xml", 400, "invalid_parameter").await;
    check("?offset=1", 400, "unknown_parameter").await;
    check("?limit=1&limit=2", 400, "invalid_parameter").await;
    let json = |path: &'static str| door.get(path, JSON);
    json("/v1/topics/t/partitions/1/records").await.check_problem(404, "unknown_partition");
    json("/v1/topics/t/partitions/-1/records").await.check_problem(400, "invalid_parameter");
    json("/v1/topics/t/partitions/99999999999/records").await.check_problem(400, "invalid_parameter");
    json("/v1/topics/none/partitions/0/records").await.check_problem(404, "unknown_topic");
    json("/v1/topics/t/records").await.check_problem(406, "not_acceptable");
    let problem = door.get(PATH, "image/png").await.check_problem(406, "not_acceptable");
    assert!(problem["detail"].as_str().unwrap().contains("text/event-stream"));
    door.get("/v1/topics/t/records?from=5", NDJSON).await.check_problem(400, "invalid_parameter");
    door.get("/v1/topics/t/records?cursor=5", NDJSON).await.check_problem(400, "invalid_cursor");
    door.get("/v1/topics/t/records?cursor=5&from=latest", NDJSON).await.check_problem(400, "invalid_parameter");
    let event = Request::get(PATH).header("accept", "text/event-stream").header("last-event-id", "x");
    door.send(event.body(Body::empty()).unwrap()).await.check_problem(400, "invalid_cursor");
    // What is wrong is named as it was sent, also where an event's id is a cursor.
    let merged =
        |id: &str| Request::get("/v1/topics/t/records").header("accept", "text/event-stream").header(LAST_ID, id);
    let problem = door.send(merged("x").body(Body::empty()).unwrap()).await.check_problem(400, "invalid_cursor");
    assert_eq!(problem["at"]["parameter"], LAST_ID);
    let problem = door.get("/v1/topics/t/records?cursor=x", NDJSON).await.check_problem(400, "invalid_cursor");
    assert_eq!(problem["at"]["parameter"], "cursor");
    door.stop().await;
}

#[tokio::test]
async fn whoever_waits_is_answered_when_a_record_comes() {
    let door = Door::start().await;
    door.append("t", &["a"]).await;
    let path = format!("{PATH}?from=1&wait_ms=20000");
    let waiting = door.get(&path, JSON);
    let appending = async {
        tokio::task::yield_now().await;
        door.append("t", &["b"]).await;
    };
    let (answer, ()) = tokio::join!(waiting, appending);
    assert_eq!(page(&answer), (vec![1], 2));
    // And when none comes, in time.
    let path = format!("{PATH}?from=2&wait_ms=50");
    let quiet = tokio::time::timeout(Duration::from_secs(10), door.get(&path, JSON));
    assert_eq!(page(&quiet.await.unwrap()), (vec![], 2));
    door.stop().await;
}

#[tokio::test]
async fn large_and_small_records_of_compressed_batches_come_whole() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","configs":{"max.message.bytes":4000000,"compression.type":"gzip"}}"#).await;
    // Several pieces per batch, and one record that is larger than a piece.
    let values = [300_000, 10, 100_000, 5, 700_000, 64_000, 1].map(|length| "\u{1}é".repeat(length / 3 + 1));
    let records = values.iter().map(|value| json!({ "value": value })).collect::<Vec<_>>();
    let answer = door.post("/v1/topics/t/records", JSON, json!({ "records": records }).to_string()).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    let check = |found: Vec<Value>, from: usize| {
        assert_eq!(found.len(), values.len() - from);
        assert!(found.iter().zip(&values[from..]).all(|(record, value)| record["value"] == **value));
    };
    check(door.get(PATH, NDJSON).await.lines(), 0);
    check(door.get(&format!("{PATH}?from=3"), NDJSON).await.lines(), 3);
    check(
        door.get(&format!("{PATH}?from=1&max_bytes=8388608"), JSON).await.json()["records"].as_array().unwrap().clone(),
        1,
    );
    assert_eq!(page(&door.get(&format!("{PATH}?max_bytes=100"), JSON).await), (vec![0], 1));
    assert_eq!(door.get(&format!("{PATH}?limit=2"), NDJSON).await.lines().len(), 2);
    // What was held for it is given back.
    let memory = &door.gateway.shared().memory;
    let all = |budget: &crate::memory::Budget| budget.try_take(64 << 20).is_some();
    assert!(all(&memory.reads) && all(&memory.pieces) && all(&memory.pages) && all(&memory.uploads));
    door.stop().await;
}

#[tokio::test]
async fn all_partitions_are_read_as_one_and_gone_on_with() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":4}"#).await;
    let lines = (0..2_000).map(|i| json!({"key": i.to_string(), "value": i}).to_string()).collect::<Vec<_>>();
    let told = door.post("/v1/topics/t/records", NDJSON, lines.join("\n")).await.json();
    assert_eq!(told["partitions"].as_array().unwrap().len(), 4);
    let mut seen = [0_u64; 4];
    let mut values = Vec::new();
    let mut path = "/v1/topics/t/records?limit=300".to_owned();
    loop {
        let found = door.get(&path, NDJSON).await.lines();
        for record in &found {
            let (partition, offset) = (record["partition"].as_u64().unwrap(), record["offset"].as_u64().unwrap());
            assert_eq!(offset, seen[partition as usize], "each partition in order, nothing left out or twice");
            seen[partition as usize] += 1;
            values.push(record["value"].as_str().unwrap().parse::<u64>().unwrap());
        }
        let Some(last) = found.last() else { break };
        path = format!("/v1/topics/t/records?limit=300&cursor={}", last["cursor"].as_str().unwrap());
    }
    values.sort_unstable();
    assert!(values.iter().copied().eq(0..2_000));
    // A topic of the same name is another one.
    door.send(Request::delete("/v1/topics/t").body(Body::empty()).unwrap()).await;
    door.create(r#"{"name":"t","partitions":4}"#).await;
    door.get(&path, NDJSON).await.check_problem(409, "topic_recreated");
    door.create(r#"{"name":"wide","partitions":257}"#).await;
    door.get("/v1/topics/wide/records", NDJSON).await.check_problem(400, "too_many_partitions");
    door.stop().await;
}

#[tokio::test]
async fn a_cursor_goes_on_where_new_partitions_begin_and_else_says_why_not() {
    let door = Door::start().await;
    door.append("t", &["a"]).await;
    let last = async |path: &str| door.get(path, NDJSON).await.lines().pop().unwrap();
    let cursor = |record: &Value| record["cursor"].as_str().unwrap().to_owned();
    let path = |cursor: &str| format!("/v1/topics/t/records?cursor={cursor}");
    let before = cursor(&last("/v1/topics/t/records").await);
    door.grow("t", 2).await;
    door.append_to("t", 1, "b").await;
    door.append_to("t", 1, "c").await;
    door.delete_records("t", 1, 1).await;
    let record = last(&path(&before)).await;
    assert_eq!((&record["partition"], &record["offset"], &record["value"]), (&json!(1), &json!(1), &json!("c")));

    // It names the offset 2 of partition 1, which is deleted before it is read.
    let cursor = cursor(&record);
    door.append_to("t", 1, "d").await;
    door.append_to("t", 1, "e").await;
    let check = async |cursor: &str, detail: &str| {
        for accept in [NDJSON, "application/vnd.apache.arrow.stream", "text/event-stream"] {
            let problem = door.get(&path(cursor), accept).await.check_problem(416, "offset_out_of_range");
            let told = ["partition", "log_start", "high_watermark"].map(|field| problem[field].clone());
            assert_eq!(told, [1, 3, 4], "{accept}");
            assert_eq!(
                (&problem["at"], &problem["detail"]),
                (&json!({"parameter": "cursor"}), &json!(detail)),
                "{accept}"
            );
        }
    };
    door.delete_records("t", 1, 3).await;
    check(&cursor, "partition 1 has no offset 2; it begins at 3, and the next is 4").await;
    // None that was given out: nobody should wait there for records that are not the next ones.
    let mut bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
    *bytes.last_mut().unwrap() = 0x7f;
    check(&URL_SAFE_NO_PAD.encode(bytes), "partition 1 has no offset 127; it begins at 3, and the next is 4").await;
    door.stop().await;
}
