//! Our layout of the Fetch answer against the codec's, in every version.

use kafka_wire::{FetchResponse, fetch_response};
use kafka_wire_core::Uuid;

use super::*;
use crate::{encode_response, message};

fn reply() -> FetchReply {
    let partition = |index, records: &[&'static [u8]]| FetchReplyPartition {
        index,
        error: if index == 2 { ErrorCode::OffsetOutOfRange } else { ErrorCode::None },
        high_watermark: 42,
        last_stable: 41,
        log_start: 7,
        records: records.iter().map(|piece| Bytes::from_static(piece)).collect(),
    };
    FetchReply {
        error: ErrorCode::None,
        session_id: 99,
        topics: vec![
            FetchReplyTopic {
                name: "a".into(),
                id: [7; 16],
                partitions: vec![partition(0, &[b"one", b"", b"two"]), partition(2, &[])],
            },
            FetchReplyTopic { name: "b".into(), id: [8; 16], partitions: vec![partition(5, &[&[9; 300]])] },
        ],
    }
}

fn by_codec(reply: &FetchReply, version: i16) -> FetchResponse {
    let topics = reply.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            message!(fetch_response::PartitionData {
                partition_index: partition.index,
                error_code: partition.error.code(),
                high_watermark: partition.high_watermark,
                last_stable_offset: partition.last_stable,
                log_start_offset: if version >= 5 { partition.log_start } else { -1 },
                aborted_transactions: None,
                preferred_read_replica: -1,
                records: Some(Bytes::from(partition.records.concat())),
            })
        });
        message!(fetch_response::FetchableTopicResponse {
            topic: if version >= 13 { StrBytes::default() } else { topic.name.clone() },
            topic_id: if version >= 13 { Uuid::from_bytes(topic.id) } else { Uuid::ZERO },
            partitions: partitions.collect(),
        })
    });
    message!(FetchResponse { session_id: if version >= 7 { reply.session_id } else { 0 }, responses: topics.collect() })
}

#[test]
fn the_bytes_are_the_codec_s_in_every_version() {
    for version in Api::Fetch.advertised().version_min..=Api::Fetch.advertised().version_max {
        let header = RequestHeader { api: Api::Fetch, version, correlation_id: 123, client_id: None };
        let ours = encode_fetch_reply(&header, &reply()).unwrap().concat();
        let theirs = encode_response(&header, &by_codec(&reply(), version)).unwrap();
        assert_eq!(Bytes::from(ours), theirs, "v{version}");
    }
}

#[test]
fn records_are_not_copied() {
    let header = RequestHeader { api: Api::Fetch, version: 12, correlation_id: 1, client_id: None };
    let mut reply = reply();
    let records = Bytes::from(vec![5; 10_000]);
    reply.topics[0].partitions[0].records = vec![records.clone()];
    let pieces = encode_fetch_reply(&header, &reply).unwrap();
    assert!(pieces.iter().any(|piece| piece.as_ptr() == records.as_ptr() && piece.len() == records.len()));
}
