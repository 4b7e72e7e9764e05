//! The real binary, from outside: what it prints, how it ends, and what it leaves behind.

use std::path::Path;
use std::process::{Command, Output};

/// Runs `tidelog` in `folder`, with nothing of ours in its environment but `environment`.
fn tidelog(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidelog"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIDELOG_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(environment.iter().copied()).current_dir(folder).output().expect("tidelog starts")
}

/// Given this environment and command line, it ends with this code and says these things; the folder stays empty.
fn check(environment: &[(&str, &str)], arguments: &[&str], code: i32, says: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = tidelog(folder.path(), environment, arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
    let (told, quiet) = if code == 0 { (&out, &err) } else { (&err, &out) };
    assert_eq!(quiet.as_ref(), "", "{arguments:?} speaks on one stream only");
    for text in says {
        assert!(told.contains(text), "{arguments:?} does not say {text:?}:\n{told}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder is readable").collect();
    assert!(left.is_empty(), "{arguments:?} left {left:?} behind");
    told.to_string()
}

#[test]
fn version_has_the_commit() {
    let told = check(&[], &["--version"], 0, &[concat!("tidelog ", env!("CARGO_PKG_VERSION"), " (")]);
    let commit = told.trim_end().rsplit_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).expect("brackets");
    assert!(commit == "unknown" || commit.bytes().all(|b| b.is_ascii_alphanumeric()), "{commit}");
}

#[test]
fn help_has_examples_and_every_flag() {
    check(&[], &["--help"], 0, &["Examples:", "tidelog dev", "tidelog config"]);
    check(
        &[],
        &["dev", "--help"],
        0,
        &["--kafka-advertised <HOST:PORT>", "--store <URL>", "TIDELOG_DATA_DIR", "Examples:"],
    );
    check(&[], &[], 2, &["Usage: tidelog <COMMAND>"]);
}

#[test]
fn config_shows_values_with_sources() {
    let environment = [("TIDELOG_LOG_FILTER", "warn")];
    let told = check(&environment, &["config", "--data-dir", "elsewhere"], 0, &[]);
    let row = |key: &str| -> Vec<String> {
        let line = told.lines().find(|line| line.starts_with(key)).expect("every setting has a line");
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    assert_eq!(row("data_dir"), ["elsewhere", "flag", "--data-dir"]);
    assert_eq!(row("log.filter"), ["warn", "environment", "TIDELOG_LOG_FILTER"]);
    assert_eq!(row("kafka.listen"), ["127.0.0.1:9092", "default"]);
    assert_eq!(row("store.endpoint"), ["(unset)", "default"]);
}

#[test]
fn config_is_machine_readable_too() {
    let told = check(&[("TIDELOG_INSECURE", "true")], &["config", "--json"], 0, &[]);
    let all: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let expected = serde_json::json!({ "value": "true", "source": "environment", "name": "TIDELOG_INSECURE" });
    assert_eq!(all["insecure"], expected);
    assert_eq!(all["data_dir"]["source"], "default");
    assert_eq!(all["store.region"]["value"], serde_json::Value::Null);
}

#[test]
fn refusals_start_nothing() {
    for command in ["dev", "config"] {
        check(&[], &[command, "--kafka-lisen", "x"], 2, &["a similar argument exists: '--kafka-listen'"]);
        check(&[], &[command, "--kafka-listen", "0.0.0.0:0"], 2, &["kafka.listen", "--insecure", "--kafka-advertised"]);
        check(&[], &[command, "--config", "absent.toml"], 2, &["absent.toml", "cannot be read"]);
        check(&[("TIDELOG_DATADIR", "x")], &[command], 2, &["TIDELOG_DATADIR", "did you mean TIDELOG_DATA_DIR?"]);
        check(
            &[],
            &[command, "--store", "file", "--store-region", "x"],
            2,
            &["store.region", "--store s3://bucket/prefix"],
        );
    }
    check(&[], &["serve"], 2, &["unrecognized subcommand"]);
}
