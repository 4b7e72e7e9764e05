//! What goes up and down on a node, looked at when somebody collects metrics.

use std::fmt;
use std::sync::Arc;

use tidelog_catalog_api::Catalog;
use tidelog_catalog_raft::RaftCatalog;
use tidelog_gateway_http::RenderMetrics;
use tidelog_host::declare_metrics;
use tidelog_host::metric::{Metric, gauge};
use tidelog_ingest::Ingest;
use tidelog_model::TenantId;

declare_metrics! {
    gauge TOPICS = "tidelog_catalog_topics", [],
        "Topics there are. How large is the catalog?";
    gauge PARTITIONS = "tidelog_catalog_partitions", [],
        "Partitions there are. How large is the catalog?";
    gauge GROUPS = "tidelog_catalog_groups", [],
        "Groups that have committed offsets. How large is the catalog?";
    gauge OBJECTS = "tidelog_catalog_objects", [],
        "Objects that records lie in. How many does the store keep?";
    gauge ORPHAN_OBJECTS = "tidelog_catalog_orphan_objects", [],
        "Ids of objects that nothing refers to any more. How many are to be deleted?";
    gauge STORED_BYTES = "tidelog_catalog_stored_bytes", ["stage"],
        "Bytes of records that are stored, by where: `inline` in the catalog's log, or in `objects`. How much is kept?";
    gauge EXTENTS = "tidelog_catalog_extents", ["stage"],
        "Runs of batches that lie in one place. How much does the catalog have to know?";
    gauge INLINE_BYTES = "tidelog_catalog_inline_bytes", [],
        "Bytes of records that are in the catalog's log and not in an object yet. Does the mover keep up?";
}

/// Whoever has what everybody counted, as text; set by who installs the recorder. By default nobody has.
#[derive(Clone)]
pub struct Recorded(Arc<dyn Fn() -> String + Send + Sync>);

impl Recorded {
    /// Asks `text` for what was counted.
    #[must_use]
    pub fn by(text: impl Fn() -> String + Send + Sync + 'static) -> Recorded {
        Recorded(Arc::new(text))
    }
}

impl Default for Recorded {
    fn default() -> Recorded {
        Recorded::by(String::new)
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorded")
    }
}

/// Looks at a node's parts, then asks for what was counted.
pub(crate) struct Scrape {
    pub(crate) tenant: TenantId,
    pub(crate) catalog: Arc<RaftCatalog>,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) recorded: Recorded,
}

impl RenderMetrics for Scrape {
    fn render(&self) -> String {
        let topics = self.catalog.topics(self.tenant);
        gauge!(TOPICS).set(topics.len() as f64);
        gauge!(PARTITIONS).set(topics.iter().map(|topic| f64::from(topic.partitions)).sum::<f64>());
        gauge!(GROUPS).set(self.catalog.groups(self.tenant).len() as f64);
        gauge!(OBJECTS).set(self.catalog.object_count() as f64);
        gauge!(ORPHAN_OBJECTS).set(self.catalog.orphans().iter().map(|range| f64::from(range.count)).sum::<f64>());
        let stored = self.catalog.stored_totals();
        for (stage, totals) in [("inline", stored.inline), ("objects", stored.objects)] {
            gauge!(STORED_BYTES, "stage" => stage).set(totals.bytes as f64);
            gauge!(EXTENTS, "stage" => stage).set(totals.extents as f64);
        }
        gauge!(INLINE_BYTES).set(self.catalog.inline_bytes() as f64);
        self.catalog.observe();
        self.ingest.observe();
        self.recorded.0()
    }
}

/// Every metric of a node, by crate and file.
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    let crates: [&[&[Metric]]; 10] = [
        tidelog_gateway_http::METRICS,
        tidelog_gateway_kafka::METRICS,
        tidelog_groups::METRICS,
        tidelog_ingest::METRICS,
        tidelog_fetch::METRICS,
        tidelog_cache::METRICS,
        tidelog_cache_nvme::METRICS,
        tidelog_blob::METRICS,
        tidelog_catalog_raft::METRICS,
        &[METRICS],
    ];
    crates.into_iter().flatten().copied().flatten()
}
