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
    check_refused(&door, r#"{"name":"x","partitions":1e99}"#, 400, "invalid_body", "u32").await;
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
