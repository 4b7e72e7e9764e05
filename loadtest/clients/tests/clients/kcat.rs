//! kcat: the command that the README and the banner tell newcomers to try.

use tidelog_clients::tools::{bounded, run};

use crate::server;

const SECONDS: u32 = 30;

fn kcat(address: &str, arguments: &[&str], input: &str) -> String {
    let mut command = bounded("kcat", SECONDS);
    command.args(["-b", address]).args(arguments);
    run(command, input.as_bytes()).unwrap()
}

#[test]
fn the_three_lines_of_the_banner_work() {
    let server = server();
    let address = server.address();
    // The first line creates the topic by naming it.
    kcat(address, &["-P", "-t", "greetings"], "hello, tidelog\n");
    let read = kcat(address, &["-C", "-t", "greetings", "-o", "beginning", "-e", "-q"], "");
    assert_eq!(read, "hello, tidelog\n");
    let listed = kcat(address, &["-L"], "");
    assert!(listed.contains("topic \"greetings\" with 1 partitions"), "{listed}");
    assert!(listed.contains(address), "{listed}");
}

#[test]
fn many_lines_with_keys_come_back_in_order() {
    let server = server();
    let lines: String = (0..5_000).map(|index| format!("key-{}:value {index}\n", index % 7)).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        kcat(server.address(), &["-P", "-t", codec, "-p", "0", "-K", ":", "-z", codec], &lines);
        let read =
            kcat(server.address(), &["-C", "-t", codec, "-p", "0", "-o", "beginning", "-e", "-q", "-K", ":"], "");
        assert!(read == lines, "{codec}: {} bytes instead of {}", read.len(), lines.len());
    }
}

#[test]
fn offsets_can_be_asked_for() {
    let server = server();
    kcat(server.address(), &["-P", "-t", "some", "-p", "0"], "a\nb\nc\n");
    let end = kcat(server.address(), &["-Q", "-t", "some:0:-1"], "");
    assert!(end.contains("offset 3"), "{end}");
    let start = kcat(server.address(), &["-Q", "-t", "some:0:-2"], "");
    assert!(start.contains("offset 0"), "{start}");
    let last = kcat(server.address(), &["-C", "-t", "some", "-p", "0", "-o", "-1", "-e", "-q", "-f", "%o %s\n"], "");
    assert_eq!(last, "2 c\n");
}
