//! What Kafka's command line tools print, of either system after the same commands.
//!
//! All tools of a run share one virtual machine, which is told what to run line by line: see `Tool.java`.

mod lines;
mod words;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tidelog_clients::server::end_with_us;
use tidelog_clients::tools;

use crate::exchange::Step;
use crate::tree::Tree;
use lines::{How, LINES, Line};

/// What the whole is called on the command line, in the table and in the list of differences.
pub const NAME: &str = "tools";
/// Stands for the key of an API, of which the tools use many.
pub const KEY: i16 = -1;

/// How long a command is repeated that waits for something.
const UNTIL_MAX: Duration = Duration::from_secs(30);
const UNTIL_PAUSE: Duration = Duration::from_millis(200);

/// Runs every line against the system at `address`; the steps so far, and why it went no further.
pub fn run(address: &str) -> (Vec<Step>, Option<String>) {
    let mut steps = Vec::new();
    let ended = Machine::start().and_then(|mut machine| {
        for line in LINES {
            if let Some(outcome) = machine.one(address, line).with_context(|| line.words.to_owned())? {
                let name = line.words.to_owned();
                steps.push(Step { script: NAME, script_version: 0, name, api: KEY, version: 0, outcome });
            }
        }
        Ok(())
    });
    (steps, ended.err().map(|error| format!("{error:#}")))
}

/// The virtual machine that the tools run in; killed when dropped.
struct Machine {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// For files that tools are given.
    folder: TempDir,
}

impl Machine {
    fn start() -> anyhow::Result<Machine> {
        let mut command = Command::new("java");
        command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
        // What a tool logs says how it works. What it means to say, it prints.
        command.args(["-Dlog4j2.level=OFF", "-cp"]).arg(tools::jars()?.join("*"));
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/java/matrix/Tool.java"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        end_with_us(&mut command);
        let mut child = command.spawn().context("starting Java")?;
        let input = child.stdin.take().context("piped above")?;
        let output = BufReader::new(child.stdout.take().context("piped above")?);
        Ok(Machine { child, input, output, folder: TempDir::with_prefix("tidelog-tools-")? })
    }

    /// What came of a line; nothing when it only starts something.
    fn one(&mut self, address: &str, line: &Line) -> anyhow::Result<Option<Tree>> {
        let file = self.folder.path().join("file");
        std::fs::write(&file, line.file)?;
        let mut request = words::request(line, address, &file.to_string_lossy());
        request.push('\n');
        let deadline = Instant::now() + UNTIL_MAX;
        loop {
            self.input.write_all(request.as_bytes())?;
            self.input.flush()?;
            if line.how == How::Start {
                return Ok(None);
            }
            let mut answer = String::new();
            ensure!(self.output.read_line(&mut answer)? > 0, "the virtual machine ended");
            if answer.contains(line.until) {
                return words::outcome(line, &answer, address).map(Some);
            }
            ensure!(Instant::now() < deadline, "{:?} did not come: {answer}", line.until);
            std::thread::sleep(UNTIL_PAUSE);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
