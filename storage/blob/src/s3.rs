//! Objects in S3, or in something that speaks like it.
//!
//! Credentials are those that AWS's own tools would find, in this order: `AWS_ACCESS_KEY_ID` and
//! `AWS_SECRET_ACCESS_KEY` (and `AWS_SESSION_TOKEN`); the profile in `~/.aws` that `AWS_PROFILE` names, with keys, a role to
//! assume, single sign-on or a `credential_process`; `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN` (EKS service
//! accounts); the container endpoints of ECS and EKS Pod Identity; the instance metadata service (IMDSv2). Beside them only
//! the region is taken from there: where records go is said by our own settings alone.
//!
//! Payloads are not signed (TLS protects them, and our own checksums are inside), so a put costs no SHA-256.

mod credentials;
mod errors;
mod retry;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredentialProvider};
use object_store::path::Path;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutPayload, RetryConfig,
};
use tidelog_host::{Clock, Random};
use tidelog_model::TimestampMs;

use self::credentials::{Credentials, Profile};
use self::errors::translate;
use self::retry::{Retry, attempt_time};
use crate::{BlobError, BlobStore, Key, ListedObject, Purpose};

/// A connection that is not made within this is given up.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
/// Idle connections are closed before S3 does it, which is after about 20 s.
const IDLE_TIME_MAX: Duration = Duration::from_secs(15);
/// Idle connections kept.
const IDLE_CONNECTIONS_MAX: usize = 64;
/// A get whose length is not known in advance, and a list, are given the time of this many bytes.
const ANSWER_BYTES_EXPECTED: u64 = 8 * 1024 * 1024;
/// Signed for, where nobody names a region. Most stores that are not Amazon's take it.
const REGION_DEFAULT: &str = "us-east-1";

/// Where the bucket is and how to reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Options {
    /// The bucket.
    pub bucket: String,
    /// Before every key, without slashes at its ends; may be empty.
    pub prefix: String,
    /// `https://host:port` of something other than AWS.
    pub endpoint: Option<String>,
    /// The region that requests are signed for; empty: what the environment or the profile of AWS says, else us-east-1.
    pub region: String,
    /// The bucket in the path rather than in the host name.
    pub path_style: bool,
    /// A PEM file of certificates trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether an endpoint may be `http://`.
    pub allow_http: bool,
}

/// Objects in a bucket, below a prefix.
///
/// Each attempt has a time limit that grows with its bytes; what is worth it is tried again, with jitter, until
/// a deadline.
pub struct S3Store {
    client: AmazonS3,
    bucket: String,
    prefix: String,
    retry: Retry,
}

impl S3Store {
    /// A client with credentials. Nothing is sent to the store yet; the certificate file and the files of AWS are read,
    /// and the sources of credentials are asked, for a bounded time.
    ///
    /// # Errors
    /// Settings that cannot work and credentials that there are not: `Refused`, with what to change. `Unavailable` when
    /// a source of credentials fails or does not answer.
    pub async fn open(options: &S3Options, clock: Clock, random: Random) -> Result<S3Store, BlobError> {
        let profile = Profile::chosen().await?;
        let outside = profile.region();
        let set = Some(options.region.clone()).filter(|region| !region.is_empty());
        let region = set.clone().or_else(|| outside.clone()).unwrap_or_else(|| REGION_DEFAULT.to_owned());
        // Stores that are not Amazon's may name a region that Amazon does not have.
        let region_of_aws = if options.endpoint.is_some() { outside } else { set.or(outside) };
        let region_of_aws = region_of_aws.unwrap_or_else(|| REGION_DEFAULT.to_owned());
        let credentials = Arc::new(Credentials::of_aws(profile, region_of_aws, clock.clone()));
        let mut store = S3Store::new(options, &region, credentials.clone(), clock, random)?;
        let source = credentials.first().await?;
        tracing::info!(bucket = store.bucket, region, "{source}");
        store.retry = store.retry.with_hint(source.to_string());
        Ok(store)
    }

    fn new(
        options: &S3Options,
        region: &str,
        credentials: AwsCredentialProvider,
        clock: Clock,
        random: Random,
    ) -> Result<S3Store, BlobError> {
        // An error says that someone installed one already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        if options.endpoint.as_ref().is_some_and(|url| url.starts_with("http://")) && !options.allow_http {
            return Err(refused(
                "the endpoint is http://, which sends records in the clear; allow http or use https://",
            ));
        }
        let prefix = Path::parse(&options.prefix).map_err(|error| refused(format!("store prefix: {error}")))?;
        let mut client_options = client_options(options)?;
        let base = AmazonS3Builder::new().with_region(region).with_credentials(credentials);
        let client = match builder(base.clone(), options, client_options.clone()).build() {
            // A machine without any system certificates can still talk http.
            Err(_) if options.allow_http => {
                client_options = client_options.with_no_system_certificates(true);
                builder(base, options, client_options).build()
            }
            built => built,
        };
        let client = client.map_err(|error| refused(format!("S3 settings: {error}")))?;
        let at = options.endpoint.clone().unwrap_or_else(|| format!("Amazon S3 in {region}"));
        let retry = Retry::new(clock, random, format!("s3://{} at {at}", options.bucket));
        Ok(S3Store { client, bucket: options.bucket.clone(), prefix: prefix.as_ref().to_owned(), retry })
    }

    fn path(&self, key: &Key) -> Path {
        if self.prefix.is_empty() { Path::from(key.as_str()) } else { Path::from(format!("{}/{key}", self.prefix)) }
    }

    /// The key of a path that was listed, if it is one of ours.
    fn key(&self, path: &Path) -> Option<Key> {
        let text = path.as_ref().strip_prefix(&self.prefix)?;
        Key::received(if self.prefix.is_empty() { text } else { text.strip_prefix('/')? })
    }

    async fn get_range(&self, key: &Key, range: Option<Range<u64>>, up_to: bool) -> Result<Bytes, BlobError> {
        let path = self.path(key);
        let bytes = range.as_ref().map_or(ANSWER_BYTES_EXPECTED, |range| range.end - range.start);
        let end = range.as_ref().map_or(0, |range| range.end);
        let found = self
            .retry
            .run(attempt_time(bytes), || async {
                let options = GetOptions { range: range.clone().map(GetRange::Bounded), ..GetOptions::default() };
                let answer = self.client.get_opts(&path, options).await;
                let answer = answer.map_err(|error| translate(key, end, &error))?;
                answer.bytes().await.map_err(|error| translate(key, end, &error))
            })
            .await?;
        match range {
            // S3 answers what there is of a range that begins inside the object.
            Some(range) if !up_to && found.len() as u64 != range.end - range.start => {
                Err(BlobError::OutOfRange { key: key.to_string(), end: range.end })
            }
            _ => Ok(found),
        }
    }

    async fn list_once(
        &self,
        prefix: &str,
        after: Option<&Key>,
        count_max: usize,
    ) -> Result<Vec<ListedObject>, BlobError> {
        // The client lists whole folders; what of a folder does not begin with the prefix is left out here.
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let folder = Path::from(format!("{}/{folder}", self.prefix));
        let folder = Some(&folder).filter(|folder| !folder.as_ref().is_empty());
        let mut objects = match after {
            Some(after) => self.client.list_with_offset(folder, &self.path(after)),
            None => self.client.list(folder),
        };
        let mut found = Vec::new();
        while found.len() < count_max {
            let object = objects.try_next().await.map_err(|error| match translate_list(prefix, &error) {
                // There is no folder to miss in S3, so it is the bucket that is.
                BlobError::NotFound { key } => refused(format!("no such bucket: {key}")),
                error => error,
            })?;
            let Some(object) = object else { break };
            let Some(key) = self.key(&object.location) else { continue };
            if key.as_str().starts_with(prefix) {
                found.push(ListedObject { key, bytes: object.size });
            } else if key.as_str() > prefix {
                break;
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl BlobStore for S3Store {
    async fn put(&self, key: &Key, payload: Vec<Bytes>, _purpose: Purpose) -> Result<(), BlobError> {
        let path = self.path(key);
        let payload = PutPayload::from_iter(payload);
        let time = attempt_time(payload.content_length() as u64);
        self.retry
            .run(time, || async {
                let done = self.client.put(&path, payload.clone()).await;
                done.map(drop).map_err(|error| translate(key, 0, &error))
            })
            .await
    }

    async fn put_if_absent(&self, key: &Key, payload: Bytes, purpose: Purpose) -> Result<bool, BlobError> {
        let path = self.path(key);
        let time = attempt_time(payload.len() as u64);
        self.retry
            .run(time * 2, || async {
                let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                match self.client.put_opts(&path, PutPayload::from_bytes(payload.clone()), options).await {
                    Ok(_) => return Ok(true),
                    Err(object_store::Error::AlreadyExists { .. }) => {}
                    Err(error) => return Err(translate(key, 0, &error)),
                }
                // It may be our own, from a try whose answer was lost; or nothing at all: S3 answers 409, the same to
                // us, when another writer is at it.
                match self.get_all(key, purpose).await {
                    Ok(found) => Ok(found == payload),
                    Err(BlobError::NotFound { .. }) => {
                        Err(BlobError::Unavailable("exists, then does not: another writer is at it".to_owned()))
                    }
                    Err(error) => Err(error),
                }
            })
            .await
    }

    async fn get(&self, key: &Key, range: Range<u64>, _purpose: Purpose) -> Result<Bytes, BlobError> {
        assert!(!range.is_empty(), "an empty range is not read");
        self.get_range(key, Some(range), false).await
    }

    async fn get_up_to(&self, key: &Key, range: Range<u64>, _purpose: Purpose) -> Result<Bytes, BlobError> {
        assert!(!range.is_empty(), "an empty range is not read");
        self.get_range(key, Some(range), true).await
    }

    async fn get_all(&self, key: &Key, _purpose: Purpose) -> Result<Bytes, BlobError> {
        self.get_range(key, None, false).await
    }

    async fn written_at(&self, key: &Key, _purpose: Purpose) -> Result<Option<TimestampMs>, BlobError> {
        let path = self.path(key);
        let found = self
            .retry
            .run(attempt_time(0), || async { self.client.head(&path).await.map_err(|error| translate(key, 0, &error)) })
            .await?;
        Ok(Some(TimestampMs(found.last_modified.timestamp_millis())))
    }

    async fn delete(&self, keys: &[Key], _purpose: Purpose) -> Result<(), BlobError> {
        let Some(first) = keys.first() else { return Ok(()) };
        self.retry
            .run(attempt_time(ANSWER_BYTES_EXPECTED), || async {
                let paths: Vec<_> = keys.iter().map(|key| Ok(self.path(key))).collect();
                let mut answers = self.client.delete_stream(stream::iter(paths).boxed());
                while let Some(answer) = answers.next().await {
                    match answer {
                        Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                        Err(error) => return Err(translate(first, 0, &error)),
                    }
                }
                Ok(())
            })
            .await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, count_max: usize) -> Result<Vec<ListedObject>, BlobError> {
        self.retry.run(attempt_time(ANSWER_BYTES_EXPECTED), || self.list_once(prefix, after, count_max)).await
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }
}

fn translate_list(prefix: &str, error: &object_store::Error) -> BlobError {
    translate(&Key::received(prefix.trim_end_matches('/')).unwrap_or_else(|| Key::new("list")), 0, error)
}

fn client_options(options: &S3Options) -> Result<ClientOptions, BlobError> {
    let mut client = ClientOptions::new()
        .with_allow_http(options.allow_http)
        .with_connect_timeout(CONNECT_TIME_MAX)
        // Each attempt has its own limit, by its bytes.
        .with_timeout_disabled()
        .with_pool_idle_timeout(IDLE_TIME_MAX)
        .with_pool_max_idle_per_host(IDLE_CONNECTIONS_MAX);
    if let Some(file) = &options.ca_file {
        let of_file = |error: &dyn std::fmt::Display| refused(format!("certificates in {}: {error}", file.display()));
        let text = std::fs::read(file).map_err(|error| of_file(&error))?;
        let certificates = Certificate::from_pem_bundle(&text).map_err(|error| of_file(&error))?;
        if certificates.is_empty() {
            return Err(of_file(&"there are none; PEM blocks of CERTIFICATE would work"));
        }
        for certificate in certificates {
            client = client.with_root_certificate(certificate);
        }
    }
    Ok(client)
}

/// `base` has the region and the credentials.
fn builder(base: AmazonS3Builder, options: &S3Options, client: ClientOptions) -> AmazonS3Builder {
    // Retries are ours: only so is it known whether an earlier try may have landed.
    let once = RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::ZERO };
    let mut builder = base
        .with_client_options(client)
        .with_bucket_name(&options.bucket)
        .with_virtual_hosted_style_request(!options.path_style)
        .with_unsigned_payload(true)
        .with_allow_http(options.allow_http)
        .with_retry(once);
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(match endpoint.split_once("://") {
            // The client takes such an endpoint for the bucket's own.
            Some((scheme, host)) if !options.path_style => format!("{scheme}://{}.{host}", options.bucket),
            _ => endpoint.clone(),
        });
    }
    builder
}

fn refused(text: impl Into<String>) -> BlobError {
    BlobError::Refused(text.into())
}

#[cfg(test)]
#[path = "s3_test.rs"]
mod tests;

#[cfg(test)]
#[path = "s3/answers_test.rs"]
mod answers_tests;
