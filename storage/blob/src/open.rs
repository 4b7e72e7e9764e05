//! From a URL to a store.

use std::path::PathBuf;
use std::sync::Arc;

use tidelog_host::{Clock, Disk, Random};

use crate::{BlobError, BlobStore, FileStore, MemoryStore, S3Options, S3Store};

/// What a URL names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    Folder(PathBuf),
    Bucket { bucket: String, prefix: String },
}

/// Opens what the URL names: `file:///absolute/path`, `s3://bucket/prefix` or `memory:`. For S3 `options` says the rest;
/// its bucket and prefix are the URL's. Blocks on the disk for a file store.
///
/// # Errors
/// A URL that names no store is `Refused`, with what would work; else what opening gave.
pub async fn open(
    url: &str,
    options: &S3Options,
    disk: Arc<dyn Disk>,
    clock: Clock,
    random: Random,
) -> Result<Arc<dyn BlobStore>, BlobError> {
    match place(url)? {
        Place::Memory => Ok(Arc::new(MemoryStore::new())),
        Place::Folder(path) => Ok(Arc::new(FileStore::open(disk, path)?)),
        Place::Bucket { bucket, prefix } => {
            let options = S3Options { bucket, prefix, ..options.clone() };
            Ok(Arc::new(S3Store::open(&options, clock, random).await?))
        }
    }
}

pub(crate) fn place(url: &str) -> Result<Place, BlobError> {
    let refused = |why: &str| {
        let example = "file:///var/lib/tidelog/objects, s3://bucket/prefix or memory: would work";
        BlobError::Refused(format!("store {url:?}: {why}; {example}"))
    };
    let (scheme, rest) = url.split_once(':').ok_or_else(|| refused("no scheme"))?;
    match scheme {
        "memory" if rest.is_empty() => Ok(Place::Memory),
        "memory" => Err(refused("memory: takes no more")),
        "file" => {
            let path = rest.strip_prefix("//").filter(|path| path.starts_with('/') && path.len() > 1);
            let path = path.ok_or_else(|| refused("the path is not absolute"))?;
            // Taken as it is, without percent signs having a meaning: it is a path that people type.
            Ok(Place::Folder(PathBuf::from(path)))
        }
        "s3" => {
            let rest = rest.strip_prefix("//").ok_or_else(|| refused("no bucket"))?;
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() || bucket.contains(['?', '#', '@', ':']) {
                return Err(refused("no bucket"));
            }
            let prefix = prefix.trim_end_matches('/').to_owned();
            Ok(Place::Bucket { bucket: bucket.to_owned(), prefix })
        }
        _ => Err(refused("this scheme is not known")),
    }
}

#[cfg(test)]
mod tests {
    use tidelog_host::ForgetfulDisk;

    use super::*;

    #[tokio::test]
    async fn urls_name_stores() {
        for url in ["file:///a/b c%20", "memory:"] {
            let disk = Arc::new(ForgetfulDisk::new(1));
            let store = open(url, &S3Options::default(), disk, Clock::real(), Random::seeded(1)).await;
            assert_eq!(store.unwrap().describe(), url);
        }
        let bucket = |prefix: &str| Place::Bucket { bucket: "bucket".to_owned(), prefix: prefix.to_owned() };
        assert_eq!(place("s3://bucket/a/prefix").unwrap(), bucket("a/prefix"));
        assert_eq!(place("s3://bucket/a/").unwrap(), bucket("a"));
        assert_eq!(place("s3://bucket").unwrap(), bucket(""));
    }

    #[test]
    fn other_urls_are_refused_with_what_would_work() {
        for url in ["", "/a/b", "file:a", "file://a/b", "file:///", "s3:b", "s3://", "s3:///a", "gs://b", "memory:x"] {
            let error = place(url).unwrap_err().to_string();
            assert!(error.contains("would work"), "{error}");
        }
    }
}
