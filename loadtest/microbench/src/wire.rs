//! Kafka's frames: a Produce request is decoded, and the answer to a Fetch laid out.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use tidelog_kafka_wire::messages::{ProduceRequest, produce_request};
use tidelog_kafka_wire::testing::encode_request;
use tidelog_kafka_wire::{
    Api, ErrorCode, FetchReply, FetchReplyPartition, FetchReplyTopic, RequestHeader, Uuid, decode_request,
    encode_fetch_reply, message,
};

use crate::batch::built;

const PRODUCE_VERSION: i16 = 13;
const FETCH_VERSION: i16 = 18;

pub fn measure(criterion: &mut Criterion) {
    let records = Bytes::from(built(1024));
    let mut group = criterion.benchmark_group("wire");
    for partitions in [1, 100] {
        group.throughput(Throughput::Elements(partitions as u64));
        let frame = produce(partitions, &records);
        group.bench_function(format!("decode a Produce of {partitions} partitions"), |bencher| {
            bencher.iter(|| decode_request(black_box(frame.clone())).expect("it is whole"));
        });
        let reply = fetched(partitions, &records);
        let to = RequestHeader { api: Api::Fetch, version: FETCH_VERSION, correlation_id: 1, client_id: None };
        group.bench_function(format!("lay out a Fetch's answer of {partitions} partitions"), |bencher| {
            bencher.iter(|| encode_fetch_reply(black_box(&to), black_box(&reply)).expect("it fits"));
        });
    }
    group.finish();
}

/// A frame without its length.
fn produce(partitions: i32, records: &Bytes) -> Bytes {
    let of_partition =
        |index| message!(produce_request::PartitionProduceData { index: index, records: Some(records.clone()) });
    let request = message!(ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![message!(produce_request::TopicProduceData {
            topic_id: Uuid::from_bytes([1; 16]),
            partition_data: (0..partitions).map(of_partition).collect(),
        })],
    });
    let (_, frame) = encode_request(PRODUCE_VERSION, 1, &request);
    frame.slice(4..)
}

fn fetched(partitions: i32, records: &Bytes) -> FetchReply {
    let of_partition = |index| FetchReplyPartition {
        index,
        error: ErrorCode::None,
        high_watermark: 1_000,
        last_stable: 1_000,
        log_start: 0,
        records: vec![records.clone()],
    };
    let topic = FetchReplyTopic {
        name: "measured".into(),
        id: [1; 16],
        partitions: (0..partitions).map(of_partition).collect(),
    };
    FetchReply { error: ErrorCode::None, session_id: 0, topics: vec![topic] }
}
