//! Apache Kafka as scripts need it: with something that takes what clients push.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tidelog_clients::apache::{Apache, Options, last_lines, logged};
use tidelog_clients::tools;

/// Its heap, which bounds what a run takes from the machine.
const HEAP: &str = "-Xmx512m";

/// Starts a broker whose id is `node`.
///
/// # Errors
/// There are no jars or no JDK, or it does not come up; the text has the end of its output.
pub fn start(node: i32) -> anyhow::Result<Apache> {
    let folder = TempDir::with_prefix("tidelog-parity-")?;
    let classes = compile_receiver(folder.path(), &folder.path().join("log"))?;
    let properties = "metric.reporters=Receiver\n".to_owned();
    Apache::start_in(folder, &Options { node, jvm: vec![HEAP.to_owned()], properties, classes: Some(classes) })
}

/// Without something that takes what clients push, Kafka offers no telemetry. Returns where the class is.
fn compile_receiver(folder: &Path, log: &Path) -> anyhow::Result<PathBuf> {
    let (source, classes) = (folder.join("Receiver.java"), folder.join("classes"));
    fs::write(&source, include_str!("../java/Receiver.java"))?;
    let mut compile = logged("javac", log)?;
    compile.args(["-nowarn", "-cp"]).arg(tools::jars()?.join("*")).arg("-d").arg(&classes).arg(&source);
    let status = compile.status().context("starting javac, which is part of a JDK")?;
    ensure!(status.success(), "Receiver.java does not compile:\n{}", last_lines(log));
    Ok(classes)
}
