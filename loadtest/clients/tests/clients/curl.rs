//! curl: the commands that the README and docs/http.md tell newcomers to try, over HTTP/1.1 and HTTP/2.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};
use tidelog_clients::Server;
use tidelog_clients::tools::{bounded, run};

use crate::server;

const SECONDS: u32 = 30;
const VERSIONS: [&str; 2] = ["--http1.1", "--http2-prior-knowledge"];

pub(super) fn curl(version: &str, arguments: &[&str], url: &str, input: &str) -> String {
    let mut command = bounded("curl", SECONDS);
    command.args(["--silent", "--show-error", version]).args(arguments).arg(url);
    run(command, input.as_bytes()).unwrap()
}

pub(super) fn url(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.http_address())
}

#[test]
fn the_lines_of_the_readme_work() {
    for version in VERSIONS {
        let server = server();
        let records = url(&server, "/v1/topics/greetings/records");
        let body = r#"{"records":[{"key":"you","value":"hello"}]}"#;
        let told = curl(version, &["-H", "content-type: application/json", "-d", body], &records, "");
        assert_eq!(told, "{\"records\":[{\"partition\":0,\"offset\":0}]}\n", "with a newline, for terminals");
        let lines = "{\"value\":\"a\"}\n{\"value\":\"b\"}\n";
        let ndjson = ["-H", "content-type: application/x-ndjson", "--data-binary", "@-"];
        let told: Value = serde_json::from_str(&curl(version, &ndjson, &records, lines)).unwrap();
        assert_eq!(told["runs"], json!([{"line": 1, "count": 2, "partition": 0, "offset": 1}]));
        let page = curl(version, &[], &url(&server, "/v1/topics/greetings/partitions/0/records?from=1"), "");
        let page: Value = serde_json::from_str(&page).unwrap();
        assert_eq!((page["records"].as_array().unwrap().len(), &page["next_offset"]), (2, &json!(3)));
        let missing = curl(version, &["-w", "%{http_code}"], &url(&server, "/v1/topics/none"), "");
        assert!(missing.contains("\"unknown_topic\"") && missing.ends_with("404"), "{missing}");
    }
}

/// A page of the web whose name was made to point here is told that it is wrong here.
#[test]
fn a_strange_name_is_not_answered() {
    let server = server();
    for version in VERSIONS {
        let livez = url(&server, "/livez");
        let status = |host: &str| {
            let header = format!("host: {host}");
            curl(version, &["-o", "/dev/null", "-w", "%{http_code}", "-H", &header], &livez, "")
        };
        assert_eq!((status("localhost:1"), status("evil.example")), ("200".to_owned(), "421".to_owned()));
    }
}

/// Streamed from a pipe of unknown length, much more than is held of it.
#[test]
fn a_long_upload_is_stored_in_order() {
    let server = server();
    let lines: String = (0..200_000).map(|index| format!("{{\"value\":\"value {index:090}\"}}\n")).collect();
    let ndjson = ["-H", "content-type: application/x-ndjson", "-T", "-", "-X", "POST"];
    for (turn, version) in VERSIONS.into_iter().enumerate() {
        let told = curl(version, &ndjson, &url(&server, "/v1/topics/long/records"), &lines);
        let told: Value = serde_json::from_str(&told).unwrap();
        let run = json!([{"line": 1, "count": 200_000, "partition": 0, "offset": turn * 200_000}]);
        assert_eq!(told["runs"], run);
        let path = format!("/v1/topics/long/partitions/0/records?from={}", turn * 200_000);
        let read = curl(version, &["-H", "accept: application/x-ndjson"], &url(&server, &path), "");
        let mut count = 0;
        for (index, line) in read.lines().enumerate() {
            let record: Value = serde_json::from_str(line).unwrap();
            assert_eq!(record["value"], format!("value {index:090}"));
            count += 1;
        }
        assert_eq!(count, 200_000);
    }
}

/// What one door takes the other one gives, and both send a key to the same partition.
#[test]
fn kafka_and_http_are_one_log() {
    let server = server();
    let created = ["-H", "content-type: application/json", "-d", r#"{"name":"shared","partitions":7}"#];
    curl("--http1.1", &created, &url(&server, "/v1/topics"), "");
    let keys = (0..50).map(|index| format!("key-{index}")).collect::<Vec<_>>();
    let pairs: String = keys.iter().map(|key| format!("{key}:kafka\n")).collect();
    let mut kcat = bounded("kcat", SECONDS);
    kcat.args(["-b", server.address(), "-P", "-t", "shared", "-K", ":", "-X", "partitioner=murmur2_random"]);
    run(kcat, pairs.as_bytes()).unwrap();
    let lines: String = keys.iter().map(|key| format!("{}\n", json!({"key": key, "value": "http"}))).collect();
    let ndjson = ["-H", "content-type: application/x-ndjson", "--data-binary", "@-"];
    curl("--http1.1", &ndjson, &url(&server, "/v1/topics/shared/records"), &lines);
    let mut kcat = bounded("kcat", SECONDS);
    kcat.args(["-b", server.address(), "-C", "-t", "shared", "-o", "beginning", "-e", "-q", "-f", "%k %p %s\n"]);
    let mut by_kafka = run(kcat, b"").unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    by_kafka.sort();
    assert_eq!(by_kafka.len(), 100);
    for pair in by_kafka.as_chunks::<2>().0 {
        let place = |line: &str| line.rsplit_once(' ').unwrap().0.to_owned();
        assert_eq!(place(&pair[0]), place(&pair[1]), "a key has one partition");
    }
    let accept = ["-H", "accept: application/x-ndjson"];
    let read = curl("--http1.1", &accept, &url(&server, "/v1/topics/shared/records"), "");
    let mut by_http = read
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|it| format!("{} {} {}", it["key"].as_str().unwrap(), it["partition"], it["value"].as_str().unwrap()))
        .collect::<Vec<_>>();
    by_http.sort();
    assert_eq!(by_http, by_kafka);
}

/// A stream of events outlives the server: what comes after is got by its last event's id, and nothing twice.
#[test]
fn events_are_resumed_after_the_server_was_killed() {
    let mut server = server();
    let records = url(&server, "/v1/topics/tokens/records");
    let events = url(&server, "/v1/topics/tokens/partitions/0/records");
    let append = |text: &str| {
        let octets = ["-H", "content-type: application/octet-stream", "-d", text];
        curl("--http1.1", &octets, &records, "");
    };
    append("one");
    append("two");
    let mut follow = bounded("curl", SECONDS);
    follow.args(["--silent", "--no-buffer", "-H", "accept: text/event-stream"]).arg(&events);
    let mut follow = follow.stdout(Stdio::piped()).spawn().unwrap();
    let mut seen = BufReader::new(follow.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut ids = seen.by_ref().filter_map(|line| line.strip_prefix("id: ").map(str::to_owned));
    assert_eq!((ids.next().as_deref(), ids.next().as_deref()), (Some("0"), Some("1")));
    server.kill9().unwrap();
    assert_eq!(ids.next(), None, "it ends with the server");
    follow.wait().unwrap();
    server.start_again(None).unwrap();
    server.wait_ready().unwrap();
    append("three");
    let resumed = ["-H", "accept: text/event-stream", "-H", "last-event-id: 1"];
    let resumed = curl("--http1.1", &resumed, &format!("{events}?limit=1"), "");
    assert!(resumed.contains("id: 2\n") && resumed.contains("three") && !resumed.contains("two"), "{resumed}");
}
