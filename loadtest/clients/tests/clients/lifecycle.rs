//! One life of the process after another: what is there stays, and two never share a folder.

use tidelog_clients::tools::{bounded, run};

use crate::server;

fn produce(address: &str, line: &str) {
    let mut command = bounded("kcat", 30);
    command.args(["-P", "-b", address, "-t", "kept", "-p", "0"]);
    run(command, line.as_bytes()).unwrap();
}

fn consume(address: &str) -> String {
    let mut command = bounded("kcat", 30);
    command.args(["-C", "-b", address, "-t", "kept", "-p", "0", "-o", "beginning", "-e", "-q"]);
    run(command, b"").unwrap()
}

#[test]
fn kcat_finds_everything_again_after_a_stop_and_after_a_kill() {
    let mut server = server();
    produce(server.address(), "one\n");
    let status = server.stop().unwrap();
    assert!(status.success(), "{status}: {}", server.output());
    server.start_again(None).unwrap();
    server.wait_ready().unwrap();
    assert_eq!(consume(server.address()), "one\n");
    produce(server.address(), "two\n");
    server.kill9().unwrap();
    server.start_again(None).unwrap();
    server.wait_ready().unwrap();
    assert_eq!(consume(server.address()), "one\ntwo\n");
}

#[test]
fn a_second_start_on_the_same_folder_is_refused() {
    let server = server();
    let program = std::fs::read_link(format!("/proc/{}/exe", server.process().unwrap())).unwrap();
    let mut second = bounded(program.to_str().unwrap(), 30);
    second.arg("dev").arg("--data-dir").arg(server.folder().join("data")).args([
        "--kafka-listen",
        "127.0.0.1:0",
        "--http-listen",
        "off",
    ]);
    let output = second.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "124 would be: still running");
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(said.contains("data"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
