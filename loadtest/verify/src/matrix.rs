//! The client matrix: what its languages need is fetched and built, then the table is printed.

use std::io::IsTerminal;
use std::process::Command;

use crate::machine::{Machine, Tool};
use crate::prepare::{Prepare, build_server, nothing_to_prepare, prepare_npm, prepare_python, prepare_venv, prepared};
use crate::process::Ended;
use crate::stages::run;
use crate::tally::{Tally, count_cargo_test};

/// Each language of the clients' programs, what it needs, and how that is put together.
const LANGUAGES: &[(&str, &[Tool], Prepare)] = &[
    ("python", &[Tool::Python], prepare_pythons),
    ("go", &[Tool::Go], prepare_go),
    ("node", &[Tool::Node], prepare_node),
    ("java", &[Tool::Java, Tool::Maven], prepare_javas),
    ("kcat", &[Tool::Kcat], nothing_to_prepare),
];

/// Releases that speak older versions. The first is the last before a long pause, which many still use; the second has
/// librdkafka from before topic ids and leader epochs. Then the codecs.
const PYTHON_CLIENTS_OLD: &[&str] = &[
    "kafka-python==2.0.2",
    "confluent-kafka==2.0.2",
    "aiokafka==0.10.0",
    "cramjam",
    "lz4",
    "python-snappy",
    "zstandard",
];
/// What each Go binary is called, the list of modules that it is built with, and the tag of sources that others have not.
const GO_BUILDS: &[(&str, &str, &str)] = &[("matrix", "go.mod", ""), ("matrix-old", "go-old.mod", "old")];
/// Where the Java client is built, and which release where it is not the newest, which its pom names.
const JAVA_CLIENTS: &[(&str, Option<&str>)] = &[("java-matrix", None), ("java-matrix-3.9", Some("3.9.1"))];

/// Every client does every feature it has; then one record is dropped on the way, and every cell must notice.
pub fn matrix(machine: &mut Machine, stage: &'static str) -> Tally {
    let mut tally = build_server(machine, stage);
    if tally.failed > 0 {
        return tally;
    }
    let mut skip = Vec::new();
    for (language, tools, prepare) in LANGUAGES {
        let problem = match tools.iter().find(|tool| !machine.has(**tool)) {
            Some(missing) => Tally::skipped(format!("clients in {language} skipped: {} not found", missing.name())),
            None => prepare(machine, stage),
        };
        if problem.failed + problem.skipped > 0 {
            tally.add(problem);
            skip.push(*language);
        }
    }
    for more in [&[][..], &["--drop-one"]] {
        let mut command = Command::new(machine.logs.with_file_name("release").join("matrix"));
        command.current_dir(&machine.root).args(more);
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        command.args(["--colour", if colour { "always" } else { "never" }]);
        if !skip.is_empty() {
            command.args(["--skip", &skip.join(",")]);
        }
        match run(machine, stage, command, 10) {
            Ok(ended) => tally.add(counted(&ended)),
            Err(failed) => return failed,
        }
    }
    tally
}

/// Shows the table, which is what this stage is for, and counts its cells.
fn counted(ended: &Ended) -> Tally {
    println!("{}", ended.output);
    let mut tally = count_cargo_test(&ended.output);
    if tally.failed > 0 {
        tally.notes.push(format!("{} cells failed", tally.failed));
    } else if !ended.good || tally.passed == 0 {
        tally.add(Tally::failed(format!("no table: {}", ended.why)));
    }
    tally
}

fn prepare_pythons(machine: &mut Machine, stage: &'static str) -> Tally {
    let mut tally = prepare_python(machine, stage);
    if tally.failed == 0 {
        tally.add(prepare_venv(
            machine,
            stage,
            "venv-old",
            "import aiokafka, confluent_kafka, kafka, lz4, snappy, zstandard",
            PYTHON_CLIENTS_OLD,
        ));
    }
    tally
}

/// Built every time: Go itself knows what has changed. What it fetches stays among the tools.
fn prepare_go(machine: &mut Machine, stage: &'static str) -> Tally {
    let tools = machine.tools.join("go");
    let builds = GO_BUILDS.iter().map(|(name, modules, tag)| {
        let mut build = Command::new("go");
        build.current_dir(machine.root.join("loadtest/clients/go")).args(["build", "-modcacherw", "-buildvcs=false"]);
        build.arg(format!("-modfile={modules}")).arg(format!("-tags={tag}")).arg("-o").arg(tools.join(name)).arg(".");
        build.env("GOMODCACHE", tools.join("modules")).env("GOCACHE", tools.join("cache"));
        build.env("GOFLAGS", "-mod=readonly");
        build
    });
    prepared(machine, stage, builds.collect(), 6)
}

fn prepare_node(machine: &mut Machine, stage: &'static str) -> Tally {
    prepare_npm(machine, stage, "node", "node")
}

/// Compiled every time, which takes Maven a few seconds: it knows what has changed.
fn prepare_javas(machine: &mut Machine, stage: &'static str) -> Tally {
    let pom = machine.root.join("loadtest/clients/java/matrix/pom.xml");
    let commands = JAVA_CLIENTS.iter().map(|(folder, version)| {
        let build = machine.tools.join(folder);
        let mut maven = Command::new("mvn");
        maven.args(["--quiet", "--batch-mode", "--file"]).arg(&pom).args(["compile", "dependency:copy-dependencies"]);
        maven.arg("-DincludeScope=runtime").arg(format!("-Dmatrix.build={}", build.display()));
        maven.arg(format!("-DoutputDirectory={}", build.join("jars").display()));
        maven.args(version.map(|version| format!("-Dkafka.version={version}")));
        maven
    });
    let commands = commands.collect();
    prepared(machine, stage, commands, 6)
}
