//! From checked settings to what a node is told.

use std::path::Path;

use tidelog_node::{CacheOptions, IoEngine, NodeOptions, Recorded, StoreOptions};

use crate::settings::{CacheIo, Settings, StoreSettings, StoreUrl};
use crate::version::VERSION;

/// Where objects are in a data folder when the store is `file`.
const OBJECTS: &str = "objects";
/// One part in this many of the cache's memory keeps what was just written, for consumers at the tail; the rest keeps
/// what was read.
const WRITTEN_SHARE: u64 = 2;

/// What the node is told. `data_dir` is absolute, so that nothing depends on where the process was started.
pub fn node_options(settings: &Settings, data_dir: &Path, recorded: Recorded) -> NodeOptions {
    let written = settings.cache_memory_bytes / WRITTEN_SHARE;
    NodeOptions {
        data_dir: data_dir.to_owned(),
        store: store_options(&settings.store, data_dir),
        kafka_listen: settings.kafka_listen,
        kafka_advertised: settings.kafka_advertised.clone().map(|advertised| (advertised.host, advertised.port)),
        http_listen: settings.http_listen,
        http_cors_allowed_origins: settings.http_cors_allowed_origins.clone(),
        http_known_hosts: settings.http_known_hosts.clone(),
        cache: CacheOptions {
            memory_bytes: fits(settings.cache_memory_bytes - written),
            written_bytes: fits(written),
            disk_bytes: fits(settings.cache_disk_bytes),
            io: match settings.cache_io {
                CacheIo::Auto => IoEngine::Auto,
                CacheIo::IoUring => IoEngine::IoUring,
                CacheIo::Psync => IoEngine::Psync,
            },
        },
        zone: settings.zone.clone(),
        in_flight_bytes_max: fits(settings.in_flight_bytes_max),
        auto_create_topics: settings.auto_create_topics,
        default_partitions: settings.default_partitions,
        recorded,
        version: VERSION.to_owned(),
    }
}

/// Where objects are, as the node is told. `data_dir` is absolute.
pub fn store_options(store: &StoreSettings, data_dir: &Path) -> StoreOptions {
    let url = match &store.url {
        StoreUrl::InDataDir => file_url(&data_dir.join(OBJECTS)),
        StoreUrl::Folder(folder) => file_url(folder),
        StoreUrl::S3 { bucket, prefix } if prefix.is_empty() => format!("s3://{bucket}"),
        StoreUrl::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
        StoreUrl::Memory => "memory:".to_owned(),
    };
    StoreOptions {
        url,
        endpoint: store.endpoint.clone(),
        region: store.region.clone(),
        path_style: store.path_style,
        ca_file: store.ca_file.clone(),
        allow_http: store.allow_http,
    }
}

fn file_url(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

/// Bytes that are all in this machine's memory or on its disk, so they can be counted by its word.
fn fits(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
