//! Streams that go on: events, their ids, and coming back.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::testing::Door;

const PATH: &str = "/v1/topics/t/partitions/0/records";

/// Events as they come.
struct Events {
    body: Body,
    text: String,
}

impl Events {
    async fn begin(door: &Door, path: &str, last_id: Option<&str>) -> Events {
        let mut request = Request::get(path).header("accept", "text/event-stream");
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response: Response = door.begin(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Events { body: response.into_body(), text: String::new() }
    }

    /// The next block of lines; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let bytes = self.body.frame().await?.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next record: its event's id, and the record.
    async fn record(&mut self) -> (String, Value) {
        // A stream without records shows that it lives, for ever.
        let next = tokio::time::timeout(Duration::from_secs(10), self.any_record());
        next.await.expect("a record comes")
    }

    /// Why the stream ends, and that it does.
    async fn problem(&mut self) -> Value {
        let problem = async {
            loop {
                let block = self.block().await.expect("it says why it ends");
                if let Some(data) = block.strip_prefix("event: problem\ndata: ") {
                    break serde_json::from_str::<Value>(data).unwrap();
                }
            }
        };
        let problem = tokio::time::timeout(Duration::from_secs(10), problem).await.expect("it comes to its end");
        assert_eq!(self.block().await, None);
        problem
    }

    async fn any_record(&mut self) -> (String, Value) {
        loop {
            let block = self.block().await.expect("the stream goes on");
            let mut lines = block.lines();
            if let Some(id) = lines.next().unwrap().strip_prefix("id: ") {
                let data = lines.next().unwrap().strip_prefix("data: ").unwrap();
                assert_eq!(lines.next(), None);
                return (id.to_owned(), serde_json::from_str(data).unwrap());
            }
        }
    }
}

#[tokio::test]
async fn events_come_as_records_do_and_go_on_exactly_after_the_last() {
    let door = Door::start().await;
    door.append("t", &["0", "1", "2"]).await;
    let mut events = Events::begin(&door, PATH, None).await;
    assert_eq!(events.block().await.unwrap(), "retry: 1000");
    for expected in ["0", "1", "2"] {
        let (id, record) = events.record().await;
        assert_eq!((id.as_str(), &record["value"]), (expected, &Value::from(expected)));
    }
    door.append("t", &["3"]).await;
    assert_eq!(events.record().await.0, "3");
    drop(events);
    door.append("t", &["4"]).await;
    // Inside a batch, whatever the address said first.
    let mut again = Events::begin(&door, &format!("{PATH}?from=latest"), Some("1")).await;
    for expected in ["2", "3", "4"] {
        assert_eq!(again.record().await.0, expected);
    }
    door.append("t", &["5"]).await;
    assert_eq!(again.record().await.0, "5");
    // At the tail too.
    let mut at_tail = Events::begin(&door, PATH, Some("5")).await;
    door.append("t", &["6"]).await;
    assert_eq!(at_tail.record().await.0, "6");
    door.stop().await;
}

#[tokio::test]
async fn a_quiet_stream_shows_that_it_lives_and_ends_when_that_was_asked_for() {
    let door = Door::start_with(|options| options.heartbeat = Duration::from_millis(20)).await;
    door.append("t", &["0"]).await;
    let mut events = Events::begin(&door, &format!("{PATH}?from=latest"), None).await;
    assert_eq!(events.block().await.unwrap(), "retry: 1000\nid: 0");
    for _ in 0..3 {
        assert_eq!(events.block().await.unwrap(), ":");
    }
    let mut events = Events::begin(&door, &format!("{PATH}?wait_ms=100"), None).await;
    assert_eq!(events.record().await.0, "0");
    while let Some(block) = events.block().await {
        assert_eq!(block, ":");
    }
    let mut events = Events::begin(&door, &format!("{PATH}?limit=1"), None).await;
    assert_eq!(events.record().await.0, "0");
    assert_eq!(events.block().await, None);
    door.stop().await;
}

#[tokio::test]
async fn a_topic_is_followed_as_one_and_gone_on_with() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":3}"#).await;
    let append = async |value: u32| {
        let path = format!("/v1/topics/t/records?partition={}", value % 3);
        let answer = door.post(&path, "application/octet-stream", value.to_string()).await;
        assert_eq!(answer.status.as_u16(), 200);
    };
    append(0).await;
    let mut events = Events::begin(&door, "/v1/topics/t/records", None).await;
    let mut last = events.record().await.0;
    for value in 1..5 {
        append(value).await;
        let (id, record) = events.record().await;
        assert_eq!(record["value"], value.to_string());
        assert_eq!(record["cursor"], id);
        last = id;
    }
    drop(events);
    append(5).await;
    let mut again = Events::begin(&door, "/v1/topics/t/records?from=latest", Some(&last)).await;
    assert_eq!(again.record().await.1["value"], "5");
    door.stop().await;
}

/// A stream that waits is told of them, whichever of them gets a record first, and its cursors name them.
#[tokio::test]
async fn partitions_that_are_added_are_followed_too() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":1}"#).await;
    let path = "/v1/topics/t/records";
    let mut events = Events::begin(&door, path, None).await;
    let (_, seen) = tokio::join!(door.append_to("t", 0, "a"), events.record());
    assert_eq!(seen.1["value"], "a");
    let more = tokio::time::timeout(Duration::from_millis(200), events.record());
    assert!(more.await.is_err(), "it waits for more");
    let grow = async {
        door.grow("t", 4).await;
        door.append_to("t", 3, "b").await;
    };
    let ((), (_, seen)) = tokio::join!(grow, events.record());
    assert_eq!((&seen["partition"], &seen["value"]), (&json!(3), &json!("b")));
    // Now that it waits for records of all of them.
    let ((), (id, seen)) = tokio::join!(door.append_to("t", 2, "c"), events.record());
    assert_eq!((&seen["partition"], &seen["value"], &seen["cursor"]), (&json!(2), &json!("c"), &json!(id)));
    drop(events);
    door.append_to("t", 3, "d").await;
    let mut again = Events::begin(&door, path, Some(&id)).await;
    assert_eq!(again.record().await.1["value"], "d");
    door.grow("t", 257).await;
    assert_eq!(again.problem().await["code"], "too_many_partitions", "no cursor names so many");
    door.stop().await;
}

/// What was read from is deleted faster than it was read.
#[tokio::test]
async fn a_stream_that_was_overtaken_says_in_which_partition() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":2}"#).await;
    let mut of_topic = Events::begin(&door, "/v1/topics/t/records", None).await;
    let mut of_partition = Events::begin(&door, "/v1/topics/t/partitions/1/records", None).await;
    for value in ["a", "b", "c"] {
        door.append_to("t", 1, value).await;
    }
    door.delete_records("t", 1, 2).await;
    for events in [&mut of_topic, &mut of_partition] {
        let problem = events.problem().await;
        assert_eq!((&problem["code"], &problem["log_start"]), (&json!("offset_out_of_range"), &json!(2)));
        assert_eq!(problem["partition"], 1);
        assert_eq!(problem["detail"], "partition 1 has no offset 0; it begins at 2, and the next is 3");
    }
    door.stop().await;
}

/// Who follows from the tail on and loses the connection before the first record misses nothing: the greeting has an id.
#[tokio::test]
async fn a_stream_tells_where_it_begins() {
    let door = Door::start().await;
    door.create(r#"{"name":"t","partitions":2}"#).await;
    for path in [PATH, "/v1/topics/t/records"] {
        door.post("/v1/topics/t/records?partition=0", "application/octet-stream", "before".to_owned()).await;
        let mut events = Events::begin(&door, &format!("{path}?from=latest"), None).await;
        let greeting = events.block().await.unwrap();
        let id = greeting.strip_prefix("retry: 1000\nid: ").expect("it has an id").to_owned();
        drop(events);
        door.post("/v1/topics/t/records?partition=0", "application/octet-stream", "missed".to_owned()).await;
        let mut again = Events::begin(&door, &format!("{path}?from=latest"), Some(&id)).await;
        assert_eq!(again.record().await.1["value"], "missed", "{path}");
    }
    door.stop().await;
}

#[tokio::test]
async fn a_stream_whose_topic_is_deleted_says_so() {
    let door = Door::start_with(|options| options.heartbeat = Duration::from_millis(20)).await;
    door.append("t", &["0"]).await;
    let mut events = Events::begin(&door, PATH, None).await;
    assert_eq!(events.record().await.0, "0");
    door.send(Request::delete("/v1/topics/t").body(Body::empty()).unwrap()).await;
    assert_eq!(events.problem().await["code"], "unknown_topic");
    door.stop().await;
}

#[tokio::test]
async fn streams_end_when_the_node_stops() {
    let door = Door::start().await;
    door.append("t", &["0"]).await;
    let mut events = Events::begin(&door, PATH, None).await;
    assert_eq!(events.record().await.0, "0");
    let (ended, ()) = tokio::join!(events.block(), door.stop());
    assert_eq!(ended, None);
}
