//! What a node is told. Everything here has been checked; defaults and sources are the settings' business.

use std::net::SocketAddr;
use std::path::PathBuf;

pub use tidelog_cache_nvme::IoEngine;

use crate::Recorded;

/// A whole node.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Where the catalog's replica and the cache live.
    pub data_dir: PathBuf,
    /// Where objects live.
    pub store: StoreOptions,
    /// Where Kafka clients connect. Port 0 takes a free one.
    pub kafka_listen: SocketAddr,
    /// What clients are told to connect to; the listening address when not set.
    pub kafka_advertised: Option<(String, u16)>,
    /// Where HTTP clients connect; nowhere when not set. Port 0 takes a free one.
    pub http_listen: Option<SocketAddr>,
    /// Origins whose pages may do that from a browser, or `*`.
    pub http_cors_allowed_origins: Vec<String>,
    /// Names by which the HTTP door may be asked when it listens on loopback, beside `localhost`.
    pub http_known_hosts: Vec<String>,
    /// The zone it is in, if that was said.
    pub zone: Option<String>,
    /// The block cache.
    pub cache: CacheOptions,
    /// Bytes of requests in memory at once.
    pub in_flight_bytes_max: usize,
    /// Whether asking for an unknown topic may create it.
    pub auto_create_topics: bool,
    /// Partitions of a topic that does not say.
    pub default_partitions: u32,
    /// Who has what is counted.
    pub recorded: Recorded,
    /// The server's, as people are told it.
    pub version: String,
}

/// Where objects live.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// `file:///absolute/path`, `s3://bucket/prefix` or `memory:`.
    pub url: String,
    /// Of an S3 service that is not Amazon's.
    pub endpoint: Option<String>,
    /// Of the bucket.
    pub region: Option<String>,
    /// Bucket in the path instead of the host name.
    pub path_style: bool,
    /// Certificates to trust beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Allow an endpoint without TLS.
    pub allow_http: bool,
}

/// The block cache.
#[derive(Clone, Copy, Debug)]
pub struct CacheOptions {
    /// In memory: blocks that were read.
    pub memory_bytes: usize,
    /// In memory: objects that were just written.
    pub written_bytes: usize,
    /// On disk.
    pub disk_bytes: usize,
    /// How the disk is driven.
    pub io: IoEngine,
}
