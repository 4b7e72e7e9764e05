//! Apache Kafka itself: one combined node in a folder of its own, for as long as its owner lives.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;
use tidelog_clients::server::end_with_us;
use tidelog_clients::tools;

use crate::wire::Wire;

/// From start to serving: 3 s on an idle machine, 15 s on a busy one.
const START_MAX: Duration = Duration::from_secs(90);
/// Between two looks whether it serves.
const START_PAUSE: Duration = Duration::from_millis(100);
/// Its heap, which bounds what a run takes from the machine.
const HEAP: &str = "-Xmx512m";
/// Lines of its output that are shown when it does not come up.
const LINES_SHOWN_MAX: usize = 40;

/// A running broker. Dropped, it is killed and its folder removed; it also ends with the thread that started it.
pub struct Apache {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Apache {
    /// Formats a folder and starts a broker on free ports of loopback, whose id is `node`.
    ///
    /// # Errors
    /// There are no jars or no Java, or it does not come up; the text has the end of its output.
    pub fn start(node: i32) -> anyhow::Result<Apache> {
        let folder = TempDir::with_prefix("tidelog-parity-")?;
        let (broker, controller) = free_ports()?;
        let properties = folder.path().join("server.properties");
        fs::write(&properties, settings(node, broker, controller, &folder.path().join("data")))?;
        let log = folder.path().join("log");
        let classes = compile_receiver(folder.path(), &log)?;
        let mut format = java("kafka.tools.StorageTool", &classes, &log)?;
        format.args(["format", "--cluster-id", "AAECAwQFBgcICQoLDA0ODw", "--config"]).arg(&properties);
        ensure!(format.status()?.success(), "Kafka's storage cannot be formatted:\n{}", last_lines(&log));
        let mut serve = java("kafka.Kafka", &classes, &log)?;
        serve.arg(&properties);
        let child = serve.spawn().context("starting Java")?;
        let mut apache = Apache { child, address: format!("127.0.0.1:{broker}"), _folder: folder };
        apache.wait_ready(&log)?;
        Ok(apache)
    }

    /// `host:port` for clients.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    fn wait_ready(&mut self, log: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_MAX;
        while Wire::connect(&self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("Kafka ended before it served ({status}):\n{}", last_lines(log));
            }
            ensure!(Instant::now() < deadline, "Kafka does not serve after {START_MAX:?}:\n{}", last_lines(log));
            std::thread::sleep(START_PAUSE);
        }
        Ok(())
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What Kafka's own defaults say, but for what one node needs and for times that both systems have alike.
fn settings(node: i32, broker: u16, controller: u16, data: &Path) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id={node}\n\
         controller.quorum.voters={node}@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{broker}\n\
         controller.listener.names=CONTROLLER\n\
         log.dirs={}\n\
         offsets.topic.num.partitions=1\n\
         offsets.topic.replication.factor=1\n\
         metric.reporters=Receiver\n\
         group.initial.rebalance.delay.ms=100\n",
        data.display()
    )
}

/// Without something that takes what clients push, Kafka offers no telemetry. Returns where the class is.
fn compile_receiver(folder: &Path, log: &Path) -> anyhow::Result<PathBuf> {
    let (source, classes) = (folder.join("Receiver.java"), folder.join("classes"));
    fs::write(&source, include_str!("../java/Receiver.java"))?;
    let mut compile = program("javac", log)?;
    compile.args(["-nowarn", "-cp"]).arg(tools::jars()?.join("*")).arg("-d").arg(&classes).arg(&source);
    let status = compile.status().context("starting javac, which is part of a JDK")?;
    ensure!(status.success(), "Receiver.java does not compile:\n{}", last_lines(log));
    Ok(classes)
}

fn java(class: &str, classes: &Path, log: &Path) -> anyhow::Result<Command> {
    let mut path = classes.as_os_str().to_owned();
    path.push(":");
    path.push(tools::jars()?.join("*"));
    let mut command = program("java", log)?;
    command.args([HEAP, "-cp"]).arg(path).arg(class);
    Ok(command)
}

fn program(name: &str, log: &Path) -> anyhow::Result<Command> {
    let output = File::options().create(true).append(true).open(log)?;
    let mut command = Command::new(name);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    end_with_us(&mut command);
    Ok(command)
}

/// Taken and given back: loopback ports are handed out in turn, so they are not given to somebody else soon.
fn free_ports() -> anyhow::Result<(u16, u16)> {
    let (one, other) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}

fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_SHOWN_MAX)..].join("\n")
}
