//! Records what the Java client sends, as frames for `tidelog-fuzz`: `record-java FOLDER`.
//!
//! The console tools and the performance test talk to a server through the recorder of `tidelog-fuzz`, which lies beside
//! this binary. Frames that are in the folder already are kept; the last line says how many kinds there are.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tidelog_clients::Server;
use tidelog_clients::server::Options;
use tidelog_clients::tools::{java, run};

const TOOL_SECONDS: u32 = 90;
const RECORDER_WAIT_MAX: Duration = Duration::from_secs(10);
/// What each run brings: Produce, Fetch, ListOffsets, Metadata, OffsetCommit, OffsetFetch, FindCoordinator, JoinGroup,
/// SyncGroup, ApiVersions, CreateTopics, DeleteTopics, InitProducerId.
const KEYS: [u16; 13] = [0, 1, 2, 3, 8, 9, 10, 11, 14, 18, 19, 20, 22];

/// Forwards until dropped.
struct Recorder(Child);

impl Drop for Recorder {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Recorder {
    fn start(listen: &str, to: &str, folder: &Path) -> anyhow::Result<Recorder> {
        let program = std::env::current_exe()?.with_file_name("tidelog-fuzz");
        let mut command = Command::new(&program);
        command.args(["--record", listen, "--to", to, "--client", "java", "--into"]).arg(folder);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let recorder = Recorder(command.spawn().with_context(|| format!("starting {}", program.display()))?);
        let begun = Instant::now();
        while std::net::TcpStream::connect(listen).is_err() {
            ensure!(begun.elapsed() < RECORDER_WAIT_MAX, "the recorder does not listen at {listen}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(recorder)
    }
}

fn main() -> anyhow::Result<()> {
    let folder: PathBuf = std::env::args_os().nth(1).context("usage: record-java FOLDER")?.into();
    std::fs::create_dir_all(&folder)?;
    // Clients are told to come to the recorder. Taken and given back: loopback ports are handed out in turn.
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let flags = vec!["--kafka-advertised".to_owned(), listen.clone()];
    let server = Server::start(Options { flags, ..Options::default() })?;
    let recorder = Recorder::start(&listen, server.address(), &folder)?;
    use_all_tools(&listen)?;
    drop(recorder);

    let names = std::fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.file_name()));
    let names: Vec<_> = names.collect::<Result<_, _>>()?;
    // `java.api00.v12.0.bin`
    let kinds: BTreeSet<&str> =
        names.iter().filter_map(|name| name.to_str()?.strip_prefix("java.")?.get(.."api00.v12".len())).collect();
    for key in KEYS {
        let key = format!("api{key:02}");
        ensure!(kinds.iter().any(|kind| kind.starts_with(&key)), "no {key} among {kinds:?}");
    }
    println!("{} kinds of Java frames in {}", kinds.len(), folder.display());
    Ok(())
}

fn use_all_tools(address: &str) -> anyhow::Result<()> {
    let tool = |class: &str, arguments: &[&str], input: &str| -> anyhow::Result<String> {
        let mut command = java(&format!("org.apache.kafka.tools.{class}"), TOOL_SECONDS)?;
        command.args(["--bootstrap-server", address]).args(arguments);
        run(command, input.as_bytes())
    };
    let lines: String = (0..200).map(|index| format!("line {index}\n")).collect();
    tool("TopicCommand", &["--create", "--topic", "gone", "--partitions", "3"], "")?;
    tool("TopicCommand", &["--delete", "--topic", "gone"], "")?;
    tool("ConsoleProducer", &["--topic", "lines"], &lines)?;
    let plain = ["--topic", "lines", "--compression-codec", "gzip", "--producer-property", "enable.idempotence=false"];
    tool("ConsoleProducer", &plain, &lines)?;
    let consume = ["--topic", "lines", "--from-beginning", "--timeout-ms", "60000", "--max-messages", "400"];
    let read = tool("consumer.ConsoleConsumer", &[&consume[..], &["--group", "g"]].concat(), "")?;
    ensure!(read.lines().count() == 400, "the group read {read}");
    tool("consumer.ConsoleConsumer", &[&consume[..], &["--partition", "0"]].concat(), "")?;
    let performance = ["--topic", "perf", "--num-records", "2000", "--record-size", "100", "--throughput", "-1"];
    tool("ProducerPerformance", &performance, "")?;
    Ok(())
}
