//! Write side and read side on a real replica and a file store, both on one disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidelog_blob::{BlobStore, Key, S3Options};
use tidelog_cache::{MemoryBlockCache, ObjectReader, ReaderLimits};
use tidelog_catalog_api::{Catalog, Command, NewTopic, Outcome};
use tidelog_catalog_raft::{RaftCatalog, RaftOptions};
use tidelog_fetch::{Fetch, Read};
use tidelog_format::flush_object::object_key;
use tidelog_host::{Clock, Disk, Random, Tasks};
use tidelog_ingest::{Append, AppendFuture, Ingest, IngestOptions, LaneProfile};
use tidelog_model::{NodeId, Offset, PartitionId, TenantId, TopicId};

use crate::batches::{admitted, records};

pub const TOPIC: TopicId = TopicId([3; 16]);
pub const NODE: NodeId = NodeId(1);
pub const TENANT: TenantId = TenantId(0);

pub struct Stack {
    pub catalog: Arc<RaftCatalog>,
    pub ingest: Arc<Ingest>,
    fetch: Arc<Fetch>,
    tasks: Tasks,
}

/// A replica with small files, whose ticks stand still.
pub async fn open_catalog(disk: &Arc<dyn Disk>, dir: &Path, segment_bytes: u64) -> Arc<RaftCatalog> {
    let options = RaftOptions {
        segment_bytes,
        entries_kept: 2,
        disk_free_bytes_min: 0,
        ticks: false,
        ..RaftOptions::new(dir.join("raft"), NODE)
    };
    RaftCatalog::open(options, disk.clone(), Clock::real(), Random::seeded(1)).await.unwrap()
}

impl Stack {
    /// Opens the folder; flushes beyond `inline_bytes_max` go to objects.
    pub async fn start(disk: Arc<dyn Disk>, dir: &Path, segment_bytes: u64, inline_bytes_max: usize) -> Stack {
        let catalog = open_catalog(&disk, dir, segment_bytes).await;
        Stack::on(catalog, disk, dir, inline_bytes_max).await
    }

    pub async fn on(catalog: Arc<RaftCatalog>, disk: Arc<dyn Disk>, dir: &Path, inline_bytes_max: usize) -> Stack {
        let url = format!("file://{}", dir.join("objects").display());
        let store = tidelog_blob::open(&url, &S3Options::default(), disk, Clock::real(), Random::seeded(2)).await;
        let store: Arc<dyn BlobStore> = store.unwrap();
        let tasks = Tasks::on_current_runtime();
        let incarnation = catalog.cluster().incarnation;
        let key_of = move |object| Key::new(object_key(incarnation, object));
        let blocks = Arc::new(MemoryBlockCache::new(16 << 20));
        // What is read comes from the store, not from what this process remembers.
        let limits = ReaderLimits { written_bytes_max: 0, ..ReaderLimits::default() };
        let reader = Arc::new(ObjectReader::new(store.clone(), blocks, key_of, limits, tasks.clone()));
        let fetch = Fetch::new(catalog.clone(), reader.clone());
        let mut options = IngestOptions::embedded(NODE, LaneProfile::local(), 64 << 20);
        options.lane.inline_flush_bytes_max = inline_bytes_max;
        let ingest = Ingest::start(options, catalog.clone(), store, reader, Clock::real(), tasks.clone());
        let ingest = ingest.await.expect("the catalog answers");
        Stack { catalog, ingest, fetch, tasks }
    }

    pub async fn create_topic(&self) {
        let new = NewTopic {
            tenant: TENANT,
            id: TOPIC,
            name: "t".into(),
            partitions: 2,
            replication_factor: 1,
            configs: BTreeMap::new(),
        };
        let created = self.catalog.propose(Command::CreateTopics { topics: vec![new] }).await;
        assert!(matches!(created, Ok(Outcome::TopicsCreated(created)) if created[0].is_ok()));
    }

    /// Appends one batch; it has its place in the order when this returns.
    pub fn append(&self, index: u32, bytes: &Bytes) -> AppendFuture {
        let batches = admitted(bytes);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        let partition = PartitionId { topic: TOPIC, index };
        self.ingest.append(Append {
            partition,
            batches,
            source: u64::from(index),
            deadline,
            unattended: false,
            held: None,
            conditions: None,
        })
    }

    pub async fn read_all(&self, index: u32) -> Vec<(u64, Vec<u8>)> {
        let mut all = Vec::new();
        loop {
            let (partition, offset) = (PartitionId { topic: TOPIC, index }, Offset(all.len() as u64));
            let read = Read { partition, offset, bytes_max: 1 << 20, at_least_one: true };
            let outcome = self.fetch.read(read).await.expect("readable");
            if outcome.bytes == 0 {
                return all;
            }
            all.extend(records(&outcome.chunks));
        }
    }

    pub async fn stop(self) {
        self.ingest.drain().await;
        self.tasks.stop().await;
        self.catalog.close().await;
    }
}
