//! A producer against servers that do what real ones do on bad days.

use std::time::Duration;

use futures::FutureExt;

use crate::testing::{Reply, Request, Server};
use crate::{Error, NewRecord, RecordPlace};

const TOPIC: &str = r#"{"name":"t","id":"i","partition_count":1,"partitions":[],"configs":{}}"#;

/// Answers what is no append as a server does.
fn about(request: &Request) -> Option<Reply> {
    if request.line.starts_with("GET /v1/topics/t?") {
        return Some(Reply::json(TOPIC));
    }
    (request.line == "POST /v1/producers").then(|| Reply::json(r#"{"producer_id":7,"epoch":0}"#))
}

/// The appends that came, each as its place in the sequence and its body.
fn appends(server: &Server) -> Vec<(Option<String>, Option<String>, String)> {
    let requests = server.requests().into_iter().filter(|request| request.line.ends_with("/records"));
    let header = |request: &Request, name| request.header(name).map(str::to_owned);
    requests.map(|it| (header(&it, "producer-epoch"), header(&it, "producer-sequence"), it.body)).collect()
}

fn place(offset: u64) -> RecordPlace {
    RecordPlace { partition: 0, offset }
}

#[tokio::test]
async fn records_that_come_while_one_is_on_its_way_are_one_batch() {
    let server = Server::start(|request, before| {
        about(request)
            .unwrap_or_else(|| if before == 2 { Reply::places(request, 0) } else { Reply::places(request, 1) })
    });
    let server = server.await;
    let producer = server.client.producer("t").linger(Duration::from_millis(50)).build();
    let first = producer.send("0").await.unwrap();
    producer.flush().await.unwrap();
    assert_eq!(first.await.unwrap(), place(0));
    let mut deliveries = Vec::new();
    for value in ["1", "2", "3"] {
        deliveries.push(producer.send(value).await.unwrap());
    }
    producer.close().await.unwrap();
    for (delivery, offset) in deliveries.into_iter().zip(1..) {
        assert_eq!(delivery.await.unwrap(), place(offset));
    }
    let appends = appends(&server);
    assert_eq!(appends.len(), 2);
    assert!(appends[1].2.contains(r#"{"value":"1","partition":0},{"value":"2","partition":0}"#), "{}", appends[1].2);
    assert_eq!((appends[0].1.as_deref(), appends[1].1.as_deref()), (Some("0"), Some("1")));
}

/// An answer that was lost, one that is not known, and a server that is busy: the same batch is sent until it is known.
#[tokio::test]
async fn a_batch_is_sent_again_under_its_sequence_until_its_answer_is_known() {
    let server = Server::start(|request, before| {
        about(request).unwrap_or_else(|| match before {
            2 => Reply::Break,
            3 => Reply::problem(504, "timeout", true, true),
            4 => Reply::problem(503, "overloaded", true, false),
            _ => Reply::places(request, 5),
        })
    });
    let server = server.await;
    let producer = server.client.producer("t").build();
    assert_eq!(producer.send("x").await.unwrap().await.unwrap(), place(5));
    producer.close().await.unwrap();
    let appends = appends(&server);
    assert_eq!(appends.len(), 4);
    assert!(appends.iter().all(|append| append == &appends[0]), "{appends:?}");
}

#[tokio::test]
async fn what_is_not_known_in_the_end_is_told_and_what_follows_begins_a_new_epoch() {
    let server = Server::start(|request, before| {
        about(request).unwrap_or_else(|| match before {
            2 => Reply::problem(504, "timeout", true, true),
            3 => Reply::problem(503, "unavailable", true, false),
            _ => Reply::places(request, 0),
        })
    });
    let server = server.await;
    let producer = server.client.producer("t").delivery_timeout(Duration::ZERO).build();
    let error = producer.send("lost").await.unwrap().await.unwrap_err();
    assert!(error.may_have_happened() && error.code() == Some("timeout"), "{error}");
    let error = producer.send("certain").await.unwrap().await.unwrap_err();
    assert!(!error.may_have_happened() && error.is_retriable(), "{error}");
    producer.send("stored").await.unwrap().await.unwrap();
    assert_eq!(producer.flush().await.unwrap_err().code(), Some("timeout"), "the first failure is told");
    producer.flush().await.unwrap();
    let told = appends(&server).into_iter().map(|(epoch, sequence, _)| (epoch.unwrap(), sequence.unwrap()));
    let expected =
        [("0", "0"), ("1", "0"), ("1", "0")].map(|(epoch, sequence)| (epoch.to_owned(), sequence.to_owned()));
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn without_sequences_nothing_that_may_have_happened_is_sent_again() {
    let server = Server::start(|request, before| match request.line.as_str() {
        "POST /v1/producers" => Reply::problem(404, "not_found", false, false),
        _ => about(request).unwrap_or_else(|| match before {
            2 => Reply::problem(503, "overloaded", true, false),
            3 => Reply::Break,
            _ => Reply::places(request, 0),
        }),
    });
    let server = server.await;
    let producer = server.client.producer("t").build();
    let error = producer.send("x").await.unwrap().await.unwrap_err();
    assert!(matches!(error, Error::Broken { .. }) && error.may_have_happened(), "{error}");
    let appends = appends(&server);
    assert_eq!(appends.len(), 2, "once more after it certainly did not happen");
    assert_eq!(appends[0].1, None);
}

#[tokio::test]
async fn a_record_that_is_not_taken_fails_alone() {
    let server = Server::start(|request, _| {
        about(request).unwrap_or_else(|| {
            let records = serde_json::from_str::<serde_json::Value>(&request.body).unwrap()["records"].clone();
            let bad = records.as_array().unwrap().iter().position(|record| record["value"] == "bad");
            match bad {
                Some(bad) => {
                    let problem = serde_json::json!({"code": "record_too_large", "at": {"record": bad}});
                    Reply::Whole(413, "", problem.to_string())
                }
                None => Reply::places(request, 0),
            }
        })
    });
    let server = server.await;
    let producer = server.client.producer("t").linger(Duration::from_secs(60)).build();
    let mut deliveries = Vec::new();
    for value in ["a", "bad", "b", "bad", "c"] {
        deliveries.push(producer.send(value).await.unwrap());
    }
    assert_eq!(producer.close().await.unwrap_err().code(), Some("record_too_large"));
    let mut told = Vec::new();
    for delivery in deliveries {
        told.push(delivery.await.map(|place| place.offset).map_err(|error| error.code().unwrap().to_owned()));
    }
    let bad = || Err("record_too_large".to_owned());
    assert_eq!(told, [Ok(0), bad(), Ok(1), bad(), Ok(2)]);
}

#[tokio::test]
async fn memory_is_bounded_and_senders_wait_for_room() {
    let mut server = Server::start(|request, _| about(request).unwrap_or(Reply::Silence)).await;
    let producer = server.client.producer("t").memory_bytes(200).build();
    let record = || NewRecord::new(vec![b'x'; 50]);
    let mut taken = 0;
    while let Ok(sent) = tokio::time::timeout(Duration::from_millis(200), producer.send(record())).await {
        sent.unwrap();
        taken += 1;
        assert!(taken < 10, "there is a bound");
    }
    assert_eq!(taken, 2, "each takes some 80 bytes");
    for _ in 0..3 {
        server.request().await;
    }
    assert_eq!(appends(&server).len(), 1, "the second waits for the first");
    let clone = producer.clone();
    let waiting = clone.send(record());
    tokio::pin!(waiting);
    assert!(waiting.as_mut().now_or_never().is_none());
    assert!(
        tokio::time::timeout(Duration::from_millis(50), producer.close()).await.is_err(),
        "it waits for its records"
    );
    assert!(matches!(waiting.await, Err(Error::Closed)));
    assert!(matches!(clone.send("x").await, Err(Error::Closed)));
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_made_by_the_server_or_not_at_all() {
    let server = Server::start(|request, before| match (request.line.as_str(), before) {
        ("POST /v1/topics/t/records", _) if request.records() == 0 => Reply::json(r#"{"records":[]}"#),
        (line, 0) if line.starts_with("GET") => Reply::problem(404, "unknown_topic", false, false),
        _ => about(request).unwrap_or_else(|| Reply::places(request, 0)),
    });
    let server = server.await;
    server.client.producer("t").build().send("x").await.unwrap().await.unwrap();
    let server = Server::start(|_, _| Reply::problem(404, "unknown_topic", false, false)).await;
    let error = server.client.producer("t").build().send("x").await.unwrap_err();
    assert_eq!(error.code(), Some("unknown_topic"));
}

#[tokio::test]
async fn what_no_request_can_carry_is_refused_at_once() {
    let server = Server::start(|request, _| about(request).unwrap_or(Reply::Break)).await;
    let producer = server.client.producer("t").build();
    let too_large = producer.send(vec![b'x'; 9 << 20]).await.unwrap_err();
    assert!(matches!(&too_large, Error::Invalid(_)), "{too_large}");
    let elsewhere = producer.send(NewRecord::new("x").partition(1)).await.unwrap_err();
    assert!(elsewhere.to_string().contains("0 to 0"), "{elsewhere}");
}

/// A log has what was sent up to somewhere, and nothing behind that, whoever has not been told yet.
#[tokio::test]
async fn nothing_is_stored_behind_a_batch_that_failed_until_that_is_told() {
    let server = Server::start(|request, _| {
        about(request).unwrap_or_else(|| match request.body.contains("lost") {
            true => Reply::problem(504, "timeout", true, true),
            false => Reply::places(request, 0),
        })
    });
    let server = server.await;
    let producer = server.client.producer("t").batch_records(1).delivery_timeout(Duration::ZERO).build();
    let mut deliveries = Vec::new();
    for value in ["lost", "behind", "behind it too"] {
        deliveries.push(producer.send(value).await.unwrap());
    }
    let mut told = Vec::new();
    for delivery in deliveries {
        let error = delivery.await.unwrap_err();
        told.push((error.code().unwrap().to_owned(), error.may_have_happened()));
    }
    let earlier = || ("earlier_failed".to_owned(), false);
    assert_eq!(told, [("timeout".to_owned(), true), earlier(), earlier()]);
    assert_eq!(appends(&server).len(), 1);
    producer.send("told").await.unwrap().await.unwrap();
    // Nobody looks at what becomes of it, so it is told by what is sent next.
    drop(producer.send("lost").await.unwrap());
    let error = loop {
        match producer.send("behind").await {
            Ok(behind) => drop(behind),
            Err(error) => break error,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert!(matches!(&error, Error::EarlierFailed { cause } if cause.code() == Some("timeout")), "{error}");
    producer.send("told").await.unwrap().await.unwrap();
    assert!(appends(&server).iter().all(|(_, _, body)| !body.contains("behind")), "{:?}", appends(&server));
    assert_eq!(producer.close().await.unwrap_err().code(), Some("timeout"));
}

#[tokio::test]
async fn a_record_that_is_not_taken_is_the_end_where_there_are_to_be_no_gaps() {
    let server = Server::start(|request, _| {
        about(request).unwrap_or_else(|| match request.body.find("bad") {
            Some(_) => {
                let problem = serde_json::json!({"code": "record_too_large", "at": {"record": 1}});
                Reply::Whole(413, "", problem.to_string())
            }
            None => Reply::places(request, 0),
        })
    });
    let server = server.await;
    let producer = server.client.producer("t").batch_records(3).refused_alone(false).build();
    let mut told = Vec::new();
    let mut deliveries = Vec::new();
    for value in ["a", "bad", "b", "c"] {
        deliveries.push(producer.send(value).await.unwrap());
    }
    for delivery in deliveries {
        told.push(delivery.await.map(|place| place.offset).map_err(|error| error.code().unwrap().to_owned()));
    }
    let earlier = || Err("earlier_failed".to_owned());
    assert_eq!(told, [Ok(0), Err("record_too_large".to_owned()), earlier(), earlier()]);
    let sent = appends(&server).last().unwrap().2.clone();
    assert_eq!((appends(&server).len(), sent.as_str()), (2, r#"{"records":[{"value":"a","partition":0}]}"#));
}

#[tokio::test]
async fn what_is_given_up_fails_at_once_and_interruptions_are_told() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut server = Server::start(|request, before| {
        about(request).unwrap_or_else(|| {
            if before == 2 { Reply::problem(503, "overloaded", true, false) } else { Reply::Silence }
        })
    })
    .await;
    let producer = server.client.producer("t").batch_records(1);
    let producer = producer.on_interruption(move |error, _| drop(tell.send(error.to_string()))).build();
    let (first, second) = (producer.send("first").await.unwrap(), producer.send("second").await.unwrap());
    for _ in 0..4 {
        server.request().await;
    }
    assert!(told.recv().await.unwrap().contains("overloaded"));
    producer.abort();
    let (first, second) = (first.await.unwrap_err(), second.await.unwrap_err());
    assert!(matches!(first, Error::NoAnswer { .. }) && first.may_have_happened(), "{first}");
    assert!(matches!(second, Error::EarlierFailed { .. }) && !second.may_have_happened(), "{second}");
    assert!(matches!(producer.send("x").await, Err(Error::Closed)));
    assert_eq!(appends(&server).len(), 2);
}
