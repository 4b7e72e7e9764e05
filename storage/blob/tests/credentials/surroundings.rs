//! A process with variables and files of its own, which puts one object and says what came of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tidelog_blob::{BlobStore, Key, Purpose, S3Options, S3Store};
use tidelog_host::{Clock, Random};
use tidelog_model::TimestampMs;

use crate::aws::Aws;

/// The start has come to its end by then, whatever the surroundings are like.
const START_TIME_MAX: Duration = Duration::from_secs(25);
/// The beginning of 2030.
const START: TimestampMs = TimestampMs(1_893_456_000_000);
const HOUR_MS: i64 = 60 * 60 * 1000;

/// Variables, and a folder for files.
pub struct Surroundings {
    variables: BTreeMap<String, String>,
    folder: tempfile::TempDir,
}

impl Surroundings {
    /// There is nothing yet, and the machine is not to be asked.
    pub fn new(aws: &Aws) -> Surroundings {
        let folder = tempfile::tempdir().unwrap();
        let mut around = Surroundings { variables: BTreeMap::new(), folder };
        let (config, credentials) = (around.path("config"), around.path("credentials"));
        around.variables(&[
            ("HOME", around.folder.path().to_str().unwrap().to_owned().as_str()),
            ("AWS_CONFIG_FILE", config.to_str().unwrap()),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap()),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL_STS", aws.address()),
            ("AWS_ENDPOINT_URL_SSO", aws.address()),
            ("TIDELOG_TEST_ENDPOINT", aws.address()),
        ]);
        if let Ok(path) = std::env::var("PATH") {
            around.variables(&[("PATH", &path)]);
        }
        around
    }

    pub fn variables(&mut self, variables: &[(&str, &str)]) -> &mut Surroundings {
        self.variables.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }

    pub fn remove(&mut self, name: &str) -> &mut Surroundings {
        self.variables.remove(name);
        self
    }

    /// The setting.
    pub fn region(&mut self, region: &str) -> &mut Surroundings {
        self.variables(&[("TIDELOG_TEST_REGION", region)])
    }

    /// A second object is put so many hours later.
    pub fn hours(&mut self, hours: u32) -> &mut Surroundings {
        self.variables(&[("TIDELOG_TEST_HOURS", &hours.to_string())])
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// Puts an object in these surroundings; returns what people would read: why there is no store, or a refusal by it.
pub async fn put(around: &Surroundings) -> String {
    let mut process = tokio::process::Command::new(std::env::current_exe().unwrap());
    process.args(["surroundings::one_object_is_put", "--exact", "--nocapture"]).kill_on_drop(true);
    process.env_clear().envs(&around.variables);
    let output = tokio::time::timeout(START_TIME_MAX, process.output()).await.expect("it ends in time").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The process's side. Without surroundings that a test has made there is nothing to do.
#[tokio::test]
async fn one_object_is_put() {
    let Ok(endpoint) = std::env::var("TIDELOG_TEST_ENDPOINT") else { return };
    let options = S3Options {
        bucket: "bucket".to_owned(),
        endpoint: Some(endpoint),
        region: std::env::var("TIDELOG_TEST_REGION").unwrap_or_default(),
        path_style: true,
        allow_http: true,
        ..S3Options::default()
    };
    let clock = Clock::manual(START);
    let store = match S3Store::open(&options, clock.clone(), Random::seeded(1)).await {
        Ok(store) => store,
        Err(error) => return println!("not opened: {error}"),
    };
    let put = async || store.put(&Key::new("k"), vec![Bytes::from_static(b"x")], Purpose::Administration).await;
    put().await.unwrap();
    // A refusal says whose the credentials are.
    println!("{}", store.get_all(&Key::new("forbidden"), Purpose::Administration).await.unwrap_err());
    if let Ok(hours) = std::env::var("TIDELOG_TEST_HOURS") {
        clock.jump_wall(hours.parse::<i64>().unwrap() * HOUR_MS);
        put().await.unwrap();
    }
}
