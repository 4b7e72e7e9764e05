//! One `tidelog dev` process that a test starts, kills and starts again on the same port and folder.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

/// From start to serving, and from SIGTERM to exit. Generous, because a busy machine is no defect.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Begins the last line of the banner; the address is the one that is advertised.
const READY: &str = "Ctrl-C drains and stops";
/// Lines of output kept for when something goes wrong.
const LINES_KEPT_MAX: usize = 400;

/// How a server is started, beyond its folder and port.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// More flags.
    pub flags: Vec<String>,
    /// More environment.
    pub environment: Vec<(String, String)>,
    /// Which binary, where it is not the one beside the program that starts it.
    pub binary: Option<PathBuf>,
}

/// The process, or between lives, its folder and port. Dropped, it is killed and its folder removed.
pub struct Server {
    folder: Option<TempDir>,
    address: String,
    http_address: String,
    options: Options,
    life: Option<Life>,
    output: Arc<Mutex<VecDeque<String>>>,
}

/// One life of the process.
struct Life {
    child: Child,
    lines: Receiver<String>,
    readers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts a server in a new folder on a free port and waits until it serves.
    ///
    /// # Errors
    /// There is no binary, or it does not come up.
    pub fn start(options: Options) -> anyhow::Result<Server> {
        Server::start_in(TempDir::with_prefix("tidelog-test-")?, options)
    }

    /// The same in a folder that is there.
    ///
    /// # Errors
    /// There is no binary, or it does not come up.
    pub fn start_in(folder: TempDir, options: Options) -> anyhow::Result<Server> {
        // Taken and given back, so that every life of this server has the same address. Loopback ports are handed out in
        // turn, so it is not given to somebody else soon.
        let free = || anyhow::Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string());
        let (address, http_address) = (free()?, free()?);
        let mut server = Server {
            folder: Some(folder),
            address,
            http_address,
            options,
            life: None,
            output: Arc::new(Mutex::new(VecDeque::new())),
        };
        server.start_again(None)?;
        server.wait_ready()?;
        Ok(server)
    }

    /// `host:port` for clients.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `host:port` for HTTP clients.
    #[must_use]
    pub fn http_address(&self) -> &str {
        &self.http_address
    }

    /// The folder that holds everything of this server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().expect("taken by keep_folder only, which consumes").path()
    }

    /// The process id of this life, if there is one.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.life.as_ref().map(|life| life.child.id())
    }

    /// Begins the next life. With `failpoint` (`name:count`) it will end itself there. Does not wait until it serves.
    ///
    /// # Errors
    /// The binary cannot be started.
    pub fn start_again(&mut self, failpoint: Option<&str>) -> anyhow::Result<()> {
        assert!(self.life.is_none(), "the last life has not ended");
        let binary = self.options.binary.clone().map_or_else(binary, Ok)?;
        let mut command = Command::new(&binary);
        command.arg("dev").arg("--data-dir").arg(self.folder().join("data"));
        command.args(["--kafka-listen", &self.address, "--http-listen", &self.http_address]).args(&self.options.flags);
        command.env_remove("TIDELOG_FAILPOINT").envs(self.options.environment.iter().cloned());
        if let Some(failpoint) = failpoint {
            command.env("TIDELOG_FAILPOINT", failpoint);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        end_with_us(&mut command);
        let mut child = command.spawn().with_context(|| format!("starting {}", binary.display()))?;
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("piped above");
        let stderr = child.stderr.take().expect("piped above");
        let keep = |output: Arc<Mutex<VecDeque<String>>>, pipe: Box<dyn Read + Send>, sender: Option<_>| {
            std::thread::spawn(move || keep_lines(pipe, &output, sender.as_ref()))
        };
        let readers = vec![
            keep(self.output.clone(), Box::new(stdout), Some(sender)),
            keep(self.output.clone(), Box::new(stderr), None),
        ];
        self.life = Some(Life { child, lines, readers });
        Ok(())
    }

    /// Waits for the line of the banner that comes when it serves.
    ///
    /// # Errors
    /// It ended, or took too long; the text has the end of its output.
    pub fn wait_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + WAIT_MAX;
        let life = self.life.as_ref().context("not started")?;
        loop {
            match life.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(READY) => return Ok(()),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => bail!("not serving after {WAIT_MAX:?}:\n{}", self.output()),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.wait_end(WAIT_MAX)?;
                    bail!("ended before it served ({status}):\n{}", self.output());
                }
            }
        }
    }

    /// Ends this life as power loss to the process would: no handler runs.
    ///
    /// # Errors
    /// It had ended by itself.
    pub fn kill9(&mut self) -> anyhow::Result<()> {
        let life = self.life.as_mut().context("not started")?;
        if let Some(status) = life.child.try_wait()? {
            self.life = None;
            bail!("ended by itself ({status}):\n{}", self.output());
        }
        life.child.kill()?;
        self.wait_end(WAIT_MAX)?;
        Ok(())
    }

    /// Ends this life as Ctrl-C does, and waits for it.
    ///
    /// # Errors
    /// It takes too long.
    pub fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        let pid = self.process().context("not started")?;
        let pid = libc::pid_t::try_from(pid).context("a process id")?;
        // SAFETY: a plain system call. The child is not reaped before `wait_end`, so the id is still its own.
        let sent = unsafe { libc::kill(pid, libc::SIGTERM) };
        ensure!(sent == 0, "cannot signal {pid}");
        self.wait_end(WAIT_MAX)
    }

    /// Waits until this life ends by itself.
    ///
    /// # Errors
    /// It does not within `bound`; it is then still alive.
    pub fn wait_end(&mut self, bound: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + bound;
        let life = self.life.as_mut().context("not started")?;
        // Its standard output closes when it ends: an event to wait for.
        loop {
            match life.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => bail!("still alive after {bound:?}"),
            }
        }
        let mut life = self.life.take().expect("looked at above");
        let status = life.child.wait()?;
        for reader in life.readers {
            reader.join().ok().context("a reader of output panicked")?;
        }
        Ok(status)
    }

    /// The end of what all lives printed, both streams.
    #[must_use]
    pub fn output(&self) -> String {
        let lines = self.output.lock().expect("readers do not panic");
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Ends the server and leaves its folder for whoever looks into a failure.
    #[must_use]
    pub fn keep_folder(mut self) -> PathBuf {
        self.end_quietly();
        self.folder.take().expect("taken here only").keep()
    }

    fn end_quietly(&mut self) {
        if let Some(mut life) = self.life.take() {
            // Both fail only when it has ended already.
            let _ = life.child.kill();
            let _ = life.child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end_quietly();
    }
}

/// Has the kernel kill the process when the thread that started it ends, so that a test that is killed leaves nothing.
#[cfg(target_os = "linux")]
pub fn end_with_us(command: &mut Command) {
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
pub fn end_with_us(_: &mut Command) {}

/// Copies lines from `pipe` until it closes.
fn keep_lines(
    pipe: Box<dyn Read + Send>,
    output: &Mutex<VecDeque<String>>,
    sender: Option<&std::sync::mpsc::Sender<String>>,
) {
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        let mut kept = output.lock().expect("readers do not panic");
        if kept.len() == LINES_KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(line.clone());
        drop(kept);
        if let Some(sender) = sender {
            // Nobody listens once the server is being dropped.
            let _ = sender.send(line);
        }
    }
}

/// The binary that was built into the same target folder as this test, unless `TIDELOG_BIN` names another.
///
/// # Errors
/// There is none.
pub fn binary() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("TIDELOG_BIN") {
        return Ok(named.into());
    }
    let this = std::env::current_exe()?;
    let beside = this.ancestors().skip(1).take(2).map(|folder| folder.join("tidelog")).find(|path| path.is_file());
    beside.context("no tidelog binary beside this test: run `cargo build --release` first, or `cargo verify clients`")
}
