//! `tidelog topic`, `produce`, `consume` and `status` as people type them: what they print, and how they end.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;
use tidelog_clients::Server;
use tidelog_clients::server::binary;

use crate::server;

/// `tidelog` with these arguments and the server's address.
pub fn command(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary().unwrap());
    command.args(arguments).env("TIDELOG_SERVER", format!("http://{}", server.http_address()));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it with this on its standard input.
pub fn run(server: &Server, arguments: &[&str], input: &str) -> Output {
    let mut child = command(server, arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// It works, says nothing on standard error, and prints this.
pub fn check(server: &Server, arguments: &[&str], printed: &str) {
    let output = run(server, arguments, "");
    assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), (printed, ""), "{arguments:?}");
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
}

/// It ends with this code and one line that says all of this, and prints nothing.
pub fn check_fails(server: &Server, arguments: &[&str], code: i32, says: &[&str]) -> String {
    let output = run(server, arguments, "");
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(code), ""), "{arguments:?}: {said}");
    assert!(said.starts_with("tidelog: ") && said.lines().count() == 1, "{said}");
    for part in says {
        assert!(said.contains(part), "{arguments:?} does not say {part:?}: {said}");
    }
    said
}

/// Appends lines; answers what is said about it.
fn produce(server: &Server, arguments: &[&str], input: &str) -> String {
    let output = run(server, &[&["produce"], arguments].concat(), input);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

#[test]
fn lines_go_in_and_come_out() {
    let server = server();
    let said = produce(&server, &["t"], "one\ntwo\n\nfour");
    assert_eq!(said, "4 records stored in t: partition 0, offsets 0 to 3\n");
    check(&server, &["consume", "t"], "one\ntwo\n\nfour\n");
    check(&server, &["consume", "t", "--from", "3", "--offsets"], "0:3\tfour\n");
    check(&server, &["consume", "t", "--limit", "1"], "one\n");
    check(&server, &["consume", "t", "--from", "latest"], "");
    check(&server, &["consume", "t", "--from", "-1h", "--partition", "0", "-n", "2"], "one\ntwo\n");
    produce(&server, &["keyed", "-K", ":", "--header", "h=1"], "a:1:2\nb:3\n");
    check(&server, &["consume", "keyed", "--keys", "--headers"], "h=1\ta\t1:2\nh=1\tb\t3\n");
}

#[test]
fn json_goes_in_and_comes_out() {
    let server = server();
    let lines = "{\"key\":\"k\",\"value\":{\"a\":[1]},\"headers\":[{\"name\":\"h\",\"value\":\"v\"}],\"timestamp\":5}\n\n\
        {\"value_base64\":\"/w==\"}\n{}\n";
    let output = run(&server, &["produce", "t", "--json"], lines);
    let places = text(&output.stdout);
    let expected = (0..3).map(|offset| format!("{{\"partition\":0,\"offset\":{offset}}}\n")).collect::<String>();
    assert_eq!((output.status.code(), places), (Some(0), expected));
    let output = run(&server, &["consume", "t", "--json"], "");
    let records =
        text(&output.stdout).lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    assert_eq!(records.len(), 3);
    assert_eq!((&records[0]["value"], &records[0]["timestamp"]), (&Value::from("{\"a\":[1]}"), &Value::from(5)));
    assert_eq!(records[1]["value_base64"], "/w==");
    assert_eq!(records[2]["value"], Value::Null);
    // What comes out goes in, but for places that are the log's own.
    let cursor = records[0]["cursor"].as_str().unwrap();
    let output = run(&server, &["consume", "t", "--json", "--cursor", cursor, "--limit", "1"], "");
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), records[1]);
}

#[test]
fn a_file_is_one_record_or_many() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, "a\nb\n").unwrap();
    let path = path.to_str().unwrap();
    produce(&server, &["t", "--file", path, "--file", path], "");
    produce(&server, &["t", "--file", path, "--whole", "--key", "k", "--partition", "0"], "");
    check(&server, &["consume", "t", "--keys"], "\ta\n\tb\n\ta\n\tb\nk\ta\nb\n\n");
    check_fails(&server, &["produce", "t", "--file", "/not/there"], 1, &["/not/there", "nothing is stored"]);
}

#[test]
fn a_line_that_is_wrong_ends_it_and_says_what_is_stored() {
    let server = server();
    let output = run(&server, &["produce", "t", "--json"], "{\"value\":1}\n{\"vlaue\":2}\n{\"value\":3}\n");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("standard input line 2: unknown field `vlaue`"), "{said}");
    let unread = run(&server, &["produce", "other", "--json"], "{}\nno\n");
    assert!(text(&unread.stderr).contains("line 2: it is no JSON: expected ident, column 2"), "{unread:?}");
    assert!(said.ends_with("1 record stored in t: partition 0, offset 0\n") && said.lines().count() == 1, "{said}");
    check(&server, &["consume", "t"], "1\n");
}

#[test]
fn a_record_that_is_not_taken_ends_it_with_nothing_behind_it() {
    let server = server();
    check(&server, &["topic", "create", "t", "-c", "max.message.bytes=2000"], "");
    let large = (0..9_000_u64).map(|it| it.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string()).collect::<String>();
    let lines = format!("one\ntwo\n{large}\nfour\nfive\n");
    let output = run(&server, &["produce", "t"], &lines);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("tidelog: standard input line 3: ") && said.contains("record_too_large"), "{said}");
    assert!(said.contains("2 records stored in t: partition 0, offsets 0 to 1"), "{said}");
    check(&server, &["consume", "t"], "one\ntwo\n");
}

#[test]
fn mistakes_are_one_line_with_what_to_try() {
    let server = server();
    check_fails(&server, &["consume", "missing"], 3, &["no topic \"missing\"", "tidelog topic create missing"]);
    check_fails(&server, &["topic", "describe", "missing"], 3, &["no topic", "tidelog topic list"]);
    produce(&server, &["t"], "a\n");
    let no_partition = ["has no partition 9", "0 to 0"];
    check_fails(&server, &["consume", "t", "--partition", "9"], 3, &no_partition);
    check_fails(&server, &["produce", "t", "--partition", "9", "--file", "Cargo.toml"], 3, &no_partition);
    check_fails(&server, &["consume", "missing", "--folow"], 2, &["'--folow'", "'--follow'"]);
    check_fails(&server, &["topics"], 2, &["'topics'", "'topic'"]);
    check_fails(&server, &["consume", "t", "--from", "yesterday"], 2, &["yesterday", "-15m"]);
    check_fails(&server, &["produce", "t", "--header", "x"], 2, &["NAME=VALUE"]);
    check_fails(&server, &["topic", "create", "a b"], 1, &["invalid_topic_name"]);
    check_fails(&server, &["topic", "delete", "t"], 2, &["--yes"]);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|gone| gone.local_addr()).unwrap();
    let nobody = format!("http://{nobody}");
    for command in [&["consume", "t"][..], &["produce", "t"], &["topic", "list"], &["group", "list"], &["status"]] {
        let arguments = [command, &["--server", &nobody]].concat();
        check_fails(&server, &arguments, 4, &["cannot reach", &nobody, "refused", "tidelog dev"]);
    }
    // Kafka's port hangs up on whoever does not speak Kafka. What reads has changed nothing.
    let kafka = format!("http://{}", server.address());
    let reading =
        ["status", "topic list", "topic describe t", "group list", "group describe g", "group offsets g", "consume t"];
    let dry = "group reset g --topic t --to earliest --dry-run";
    for command in reading.into_iter().chain([dry]) {
        let arguments = command.split(' ').chain(["--server", &kafka]).collect::<Vec<_>>();
        let said = check_fails(&server, &arguments, 4, &[&kafka, "broke", "may not speak HTTP", "`http.listen`"]);
        assert!(!said.contains("may have happened"), "{command}: {said}");
    }
    let said = check_fails(&server, &["topic", "create", "u", "--server", &kafka], 4, &["broke", "`http.listen`"]);
    assert!(said.contains("may have happened"), "{said}");
    check_fails(&server, &["topic", "list", "--server", "ftp://x"], 2, &["ftp://x", "http://127.0.0.1:8080"]);
    let over_tls = format!("https://{}", server.http_address());
    let works = format!("http://{} would work", server.http_address());
    check_fails(&server, &["status", "--server", &over_tls], 4, &["speaks no TLS", &works]);
    check_fails(&server, &["status", "--server", &format!("https://{}", server.address())], 4, &["TLS", "would work"]);
}

#[test]
fn mistakes_are_told_by_flags() {
    let server = server();
    check(&server, &["topic", "create", "two", "-p", "2"], "");
    check(&server, &["topic", "create", "one"], "");
    let check_said = |arguments: &[&str], code: i32, says: &str| {
        let said = check_fails(&server, arguments, code, &[says]);
        assert!(!said.contains('`') || said.contains("`tidelog "), "no names of requests: {said}");
    };
    check_said(&["consume", "two", "--from", "3"], 2, "say which --partition");
    // Also where there is nothing to read.
    check_said(&["consume", "two", "--from", "@2026-01-31T25:00:00Z"], 1, "tidelog: --from is ");
    check_said(&["consume", "one", "--cursor", "garbage"], 1, "say --from instead");
    check_said(&["consume", "one", "--cursor", "x", "--group", "g"], 2, "'--cursor <CURSOR>'");
    check_said(&["group", "reset", "g", "--topic", "two", "--to", "@2026-01-31T25:00:00Z"], 1, "tidelog: --to is ");
    check_said(&["topic", "create", "none", "-p", "0"], 1, "tidelog: --partitions is 0; ");
    check_said(&["topic", "configure", "two", "-p", "1"], 1, "tidelog: --partitions is 1; ");
    let meant = "did you mean retention.ms?";
    check_said(&["topic", "create", "none", "-c", "retenion.ms=1"], 1, meant);
    check_said(&["topic", "configure", "two", "--set", "log.retention.ms=1"], 1, meant);
    check_said(&["topic", "configure", "two", "--unset", "retention_ms"], 1, meant);
}

#[test]
fn a_server_is_named_with_and_without_its_scheme() {
    let server = server();
    let address = server.http_address();
    for name in [address.to_owned(), format!("http://{address}"), format!("http://{address}/")] {
        check(&server, &["topic", "list", "--server", &name], "");
    }
}

/// Runs it with a terminal as standard error: the exit code, what it printed elsewhere, and what was seen on the terminal.
pub fn run_watched(server: &Server, arguments: &[&str]) -> (Option<i32>, String, String) {
    let (mut ours, mut theirs) = (0, 0);
    let (name, modes, size) = (std::ptr::null_mut(), std::ptr::null(), std::ptr::null());
    // SAFETY: a plain system call that fills two numbers; the rest may be null.
    assert_eq!(unsafe { libc::openpty(&raw mut ours, &raw mut theirs, name, modes, size) }, 0);
    // SAFETY: both were opened just now, and nobody else has them.
    let (mut ours, theirs) = unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
    let output = command(server, arguments).stderr(Stdio::from(theirs)).output().unwrap();
    let mut seen = Vec::new();
    // A terminal that nobody has open any more ends with an error.
    let _ = ours.read_to_end(&mut seen);
    (output.status.code(), text(&output.stdout), text(&seen).replace("\r\n", "\n"))
}

#[test]
fn what_was_done_is_said_to_whoever_watches() {
    let server = server();
    let check_watched = |arguments: &[&str], seen: &str| {
        assert_eq!(run_watched(&server, arguments), (Some(0), String::new(), seen.to_owned()), "{arguments:?}");
    };
    check_watched(&["topic", "create", "orders", "-p", "2"], "topic orders is created, with 2 partitions\n");
    let again = ["topic", "create", "orders", "--if-not-exists"];
    check_watched(&again, "topic orders is there already, and stays as it is\n");
    let set = ["topic", "configure", "orders", "--set", "retention.ms=5", "--unset", "segment.ms", "-p", "3"];
    let said =
        "topic orders is changed: retention.ms is 5; segment.ms is 604800000, the default; it has 3 partitions\n";
    check_watched(&set, said);
    check(&server, &["consume", "orders", "--group", "g"], "");
    check_watched(&["group", "delete", "g"], "group g is deleted\n");
    check_watched(&["topic", "delete", "orders", "--yes"], "topic orders is deleted, with its records\n");
    // Programs read what is printed.
    let (code, printed, seen) = run_watched(&server, &["topic", "create", "orders", "--json"]);
    assert_eq!((code, seen.as_str()), (Some(0), ""));
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap()["name"], "orders");
}

#[test]
fn topics_are_made_changed_and_deleted() {
    let server = server();
    check(&server, &["topic", "list"], "");
    check(&server, &["topic", "create", "orders", "-p", "2", "-c", "retention.ms=1000"], "");
    check(&server, &["topic", "create", "orders", "--if-not-exists"], "");
    check_fails(&server, &["topic", "create", "orders"], 1, &["topic_exists"]);
    check(&server, &["topic", "configure", "orders", "--set", "max.message.bytes=5000", "--unset", "retention.ms"], "");
    check_fails(&server, &["topic", "configure", "orders"], 2, &["--set"]);
    check_fails(&server, &["topic", "configure", "orders", "--config", "a=b"], 2, &["--set a=b"]);
    let output = run(&server, &["topic", "describe", "orders", "--json"], "");
    let topic: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(topic["configs"]["max.message.bytes"]["value"], "5000");
    assert_eq!((&topic["configs"]["retention.ms"]["is_set"], &topic["partition_count"]), (&false.into(), &2.into()));
    // No terminal: fields with tabs between them.
    check(&server, &["topic", "describe", "orders"], "0\t0\t0\t0\t0\n1\t0\t0\t0\t0\n");
    let listed = text(&run(&server, &["topic", "list"], "").stdout);
    assert!(listed.starts_with("orders\t2\t") && listed.lines().count() == 1, "{listed}");
    check(&server, &["topic", "delete", "orders", "--yes"], "");
    check(&server, &["topic", "list", "--json"], "{\"topics\":[]}\n");
}

/// A command that goes on; killed when dropped.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    fn start(server: &Server, arguments: &[&str]) -> Running {
        let mut child = command(server, arguments).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Running { child, out }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    /// Sends a signal; answers the exit code, what else it printed, and what it said.
    fn end(mut self, signal: libc::c_int) -> (Option<i32>, String, String) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: a plain system call; the child is not reaped before `wait` below.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
        let (mut rest, mut said) = (String::new(), String::new());
        self.out.read_to_string(&mut rest).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), rest, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_comes_is_followed_through_a_kill_until_ctrl_c() {
    let mut server = server();
    produce(&server, &["t"], "one\n");
    let mut following = Running::start(&server, &["consume", "t", "--follow"]);
    assert_eq!(following.line(), "one\n");
    produce(&server, &["t"], "two\n");
    assert_eq!(following.line(), "two\n", "it is shown while nothing more comes");
    server.kill9().unwrap();
    server.start_again(None).unwrap();
    server.wait_ready().unwrap();
    produce(&server, &["t"], "three\n");
    assert_eq!(following.line(), "three\n");
    let (code, rest, said) = following.end(libc::SIGINT);
    assert_eq!((code, rest.as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("trying again"), "{said}");
}

#[test]
fn ctrl_c_ends_what_was_read_and_stores_it() {
    let server = server();
    let mut producing = Running::start(&server, &["produce", "t", "--json"]);
    let mut stdin = producing.child.stdin.take().unwrap();
    stdin.write_all(b"{\"value\":\"one\"}\n").unwrap();
    assert_eq!(producing.line(), "{\"partition\":0,\"offset\":0}\n", "a line is stored when it comes");
    let (code, _, said) = producing.end(libc::SIGINT);
    assert_eq!((code, said.as_str()), (Some(130), "1 record stored in t: partition 0, offset 0\n"));
    check(&server, &["consume", "t"], "one\n");
}

#[test]
fn ctrl_c_waits_for_a_server_that_is_away_no_longer_than_it_says() {
    let mut server = server();
    let mut producing = Running::start(&server, &["produce", "t", "--json"]);
    let mut stdin = producing.child.stdin.take().unwrap();
    stdin.write_all(b"{\"value\":\"one\"}\n").unwrap();
    producing.line();
    server.kill9().unwrap();
    stdin.write_all(b"{\"value\":\"two\"}\n").unwrap();
    let mut said = BufReader::new(producing.child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("tidelog: ") && line.ends_with("; trying again\n"), "{line}");
    let began = std::time::Instant::now();
    // SAFETY: a plain system call; the child is not reaped before `wait` below.
    assert_eq!(unsafe { libc::kill(libc::pid_t::try_from(producing.child.id()).unwrap(), libc::SIGINT) }, 0);
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(producing.child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(began.elapsed().as_secs() < 30, "a record is tried for two minutes otherwise");
    let last = rest.lines().last().unwrap();
    assert!(last.contains("1 record stored in t: partition 0, offset 0; "), "{rest}");
    assert!(last.ends_with("stored: 1 record (standard input line 2)"), "{rest}");
}

#[test]
fn places_that_nobody_reads_are_a_failure_that_says_what_is_stored() {
    let server = server();
    let mut producing = Running::start(&server, &["produce", "t", "--json"]);
    let mut stdin = producing.child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || (0..100_000).try_for_each(|it| writeln!(stdin, "{{\"value\":{it}}}")));
    producing.line();
    let nothing = Command::new("true").stdout(Stdio::piped()).spawn().unwrap().stdout.take().unwrap();
    drop(std::mem::replace(&mut producing.out, BufReader::new(nothing)));
    let mut said = String::new();
    producing.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(producing.child.wait().unwrap().code(), Some(1), "{said}");
    writer.join().unwrap().unwrap_err();
    let stored = text(&run(&server, &["consume", "t"], "").stdout).lines().count();
    assert!(said.starts_with("tidelog: standard output is gone: Broken pipe"), "{said}");
    assert!(said.contains(&format!("; {stored} records stored in t: ")), "{stored}: {said}");
}

#[test]
fn whoever_has_seen_enough_is_no_error() {
    let server = server();
    produce(&server, &["t"], &"a line that is long enough to fill a pipe after some time\n".repeat(20_000));
    let mut reading = Running::start(&server, &["consume", "t"]);
    reading.line();
    drop(std::mem::replace(
        &mut reading.out,
        BufReader::new(Command::new("true").stdout(Stdio::piped()).spawn().unwrap().stdout.take().unwrap()),
    ));
    let mut said = String::new();
    reading.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((reading.child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn the_status_is_told() {
    let server = server();
    produce(&server, &["t"], "one\n");
    let output = run(&server, &["status", "--json"], "");
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&status["topics"], &status["appends"]["accepted"]), (&Value::from(1), &Value::from(true)));
    assert!(status["raft"]["term"].is_u64() && status["storage"]["stages"].is_array(), "{status}");
    let printed = text(&run(&server, &["status"], "").stdout);
    assert!(printed.contains("topics\t1\n") && printed.contains("appends\ttaken\n"), "{printed}");
    assert!(printed.contains("storage.stages.objects.bytes\t"), "{printed}");
}
