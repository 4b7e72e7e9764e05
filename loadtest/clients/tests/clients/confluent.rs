//! confluent-kafka: the Python client that most Python users have.

use tidelog_clients::tools::{python, run};

use crate::server;

#[test]
fn produce_and_subscribe() {
    let server = server();
    let mut command = python(60).unwrap();
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/roundtrip.py")).arg(server.address());
    let printed = run(command, b"").unwrap();
    assert_eq!(printed.lines().last(), Some("read 1000 of 1000"), "{printed}");
}

#[test]
fn administer() {
    let server = server();
    let mut command = python(90).unwrap();
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/admin.py")).arg(server.address());
    let printed = run(command, b"").unwrap();
    assert_eq!(printed.lines().last(), Some("administered"), "{printed}");
}
