//! The program against real systems, as it is used: tables, pages and kept runs, exit codes, and one plain line where nothing is run.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A short run, whatever else the machine does meanwhile. What was sent is read afterwards.
const TINY: &str = r#"
name = "tiny"
about = "as little as can be"
systems = SYSTEMS

[workload]
partitions = 4
connections = 2
consumers = 1
groups = 0
catch_up_after_seconds = 3
record_bytes = 1024
linger_ms = 2
warm_up_seconds = 1
rate_per_second = 500
duration_seconds = 1
lag_ms_max = 5000

[[bounds]]
measure = "server-cpu-seconds-per-gibibyte"
against = "OTHER"
ratio_max = 1000000.0
"#;

fn compare(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidelog-compare"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

/// A folder with the scenario for two systems.
fn folder_with(systems: [&str; 2], change: impl Fn(String) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = TINY.replace("SYSTEMS", &format!("{systems:?}")).replace("OTHER", systems[1]);
    fs::write(folder.path().join("tiny.toml"), change(text)).unwrap();
    folder
}

/// What both are compared by, and what is left: results, and nothing of the systems.
fn check_comparison(systems: [&str; 2], rounds: u64) {
    let folder = folder_with(systems, |text| text);
    let of_rounds = rounds.to_string();
    let run = ["run", "tiny.toml", "--rounds", &of_rounds, "--warm-up-seconds", "1", "--busy"];
    let output = compare(folder.path(), &run);
    let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Of a machine that was allowed to be busy nothing is to be quoted.
    assert_eq!(output.status.code(), Some(1), "{told}\n{wrong}");
    assert!(told.contains("not to be quoted: the machine was allowed to be busy"), "{told}");
    assert!(told.contains("held: server while sending, CPU-s/GiB: at most 1000000"), "{told}");
    let last = if rounds.is_multiple_of(2) { "tidelog" } else { systems[1] };
    let last = format!("{0} of {0} runs: round {rounds} of {rounds}, {last};", rounds * 2);
    assert!(wrong.contains(&last), "the order is A B B A: {wrong}");
    let results = folder.path().join("compared");
    let comparison: Value =
        serde_json::from_str(&fs::read_to_string(results.join("tiny/comparison.json")).unwrap()).unwrap();
    assert_eq!(comparison["is_complete"], true);
    let runs = comparison["runs"].as_array().unwrap();
    assert_eq!(runs.len() as u64, rounds * 2);
    for run in runs {
        assert_eq!(run["complaints"].as_array().unwrap().len(), 0, "{run}");
        for measure in ["server-cpu-seconds-per-gibibyte", "consume-cpu-seconds-per-gibibyte", "acknowledge-p99-ms"] {
            assert!(run["values"][measure].as_f64().unwrap() >= 0.0, "{measure}: {run}");
        }
        let raw = fs::read_to_string(results.join("tiny").join(run["file"].as_str().unwrap())).unwrap();
        let raw: Value = serde_json::from_str(&raw).unwrap();
        assert_eq!((&raw["sent"], &raw["received"]), (&1000.into(), &1000.into()));
        assert!(raw["server"].as_str().unwrap().starts_with(run["system"].as_str().unwrap()), "{}", raw["server"]);
    }
    let page = fs::read_to_string(results.join("report.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("http://") && !page.contains("https://"), "it needs nothing else");
    let mut left: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["compared", "tiny.toml"]);

    fs::remove_file(results.join("report.html")).unwrap();
    let output = compare(folder.path(), &["report", "compared"]);
    assert_eq!((output.status.code(), results.join("report.html").is_file()), (Some(1), true));
    assert!(String::from_utf8_lossy(&output.stdout).contains("tiny: as little as can be"));
}

#[test]
fn tidelog_is_compared_with_itself() {
    check_comparison(["tidelog", "tidelog-again"], 2);
}

#[test]
fn tidelog_is_compared_with_kafka() {
    check_comparison(["tidelog", "kafka-fsync"], 1);
}

/// One plain line, and the exit code that says whose fault it is.
fn check_refusal(folder: &Path, arguments: &[&str], code: i32, says: &str) {
    let output = compare(folder, arguments);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{wrong}");
    assert!(wrong.lines().last().unwrap().contains(says), "{says:?} is not in {wrong}");
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_starts() {
    let folder = folder_with(["tidelog", "tidelog-again"], |text| text.replace("linger_ms", "linger"));
    check_refusal(folder.path(), &["run", "tiny.toml", "--busy"], 2, "unknown field `linger`");
    check_refusal(folder.path(), &["run", "no-such", "--busy"], 2, "there are produce-8, ");
    check_refusal(folder.path(), &["run", "same", "--busy", "--binary", "no-such"], 2, "no-such is not there");
    check_refusal(
        folder.path(),
        &["run", "same", "--systems", "tidelog", "--busy", "--beside", "no-such"],
        2,
        "this is no folder",
    );
    check_refusal(folder.path(), &["report", "tiny"], 2, "tiny");
    check_refusal(folder.path(), &["report", "."], 2, "`tidelog-compare run` makes them");
}

#[test]
fn an_interrupted_comparison_leaves_nothing_behind() {
    let folder = folder_with(["tidelog", "tidelog-again"], |text| {
        text.replace("duration_seconds = 1", "duration_seconds = 600")
            .replace("after_seconds = 3", "after_seconds = 610")
    });
    let mut run = Command::new(env!("CARGO_BIN_EXE_tidelog-compare"));
    run.current_dir(folder.path()).args(["run", "tiny.toml", "--warm-up-seconds", "0", "--busy"]);
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let of_systems = || {
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("tidelog-compare-")).count()
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while of_systems() == 0 {
        assert!(Instant::now() < deadline, "no system is started");
        std::thread::sleep(Duration::from_millis(10));
    }
    // SAFETY: a signal to our own child, which has not been waited for.
    assert_eq!(unsafe { libc::kill(run.id() as i32, libc::SIGINT) }, 0);
    let output = run.wait_with_output().unwrap();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{wrong}");
    assert!(wrong.contains("it was interrupted"), "{wrong}");
    assert_eq!(of_systems(), 0);
    let kept = fs::read_to_string(folder.path().join("compared/tiny/comparison.json")).unwrap();
    assert!(kept.contains("\"is_complete\": false"), "{kept}");
}
