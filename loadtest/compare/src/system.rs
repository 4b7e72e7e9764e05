//! The systems, each started in a new folder and gone with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tidelog_clients::apache::{self, Apache};
use tidelog_clients::server::{Options, Server};
use tidelog_loadgen::{Failure, Target};

/// Of the JVM: the heap is fixed, and touched before anything is measured; the rest is what Kafka's own start script says.
const JVM: &[&str] = &[
    "-Xms1g",
    "-Xmx1g",
    "-XX:+AlwaysPreTouch",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];

/// What a workload is run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// With default settings.
    Tidelog,
    /// The same once more: ratios that should be 1 tell what the machine makes of no difference.
    TidelogAgain,
    /// Apache Kafka that fsyncs every batch before it acknowledges.
    KafkaFsync,
    /// Apache Kafka as it is by default: acknowledged is what the page cache has.
    KafkaPageCache,
}

impl System {
    pub const ALL: [System; 4] = [System::Tidelog, System::TidelogAgain, System::KafkaFsync, System::KafkaPageCache];

    pub fn name(self) -> &'static str {
        match self {
            System::Tidelog => "tidelog",
            System::TidelogAgain => "tidelog-again",
            System::KafkaFsync => "kafka-fsync",
            System::KafkaPageCache => "kafka-page-cache",
        }
    }

    pub fn named(name: &str) -> Result<System, String> {
        let names = System::ALL.map(System::name).join(", ");
        let found = System::ALL.into_iter().find(|system| system.name() == name);
        found.ok_or_else(|| format!("no system is called {name:?}; there are {names}"))
    }

    /// What an acknowledged record survives.
    pub fn durability(self) -> &'static str {
        match self {
            System::Tidelog | System::TidelogAgain => "fsync before acknowledge (default settings)",
            System::KafkaFsync => "fsync before acknowledge (log.flush.interval.messages=1)",
            System::KafkaPageCache => "page cache: no fsync before acknowledge (default settings)",
        }
    }

    /// The same in a word or two, for the head of a column.
    pub fn durability_in_short(self) -> &'static str {
        match self {
            System::Tidelog | System::TidelogAgain | System::KafkaFsync => "fsync",
            System::KafkaPageCache => "page cache",
        }
    }

    /// Whether it has a JVM, which is slow until it is warm.
    pub fn is_kafka(self) -> bool {
        matches!(self, System::KafkaFsync | System::KafkaPageCache)
    }

    fn properties(self) -> &'static str {
        match self {
            System::KafkaFsync => "log.flush.interval.messages=1\n",
            _ => "",
        }
    }

    /// As it names itself.
    pub fn version(self, binary: &Path) -> Result<String, Failure> {
        if self.is_kafka() {
            let release = apache::release().map_err(|error| self.unreachable(&error))?;
            return Ok(format!("Apache Kafka {release}"));
        }
        let output = Command::new(binary).arg("--version").output();
        let output = output.map_err(|error| self.unreachable(&anyhow::anyhow!("{}: {error}", binary.display())))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts it in a new folder below `beside`.
    pub fn start(self, binary: &Path, beside: &Path) -> Result<Running, Failure> {
        let started = || -> anyhow::Result<Process> {
            let folder = TempDir::with_prefix_in("tidelog-compare-", beside)?;
            Ok(if self.is_kafka() {
                let options = apache::Options {
                    node: 1,
                    jvm: JVM.iter().map(|flag| (*flag).to_owned()).collect(),
                    properties: self.properties().to_owned(),
                    classes: None,
                };
                Process::Kafka(Apache::start_in(folder, &options)?)
            } else {
                let options = Options { binary: Some(binary.to_owned()), ..Options::default() };
                Process::Tidelog(Box::new(Server::start_in(folder, options)?))
            })
        };
        let process = started().map_err(|error| self.unreachable(&error))?;
        Ok(Running { process, name: format!("{}: {}", self.name(), self.version(binary)?) })
    }

    fn unreachable(self, error: &anyhow::Error) -> Failure {
        Failure::Unreachable(format!("{} does not start: {}", self.name(), format!("{error:#}").replace('\n', " | ")))
    }

    /// A failure of a run, with the system's name.
    pub fn blame(self, failure: Failure) -> Failure {
        let name = self.name();
        match failure {
            Failure::Refused(why) => Failure::Refused(format!("{name}: {why}")),
            Failure::Unreachable(why) => Failure::Unreachable(format!("{name}: {why}")),
            Failure::BrokeOff(why) => Failure::BrokeOff(format!("{name}: {why}")),
        }
    }
}

/// One that serves. Dropped, it ends, and its folder goes.
pub struct Running {
    process: Process,
    name: String,
}

enum Process {
    Tidelog(Box<Server>),
    Kafka(Apache),
}

impl Running {
    /// For the load generator.
    pub fn target(&self) -> Target {
        let (kafka, process) = match &self.process {
            Process::Tidelog(server) => (server.address().to_owned(), server.process()),
            Process::Kafka(apache) => (apache.address().to_owned(), Some(apache.process())),
        };
        Target::There { kafka: Some(kafka), http: None, process, name: self.name.clone() }
    }

    /// The end of what it printed.
    pub fn output(&self) -> String {
        match &self.process {
            Process::Tidelog(server) => server.output(),
            Process::Kafka(apache) => apache.output(),
        }
    }
}

/// A copy of the server's binary, of that name, in a folder of its own.
pub fn keep_binary(binary: &Path, folder: &Path) -> Result<PathBuf, Failure> {
    let kept = folder.join("tidelog");
    std::fs::copy(binary, &kept)
        .map_err(|error| Failure::Refused(format!("{} cannot be copied: {error}", binary.display())))?;
    Ok(kept)
}

/// The server's binary: that one, or the one beside this program.
pub fn binary(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let found = match named {
        Some(named) if named.is_file() => std::path::absolute(named).map_err(anyhow::Error::from),
        Some(named) => Err(anyhow::anyhow!("{} is not there", named.display())),
        None => tidelog_clients::server::binary(),
    };
    found.map_err(|error| Failure::Refused(format!("{error:#}")))
}
