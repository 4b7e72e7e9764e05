//! A group of Kafka's consumers, looked at and set back over HTTP.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use serde_json::{Value, json};
use tidelog_clients::Server;

use crate::curl::{curl, url};
use crate::server;

const WAIT: Duration = Duration::from_secs(30);
const VERSION: &str = "--http1.1";
const OFFSETS: &str = "/v1/groups/readers/offsets";

fn consumer(server: &Server) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", server.address()).set("group.id", "readers").set("client.id", "a-reader");
    config.set("auto.offset.reset", "earliest").set("enable.auto.commit", "false").set("session.timeout.ms", "20000");
    let consumer: BaseConsumer = config.create().unwrap();
    consumer.subscribe(&["orders"]).unwrap();
    consumer
}

/// Reads so many records; says which offsets came from each partition.
fn read(consumer: &BaseConsumer, count: usize) -> BTreeMap<i32, Vec<i64>> {
    let mut offsets: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    let deadline = Instant::now() + WAIT;
    for _ in 0..count {
        let message = loop {
            assert!(Instant::now() < deadline, "{offsets:?} of {count}");
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                break message.unwrap();
            }
        };
        offsets.entry(message.partition()).or_default().push(message.offset());
    }
    offsets
}

fn get(server: &Server, path: &str) -> Value {
    let told = curl(VERSION, &[], &url(server, path), "");
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

fn send(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let arguments = ["-X", method, "-H", "content-type: application/json", "-d", &body];
    let told = curl(VERSION, &arguments, &url(server, path), "");
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

fn append(server: &Server, partition: u32, count: u32) {
    let records = (0..count).map(|index| json!({"value": format!("{index}"), "partition": partition}));
    let told = send(server, "POST", "/v1/topics/orders/records", &json!({"records": records.collect::<Vec<_>>()}));
    assert_eq!(told["records"].as_array().map(Vec::len), Some(count as usize), "{told}");
}

fn until_left(server: &Server) {
    let deadline = Instant::now() + WAIT;
    while get(server, "/v1/groups/readers")["state"] != "Empty" {
        assert!(Instant::now() < deadline, "{}", get(server, "/v1/groups/readers"));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_group_is_seen_and_begins_anew_once_it_has_left() {
    let server = server();
    send(&server, "POST", "/v1/topics", &json!({"name": "orders", "partitions": 2}));
    append(&server, 0, 10);
    append(&server, 1, 5);
    let reader = consumer(&server);
    let all = BTreeMap::from([(0, Vec::from_iter(0..10)), (1, Vec::from_iter(0..5))]);
    assert_eq!(read(&reader, 15), all);
    reader.commit_consumer_state(CommitMode::Sync).unwrap();
    append(&server, 0, 3);

    let listed = json!({"group": "readers", "state": "Stable", "protocol_type": "consumer", "members": 1});
    assert_eq!(get(&server, "/v1/groups"), json!({"groups": [listed]}));
    let member = get(&server, "/v1/groups/readers")["members"][0].clone();
    assert_eq!(member["client_id"], "a-reader");
    assert_eq!(member["assignment"], json!([{"topic": "orders", "partitions": [0, 1]}]));
    let offset = |partition: u32, offset: u64, tail: u64| {
        let lag = tail - offset;
        json!({"topic": "orders", "partition": partition, "offset": offset, "metadata": "", "tail": tail, "lag": lag})
    };
    assert_eq!(get(&server, OFFSETS), json!({"offsets": [offset(0, 10, 13), offset(1, 5, 5)]}));
    let status = get(&server, "/v1/status");
    assert_eq!((&status["groups"], &status["topics"], &status["partitions"]), (&json!(1), &json!(1), &json!(2)));
    assert!(status["connections"]["kafka"].as_u64().unwrap() > 0, "{status}");
    assert!(status["raft"]["log_fsync_p99_ms"].as_f64().unwrap() > 0.0, "{status}");
    let stages = status["storage"]["stages"].as_array().unwrap();
    let stored = stages.iter().map(|stage| stage["bytes"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(get(&server, "/v1/topics?details=true")["topics"][0]["bytes"], stored);

    let anew = json!({"topic": "orders", "partitions": [0], "to": "4"});
    let refused = send(&server, "POST", OFFSETS, &anew);
    assert_eq!((&refused["status"], &refused["code"]), (&json!(409), &json!("group_not_empty")));
    let refused =
        send(&server, "PUT", OFFSETS, &json!({"offsets": [{"topic": "orders", "partition": 0, "offset": 0}]}));
    assert_eq!(refused["code"], "group_not_empty");
    drop(reader);
    until_left(&server);
    let told = send(&server, "POST", OFFSETS, &anew);
    assert_eq!(told, json!({"offsets": [{"topic": "orders", "partition": 0, "before": 10, "after": 4}]}));

    let reader = consumer(&server);
    assert_eq!(read(&reader, 9), BTreeMap::from([(0, Vec::from_iter(4..13))]), "partition 1 is where it was");
    drop(reader);
    until_left(&server);
    // What somebody commits over HTTP is where a Kafka consumer goes on.
    let committed = json!({"offsets": [
        {"topic": "orders", "partition": 0, "offset": 12}, {"topic": "orders", "partition": 1, "offset": 3},
    ]});
    let told = send(&server, "PUT", OFFSETS, &committed);
    assert!(told["offsets"].as_array().unwrap().iter().all(|it| it["code"].is_null()), "{told}");
    let reader = consumer(&server);
    assert_eq!(read(&reader, 3), BTreeMap::from([(0, vec![12]), (1, vec![3, 4])]));
    drop(reader);
    until_left(&server);
    curl(VERSION, &["-X", "DELETE"], &url(&server, "/v1/groups/readers"), "");
    assert_eq!(get(&server, "/v1/groups"), json!({"groups": []}));
}
