//! The program against the real server, as it is used: exit codes, the result, and one plain line where there is none.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tidelog_loadgen::{Report, Workload};

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
    let server = tidelog_clients::server::binary().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (json, html) = (folder.path().join("result.json"), folder.path().join("result.html"));
    let mut arguments = vec!["w4", "--busy", "--start", server.to_str().unwrap()];
    arguments.extend(["--json", json.to_str().unwrap(), "--html", html.to_str().unwrap()]);
    for one in SHORT.iter().chain(set) {
        arguments.extend(["--set", one]);
    }
    let output = loadgen(&arguments);
    let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{told}\n{wrong}");
    assert!(told.contains("every acknowledged record came"), "{told}");
    let page = std::fs::read_to_string(html).unwrap();
    // Latencies, to acknowledge and to receive, how many are faster, records, processors, memory.
    assert_eq!(page.matches("<svg").count(), 6);
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
fn our_own_connections_may_be_many() {
    let set = ["protocol=kafka-raw", "connections=500", "linger_ms=5", "partitions=50", "spread=own"];
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
