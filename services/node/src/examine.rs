//! Looking at a store without starting a node: what it can do, whose it is, and what its clock says.

use std::path::Path;
use std::sync::Arc;

use tidelog_blob::{Abilities, check_unclaimed, clock_skew_ms, probe};
use tidelog_catalog_raft::{RaftCatalog, RaftOptions};
use tidelog_host::{Clock, Disk, Random, RealDisk};

use crate::node::NODE;
use crate::store::{refused, s3_options};
use crate::{StartError, StoreOptions};

/// What a store turned out to be.
#[derive(Clone, Debug)]
pub struct StoreExamination {
    /// What it can do.
    pub abilities: Abilities,
    /// By how much its clock is ahead of ours, at least; `None` when it tells no times.
    pub clock_skew_ms: Option<i64>,
}

/// Tries everything that a node needs of the store, with throw-away objects that are removed. A folder of objects is not
/// touched, for a node may be using it: `in_folder`, which is made for this, stands for it and is left empty-handed to the
/// caller to remove.
///
/// # Errors
/// [`StartError::Store`]: a node would not start with it.
pub async fn examine_store(
    data_dir: &Path,
    options: &StoreOptions,
    in_folder: &Path,
) -> Result<StoreExamination, StartError> {
    let (clock, random) = (Clock::real(), Random::real());
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (url, s3) = (&options.url, s3_options(options));
    let raft = RaftOptions::new(data_dir.join("raft"), NODE);
    if RaftCatalog::is_new(&raft, &*disk) {
        let unclaimed = check_unclaimed(url, &s3, disk.clone(), clock.clone(), random.clone()).await;
        unclaimed.map_err(|error| refused(url, &error))?;
    }
    let opened = if url.starts_with("file://") { format!("file://{}", in_folder.display()) } else { url.clone() };
    let failed = |problem: String| StartError::Store { problem };
    let store = tidelog_blob::open(&opened, &s3, disk, clock.clone(), random.clone()).await;
    let store = store.map_err(|error| failed(format!("store {url}: {error}")))?;
    let abilities = probe(&*store, &random).await.map_err(|error| failed(error.to_string()))?;
    // A store whose clock cannot be asked has just shown that it works.
    let clock_skew_ms = clock_skew_ms(&*store, &clock, &random).await.unwrap_or(None);
    Ok(StoreExamination { abilities, clock_skew_ms })
}
