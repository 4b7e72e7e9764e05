//! Topics over HTTP.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::testing::Door;

const JSON: &str = "application/json";

async fn check_refused(door: &Door, body: &str, status: u16, code: &str, says: &str) {
    let problem = door.post("/v1/topics", JSON, body.to_owned()).await.check_problem(status, code);
    assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
}

#[tokio::test]
async fn a_topic_lives() {
    let door = Door::start().await;
    let input = r#"{"name":"orders","partitions":3,"configs":{"retention.ms":3600000,"cleanup.policy":"delete"}}"#;
    let created = door.post("/v1/topics", JSON, input).await;
    assert_eq!(created.status.as_u16(), 201);
    let created = created.json();
    assert_eq!((&created["name"], &created["partitions"]), (&json!("orders"), &json!(3)));
    door.append("orders", &["a", "b"]).await;
    let info = door.get("/v1/topics/orders", JSON).await.json();
    assert_eq!(info["id"], created["id"]);
    assert_eq!(info["partition_count"], 3);
    assert_eq!(info["configs"]["retention.ms"], json!({"value": "3600000", "is_set": true}));
    assert_eq!(info["configs"]["max.message.bytes"], json!({"value": "1048588", "is_set": false}));
    let first = &info["partitions"][0];
    assert_eq!((&first["log_start"], &first["high_watermark"]), (&json!(0), &json!(2)));
    assert!(first["bytes"].as_u64().unwrap() > 60);
    assert_eq!(info["partitions"][2], json!({"partition": 2, "log_start": 0, "high_watermark": 0, "bytes": 0}));

    let part = door.get("/v1/topics/orders?from_partition=1&partition_limit=1", JSON).await.json();
    assert_eq!((part["partitions"].as_array().unwrap().len(), &part["next_partition"]), (1, &json!(2)));

    let deleted = door.send(Request::delete("/v1/topics/orders").body(Body::empty()).unwrap()).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    door.get("/v1/topics/orders", JSON).await.check_problem(404, "unknown_topic");
    let again = door.send(Request::delete("/v1/topics/orders").body(Body::empty()).unwrap()).await;
    again.check_problem(404, "unknown_topic");
    door.stop().await;
}

#[tokio::test]
async fn topics_are_listed_in_pages() {
    let door = Door::start().await;
    for name in ["b", "a", "d", "c"] {
        door.create(&json!({ "name": name }).to_string()).await;
    }
    let names = |answer: serde_json::Value| {
        let names = answer["topics"].as_array().unwrap().iter().map(|topic| topic["name"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>().concat(), answer["next"].as_str().map(str::to_owned))
    };
    assert_eq!(names(door.get("/v1/topics", JSON).await.json()), ("abcd".to_owned(), None));
    assert_eq!(names(door.get("/v1/topics?limit=3", JSON).await.json()), ("abc".to_owned(), Some("c".to_owned())));
    assert_eq!(names(door.get("/v1/topics?limit=3&after=c", JSON).await.json()), ("d".to_owned(), None));
    door.get("/v1/topics?limit=0", JSON).await.check_problem(400, "invalid_parameter");
    door.get("/v1/topics?limit=10001", JSON).await.check_problem(400, "invalid_parameter");
    door.get("/v1/topics?page=2", JSON).await.check_problem(400, "unknown_parameter");
    door.stop().await;
}

#[tokio::test]
async fn what_cannot_be_a_topic_is_refused_with_what_would_work() {
    let door = Door::start().await;
    door.create(r#"{"name":"a.b"}"#).await;
    check_refused(&door, r#"{"name":"a.b"}"#, 409, "topic_exists", "a.b").await;
    check_refused(&door, r#"{"name":"a_b"}"#, 409, "topic_name_collides", "a.b").await;
    check_refused(&door, r#"{"name":"a b"}"#, 400, "invalid_topic_name", "ASCII").await;
    check_refused(&door, r#"{"name":".."}"#, 400, "invalid_topic_name", "..").await;
    check_refused(&door, r#"{"name":"x","partitions":0}"#, 400, "invalid_partitions", "1 to 100000").await;
    check_refused(&door, r#"{"name":"x","partitions":100001}"#, 400, "invalid_partitions", "1 to 100000").await;
    check_refused(&door, r#"{"name":"x","partitions":-1}"#, 400, "invalid_body", "-1").await;
    check_refused(&door, r#"{"name":"x","partitions":1e99}"#, 400, "invalid_body", "a whole number").await;
    check_refused(&door, r#"{"name":"x","configs":{"colour":"red"}}"#, 400, "invalid_config", "colour").await;
    check_refused(&door, r#"{"name":"x","configs":{"retention.ms":"soon"}}"#, 400, "invalid_config", "604800000").await;
    check_refused(&door, r#"{"nme":"x"}"#, 400, "invalid_body", "name").await;
    check_refused(&door, r#"{"name":"x""#, 400, "invalid_json", "line 1 column 11").await;
    check_refused(&door, &"[".repeat(100_000), 400, "json_too_deep", "128").await;
    check_refused(&door, &" ".repeat(300_000), 413, "body_too_large", "262144").await;
    door.post("/v1/topics", "text/plain", "x").await.check_problem(415, "unsupported_media_type");
    assert_eq!(door.get("/v1/topics", JSON).await.json()["topics"].as_array().unwrap().len(), 1);
    door.stop().await;
}

#[tokio::test]
async fn a_topic_changes() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":2,"configs":{"retention.ms":5,"segment.ms":6}}"#).await;
    let patch = async |input: serde_json::Value| door.put("PATCH", "/v1/topics/t", &input).await;
    let changed = patch(json!({
        "configs": {"retention.ms": null, "max.message.bytes": 2_000, "preallocate": true, "cleanup.policy": "compact"},
        "partitions": 4,
    }));
    let changed = changed.await;
    assert_eq!(changed.status.as_u16(), 200, "{changed:?}");
    let changed = changed.json();
    assert_eq!(changed["configs"]["retention.ms"], json!({"value": "604800000", "is_set": false}));
    assert_eq!(changed["configs"]["segment.ms"], json!({"value": "6", "is_set": true}), "it was not named");
    assert_eq!(changed["configs"]["max.message.bytes"], json!({"value": "2000", "is_set": true}));
    assert_eq!(changed["configs"]["preallocate"], json!({"value": "true", "is_set": true}));
    assert_eq!((&changed["partition_count"], &changed["partitions"][3]["partition"]), (&json!(4), &json!(3)));
    assert_eq!(door.get("/v1/topics/t", JSON).await.json(), changed);
    assert_eq!(patch(json!({})).await.json(), changed, "nothing is asked for");
    assert_eq!(patch(json!({"partitions": 4, "configs": {"segment.ms": 6}})).await.json(), changed, "it is so");

    let only = door.put("PATCH", "/v1/topics/t?validate_only=true", &json!({"partitions": 9})).await;
    assert_eq!((only.status.as_u16(), only.json()), (200, changed.clone()));
    let refused = async |input: serde_json::Value, code: &str, field: &str, says: &str| {
        let problem = patch(input).await.check_problem(400, code);
        assert_eq!(problem["at"]["field"], field, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    };
    refused(json!({"partitions": 3}), "invalid_partitions", "partitions", "4 to 100000").await;
    refused(json!({"partitions": 100_001}), "invalid_partitions", "partitions", "4 to 100000").await;
    let configs = |name: &str, value: serde_json::Value| json!({"configs": {name: value}, "partitions": 5});
    refused(configs("colour", json!("red")), "invalid_config", "configs.colour", "colour").await;
    refused(configs("colour", json!(null)), "invalid_config", "configs.colour", "colour").await;
    let meant = "did you mean retention.ms?";
    refused(configs("retenion.ms", json!("5")), "invalid_config", "configs.retenion.ms", meant).await;
    refused(configs("retenion.ms", json!(null)), "invalid_config", "configs.retenion.ms", meant).await;
    refused(configs("retention.ms", json!("soon")), "invalid_config", "configs.retention.ms", "604800000").await;
    let lags = json!({"configs": {"min.compaction.lag.ms": 5, "max.compaction.lag.ms": 4}});
    refused(lags, "invalid_config", "configs", "max.compaction.lag.ms").await;
    patch(json!({"configs": {"retention.ms": [1]}})).await.check_problem(400, "invalid_body");
    patch(json!({"name": "other"})).await.check_problem(400, "invalid_body");
    door.put("PATCH", "/v1/topics/none", &json!({})).await.check_problem(404, "unknown_topic");
    assert_eq!(door.get("/v1/topics/t", JSON).await.json(), changed, "nothing of what was refused is there");
    door.stop().await;
}

/// Two who change different settings at the same time do not undo each other.
#[tokio::test]
async fn changes_at_the_same_time_all_hold() {
    let door = Door::start().await;
    door.create(r#"{"name":"t"}"#).await;
    let names = ["retention.ms", "segment.ms", "flush.ms", "max.message.bytes", "retention.bytes", "segment.bytes"];
    let changes = names.map(|name| json!({"configs": {name: 2_000_000}, "partitions": 3}));
    let answers = futures::future::join_all(changes.iter().map(|it| door.put("PATCH", "/v1/topics/t", it))).await;
    assert!(answers.iter().all(|answer| answer.status.as_u16() == 200), "{answers:?}");
    let topic = door.get("/v1/topics/t", JSON).await.json();
    assert!(names.iter().all(|name| topic["configs"][name]["value"] == "2000000"), "{topic}");
    assert_eq!(topic["partition_count"], 3);
    door.stop().await;
}
