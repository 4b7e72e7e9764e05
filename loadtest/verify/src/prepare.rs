//! What stages need before they can begin: the server's binary, and clients of other languages with their packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::Machine;
use crate::stages::{cargo, one_check, run};
use crate::tally::Tally;

/// Not pinned: which versions have wheels depends on the machine's Python, and the matrix is for the newest. The first three
/// are clients, the others the codecs that kafka-python and aiokafka leave to their users.
const PYTHON_CLIENTS: &[&str] =
    &["confluent-kafka", "kafka-python", "aiokafka", "cramjam", "lz4", "python-snappy", "zstandard"];
/// What its server needs beside S3 is named one by one: `moto[server]` brings everything of Amazon's.
const MOTO: &[&str] = &["moto[s3]>=5.2", "flask", "flask-cors"];

/// Readers and writers of Arrow IPC streams.
const ARROW: &[&str] = &["polars", "pyarrow"];

/// Gets what a client's tests run; says what went wrong, or counts nothing.
pub(crate) type Prepare = fn(&mut Machine, &'static str) -> Tally;

pub(crate) fn nothing_to_prepare(_: &mut Machine, _: &'static str) -> Tally {
    Tally::default()
}

pub(crate) fn prepare_python(machine: &mut Machine, stage: &'static str) -> Tally {
    let import = "import aiokafka, confluent_kafka, cramjam, kafka, lz4, snappy, zstandard";
    prepare_venv(machine, stage, "venv", import, PYTHON_CLIENTS)
}

pub(crate) fn prepare_arrow(machine: &mut Machine, stage: &'static str) -> Tally {
    prepare_venv(machine, stage, "venv-arrow", "import polars, pyarrow", ARROW)
}

pub(crate) fn prepare_moto(machine: &mut Machine, stage: &'static str) -> Tally {
    prepare_venv(machine, stage, "venv-s3", "import boto3, moto.server", MOTO)
}

/// A folder of its own with `packages`: made afresh where `import` fails.
pub(crate) fn prepare_venv(
    machine: &mut Machine,
    stage: &'static str,
    folder: &str,
    import: &str,
    packages: &[&str],
) -> Tally {
    let folder = machine.tools.join(folder);
    let python = folder.join("bin/python");
    let mut try_it = Command::new(&python);
    try_it.args(["-W", "ignore", "-c", import]);
    if python.exists() && run(machine, stage, try_it, 1).is_ok_and(|ended| ended.good) {
        return Tally::default();
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:"]).args(packages);
    prepared(machine, stage, [venv, pip].into(), 5)
}

pub(crate) fn prepare_java(machine: &mut Machine, stage: &'static str) -> Tally {
    let jars = machine.tools.join("java");
    let has_jars = std::fs::read_dir(&jars).is_ok_and(|mut entries| entries.next().is_some());
    if has_jars {
        return Tally::default();
    }
    let mut maven = Command::new("mvn");
    let pom: PathBuf = machine.root.join("loadtest/clients/java/pom.xml");
    maven.args(["--quiet", "--batch-mode", "--file"]).arg(pom).arg("dependency:copy-dependencies");
    maven.arg(format!("-DoutputDirectory={}", jars.display()));
    prepared(machine, stage, [maven].into(), 8)
}

/// Compiled every time, which takes Maven a few seconds: it knows what has changed. The jars are 100 MB, most of it the store
/// of Kafka Streams for every platform.
pub(crate) fn prepare_ecosystem(machine: &mut Machine, stage: &'static str) -> Tally {
    let build = machine.tools.join("java-ecosystem");
    let mut maven = Command::new("mvn");
    let pom = machine.root.join("loadtest/clients/java/ecosystem/pom.xml");
    maven.args(["--quiet", "--batch-mode", "--file"]).arg(pom).args(["compile", "dependency:copy-dependencies"]);
    maven.arg("-DincludeScope=runtime").arg(format!("-Decosystem.build={}", build.display()));
    maven.arg(format!("-DoutputDirectory={}", build.join("jars").display()));
    prepared(machine, stage, [maven].into(), 8)
}

/// The packages of `from`, a folder of the clients, in `to` among the tools: exactly what the lock file says, again when it has
/// changed.
pub(crate) fn prepare_npm(machine: &mut Machine, stage: &'static str, from: &str, to: &str) -> Tally {
    let (from, to) = (machine.root.join("loadtest/clients").join(from), machine.tools.join(to));
    let lock = "package-lock.json";
    if to.join("node_modules").exists() && same_content(&from.join(lock), &to.join(lock)) {
        return Tally::default();
    }
    let copied = fs::create_dir_all(&to).and_then(|()| {
        // A run that breaks off leaves no packages beside the new lock file.
        let _ = fs::remove_dir_all(to.join("node_modules"));
        fs::copy(from.join("package.json"), to.join("package.json"))?;
        fs::copy(from.join(lock), to.join(lock))
    });
    if let Err(error) = copied {
        return Tally::failed(format!("{}: {error}", to.display()));
    }
    let mut npm = Command::new("npm");
    npm.current_dir(&to).args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    prepared(machine, stage, [npm].into(), 5)
}

fn same_content(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

/// Runs `commands` until one fails; each has `minutes`. Counts nothing when all go well.
pub(crate) fn prepared(machine: &Machine, stage: &'static str, commands: Vec<Command>, minutes: u64) -> Tally {
    for command in commands {
        let tally = one_check(machine, stage, command, minutes);
        if tally.failed > 0 {
            return tally;
        }
    }
    Tally::default()
}

/// Builds the binary that the tests start; counts nothing when it goes well.
pub(crate) fn build_server(machine: &Machine, stage: &'static str) -> Tally {
    let build = cargo(machine, &["build", "--release", "--quiet", "--workspace", "--bins"]);
    prepared(machine, stage, [build].into(), 20)
}
