//! Conditional appends, producers and Idempotency-Keys over HTTP.

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use serde_json::{Value, json};
use tidelog_ingest::AppendError;

use crate::testing::{Answer, Door, Fault, open_body};

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const OCTETS: &str = "application/octet-stream";
const RECORDS: &str = "/v1/topics/t/records";
const FENCE: &str = "/v1/topics/t/partitions/0/fence";

type Headers<'a> = &'a [(&'a str, &'a str)];

async fn send(door: &Door, path: &str, content_type: &str, headers: Headers<'_>, body: impl Into<Body>) -> Answer {
    let request = Request::post(path).header("content-type", content_type);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    door.send(request.body(body.into()).unwrap()).await
}

/// One record's bytes to partition 0.
async fn one(door: &Door, headers: Headers<'_>) -> Answer {
    send(door, &format!("{RECORDS}?partition=0"), OCTETS, headers, "x").await
}

async fn fence(door: &Door, body: &str) -> Answer {
    door.send(Request::put(FENCE).header("content-type", JSON).body(Body::from(body.to_owned())).unwrap()).await
}

async fn topic(partitions: u32, configs: &str) -> Door {
    let door = Door::start().await;
    door.create(&format!(r#"{{"name":"t","partitions":{partitions},"configs":{{{configs}}}}}"#)).await;
    door
}

fn offsets(answer: &Answer) -> Vec<(u64, u64)> {
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    let told = answer.json();
    let place = |it: &Value| (it["partition"].as_u64().unwrap(), it["offset"].as_u64().unwrap());
    told["records"].as_array().unwrap().iter().map(place).collect()
}

/// Records of `bytes` each, so that several make more than one batch.
fn list(count: usize, bytes: usize) -> String {
    let records = (0..count).map(|i| json!({ "value": format!("{i:0bytes$}") }));
    json!({ "records": records.collect::<Vec<_>>() }).to_string()
}

#[tokio::test]
async fn an_append_lands_at_the_offset_that_it_expects_or_not_at_all() {
    let door = topic(1, "").await;
    assert_eq!(offsets(&one(&door, &[("expected-offset", "0")]).await), [(0, 0)]);
    for expected in ["0", "2", "9223372036854775807"] {
        let problem = one(&door, &[("expected-offset", expected)]).await.check_problem(409, "unexpected_offset");
        assert_eq!((&problem["tail"], &problem["may_have_happened"]), (&json!(1), &json!(false)), "{problem}");
        assert_eq!(problem["retry"], false);
    }
    assert_eq!(offsets(&one(&door, &[("expected-offset", "1")]).await), [(0, 1)]);
    door.stop().await;
}

/// It was taken by the settings of its time.
#[tokio::test]
async fn what_is_stored_is_told_again_whatever_the_topic_takes_by_now() {
    let door = topic(1, "").await;
    let body = json!({"records": [{"value": "x".repeat(300), "timestamp": 1_000}]}).to_string();
    let opened = door.send(Request::post("/v1/producers").body(Body::empty()).unwrap()).await.json();
    let id = opened["producer_id"].to_string();
    let of_producer =
        |sequence| [("producer-id", id.as_str()), ("producer-epoch", "0"), ("producer-sequence", sequence)];
    let keyed = [("idempotency-key", "k")];
    let ways: [(Headers<'_>, &str); 2] = [(&keyed, JSON), (&of_producer("0"), JSON)];
    for (place, (headers, kind)) in (0..).zip(ways) {
        assert_eq!(offsets(&send(&door, RECORDS, kind, headers, body.clone()).await), [(0, place)]);
    }
    let path = format!("{RECORDS}?partition=0&timestamp=1000");
    assert_eq!(offsets(&send(&door, &path, OCTETS, &[("idempotency-key", "o")], "y".repeat(300)).await), [(0, 2)]);
    let stricter = json!({"configs": {
        "max.message.bytes": 100, "message.timestamp.before.max.ms": 1, "cleanup.policy": "compact",
    }});
    let patch = Request::patch("/v1/topics/t").header("content-type", JSON).body(Body::from(stricter.to_string()));
    assert_eq!(door.send(patch.unwrap()).await.status.as_u16(), 200);
    for (place, (headers, kind)) in (0..).zip(ways) {
        assert_eq!(offsets(&send(&door, RECORDS, kind, headers, body.clone()).await), [(0, place)]);
    }
    assert_eq!(offsets(&send(&door, &path, OCTETS, &[("idempotency-key", "o")], "y".repeat(300)).await), [(0, 2)]);
    // What is new is judged by what holds now.
    for headers in [&[("idempotency-key", "new")][..], &of_producer("1")] {
        let problem = send(&door, RECORDS, JSON, headers, body.clone()).await.check_problem(400, "invalid_record");
        assert_eq!(problem["may_have_happened"], false);
    }
    door.stop().await;
}

/// An empty key is a key.
/// A stream that turns out to have no lines is told all the same that it was not the next one.
#[tokio::test]
async fn conditions_are_checked_without_records_too() {
    let door = topic(1, "").await;
    let arrow = {
        let value: arrow_array::ArrayRef = std::sync::Arc::new(arrow_array::StringArray::from(Vec::<&str>::new()));
        let batch = arrow_array::RecordBatch::try_from_iter([("value", value)]).unwrap();
        let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    };
    let bodies = [
        (JSON, br#"{"records":[]}"#.to_vec()),
        (NDJSON, b"\n".to_vec()),
        ("application/vnd.apache.arrow.stream", arrow),
    ];
    assert_eq!(offsets(&one(&door, &[("fencing-token", "5")]).await), [(0, 0)]);
    for (content_type, body) in bodies {
        let none = async |headers: Headers<'_>| send(&door, RECORDS, content_type, headers, body.clone()).await;
        assert_eq!(none(&[("expected-offset", "1"), ("fencing-token", "6")]).await.status.as_u16(), 200);
        let problem = none(&[("expected-offset", "0")]).await.check_problem(409, "unexpected_offset");
        assert_eq!((&problem["tail"], &problem["may_have_happened"]), (&json!(1), &json!(false)), "{problem}");
        none(&[("expected-offset", "2"), ("idempotency-key", "k")]).await.check_problem(409, "unexpected_offset");
        let problem = none(&[("fencing-token", "4"), ("expected-offset", "1")]).await.check_problem(412, "fenced");
        assert_eq!((&problem["fencing_token"], &problem["tail"]), (&json!(5), &json!(1)), "it has shown no token");
    }
    assert_eq!(door.tail("t", 0).await, 1);
    // Of which partition must be known.
    door.grow("t", 2).await;
    let none = async |path: &str, headers: Headers<'_>| send(&door, path, NDJSON, headers, "").await;
    none(RECORDS, &[("expected-offset", "0")]).await.check_problem(400, "invalid_parameter");
    let path = format!("{RECORDS}?partition=1");
    assert_eq!(none(&path, &[("expected-offset", "0")]).await.status.as_u16(), 200);
    none(&path, &[("expected-offset", "1")]).await.check_problem(409, "unexpected_offset");
    let path = format!("{RECORDS}?partition=2");
    let answer = none(&path, &[("expected-offset", "0")]).await;
    answer.check_problem(404, "unknown_partition");
    door.stop().await;
}

#[tokio::test]
async fn a_request_with_an_empty_key_is_not_one_without() {
    let door = topic(1, "").await;
    let keyed = [("idempotency-key", "k")];
    assert_eq!(offsets(&send(&door, &format!("{RECORDS}?key="), OCTETS, &keyed, "x").await), [(0, 0)]);
    send(&door, RECORDS, OCTETS, &keyed, "x").await.check_problem(422, "idempotency_key_reused");
    door.stop().await;
}

/// Each of the batches lands right behind the one before, also when what is refused first would fit later.
#[tokio::test]
async fn several_batches_are_one_run() {
    let door = topic(1, r#""max.message.bytes":500"#).await;
    let expecting = |offset: &'static str| [("expected-offset", offset)];
    let answer = send(&door, RECORDS, JSON, &expecting("0"), list(10, 150)).await;
    assert_eq!(offsets(&answer), (0..10).map(|offset| (0, offset)).collect::<Vec<_>>());
    // Two records make a batch: the second one expects 10, which is the tail.
    let problem =
        send(&door, RECORDS, JSON, &expecting("8"), list(4, 150)).await.check_problem(409, "unexpected_offset");
    let codes = problem["records"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap());
    let expected = ["unexpected_offset", "unexpected_offset", "earlier_failed", "earlier_failed"];
    assert_eq!(codes.collect::<Vec<_>>(), expected, "{problem}");
    let lines = |count: usize| (0..count).map(|i| format!("{{\"value\":\"{i:0150}\"}}\n")).collect::<String>();
    let problem = send(&door, RECORDS, NDJSON, &expecting("8"), lines(6)).await.check_problem(409, "unexpected_offset");
    assert_eq!((&problem["at"]["line"], &problem["stored"]["records"]), (&json!(1), &json!(0)));
    let told = send(&door, RECORDS, NDJSON, &expecting("10"), lines(6)).await.json();
    assert_eq!(told["runs"], json!([{"line": 1, "count": 6, "partition": 0, "offset": 10}]));
    assert_eq!(door.tail("t", 0).await, 16);
    door.stop().await;
}

/// What is not known to have landed is not built upon.
#[tokio::test]
async fn nothing_follows_a_batch_that_is_uncertain() {
    let door = topic(1, r#""max.message.bytes":500"#).await;
    door.fail_next(Fault::Fails(AppendError::Timeout));
    let answer = send(&door, RECORDS, JSON, &[("expected-offset", "0")], list(4, 150)).await;
    let problem = answer.check_problem(504, "timeout");
    assert_eq!(problem["records"][0]["may_have_happened"], true);
    assert_eq!(problem["records"][2]["code"], "earlier_failed");
    assert_eq!(door.tail("t", 0).await, 0);
    door.stop().await;
}

#[tokio::test]
async fn conditions_are_for_one_partition() {
    let door = topic(3, "").await;
    let both = r#"{"records":[{"partition":1},{"partition":2}]}"#;
    let producer = [("producer-id", "0"), ("producer-epoch", "0"), ("producer-sequence", "0")];
    assert_eq!(door.post("/v1/producers", JSON, "").await.json(), json!({"producer_id": 0, "epoch": 0}));
    for headers in [&[("expected-offset", "0")][..], &producer] {
        let problem = send(&door, RECORDS, JSON, headers, both).await.check_problem(400, "invalid_record");
        assert_eq!((&problem["at"]["record"], &problem["at"]["field"]), (&json!(1), &json!("partition")));
        assert!(problem["detail"].as_str().unwrap().contains("?partition="), "{problem}");
    }
    let keys = r#"{"records":[{"key":"a"},{"key":"b"},{"key":"c"},{"value":"d"}]}"#;
    let answer = send(&door, &format!("{RECORDS}?partition=2"), JSON, &[("expected-offset", "0")], keys).await;
    assert_eq!(offsets(&answer), [(2, 0), (2, 1), (2, 2), (2, 3)]);
    let contradicts = send(&door, &format!("{RECORDS}?partition=2"), JSON, &[], both).await;
    contradicts.check_problem(400, "invalid_record");
    send(&door, &format!("{RECORDS}?partition=3"), JSON, &[], keys).await.check_problem(404, "unknown_partition");
    let lines = "{\"partition\":1}\n{\"partition\":2}\n";
    let problem = send(&door, RECORDS, NDJSON, &[("expected-offset", "0")], lines).await;
    let problem = problem.check_problem(400, "invalid_record");
    assert_eq!((&problem["at"]["line"], &problem["stored"]["records"]), (&json!(2), &json!(1)));
    door.stop().await;
}

#[tokio::test]
async fn headers_that_are_wrong_are_named_and_create_nothing() {
    let door = Door::start().await;
    let long = "k".repeat(129);
    let cases: [(Headers<'_>, &str); 14] = [
        (&[("expected-offset", "-1")], "expected-offset"),
        (&[("expected-offset", "+1")], "expected-offset"),
        (&[("expected-offset", "9223372036854775808")], "expected-offset"),
        (&[("expected-offset", "")], "expected-offset"),
        (&[("expected-offset", "1"), ("expected-offset", "1")], "expected-offset"),
        (&[("fencing-token", "1.5")], "fencing-token"),
        (&[("fencing-token", "18446744073709551616")], "fencing-token"),
        (&[("idempotency-key", "")], "idempotency-key"),
        (&[("idempotency-key", "a b")], "idempotency-key"),
        (&[("idempotency-key", &long)], "idempotency-key"),
        (&[("producer-id", "1")], "producer-epoch"),
        (&[("producer-epoch", "1"), ("producer-sequence", "0")], "producer-id"),
        (&[("producer-id", "1"), ("producer-epoch", "32768"), ("producer-sequence", "0")], "producer-epoch"),
        (&[("producer-id", "1"), ("producer-epoch", "0"), ("producer-sequence", "2147483648")], "producer-sequence"),
    ];
    for (headers, name) in cases {
        let problem = one(&door, headers).await.check_problem(400, "invalid_parameter");
        assert_eq!(problem["at"]["parameter"], name, "{headers:?}: {problem}");
    }
    let mut both = vec![("idempotency-key", "a")];
    both.extend([("producer-id", "1"), ("producer-epoch", "0"), ("producer-sequence", "0")]);
    one(&door, &both).await.check_problem(400, "invalid_parameter");
    door.get("/v1/topics/t", JSON).await.check_problem(404, "unknown_topic");
    door.stop().await;
}

#[tokio::test]
async fn a_lower_token_is_fenced() {
    let door = topic(2, "").await;
    let with = |token: &'static str| [("fencing-token", token)];
    assert_eq!(offsets(&one(&door, &with("5")).await), [(0, 0)]);
    let problem = one(&door, &with("4")).await.check_problem(412, "fenced");
    assert_eq!((&problem["fencing_token"], &problem["tail"], &problem["retry"]), (&json!(5), &json!(1), &json!(false)));
    assert_eq!(problem["may_have_happened"], false);
    assert_eq!(fence(&door, r#"{"token":7}"#).await.json(), json!({"token": 7, "tail": 1}));
    assert_eq!(fence(&door, r#"{"token":"7"}"#).await.json(), json!({"token": 7, "tail": 1}));
    let problem = fence(&door, r#"{"token":6}"#).await.check_problem(412, "fenced");
    assert_eq!((&problem["fencing_token"], &problem["tail"], &problem["partition"]), (&json!(7), &json!(1), &json!(0)));
    one(&door, &with("6")).await.check_problem(412, "fenced");
    assert_eq!(offsets(&one(&door, &[]).await), [(0, 1)], "whoever has none is taken");
    assert_eq!(offsets(&one(&door, &with("18446744073709551615")).await), [(0, 2)]);
    let problem = one(&door, &with("8")).await.check_problem(412, "fenced");
    assert_eq!(problem["fencing_token"], "18446744073709551615", "as text, so that nobody rounds it");
    let both = r#"{"records":[{"partition":0},{"partition":1}]}"#;
    let problem = send(&door, RECORDS, JSON, &with("9"), both).await.check_problem(412, "fenced");
    assert_eq!(problem["records"][1], json!({"partition": 1, "offset": 0}), "each partition has its own fence");
    assert_eq!((&problem["partition"], &problem["tail"]), (&json!(0), &json!(3)), "which one it is that is told of");
    fence(&door, r#"{"token":-1}"#).await.check_problem(400, "invalid_body");
    fence(&door, r#"{"tokn":1}"#).await.check_problem(400, "invalid_body");
    let missing = Request::put("/v1/topics/t/partitions/9/fence").header("content-type", JSON);
    door.send(missing.body(Body::from(r#"{"token":1}"#)).unwrap()).await.check_problem(404, "unknown_partition");
    let other = r#"{"records":[{"partition":0},{"partition":9}]}"#;
    let problem = send(&door, RECORDS, JSON, &[], other).await.check_problem(404, "unknown_partition");
    assert_eq!(problem["partition"], 9);
    let missing = Request::put("/v1/topics/none/partitions/0/fence").header("content-type", JSON);
    door.send(missing.body(Body::from(r#"{"token":1}"#)).unwrap()).await.check_problem(404, "unknown_topic");
    door.stop().await;
}

fn from(epoch: &'static str, sequence: &'static str) -> [(&'static str, &'static str); 3] {
    [("producer-id", "0"), ("producer-epoch", epoch), ("producer-sequence", sequence)]
}

#[tokio::test]
async fn a_producer_s_appends_land_in_sequence_and_once() {
    let door = topic(2, "").await;
    one(&door, &from("0", "0")).await.check_problem(409, "unknown_producer");
    let opened = door.post("/v1/producers", JSON, "").await;
    assert_eq!((opened.status.as_u16(), opened.json()), (201, json!({"producer_id": 0, "epoch": 0})));
    let path = format!("{RECORDS}?partition=0");
    // A partition knows a producer once its first append is stored.
    one(&door, &from("0", "2")).await.check_problem(409, "unknown_producer");
    let first = send(&door, &path, NDJSON, &from("0", "0"), "{\"value\":1}\n{\"value\":2}\n").await;
    assert_eq!(first.json()["runs"], json!([{"line": 1, "count": 2, "partition": 0, "offset": 0}]));
    // The third one is here before the second.
    let (from_5, from_2) = (from("0", "5"), from("0", "2"));
    let (third, second) = tokio::join!(one(&door, &from_5), send(&door, &path, JSON, &from_2, list(3, 5)));
    assert_eq!(offsets(&second), [(0, 2), (0, 3), (0, 4)]);
    assert_eq!(offsets(&third), [(0, 5)]);
    let again = send(&door, &path, JSON, &from("0", "2"), list(3, 5)).await;
    assert_eq!(offsets(&again), offsets(&second), "a repetition is told where its first try is");
    let problem = one(&door, &from("0", "9")).await.check_problem(409, "out_of_order");
    assert_eq!((&problem["expected_sequence"], &problem["may_have_happened"]), (&json!(6), &json!(false)));
    let other = send(&door, &format!("{RECORDS}?partition=1"), OCTETS, &from("0", "0"), "x").await;
    assert_eq!(offsets(&other), [(1, 0)], "each partition has a sequence of its own");
    for sequence in ["6", "7", "8", "9", "10"] {
        assert_eq!(one(&door, &from("0", sequence)).await.status.as_u16(), 200);
    }
    let problem = one(&door, &from("0", "5")).await.check_problem(409, "offset_forgotten");
    assert_eq!((&problem["may_have_happened"], &problem["retry"]), (&json!(true), &json!(false)));
    assert_eq!(offsets(&one(&door, &from("1", "0")).await), [(0, 11)]);
    let problem = one(&door, &from("0", "11")).await.check_problem(409, "stale_epoch");
    assert_eq!(problem["producer_epoch"], 1);
    assert_eq!(door.tail("t", 0).await, 12);
    door.stop().await;
}

#[tokio::test]
async fn after_a_condition_that_does_not_hold_a_producer_begins_anew() {
    let door = topic(1, "").await;
    door.post("/v1/producers", JSON, "").await;
    let expecting = |epoch, sequence, offset| {
        let mut headers = from(epoch, sequence).to_vec();
        headers.push(("expected-offset", offset));
        headers
    };
    assert_eq!(offsets(&one(&door, &expecting("0", "0", "0")).await), [(0, 0)]);
    one(&door, &[]).await;
    one(&door, &expecting("0", "1", "1")).await.check_problem(409, "unexpected_offset");
    for headers in [expecting("0", "2", "2"), expecting("0", "1", "2"), from("0", "1").to_vec()] {
        let problem = one(&door, &headers).await.check_problem(409, "producer_halted");
        assert_eq!((&problem["producer_epoch"], &problem["may_have_happened"]), (&json!(0), &json!(false)));
    }
    assert_eq!(offsets(&one(&door, &expecting("1", "0", "2")).await), [(0, 2)]);
    door.stop().await;
}

#[tokio::test]
async fn a_request_with_a_key_is_stored_once() {
    let door = topic(3, "").await;
    let key = [("idempotency-key", "0b1e9f70-order-17")];
    let body = r#"{"records":[{"value":"a"},{"key":"k","value":"b"},{"value":"c"}]}"#;
    let first = offsets(&send(&door, RECORDS, JSON, &key, body).await);
    one(&door, &[]).await;
    for _ in 0..2 {
        assert_eq!(offsets(&send(&door, RECORDS, JSON, &key, body).await), first);
    }
    let refused = send(&door, RECORDS, JSON, &key, r#"{"records":[{"value":"z"}]}"#).await;
    assert_eq!(refused.check_problem(422, "idempotency_key_reused")["retry"], false);
    send(&door, RECORDS, NDJSON, &key, body).await.check_problem(422, "idempotency_key_reused");
    send(&door, &format!("{RECORDS}?partition=1"), JSON, &key, body).await.check_problem(422, "idempotency_key_reused");
    // When to append is no part of what is appended.
    assert_eq!(fence(&door, r#"{"token":7}"#).await.status.as_u16(), 200);
    let lower = [key[0], ("fencing-token", "1")];
    assert_eq!(offsets(&send(&door, RECORDS, JSON, &lower, body).await), first);
    let other = send(&door, RECORDS, OCTETS, &[("idempotency-key", "bytes")], "x").await;
    assert_eq!(offsets(&send(&door, RECORDS, OCTETS, &[("idempotency-key", "bytes")], "x").await), offsets(&other));
    send(&door, &format!("{RECORDS}?key=k"), OCTETS, &[("idempotency-key", "bytes")], "x")
        .await
        .check_problem(422, "idempotency_key_reused");
    door.stop().await;
}

/// Part of it is stored; the same request again stores the rest, and tells of all.
#[tokio::test]
async fn what_was_missing_of_a_request_with_a_key_is_completed() {
    let door = topic(4, r#""max.message.bytes":500"#).await;
    let records = (0..16).map(|i| json!({"partition": i % 4, "value": format!("{i:0150}")}));
    let body = json!({ "records": records.collect::<Vec<_>>() }).to_string();
    let key = [("idempotency-key", "k")];
    door.fail_next(Fault::Fails(AppendError::Unavailable("away".to_owned())));
    let problem = send(&door, RECORDS, JSON, &key, body.clone()).await.check_problem(503, "unavailable");
    assert_eq!((&problem["retry"], &problem["may_have_happened"]), (&json!(true), &json!(false)), "{problem}");
    // The first batch of partition 0 was refused, so its second one has not landed before it.
    let of = |partition: usize| door.tail("t", partition);
    assert_eq!((of(0).await, of(1).await, of(2).await, of(3).await), (0, 4, 4, 4));
    let whole = offsets(&send(&door, RECORDS, JSON, &key, body.clone()).await);
    let expected = (0..16).map(|i| (i % 4, i / 4)).collect::<Vec<_>>();
    assert_eq!(whole, expected);
    assert_eq!(offsets(&send(&door, RECORDS, JSON, &key, body).await), expected);
    assert_eq!((of(0).await, of(1).await, of(2).await, of(3).await), (4, 4, 4, 4));
    door.stop().await;
}

/// What decides where a record goes may change between two tries.
#[tokio::test]
async fn a_retry_goes_where_the_first_try_went() {
    let door = topic(2, r#""max.message.bytes":100000"#).await;
    let records = (0..40).map(|i| json!({"key": format!("key-{i}"), "value": "v"}));
    let body = json!({ "records": records.collect::<Vec<_>>() }).to_string();
    let key = [("idempotency-key", "k")];
    door.fail_next(Fault::Fails(AppendError::Timeout));
    send(&door, RECORDS, JSON, &key, body.clone()).await.check_problem(504, "timeout");
    let topic = door.gateway.shared().topic_here("t").unwrap();
    let catalog = &door.gateway.shared().parts.catalog;
    let grow = tidelog_catalog_api::Command::CreatePartitions { topic: topic.id, count: 7 };
    catalog.propose(grow).await.unwrap();
    let configs = [("max.message.bytes".to_owned(), "3000".to_owned())].into();
    let before = (*topic.configs).clone();
    let alter = tidelog_catalog_api::Command::AlterTopicConfigs { topic: topic.id, before, after: configs };
    catalog.propose(alter).await.unwrap();
    let places = offsets(&send(&door, RECORDS, JSON, &key, body.clone()).await);
    assert!(places.iter().all(|(partition, _)| *partition < 2), "{places:?}");
    assert_eq!(offsets(&send(&door, RECORDS, JSON, &key, body.clone()).await), places);
    let new = offsets(&send(&door, RECORDS, JSON, &[("idempotency-key", "new")], body).await);
    assert!(new.iter().any(|(partition, _)| *partition >= 2), "{new:?}");
    door.stop().await;
}

#[tokio::test]
async fn lines_with_a_key_are_taken_as_a_whole() {
    let door = topic(1, "").await;
    let text = (0..30_000).map(|i| format!("{{\"value\":\"{i:0100}\"}}\n")).collect::<String>();
    let key = [("idempotency-key", "k")];
    let mut told = Vec::new();
    // However it is cut on its way.
    for bytes in [7_001, 1 << 20] {
        let (parts, body) = open_body();
        for part in text.as_bytes().chunks(bytes) {
            parts.send(Ok(Bytes::copy_from_slice(part))).unwrap();
        }
        drop(parts);
        told.push(send(&door, RECORDS, NDJSON, &key, body).await.json());
    }
    assert_eq!(told[0]["runs"], json!([{"line": 1, "count": 30_000, "partition": 0, "offset": 0}]));
    assert_eq!(told[0], told[1]);
    let wrong = "{\"value\":1}\nnope\n";
    let problem = send(&door, RECORDS, NDJSON, &[("idempotency-key", "wrong")], wrong).await;
    let problem = problem.check_problem(400, "invalid_json");
    assert_eq!((&problem["at"]["line"], &problem["stored"]["records"]), (&json!(2), &json!(0)));
    assert_eq!(door.tail("t", 0).await, 30_000, "nothing of a body with a wrong line is stored");
    let large = " ".repeat(9 << 20);
    let problem = send(&door, RECORDS, NDJSON, &[("idempotency-key", "large")], large).await;
    let problem = problem.check_problem(413, "body_too_large");
    assert!(problem["detail"].as_str().unwrap().contains("send it in parts"), "{problem}");
    let many = "{}\n".repeat(100_001);
    send(&door, RECORDS, NDJSON, &[("idempotency-key", "many")], many).await.check_problem(413, "too_many_records");
    door.stop().await;
}

#[tokio::test]
async fn no_request_has_more_batches_than_are_remembered() {
    let door = topic(1, r#""max.message.bytes":500"#).await;
    door.post("/v1/producers", JSON, "").await;
    let problem = send(&door, RECORDS, JSON, &from("0", "0"), list(12, 150)).await.check_problem(413, "body_too_large");
    assert_eq!(problem["records"].as_array().unwrap().len(), 12);
    assert_eq!(offsets(&send(&door, RECORDS, JSON, &from("0", "0"), list(10, 150)).await).len(), 10);
    let many = send(&door, RECORDS, JSON, &[("idempotency-key", "k")], list(2_001, 150)).await;
    many.check_problem(413, "body_too_large");
    assert_eq!(door.tail("t", 0).await, 10);
    door.stop().await;
}
