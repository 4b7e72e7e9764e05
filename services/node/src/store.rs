//! Opening the store: whether it can be used, what it can do, and whose it is.

use std::path::Path;
use std::sync::Arc;

use tidelog_blob::{BlobError, BlobStore, ClaimError, Metered, S3Options, check_unclaimed, claim, probe};
use tidelog_host::{Clock, Disk, Random};

use crate::node::StartError;
use crate::{NodeOptions, StoreOptions};

/// A store that can be used.
pub(crate) struct OpenStore {
    pub(crate) store: Arc<dyn BlobStore>,
    /// What it can do, for people.
    pub(crate) abilities: String,
}

/// For a node that is made now: refuses a store that is somebody's, and opens it, unless it is a folder in the data folder
/// (which is made first, so that it is the data folder that is named when it cannot be made). Nothing is made in a store that
/// is refused.
///
/// # Errors
/// [`StartError::Store`].
pub(crate) async fn open_before_all(
    options: &NodeOptions,
    disk: &Arc<dyn Disk>,
    clock: &Clock,
    random: &Random,
) -> Result<Option<OpenStore>, StartError> {
    let (url, s3) = (&options.store.url, s3_options(&options.store));
    let unclaimed = check_unclaimed(url, &s3, disk.clone(), clock.clone(), random.clone()).await;
    unclaimed.map_err(|error| refused(url, &error))?;
    let folder = url.strip_prefix("file://").map(Path::new);
    if folder.is_some_and(|folder| folder.starts_with(&options.data_dir)) {
        return Ok(None);
    }
    open(&options.store, disk.clone(), clock, random).await.map(Some)
}

/// Opens the store and sees what it can do.
///
/// # Errors
/// [`StartError::Store`].
pub(crate) async fn open(
    options: &StoreOptions,
    disk: Arc<dyn Disk>,
    clock: &Clock,
    random: &Random,
) -> Result<OpenStore, StartError> {
    let refuse = |problem: String| StartError::Store { problem };
    let s3 = s3_options(options);
    let store = tidelog_blob::open(&options.url, &s3, disk, clock.clone(), random.clone()).await;
    let store = store.map_err(|error| refuse(format!("store {}: {error}", options.url)))?;
    let store: Arc<dyn BlobStore> = Arc::new(Metered::new(store, clock.clone()));
    let abilities = match probe(&*store, random).await {
        Ok(abilities) => abilities.to_string(),
        // What is in it can be read all the same, and appends are refused until there is room: whoever ran out of it needs
        // a node that starts. A store that nobody has claimed yet is refused when it is claimed.
        Err(error) if matches!(error.error, BlobError::Full(_)) => {
            tracing::warn!(%error, "store is full, it is only read until there is room");
            "full at the start, appends are refused until it has room".to_owned()
        }
        Err(error) => return Err(refuse(error.to_string())),
    };
    tracing::info!(store = store.describe(), %abilities, "store is usable");
    Ok(OpenStore { store, abilities })
}

/// Makes sure that the store is this cluster's.
///
/// # Errors
/// [`StartError::Store`].
pub(crate) async fn claim_for(
    store: &dyn BlobStore,
    url: &str,
    cluster_id: [u8; 16],
    random: &Random,
) -> Result<(), StartError> {
    let claimed = claim(store, cluster_id, random).await.map_err(|error| refused(url, &error))?;
    tracing::info!(store = store.describe(), since = %claimed, "store is this cluster's");
    Ok(())
}

pub(crate) fn s3_options(options: &StoreOptions) -> S3Options {
    S3Options {
        endpoint: options.endpoint.clone(),
        region: options.region.clone().unwrap_or_default(),
        path_style: options.path_style,
        ca_file: options.ca_file.clone(),
        allow_http: options.allow_http,
        ..S3Options::default()
    }
}

pub(crate) fn refused(url: &str, error: &ClaimError) -> StartError {
    let problem = match error {
        ClaimError::Store(error) => format!("store {url}: {error}"),
        // These name the store.
        ClaimError::Foreign { .. } | ClaimError::Damaged { .. } => error.to_string(),
    };
    StartError::Store { problem }
}
