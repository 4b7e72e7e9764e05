//! One program on the Java virtual machine, which a test starts, ends and kills.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use tidelog_clients::server::end_with_us;
use tidelog_clients::tools::ecosystem;

use crate::{WAIT_MAX, wait_until};

/// Lines kept for when something goes wrong; a program at work prints a few dozen.
const LINES_KEPT_MAX: usize = 2_000;
/// Of these, as many are shown.
const LINES_SHOWN_MAX: usize = 60;

/// The process. Dropped, it is killed.
pub struct Program {
    class: String,
    child: Child,
    printed: Arc<Printed>,
}

/// What it printed so far, both streams.
#[derive(Default)]
struct Printed {
    lines: Mutex<VecDeque<String>>,
    changed: Condvar,
}

impl Program {
    /// Starts `class` with `arguments`.
    pub fn start(class: &str, arguments: &[String]) -> anyhow::Result<Program> {
        let mut command = Command::new("java");
        // The first compiler only: the programs live for seconds, in which the second one would take half the machine.
        command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]).arg(ecosystem()?);
        command.arg(class).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        end_with_us(&mut command);
        let mut child = command.spawn().context("starting Java")?;
        let printed = Arc::new(Printed::default());
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped above")), Box::new(child.stderr.take().expect("piped above"))];
        for pipe in pipes {
            let printed = printed.clone();
            std::thread::spawn(move || printed.keep(pipe));
        }
        Ok(Program { class: class.to_owned(), child, printed })
    }

    /// Waits until a line is printed that is `wanted` of all printed so far.
    pub fn wait_line(&self, what: &str, wanted: impl Fn(&VecDeque<String>) -> bool) -> anyhow::Result<()> {
        let lines = self.printed.lines.lock().expect("readers do not panic");
        let waited = self.printed.changed.wait_timeout_while(lines, WAIT_MAX, |lines| !wanted(lines));
        let (lines, timeout) = waited.expect("readers do not panic");
        drop(lines);
        ensure!(!timeout.timed_out(), "no {what} after {WAIT_MAX:?}:\n{}", self.output());
        Ok(())
    }

    /// Ends it as its users do, and waits for it.
    pub fn stop(mut self) -> anyhow::Result<ExitStatus> {
        let pid = libc::pid_t::try_from(self.child.id()).context("a process id")?;
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended by itself ({status}):\n{}", self.class, self.output());
        }
        // SAFETY: a plain system call. The child is not reaped yet, so the id is still its own.
        ensure!(unsafe { libc::kill(pid, libc::SIGTERM) } == 0, "cannot signal {pid}");
        self.wait_end()
    }

    /// Waits until it ends by itself.
    pub fn wait_end(&mut self) -> anyhow::Result<ExitStatus> {
        let began = Instant::now();
        wait_until("its end", || Ok(self.child.try_wait()?.is_some())).with_context(|| self.output())?;
        println!("{} ended after {:.1} s", self.class, began.elapsed().as_secs_f32());
        Ok(self.child.wait()?)
    }

    /// Ends it as power loss to the process would.
    pub fn kill9(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended by itself ({status}):\n{}", self.class, self.output());
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The end of what it printed.
    pub fn output(&self) -> String {
        let lines = self.printed.lines.lock().expect("readers do not panic");
        let from = lines.len().saturating_sub(LINES_SHOWN_MAX);
        lines.iter().skip(from).map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Printed {
    /// Copies lines from `pipe` until it closes.
    fn keep(&self, pipe: Box<dyn Read + Send>) {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut lines = self.lines.lock().expect("readers do not panic");
            if lines.len() == LINES_KEPT_MAX {
                lines.pop_front();
            }
            lines.push_back(line);
            drop(lines);
            self.changed.notify_all();
        }
    }
}
