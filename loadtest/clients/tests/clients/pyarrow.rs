//! pyarrow and polars: Arrow IPC streams over HTTP, written and read as their users do.

use tidelog_clients::tools::{arrow_python, run};

use crate::server;

#[test]
fn streams_are_written_and_read() {
    let server = server();
    let mut command = arrow_python(120).unwrap();
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/arrow_roundtrip.py")).arg(server.http_address());
    let printed = run(command, b"").unwrap();
    assert_eq!(printed.lines().last(), Some("7 of 7"), "{printed}");
}
