//! Connections from outside: order, overlap, barriers, limits, hostile bytes.

use std::time::Duration;

use tidelog_ingest::AppendError;
use tidelog_kafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use tidelog_kafka_wire::messages::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse,
};
use tidelog_kafka_wire::{ADVERTISED, ErrorCode, Uuid, message};
use tidelog_model::PartitionId;
use tidelog_model::limits::FRAME_BYTES_MAX;
use tokio::io::AsyncWriteExt;

use crate::testing::{Appending, Door, TENANT, batch};
use crate::testing_client::Client;

fn produce(acks: i16, partition: i32) -> ProduceRequest {
    message!(ProduceRequest {
        acks: acks,
        timeout_ms: 30_000,
        topic_data: vec![message!(TopicProduceData {
            name: "t".into(),
            partition_data: vec![message!(PartitionProduceData { index: partition, records: Some(batch()) })],
        })],
    })
}

fn outcome(response: &ProduceResponse) -> (i16, i64) {
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

async fn produced(client: &mut Client) -> (i16, i64) {
    outcome(&client.answer::<ProduceResponse>().await)
}

async fn take(door: &mut Door, count: usize) -> Vec<Appending> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(door.appends.recv().await.unwrap());
    }
    taken
}

#[tokio::test]
async fn five_requests_overlap_and_are_answered_in_order() {
    let mut door = Door::open().await;
    door.catalog.add(TENANT, "t", 5);
    let mut client = door.connect().await;
    for partition in 0..5 {
        client.send(9, &produce(-1, partition)).await;
    }
    // All five are in the write path before any is resolved, in the order in which they were sent.
    let appends = take(&mut door, 5).await;
    assert_eq!(appends.iter().map(|each| each.append.partition.index).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let source = appends[0].append.source;
    assert!(appends.iter().all(|each| each.append.source == source));
    // Resolved backwards, answered forwards.
    for (offset, appending) in appends.into_iter().enumerate().rev() {
        appending.succeed(offset as u64);
    }
    for offset in 0..5 {
        assert_eq!(produced(&mut client).await, (0, offset));
    }
}

#[tokio::test]
async fn produce_in_every_version() {
    let mut door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    for version in 3..=13 {
        let mut request = produce(-1, 0);
        request.topic_data[0].topic_id = if version >= 13 { Uuid::from_bytes(id.0) } else { Uuid::ZERO };
        client.send(version, &request).await;
        take(&mut door, 1).await.remove(0).succeed(5);
        assert_eq!(produced(&mut client).await, (0, 5), "v{version}");
        client.send(version, &request).await;
        take(&mut door, 1).await.remove(0).fail(AppendError::UnknownPartition);
        let unknown = if version >= 13 { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
        assert_eq!(produced(&mut client).await, (unknown.code(), -1), "v{version}");
    }
}

#[tokio::test]
async fn a_topic_s_rules_for_timestamps_reach_its_producers() {
    let mut door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1);
    door.catalog.set(id, "message.timestamp.before.max.ms", "1000");
    let mut client = door.connect().await;
    for version in [3, 7, 8, 9, 12] {
        let response: ProduceResponse = client.call(version, &produce(-1, 0)).await;
        assert_eq!(outcome(&response), (ErrorCode::InvalidTimestamp.code(), -1), "v{version}");
        let errors = &response.responses[0].partition_responses[0].record_errors;
        let told = errors.iter().map(|error| error.batch_index).collect::<Vec<_>>();
        assert_eq!(told, if version >= 8 { vec![0] } else { vec![] }, "v{version}");
        let is_said = |text: &str| text.starts_with("timestamp 1 is not within ");
        let text = |at: usize| errors[at].batch_index_error_message.as_ref().unwrap().as_str();
        assert!((0..errors.len()).all(|at| is_said(text(at))), "v{version}: {errors:?}");
    }
    assert!(door.appends.try_recv().is_err(), "nothing was appended");
    door.catalog.set(id, "message.timestamp.type", "LogAppendTime");
    for version in [3, 9] {
        client.send(version, &produce(-1, 0)).await;
        let appending = take(&mut door, 1).await.remove(0);
        let stamp = appending.append.batches[0].log_append_time().expect("stamped");
        appending.succeed(4);
        let response: ProduceResponse = client.answer().await;
        assert_eq!(outcome(&response), (0, 4));
        assert_eq!(response.responses[0].partition_responses[0].log_append_time_ms, stamp.0, "v{version}");
    }
}

#[tokio::test]
async fn the_time_of_a_duplicate_is_looked_for_in_the_log_where_topics_stamp() {
    let mut door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1);
    door.fetch.advance(PartitionId { topic: id, index: 0 }, 5);
    let mut client = door.connect().await;
    for (timestamp_type, reads) in [("CreateTime", 0), ("LogAppendTime", 1)] {
        door.catalog.set(id, "message.timestamp.type", timestamp_type);
        client.send(9, &produce(-1, 0)).await;
        take(&mut door, 1).await.remove(0).succeed_again(2);
        let response: ProduceResponse = client.answer().await;
        assert_eq!(outcome(&response), (0, 2));
        // What is read here is no batch, so there is no time to be told.
        assert_eq!(response.responses[0].partition_responses[0].log_append_time_ms, -1);
        assert_eq!(door.fetch.bytes_asked.lock().len(), reads, "{timestamp_type}");
    }
}

#[tokio::test]
async fn records_that_a_topic_s_codec_makes_larger_need_room() {
    let mut door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    // One small record becomes larger in gzip, and this write path has room for no byte more.
    door.catalog.set(id, "compression.type", "gzip");
    let response: ProduceResponse = client.call(9, &produce(-1, 0)).await;
    assert_eq!(outcome(&response), (ErrorCode::NotEnoughReplicas.code(), -1));
    assert!(door.appends.try_recv().is_err(), "nothing was appended");
    door.catalog.set(id, "max.message.bytes", &batch().len().to_string());
    let response: ProduceResponse = client.call(9, &produce(-1, 0)).await;
    assert_eq!(outcome(&response), (ErrorCode::MessageTooLarge.code(), -1));
    door.catalog.set(id, "compression.type", "uncompressed");
    client.send(9, &produce(-1, 0)).await;
    take(&mut door, 1).await.remove(0).succeed(4);
    assert_eq!(produced(&mut client).await, (0, 4));
}

#[tokio::test]
async fn other_requests_wait_for_all_before_them_and_hold_up_those_behind() {
    let mut door = Door::open().await;
    door.catalog.add(TENANT, "t", 5);
    let mut client = door.connect().await;
    client.send(9, &produce(-1, 0)).await;
    client.send(9, &produce(-1, 1)).await;
    client.send(12, &message!(MetadataRequest { topics: None })).await;
    client.send(9, &produce(-1, 2)).await;
    let mut appends = take(&mut door, 2).await.into_iter();
    door.events.note("first resolved");
    appends.next().unwrap().succeed(10);
    assert_eq!(produced(&mut client).await, (0, 10));
    door.events.note("second resolved");
    appends.next().unwrap().succeed(11);
    assert_eq!(produced(&mut client).await, (0, 11));
    let metadata: MetadataResponse = client.answer().await;
    assert_eq!(metadata.topics.len(), 1);
    take(&mut door, 1).await.remove(0).succeed(12);
    assert_eq!(produced(&mut client).await, (0, 12));
    // Metadata of all topics takes a read barrier, which shows when it was worked on.
    assert_eq!(door.events.all(), ["append 0", "append 1", "first resolved", "second resolved", "barrier", "append 2"]);
}

#[tokio::test]
async fn requests_in_flight_are_bounded() {
    let mut door = Door::open_with(|options| options.connection_requests_max = 2).await;
    door.catalog.add(TENANT, "t", 5);
    let mut client = door.connect().await;
    for partition in 0..4 {
        client.send(9, &produce(-1, partition)).await;
    }
    let mut appends = take(&mut door, 2).await;
    // Another connection's request goes through meanwhile, so the door had the time to read the third.
    let mut other = door.connect().await;
    other.send(9, &produce(-1, 4)).await;
    let foreign = take(&mut door, 1).await.remove(0);
    assert_eq!(foreign.append.partition.index, 4, "the third request of the first connection waits");
    assert_ne!(foreign.append.source, appends[0].append.source);
    appends.remove(0).succeed(0);
    assert_eq!(produced(&mut client).await, (0, 0));
    assert_eq!(take(&mut door, 1).await[0].append.partition.index, 2);
}

#[tokio::test]
async fn acks_zero_gets_no_answer_and_an_error_closes_the_connection() {
    let mut door = Door::open().await;
    door.catalog.add(TENANT, "t", 5);
    let mut client = door.connect().await;
    let (_, silent) = tidelog_kafka_wire::testing::encode_request(9, 99, &produce(0, 0));
    client.stream.write_all(&silent).await.unwrap();
    client.send(9, &produce(1, 1)).await;
    for (offset, appending) in take(&mut door, 2).await.into_iter().enumerate() {
        appending.succeed(offset as u64);
    }
    assert_eq!(produced(&mut client).await, (0, 1), "the first answer is to the second request");
    client.stream.write_all(&silent).await.unwrap();
    take(&mut door, 1).await.remove(0).fail(AppendError::Unavailable("store".to_owned()));
    assert!(client.frame().await.is_none(), "the end of the connection is the only way to tell");
}

#[tokio::test]
async fn refusals_of_produce_append_nothing() {
    let mut door = Door::open().await;
    door.catalog.add(TENANT, "t", 5);
    let other = door.catalog.add(tidelog_model::TenantId(2), "theirs", 5);
    let mut client = door.connect().await;
    let mut check = async |version: i16, request: ProduceRequest, expected: ErrorCode| {
        let response: ProduceResponse = client.call(version, &request).await;
        assert_eq!(outcome(&response), (expected.code(), -1), "{expected:?}");
    };
    check(9, produce(2, 0), ErrorCode::InvalidRequiredAcks).await;
    check(9, produce(-1, 5), ErrorCode::UnknownTopicOrPartition).await;
    check(9, produce(-1, -1), ErrorCode::UnknownTopicOrPartition).await;
    let mut transactional = produce(-1, 0);
    transactional.transactional_id = Some("tx".into());
    check(9, transactional, ErrorCode::TransactionalIdAuthorizationFailed).await;
    let mut unknown = produce(-1, 0);
    unknown.topic_data[0].name = "nope".into();
    check(9, unknown, ErrorCode::UnknownTopicOrPartition).await;
    let mut foreign = produce(-1, 0);
    foreign.topic_data[0].topic_id = Uuid::from_bytes(other.0);
    check(13, foreign, ErrorCode::UnknownTopicId).await;
    let mut damaged = produce(-1, 0);
    let mut bytes = batch().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    damaged.topic_data[0].partition_data[0].records = Some(bytes.into());
    check(9, damaged, ErrorCode::CorruptMessage).await;
    let mut none = produce(-1, 0);
    none.topic_data[0].partition_data[0].records = None;
    check(9, none, ErrorCode::InvalidRecord).await;
    *door.catalog.is_down.lock() = true;
    let mut unconfirmed = produce(-1, 0);
    unconfirmed.topic_data[0].name = "nope".into();
    check(9, unconfirmed, ErrorCode::NotEnoughReplicas).await;
    assert!(door.appends.try_recv().is_err(), "nothing was appended");
}

#[tokio::test]
async fn a_topic_that_this_node_has_not_seen_yet_is_found() {
    let mut door = Door::open().await;
    let id = door.catalog.add_unseen("t", 1);
    let mut client = door.connect().await;
    let mut request = produce(-1, 0);
    request.topic_data[0].topic_id = Uuid::from_bytes(id.0);
    client.send(13, &request).await;
    take(&mut door, 1).await.remove(0).succeed(3);
    assert_eq!(produced(&mut client).await, (0, 3));
}

#[tokio::test]
async fn api_versions_is_the_table_also_for_clients_from_the_future() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let request =
        message!(ApiVersionsRequest { client_software_name: "x".into(), client_software_version: "1".into() });
    let response: ApiVersionsResponse = client.call(4, &request).await;
    assert_eq!(response.error_code, 0);
    assert_eq!(response.api_keys.len(), ADVERTISED.len());
    // Version 99: a header that anyone can read, then bytes that nobody knows.
    let mut frame = Vec::new();
    frame.extend_from_slice(&18_i16.to_be_bytes());
    frame.extend_from_slice(&99_i16.to_be_bytes());
    frame.extend_from_slice(&5_i32.to_be_bytes());
    frame.extend_from_slice(&[0xff; 20]);
    client.stream.write_all(&(frame.len() as i32).to_be_bytes()).await.unwrap();
    client.stream.write_all(&frame).await.unwrap();
    let answer = client.frame().await.unwrap();
    assert_eq!(&answer[..6], [0, 0, 0, 5, 0, 35], "correlation id and UNSUPPORTED_VERSION");
    assert_eq!(answer[6..], [0, 0, 0, 1, 0, 18, 0, 0, 0, 4], "and the versions of this API, as in Kafka");
    let nameless = message!(ApiVersionsRequest { client_software_version: "1".into() });
    let response: ApiVersionsResponse = client.call(4, &nameless).await;
    assert_eq!((response.error_code, response.api_keys.len()), (ErrorCode::InvalidRequest.code(), 0));
    // And the connection goes on.
    let response: ApiVersionsResponse = client.call(0, &ApiVersionsRequest::default()).await;
    assert_eq!(response.api_keys.len(), ADVERTISED.len());
}

#[tokio::test]
async fn what_cannot_be_a_request_closes_the_connection() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let frame = |bytes: i32, key: i16, version: i16| {
        let mut frame = bytes.to_be_bytes().to_vec();
        frame.extend_from_slice(&key.to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&[0; 16]);
        frame
    };
    for hostile in [
        frame(i32::MAX, 0, 9),
        frame(FRAME_BYTES_MAX as i32 + 1, 0, 9),
        frame(-1, 0, 9),
        frame(20, 999, 0),
        // Produce 2 is advertised and refused; Fetch 3 is neither.
        frame(20, 0, 2),
        frame(20, 1, 3),
        // A JoinGroup that ends in its middle.
        frame(20, 11, 2),
        b"GET / HTTP/1.1\r\nHost: there\r\n\r\n".to_vec(),
    ] {
        let mut client = door.connect().await;
        client.stream.write_all(&hostile).await.unwrap();
        assert!(client.frame().await.is_none(), "{hostile:?}");
    }
    // Others are not affected.
    let mut client = door.connect().await;
    let response: ApiVersionsResponse = client.call(0, &ApiVersionsRequest::default()).await;
    assert_eq!(response.error_code, 0);
}

#[tokio::test]
async fn a_frame_that_never_ends_and_a_silent_connection_are_closed() {
    let door = Door::open_with(|options| {
        options.frame_timeout = Duration::from_millis(30);
        options.idle_timeout = Duration::from_millis(60);
    })
    .await;
    let mut slow = door.connect().await;
    slow.stream.write_all(&[0, 0]).await.unwrap();
    assert!(slow.frame().await.is_none());
    let mut slow = door.connect().await;
    slow.stream.write_all(&[0, 0, 0, 20, 0, 3, 0, 1, 0, 0]).await.unwrap();
    assert!(slow.frame().await.is_none());
    assert!(door.connect().await.frame().await.is_none());
}

#[tokio::test]
async fn connections_are_counted() {
    let door = Door::open_with(|options| options.connections_max = 1).await;
    let mut first = door.connect().await;
    let _: ApiVersionsResponse = first.call(0, &ApiVersionsRequest::default()).await;
    assert!(door.connect().await.frame().await.is_none(), "one too many");
    let _: ApiVersionsResponse = first.call(0, &ApiVersionsRequest::default()).await;
}

#[tokio::test]
async fn a_stop_lets_requests_in_flight_finish() {
    let mut door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    client.send(9, &produce(-1, 0)).await;
    let appending = take(&mut door, 1).await.remove(0);
    let tasks = door.tasks.clone();
    let stopping = tokio::spawn(async move { tasks.stop().await });
    door.tasks.stopping().await;
    appending.succeed(8);
    assert_eq!(produced(&mut client).await, (0, 8));
    assert!(client.frame().await.is_none(), "then the connection is closed");
    door.closed.await.unwrap();
    stopping.await.unwrap();
}
