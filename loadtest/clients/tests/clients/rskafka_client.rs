//! rskafka: a client in Rust that speaks old versions only.

use std::collections::BTreeMap;

use rskafka::client::partition::{Compression, OffsetAt, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;

use crate::{server, texts};

async fn client(address: &str) -> Client {
    ClientBuilder::new(vec![address.to_owned()]).build().await.unwrap()
}

fn record(value: &str) -> Record {
    Record {
        key: Some(b"k".to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: BTreeMap::from([("h".to_owned(), b"v".to_vec())]),
        timestamp: Default::default(),
    }
}

#[tokio::test]
async fn every_codec_arrives_as_sent() {
    let server = server();
    let client = client(server.address()).await;
    let codecs = [
        ("none", Compression::NoCompression),
        ("gzip", Compression::Gzip),
        ("lz4", Compression::Lz4),
        ("snappy", Compression::Snappy),
        ("zstd", Compression::Zstd),
    ];
    for (topic, codec) in codecs {
        client.controller_client().unwrap().create_topic(topic, 2, 1, 5_000).await.unwrap();
        let partition = client.partition_client(topic, 1, UnknownTopicHandling::Error).await.unwrap();
        let records: Vec<Record> = texts(100).iter().map(|text| record(text)).collect();
        let offsets = partition.produce(records.clone(), codec).await.unwrap();
        assert_eq!(offsets, (0..100).collect::<Vec<i64>>(), "{topic}");
        let mut read = Vec::new();
        while read.len() < 100 {
            let from = i64::try_from(read.len()).unwrap();
            let (some, high_watermark) = partition.fetch_records(from, 1..1_000_000, 1_000).await.unwrap();
            assert_eq!(high_watermark, 100);
            assert!(!some.is_empty(), "{topic}: nothing at {from}");
            // The answer begins at a batch, which may begin before what was asked for.
            read.extend(some.into_iter().filter(|one| one.offset >= from).map(|one| one.record));
        }
        assert_eq!(read, records, "{topic}");
        assert_eq!(partition.get_offset(OffsetAt::Earliest).await.unwrap(), 0);
        assert_eq!(partition.get_offset(OffsetAt::Latest).await.unwrap(), 100);
    }
    let mut topics: Vec<String> = client.list_topics().await.unwrap().into_iter().map(|topic| topic.name).collect();
    topics.sort();
    assert_eq!(topics, ["gzip", "lz4", "none", "snappy", "zstd"]);
}

#[tokio::test]
async fn a_deleted_topic_is_gone() {
    let server = server();
    let client = client(server.address()).await;
    let controller = client.controller_client().unwrap();
    controller.create_topic("short", 1, 1, 5_000).await.unwrap();
    controller.delete_topic("short", 5_000).await.unwrap();
    assert!(client.list_topics().await.unwrap().is_empty());
}
