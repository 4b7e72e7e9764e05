//! Settings of the S3 store.

use std::sync::Arc;

use object_store::StaticCredentialProvider;
use object_store::aws::AwsCredential;
use tidelog_host::{Clock, Random};

use super::{S3Options, S3Store};
use crate::{BlobError, BlobStore, Key};

fn options() -> S3Options {
    S3Options {
        bucket: "bucket".to_owned(),
        prefix: "some/prefix".to_owned(),
        region: "us-east-1".to_owned(),
        ..S3Options::default()
    }
}

fn new(options: &S3Options) -> Result<S3Store, BlobError> {
    let key = AwsCredential { key_id: "a".to_owned(), secret_key: "b".to_owned(), token: None };
    let key = Arc::new(StaticCredentialProvider::new(key));
    S3Store::new(options, &options.region, key, Clock::real(), Random::seeded(1))
}

#[test]
fn settings_that_cannot_work_are_refused_with_what_would() {
    let clear = S3Options { endpoint: Some("http://127.0.0.1:1".to_owned()), ..options() };
    let error = new(&clear).err().unwrap().to_string();
    assert!(error.contains("https://"), "{error}");
    assert!(new(&S3Options { allow_http: true, ..clear }).is_ok());

    let missing = S3Options { ca_file: Some("/none/ca.pem".into()), ..options() };
    let error = new(&missing).err().unwrap().to_string();
    assert!(error.contains("/none/ca.pem"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "not a certificate").unwrap();
    let error = new(&S3Options { ca_file: Some(file), ..options() }).err().unwrap().to_string();
    assert!(error.contains("ca.pem"), "{error}");
    assert!(new(&S3Options { prefix: "a//b".to_owned(), ..options() }).is_err());
}

#[test]
fn keys_live_below_the_prefix() {
    let store = new(&options()).unwrap();
    let key = Key::new("a/b=1");
    assert_eq!(store.path(&key).as_ref(), "some/prefix/a/b=1");
    assert_eq!(store.key(&store.path(&key)), Some(key.clone()));
    assert_eq!(store.key(&"some/prefixed/a".into()), None);
    assert_eq!(store.describe(), "s3://bucket/some/prefix");
    let store = new(&S3Options { prefix: String::new(), ..options() }).unwrap();
    assert_eq!(store.key(&store.path(&key)), Some(key));
}
