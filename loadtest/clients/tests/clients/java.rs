//! The Java client and the command line tools built on it.

use tidelog_clients::tools::{java, run};

use crate::server;

const SECONDS: u32 = 90;

fn produce(address: &str, topic: &str, extra: &[&str], input: &str) {
    let mut command = java("org.apache.kafka.tools.ConsoleProducer", SECONDS).unwrap();
    command.args(["--bootstrap-server", address, "--topic", topic]).args(extra);
    run(command, input.as_bytes()).unwrap();
}

fn consume(address: &str, topic: &str, count: usize, extra: &[&str]) -> String {
    let mut command = java("org.apache.kafka.tools.consumer.ConsoleConsumer", SECONDS).unwrap();
    command.args(["--bootstrap-server", address, "--topic", topic, "--from-beginning"]);
    command.args(["--timeout-ms", "60000", "--max-messages", &count.to_string()]).args(extra);
    run(command, b"").unwrap()
}

#[test]
fn the_console_tools_write_and_read() {
    let server = server();
    let lines: String = (0..1_000).map(|index| format!("line {index}\n")).collect();
    produce(server.address(), "console", &[], &lines);
    // Through `subscribe()`, so a group with its coordinator is part of this.
    assert_eq!(consume(server.address(), "console", 1_000, &["--group", "g"]), lines);
}

#[test]
fn a_plain_compressing_producer_works_too() {
    let server = server();
    let lines: String = (0..200).map(|index| format!("{index}\n")).collect();
    let extra = ["--compression-codec", "gzip", "--producer-property", "enable.idempotence=false"];
    produce(server.address(), "plain", &extra, &lines);
    assert_eq!(consume(server.address(), "plain", 200, &["--partition", "0"]), lines);
}

#[test]
fn the_performance_test_runs() {
    let server = server();
    let mut command = java("org.apache.kafka.tools.ProducerPerformance", SECONDS).unwrap();
    command.args(["--topic", "perf", "--num-records", "50000", "--record-size", "1024", "--throughput", "-1"]);
    command.args(["--bootstrap-server", server.address()]);
    let printed = run(command, b"").unwrap();
    assert!(printed.contains("50000 records sent"), "{printed}");
    let read = consume(server.address(), "perf", 50_000, &[]);
    assert_eq!(read.lines().count(), 50_000);
}
