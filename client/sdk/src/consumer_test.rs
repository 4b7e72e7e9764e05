//! A consumer against servers whose streams break in every way.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::TryStreamExt;

use crate::testing::{After, Reply, Request, Server};
use crate::{Consumer, Error, Retries, Start};

fn topic(id: &str, tail: u64) -> String {
    topic_of(2, id, tail)
}

fn topic_of(count: u32, id: &str, tail: u64) -> String {
    let partition = |partition: u32| serde_json::json!({"partition": partition, "log_start": 0, "high_watermark": tail, "bytes": 0});
    let partitions = (0..count).map(partition).collect::<Vec<_>>();
    serde_json::json!({"name": "t", "id": id, "partition_count": count, "partitions": partitions, "configs": {}})
        .to_string()
}

fn event(id: &str, partition: u32, offset: u64) -> String {
    format!(
        "id: {id}\ndata: {{\"partition\":{partition},\"offset\":{offset},\"timestamp\":0,\"value\":\"v{offset}\"}}\n\n"
    )
}

/// How a stream was asked for: what is behind the question mark.
fn asked(server: &Server) -> Vec<String> {
    let streams = server.requests().into_iter().filter(|request| request.header("accept") == Some("text/event-stream"));
    streams.map(|request| request.line.split_once('?').unwrap().1.to_owned()).collect()
}

fn is_stream(request: &Request) -> bool {
    request.header("accept") == Some("text/event-stream")
}

async fn offsets(consumer: &mut Consumer, count: usize) -> Vec<u64> {
    let mut offsets = Vec::new();
    while offsets.len() < count {
        offsets.push(consumer.try_next().await.unwrap().expect("it goes on").offset);
    }
    offsets
}

fn quick() -> Retries {
    Retries { pause_min: Duration::from_millis(1), pause_max: Duration::from_millis(5), give_up_after: Duration::MAX }
}

#[tokio::test]
async fn a_stream_goes_on_exactly_behind_the_last_record_however_it_broke() {
    let server = Server::start(|request, before| {
        if !is_stream(request) {
            return Reply::json(topic("i", 9));
        }
        match before {
            // An event that was cut in two, and never came whole.
            1 => {
                Reply::Events(vec![event("0", 1, 0), event("1", 1, 1), "id: 2\ndata: {\"par".to_owned()], After::Break)
            }
            // A look whether the topic is still the same comes between.
            3 => Reply::Break,
            5 => Reply::problem(503, "stopping", true, false),
            7 => Reply::Events(vec!["retry: 1000\n\n:\n\n".to_owned(), event("2", 1, 2)], After::End),
            9 => Reply::Whole(502, "", "<html>".to_owned()),
            _ => Reply::Events(vec![event("3", 1, 3)], After::Silence),
        }
    });
    let server = server.await;
    let mut consumer = server.client.consumer("t").partition(1).retries(quick()).start().await.unwrap();
    assert_eq!(offsets(&mut consumer, 4).await, [0, 1, 2, 3]);
    assert_eq!(asked(&server), ["from=earliest", "from=2", "from=2", "from=2", "from=3", "from=3"]);
    assert_eq!(consumer.positions().get(&1), Some(&4));
}

#[tokio::test]
async fn a_topic_as_a_whole_goes_on_by_its_cursor_also_before_the_first_record() {
    let server = Server::start(|request, before| {
        if !is_stream(request) {
            return Reply::json(topic("i", 9));
        }
        match before {
            1 => Reply::Events(vec!["retry: 1000\nid: c0\n\n".to_owned()], After::Break),
            2 => Reply::Events(vec![event("c1", 0, 7), event("c2", 1, 3)], After::Break),
            _ => Reply::Events(vec![event("c3", 0, 8)], After::Silence),
        }
    });
    let server = server.await;
    let mut consumer = server.client.consumer("t").from(Start::Latest).retries(quick()).start().await.unwrap();
    assert_eq!(offsets(&mut consumer, 3).await, [7, 3, 8]);
    assert_eq!(asked(&server), ["from=latest", "cursor=c0", "cursor=c2"]);
}

#[tokio::test]
async fn what_trying_again_would_not_change_ends_it() {
    let problem = r#"{"code":"unknown_topic","status":404,"detail":"gone"}"#;
    let server = Server::start(move |request, _| {
        if !is_stream(request) {
            return Reply::json(topic("i", 9));
        }
        Reply::Events(vec![event("0", 0, 0), format!("event: problem\ndata: {problem}\n\n")], After::End)
    });
    let server = server.await;
    let mut consumer = server.client.consumer("t").partition(0).retries(quick()).start().await.unwrap();
    assert_eq!(offsets(&mut consumer, 1).await, [0]);
    let error = consumer.try_next().await.unwrap_err();
    assert_eq!(error.code(), Some("unknown_topic"));
    assert!(consumer.next().await.is_none(), "it is over");
}

#[tokio::test]
async fn a_topic_that_was_made_anew_is_not_read_as_the_old_one() {
    let server = Server::start(|request, before| match (is_stream(request), before) {
        (true, _) => Reply::Events(vec![event("0", 0, 0)], After::Break),
        (false, 0) => Reply::json(topic("old", 9)),
        (false, _) => Reply::json(topic("new", 9)),
    });
    let server = server.await;
    let mut consumer = server.client.consumer("t").partition(0).retries(quick()).start().await.unwrap();
    assert_eq!(offsets(&mut consumer, 1).await, [0]);
    assert_eq!(consumer.try_next().await.unwrap_err().code(), Some("topic_recreated"));
}

#[tokio::test]
async fn a_server_that_is_away_for_too_long_is_told() {
    let server = Server::start(|request, before| match (is_stream(request), before) {
        (false, 0) => Reply::json(topic("i", 9)),
        (true, 1) => Reply::Events(vec![event("0", 0, 0)], After::Break),
        _ => Reply::problem(503, "unavailable", true, false),
    });
    let server = server.await;
    let retries = Retries { give_up_after: Duration::from_millis(50), ..quick() };
    let (tell, told) = std::sync::mpsc::channel();
    let consumer = server.client.consumer("t").partition(0).retries(retries);
    let consumer = consumer.on_interruption(move |error, _| drop(tell.send(error.to_string())));
    let mut consumer = consumer.start().await.unwrap();
    assert_eq!(offsets(&mut consumer, 1).await, [0]);
    assert_eq!(consumer.try_next().await.unwrap_err().code(), Some("unavailable"));
    assert!(told.iter().next().unwrap().contains("connection to"), "the first that is told is that it broke");
}

#[tokio::test]
async fn it_ends_at_what_was_the_tail_when_it_began() {
    let server = Server::start(|request, before| {
        if is_stream(request) {
            return match before {
                // The server stops, which ends a stream as properly as its end does.
                1 => Reply::Events(vec![event("0", 0, 0)], After::End),
                _ => Reply::Events(vec![event("1", 0, 1), event("2", 0, 2)], After::Silence),
            };
        }
        if request.line.contains("/records?from=1&limit=1") {
            return Reply::json(r#"{"records":[{"offset":1}],"next_offset":2}"#);
        }
        Reply::json(topic("i", 2))
    });
    let server = server.await;
    let consumer = server.client.consumer("t").partition(0).follow(false).retries(quick());
    let read = consumer.start().await.unwrap().map_ok(|record| record.offset).try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(read, [0, 1]);
    // Nothing is where the last offset was: it was deleted.
    let server = Server::start(|request, _| {
        if is_stream(request) {
            Reply::Events(vec![event("0", 0, 0)], After::End)
        } else if request.line.contains("/records?") {
            Reply::json(r#"{"records":[],"next_offset":2}"#)
        } else {
            Reply::json(topic("i", 2))
        }
    });
    let server = server.await;
    let consumer = server.client.consumer("t").partition(0).follow(false).retries(quick());
    assert_eq!(consumer.start().await.unwrap().try_collect::<Vec<_>>().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_no_place_to_begin_is_told_also_where_there_is_nothing_to_read() {
    let server = Server::start(|request, _| match is_stream(request) {
        true => Reply::problem(400, "invalid_parameter", false, false),
        false => Reply::json(topic("i", 0)),
    });
    let server = server.await;
    for start in [Start::Time("2026-01-31T25:00:00Z".to_owned()), Start::Cursor("none".to_owned())] {
        let consumer = server.client.consumer("t").from(start).follow(false).retries(quick());
        let error = consumer.start().await.unwrap().try_next().await.unwrap_err();
        assert_eq!(error.code(), Some("invalid_parameter"));
    }
    // What is a place for certain needs nobody to be asked.
    let consumer = server.client.consumer("t").from(Start::Earliest).follow(false).retries(quick());
    assert!(consumer.start().await.unwrap().try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_group_goes_on_where_it_is_and_commits_what_was_handed_out() {
    let server = Server::start(|request, _| {
        let line = request.line.as_str();
        if is_stream(request) {
            let pieces = if line.contains("from=5") { vec![event("5", 0, 5), event("6", 0, 6)] } else { Vec::new() };
            return Reply::Events(pieces, After::Silence);
        }
        if line.starts_with("GET /v1/groups/g/offsets?") {
            return Reply::json(
                r#"{"offsets":[{"topic":"t","partition":0,"offset":5},{"topic":"u","partition":1,"offset":9}]}"#,
            );
        }
        if line == "PUT /v1/groups/g/offsets" {
            return Reply::json(r#"{"offsets":[{"topic":"t","partition":0}]}"#);
        }
        Reply::json(topic("i", 7))
    });
    let server = server.await;
    let mut consumer = server.client.consumer("t").group("g").from(Start::Latest).start().await.unwrap();
    assert_eq!(offsets(&mut consumer, 1).await, [5]);
    consumer.commit().await.unwrap();
    consumer.commit().await.unwrap();
    let commits = server.requests().into_iter().filter(|request| request.line.starts_with("PUT")).map(|it| it.body);
    // Also where partition 1 begins, of which nothing has come: else what comes while nobody reads would be passed over.
    let expected = r#"{"offsets":[{"offset":6,"partition":0,"topic":"t"},{"offset":7,"partition":1,"topic":"t"}]}"#;
    let commits = commits.map(|body| value(&body)).collect::<Vec<_>>();
    assert_eq!(commits, [value(expected)], "once, and not what is only held");
    assert_eq!(offsets(&mut consumer, 1).await, [6]);
    let mut asked = asked(&server);
    asked.sort();
    assert_eq!(asked, ["from=5", "from=7"], "where nothing was committed it begins at the tail of its start");
    let without = server.client.consumer("t").start().await.unwrap().commit().await;
    assert!(matches!(without, Err(Error::Invalid(_))));
}

fn value(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap()
}

#[tokio::test]
async fn a_group_reads_partitions_that_its_topic_gets() {
    let count = Arc::new(AtomicU32::new(1));
    let counted = count.clone();
    let is_away = AtomicBool::new(true);
    let server = Server::start(move |request, _| {
        let line = request.line.as_str();
        let of = |partition: u32| line.starts_with(&format!("GET /v1/topics/t/partitions/{partition}/"));
        if is_stream(request) {
            let pieces = if of(0) { vec![event("4", 0, 4)] } else { Vec::new() };
            let pieces = if of(2) { vec![event("0", 2, 0)] } else { pieces };
            return Reply::Events(pieces, After::Silence);
        }
        let count = counted.load(Ordering::SeqCst);
        match line {
            "GET /v1/groups/g/offsets?limit=1000" => Reply::json(r#"{"offsets":[]}"#),
            "PUT /v1/groups/g/offsets" => Reply::json(r#"{"offsets":[{"topic":"t","partition":0}]}"#),
            // The first look at more fails, which the next makes up for.
            _ if count > 1 && is_away.swap(false, Ordering::SeqCst) => Reply::Break,
            _ => Reply::json(topic_of(count, "i", if count == 1 { 4 } else { 0 })),
        }
    });
    let server = server.await;
    let consumer = server.client.consumer("t").group("g").from(Start::Latest).retries(quick());
    let mut consumer = consumer.look_every(Duration::from_millis(1)).start().await.unwrap();
    assert_eq!(offsets(&mut consumer, 1).await, [4]);
    count.store(3, Ordering::SeqCst);
    let record = consumer.try_next().await.unwrap().unwrap();
    assert_eq!((record.partition, record.offset), (2, 0), "from its beginning, wherever the others began");
    consumer.commit().await.unwrap();
    let commit = server.requests().into_iter().find(|request| request.line.starts_with("PUT")).unwrap();
    // Also where the silent one begins.
    let expected = [(0, 5), (1, 0), (2, 1)];
    let expected =
        expected.map(|(partition, offset)| serde_json::json!({"topic": "t", "partition": partition, "offset": offset}));
    assert_eq!(value(&commit.body), serde_json::json!({ "offsets": expected }));
    let mut asked = asked(&server);
    asked.sort();
    assert_eq!(asked, ["from=4", "from=earliest", "from=earliest"], "each partition has one stream");
}

#[tokio::test]
async fn a_group_notes_nothing_of_a_topic_that_is_another_one_now() {
    let id = Arc::new(Mutex::new("old"));
    let known = id.clone();
    let server = Server::start(move |request, _| {
        if is_stream(request) {
            return Reply::Events(vec![event("0", 0, 0)], After::Silence);
        }
        if request.line.starts_with("GET /v1/groups") {
            return Reply::json(r#"{"offsets":[]}"#);
        }
        Reply::json(topic_of(1, &known.lock().unwrap(), 9))
    });
    let server = server.await;
    let consumer = server.client.consumer("t").group("g").look_every(Duration::from_millis(1));
    let mut consumer = consumer.start().await.unwrap();
    assert_eq!(offsets(&mut consumer, 1).await, [0]);
    *id.lock().unwrap() = "new";
    assert_eq!(consumer.try_next().await.unwrap_err().code(), Some("topic_recreated"));
    consumer.commit().await.unwrap();
    assert!(
        !server.requests().iter().any(|request| request.line.starts_with("PUT")),
        "it would be a place in the new one"
    );
}

#[tokio::test]
async fn a_record_that_is_too_long_is_refused_and_not_held() {
    let server = Server::start(|request, _| {
        if is_stream(request) {
            Reply::Events(vec![event("0", 0, 0)], After::Silence)
        } else {
            Reply::json(topic("i", 2))
        }
    });
    let server = server.await;
    let mut consumer = server.client.consumer("t").partition(0).record_bytes_max(20).start().await.unwrap();
    let error = consumer.try_next().await.unwrap_err();
    assert!(matches!(error, Error::Unintelligible { .. }) && error.to_string().contains("20 bytes"), "{error}");
}
