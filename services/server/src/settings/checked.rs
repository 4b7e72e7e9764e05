//! Checks gathered settings as a whole and turns them into values.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tidelog_model::limits::{FRAME_BYTES_MAX, TOPIC_PARTITIONS_MAX};
use tracing_subscriber::filter::Targets;

use super::list::{self, setting};
use super::nearest::nearest;
use super::parse::{self, StoreUrl};
use super::refusal::{Refusal, Refused, without, written};
use super::sources::{Effective, Entry, Source};

/// A memory cache below this could not hold the blocks of a handful of readers.
const CACHE_MEMORY_BYTES_MIN: u64 = 16 << 20;
/// A disk cache below this would have too few regions to evict one at a time.
const CACHE_DISK_BYTES_MIN: u64 = 64 << 20;
/// What `auto` is where each block that is not here is a request to the store.
const CACHE_DISK_BYTES_FAR: u64 = 1 << 30;
/// Below this, one largest request could never be received.
const IN_FLIGHT_BYTES_MIN: u64 = FRAME_BYTES_MAX as u64;

/// All settings, as values that agree with each other.
#[derive(Debug)]
pub struct Settings {
    pub data_dir: PathBuf,
    pub store: StoreSettings,
    pub kafka_listen: SocketAddr,
    pub kafka_advertised: Option<Advertised>,
    /// `None`: nowhere.
    pub http_listen: Option<SocketAddr>,
    /// Of pages that may use it.
    pub http_cors_allowed_origins: Vec<String>,
    /// Beside `localhost`.
    pub http_known_hosts: Vec<String>,
    pub zone: Option<String>,
    pub auto_create_topics: bool,
    pub default_partitions: u32,
    pub in_flight_bytes_max: u64,
    pub cache_memory_bytes: u64,
    /// Zero means none.
    pub cache_disk_bytes: u64,
    pub cache_io: CacheIo,
    /// `None`: nowhere.
    pub otlp_endpoint: Option<String>,
    pub trace_sample_ratio: f64,
    pub log_format: LogFormat,
    pub log_filter: Targets,
}

#[derive(Debug)]
pub struct StoreSettings {
    pub url: StoreUrl,
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub path_style: bool,
    pub ca_file: Option<PathBuf>,
    pub allow_http: bool,
}

/// The address that clients are told to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Advertised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Advertised { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheIo {
    Auto,
    IoUring,
    Psync,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl Settings {
    /// Checks everything: that what was said has a setting, each value, that each bound is kept, that no two settings contradict each other, that nothing
    /// needed is missing. Looks at files that are named, makes nothing.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn check(effective: &Effective) -> Result<Settings, Refused> {
        let mut checks = Checks { effective, refusals: effective.refusals.clone(), refused: Vec::new() };
        let data_dir = checks.value(list::DATA_DIR, data_dir);
        let store = checks.store();
        let listen = checks.value(list::KAFKA_LISTEN, parse::listen);
        let advertised = checks.value_if_set(list::KAFKA_ADVERTISED, |text| {
            parse::host_and_port(text).map(|(host, port)| Advertised { host, port })
        });
        let http_listen = checks.value(list::HTTP_LISTEN, parse::listen_or_off);
        let cors_allowed_origins = checks.value_if_set(list::HTTP_CORS_ALLOWED_ORIGINS, parse::origins);
        let known_hosts = checks.value_if_set(list::HTTP_KNOWN_HOSTS, parse::host_names);
        let insecure = checks.value(list::INSECURE, parse::boolean);
        if let (Some(listen), Some(insecure), Some(advertised)) = (listen, insecure, &advertised) {
            checks.reachability(listen, insecure, advertised.is_some());
        }
        if let (Some(Some(listen)), Some(insecure)) = (http_listen, insecure) {
            checks.openness(list::HTTP_LISTEN, listen, insecure);
        }
        let zone = checks.value_if_set(list::ZONE, parse::zone);
        let auto_create_topics = checks.value(list::AUTO_CREATE_TOPICS, parse::boolean);
        let default_partitions =
            checks.value(list::DEFAULT_PARTITIONS, |text| between(parse::count(text)?, 1, TOPIC_PARTITIONS_MAX));
        let in_flight_bytes_max =
            checks.value(list::IN_FLIGHT_BYTES_MAX, |text| at_least(parse::bytes(text)?, IN_FLIGHT_BYTES_MIN));
        let cache_memory_bytes =
            checks.value(list::CACHE_MEMORY_BYTES, |text| at_least(parse::bytes(text)?, CACHE_MEMORY_BYTES_MIN));
        let store_is_far = store.as_ref().is_some_and(|store| matches!(store.url, StoreUrl::S3 { .. }));
        let cache_disk_bytes = checks.value(list::CACHE_DISK_BYTES, |text| match text {
            "auto" => Ok(if store_is_far { CACHE_DISK_BYTES_FAR } else { 0 }),
            text => match parse::bytes(text)? {
                0 => Ok(0),
                bytes => at_least(bytes, CACHE_DISK_BYTES_MIN).map_err(|problem| format!("{problem}, or 0 for none")),
            },
        });
        let cache_io = checks.value(list::CACHE_IO, |text| match text {
            "auto" => Ok(CacheIo::Auto),
            "io_uring" => Ok(CacheIo::IoUring),
            "psync" => Ok(CacheIo::Psync),
            _ => Err("this is none of auto, io_uring, psync".to_owned()),
        });
        let otlp_endpoint = checks.value(list::OTLP_ENDPOINT, parse::collector_or_off);
        let trace_sample_ratio = checks.value(list::TRACE_SAMPLE_RATIO, parse::ratio);
        let log_format = checks.value(list::LOG_FORMAT, |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("this is neither text nor json".to_owned()),
        });
        let log_filter = checks.value(list::LOG_FILTER, parse::log_filter);

        if !checks.refusals.is_empty() {
            return Err(Refused(checks.refusals));
        }
        let all = "a value is missing only after a refusal, and there was none";
        Ok(Settings {
            data_dir: data_dir.expect(all),
            store: store.expect(all),
            kafka_listen: listen.expect(all),
            kafka_advertised: advertised.expect(all),
            http_listen: http_listen.expect(all),
            http_cors_allowed_origins: cors_allowed_origins.expect(all).unwrap_or_default(),
            http_known_hosts: known_hosts.expect(all).unwrap_or_default(),
            zone: zone.expect(all),
            auto_create_topics: auto_create_topics.expect(all),
            default_partitions: default_partitions.expect(all),
            in_flight_bytes_max: in_flight_bytes_max.expect(all),
            cache_memory_bytes: cache_memory_bytes.expect(all),
            cache_disk_bytes: cache_disk_bytes.expect(all),
            cache_io: cache_io.expect(all),
            otlp_endpoint: otlp_endpoint.expect(all),
            trace_sample_ratio: trace_sample_ratio.expect(all),
            log_format: log_format.expect(all),
            log_filter: log_filter.expect(all),
        })
    }
}

/// Collects what is wrong while values are read.
struct Checks<'a> {
    effective: &'a Effective,
    refusals: Vec<Refusal>,
    /// The keys whose values were refused: once is enough.
    refused: Vec<&'static str>,
}

impl Checks<'_> {
    /// The value of a setting that has a default. None after a refusal.
    fn value<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.value_if_set(key, parse).map(|value| value.expect("a setting with a default is never unset"))
    }

    /// The value of a setting that may be unset, which is `Some(None)`. None after a refusal.
    fn value_if_set<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<Option<T>> {
        let Some(text) = &self.effective.entry(key).value else { return Some(None) };
        let parsed = if text.trim().is_empty() { Err("this is empty".to_owned()) } else { parse(text) };
        match parsed {
            Ok(value) => Some(Some(value)),
            Err(problem) => {
                let works = nearest(setting(key), text);
                self.refuse(key, &problem, &[(key, &works)]);
                None
            }
        }
    }

    /// Everything about the store, and that what is said of S3 is said with S3.
    fn store(&mut self) -> Option<StoreSettings> {
        let url = self.value(list::STORE_URL, parse::store_url);
        if url.as_ref().is_some_and(|url| !matches!(url, StoreUrl::S3 { .. })) {
            self.only_with_s3();
        }
        let endpoint = self.value_if_set(list::STORE_ENDPOINT, parse::endpoint);
        let region = self.value_if_set(list::STORE_REGION, parse::region);
        let path_style = self.value_if_set(list::STORE_PATH_STYLE, parse::boolean);
        let ca_file = self.value_if_set(list::STORE_CA_FILE, ca_file);
        let allow_http = self.value(list::STORE_ALLOW_HTTP, parse::boolean);
        let (url, endpoint, allow_http) = (url?, endpoint?, allow_http?);

        let without_tls = endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        if without_tls && !allow_http {
            let with_tls = endpoint.as_ref().map(|endpoint| endpoint.replacen("http://", "https://", 1));
            let with_tls = with_tls.expect("an endpoint without TLS is an endpoint");
            let works = [(list::STORE_ALLOW_HTTP, "true"), (list::STORE_ENDPOINT, with_tls.as_str())];
            let problem = "without TLS, anyone on the way can read and change records; that must be allowed";
            self.refuse(list::STORE_ENDPOINT, problem, &works);
        }
        if without_tls && matches!(ca_file, Some(Some(_))) {
            let example = setting(list::STORE_ENDPOINT).example;
            let problem = "this contradicts an endpoint without TLS, where no certificate is checked";
            self.refuse(list::STORE_CA_FILE, problem, &[(list::STORE_ENDPOINT, example)]);
        }
        let path_style = path_style?.unwrap_or(endpoint.is_some());
        Some(StoreSettings { url, endpoint, region: region?, path_style, ca_file: ca_file?, allow_http })
    }

    /// Refuses settings of S3 that someone gave although the store is none.
    fn only_with_s3(&mut self) {
        let of_s3 = [
            list::STORE_ENDPOINT,
            list::STORE_REGION,
            list::STORE_PATH_STYLE,
            list::STORE_CA_FILE,
            list::STORE_ALLOW_HTTP,
        ];
        for key in of_s3 {
            let Entry { setting: of_s3, value, source } = self.effective.entry(key);
            if *source != Source::Default {
                let url = self.effective.entry(list::STORE_URL).value.as_deref().unwrap_or_default();
                let problem = format!("this is about S3 and contradicts store.url = {url:?}");
                let works = [written(setting(list::STORE_URL), "s3://bucket/prefix", source), without(of_s3, source)];
                self.refused.push(of_s3.key);
                self.refusals.push(Refusal::of(of_s3, value.as_deref(), source, &problem, &works));
            }
        }
    }

    /// Who can connect, and whether they are told an address that works.
    fn reachability(&mut self, listen: SocketAddr, insecure: bool, is_advertised: bool) {
        let port = if listen.port() == 0 { 9092 } else { listen.port() };
        self.openness(list::KAFKA_LISTEN, listen, insecure);
        if listen.ip().is_unspecified() && !is_advertised {
            let problem = format!("this is missing: clients cannot be told to connect to {}", listen.ip());
            let name = format!("tidelog.example.com:{port}");
            // Said in the form in which the address was said, for it belongs beside it.
            let works =
                written(setting(list::KAFKA_ADVERTISED), &name, &self.effective.entry(list::KAFKA_LISTEN).source);
            let refusal = Refusal::of(setting(list::KAFKA_ADVERTISED), None, &Source::Default, &problem, &[works]);
            self.refusals.push(refusal);
        }
    }

    /// Who can connect to the address that `key` says.
    fn openness(&mut self, key: &str, listen: SocketAddr, insecure: bool) {
        if !listen.ip().is_loopback() && !insecure {
            let problem = "this can be reached from other machines, and clients do not authenticate";
            let on_loopback = nearest(setting(key), &listen.to_string());
            self.refuse(key, problem, &[(list::INSECURE, "true"), (key, &on_loopback)]);
        }
    }

    /// Refuses the value of `key`, unless it is refused already; each of `works` alone would help.
    fn refuse(&mut self, key: &str, problem: &str, works: &[(&str, &str)]) {
        if self.refused.contains(&key) {
            return;
        }
        self.refused.push(setting(key).key);
        self.refusals.push(self.effective.refusal(key, problem, works));
    }
}

fn data_dir(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.exists() && !path.is_dir() { Err("this is a file, not a folder".to_owned()) } else { Ok(path) }
}

fn ca_file(text: &str) -> Result<PathBuf, String> {
    let pem = std::fs::read_to_string(Path::new(text)).map_err(|error| format!("this cannot be read: {error}"))?;
    if pem.contains("-----BEGIN CERTIFICATE-----") {
        Ok(PathBuf::from(text))
    } else {
        Err("this file has no PEM certificate in it".to_owned())
    }
}

fn at_least(bytes: u64, min: u64) -> Result<u64, String> {
    if bytes >= min { Ok(bytes) } else { Err(format!("this is too little: {}MiB at least", min >> 20)) }
}

fn between(count: u32, min: u32, max: u32) -> Result<u32, String> {
    if (min..=max).contains(&count) { Ok(count) } else { Err(format!("this is not between {min} and {max}")) }
}
