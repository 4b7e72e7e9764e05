//! How long a node with much data takes to serve again.

use std::path::Path;

use crate::server::Server;
use crate::stages::{TOPIC, create, fill, fill_partitions};

const PARTITIONS: usize = 10_000;
const MEBIBYTES: usize = 10 * 1024;
/// Written before each end, so that there is log behind the last snapshot.
const FRESH_MEBIBYTES: usize = 64;

/// A server with 10,000 partitions and 10 GiB in them. Filled once: that takes longer than all restarts.
pub struct Filled<'a> {
    binary: &'a Path,
    server: Option<Server>,
}

/// From start to the first answered Metadata request.
pub struct Restart {
    pub stopped_seconds: f64,
    pub killed_seconds: f64,
}

impl Filled<'_> {
    pub fn new(binary: &Path) -> anyhow::Result<Filled<'_>> {
        let server = Server::start(binary)?;
        create(&server, i32::try_from(PARTITIONS)?)?;
        eprint!("restart: filling {MEBIBYTES} MiB   ");
        fill_partitions(&server, MEBIBYTES, |mebibyte| i32::try_from(mebibyte % PARTITIONS).ok())?;
        let (objects, bytes) = server.objects()?;
        anyhow::ensure!(bytes >= (MEBIBYTES as u64) << 20, "the store has {bytes} bytes in {objects} objects");
        eprintln!("{objects} objects, {bytes} bytes");
        Ok(Filled { binary, server: Some(server) })
    }

    /// Ends it with SIGTERM and starts it, then the same with SIGKILL.
    pub fn restart(&mut self) -> anyhow::Result<Restart> {
        let stopped_seconds = self.start_after(Server::stop)?;
        let killed_seconds = self.start_after(Server::kill)?;
        Ok(Restart { stopped_seconds, killed_seconds })
    }

    fn start_after(
        &mut self,
        end: impl FnOnce(Server, tempfile::TempDir) -> anyhow::Result<tempfile::TempDir>,
    ) -> anyhow::Result<f64> {
        let server = self.server.take().ok_or_else(|| anyhow::anyhow!("an earlier restart failed"))?;
        fill(&server, FRESH_MEBIBYTES)?;
        let folder = end(server, tempfile::tempdir_in(".")?)?;
        let server = Server::start_in(self.binary, folder)?;
        let seen = server.partitions(Some(TOPIC))?;
        anyhow::ensure!(seen == PARTITIONS, "{seen} partitions are there after a restart");
        let seconds = server.start_seconds;
        self.server = Some(server);
        Ok(seconds)
    }
}
