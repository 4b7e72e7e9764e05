//! Why a node did not start, in the words of the settings: which of them is at fault, and what would work.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tidelog_node::{CatalogOpenError, DoorName, StartError};

use crate::settings::{DATA_DIR, Effective, HTTP_LISTEN, KAFKA_LISTEN, Refusal, Settings, StoreUrl};
use crate::store_advice::advice;

/// The default ports, which need no privileges.
const KAFKA_PORT: u16 = 9092;
const HTTP_PORT: u16 = 8080;

/// The error as people are told it.
pub fn explained(error: StartError, effective: &Effective, settings: &Settings) -> anyhow::Error {
    let refusal = match &error {
        StartError::Listen { door, address, problem } => listen_refusal(*door, *address, problem, effective),
        StartError::Catalog(CatalogOpenError::Folder { path, tried, error }) => {
            folder_refusal(&format!("cannot {tried} {}: {error}", path.display()), effective)
        }
        StartError::Catalog(CatalogOpenError::Io { path, error }) if is_not_ours(error) => {
            folder_refusal(&format!("cannot use {}: {error}", path.display()), effective)
        }
        StartError::Store { problem } if matches!(settings.store.url, StoreUrl::S3 { .. }) => {
            return anyhow::anyhow!("{problem}\n  do: {}", advice(&settings.store, problem));
        }
        StartError::Catalog(_) | StartError::Store { .. } | StartError::Ingest(_) => return error.into(),
    };
    anyhow::anyhow!("cannot start\n\n{refusal}")
}

/// The data folder cannot be made, as people are told it.
pub fn unmade(data_dir: &Path, error: &io::Error, effective: &Effective) -> anyhow::Error {
    let refusal = folder_refusal(&format!("cannot make a folder in {}: {error}", data_dir.display()), effective);
    anyhow::anyhow!("cannot start\n\n{refusal}")
}

fn is_not_ours(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn folder_refusal(problem: &str, effective: &Effective) -> Refusal {
    let problem = format!("{problem}; a folder is needed that this user may make and write, on a disk");
    let at_home = std::env::home_dir().filter(|home| home.is_dir()).unwrap_or_else(|| PathBuf::from("."));
    let works = at_home.join("tidelog-data").display().to_string();
    effective.refusal(DATA_DIR, &problem, &[(DATA_DIR, &works)])
}

fn listen_refusal(door: DoorName, address: SocketAddr, problem: &io::Error, effective: &Effective) -> Refusal {
    let (key, port) = match door {
        DoorName::Kafka => (KAFKA_LISTEN, KAFKA_PORT),
        DoorName::Http => (HTTP_LISTEN, HTTP_PORT),
    };
    let any_port = SocketAddr::new(address.ip(), 0).to_string();
    let this_machine = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())).to_string();
    let unprivileged = SocketAddr::new(address.ip(), port).to_string();
    let (what, works) = match problem.kind() {
        io::ErrorKind::AddrInUse => ("another process listens there; with port 0 any free port is taken", any_port),
        io::ErrorKind::AddrNotAvailable => ("this machine does not have that address", this_machine),
        io::ErrorKind::PermissionDenied => ("this user may not listen on that port", unprivileged),
        _ => ("the operating system refuses it", any_port),
    };
    let problem = format!("cannot listen on {address}: {what} ({problem})");
    match door {
        DoorName::Kafka => effective.refusal(key, &problem, &[(key, &works)]),
        DoorName::Http => effective.refusal(key, &problem, &[(key, &works), (key, "off")]),
    }
}
