//! Tests of single values.

use std::path::PathBuf;

use super::*;

#[test]
fn numbers_of_bytes() {
    let check = |text: &str, expected: Option<u64>| assert_eq!(bytes(text).ok(), expected, "{text}");
    check("0", Some(0));
    check("134217728", Some(128 << 20));
    check("64KiB", Some(64 << 10));
    check("2 GiB", Some(2 << 30));
    check("1TiB", Some(1 << 40));
    check("16777215TiB", Some(16_777_215 << 40));
    check("16777216TiB", None);
    check("99999999999999999999", None);
    check("1.5GiB", None);
    check("1gib", None);
    check("-1", None);
    check("GiB", None);
}

#[test]
fn names_of_hosts_are_names_alone() {
    assert_eq!(host_names("A.example., b").ok(), Some(vec!["a.example".to_owned(), "b".to_owned()]));
    for refused in ["", "a,,b", "http://a.example", "a.example:80", "*", "*.example", "a b"] {
        let error = host_names(refused).unwrap_err();
        assert!(error.contains("no name of a host"), "{error}");
    }
}

#[test]
fn origins_are_as_browsers_send_them() {
    let check = |text: &str, expected: Option<&[&str]>| {
        let expected = expected.map(|all| all.iter().map(|origin| (*origin).to_owned()).collect::<Vec<_>>());
        assert_eq!(origins(text).ok(), expected, "{text}");
    };
    check("*", Some(&["*"]));
    check("https://app.example.com", Some(&["https://app.example.com"]));
    check("http://localhost:3000, https://a.b", Some(&["http://localhost:3000", "https://a.b"]));
    check("http://[::1]:8080,http://[::1]", Some(&["http://[::1]:8080", "http://[::1]"]));
    check("tauri://localhost", Some(&["tauri://localhost"]));
    for refused in [
        "",
        ",",
        "example.com",
        "null",
        "https://",
        "https://app.example.com/",
        "https://App.example.com",
        "HTTPS://app.example.com",
        "https://*.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "http://app.example.com:x",
        "http://app.example.com:70000",
        "http://user@app.example.com",
        "http://app example.com",
        "*, https://app.example.com",
        "https://a.b,",
    ] {
        check(refused, None);
    }
}

#[test]
fn places_for_objects() {
    let s3 = |bucket: &str, prefix: &str| StoreUrl::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
    let check = |text: &str, expected: Option<StoreUrl>| assert_eq!(store_url(text).ok(), expected, "{text}");
    check("file", Some(StoreUrl::InDataDir));
    check("memory:", Some(StoreUrl::Memory));
    check("file:///srv/objects/", Some(StoreUrl::Folder(PathBuf::from("/srv/objects"))));
    check("s3://bucket", Some(s3("bucket", "")));
    check("s3://bucket/", Some(s3("bucket", "")));
    check("s3://my.bucket/a/b=1/", Some(s3("my.bucket", "a/b=1")));
    for refused in [
        "",
        "memory",
        "file://relative/path",
        "file:///",
        "file:///a/../b",
        "file:///a%20b",
        "s3://",
        "s3://ab",
        "s3://bucket//b",
        "s3://bucket/a/../b",
        "s3://key:secret@bucket/prefix",
        "s3://bucket/a b",
        "https://bucket.s3.amazonaws.com",
    ] {
        check(refused, None);
    }
}

#[test]
fn addresses_of_stores() {
    let check = |text: &str, expected: Option<&str>| assert_eq!(endpoint(text).ok().as_deref(), expected, "{text}");
    check("https://s3.example.com", Some("https://s3.example.com"));
    check("http://127.0.0.1:7480/", Some("http://127.0.0.1:7480"));
    check("http://[::1]:9000", Some("http://[::1]:9000"));
    check("s3.example.com", None);
    check("https://", None);
    check("https://host/bucket", None);
    check("https://key:secret@host", None);
    check("https://host:port", None);
}

#[test]
fn addresses_for_clients() {
    let check = |text: &str, expected: Option<(&str, u16)>| {
        assert_eq!(host_and_port(text).ok(), expected.map(|(host, port)| (host.to_owned(), port)), "{text}");
    };
    check("log.example.com:9092", Some(("log.example.com", 9092)));
    check("10.1.2.3:9092", Some(("10.1.2.3", 9092)));
    check("[fe80::1]:9092", Some(("fe80::1", 9092)));
    check("fe80::1:9092", None);
    check("host", None);
    check("host:0", None);
    check("10.1.2.3:0", None);
    check(":9092", None);
    check("kafka://host:9092", None);
    check("[::]:9092", None);
}

#[test]
fn a_filter_is_a_level_and_levels_for_parts() {
    let check = |text: &str, fine: bool| assert_eq!(log_filter(text).is_ok(), fine, "{text}");
    check("info", true);
    check("WARN", true);
    check("off", true);
    check("info, tidelog_ingest=debug,tidelog_catalog_raft::store=trace", true);
    check("tidelog_ingest", false);
    check("tidelog_ingest=", false);
    check("=info", false);
    check("info,", false);
    check("info;debug", false);
}

#[test]
fn collectors_and_shares() {
    let check = |text: &str, expected: Option<Option<&str>>| {
        assert_eq!(collector_or_off(text).ok().as_ref().map(Option::as_deref), expected, "{text}");
    };
    check("off", Some(None));
    check("http://127.0.0.1:4318", Some(Some("127.0.0.1:4318")));
    check("http://collector.example.com:4318/", Some(Some("collector.example.com:4318")));
    check("http://[::1]:4318", Some(Some("[::1]:4318")));
    for refused in [
        "",
        "on",
        "127.0.0.1:4318",
        "https://127.0.0.1:4318",
        "http://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:4318/v1/traces",
        "http://key@127.0.0.1:4318",
        "http://a b:1",
    ] {
        check(refused, None);
    }
    let check = |text: &str, expected: Option<f64>| assert_eq!(ratio(text).ok(), expected, "{text}");
    check("0", Some(0.0));
    check("0.01", Some(0.01));
    check("1", Some(1.0));
    for refused in ["", "1.01", "-0.1", "NaN", "inf", "1%", "half"] {
        check(refused, None);
    }
}
