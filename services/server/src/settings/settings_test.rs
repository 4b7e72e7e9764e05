//! Tests of settings as a whole: which source wins, and how each mistake is refused.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::Parser;

use super::parse::StoreUrl;
use super::{CacheIo, Effective, Given, LogFormat, Refused, SETTINGS, Settings};
use crate::command_line::{Action, CommandLine};

/// What the outside says in a test.
#[derive(Default)]
struct Outside<'a> {
    file: Option<&'a str>,
    environment: &'a [(&'a str, &'a str)],
    flags: &'a [&'a str],
}

impl Outside<'_> {
    /// The gathered settings, and the folder that holds the file while they are looked at.
    fn gather(&self) -> (Effective, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut line = vec!["tidelog".to_owned(), "config".to_owned()];
        line.extend(self.flags.iter().map(|flag| (*flag).to_owned()));
        if let Some(text) = self.file {
            let path = folder.path().join("tidelog.toml");
            std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
            line.push(format!("--config={}", path.display()));
        }
        let Action::Config { settings, .. } = CommandLine::try_parse_from(line).unwrap().command else {
            panic!("the command above is config")
        };
        let environment = self.environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let given: Given = settings.with_environment(environment);
        (Effective::gather(given), folder)
    }

    fn settings(&self) -> Result<Settings, Refused> {
        let (effective, _folder) = self.gather();
        Settings::check(&effective)
    }
}

fn flags<'a>(flags: &'a [&'a str]) -> Outside<'a> {
    Outside { flags, ..Outside::default() }
}

/// Given these sources, the setting has this value from there.
fn check_source(outside: &Outside, key: &str, value: Option<&str>, source: &str) {
    let (effective, _folder) = outside.gather();
    assert_eq!(effective.refusals, []);
    let entry = effective.entry(key);
    assert_eq!(entry.value.as_deref(), value);
    assert!(entry.source.to_string().starts_with(source), "{key} is from {}, not from {source}", entry.source);
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_defaults() {
    let mut outside = Outside::default();
    check_source(&outside, "data_dir", Some("./tidelog-data"), "default");
    check_source(&outside, "store.region", None, "default");
    outside.file = Some("data_dir = 'in-file'\n[kafka]\nlisten = '127.0.0.1:1'\nauto_create_topics = false");
    check_source(&outside, "data_dir", Some("in-file"), "file ");
    check_source(&outside, "kafka.listen", Some("127.0.0.1:1"), "file ");
    check_source(&outside, "kafka.auto_create_topics", Some("false"), "file ");
    outside.environment = &[("TIDELOG_DATA_DIR", "in-environment"), ("HOME", "not ours")];
    check_source(&outside, "data_dir", Some("in-environment"), "environment TIDELOG_DATA_DIR");
    check_source(&outside, "kafka.listen", Some("127.0.0.1:1"), "file ");
    outside.flags = &["--data-dir", "in-flag"];
    check_source(&outside, "data_dir", Some("in-flag"), "flag --data-dir");
}

#[test]
fn the_file_may_be_named_by_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.toml");
    std::fs::write(&path, "insecure = true").unwrap();
    let check = |config: Option<PathBuf>, variable: &str, value: &str| {
        let environment = vec![(OsString::from("TIDELOG_CONFIG"), OsString::from(variable))];
        let effective = Effective::gather(Given { config, environment, ..Given::default() });
        assert_eq!(effective.entry("insecure").value.as_deref(), Some(value));
    };
    check(None, path.to_str().unwrap(), "true");
    // The flag wins, and the other file is not even read.
    let other = folder.path().join("other.toml");
    std::fs::write(&other, "insecure = false").unwrap();
    check(Some(other), "/nowhere", "false");
}

#[test]
fn defaults_and_examples_are_accepted() {
    let settings = Outside::default().settings().unwrap();
    assert_eq!(settings.data_dir, PathBuf::from("./tidelog-data"));
    assert_eq!(settings.store.url, StoreUrl::InDataDir);
    assert_eq!(settings.kafka_listen.to_string(), "127.0.0.1:9092");
    assert_eq!(settings.cache_memory_bytes, 128 << 20);
    assert_eq!((settings.cache_io, settings.log_format), (CacheIo::Auto, LogFormat::Text));
    assert!(settings.auto_create_topics && settings.kafka_advertised.is_none());
    // What an error message recommends must not be refused in turn. A file's existence is the reader's matter.
    for setting in SETTINGS.iter().filter(|setting| setting.placeholder != "FILE") {
        let mut line = vec![format!("--{}={}", setting.flag, setting.example)];
        if setting.key.starts_with("store.") && setting.key != "store.url" {
            line.push("--store=s3://bucket/prefix".to_owned());
        }
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        assert!(flags(&line).settings().is_ok(), "{} refuses its example", setting.key);
    }
}

#[test]
fn values_are_read() {
    let settings = flags(&[
        "--store=s3://my-bucket/a/b/",
        "--store-endpoint=http://127.0.0.1:7480/",
        "--store-allow-http",
        "--store-region=eu-central-1",
        "--kafka-listen=0.0.0.0:19092",
        "--kafka-advertised=log.example.com:9092",
        "--insecure",
        "--kafka-auto-create-topics=false",
        "--cache-disk-bytes=0",
        "--in-flight-bytes-max=1GiB",
        "--log-filter=warn,tidelog_ingest=debug",
    ]);
    let settings = settings.settings().unwrap();
    let (bucket, prefix) = ("my-bucket".to_owned(), "a/b".to_owned());
    assert_eq!(settings.store.url, StoreUrl::S3 { bucket, prefix });
    assert_eq!(settings.store.endpoint.as_deref(), Some("http://127.0.0.1:7480"));
    assert!(settings.store.path_style, "a store of one's own is asked by path unless told otherwise");
    assert_eq!(settings.kafka_advertised.map(|a| (a.host, a.port)), Some(("log.example.com".to_owned(), 9092)));
    assert!(!settings.auto_create_topics);
    assert_eq!((settings.cache_disk_bytes, settings.in_flight_bytes_max), (0, 1 << 30));
}

#[test]
fn there_is_a_disk_cache_where_the_store_is_far() {
    let check = |line: &[&str], expected: u64| {
        assert_eq!(flags(line).settings().unwrap().cache_disk_bytes, expected, "{line:?}");
    };
    check(&[], 0);
    check(&["--store=file:///mnt/far"], 0);
    check(&["--store=memory:"], 0);
    check(&["--store=s3://bucket/prefix"], 1 << 30);
    check(&["--store=s3://bucket/prefix", "--cache-disk-bytes=0"], 0);
    check(&["--store=file:///mnt/far", "--cache-disk-bytes=64MiB"], 64 << 20);
}

/// The settings are refused, with exactly this message after the first line.
fn check_refused(outside: &Outside, expected: &str) {
    let message = outside.settings().expect_err("this should be refused").to_string();
    let (_, told) = message.split_once("\n\n").expect("a first line, then what is wrong");
    let expected: Vec<&str> = expected.lines().map(str::trim).collect();
    // The folder of the test's own file is chance.
    let told: Vec<String> = told.lines().map(|line| without_folder(line.trim())).collect();
    assert_eq!(told, expected);
}

fn without_folder(line: &str) -> String {
    let Some((before, path)) = line.split_once("(file ") else { return line.to_owned() };
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("{before}(file {name}")
}

#[test]
fn refused_values_name_key_source_and_what_works() {
    let check = |flag: &str, expected: &str| check_refused(&flags(&[flag]), expected);
    check(
        "--kafka-listen=localhost:19092",
        r#"kafka.listen = "localhost:19092" (flag --kafka-listen)
        this is not an IP address and a port; a name may mean several addresses
        this works: --kafka-listen 127.0.0.1:19092"#,
    );
    check(
        "--kafka-listen=19094",
        "kafka.listen = 19094 (flag --kafka-listen)
        this lacks an IP address before the port
        this works: --kafka-listen 127.0.0.1:19094",
    );
    check(
        "--kafka-listen=127.0.0.1:99999",
        r#"kafka.listen = "127.0.0.1:99999" (flag --kafka-listen)
        the port is not a number up to 65535
        this works: --kafka-listen 127.0.0.1:9092"#,
    );
    check(
        "--kafka-advertised=0.0.0.0:9092",
        r#"kafka.advertised = "0.0.0.0:9092" (flag --kafka-advertised)
        nobody can connect to "all interfaces"
        this works: --kafka-advertised tidelog.example.com:9092"#,
    );
    check(
        "--store=s3:bucket",
        r#"store.url = "s3:bucket" (flag --store)
        this is none of file, file:///folder, s3://bucket/prefix, memory:
        this works: --store s3://bucket/prefix"#,
    );
    check(
        "--cache-memory-bytes=1MiB",
        r#"cache.memory_bytes = "1MiB" (flag --cache-memory-bytes)
        this is too little: 16MiB at least
        this works: --cache-memory-bytes 128MiB"#,
    );
    check(
        "--in-flight-bytes-max=64MiB",
        r#"in_flight_bytes_max = "64MiB" (flag --in-flight-bytes-max)
        this is too little: 100MiB at least
        this works: --in-flight-bytes-max 128MiB"#,
    );
    check(
        "--cache-disk-bytes=10MB",
        r#"cache.disk_bytes = "10MB" (flag --cache-disk-bytes)
        "MB" is not a unit; KiB, MiB, GiB and TiB are
        this works: --cache-disk-bytes 1GiB"#,
    );
    check(
        "--kafka-default-partitions=0",
        "kafka.default_partitions = 0 (flag --kafka-default-partitions)
        this is not between 1 and 100000
        this works: --kafka-default-partitions 1",
    );
    check(
        "--log-filter=inof",
        r#"log.filter = "inof" (flag --log-filter)
        "inof" is not a level; off, error, warn, info, debug and trace are
        this works: --log-filter info,tidelog_ingest=debug"#,
    );
    check(
        "--data-dir=",
        r#"data_dir = "" (flag --data-dir)
        this is empty
        this works: --data-dir ./tidelog-data"#,
    );
    check(
        "--insecure=yes",
        r#"insecure = "yes" (flag --insecure)
        this is neither true nor false
        this works: --insecure"#,
    );
}

#[test]
fn what_works_is_written_as_the_mistake_was() {
    let environment = [("TIDELOG_CACHE_IO", "aio")];
    check_refused(
        &Outside { environment: &environment, ..Outside::default() },
        r#"cache.io = "aio" (environment TIDELOG_CACHE_IO)
        this is none of auto, io_uring, psync
        this works: TIDELOG_CACHE_IO=auto"#,
    );
    check_refused(
        &Outside { file: Some("[log]\nformat = 'xml'"), ..Outside::default() },
        r#"log.format = "xml" (file tidelog.toml)
        this is neither text nor json
        this works: log.format = "json""#,
    );
}

#[test]
fn a_bind_outside_loopback_needs_consent_and_an_address_to_advertise() {
    check_refused(
        &flags(&["--kafka-listen=0.0.0.0:19092"]),
        r#"kafka.listen = "0.0.0.0:19092" (flag --kafka-listen)
        this can be reached from other machines, and clients do not authenticate
        this works: --insecure  or  --kafka-listen 127.0.0.1:19092

        kafka.advertised (unset)
        this is missing: clients cannot be told to connect to 0.0.0.0
        this works: --kafka-advertised tidelog.example.com:19092"#,
    );
    check_refused(
        &flags(&["--http-listen=0.0.0.0:18080"]),
        r#"http.listen = "0.0.0.0:18080" (flag --http-listen)
        this can be reached from other machines, and clients do not authenticate
        this works: --insecure  or  --http-listen 127.0.0.1:18080"#,
    );
    assert_eq!(flags(&["--http-listen=off"]).settings().unwrap().http_listen, None);
    assert!(flags(&["--kafka-listen=[::1]:9092"]).settings().is_ok());
    assert!(flags(&["--kafka-listen=10.0.0.7:9092"]).settings().is_err());
    assert!(flags(&["--kafka-listen=10.0.0.7:9092", "--insecure"]).settings().is_ok());
}

#[test]
fn contradictions_are_refused() {
    check_refused(
        &flags(&["--store=memory:", "--store-region=eu-central-1"]),
        r#"store.region = "eu-central-1" (flag --store-region)
        this is about S3 and contradicts store.url = "memory:"
        this works: --store s3://bucket/prefix  or  no --store-region"#,
    );
    // Said once, although the file is missing too.
    let environment = [("TIDELOG_STORE_CA_FILE", "/nowhere/ca.pem")];
    check_refused(
        &Outside { environment: &environment, ..Outside::default() },
        r#"store.ca_file = "/nowhere/ca.pem" (environment TIDELOG_STORE_CA_FILE)
        this is about S3 and contradicts store.url = "file"
        this works: TIDELOG_STORE=s3://bucket/prefix  or  unset TIDELOG_STORE_CA_FILE"#,
    );
    check_refused(
        &flags(&["--store=s3://bucket", "--store-endpoint=http://127.0.0.1:7480"]),
        r#"store.endpoint = "http://127.0.0.1:7480" (flag --store-endpoint)
        without TLS, anyone on the way can read and change records; that must be allowed
        this works: --store-allow-http  or  --store-endpoint https://127.0.0.1:7480"#,
    );
}

#[test]
fn certificates_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let flag = format!("--store-ca-file={}", path.display());
    let check = |expected: Option<&str>| {
        let refused = flags(&["--store=s3://bucket", &flag]).settings().err();
        let problem = refused.map(|refused| refused.0[0].problem.clone());
        assert_eq!(problem.as_deref(), expected);
    };
    check(Some("this cannot be read: No such file or directory (os error 2)"));
    std::fs::write(&path, "no certificate").unwrap();
    check(Some("this file has no PEM certificate in it"));
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n").unwrap();
    check(None);
}

#[test]
fn unknown_names_are_refused_with_what_was_meant() {
    let environment =
        [("TIDELOG_KAFKA_LISTN", "127.0.0.1:9092"), ("TIDELOG_QQQQQQ", "1"), ("TIDELOG_FAILPOINT", "x:1")];
    check_refused(
        &Outside { environment: &environment, ..Outside::default() },
        "TIDELOG_KAFKA_LISTN (environment)
        no setting has this variable; did you mean TIDELOG_KAFKA_LISTEN?
        this works: TIDELOG_KAFKA_LISTEN=127.0.0.1:9092

        TIDELOG_QQQQQQ (environment)
        no setting has this variable; names that begin with TIDELOG_ are kept for settings
        this works: unset TIDELOG_QQQQQQ",
    );
    let file = "datadir = 'x'\nlisten = 'y'\nstore = 'file'\n[kafak]\nlisten = 'z'\n[qqq]\nwhatever = 1\n[cache]\nio = ['auto']";
    check_refused(
        &Outside { file: Some(file), ..Outside::default() },
        r#"cache.io (file tidelog.toml)
        this takes one text, number or boolean
        this works: cache.io = "auto"

        datadir (file tidelog.toml)
        there is no such setting; did you mean data_dir?
        this works: data_dir = "./tidelog-data"

        kafak (file tidelog.toml)
        there is no such setting; did you mean kafka.listen?
        this works: kafka.listen = "127.0.0.1:9092"

        listen (file tidelog.toml)
        there is no such setting; did you mean kafka.listen?
        this works: kafka.listen = "127.0.0.1:9092"

        qqq (file tidelog.toml)
        there is no such setting; `tidelog config` lists them all
        this works: remove it

        store (file tidelog.toml)
        this is a section, not a setting; did you mean store.url?
        this works: store.url = "file""#,
    );
}

#[test]
fn unknown_names_wrong_values_and_contradictions_are_told_together() {
    let outside = Outside {
        file: Some("datadir = 'x'"),
        environment: &[("TIDELOG_QQQQQQ", "1")],
        flags: &["--cache-io=aio", "--store-region=eu-central-1"],
    };
    let refused = outside.settings().expect_err("four mistakes");
    let said: Vec<&str> = refused.0.iter().filter_map(|refusal| refusal.said.split(' ').next()).collect();
    assert_eq!(said, ["TIDELOG_QQQQQQ", "datadir", "store.region", "cache.io"]);
}

#[test]
fn a_file_that_is_missing_or_not_toml_is_refused() {
    let check = |outside: &Outside, problem: &str| {
        let refused = outside.settings().expect_err("this should be refused");
        assert!(refused.0[0].problem.starts_with(problem), "{refused}");
        assert!(refused.0[0].said.contains("--config"), "{refused}");
    };
    check(&flags(&["--config=/nowhere/tidelog.toml"]), "the settings file cannot be read: ");
    check(&Outside { file: Some("data_dir ="), ..Outside::default() }, "the settings file is not TOML: ");
}

#[test]
fn every_setting_is_named_alike_everywhere() {
    for (place, setting) in SETTINGS.iter().enumerate() {
        let variable = setting.variable.strip_prefix("TIDELOG_").unwrap();
        assert_eq!(variable.to_ascii_lowercase().replace('_', "-"), setting.flag, "{}", setting.key);
        assert!(SETTINGS[..place].iter().all(|earlier| earlier.key != setting.key && earlier.flag != setting.flag));
        assert!(setting.summary.ends_with('.') && setting.trade.ends_with('.'), "{}", setting.key);
    }
}
