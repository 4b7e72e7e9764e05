//! `/metrics` of a running server, and whoever asks it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::queries::{Query, legend};
use crate::server::Server;

/// Labels that Prometheus adds itself, and the one metric that it makes.
const OF_TARGETS: [&str; 2] = ["instance", "job"];
const UP: &str = "up";
/// Bytes of an answer, at most: of a server that has done a little of everything.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// What a server tells: names of samples, each with its labels.
type Samples = BTreeMap<String, BTreeSet<String>>;

/// A server that has done a little of everything, and what it then tells.
fn scrape() -> (Server, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path(), &[]);
    let json = ("content-type", "application/json");
    let records = r#"{"records":[{"value":"a"},{"value":"b"}]}"#;
    assert_eq!(server.send("POST", "/v1/topics/t/records", &[json], records).status, 200);
    let page = "/v1/topics/t/partitions/0/records?from=earliest";
    assert_eq!(server.send("GET", page, &[("accept", "application/json")], "").status, 200);
    assert_eq!(server.send("GET", "/v1/topics/absent", &[], "").status, 404);
    // ApiVersions 0; and ListOffsets 1 of a topic that is not there.
    server.kafka(18, 0, &[]);
    let body = [&(-1_i32).to_be_bytes()[..], &1_i32.to_be_bytes(), &6_i16.to_be_bytes(), b"absent"].concat();
    let body = [&body[..], &1_i32.to_be_bytes(), &0_i32.to_be_bytes(), &(-1_i64).to_be_bytes()].concat();
    server.kafka(2, 1, &body);
    let answer = server.send("GET", "/metrics", &[], "");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", answer.head);
    (server, answer.body, folder)
}

fn samples(text: &str) -> Samples {
    let mut samples = Samples::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.split("\",").filter_map(|label| label.split_once("=\"")).map(|(name, _)| name.to_owned());
        samples.entry(name.to_owned()).or_default().extend(labels);
    }
    samples
}

fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(it, _)| it == series));
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{text}"));
    line.rsplit_once(' ').expect("just looked at").1.parse().expect("a number")
}

#[test]
fn a_server_tells_what_it_has_done() {
    let (server, text, _folder) = scrape();
    assert!(text.len() < ANSWER_BYTES_MAX, "{} bytes", text.len());
    // Everything is described.
    let told = |what: &str| {
        text.lines().filter_map(|line| line.strip_prefix(what)?.split(' ').next()).collect::<BTreeSet<_>>()
    };
    let (helped, typed) = (told("# HELP "), told("# TYPE "));
    assert_eq!(helped, typed);
    for name in samples(&text).keys() {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let is_described = typed.contains(name.as_str()) || base.is_some_and(|base| typed.contains(base));
        assert!(is_described, "{name} is not described");
    }
    // And true.
    let is = |series: &str, expected: f64| assert_eq!(value(&text, series), expected, "{series}");
    is("tidelog_ingest_records_total", 2.0);
    is("tidelog_ingest_append_seconds_count", 1.0);
    is("tidelog_catalog_topics", 1.0);
    is("tidelog_catalog_partitions", 1.0);
    is("tidelog_catalog_raft_is_leader", 1.0);
    is("tidelog_catalog_raft_is_accepting", 1.0);
    is(r#"tidelog_kafka_requests_total{api="ApiVersions"}"#, 1.0);
    is(r#"tidelog_kafka_errors_total{api="ListOffsets",code="UnknownTopicOrPartition"}"#, 1.0);
    is(r#"tidelog_http_refused_total{code="unknown_topic"}"#, 1.0);
    is(r#"tidelog_http_requests_total{route="/v1/topics/{topic}/records",method="POST",status="2xx"}"#, 1.0);
    is(r#"tidelog_http_requests_total{route="/v1/topics/{topic}",method="GET",status="4xx"}"#, 1.0);
    for series in [
        "tidelog_http_connections",
        "tidelog_fetch_bytes_total",
        "tidelog_http_received_bytes_total",
        "tidelog_http_sent_bytes_total",
        "tidelog_catalog_raft_applied_index",
        "tidelog_catalog_raft_log_fsync_seconds_count",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
        r#"tidelog_kafka_sent_bytes_total{api="ApiVersions"}"#,
    ] {
        assert!(value(&text, series) > 0.0, "{series}");
    }
    server.stop();
}

#[test]
fn many_who_ask_are_told_the_same_and_do_not_make_it_more() {
    let (server, text, _folder) = scrape();
    let before = cpu_ticks(server.process());
    let mut distinct = BTreeSet::new();
    for _ in 0..200 {
        distinct.insert(server.send("GET", "/metrics", &[], "").body);
    }
    let ticks = cpu_ticks(server.process()) - before;
    println!("200 answers of {} bytes, {} of them different: {ticks} ticks of CPU time", text.len(), distinct.len());
    assert!(distinct.len() < 200, "each was made anew");
    let last = server.send("GET", "/metrics", &[], "").body;
    assert!(last.len() < text.len() + 16 * 1024, "{} bytes after {}", last.len(), text.len());
}

/// User and system time of a process, in ticks.
fn cpu_ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let fields = stat.rsplit_once(") ").expect("a name in brackets").1.split(' ').collect::<Vec<_>>();
    fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number")
}

fn operations() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(operations().join(name)).expect("the page is there")
}

/// Every query of the dashboard with where it is and its legend, and the one by which it finds nodes.
fn dashboard_queries() -> Vec<(String, String, String)> {
    let dashboard: Value = serde_json::from_str(&read("grafana-dashboard.json")).expect("JSON");
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title").to_owned();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let text = |key: &str| target[key].as_str().expect("text").to_owned();
            queries.push((title.clone(), text("expr"), text("legendFormat")));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().expect("variables") {
        if let Some(query) = variable["query"]["query"].as_str() {
            let inner = query.strip_prefix("label_values(").and_then(|it| it.strip_suffix(", instance)"));
            let name = variable["name"].as_str().expect("a name").to_owned();
            queries.push((name, inner.expect("nodes are known by their labels").to_owned(), String::new()));
        }
    }
    queries
}

/// Every rule of the alerts: name, query, bound of time, severity. The file is written in one fixed form.
fn alert_rules() -> Vec<(String, String)> {
    let text = read("alerts.yaml");
    let unquoted =
        |it: &str| it.trim().strip_prefix('\'').and_then(|it| it.strip_suffix('\'')).map(|it| it.replace("''", "'"));
    let mut rules = Vec::new();
    for rule in text.split("\n      - alert: ").skip(1) {
        let name = rule.lines().next().expect("a name").to_owned();
        let query = rule.lines().find_map(|line| unquoted(line.trim().strip_prefix("expr: ")?)).expect("a query");
        assert!(rule.contains("severity: ") && rule.contains("summary: '"), "{name}");
        assert!(rule.contains(&format!("runbook: docs/operations/alerts.md#{}", name.to_lowercase())), "{name}");
        rules.push((name, query));
    }
    rules
}

fn check_query(samples: &Samples, place: &str, text: &str, shown: &str) {
    let query = Query::read(text);
    assert!(!query.metrics.is_empty(), "{place}: {text} asks for nothing");
    let mut known = OF_TARGETS.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>();
    for (metric, selected) in query.metrics.iter().filter(|(metric, _)| metric != UP) {
        let labels = samples.get(metric).unwrap_or_else(|| panic!("{place}: there is no {metric}"));
        known.extend(labels.iter().cloned());
        for label in selected.iter().filter(|label| !OF_TARGETS.contains(&label.as_str())) {
            assert!(labels.contains(label), "{place}: {metric} has no label {label}");
        }
    }
    for label in &query.groups {
        assert!(known.contains(label), "{place}: nothing here has the label {label}");
    }
    let is_grouped = !query.groups.is_empty();
    for label in legend(shown) {
        let is_kept = if is_grouped { query.groups.contains(&label) } else { known.contains(&label) };
        assert!(is_kept, "{place}: the result has no label {label}");
    }
}

#[test]
fn dashboard_and_alerts_ask_for_what_there_is() {
    let (_server, text, _folder) = scrape();
    let samples = samples(&text);
    let queries = dashboard_queries();
    assert!(queries.len() > 50);
    for (place, query, legend) in queries {
        check_query(&samples, &place, &query, &legend);
    }
    let rules = alert_rules();
    assert!(rules.len() > 15);
    for (name, query) in rules {
        check_query(&samples, &name, &query, "");
    }
}

#[test]
fn every_alert_has_its_runbook_and_no_other() {
    let page = read("alerts.md");
    let told =
        page.split("\n## ").skip(1).map(|part| (part.lines().next().expect("a title"), part)).collect::<Vec<_>>();
    let rules = alert_rules();
    let names = rules.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    assert_eq!(told.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    for (name, part) in told {
        for what in ["**It means:** ", "**Look at:** ", "**Do:** "] {
            assert!(part.contains(what), "{name} does not say {what}");
        }
    }
}

#[test]
fn every_metric_of_the_page_is_told_or_explained() {
    let (_server, text, _folder) = scrape();
    let samples = samples(&text);
    let page = read("telemetry.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let named =
        rows.filter(|name| name.starts_with("tidelog_") || name.starts_with("process_")).collect::<BTreeSet<_>>();
    assert!(named.len() > 80);
    for name in samples.keys() {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let is_named = named.contains(name.as_str()) || base.is_some_and(|base| named.contains(base));
        assert!(is_named, "docs/operations/telemetry.md lacks {name}");
    }
}
