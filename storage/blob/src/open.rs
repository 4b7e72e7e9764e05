//! From a URL to a store.

use std::path::PathBuf;
use std::sync::Arc;

use tidelog_host::{Clock, Disk, Random};

use crate::{BlobError, BlobStore, FileStore, MemoryStore, S3Options, S3Store};

/// Opens what the URL names: `file:///absolute/path`, `s3://bucket/prefix` or `memory:`. For S3 `options` says the rest;
/// its bucket and prefix are the URL's. Blocks on the disk for a file store.
///
/// # Errors
/// A URL that names no store is `Refused`, with what would work; else what opening gave.
pub fn open(
    url: &str,
    options: &S3Options,
    disk: Arc<dyn Disk>,
    clock: Clock,
    random: Random,
) -> Result<Arc<dyn BlobStore>, BlobError> {
    let refused = |why: &str| {
        let example = "file:///var/lib/tidelog/objects, s3://bucket/prefix or memory: would work";
        BlobError::Refused(format!("store {url:?}: {why}; {example}"))
    };
    let (scheme, rest) = url.split_once(':').ok_or_else(|| refused("no scheme"))?;
    match scheme {
        "memory" if rest.is_empty() => Ok(Arc::new(MemoryStore::new())),
        "memory" => Err(refused("memory: takes no more")),
        "file" => {
            let path = rest.strip_prefix("//").filter(|path| path.starts_with('/') && path.len() > 1);
            let path = path.ok_or_else(|| refused("the path is not absolute"))?;
            // Taken as it is, without percent signs having a meaning: it is a path that people type.
            Ok(Arc::new(FileStore::open(disk, PathBuf::from(path))?))
        }
        "s3" => {
            let rest = rest.strip_prefix("//").ok_or_else(|| refused("no bucket"))?;
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() || bucket.contains(['?', '#', '@', ':']) {
                return Err(refused("no bucket"));
            }
            let prefix = prefix.trim_end_matches('/').to_owned();
            let options = S3Options { bucket: bucket.to_owned(), prefix, ..options.clone() };
            Ok(Arc::new(S3Store::new(&options, clock, random)?))
        }
        _ => Err(refused("this scheme is not known")),
    }
}

#[cfg(test)]
mod tests {
    use tidelog_host::ForgetfulDisk;

    use super::*;

    fn describe(url: &str) -> Result<String, String> {
        let options = S3Options { region: "us-east-1".to_owned(), ..S3Options::default() };
        let disk = Arc::new(ForgetfulDisk::new(1));
        let store = open(url, &options, disk, Clock::real(), Random::seeded(1));
        store.map(|store| store.describe()).map_err(|error| error.to_string())
    }

    #[test]
    fn urls_name_stores() {
        for url in ["file:///a/b c%20", "s3://bucket/a/prefix", "memory:"] {
            assert_eq!(describe(url).unwrap(), url);
        }
        assert_eq!(describe("s3://bucket").unwrap(), "s3://bucket/");
        assert_eq!(describe("s3://bucket/a/").unwrap(), "s3://bucket/a");
    }

    #[test]
    fn other_urls_are_refused_with_what_would_work() {
        for url in ["", "/a/b", "file:a", "file://a/b", "file:///", "s3:b", "s3://", "s3:///a", "gs://b", "memory:x"] {
            let error = describe(url).unwrap_err();
            assert!(error.contains("would work"), "{error}");
        }
    }
}
