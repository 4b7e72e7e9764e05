//! moto: S3 in a Python process, up in a second, everything in memory.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::daemon::{Daemon, python};
use super::{BUCKET, S3Server};

/// Our wrapper, which says the port and puts a lock where moto has none.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/moto_server.py");
/// In its folder.
const LOG: &str = "moto.log";
const START_WAIT_MAX: Duration = Duration::from_secs(30);

/// A running moto.
pub struct Moto {
    // Before the folder, so that it is dead when its log is removed.
    daemon: Daemon,
    port: u16,
    folder: TempDir,
}

impl Moto {
    /// Starts one, with the bucket.
    ///
    /// # Errors
    /// The Python that has moto is not there, or it does not come up.
    pub fn start() -> anyhow::Result<Moto> {
        let folder = TempDir::with_prefix("tidelog-moto-")?;
        let log = folder.path().join(LOG);
        let mut python = Command::new(python()?);
        python.args([PROGRAM, BUCKET]);
        // Its own client finds nothing else to be confused by.
        python.env_remove("AWS_ENDPOINT_URL").env_remove("AWS_PROFILE");
        let mut daemon = Daemon::start("moto", python, log.clone())?;
        let port = daemon.wait(START_WAIT_MAX, || port_in(&log))?;
        Ok(Moto { daemon, port, folder })
    }

    /// The methods of all requests that it has answered, in order. It writes a line after each answer, so those of the last
    /// moment may be missing yet.
    ///
    /// # Errors
    /// Its log cannot be read.
    pub fn methods(&self) -> anyhow::Result<Vec<String>> {
        let log = std::fs::read_to_string(self.folder.path().join(LOG))?;
        let requests = log.lines().filter_map(|line| line.split_once("] \"")?.1.split_once(" /"));
        // Errors are in colour, which stands before them.
        let plain = |method: &str| method.rsplit(|letter: char| !letter.is_ascii_uppercase()).next().map(str::to_owned);
        Ok(requests.filter_map(|(method, _)| plain(method)).collect())
    }
}

/// The port in its line `listening on PORT`.
fn port_in(log: &Path) -> Option<u16> {
    let text = std::fs::read_to_string(log).ok()?;
    let (_, rest) = text.split_once("listening on ")?;
    rest.split_once('\n')?.0.parse().ok()
}

impl S3Server for Moto {
    fn name(&self) -> &'static str {
        "moto"
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn freeze(&mut self) -> anyhow::Result<()> {
        self.daemon.signal(libc::SIGSTOP)
    }

    fn resume(&mut self) -> anyhow::Result<()> {
        self.daemon.signal(libc::SIGCONT)
    }
}
