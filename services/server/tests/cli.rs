//! The real binary, from outside: what it prints, how it ends, and what it leaves behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
#[cfg(target_os = "linux")]
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

/// `tidelog` in `folder`, with nothing of ours in its environment but `environment`.
fn command(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
    program(env!("CARGO_BIN_EXE_tidelog"), folder, environment, arguments)
}

fn program(name: &str, folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIDELOG_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(environment.iter().copied()).current_dir(folder);
    command
}

fn tidelog(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    command(folder, environment, arguments).output().expect("tidelog starts")
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
    check(&[], &["--help"], 0, &["Examples:", "tidelog dev", "tidelog config", "tidelog doctor", "tidelog consume"]);
    check(
        &[],
        &["dev", "--help"],
        0,
        &["--kafka-advertised <HOST:PORT>", "--store <URL>", "TIDELOG_DATA_DIR", "Examples:"],
    );
    check(&[], &[], 2, &["Usage: tidelog <COMMAND>"]);
}

#[test]
fn help_is_a_command_too() {
    for command in ["consume", "topic", "topic create", "dev"] {
        let path = command.split(' ');
        let said = check(&[], &path.clone().chain(["--help"]).collect::<Vec<_>>(), 0, &["Examples:"]);
        assert_eq!(check(&[], &["help"].into_iter().chain(path).collect::<Vec<_>>(), 0, &[]), said, "{command}");
    }
    assert_eq!(check(&[], &["help"], 0, &[]), check(&[], &["--help"], 0, &[]));
    let said = check(&[], &["help", "consum"], 2, &["'consum'", "--help` shows"]);
    assert!(said.starts_with("tidelog: ") && said.lines().count() == 1, "{said}");
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
    for arguments in [&["dev", "--kafka-lisen", "x"][..], &["serve"], &["topic", "create"], &["completions", "csh"]] {
        let said = check(&[], arguments, 2, &["--help` shows"]);
        assert!(said.starts_with("tidelog: ") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn help_of_every_command_has_examples() {
    let commands = [
        "dev",
        "config",
        "doctor",
        "completions",
        "produce",
        "consume",
        "status",
        "topic",
        "topic list",
        "topic create",
        "topic describe",
        "topic configure",
        "topic delete",
        "group",
        "group list",
        "group describe",
        "group offsets",
        "group reset",
        "group delete",
    ];
    for command in commands {
        let arguments = command.split(' ').chain(["--help"]).collect::<Vec<_>>();
        check(&[], &arguments, 0, &["Usage:", "Examples:"]);
    }
    // What the commands that ask a server are told is no setting.
    check(&[("TIDELOG_SERVER", "http://there")], &["config"], 0, &["data_dir"]);
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        check(&[], &["completions", shell], 0, &["consume", "configure", "doctor", "follow"]);
    }
}

/// `tidelog doctor --json` in an empty folder, which it leaves empty: the exit code, and each check's state and words.
fn doctor(environment: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = tidelog(folder.path(), environment, &[&["doctor", "--json"], arguments].concat());
    let told = serde_json::from_slice::<serde_json::Value>(&output.stdout);
    let told = told.unwrap_or_else(|_| panic!("no JSON: {output:?}"));
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0, "nothing is left behind");
    assert_eq!(told["ok"].as_bool(), output.status.code().map(|code| code == 0), "{told}");
    (output.status.code(), told)
}

fn check_named<'a>(told: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let checks = told["checks"].as_array().expect("a list");
    checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name} in {told}"))
}

/// As [`doctor`], with free ports.
fn doctor_on_free_ports(environment: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    let ports = ["--kafka-listen=127.0.0.1:0", "--http-listen=127.0.0.1:0"];
    doctor(environment, &[&ports[..], arguments].concat())
}

#[test]
fn doctor_finds_nothing_wrong_here() {
    let (code, told) = doctor_on_free_ports(&[], &["--in-flight-bytes-max=100MiB", "--cache-memory-bytes=16MiB"]);
    assert_eq!(code, Some(0), "{told}");
    for name in ["open files", "memory", "clock", "data folder", "fsync", "kafka port", "http port", "store"] {
        assert_ne!(check_named(&told, name)["state"], "wrong", "{told}");
    }
    for name in ["store range", "store list", "store delete", "store claim"] {
        assert_eq!(check_named(&told, name)["state"], "ok", "{told}");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments = ["doctor", "--kafka-listen=127.0.0.1:0", "--http-listen=off", "--cache-disk-bytes=0"];
    let said = tidelog(folder.path(), &[], &arguments);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("fsync") && !said.contains('\x1b'), "{said}");
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do() {
    let check_wrong = |arguments: &[&str], name: &str, what: &str, advice: &str| {
        let (code, told) = doctor_on_free_ports(&CREDENTIALS, arguments);
        let found = check_named(&told, name);
        assert_eq!((code, &found["state"]), (Some(1), &serde_json::Value::from("wrong")), "{told}");
        let told = |key: &str| found[key].as_str().expect("text").to_owned();
        assert!(told("what").contains(what) && told("do").contains(advice), "{found}");
    };
    check_wrong(&["--cache-memory-bytes=1000000GiB"], "memory", "available", "--cache-memory-bytes");
    check_wrong(&["--cache-disk-bytes=1000000GiB"], "data folder", "needed", "--cache-disk-bytes");
    check_wrong(&["--data-dir=/dev/null/x"], "data folder", "/dev", "--data-dir");
    check_wrong(&["--store=file:///proc/nothing/here"], "store", "nothing can be made", "--store");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().map(|address| (taken, address)).expect("it is bound");
    let flag = format!("--kafka-listen={}", taken.1);
    let (code, told) = doctor(&[], &[&flag, "--http-listen=off", "--cache-disk-bytes=0"]);
    assert_eq!((code, check_named(&told, "kafka port")["state"].as_str()), (Some(1), Some("wrong")), "{told}");
    let endpoint = format!("--store-endpoint=http://{}", bucket_that_takes_nothing());
    let s3 = ["--store=s3://bucket/here", "--store-allow-http", "--store-path-style", &endpoint];
    check_wrong(&s3, "store", "s3:PutObject", "s3:DeleteObject");
}

#[test]
fn doctor_says_what_to_do_about_a_store_that_is_not_as_it_should_be() {
    let check = |endpoint: SocketAddr, what: &str, advice: &str| {
        let endpoint = format!("--store-endpoint=http://{endpoint}");
        let s3 = ["--store=s3://bucket/here", "--store-allow-http", "--store-path-style", &endpoint];
        let (code, told) = doctor_on_free_ports(&CREDENTIALS, &s3);
        let found = check_named(&told, "store");
        let told = |key: &str| found[key].as_str().expect("text").to_owned();
        assert!(code == Some(1) && told("what").contains(what) && told("do").contains(advice), "{found}");
    };
    let missing = bucket_that_says("404 Not Found", "NoSuchBucket");
    check(missing, "no such bucket", &format!("aws s3 mb s3://bucket --endpoint-url http://{missing}"));
    let key = bucket_that_says("403 Forbidden", "InvalidAccessKeyId");
    check(key, "InvalidAccessKeyId", "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    let secret = bucket_that_says("403 Forbidden", "SignatureDoesNotMatch");
    check(secret, "SignatureDoesNotMatch", "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|gone| gone.local_addr()).expect("a free port");
    check(nobody, "Connection refused", &format!("`curl -i http://{nobody}`"));
}

#[test]
fn doctor_does_not_disturb_a_running_node() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let serving = Serving::start(folder.path(), &[]);
    let arguments = ["doctor", "--json", "--data-dir=data", "--kafka-listen=127.0.0.1:0", "--http-listen=off"];
    let output = tidelog(folder.path(), &[], &arguments);
    let told = serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(1));
    assert!(check_named(&told, "data folder")["what"].as_str().expect("text").contains("in use"), "{told}");
    assert_eq!(serving.end(Signal::TERM).0, Some(0));
}

/// A `tidelog dev` that serves; killed when dropped.
struct Serving {
    process: Child,
    address: String,
    banner: String,
}

impl Serving {
    /// Starts it on a free port with its data in `folder`, and reads the banner to its end.
    fn start(folder: &Path, more: &[&str]) -> Serving {
        let arguments =
            [&["dev", "--kafka-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--data-dir", "data"], more]
                .concat();
        Serving::of(command(folder, &[], &arguments))
    }

    /// Starts what the command says, and reads the banner to its end.
    fn of(mut command: Command) -> Serving {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tidelog starts");
        let mut lines = BufReader::new(process.stdout.take().expect("piped above")).lines();
        let mut banner = String::new();
        while !banner.contains("Ctrl-C drains") {
            let Some(line) = lines.next() else {
                let mut said = String::new();
                process.stderr.take().expect("piped above").read_to_string(&mut said).expect("it has ended");
                panic!("it ended before it served:\n{banner}{said}");
            };
            banner.push_str(&line.expect("text"));
            banner.push('\n');
        }
        let address =
            banner.split("kcat -C -b ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a line to try");
        Serving { process, address: address.to_owned(), banner }
    }

    /// Sends a signal and waits for the end: the exit code, if it was not killed, and what it logged.
    fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.process), signal).expect("it runs");
        let mut said = String::new();
        self.process.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        (self.process.wait().expect("it is our child").code(), said)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn dev_serves_until_told_to_stop() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for signal in [Signal::TERM, Signal::INT] {
        let serving = Serving::start(folder.path(), &[]);
        for part in [env!("CARGO_PKG_VERSION"), "kafka", "data", "store", "cache", "produce greetings", "kcat -C -b"] {
            assert!(serving.banner.contains(part), "the banner lacks {part}:\n{}", serving.banner);
        }
        assert!(serving.banner.contains("no disk") && !serving.banner.contains("REFUSED"), "{}", serving.banner);
        assert!(!serving.banner.contains('\x1b'), "colours are for terminals");
        TcpStream::connect(&serving.address).expect("it listens where it says");
        let address = serving.address.clone();
        let (code, said) = serving.end(signal);
        assert_eq!(code, Some(0), "{said}");
        assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    }
}

/// As when the disk fails: not a byte can be written to a file any more. Nobody asks the node anything.
#[cfg(target_os = "linux")]
#[test]
fn a_node_whose_disk_fails_ends_by_itself_and_says_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments = ["dev", "--kafka-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--data-dir", "data"];
    // A write beyond the limit is then an error, and not the end of the process.
    let script = ["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_tidelog")];
    let mut serving = Serving::of(program("sh", folder.path(), &[], &[&script[..], &arguments[..]].concat()));
    let mut stderr = serving.process.stderr.take().expect("piped");
    let (told, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut said = String::new();
        let read = stderr.read_to_string(&mut said).map(|_| said);
        let _ = told.send(read);
    });
    let limit = Rlimit { current: Some(0), maximum: getrlimit(Resource::Fsize).maximum };
    prlimit(Some(Pid::from_child(&serving.process)), Resource::Fsize, limit).expect("it runs, and is ours");
    let said = ended.recv_timeout(Duration::from_secs(30)).expect("it ends").expect("text");
    assert!(said.contains("the node cannot go on: its replica of the catalog has stopped"), "{said}");
    assert_eq!(serving.process.wait().expect("it is our child").code(), Some(1), "{said}");
}

#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = Serving::start(folder.path(), &[]);
    let arguments = ["dev", "--kafka-listen", "127.0.0.1:0", "--http-listen", "off", "--data-dir", "data"];
    let mut command = command(folder.path(), &[], &arguments);
    let mut second = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tidelog starts");
    // Nothing is printed by one that is refused; one that serves would never end by itself.
    let mut first_line = String::new();
    let mut out = BufReader::new(second.stdout.take().expect("piped above"));
    out.read_line(&mut first_line).expect("text");
    if !first_line.is_empty() {
        let _ = second.kill();
    }
    let second = second.wait_with_output().expect("it is our child");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("in use") && said.contains("data"), "{said}");
    assert_eq!(first.end(Signal::TERM).0, Some(0), "the first is not disturbed");
}

/// `tidelog dev` with these arguments does not start, says these things, and leaves nothing in its folder.
fn check_not_started(arguments: &[&str], says: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = tidelog(folder.path(), &[], &[&["dev", "--http-listen", "127.0.0.1:0"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for text in says {
        assert!(said.contains(text), "{arguments:?} does not say {text:?}:\n{said}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder is readable").collect();
    assert!(left.is_empty(), "{arguments:?} left {left:?} behind");
    said
}

#[test]
fn a_port_in_use_is_refused_before_anything_is_made() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let said = format!("kafka.listen = \"{address}\" (flag --kafka-listen)");
    let says = [said.as_str(), "another process listens there", "this works: --kafka-listen 127.0.0.1:0"];
    check_not_started(&["--kafka-listen", &address], &says);
    check_not_started(&["--kafka-listen", &address, "--store", "memory:"], &says);
}

#[test]
fn a_port_of_http_in_use_is_refused_before_anything_is_made() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = tidelog(folder.path(), &[], &["dev", "--kafka-listen", "127.0.0.1:0", "--http-listen", &address]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let works = "this works: --http-listen 127.0.0.1:0  or  --http-listen off";
    assert!(said.contains("another process listens there") && said.contains(works), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0);
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    // Even root makes no folder below a file.
    let says = ["data_dir = \"/dev/null/x\" (flag --data-dir)", "cannot make", "this works: --data-dir "];
    check_not_started(&["--kafka-listen", "127.0.0.1:0", "--data-dir", "/dev/null/x"], &says);
    check_not_started(&["--kafka-listen", "127.0.0.1:0", "--data-dir", "/dev/null/x", "--store", "memory:"], &says);
}

#[test]
fn a_store_of_another_cluster_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("file://{}/objects", folder.path().display());
    let first = Serving::start(folder.path(), &["--store", &url]);
    let said = check_not_started(&["--kafka-listen", "127.0.0.1:0", "--store", &url], &["belongs to cluster"]);
    assert_eq!(said.matches(&format!("{url} belongs")).count(), 1, "{said}");
    assert_eq!(said.matches(&format!("tidelog: the store at {url}")).count(), 1, "the store is named once: {said}");
    assert_eq!(first.end(Signal::TERM).0, Some(0), "its owner is not disturbed");
}

/// What AWS's own tools would find; nobody checks them here.
const CREDENTIALS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_EC2_METADATA_DISABLED", "true")];

/// The flags of a bucket that is said to be there.
fn bucket_at(address: SocketAddr) -> Vec<String> {
    let endpoint = format!("http://{address}");
    let flags = ["dev", "--kafka-listen=127.0.0.1:0", "--http-listen=off", "--data-dir=data"];
    let more = ["--store=s3://bucket/here", "--store-allow-http", "--store-path-style", "--store-endpoint", &endpoint];
    flags.into_iter().chain(more).map(str::to_owned).collect()
}

/// Of a store that does not answer, or where nobody listens, it is said within two seconds which one it is, what is wrong, and
/// for how long it will be tried.
#[test]
fn a_store_that_cannot_be_reached_is_told_of_soon() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent_at = silent.local_addr().expect("it is bound");
    let nobody_at = std::net::TcpListener::bind("127.0.0.1:0").and_then(|gone| gone.local_addr()).expect("a free port");
    for (address, problem) in [(silent_at, "no answer yet"), (nobody_at, "Connection refused")] {
        let arguments = bucket_at(address);
        let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
        let mut command = command(folder.path(), &CREDENTIALS, &arguments);
        let began = Instant::now();
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tidelog starts");
        let mut lines = BufReader::new(process.stderr.take().expect("piped above")).lines();
        let told = lines.find_map(|line| line.ok().filter(|line| line.contains("trying on")));
        let took = began.elapsed();
        process.kill().and_then(|()| process.wait()).expect("it was running");
        let told = told.expect("it is told");
        assert!(took < Duration::from_millis(2_500), "after {took:?}: {told}");
        for part in ["WARN", "s3://bucket", &address.to_string(), problem, "gives_up_within_s=3"] {
            assert!(told.contains(part), "{part} is not in: {told}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0, "nothing is made before");
    }
}

/// A bucket in which nothing is and into which this user may not write.
fn bucket_that_takes_nothing() -> SocketAddr {
    bucket_that_says("403 Forbidden", "AccessDenied")
}

/// The same, with these words for it.
fn bucket_that_says(status: &'static str, code: &'static str) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            for _ in lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()) {}
            let (status, code) = if first.starts_with("GET") { ("404 Not Found", "NoSuchKey") } else { (status, code) };
            let body = format!("<Error><Code>{code}</Code></Error>");
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            // Who asks may have gone.
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    address
}

#[test]
fn a_store_that_cannot_be_used_leaves_nothing_in_the_way_of_the_next_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let no_folder = "file:///dev/null/objects";
    let doors = ["dev", "--kafka-listen=127.0.0.1:0", "--http-listen=off"];
    let by_folder = [&doors[..], &["--data-dir=data", "--store", no_folder]].concat();
    let by_rights = bucket_at(bucket_that_takes_nothing());
    let by_rights = by_rights.iter().map(String::as_str).collect::<Vec<_>>();
    let by_bucket = bucket_at(bucket_that_says("404 Not Found", "NoSuchBucket"));
    let by_bucket = by_bucket.iter().map(String::as_str).collect::<Vec<_>>();
    for (arguments, says) in [
        (&by_folder[..], "/dev/null/objects"),
        (&by_rights[..], "writing objects (s3:PutObject)"),
        (&by_bucket[..], "do: make the bucket (aws s3 mb s3://bucket "),
    ] {
        let output = tidelog(folder.path(), &CREDENTIALS, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(says), "{said}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0, "nothing is made for it");
    }
    // With a store of another cluster nothing would be in its way either; with one of nobody it starts.
    let serving = Serving::start(folder.path(), &[]);
    assert_eq!(serving.end(Signal::TERM).0, Some(0));
}

#[test]
fn the_log_may_be_json() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments = ["dev", "--log-format=json", "--store=memory:", "--kafka-listen=127.0.0.1:0", "--http-listen=off"];
    let mut process = command(folder.path(), &[], &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let process = process.as_mut().expect("tidelog starts");
    let mut lines = BufReader::new(process.stderr.take().expect("piped above")).lines();
    let serving = lines.by_ref().map(|line| line.expect("text")).find(|line| line.contains("\"serving\""));
    let serving: serde_json::Value = serde_json::from_str(&serving.expect("it serves")).expect("every line is JSON");
    assert_eq!(serving["level"], "INFO");
    kill_process(Pid::from_child(process), Signal::TERM).expect("it runs");
    for line in lines {
        serde_json::from_str::<serde_json::Value>(&line.expect("text")).expect("every line is JSON");
    }
    let mut out = String::new();
    process.stdout.take().expect("piped above").read_to_string(&mut out).expect("text");
    assert_eq!(out, "", "the banner is for people");
    assert_eq!(process.wait().expect("it is our child").code(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0, "memory leaves nothing behind");
}

/// `cargo run` passes on what a build script sets for the compiler, and names that begin like settings are refused.
#[test]
fn cargo_run_sets_nothing_that_would_be_taken_for_a_setting() {
    let build = include_str!("../build.rs");
    assert!(build.contains("cargo::rustc-env=BUILT_COMMIT"), "this test knows the script's one variable");
    assert!(!build.contains("cargo::rustc-env=TIDELOG_"));
}
