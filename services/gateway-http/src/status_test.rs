//! What a node tells of itself.

use serde_json::json;

use crate::testing::{Door, eventually};

const JSON: &str = "application/json";

#[tokio::test]
async fn a_node_tells_how_it_is() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":3}"#).await;
    door.create(r#"{"name":"u","partitions":2}"#).await;
    door.append("t", &["a", "b"]).await;
    let offsets = json!({"offsets": [{"topic": "t", "partition": 0, "offset": 1}]});
    door.put("PUT", "/v1/groups/g/offsets", &offsets).await;
    let topic = door.get("/v1/topics/t", JSON).await.json();
    let bytes = topic["partitions"][0]["bytes"].as_u64().unwrap();
    let mut status = door.get("/v1/status", JSON).await.json();
    assert!(status["raft"]["applied"].as_u64().unwrap() > 3);
    status["raft"].as_object_mut().unwrap().remove("applied");
    assert_eq!(status["cluster_id"].as_str().unwrap().len(), 22);
    status.as_object_mut().unwrap().remove("cluster_id");
    let expected = json!({
        "version": "1.2.3",
        "uptime_s": 61,
        "topics": 2,
        "partitions": 5,
        "groups": 1,
        "nodes": [{"node_id": 1, "zone": "here", "kafka": "broker:9092", "state": "serving", "uptime_s": 61}],
        "raft": {
            "leader": 1, "term": 3, "committed": 70, "log_bytes": 4_096, "snapshot_index": 0, "log_fsync_p99_ms": 1.25,
        },
        "storage": {"store": "a store", "stages": [
            {"stage": "inline", "bytes": bytes, "extents": 1},
            {"stage": "objects", "bytes": 0, "extents": 0, "objects": 0},
        ]},
        "cache": {
            "memory_bytes": 1, "memory_bytes_max": 2, "disk_bytes_max": 4, "written_bytes": 5, "hits": 6, "misses": 7,
        },
        "connections": {"kafka": 8, "http": 0},
        "appends": {"accepted": true},
    });
    assert_eq!(status, expected);
    door.get("/v1/status?x", JSON).await.check_problem(400, "unknown_parameter");

    let address = door.listen().await;
    let open = tokio::net::TcpStream::connect(address).await.unwrap();
    eventually("the connection counts", async || door.get("/v1/status", JSON).await.json()["connections"]["http"] == 1)
        .await;
    drop(open);
    door.stop().await;
}

#[tokio::test]
async fn topics_tell_what_they_hold_when_asked() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":3}"#).await;
    door.create(r#"{"name":"u"}"#).await;
    door.append("t", &["a", "b"]).await;
    door.append("t", &["c"]).await;
    let plain = door.get("/v1/topics", JSON).await.json();
    assert_eq!(plain["topics"][0]["bytes"], json!(null));
    let told = door.get("/v1/topics?details=true", JSON).await.json();
    let bytes = door.get("/v1/topics/t", JSON).await.json()["partitions"][0]["bytes"].clone();
    assert_eq!((&told["topics"][0]["records"], &told["topics"][0]["bytes"]), (&json!(3), &bytes));
    assert_eq!((&told["topics"][1]["records"], &told["topics"][1]["bytes"]), (&json!(0), &json!(0)));
    door.get("/v1/topics?details=yes", JSON).await.check_problem(400, "invalid_parameter");
    door.stop().await;
}
