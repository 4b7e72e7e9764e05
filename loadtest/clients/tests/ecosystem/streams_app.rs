//! The word count of Kafka Streams, with its topics and what it was fed.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::SESSION_MS;
use crate::program::Program;
use crate::topics::{create, read, wait_consumed, wait_in_work};
use crate::words::{Expected, Found};

/// Its name: of its group, and what the names of its own topics begin with.
pub const APPLICATION: &str = "words";
/// Between the two halves of its work.
pub const REPARTITION: &str = "words-by-word-repartition";
/// So many tasks has each half of the work.
pub const PARTITIONS: u32 = 6;

/// One application, which may run in several processes.
pub struct Application {
    folder: TempDir,
    /// What it was fed; tests add to it.
    pub expected: Expected,
    /// The time of the first minute: now, so that nothing is older than what topics keep.
    pub base_ms: i64,
}

impl Application {
    /// Creates the topics that it expects to be there.
    pub fn create(address: &str) -> anyhow::Result<Application> {
        let partitions = i32::try_from(PARTITIONS)?;
        create(address, &[("lines", partitions), ("loud", 3), ("counts", 3), ("totals", 3)])?;
        let base_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let folder = TempDir::with_prefix("tidelog-streams-")?;
        Ok(Application { folder, expected: Expected::new(base_ms), base_ms })
    }

    /// Where an instance keeps its state.
    pub fn state(&self, instance: &str) -> PathBuf {
        self.folder.path().join(instance)
    }

    /// Starts an instance.
    pub fn start(&self, address: &str, instance: &str, more: &[&str]) -> anyhow::Result<Program> {
        let mut settings = vec![
            format!("bootstrap.servers={address}"),
            format!("application.id={APPLICATION}"),
            format!("state.dir={}", self.state(instance).display()),
            format!("session.timeout.ms={SESSION_MS}"),
            // Often, so that a test finds it between two commits and need not wait for one.
            "commit.interval.ms=500".to_owned(),
            "heartbeat.interval.ms=1000".to_owned(),
            "repartition.purge.interval.ms=1000".to_owned(),
            "auto.offset.reset=earliest".to_owned(),
            // So that every count comes out, not only the last one before a commit.
            "statestore.cache.max.bytes=0".to_owned(),
            "reconnect.backoff.max.ms=200".to_owned(),
        ];
        settings.extend(more.iter().map(|word| (*word).to_owned()));
        Program::start("WordCount", &settings)
    }

    /// Waits until everything is dealt with, and compares. How many were counted more than once.
    pub fn check(&self, address: &str) -> anyhow::Result<u64> {
        wait_consumed(address, APPLICATION, &["lines", REPARTITION])?;
        let found =
            Found { loud: read(address, "loud")?, counts: read(address, "counts")?, totals: read(address, "totals")? };
        self.expected.check(&found)
    }
}

/// Waits until the instance's last word about its tasks is `wanted`.
pub fn wait_tasks(instance: &Program, wanted: impl Fn(u32) -> bool) -> anyhow::Result<()> {
    instance.wait_line("tasks", |lines| {
        let last = lines.iter().rev().find_map(|line| line.strip_prefix("tasks ")?.strip_suffix('.')?.parse().ok());
        last.is_some_and(&wanted)
    })
}

/// Waits until the application has done `more` of its second half, and is in the middle of it.
pub fn wait_work(address: &str, more: i64) -> anyhow::Result<()> {
    wait_in_work(address, APPLICATION, REPARTITION, more)
}
