//! Appending over HTTP: what is told as stored is, what is refused is not.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use serde_json::{Value, json};
use tidelog_ingest::AppendError;

use crate::testing::{Answer, Door, Fault, eventually, open_body};

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const OCTETS: &str = "application/octet-stream";
const RECORDS: &str = "/v1/topics/t/records";

async fn read_all(door: &Door, partition: u32) -> Vec<Value> {
    door.get(&format!("/v1/topics/t/partitions/{partition}/records"), NDJSON).await.lines()
}

#[tokio::test]
async fn records_come_back_as_they_went_in() {
    let door = Door::start().await;
    let body = r#"{"records":[
        {"key":"k","value":"text \u00e9\n","timestamp":1700000000000,"headers":[{"name":"a","value":"b"},{"name":"a"},{"name":"c","value_base64":"/w=="}]},
        {"value":{"any": [1, 2.50, null]}},
        {"value_base64":"/wA=","key_base64":"/w"},
        {"key":"gone","value":null},
        {"value":""}]}"#;
    let answer = door.post(RECORDS, JSON, body).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    let told = answer.json();
    let places = told["records"].as_array().unwrap().iter().map(|it| it["offset"].as_u64().unwrap());
    assert_eq!(places.collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let found = read_all(&door, 0).await;
    let headers = json!([{"name":"a","value":"b"},{"name":"a","value":null},{"name":"c","value_base64":"/w=="}]);
    let first = json!({"partition":0,"offset":0,"timestamp":1_700_000_000_000_i64,"key":"k","value":"text é\n","headers":headers});
    assert_eq!(found[0], first);
    assert_eq!(found[1]["value"], r#"{"any": [1, 2.50, null]}"#);
    assert_eq!((&found[2]["value_base64"], &found[2]["key_base64"]), (&json!("/wA="), &json!("/w==")));
    assert_eq!((&found[3]["value"], &found[3]["key"]), (&Value::Null, &json!("gone")));
    assert_eq!((&found[4]["value"], found[4].get("key")), (&json!(""), None));
    assert!(found[4]["timestamp"].as_i64().unwrap() > 1_700_000_000_000);
    door.stop().await;
}

#[tokio::test]
async fn keys_go_where_kafka_sends_them_and_the_rest_to_one_partition() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":10}"#).await;
    let body = r#"{"records":[{"key":"foobar"},{"key":"21"},{"value":1},{"value":2},{"partition":7,"key":"21"}]}"#;
    let answer = door.post(RECORDS, JSON, body).await.json();
    let partitions = answer["records"].as_array().unwrap().iter().map(|it| it["partition"].as_u64().unwrap());
    let partitions = partitions.collect::<Vec<_>>();
    // The positive hashes that Apache Kafka's own tests have, of ten partitions.
    let of = |hash: i32| u64::from((hash as u32 & 0x7fff_ffff) % 10);
    assert_eq!((partitions[0], partitions[1], partitions[4]), (of(-790_332_482), of(-973_932_308), 7));
    assert_eq!(partitions[2], partitions[3]);
    door.stop().await;
}

async fn check_refused(door: &Door, body: &str, status: u16, code: &str, at: Value, says: &str) {
    let answer = door.post(RECORDS, JSON, body.to_owned()).await;
    let problem = answer.check_problem(status, code);
    assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    for (name, expected) in at.as_object().unwrap() {
        assert_eq!(&problem["at"][name], expected, "{problem}");
    }
    assert_eq!(door.tail("t", 0).await, 0, "nothing is stored");
}

#[tokio::test]
async fn a_list_with_a_wrong_record_stores_nothing() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","configs":{"max.message.bytes":2000}}"#).await;
    let good = r#"{"value":"good"}"#;
    let with = |bad: &str| format!("{{\"records\":[{good},{bad}]}}");
    let second = json!({"record": 1});
    check_refused(&door, &with(r#"{"value_base64":"?"}"#), 400, "invalid_base64", second.clone(), "value_base64").await;
    check_refused(&door, &with(r#"{"vlue":"x"}"#), 400, "invalid_record", second.clone(), "vlue").await;
    check_refused(&door, &with(r#"{"value":"x","value_base64":""}"#), 400, "invalid_record", second.clone(), "both")
        .await;
    check_refused(&door, &with(r#"{"value":"\ud800"}"#), 400, "invalid_json", second.clone(), "value").await;
    check_refused(&door, &with(r#"{"partition":1}"#), 404, "unknown_partition", second.clone(), "0 to 0").await;
    check_refused(&door, &with(r#"{"partition":-1}"#), 400, "invalid_record", second.clone(), "-1").await;
    check_refused(
        &door,
        &with(r#"{"timestamp":99999999999999999999}"#),
        400,
        "invalid_record",
        second.clone(),
        "a whole number",
    )
    .await;
    check_refused(&door, &with(r#"{"timestamp":-5}"#), 400, "invalid_timestamp", second.clone(), "-5").await;
    check_refused(&door, &with(r#"{"timestamp":9000000000000}"#), 400, "invalid_timestamp", second.clone(), "within")
        .await;
    let large = format!("{{\"value\":\"{}\"}}", "x".repeat(2_000));
    check_refused(&door, &with(&large), 413, "record_too_large", second.clone(), "2000").await;
    check_refused(&door, &with(r#"{"headers":[["a","b"]]}"#), 400, "invalid_record", second.clone(), "an object").await;
    check_refused(&door, &with(r#"["k"]"#), 400, "invalid_record", second.clone(), "an object").await;
    check_refused(&door, &with("7"), 400, "invalid_record", second, "7").await;
    check_refused(&door, &with("{"), 400, "invalid_json", json!({"line": 1}), "column").await;
    check_refused(&door, "{\n\"records\": nope}", 400, "invalid_json", json!({"line": 2}), "line 2").await;
    check_refused(&door, "", 400, "invalid_json", json!({}), "EOF").await;
    check_refused(&door, "[]", 400, "invalid_body", json!({}), "").await;
    check_refused(&door, r#"{"records":7}"#, 400, "invalid_body", json!({}), "list of records").await;
    check_refused(&door, &with(&"[".repeat(100_000)), 400, "json_too_deep", json!({"line": 1}), "128").await;
    let many = format!("{{\"records\":[{}]}}", vec!["{}"; 100_001].join(","));
    check_refused(&door, &many, 413, "too_many_records", json!({}), "100000").await;
    check_refused(&door, &" ".repeat(9 << 20), 413, "body_too_large", json!({}), "8388608").await;
    door.post(RECORDS, JSON, Bytes::from_static(b"{\"records\":[{\"value\":\"\xff\"}]}"))
        .await
        .check_problem(400, "invalid_utf8");
    door.post(RECORDS, "text/csv", "a,b").await.check_problem(415, "unsupported_media_type");
    door.post("/v1/topics/a%20b/records", JSON, r#"{"records":[]}"#).await.check_problem(400, "invalid_topic_name");
    door.post("/v1/topics/%FF/records", JSON, r#"{"records":[]}"#).await.check_problem(400, "invalid_parameter");
    let encoded = Request::post(RECORDS).header("content-type", JSON).header("content-encoding", "br");
    door.send(encoded.body(Body::from("x")).unwrap()).await.check_problem(415, "unsupported_encoding");
    let nothing = door.post(RECORDS, JSON, r#"{"records":[]}"#).await;
    assert_eq!(nothing.json(), json!({"records": []}));
    door.stop().await;
}

#[tokio::test]
async fn a_topic_comes_into_being_when_it_is_wanted() {
    let door = Door::start_with(|options| options.auto_create_topics = false).await;
    door.post(RECORDS, JSON, r#"{"records":[{}]}"#).await.check_problem(404, "unknown_topic");
    door.stop().await;
}

#[tokio::test]
async fn the_line_that_is_wrong_has_one_number() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let deep = "[".repeat(1_000);
    let wrong = ["{bad", r#"{"val":1}"#, r#"{"partition":-1}"#, &deep].map(|text| text.as_bytes().to_vec());
    for wrong in wrong.into_iter().chain([b"\"\xff\"".to_vec()]) {
        let body = [b"{\"value\":1}\n\n".to_vec(), wrong, b"\n".to_vec()].concat();
        let answer = door.post(RECORDS, NDJSON, Bytes::from(body)).await;
        let problem = answer.json();
        assert_eq!(problem["at"]["line"], json!(3), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("line 3"), "{problem}");
    }
    door.stop().await;
}

#[tokio::test]
async fn lines_are_stored_and_told_as_runs() {
    let door = Door::start().await;
    let body = "{\"value\":1}\n\n  {\"value\":\"two\"}\r\n{\"value_base64\":\"Mw==\"}";
    let told = door.post(RECORDS, NDJSON, body).await.json();
    let runs = json!([
        {"line": 1, "count": 1, "partition": 0, "offset": 0},
        {"line": 3, "count": 2, "partition": 0, "offset": 1},
    ]);
    let partitions = json!([{"partition": 0, "records": 3, "first_offset": 0, "last_offset": 2}]);
    assert_eq!(told, json!({"records": 3, "runs": runs, "is_complete": true, "partitions": partitions}));
    let values = read_all(&door, 0).await.iter().map(|it| it["value"].clone()).collect::<Vec<_>>();
    assert_eq!(values, ["1", "two", "3"]);
    door.stop().await;
}

#[tokio::test]
async fn a_long_body_is_stored_in_order_however_it_is_cut() {
    let door = Door::start().await;
    let count = 30_000;
    let text = (0..count).map(|i| format!("{{\"value\":\"{i:0100}\"}}\n")).collect::<String>();
    let (parts, body) = open_body();
    for part in text.as_bytes().chunks(7_001) {
        parts.send(Ok(Bytes::copy_from_slice(part))).unwrap();
    }
    drop(parts);
    let told = door.post(RECORDS, NDJSON, body).await.json();
    let runs = json!([{"line": 1, "count": count, "partition": 0, "offset": 0}]);
    assert_eq!((&told["records"], &told["runs"]), (&json!(count), &runs));
    let found = read_all(&door, 0).await;
    assert_eq!(found.len(), count);
    for (i, record) in found.iter().enumerate() {
        assert_eq!((&record["offset"], &record["value"]), (&json!(i), &json!(format!("{i:0100}"))));
    }
    door.stop().await;
}

async fn check_line(door: &Door, bad: impl AsRef<[u8]>, status: u16, code: &str) {
    let before = door.tail("t", 0).await;
    let body = [b"{\"value\":1}\n{\"value\":2}\n", bad.as_ref(), b"\n{\"value\":3}\n"].concat();
    let problem = door.post(RECORDS, NDJSON, body).await.check_problem(status, code);
    assert_eq!(problem["at"]["line"], 3, "{problem}");
    let runs = json!([{"line": 1, "count": 2, "partition": 0, "offset": before}]);
    assert_eq!(problem["stored"]["runs"], runs, "{problem}");
    assert_eq!(problem["may_have_happened"], false);
    assert_eq!(door.tail("t", 0).await, before + 2, "what came before it, and nothing else");
}

#[tokio::test]
async fn the_wrong_line_is_named_and_what_came_before_it_is_told() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    check_line(&door, "{\"value\":", 400, "invalid_json").await;
    check_line(&door, "nope", 400, "invalid_json").await;
    check_line(&door, "{\"value\":1} {}", 400, "invalid_json").await;
    check_line(&door, "[]", 400, "invalid_record").await;
    check_line(&door, "{\"v\":1}", 400, "invalid_record").await;
    check_line(&door, "{\"partition\":4294967296}", 400, "invalid_record").await;
    check_line(&door, "{\"partition\":9}", 404, "unknown_partition").await;
    check_line(&door, "{\"value_base64\":\"a\"}", 400, "invalid_base64").await;
    check_line(&door, "{\"timestamp\":1e3}", 400, "invalid_record").await;
    check_line(&door, b"{\"value\":\"\xff\xfe\"}", 400, "invalid_utf8").await;
    check_line(&door, "[".repeat(100_000), 400, "json_too_deep").await;
    check_line(&door, format!("{{\"value\":{}1{}}}", "[".repeat(200), "]".repeat(200)), 400, "json_too_deep").await;
    check_line(&door, format!("{{\"value\":\"{}\"}}", "x".repeat(1_100_000)), 413, "record_too_large").await;
    check_line(&door, " ".repeat(3 << 20), 413, "line_too_long").await;
    door.stop().await;
}

#[tokio::test]
async fn lines_of_a_slow_client_are_stored_as_they_come() {
    let door = Door::start_with(|options| options.body_timeout = Duration::from_millis(300)).await;
    door.create(r#"{"name":"t"}"#).await;
    let (parts, body) = open_body();
    let posting = door.post(RECORDS, NDJSON, body);
    let writing = async {
        parts.send(Ok(Bytes::from("{\"value\":\"token\"}\n{\"value\":"))).unwrap();
        eventually("a line is stored though the next is not whole", async || door.tail("t", 0).await == 1).await;
        // A record has come when its line has, not when its request has.
        tokio::time::sleep(Duration::from_millis(5)).await;
        parts.send(Ok(Bytes::from("null}\n"))).unwrap();
        eventually("the next too", async || door.tail("t", 0).await == 2).await;
        // And then nothing more comes, and the body does not end.
        parts
    };
    let (answer, _parts): (Answer, _) = tokio::join!(posting, writing);
    let problem = answer.check_problem(408, "request_timeout");
    assert_eq!(
        (&problem["stored"]["records"], &problem["retry"]),
        (&json!(2), &json!(false)),
        "they would be stored again"
    );
    let times = read_all(&door, 0).await.iter().map(|it| it["timestamp"].as_i64().unwrap()).collect::<Vec<_>>();
    assert!(times[0] < times[1], "{times:?}");
    door.stop().await;
}

/// Whoever writes for hours learns what is stored when the node stops, also if it never pauses.
#[tokio::test]
async fn lines_end_when_the_node_stops_with_what_is_stored() {
    for never_pauses in [false, true] {
        let door = Door::start().await;
        door.create(r#"{"name":"t"}"#).await;
        let (parts, body) = open_body();
        let posting = tokio::time::timeout(Duration::from_secs(20), door.post(RECORDS, NDJSON, body));
        let writing = async {
            parts.send(Ok(Bytes::from("{\"value\":1}\n{\"value\":2}\n{\"val"))).unwrap();
            eventually("they are stored", async || door.tail("t", 0).await == 2).await;
            door.doors.stop().await;
            while never_pauses && parts.send(Ok(Bytes::from("ue\":3}\n{\"val"))).is_ok() {
                tokio::task::yield_now().await;
            }
            parts
        };
        let (answer, _parts) = tokio::join!(posting, writing);
        let problem = answer.expect("it is answered soon").check_problem(503, "stopping");
        assert_eq!(problem["retry"], false, "they would be stored again");
        let stored = problem["stored"]["records"].as_u64().unwrap();
        assert!(if never_pauses { stored >= 2 } else { stored == 2 }, "{problem}");
        assert_eq!(stored, problem["stored"]["partitions"][0]["last_offset"].as_u64().unwrap() + 1);
        door.stop().await;
    }
}

#[tokio::test]
async fn a_body_that_is_still_coming_when_the_node_stops_stores_nothing() {
    for is_whole in [false, true] {
        let door = Door::start().await;
        door.create(r#"{"name":"t"}"#).await;
        let (parts, body) = open_body();
        parts.send(Ok(Bytes::from(r#"{"records":[{"value":1}"#))).unwrap();
        let posting = tokio::time::timeout(Duration::from_secs(20), door.post(RECORDS, JSON, body));
        let stopping = async {
            tokio::task::yield_now().await;
            door.doors.stop().await;
            // What is as good as here is waited for.
            if is_whole {
                parts.send(Ok(Bytes::from("]}"))).unwrap();
                drop(parts);
                return None;
            }
            Some(parts)
        };
        let (answer, _parts) = tokio::join!(posting, stopping);
        let answer = answer.expect("it is answered soon");
        if is_whole {
            assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
        } else {
            assert_eq!(answer.check_problem(503, "stopping")["retry"], true);
        }
        door.stop().await;
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_stores_its_whole_lines() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let (parts, body) = open_body();
    parts.send(Ok(Bytes::from("{\"value\":1}\n{\"value\":2}"))).unwrap();
    parts.send(Err(std::io::Error::other("cut off"))).unwrap();
    let problem = door.post(RECORDS, NDJSON, body).await.check_problem(400, "body_cut_off");
    assert_eq!(problem["stored"]["records"], 1, "whether the second line was whole is not known");
    assert_eq!(door.tail("t", 0).await, 1);
    door.stop().await;
}

#[tokio::test]
async fn what_is_uncertain_is_told_as_that() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":2}"#).await;
    door.fail_next(Fault::Fails(AppendError::Timeout));
    let body = r#"{"records":[{"value":"a","partition":0},{"value":"b","partition":1}]}"#;
    let answer = door.post(RECORDS, JSON, body).await;
    let problem = answer.check_problem(504, "timeout");
    // The second record is stored, and would be once more.
    assert_eq!((&problem["may_have_happened"], &problem["retry"]), (&json!(true), &json!(false)));
    assert_eq!(answer.header("retry-after"), "");
    let first = json!({"partition": 0, "code": "timeout", "may_have_happened": true});
    assert_eq!(problem["records"], json!([first, {"partition": 1, "offset": 0}]));

    door.fail_next(Fault::Fails(AppendError::Unavailable("away".to_owned())));
    let problem = door.post(RECORDS, OCTETS, "x").await.check_problem(503, "unavailable");
    assert_eq!(problem["may_have_happened"], false);

    door.fail_next(Fault::Fails(AppendError::StoreFull("full".to_owned())));
    let problem = door.post(RECORDS, NDJSON, "{}\n{}\n").await.check_problem(503, "store_full");
    assert_eq!((&problem["at"]["line"], &problem["stored"]["records"]), (&json!(1), &json!(0)));
    assert_eq!(problem["retry"], true, "nothing of it is stored");
    door.stop().await;
}

#[tokio::test]
async fn one_record_comes_as_bytes() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":2,"configs":{"max.message.bytes":2000}}"#).await;
    let answer =
        door.post(&format!("{RECORDS}?key=k&partition=1&timestamp=5"), OCTETS, Bytes::from_static(b"\xff\x00")).await;
    assert_eq!(answer.json(), json!({"records": [{"partition": 1, "offset": 0}]}));
    let expected = json!({"partition":1,"offset":0,"timestamp":5,"key":"k","value_base64":"/wA="});
    assert_eq!(read_all(&door, 1).await, [expected]);
    let by_header =
        Request::post(format!("{RECORDS}?partition=1")).header("content-type", OCTETS).header("tidelog-key", "h");
    assert_eq!(door.send(by_header.body(Body::empty()).unwrap()).await.status.as_u16(), 200);
    let second = &read_all(&door, 1).await[1];
    assert_eq!((&second["key"], &second["value"]), (&json!("h"), &json!("")));
    door.post(&format!("{RECORDS}?key=a&key_base64=YQ"), OCTETS, "x").await.check_problem(400, "invalid_parameter");
    let two =
        Request::post(RECORDS).header("content-type", OCTETS).header("tidelog-key", "a").header("tidelog-key", "b");
    door.send(two.body(Body::from("x")).unwrap()).await.check_problem(400, "invalid_parameter");
    door.post(&format!("{RECORDS}?key_base64=*"), OCTETS, "x").await.check_problem(400, "invalid_base64");
    door.post(&format!("{RECORDS}?partition=-1"), OCTETS, "x").await.check_problem(400, "invalid_parameter");
    door.post(&format!("{RECORDS}?partition=2"), OCTETS, "x").await.check_problem(404, "unknown_partition");
    door.post(RECORDS, OCTETS, "x".repeat(1_990)).await.check_problem(413, "record_too_large");
    door.post(RECORDS, OCTETS, "x".repeat(2_001)).await.check_problem(413, "body_too_large");
    door.post(&format!("{RECORDS}?key=a"), JSON, "{}").await.check_problem(400, "unknown_parameter");
    door.stop().await;
}

#[tokio::test]
async fn a_topic_s_own_codec_and_times_hold_here_too() {
    let door = Door::start().await;
    let configs = r#"{"compression.type":"zstd","message.timestamp.type":"LogAppendTime"}"#;
    door.create(&format!("{{\"name\":\"t\",\"configs\":{configs}}}")).await;
    let value = "same ".repeat(2_000);
    let lines =
        (0..100).map(|i| json!({"value": format!("{i} {value}"), "timestamp": 5}).to_string()).collect::<Vec<_>>();
    let told = door.post(RECORDS, NDJSON, lines.join("\n")).await.json();
    assert_eq!(told["records"], 100);
    let bytes = door.get("/v1/topics/t", JSON).await.json()["partitions"][0]["bytes"].as_u64().unwrap();
    assert!(bytes < 50_000, "{bytes} bytes are stored");
    let found = read_all(&door, 0).await;
    assert_eq!(found.len(), 100);
    for (i, record) in found.iter().enumerate() {
        assert_eq!(record["value"], format!("{i} {value}"));
        assert!(record["timestamp"].as_i64().unwrap() > 5);
    }
    door.stop().await;
}

#[tokio::test]
async fn a_compacted_topic_takes_no_record_without_a_key() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","configs":{"cleanup.policy":"compact"}}"#).await;
    let list = r#"{"records":[{"key":"k","value":1},{"value":2}]}"#;
    let problem = door.post(RECORDS, JSON, list).await.check_problem(400, "invalid_record");
    assert_eq!(problem["at"], json!({"record": 1, "field": "key"}));
    assert_eq!(door.tail("t", 0).await, 0, "a list is checked as a whole");
    let problem = door.post(RECORDS, OCTETS, "x").await.check_problem(400, "invalid_record");
    assert!(problem["detail"].as_str().unwrap().contains("cleanup.policy"), "{problem}");
    assert_eq!(door.post(&format!("{RECORDS}?key=k"), OCTETS, "x").await.status.as_u16(), 200);
    door.stop().await;
}
