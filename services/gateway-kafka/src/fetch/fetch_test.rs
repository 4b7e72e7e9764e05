//! Fetch from outside: bounds, waiting, sessions, ids.

use std::time::{Duration, Instant};

use tidelog_kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use tidelog_kafka_wire::messages::{FetchRequest, FetchResponse};
use tidelog_kafka_wire::{ErrorCode, Uuid, message};
use tidelog_model::{PartitionId, TopicId};

use crate::testing::{Door, TENANT};

const LONG_MS: i32 = 30_000;

fn request(id: TopicId, offsets: &[(i32, i64)]) -> FetchRequest {
    let partition = |(index, offset): &(i32, i64)| {
        message!(FetchPartition { partition: *index, fetch_offset: *offset, partition_max_bytes: 10_000 })
    };
    message!(FetchRequest {
        max_wait_ms: LONG_MS,
        min_bytes: 1,
        max_bytes: 1_000_000,
        session_epoch: -1,
        topics: vec![message!(FetchTopic {
            topic: "t".into(),
            topic_id: Uuid::from_bytes(id.0),
            partitions: offsets.iter().map(partition).collect(),
        })],
    })
}

/// Per partition: number, error, bytes.
fn found(response: &FetchResponse) -> Vec<(i32, i16, usize)> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    let found = partitions
        .map(|each| (each.partition_index, each.error_code, each.records.as_ref().map_or(0, |records| records.len())));
    found.collect()
}

fn partition(topic: TopicId, index: u32) -> PartitionId {
    PartitionId { topic, index }
}

#[tokio::test]
async fn every_version_answers() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 2);
    door.fetch.advance(partition(id, 0), 3);
    let mut client = door.connect().await;
    for version in 4..=18 {
        let mut request = request(id, &[(0, 1), (1, 0)]);
        if version >= 15 {
            request.replica_id = -1;
        }
        let response: FetchResponse = client.call(version, &request).await;
        assert_eq!(found(&response), [(0, 0, 2000), (1, 0, 0)], "v{version}");
        let first = &response.responses[0].partitions[0];
        assert_eq!((first.high_watermark, first.last_stable_offset), (3, 3));
        if version >= 13 {
            assert_eq!(response.responses[0].topic_id.to_bytes(), id.0);
        } else {
            assert_eq!(response.responses[0].topic.as_str(), "t");
        }
    }
}

#[tokio::test]
async fn a_topic_that_goes_while_it_is_read_is_gone_by_the_name_it_is_known_by() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1);
    door.fetch.advance(partition(id, 0), 3);
    door.fetch.is_gone.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut client = door.connect().await;
    for (version, code) in [(12, ErrorCode::UnknownTopicOrPartition), (13, ErrorCode::UnknownTopicId)] {
        for offset in [1, 3] {
            let response: FetchResponse = client.call(version, &request(id, &[(0, offset)])).await;
            assert_eq!(found(&response), [(0, code.code(), 0)], "v{version}");
        }
        // A partition that the topic never had is another thing.
        let response: FetchResponse = client.call(version, &request(id, &[(7, 0)])).await;
        assert_eq!(found(&response), [(7, ErrorCode::UnknownTopicOrPartition.code(), 0)], "v{version}");
    }
}

#[tokio::test]
async fn bounds_are_kept_and_the_first_batch_comes_all_the_same() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 3);
    for index in 0..3 {
        door.fetch.advance(partition(id, index), 20);
    }
    let mut client = door.connect().await;
    let mut check = async |bytes_max: i32, partition_bytes_max: i32, expected: [usize; 3]| {
        let mut request = request(id, &[(0, 0), (1, 0), (2, 0)]);
        request.max_bytes = bytes_max;
        request.topics[0].partitions.iter_mut().for_each(|each| each.partition_max_bytes = partition_bytes_max);
        let response: FetchResponse = client.call(12, &request).await;
        assert_eq!(found(&response), [(0, 0, expected[0]), (1, 0, expected[1]), (2, 0, expected[2])]);
    };
    check(1_000_000, 5_000, [5_000, 5_000, 5_000]).await;
    check(7_000, 5_000, [5_000, 2_000, 0]).await;
    check(10, 5_000, [1_000, 0, 0]).await;
    check(1_000_000, 10, [1_000, 0, 0]).await;
    check(0, 0, [1_000, 0, 0]).await;
}

#[tokio::test]
async fn a_fetch_at_the_tail_waits_for_records_and_for_enough_of_them() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    let mut request = request(id, &[(0, 0)]);
    request.min_bytes = 2_000;
    client.send(12, &request).await;
    for records in 1..=2 {
        while door.fetch.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        door.fetch.advance(partition(id, 0), 1);
        if records == 1 {
            // Woken and not content, it waits again: then it has seen the first record.
            let mut probe = door.connect().await;
            let mut short = request.clone();
            short.min_bytes = 0;
            let response: FetchResponse = probe.call(12, &short).await;
            assert_eq!(found(&response), [(0, 0, 1_000)]);
        }
    }
    let response: FetchResponse = client.answer().await;
    assert_eq!(found(&response), [(0, 0, 2_000)]);
}

#[tokio::test]
async fn a_fetch_at_the_tail_gives_up_in_time() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    let mut request = request(id, &[(0, 0)]);
    request.max_wait_ms = 20;
    let start = Instant::now();
    let response: FetchResponse = client.call(12, &request).await;
    assert_eq!(found(&response), [(0, 0, 0)]);
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[tokio::test]
async fn negatives_do_not_wait() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 1);
    let theirs = door.catalog.add(tidelog_model::TenantId(2), "theirs", 1);
    door.fetch.advance(partition(theirs, 0), 1);
    let mut client = door.connect().await;
    let mut check = async |version: i16, request: FetchRequest, expected: ErrorCode| {
        let response: FetchResponse = client.call(version, &request).await;
        assert_eq!(found(&response)[0].1, expected.code(), "{expected:?}");
        assert_eq!(found(&response)[0].2, 0);
    };
    check(12, request(id, &[(0, 9)]), ErrorCode::OffsetOutOfRange).await;
    check(12, request(id, &[(0, -1)]), ErrorCode::OffsetOutOfRange).await;
    check(12, request(id, &[(1, 0)]), ErrorCode::UnknownTopicOrPartition).await;
    check(13, request(TopicId([9; 16]), &[(0, 0)]), ErrorCode::UnknownTopicId).await;
    check(13, request(theirs, &[(0, 0)]), ErrorCode::UnknownTopicId).await;
    let mut epoch = request(id, &[(0, 0)]);
    epoch.topics[0].partitions[0].current_leader_epoch = 1;
    check(12, epoch, ErrorCode::UnknownLeaderEpoch).await;
    let mut name = request(id, &[(0, 0)]);
    name.topics[0].topic = "nope".into();
    check(12, name.clone(), ErrorCode::UnknownTopicOrPartition).await;
    // Whether it exists is not known when the catalog does not answer.
    *door.catalog.is_down.lock() = true;
    check(12, name, ErrorCode::NotLeaderOrFollower).await;
}

#[tokio::test]
async fn a_session_over_the_wire() {
    let door = Door::open().await;
    let id = door.catalog.add(TENANT, "t", 3);
    let mut client = door.connect().await;
    let mut full = request(id, &[(0, 0), (1, 0), (2, 0)]);
    (full.session_epoch, full.min_bytes) = (0, 0);
    let response: FetchResponse = client.call(13, &full).await;
    assert_ne!(response.session_id, 0);
    assert_eq!(found(&response).len(), 3, "a full fetch answers everything");

    let next = |epoch: i32| {
        message!(FetchRequest {
            max_wait_ms: LONG_MS,
            min_bytes: 0,
            max_bytes: 1_000_000,
            session_id: response.session_id,
            session_epoch: epoch,
        })
    };
    let incremental: FetchResponse = client.call(13, &next(1)).await;
    assert_eq!((incremental.session_id, found(&incremental)), (response.session_id, vec![]), "nothing is new");
    door.fetch.advance(partition(id, 1), 1);
    let incremental: FetchResponse = client.call(13, &next(2)).await;
    assert_eq!(found(&incremental), [(1, 0, 1_000)]);
    let stale: FetchResponse = client.call(13, &next(2)).await;
    assert_eq!(stale.error_code, ErrorCode::InvalidFetchSessionEpoch.code());
    let mixed: FetchResponse = client.call(12, &next(3)).await;
    assert_eq!(mixed.error_code, ErrorCode::FetchSessionTopicIdError.code());
    let mut foreign = next(1);
    foreign.session_id = 12345;
    let foreign: FetchResponse = client.call(13, &foreign).await;
    assert_eq!(foreign.error_code, ErrorCode::FetchSessionIdNotFound.code());
}

#[tokio::test]
async fn records_in_answers_are_bounded_on_the_whole_node() {
    let door = Door::open_with(|options| {
        options.fetch_bytes_max = 8 * 1024;
        options.fetch_answer_bytes_max = 8 * 1024;
    })
    .await;
    let id = door.catalog.add(TENANT, "t", 1);
    door.fetch.advance(partition(id, 0), 100);
    // More clients than answers fit at once: each gets its answer all the same, if a smaller one.
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = door.connect().await;
        client.send(12, &request(id, &[(0, 0)])).await;
        clients.push(client);
    }
    for client in &mut clients {
        let response: FetchResponse = client.answer().await;
        let found = found(&response);
        assert!(found.len() == 1 && (1_000..=8_000).contains(&found[0].2), "{found:?}");
    }
}
