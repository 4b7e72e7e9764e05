//! Apache Kafka itself: one combined node in a folder of its own, for as long as its owner lives.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use crate::server::end_with_us;
use crate::tools;

/// From start to serving, at most: 3 s on an idle machine, 15 s on a busy one.
pub const START_MAX: Duration = Duration::from_secs(90);
/// Between two looks whether it serves.
const START_PAUSE: Duration = Duration::from_millis(100);
/// For the answer to such a look.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Lines of its output that are shown when it does not come up.
const LINES_SHOWN_MAX: usize = 40;
/// Its output, in its folder.
const LOG: &str = "log";

/// How a broker is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its node id.
    pub node: i32,
    /// Flags of the JVM, which bound what a run takes from the machine.
    pub jvm: Vec<String>,
    /// Lines of `server.properties` beside those that one node needs.
    pub properties: String,
    /// A folder with more classes.
    pub classes: Option<PathBuf>,
}

/// A running broker. Dropped, it is killed and its folder removed; it also ends with the thread that started it.
pub struct Apache {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Apache {
    /// Formats `folder` and starts a broker on free ports of loopback.
    ///
    /// # Errors
    /// There are no jars or no Java, or it does not come up; the text has the end of its output.
    pub fn start_in(folder: TempDir, options: &Options) -> anyhow::Result<Apache> {
        let (broker, controller) = free_ports()?;
        let properties = folder.path().join("server.properties");
        fs::write(&properties, settings(options, broker, controller, &folder.path().join("data")))?;
        let log = folder.path().join(LOG);
        let mut format = java("kafka.tools.StorageTool", options, &log)?;
        format.args(["format", "--cluster-id", "AAECAwQFBgcICQoLDA0ODw", "--config"]).arg(&properties);
        let formatted = format.status().context("starting Java")?;
        ensure!(formatted.success(), "Kafka's storage cannot be formatted:\n{}", last_lines(&log));
        let mut serve = java("kafka.Kafka", options, &log)?;
        serve.arg(&properties);
        let child = serve.spawn().context("starting Java")?;
        let mut apache = Apache { child, address: format!("127.0.0.1:{broker}"), folder };
        apache.wait_ready()?;
        Ok(apache)
    }

    /// `host:port` for clients.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process: the JVM, which has no children.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The end of what it printed.
    #[must_use]
    pub fn output(&self) -> String {
        last_lines(&self.folder.path().join(LOG))
    }

    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_MAX;
        while !serves(&self.address) {
            if let Some(status) = self.child.try_wait()? {
                bail!("Kafka ended before it served ({status}):\n{}", self.output());
            }
            ensure!(Instant::now() < deadline, "Kafka does not serve after {START_MAX:?}:\n{}", self.output());
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

/// Whether it answers, which is later than that it listens: ApiVersions in version 0, of a client without a name.
fn serves(address: &str) -> bool {
    const ASK: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    let ask = || -> std::io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        stream.write_all(&ASK)?;
        stream.read_exact(&mut [0; 8])
    };
    ask().is_ok()
}

/// The release of the jars, as `4.3.1`.
///
/// # Errors
/// There are no jars.
pub fn release() -> anyhow::Result<String> {
    const BEGINS: &str = "kafka-server-";
    let jars = tools::jars()?;
    let names = fs::read_dir(&jars)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut releases = names.filter_map(|name| {
        let release = name.strip_prefix(BEGINS)?.strip_suffix(".jar")?;
        release.starts_with(|first: char| first.is_ascii_digit()).then(|| release.to_owned())
    });
    releases.next().with_context(|| format!("no {BEGINS}*.jar in {}", jars.display()))
}

/// What Kafka's own defaults say, but for what one node needs and for times that all systems have alike.
fn settings(options: &Options, broker: u16, controller: u16, data: &Path) -> String {
    let node = options.node;
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
         group.initial.rebalance.delay.ms=100\n\
         {}",
        data.display(),
        options.properties
    )
}

fn java(class: &str, options: &Options, log: &Path) -> anyhow::Result<Command> {
    let mut path = OsString::new();
    if let Some(classes) = &options.classes {
        path.push(classes);
        path.push(":");
    }
    path.push(tools::jars()?.join("*"));
    let mut command = logged("java", log)?;
    command.args(&options.jvm).arg("-cp").arg(path).arg(class);
    Ok(command)
}

/// A program that prints to `log`, and ends with the thread that starts it.
///
/// # Errors
/// There is no such file, and it cannot be made.
pub fn logged(name: &str, log: &Path) -> anyhow::Result<Command> {
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

/// The end of a file.
#[must_use]
pub fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_SHOWN_MAX)..].join("\n")
}
