//! Clients under quotas, in simulated time: what they are told, and when they are read again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidelog_catalog_api::{QuotaEntity, QuotaKind, QuotaName, QuotaValue};
use tidelog_kafka_wire::messages::create_topics_request::CreatableTopic;
use tidelog_kafka_wire::messages::delete_topics_request::DeleteTopicState;
use tidelog_kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use tidelog_kafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use tidelog_kafka_wire::messages::{
    ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, FetchRequest, FetchResponse, HeartbeatRequest, HeartbeatResponse, ProduceRequest,
    ProduceResponse,
};
use tidelog_kafka_wire::testing::encode_request;
use tidelog_kafka_wire::{ErrorCode, message};
use tidelog_model::PartitionId;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::testing::{Door, TENANT, batch};

/// Limits everybody who calls himself "test", as the clients of tests do.
fn limit(door: &Door, kind: QuotaKind, value: f64) {
    let client_id = Some(QuotaName::Named("test".to_owned()));
    let entity = QuotaEntity { client_id, ..QuotaEntity::default() };
    let values = BTreeMap::from([(kind, QuotaValue::new(value))]);
    Arc::make_mut(&mut door.catalog.quotas.lock()).insert(entity, values);
}

fn produce(acks: i16) -> ProduceRequest {
    message!(ProduceRequest {
        acks: acks,
        timeout_ms: 30_000,
        topic_data: vec![message!(TopicProduceData {
            name: "t".into(),
            partition_data: vec![message!(PartitionProduceData { index: 0, records: Some(batch()) })],
        })],
    })
}

/// What is charged for it.
fn produce_bytes(acks: i16) -> f64 {
    (encode_request(9, 1, &produce(acks)).1.len() - 4) as f64
}

/// Takes all appends, and tells when each came.
fn appends(door: &mut Door) -> mpsc::UnboundedReceiver<Instant> {
    let (sender, came) = mpsc::unbounded_channel();
    let (_, nobody) = mpsc::unbounded_channel();
    let mut appends = std::mem::replace(&mut door.appends, nobody);
    tokio::spawn(async move {
        while let Some(append) = appends.recv().await {
            append.succeed(0);
            if sender.send(Instant::now()).is_err() {
                break;
            }
        }
    });
    came
}

fn fetch(wait_ms: i32) -> FetchRequest {
    message!(FetchRequest {
        max_bytes: 1_000_000,
        min_bytes: 1,
        max_wait_ms: wait_ms,
        session_epoch: -1,
        topics: vec![message!(FetchTopic {
            topic: "t".into(),
            partitions: vec![message!(FetchPartition { partition_max_bytes: 1_000_000 })],
        })],
    })
}

fn records(response: &FetchResponse) -> usize {
    response.responses[0].partitions[0].records.as_ref().map_or(0, |records| records.len())
}

#[tokio::test(start_paused = true)]
async fn a_producer_is_told_to_wait_and_not_read_for_that_time() {
    let mut door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut came = appends(&mut door);
    // Ten seconds' worth are four requests and a half.
    limit(&door, QuotaKind::ProducerByteRate, produce_bytes(-1) * 0.45);
    let mut client = door.connect_here();
    let began = Instant::now();
    for _ in 0..4 {
        let response: ProduceResponse = client.call(9, &produce(-1)).await;
        assert_eq!(response.throttle_time_ms, 0);
    }
    let response: ProduceResponse = client.call(9, &produce(-1)).await;
    assert_eq!(began.elapsed(), Duration::ZERO, "the answer comes at once");
    let owed = (5.0 - 10.0 * 0.45) / 0.45 * 1_000.0;
    assert!((f64::from(response.throttle_time_ms) - owed).abs() < 20.0, "{} of {owed}", response.throttle_time_ms);
    let response: ProduceResponse = client.call(9, &produce(-1)).await;
    let waited = began.elapsed().as_secs_f64() * 1_000.0;
    assert!((waited - owed).abs() < 20.0, "{waited} of {owed}");
    let steady = 1_000.0 / 0.45;
    assert!((f64::from(response.throttle_time_ms) - steady).abs() < 20.0, "{}", response.throttle_time_ms);
    for _ in 0..6 {
        assert!(came.recv().await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_were_sent_ahead_wait_their_turn_and_others_do_not() {
    let mut door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut came = appends(&mut door);
    // One request takes a second.
    limit(&door, QuotaKind::ProducerByteRate, produce_bytes(-1));
    let (mut client, mut other) = (door.connect_here(), door.connect_here());
    let began = Instant::now();
    for _ in 0..14 {
        client.send(9, &produce(-1)).await;
    }
    for _ in 0..11 {
        assert_eq!(came.recv().await.unwrap() - began, Duration::ZERO);
    }
    // A client of another name.
    let (_, frame) = encode_request(9, 1, &produce(0));
    let mut frame = frame.to_vec();
    frame[14..18].copy_from_slice(b"best");
    other.stream.write_all(&frame).await.unwrap();
    assert_eq!(came.recv().await.unwrap() - began, Duration::ZERO);
    for seconds in [1, 2, 3] {
        assert_eq!((came.recv().await.unwrap() - began).as_secs_f64().round(), f64::from(seconds));
    }
    for number in 0..14 {
        let response: ProduceResponse = client.answer().await;
        assert_eq!(response.throttle_time_ms > 0, number >= 10, "{number}: {}", response.throttle_time_ms);
    }
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_answer_is_slowed_down_too() {
    let mut door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut came = appends(&mut door);
    limit(&door, QuotaKind::ProducerByteRate, produce_bytes(0));
    let mut client = door.connect_here();
    let began = Instant::now();
    for _ in 0..14 {
        client.send(9, &produce(0)).await;
    }
    for number in 1..=14_i32 {
        let at = (came.recv().await.unwrap() - began).as_secs_f64().round();
        assert_eq!(at, f64::from((number - 11).max(0)), "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_gets_its_records_and_then_waits() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1);
    door.fetch.advance(PartitionId { topic: id, index: 0 }, 30);
    // Records have a thousand bytes, so that ten seconds' worth are five of them.
    limit(&door, QuotaKind::ConsumerByteRate, 500.0);
    let (mut client, mut other) = (door.connect_here(), door.connect_here());
    let response: FetchResponse = client.call(12, &fetch(0)).await;
    assert_eq!(records(&response), 5_000, "no more than may be used at once");
    // What is around them.
    assert!((1..500).contains(&response.throttle_time_ms), "{}", response.throttle_time_ms);
    let began = Instant::now();
    let response: FetchResponse = other.call(12, &fetch(10_000)).await;
    assert_eq!((records(&response), response.responses[0].partitions[0].high_watermark), (0, 30), "they are there");
    assert!((1..500).contains(&response.throttle_time_ms), "{}", response.throttle_time_ms);
    assert_eq!(began.elapsed(), Duration::ZERO);
    let response: FetchResponse = client.call(12, &fetch(0)).await;
    assert!(began.elapsed() > Duration::ZERO, "it was not read before");
    assert_eq!(records(&response), 5_000);
    assert!((10_000..10_600).contains(&response.throttle_time_ms), "{}", response.throttle_time_ms);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_records_is_not_throttled_for_that() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1);
    limit(&door, QuotaKind::ConsumerByteRate, 500.0);
    let mut client = door.connect_here();
    client.send(12, &fetch(60_000)).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    door.fetch.advance(PartitionId { topic: id, index: 0 }, 1);
    let response: FetchResponse = client.answer().await;
    assert_eq!((records(&response), response.throttle_time_ms), (1_000, 0));
}

#[tokio::test(start_paused = true)]
async fn quotas_hold_soon_after_they_are_altered_and_no_longer_than_they_are_there() {
    let mut door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let _came = appends(&mut door);
    let mut client = door.connect_here();
    let _: ProduceResponse = client.call(9, &produce(-1)).await;
    limit(&door, QuotaKind::ProducerByteRate, 1.0);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let response: ProduceResponse = client.call(9, &produce(-1)).await;
    assert!(response.throttle_time_ms > 50_000, "{}", response.throttle_time_ms);
    let began = Instant::now();
    door.catalog.quotas.lock().clone_from(&Arc::default());
    let response: ProduceResponse = client.call(9, &produce(-1)).await;
    assert!(began.elapsed() > Duration::from_secs(50), "what was said holds");
    assert_eq!(response.throttle_time_ms, 0);
}

fn create(name: &str, partitions: i32) -> CreateTopicsRequest {
    let topic = message!(CreatableTopic { name: name.into(), num_partitions: partitions, replication_factor: 1 });
    message!(CreateTopicsRequest { topics: vec![topic] })
}

#[tokio::test(start_paused = true)]
async fn what_is_created_and_deleted_has_a_rate() {
    let door = Door::open().await;
    limit(&door, QuotaKind::ControllerMutationRate, 2.0);
    let mut client = door.connect_here();
    // Eleven seconds' worth, and more than there is.
    let told = |response: CreateTopicsResponse| (response.topics[0].error_code, response.throttle_time_ms);
    assert_eq!(told(client.call(6, &create("a", 30)).await), (0, 0));
    let exceeded = ErrorCode::ThrottlingQuotaExceeded.code();
    assert_eq!(told(client.call(6, &create("b", 1)).await), (exceeded, 4_000));
    let began = Instant::now();
    let state = message!(DeleteTopicState { name: Some("a".into()) });
    let response: DeleteTopicsResponse = client.call(6, &message!(DeleteTopicsRequest { topics: vec![state] })).await;
    assert_eq!(began.elapsed(), Duration::from_secs(4), "it was not read before");
    assert_eq!((response.responses[0].error_code, response.throttle_time_ms), (0, 0));
    // What exists is refused for that, and costs nothing.
    assert_eq!(told(client.call(5, &create("c", 1)).await), (0, 15_500), "an old version is not refused");
    assert_eq!(told(client.call(6, &create("c", 50)).await), (ErrorCode::TopicAlreadyExists.code(), 0));
    assert_eq!(began.elapsed(), Duration::from_millis(19_500));
}

#[tokio::test]
async fn time_spent_on_requests_has_a_rate() {
    let door = Door::open().await;
    // A ten-millionth of a processor, so that ten seconds' worth is a microsecond.
    limit(&door, QuotaKind::RequestPercentage, 1e-5);
    let mut client = door.connect().await;
    let request =
        message!(ApiVersionsRequest { client_software_name: "t".into(), client_software_version: "1".into() });
    let response: ApiVersionsResponse = client.call(3, &request).await;
    assert!((1..=1_000).contains(&response.throttle_time_ms), "{}", response.throttle_time_ms);
    let began = Instant::now();
    let heartbeat = message!(HeartbeatRequest { group_id: "g".into(), member_id: "m".into(), generation_id: 1 });
    let second: HeartbeatResponse = client.call(4, &heartbeat).await;
    // The answer was on its way for a while.
    let waited = began.elapsed() + Duration::from_millis(50);
    assert!(waited >= Duration::from_millis(response.throttle_time_ms as u64), "{waited:?}");
    assert!(second.throttle_time_ms <= 1_000);
}

#[tokio::test]
async fn addresses_have_a_rate_of_connections() {
    let door = Door::open().await;
    let values = BTreeMap::from([(QuotaKind::ConnectionCreationRate, QuotaValue::new(1.0))]);
    let entity = QuotaEntity { ip: Some(QuotaName::Default), ..QuotaEntity::default() };
    Arc::make_mut(&mut door.catalog.quotas.lock()).insert(entity, values);
    let mut clients = Vec::new();
    for _ in 0..13 {
        clients.push(door.connect().await);
    }
    let mut last = clients.pop().unwrap();
    let began = Instant::now();
    assert!(last.frame().await.is_none(), "it is closed");
    assert!(began.elapsed() <= Duration::from_secs(5));
    for client in &mut clients[..10] {
        let _: ApiVersionsResponse = client.call(0, &ApiVersionsRequest::default()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_held_up_for_longer_than_it_may_be_idle_and_owes_the_rest() {
    let mut door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let _came = appends(&mut door);
    limit(&door, QuotaKind::ProducerByteRate, 0.001);
    let mut client = door.connect_here();
    let began = Instant::now();
    for minutes in [0, 10, 20] {
        let response: ProduceResponse = client.call(9, &produce(-1)).await;
        assert_eq!((began.elapsed(), response.throttle_time_ms), (Duration::from_secs(minutes * 60), 600_000));
    }
}

/// A door that lets in one client at a time, and one that it has told to wait for as long as it may be idle.
async fn muted() -> (Door, crate::testing_client::Client) {
    let mut door = Door::open_with(|options| options.connections_max = 1).await;
    door.catalog.add(TENANT, "t", 1);
    let _came = appends(&mut door);
    limit(&door, QuotaKind::ProducerByteRate, 0.001);
    let mut client = door.connect().await;
    let response: ProduceResponse = client.call(9, &produce(-1)).await;
    assert_eq!(response.throttle_time_ms, 600_000);
    (door, client)
}

/// Whether somebody else is let in, which takes as long as it is noticed that nobody is there any more.
async fn is_let_in(door: &Door) -> bool {
    for _ in 0..100 {
        let mut client = door.connect().await;
        client.stream.write_all(&encode_request(0, 1, &ApiVersionsRequest::default()).1).await.unwrap_or_default();
        if client.frame().await.is_some() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test]
async fn a_muted_client_that_goes_is_missed() {
    let (door, client) = muted().await;
    drop(client);
    assert!(is_let_in(&door).await);
}

#[tokio::test]
async fn a_muted_client_that_breaks_off_in_the_middle_of_what_it_says_is_missed() {
    let (door, mut client) = muted().await;
    client.send(9, &produce(-1)).await;
    client.stream.set_zero_linger().unwrap();
    drop(client);
    assert!(is_let_in(&door).await);
}

#[tokio::test]
async fn a_muted_client_that_goes_after_it_has_said_more_is_missed_and_that_is_not_worked_on() {
    let mut door = Door::open_with(|options| options.connections_max = 1).await;
    door.catalog.add(TENANT, "t", 1);
    let mut came = appends(&mut door);
    limit(&door, QuotaKind::ProducerByteRate, 0.001);
    let mut client = door.connect().await;
    for _ in 0..2 {
        client.send(9, &produce(0)).await;
    }
    assert!(came.recv().await.is_some());
    drop(client);
    assert!(is_let_in(&door).await);
    assert!(came.try_recv().is_err(), "nobody has heard that it was taken");
}

#[tokio::test]
async fn what_a_muted_client_said_a_moment_before_it_went_is_worked_on() {
    let mut door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut came = appends(&mut door);
    // The first request takes all there is, and half a second.
    limit(&door, QuotaKind::ProducerByteRate, produce_bytes(0) / 10.5);
    let mut client = door.connect().await;
    for _ in 0..2 {
        client.send(9, &produce(0)).await;
    }
    drop(client);
    assert!(came.recv().await.is_some() && came.recv().await.is_some());
}
