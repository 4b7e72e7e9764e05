//! The program: what it refuses, and what it says at the end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use hyper::Method;

use crate::ask_once;
use crate::store::Store;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tidelog-store-proxy");

fn check_refused(arguments: &[&str], wanted: &str) {
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("tidelog-store-proxy: ") && text.contains(wanted), "{text}");
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    // Nobody listens there: the port was given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{free}");
    let store = ["--store", nobody.as_str()];
    let with = |more: &[&'static str]| [&store[..], more].concat();
    check_refused(&with(&["--profile", "s3-slow"]), "s3-standard, s3-express, none would work");
    check_refused(&with(&["--latency-p50-ms", "20", "--latency-p99-ms", "10"]), "below the p50");
    check_refused(&with(&["--latency-p50-ms", "20"]), "--latency-p99-ms");
    check_refused(&with(&["--error-rate", "1.5"]), "0 to 1 would work");
    check_refused(&with(&["--error-kinds", "earthquake"]), "slow-down");
    check_refused(&with(&["--error-operations", "Put"]), "PutObject");
    check_refused(&with(&["--seed", "many"]), "--seed");
    check_refused(&with(&[]), "cannot be reached");
    check_refused(&["--store", "https://s3.amazonaws.com"], "TLS");
    check_refused(&["--store", "127.0.0.1:9000"], "http://127.0.0.1:9000 would work");
    check_refused(&[], "--store");
}

#[tokio::test]
async fn it_serves_and_ends_with_a_table() {
    let store = Store::start().await;
    let free = ["--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0"];
    let mut child = Command::new(PROGRAM)
        .args(["--store", &store.endpoint(), "--profile", "s3-express", "--payload-bytes", "1048576"])
        .args(free)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut banner = String::new();
    stdout.read_line(&mut banner).unwrap();
    let endpoint = banner.split(" at ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
    ask_once(endpoint, Method::PUT, "/b/k", &[1; 1 << 20]).await.unwrap();
    let ended = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(ended.success());
    let mut table = String::new();
    stdout.read_to_string(&mut table).unwrap();
    assert!(child.wait().unwrap().success());
    let mut progress = String::new();
    child.stderr.take().unwrap().read_to_string(&mut progress).unwrap();
    for line in
        ["latency s3-express (p50 5 ms, p99 15 ms)", "PutObject         1", "1024.0 requests (PutObject 1024.0)"]
    {
        assert!(table.contains(line), "{line:?} is not in\n{table}");
    }
    assert!(progress.contains("s: ") && progress.contains(" requests ("), "{progress}");
}
