//! Clients of other languages, as commands. `cargo verify clients` installs what they need.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Runs `command` with `input` on its standard input; returns its standard output as text.
///
/// # Errors
/// It cannot be started or fails; the text has what it printed.
pub fn run(command: Command, input: &[u8]) -> anyhow::Result<String> {
    Ok(String::from_utf8_lossy(&run_for_bytes(command, input)?).into_owned())
}

/// As [`run`], for output that is no text.
///
/// # Errors
/// As [`run`].
pub fn run_for_bytes(mut command: Command, input: &[u8]) -> anyhow::Result<Vec<u8>> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting {:?}", command.get_program()))?;
    let mut stdin = child.stdin.take().expect("piped above");
    let input = input.to_vec();
    // Written from a thread: a program that prints before it has read everything would otherwise wait for us for ever.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
    // A program that ended well may have left some input unread; its output is judged by the caller.
    let _ = writer.join();
    Ok(output.stdout)
}

/// A program that is ended after `seconds`, so that a hanging client fails its test instead of stopping the run.
#[must_use]
pub fn bounded(program: &str, seconds: u32) -> Command {
    let mut command = Command::new("timeout");
    command.arg(seconds.to_string()).arg(program);
    command
}

/// A class of the Java client's tools, such as `org.apache.kafka.tools.ConsoleProducer`.
///
/// # Errors
/// The jars are not there.
pub fn java(class: &str, seconds: u32) -> anyhow::Result<Command> {
    let mut command = bounded("java", seconds);
    command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp"]).arg(jars()?.join("*")).arg(class);
    Ok(command)
}

/// The folder with the jars of Apache Kafka: clients, tools and the broker.
///
/// # Errors
/// They are not there.
pub fn jars() -> anyhow::Result<PathBuf> {
    let jars = tools_folder()?.join("java");
    ensure!(jars.is_dir(), "no jars in {}: run `cargo verify clients`", jars.display());
    Ok(jars)
}

/// As [`jars`]; Maven gets them where they are not there.
///
/// # Errors
/// They are not there, and Maven cannot get them.
pub fn jars_or_get_them() -> anyhow::Result<PathBuf> {
    if let Ok(jars) = jars() {
        return Ok(jars);
    }
    // A program is in `target/release`, a test one below.
    let this = std::env::current_exe()?;
    let profile = this.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).context("in no folder")?;
    let target = profile.parent().context("in no target folder")?;
    let jars = target.join("verify-tools/java");
    let pom = target.join("../loadtest/clients/java/pom.xml");
    let pom = if pom.exists() { pom } else { PathBuf::from("loadtest/clients/java/pom.xml") };
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode", "--file"]).arg(pom).arg("dependency:copy-dependencies");
    maven.arg(format!("-DoutputDirectory={}", jars.display())).stdin(Stdio::null());
    let status = maven.status().context("starting Maven, which gets the jars of Apache Kafka")?;
    ensure!(status.success(), "Maven cannot get the jars of Apache Kafka ({status})");
    Ok(jars)
}

/// The class path with Kafka Streams and its word count, and with Kafka Connect and its file connectors.
///
/// # Errors
/// They are not there.
pub fn ecosystem() -> anyhow::Result<std::ffi::OsString> {
    let build = tools_folder()?.join("java-ecosystem");
    let jars = build.join("jars");
    ensure!(jars.is_dir(), "no jars in {}: run `cargo verify ecosystem`", jars.display());
    Ok(std::env::join_paths([build.join("classes"), jars.join("*")])?)
}

/// The Python that has the `confluent_kafka` package.
///
/// # Errors
/// It is not there.
pub fn python(seconds: u32) -> anyhow::Result<Command> {
    python_in("venv", seconds)
}

/// The Python that has the packages `pyarrow` and `polars`.
///
/// # Errors
/// It is not there.
pub fn arrow_python(seconds: u32) -> anyhow::Result<Command> {
    python_in("venv-arrow", seconds)
}

fn python_in(folder: &str, seconds: u32) -> anyhow::Result<Command> {
    let python = tools_folder()?.join(folder).join("bin/python");
    ensure!(python.exists(), "{} is not there: run `cargo verify clients`", python.display());
    Ok(bounded(python.to_str().context("a path in UTF-8")?, seconds))
}

/// `target/verify-tools`, found from where this test was built to.
pub(crate) fn tools_folder() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let mut above = this.ancestors().map(|folder| folder.join("verify-tools"));
    above.find(|folder| folder.is_dir()).context("no verify-tools folder: run `cargo verify clients`")
}
