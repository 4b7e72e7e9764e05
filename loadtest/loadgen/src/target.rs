//! The server that a run is made against: one that is there, or one of our own that ends with the run.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tidelog_clients::server::{Options, Server};

use crate::failure::Failure;
use crate::reach::{look_for_http, look_for_kafka};
use crate::workload::Protocol;

/// `host:port` for each protocol.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) kafka: String,
    pub(crate) http: String,
}

/// Which server.
#[derive(Clone, Debug)]
pub enum Target {
    /// One that is started for the run, in a new folder below the working folder, on free ports.
    Start {
        /// `tidelog`.
        binary: PathBuf,
        /// More flags, which count as part of what is measured.
        flags: Vec<String>,
    },
    /// One that is there.
    There {
        /// `host:port` of its Kafka listener.
        kafka: Option<String>,
        /// `host:port` of its HTTP listener.
        http: Option<String>,
        /// Its process, where it is on this machine and shall be measured.
        process: Option<u32>,
        /// What it is, for the result.
        name: String,
    },
}

/// A target that answers.
pub(crate) struct Reached {
    pub(crate) addresses: Addresses,
    pub(crate) process: Option<u32>,
    pub(crate) name: String,
    /// Lives as long as this.
    _server: Option<Server>,
}

impl Target {
    /// What can be seen to be wrong before anything is started.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self {
            Target::There { process: Some(process), .. } if !is_there(*process) => {
                Err(Failure::Refused(format!("--server-pid {process}: there is no such process")))
            }
            Target::There { .. } | Target::Start { .. } => Ok(()),
        }
    }

    /// Whether it is there after the run, with all that the run has left on it.
    pub(crate) fn stays(&self) -> bool {
        matches!(self, Target::There { .. })
    }

    /// Starts it, with its objects in another `store` if there is one, or looks whether it is there.
    pub(crate) fn reach(&self, protocol: Protocol, store: Option<Options>) -> Result<Reached, Failure> {
        match self {
            Target::Start { binary, flags } => start(binary, flags, store.unwrap_or_default()),
            Target::There { kafka, http, process, name } => {
                let address = match protocol {
                    Protocol::KafkaLibrdkafka | Protocol::KafkaRaw => kafka.clone().ok_or("--kafka host:port"),
                    Protocol::Http => http.clone().ok_or("--http host:port"),
                };
                let address =
                    address.map_err(|flag| Failure::Refused(format!("this workload needs {flag} or --start")))?;
                match protocol {
                    Protocol::KafkaLibrdkafka | Protocol::KafkaRaw => look_for_kafka(&address)?,
                    Protocol::Http => look_for_http(&address)?,
                }
                let addresses =
                    Addresses { kafka: kafka.clone().unwrap_or_default(), http: http.clone().unwrap_or_default() };
                Ok(Reached { addresses, process: *process, name: name.clone(), _server: None })
            }
        }
    }
}

/// Whether a process is there, and has not ended.
fn is_there(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next());
    state.is_some_and(|state| !['Z', 'X'].contains(&state))
}

fn start(binary: &Path, flags: &[String], store: Options) -> Result<Reached, Failure> {
    let failed = |what: String| Failure::Unreachable(format!("{} does not start: {what}", binary.display()));
    // Beside the working folder, so that the disk is the one that is meant.
    let folder = TempDir::with_prefix_in("tidelog-load-", ".").map_err(|error| failed(error.to_string()))?;
    let binary = std::path::absolute(binary).map_err(|error| failed(error.to_string()))?;
    let flags = [&store.flags[..], flags].concat();
    let options = Options { flags, binary: Some(binary.clone()), ..store };
    let server =
        Server::start_in(folder, options).map_err(|error| failed(format!("{error:#}").replace('\n', " | ")))?;
    let version = Command::new(&binary).arg("--version").output().ok();
    let name = version.map_or("tidelog".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    Ok(Reached {
        addresses: Addresses { kafka: server.address().to_owned(), http: server.http_address().to_owned() },
        process: server.process(),
        name,
        _server: Some(server),
    })
}
