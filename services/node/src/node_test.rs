//! A whole node whose disk fails.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tidelog_host::ForgetfulDisk;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{CacheOptions, IoEngine, Node, NodeOptions, Recorded, StoreOptions};

const DEADLINE: Duration = Duration::from_secs(20);

fn options(data_dir: &std::path::Path) -> NodeOptions {
    NodeOptions {
        data_dir: data_dir.to_owned(),
        store: StoreOptions { url: "memory:".to_owned(), ..StoreOptions::default() },
        kafka_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        kafka_advertised: None,
        http_listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        http_cors_allowed_origins: Vec::new(),
        http_known_hosts: Vec::new(),
        zone: None,
        cache: CacheOptions { memory_bytes: 1 << 20, written_bytes: 1 << 20, disk_bytes: 0, io: IoEngine::Psync },
        in_flight_bytes_max: 16 << 20,
        auto_create_topics: false,
        default_partitions: 1,
        recorded: Recorded::default(),
        version: "test".to_owned(),
    }
}

/// The answer as it comes.
async fn ready(node: &Node) -> String {
    let mut stream = TcpStream::connect(node.http_addr().unwrap()).await.unwrap();
    let request = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The replica's clock writes each second, and nobody else anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_replica_stops_ends_though_nobody_appends() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), ForgetfulDisk::new(1));
    let node = Node::start_on(options(folder.path()), Arc::new(disk.clone())).await.unwrap();
    let answer = ready(&node).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    disk.fail_where(ErrorKind::Other, |_| true);
    let why = tokio::time::timeout(DEADLINE, node.ended()).await.expect("it ends by itself");
    assert!(why.contains("replica"), "{why}");
    let answer = ready(&node).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\"code\":\"unavailable\""), "{answer}");
    tokio::time::timeout(DEADLINE, node.stop()).await.expect("it stops");
}
