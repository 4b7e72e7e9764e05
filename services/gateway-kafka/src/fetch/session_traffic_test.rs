//! A session of many partitions under traffic: what it leaves out of a look must never be a record.

use std::collections::BTreeMap;

use tidelog_host::Random;
use tidelog_kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use tidelog_kafka_wire::messages::{FetchRequest, FetchResponse};
use tidelog_kafka_wire::{ErrorCode, Uuid, message};
use tidelog_model::{PartitionId, TopicId};

use crate::testing::{Door, TENANT};
use crate::testing_client::Client;

const PARTITIONS: u32 = 60;
const STEPS: usize = 400;
const RECORD_BYTES: usize = 1_000;
/// Topics by name, and by id.
const VERSIONS: [i16; 2] = [12, 17];

/// A consumer of all partitions in one session.
struct Consumer {
    topic: TopicId,
    version: i16,
    session: i32,
    epoch: i32,
    positions: BTreeMap<i32, i64>,
    /// Those whose position the server does not know.
    moved: Vec<i32>,
}

impl Consumer {
    fn request(&mut self, wait_ms: i32) -> FetchRequest {
        let partition = |index: i32| {
            message!(FetchPartition {
                partition: index,
                fetch_offset: self.positions[&index],
                partition_max_bytes: 2 * RECORD_BYTES as i32,
            })
        };
        let partitions: Vec<_> = self.moved.iter().map(|index| partition(*index)).collect();
        self.moved.clear();
        let topic = || {
            if self.version < 13 {
                message!(FetchTopic { topic: "t".into(), partitions: partitions.clone() })
            } else {
                message!(FetchTopic { topic_id: Uuid::from_bytes(self.topic.0), partitions: partitions.clone() })
            }
        };
        message!(FetchRequest {
            max_wait_ms: wait_ms,
            min_bytes: 1,
            max_bytes: 7 * RECORD_BYTES as i32,
            session_id: self.session,
            session_epoch: self.epoch,
            topics: if partitions.is_empty() { Vec::new() } else { vec![topic()] },
        })
    }

    /// Moves on by what was read; how many records that were.
    fn take(&mut self, response: &FetchResponse) -> usize {
        assert_eq!(response.error_code, 0);
        self.session = response.session_id;
        assert_ne!(self.session, 0);
        self.epoch += 1;
        let mut read = 0;
        for answer in response.responses.iter().flat_map(|topic| &topic.partitions) {
            assert_eq!(answer.error_code, ErrorCode::None.code());
            let records = answer.records.as_ref().map_or(0, |records| records.len()) / RECORD_BYTES;
            *self.positions.get_mut(&answer.partition_index).unwrap() += records as i64;
            if records > 0 {
                self.moved.push(answer.partition_index);
            }
            read += records;
        }
        read
    }

    /// The connection is lost with an answer in it: a new session from where the client is.
    fn begin_anew(&mut self) {
        (self.session, self.epoch) = (0, 0);
        self.moved = self.positions.keys().copied().collect();
    }

    async fn fetch(&mut self, client: &mut Client, wait_ms: i32) -> usize {
        let request = self.request(wait_ms);
        let response: FetchResponse = client.call(self.version, &request).await;
        self.take(&response)
    }
}

#[tokio::test]
async fn no_record_is_left_out() {
    for (seed, version) in VERSIONS.into_iter().cycle().take(8).enumerate() {
        let random = Random::seeded(seed as u64);
        let door = Door::open().await;
        let topic = door.catalog.add(TENANT, "t", PARTITIONS);
        let mut tails = BTreeMap::<i32, i64>::new();
        let positions = (0..PARTITIONS as i32).map(|index| (index, 0)).collect();
        let mut consumer = Consumer { topic, version, session: 0, epoch: 0, positions, moved: Vec::new() };
        consumer.begin_anew();
        let mut client = door.connect().await;
        for _ in 0..STEPS {
            let mut advance = || {
                let (index, records) = (random.below(u64::from(PARTITIONS)) as u32, 1 + random.below(4));
                door.fetch.advance(PartitionId { topic, index }, records);
                *tails.entry(index as i32).or_default() += records as i64;
            };
            match random.below(20) {
                0..8 => advance(),
                // In the middle of a fetch that waits, as a rule.
                8..12 => {
                    let request = consumer.request(1_000);
                    client.send(version, &request).await;
                    tokio::task::yield_now().await;
                    advance();
                    let response: FetchResponse = client.answer().await;
                    assert!(consumer.take(&response) > 0, "seed {seed}: what came while it waited");
                }
                12 => {
                    let request = consumer.request(1_000);
                    client.send(version, &request).await;
                    client = door.connect().await;
                    consumer.begin_anew();
                }
                _ => drop(consumer.fetch(&mut client, 0).await),
            }
        }
        while consumer.fetch(&mut client, 0).await > 0 {}
        tails.into_iter().for_each(|(index, tail)| {
            assert_eq!(consumer.positions[&index], tail, "seed {seed}: partition {index}");
        });
    }
}
