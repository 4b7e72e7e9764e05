//! One process that serves something, with a log, killed when it is dropped.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// Lines of a log that are shown.
const LINES_SHOWN: usize = 40;
/// A program that prepares something is ended after this.
const PREPARATION_SECONDS: u32 = 60;

/// A running process. Dropped, it is killed.
pub(super) struct Daemon {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` with both its streams going to `log`.
    pub(super) fn start(name: &'static str, mut command: Command, log: PathBuf) -> anyhow::Result<Daemon> {
        let file = appended(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        end_with_us(&mut command);
        let child = command.spawn().with_context(|| format!("starting {name} ({:?})", command.get_program()))?;
        Ok(Daemon { name, child, log })
    }

    /// Asks `is_up` again and again. A daemon tells nobody when it is ready, so there is nothing to wait for but time.
    pub(super) fn wait<T>(&mut self, bound: Duration, is_up: impl Fn() -> Option<T>) -> anyhow::Result<T> {
        let deadline = Instant::now() + bound;
        loop {
            if let Some(up) = is_up() {
                return Ok(up);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before it served ({status}):\n{}", self.name, tail(&self.log));
            }
            ensure!(Instant::now() < deadline, "{} does not serve after {bound:?}:\n{}", self.name, tail(&self.log));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(super) fn signal(&mut self, signal: libc::c_int) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended by itself ({status}):\n{}", self.name, tail(&self.log));
        }
        let pid = libc::pid_t::try_from(self.child.id()).context("a process id")?;
        // SAFETY: a plain system call. The child was not reaped above, so the id is still its own.
        let sent = unsafe { libc::kill(pid, signal) };
        ensure!(sent == 0, "cannot signal {}", self.name);
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `command` to its end, which must be good; returns its standard output. Its errors go to `log`.
pub(super) fn prepare(command: &Command, log: &Path) -> anyhow::Result<String> {
    let mut bounded = crate::tools::bounded(&command.get_program().to_string_lossy(), PREPARATION_SECONDS);
    bounded.args(command.get_args());
    bounded.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bounded.stdin(Stdio::null()).stderr(appended(log)?);
    let output = bounded.output().with_context(|| format!("starting {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}\n{}", output.status, tail(log));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A loopback port that nobody listens on now. Ports are handed out in turn, so it is not given to somebody else soon.
pub(super) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The Python that has moto and boto3: `target/verify-tools/venv-s3`, found from where this program was built to.
pub(super) fn python() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let mut above = this.ancestors().map(|folder| folder.join("verify-tools/venv-s3/bin/python"));
    above.find(|python| python.exists()).context("no verify-tools/venv-s3 folder: run `cargo verify s3`")
}

fn appended(log: &Path) -> anyhow::Result<File> {
    OpenOptions::new().create(true).append(true).open(log).with_context(|| format!("opening {}", log.display()))
}

/// The end of a log.
fn tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
}

/// Has the kernel kill the process when the thread that started it ends, so that a test that is killed leaves nothing.
#[cfg(target_os = "linux")]
fn end_with_us(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: one system call, which is safe between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn end_with_us(_: &mut Command) {}
