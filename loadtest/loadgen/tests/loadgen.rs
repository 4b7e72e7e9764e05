//! The program against the real server, as it is used: exit codes, the result, and one plain line where there is none.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tidelog_clients::http::Http;
use tidelog_clients::server::{Options, Server};
use tidelog_loadgen::{Report, Workload};
use tidelog_store_proxy::Operation;

/// A short run, whatever else the machine does meanwhile.
const SHORT: &[&str] = &[
    "partitions=8",
    "connections=4",
    "consumers=2",
    "record_bytes=512",
    "warm_up_seconds=1",
    "rate_per_second=2000",
    "duration_seconds=2",
    "lag_ms_max=1000",
];

fn loadgen(arguments: &[&str]) -> Output {
    let folder = std::env::temp_dir();
    Command::new(env!("CARGO_BIN_EXE_tidelog-loadgen")).current_dir(folder).args(arguments).output().unwrap()
}

/// Runs `w4`, shortened and with `set`, against a server of its own.
fn run(set: &[&str]) -> Report {
    run_with(&["--busy"], set, 6)
}

/// The same with other flags; the page then has so many plots.
fn run_with(flags: &[&str], set: &[&str], plots: usize) -> Report {
    let server = tidelog_clients::server::binary().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (json, html) = (folder.path().join("result.json"), folder.path().join("result.html"));
    let mut arguments = vec!["w4", "--start", server.to_str().unwrap()];
    arguments.extend(flags);
    arguments.extend(["--json", json.to_str().unwrap(), "--html", html.to_str().unwrap()]);
    for one in SHORT.iter().chain(set) {
        arguments.extend(["--set", one]);
    }
    let output = loadgen(&arguments);
    let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{told}\n{wrong}");
    let is_read = !set.contains(&"consumers=0");
    assert_eq!(told.contains("every acknowledged record came"), is_read, "{told}");
    let page = std::fs::read_to_string(html).unwrap();
    // Latencies, to acknowledge and to receive, how many are faster, records, processors, memory.
    assert_eq!(page.matches("<svg").count(), plots);
    assert_eq!((page.contains("to receive"), told.contains("to receive")), (is_read, is_read));
    assert!(!page.contains("http://") && !page.contains("https://"), "the page needs nothing else");
    read(&json)
}

fn read(json: &Path) -> Report {
    let text = std::fs::read_to_string(json).unwrap();
    assert!(serde_json::from_str::<Value>(&text).unwrap()["workload"]["stages"].is_array());
    serde_json::from_str(&text).unwrap()
}

/// What holds of every short run.
fn check(report: &Report, client: &str) {
    assert!(report.client.starts_with(client), "{}", report.client);
    assert!(report.server.starts_with("tidelog"), "{}", report.server);
    assert_eq!((report.sent, report.received), (6000, 6000));
    assert_eq!((report.acknowledge.count, report.receive.count), (4000, 4000), "the warm-up is not counted");
    assert!(report.acknowledge.p50_ms > 0.0 && report.receive.p99_ms >= report.receive.p50_ms);
    assert!(report.server_cpu_seconds_per_gibibyte.unwrap() > 0.0);
    assert!(report.server_resident_mebibytes_max.unwrap() > 10.0);
    assert!(report.acknowledge_series.len() == 3 && report.samples.len() >= 3);
    assert!(!report.is_quotable, "--busy was said");
}

#[test]
fn librdkafka_sends_and_everything_comes() {
    check(&run(&[]), "librdkafka");
}

#[test]
fn http_sends_and_everything_comes() {
    check(&run(&["protocol=http", "linger_ms=2"]), "HTTP/1.1");
    let report = run(&["protocol=http", "topics=2", "groups=2", "duration_seconds=1", "warm_up_seconds=0"]);
    assert_eq!((report.sent, report.received), (2000, 4000));
}

#[test]
fn our_own_connections_send_and_everything_comes() {
    check(&run(&["protocol=kafka-raw", "linger_ms=2"]), "raw Kafka");
}

#[test]
fn without_consumers_nothing_is_told_of_receiving() {
    let report = run_with(&["--busy"], &["consumers=0", "warm_up_seconds=0"], 5);
    assert_eq!((report.received, report.receive.count, report.acknowledge.count), (0, 0, 4000));
}

/// Fetch sessions: each request names what has moved, and everything comes all the same.
#[test]
fn our_own_connections_read_many_partitions() {
    let set = ["protocol=kafka-raw", "topics=2", "partitions=1000", "connections=2", "spread=own", "linger_ms=5"];
    let report = run(&set);
    assert_eq!((report.sent, report.received), (6000, 6000));
}

#[test]
fn how_busy_the_machine_might_be_is_in_the_report() {
    let report = run_with(&["--load-average-max", "1000"], &["warm_up_seconds=0", "duration_seconds=1"], 6);
    assert_eq!((report.load_average_max, report.is_quotable), (1000.0, false));
    let told = report.reservations.iter().any(|line| line.contains("allowed to be 1000 (--load-average-max)"));
    assert!(told, "{:?}", report.reservations);
    assert!(report.generator_thread_cores_max > 0.0 && report.generator_thread_cores_max < 0.8, "{report:?}");
}

#[test]
fn requests_to_the_store_are_in_the_report_moto() {
    let flags = ["--busy", "--store-latency", "s3-express", "--store-server", "moto"];
    let report = run_with(&flags, &["linger_ms=5", "duration_seconds=4"], 8);
    let store = report.store.unwrap();
    assert_eq!(store.profile, "s3-express");
    // All that was acknowledged since the look that is nearest to the end of the warm-up.
    assert!((6000 * 512..=10_000 * 512).contains(&store.payload_bytes), "{}", store.payload_bytes);
    let puts = store.operations.get(&Operation::PutObject).unwrap();
    assert!(puts.requests > 0 && puts.bytes_in as f64 > store.payload_bytes as f64 * 0.5, "{puts:?}");
    let per_gib = store.bill.per_gib.unwrap();
    assert!(per_gib.requests >= per_gib.requests_by_operation[&Operation::PutObject], "{per_gib:?}");
    assert!(store.bill.costs.iter().all(|cost| cost.dollars_per_gib.unwrap() > 0.0), "{:?}", store.bill.costs);
    assert!(store.first_byte_ms.unwrap().p50 > 4.5, "{:?}", store.first_byte_ms);
    assert!(report.acknowledge.p50_ms > 4.5, "the store is slow: {:?}", report.acknowledge);
    let asked: Vec<u64> = report.samples.iter().filter_map(|sample| sample.store_requests).collect();
    assert!(asked.len() == report.samples.len() && asked.is_sorted() && asked[0] < asked[asked.len() - 1], "{asked:?}");
}

/// Topics of a load run that are on a server.
fn topics(server: &Server) -> Vec<String> {
    let (status, answer) = Http::new(server.http_address()).send("GET", "/v1/topics", &[], b"").unwrap();
    assert_eq!(status, 200, "{answer}");
    let named = answer["topics"].as_array().unwrap().iter().map(|topic| topic["name"].as_str().unwrap().to_owned());
    named.filter(|name| name.starts_with("load-")).collect()
}

/// A short run against a server that stays.
fn check_topics(server: &Server, flags: &[&str], code: i32, left: usize) {
    let mut arguments = vec!["w4", "--busy", "--kafka", server.address(), "--http", server.http_address()];
    arguments.extend(flags);
    for one in SHORT.iter().chain(&["warm_up_seconds=0", "duration_seconds=1", "topics=2"]) {
        arguments.extend(["--set", one]);
    }
    let output = loadgen(&arguments);
    let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{told}\n{wrong}");
    assert!(!told.contains("note: ") && wrong.is_empty(), "{told}\n{wrong}");
    assert_eq!(topics(server).len(), left, "{flags:?}");
}

#[test]
fn topics_go_with_the_run_that_made_them() {
    let server = Server::start(Options::default()).unwrap();
    let process = server.process().unwrap().to_string();
    check_topics(&server, &["--server-pid", &process], 0, 0);
    check_topics(&server, &["--set", "receive_p99_ms_max=0.001"], 1, 0);
    check_topics(&server, &["--set", "protocol=http"], 0, 0);
    check_topics(&server, &["--set", "protocol=kafka-raw", "--keep-topics"], 0, 2);
}

#[test]
fn topics_of_an_interrupted_run_go_too() {
    let server = Server::start(Options::default()).unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_tidelog-loadgen"));
    run.args(["w4", "--busy", "--set", "duration_seconds=600", "--kafka", server.address()]);
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while topics(&server).is_empty() {
        assert!(Instant::now() < deadline, "no topic is made");
        std::thread::sleep(Duration::from_millis(10));
    }
    // SAFETY: a signal to our own child, which has not been waited for.
    assert_eq!(unsafe { libc::kill(run.id() as i32, libc::SIGINT) }, 0);
    assert_eq!(run.wait_with_output().unwrap().status.code(), Some(1));
    assert_eq!(topics(&server), [""; 0]);
}

/// In seconds, and not when a library gives up.
#[test]
fn a_wrong_port_is_told_at_once() {
    let server = Server::start(Options::default()).unwrap();
    let (kafka, http) = (server.address(), server.http_address());
    let began = Instant::now();
    check_refusal(&["w4", "--busy", "--kafka", http], 3, "does not speak Kafka");
    check_refusal(&["w4", "--busy", "--kafka", http, "--set", "protocol=kafka-raw"], 3, "does not speak Kafka");
    check_refusal(&["w4", "--busy", "--http", kafka, "--set", "protocol=http"], 3, "does not speak HTTP");
    check_refusal(&["w4", "--busy", "--kafka", kafka, "--store-proxy", http], 3, "is no control address");
    check_refusal(&["w4", "--busy", "--kafka", kafka, "--store-proxy", kafka], 3, "is no control address");
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    assert_eq!(topics(&server), [""; 0]);
}

#[test]
fn our_own_connections_may_be_many() {
    let set = ["protocol=kafka-raw", "connections=2000", "linger_ms=5", "partitions=50", "spread=own"];
    let report = run(&set);
    assert_eq!((report.sent, report.received), (6000, 6000));
}

#[test]
fn every_spread_and_codec_and_several_topics_and_groups() {
    let runs = [
        ["protocol=kafka-librdkafka", "spread=sticky", "compression=zstd"],
        ["protocol=kafka-librdkafka", "spread=round-robin", "compression=none"],
        ["protocol=kafka-raw", "spread=own", "compression=lz4"],
        ["protocol=kafka-raw", "spread=round-robin", "compression=zstd"],
    ];
    let set = ["topics=2", "groups=2", "linger_ms=5", "duration_seconds=1", "warm_up_seconds=0"];
    for of_run in runs {
        let report = run(&[&set[..], &of_run].concat());
        assert_eq!((report.sent, report.received), (2000, 4000), "{of_run:?}");
    }
}

#[test]
fn a_group_that_begins_late_reads_everything_too() {
    let report = run(&["catch_up_after_seconds=2", "duration_seconds=3", "warm_up_seconds=0"]);
    assert_eq!((report.sent, report.received), (6000, 12_000));
    let catch_up = report.catch_up.unwrap();
    assert!(catch_up.caught_up_seconds.is_some() && catch_up.before.count > 0, "{catch_up:?}");
}

/// One plain line, and the exit code that says whose fault it is.
fn check_refusal(arguments: &[&str], code: i32, says: &str) {
    let output = loadgen(arguments);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{wrong}");
    assert!(wrong.contains(says), "{says:?} is not in {wrong}");
    assert_eq!(wrong.lines().count(), 1, "{wrong}");
}

#[test]
fn what_cannot_be_run_is_refused_in_one_line() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    check_refusal(&["w4", "--busy", "--kafka", &gone], 3, "is not reachable");
    check_refusal(&["w4", "--busy", "--start", "no-such-binary"], 3, "does not start");
    check_refusal(&["w4", "--busy"], 2, "needs --kafka host:port or --start");
    check_refusal(&["w4", "--busy", "--http", &gone, "--set", "protocol=http"], 3, "is not reachable");
    check_refusal(&["w99", "--busy", "--kafka", &gone], 2, "there are w1, ");
    check_refusal(&["w4", "--set", "rat=1", "--kafka", &gone], 2, "unknown field `rat`");
    check_refusal(&["w4", "--kafka", &gone, "--load-average-max=-1"], 2, "the machine is busy");
    check_refusal(&["w4", "--kafka", &gone, "--load-average-max=nan"], 2, "--load-average-max NaN: ");
    let mut ended = Command::new("true").spawn().unwrap();
    let process = ended.id().to_string();
    // Not waited for, so that nobody else gets its number.
    check_refusal(&["w4", "--busy", "--kafka", &gone, "--server-pid", "4294967295"], 2, "there is no such process");
    while std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap().contains(") R ") {
        std::thread::yield_now();
    }
    check_refusal(&["w4", "--busy", "--kafka", &gone, "--server-pid", &process], 2, "there is no such process");
    assert!(ended.wait().unwrap().success());
    check_refusal(&["w4", "--busy", "--start", "x", "--store-latency", "s3-slow"], 2, "s3-standard, s3-express, none");
    check_refusal(
        &["w4", "--busy", "--start", "x", "--store-latency", "none", "--store-server", "s3"],
        2,
        "moto and radosgw",
    );
    check_refusal(&["w4", "--busy", "--kafka", &gone, "--store-proxy", &gone], 3, "is no control address");
}

#[test]
fn a_target_that_is_missed_fails_the_run() {
    let server = tidelog_clients::server::binary().unwrap();
    let mut arguments = vec!["w4", "--busy", "--start", server.to_str().unwrap()];
    for one in SHORT.iter().chain(&["receive_p99_ms_max=0.001", "warm_up_seconds=0", "duration_seconds=1"]) {
        arguments.extend(["--set", one]);
    }
    let output = loadgen(&arguments);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("p99 from intended send to receive is") && told.contains("not to be quoted"), "{told}");
}

#[test]
fn the_list_names_every_workload() {
    let output = loadgen(&["--list"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(Workload::named().all(|(name, about)| told.contains(name) && told.contains(&about)), "{told}");
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    let server = tidelog_clients::server::binary().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_tidelog-loadgen"));
    run.current_dir(folder.path()).args(["w4", "--busy", "--set", "duration_seconds=600", "--start"]).arg(server);
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    let deadline = Instant::now() + Duration::from_secs(20);
    while entries() == 0 {
        assert!(Instant::now() < deadline, "no server is started");
        std::thread::sleep(Duration::from_millis(10));
    }
    // SAFETY: a signal to our own child, which has not been waited for.
    assert_eq!(unsafe { libc::kill(run.id() as i32, libc::SIGINT) }, 0);
    let output = run.wait_with_output().unwrap();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.status.code(), wrong.trim()),
        (Some(1), "tidelog-loadgen: the run broke off: it was interrupted")
    );
    assert_eq!(entries(), 0);
}
