//! The stages: what each runs, in the order that finds cheap failures first.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::console::console;
use crate::http::{examples, openapi};
use crate::machine::{Machine, Tool};
use crate::matrix::matrix;
use crate::prepare::{
    Prepare, build_server, nothing_to_prepare, prepare_arrow, prepare_ecosystem, prepare_java, prepare_moto,
    prepare_python,
};
use crate::process::{self, Ended};
use crate::proofs::{fuzz, mutants};
use crate::tally::{Tally, count_cargo_test, count_parity};

/// One thing that `cargo verify` can run by name.
pub struct Stage {
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn(&mut Machine, &'static str) -> Tally,
}

/// All of them, in running order.
pub const STAGES: &[Stage] = &[
    Stage { name: "fmt", about: "cargo fmt --check", run: fmt },
    Stage { name: "tidy", about: "house rules and security floors over sources, manifests and Cargo.lock", run: tidy },
    Stage { name: "deny", about: "cargo deny check bans licenses sources", run: deny },
    Stage { name: "unit", about: "every crate's own tests", run: unit },
    Stage { name: "clippy", about: "cargo clippy, warnings are errors", run: clippy },
    Stage { name: "clients", about: "real Kafka clients against the real binary", run: clients },
    Stage {
        name: "load",
        about: "the load generator against the real binary, by each of its drivers, and a small comparison with Kafka",
        run: load,
    },
    Stage { name: "console", about: "the console and the reference of the API in a real browser", run: console },
    Stage {
        name: "openapi",
        about: "requests of every kind against openapi.json, and clients generated from it",
        run: openapi,
    },
    Stage { name: "examples", about: "docs/examples at work, with kills", run: examples },
    Stage { name: "parity", about: "the same requests to Tidelog and to Apache Kafka, answers compared", run: parity },
    Stage { name: "matrix", about: "client × feature, and every cell notices a dropped record", run: matrix },
    Stage {
        name: "ecosystem",
        about: "Kafka Streams and Kafka Connect at work, with restarts and kills",
        run: ecosystem,
    },
    Stage { name: "s3", about: "objects in moto and in Ceph's radosgw: the store's suite, and Tidelog on it", run: s3 },
    Stage { name: "hostile", about: "attacks on the real binary, damage to what it keeps, no room", run: hostile },
    Stage { name: "kills", about: "kill -9 at random moments and failpoints, then the history is checked", run: kills },
    Stage {
        name: "many",
        about: "20,000 partitions and 500 groups on one node: memory, start, those in use",
        run: many,
    },
    Stage { name: "mutants", about: "known bugs are planted one by one, and the tests must fail", run: mutants },
    Stage {
        name: "fuzz",
        about: "damaged bytes for everything that decodes, and a planted bug that is found",
        run: fuzz,
    },
];

/// Short names for groups of stages.
const GROUPS: &[(&str, &[&str])] = &[("lint", &["fmt", "clippy"]), ("advisories", &["tidy"])];

/// Tests with real processes live in these crates; `unit` leaves them to the stages that prepare for them.
const WITH_PROCESSES: &[&str] = &["clients", "loadgen", "compare"];
const TIDY_CRATE: &str = "tidelog-tidy";

/// Pinned: a newer one may judge an old checkout differently.
const CARGO_DENY: &str = "cargo-deny@0.20.2";
/// The stages called `names`, in running order, or all when there are none.
///
/// # Errors
/// A name is unknown.
pub fn select(names: &[&str]) -> Result<Vec<&'static Stage>, String> {
    let mut wanted: Vec<&str> = Vec::new();
    for name in names {
        match GROUPS.iter().find(|(group, _)| group == name) {
            Some((_, members)) => wanted.extend(*members),
            None if STAGES.iter().any(|stage| stage.name == *name) => wanted.push(name),
            None => return Err(format!("no stage is called {name:?}")),
        }
    }
    let is_wanted = |stage: &&Stage| names.is_empty() || wanted.contains(&stage.name);
    Ok(STAGES.iter().filter(is_wanted).collect())
}

fn fmt(machine: &mut Machine, stage: &'static str) -> Tally {
    one_check(machine, stage, cargo(machine, &["fmt", "--all", "--check"]), 2)
}

fn clippy(machine: &mut Machine, stage: &'static str) -> Tally {
    let arguments = ["clippy", "--workspace", "--all-targets", "--release", "--quiet", "--", "-D", "warnings"];
    one_check(machine, stage, cargo(machine, &arguments), 20)
}

fn tidy(machine: &mut Machine, stage: &'static str) -> Tally {
    cargo_test(machine, stage, &["--package", TIDY_CRATE], 8)
}

/// Everything that needs no server process of ours beside it. Always the whole workspace with targets picked by name, here
/// and below: picking packages would resolve other features, and build the dependencies once more.
fn unit(machine: &mut Machine, stage: &'static str) -> Tally {
    let tests = integration_tests(&machine.root, WITH_PROCESSES);
    let mut arguments = vec!["--workspace", "--lib", "--bins"];
    for test in &tests {
        arguments.extend(["--test", test]);
    }
    let mut tally = cargo_test(machine, stage, &arguments, 40);
    // What the SDK's pages show compiles.
    tally.add(cargo_test(machine, stage, &["--workspace", "--doc"], 15));
    tally
}

/// Names of the integration tests in every crate but some.
fn integration_tests(root: &Path, without: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    for area in ["storage", "control-plane", "services", "client", "loadtest"] {
        let is_wanted = |package: &PathBuf| !without.iter().any(|name| package.ends_with(name));
        for package in entries(&root.join(area)).into_iter().filter(is_wanted) {
            for test in entries(&package.join("tests")) {
                let is_file = test.extension().is_some_and(|extension| extension == "rs");
                if is_file || test.join("main.rs").exists() {
                    names.extend(test.file_stem().map(|name| name.to_string_lossy().into_owned()));
                }
            }
        }
    }
    names
}

/// What is in a folder, sorted; nothing when there is none.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<PathBuf> = found.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    found.sort();
    found
}

fn deny(machine: &mut Machine, stage: &'static str) -> Tally {
    let program = machine.tools.join("bin/cargo-deny");
    if !program.exists() {
        let build = machine.tools.join("build");
        let mut install = cargo(machine, &["install", CARGO_DENY, "--locked", "--profile", "dev"]);
        install.arg("--root").arg(&machine.tools).arg("--target-dir").arg(&build);
        // It runs for a second, so a quick build of it beats a quick program: 1 minute instead of 4.
        install.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_PROFILE_DEV_INCREMENTAL", "false");
        let installed = one_check(machine, stage, install, 10);
        let _ = std::fs::remove_dir_all(build);
        if installed.failed > 0 {
            return installed;
        }
    }
    let mut check = Command::new(program);
    check.current_dir(&machine.root).args(["--workspace", "check", "bans", "licenses", "sources"]);
    let ended = match run(machine, stage, check, 3) {
        Ok(ended) => ended,
        Err(tally) => return tally,
    };
    // Three checks, each of which says how it went: "bans ok, licenses FAILED, sources ok".
    let mut tally = Tally::default();
    for name in ["bans", "licenses", "sources"] {
        if ended.output.contains(&format!("{name} ok")) {
            tally.passed += 1;
        } else {
            tally.add(Tally::failed(format!("{name} not ok")));
        }
    }
    with_tail(tally, &ended)
}

fn clients(machine: &mut Machine, stage: &'static str) -> Tally {
    let mut tally = build_server(machine, stage);
    if tally.failed > 0 {
        return tally;
    }
    let mut arguments: Vec<String> =
        ["--workspace", "--test", "clients", "--test", "behaviour", "--test", "sdk", "--"].map(str::to_owned).into();
    // Every test that needs a tool has its name in its own: that is how it is left out.
    let needs: [(&str, &[Tool], Prepare); 4] = [
        ("kcat", &[Tool::Kcat], nothing_to_prepare),
        ("confluent", &[Tool::Python], prepare_python),
        ("pyarrow", &[Tool::Python], prepare_arrow),
        ("java", &[Tool::Java, Tool::Maven], prepare_java),
    ];
    for (module, tools, prepare) in needs {
        let problem = match tools.iter().find(|tool| !machine.has(**tool)) {
            Some(missing) => Tally::skipped(format!("{module} tests skipped: {} not found", missing.name())),
            None => prepare(machine, stage),
        };
        if problem.failed + problem.skipped > 0 {
            tally.add(problem);
            arguments.extend(["--skip".to_owned(), module.to_owned()]);
        }
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    tally.add(cargo_test(machine, stage, &arguments, 20));
    tally
}

/// About two minutes once built, half of it Kafka's start.
fn load(machine: &mut Machine, stage: &'static str) -> Tally {
    let mut tally = build_server(machine, stage);
    if tally.failed > 0 {
        return tally;
    }
    let mut arguments = vec!["--workspace", "--test", "loadgen", "--test", "compare", "--"];
    // Every test that needs something has its name in its own: that is how it is left out.
    let needs: [(&str, &[Tool], Prepare); 2] =
        [("moto", &[Tool::Python], prepare_moto), ("with_kafka", &[Tool::Java, Tool::Maven], prepare_java)];
    for (name, tools, prepare) in needs {
        let problem = match tools.iter().find(|tool| !machine.has(**tool)) {
            Some(missing) => Tally::skipped(format!("{name} tests skipped: {} not found", missing.name())),
            None => prepare(machine, stage),
        };
        if problem.failed + problem.skipped > 0 {
            tally.add(problem);
            arguments.extend(["--skip", name]);
        }
    }
    tally.add(cargo_test(machine, stage, &arguments, 10));
    tally
}

/// About a minute once built, Kafka's start included.
fn parity(machine: &mut Machine, stage: &'static str) -> Tally {
    if let Some(missing) = [Tool::Java, Tool::Maven].into_iter().find(|tool| !machine.has(*tool)) {
        return Tally::skipped(format!("the comparison with Kafka skipped: {} not found", missing.name()));
    }
    let mut tally = prepare_java(machine, stage);
    tally.add(build_server(machine, stage));
    if tally.failed > 0 {
        return tally;
    }
    let program = machine.logs.with_file_name("release").join("tidelog-parity");
    match run(machine, stage, Command::new(program), 5) {
        Ok(ended) => with_tail(count_parity(&ended.output, ended.good), &ended),
        Err(tally) => tally,
    }
}

/// About 2 minutes once built. Each test has a server and one or two Java programs, which wait for each other a good deal.
fn ecosystem(machine: &mut Machine, stage: &'static str) -> Tally {
    if let Some(missing) = [Tool::Java, Tool::Maven].into_iter().find(|tool| !machine.has(*tool)) {
        return Tally::skipped(format!("Kafka Streams and Connect skipped: {} not found", missing.name()));
    }
    let mut tally = prepare_ecosystem(machine, stage);
    tally.add(build_server(machine, stage));
    if tally.failed == 0 {
        tally.add(cargo_test(machine, stage, &["--workspace", "--test", "ecosystem"], 10));
    }
    tally
}

/// About 7 minutes once built: 3 of them kills, twice half a minute in which the store does not answer, and half a minute of
/// faults.
fn s3(machine: &mut Machine, stage: &'static str) -> Tally {
    if !machine.has(Tool::Python) {
        return Tally::skipped("all S3 tests skipped: Python not found");
    }
    let mut tally = prepare_moto(machine, stage);
    tally.add(build_server(machine, stage));
    if tally.failed > 0 {
        return tally;
    }
    let has_ceph = machine.has(Tool::Ceph);
    let with_s3 = machine.logs.with_file_name("release").join("with-s3");
    for server in if has_ceph { &["moto", "radosgw"][..] } else { &["moto"] } {
        // The tests of the store know only an address, so the server is started around them.
        let test = cargo(machine, &["test", "--release", "--quiet", "--workspace", "--test", "s3_server"]);
        tally.add(counted(machine, stage, around(&with_s3, server, &test), 5));
    }
    let mut arguments = vec!["--workspace", "--test", "s3", "--", "--test-threads=1"];
    if !has_ceph {
        tally.add(Tally::skipped("radosgw tests skipped: Ceph not found"));
        arguments.extend(["--skip", "radosgw"]);
    }
    tally.add(cargo_test(machine, stage, &arguments, 20));
    tally
}

fn hostile(machine: &mut Machine, stage: &'static str) -> Tally {
    let mut tally = build_server(machine, stage);
    if tally.failed > 0 {
        return tally;
    }
    // One at a time: they look at the memory and the answers of one server each, on a machine that should be idle.
    let mut arguments = vec!["--workspace", "--test", "hostile", "--", "--test-threads=1"];
    if !machine.may_mount() {
        tally.add(Tally::skipped("full_file_system tests skipped: mounting a tmpfs is not permitted"));
        arguments.extend(["--skip", "full_file_system"]);
    }
    tally.add(cargo_test(machine, stage, &arguments, 15));
    tally
}

fn kills(machine: &mut Machine, stage: &'static str) -> Tally {
    let mut tally = build_server(machine, stage);
    if tally.failed == 0 {
        tally.add(cargo_test(machine, stage, &["--workspace", "--test", "kills", "--", "--nocapture"], 15));
    }
    tally
}

/// About a minute once built. The smaller measurements of two stages of `tidelog-bench`, whose whole ones want an idle machine, and
/// all of `tidelog-microbench`, each for a moment.
fn many(machine: &mut Machine, stage: &'static str) -> Tally {
    let mut tally = build_server(machine, stage);
    if tally.failed > 0 {
        return tally;
    }
    // That each of the steps can be measured: not how fast it is, on a machine that is busy.
    let mut steps = Command::new(machine.logs.with_file_name("release").join("tidelog-microbench"));
    steps.current_dir(&machine.root).arg("--quick");
    tally.add(one_check(machine, stage, steps, 3));
    for measured in [["many-partitions", "--topics", "2000"], ["many-groups", "--groups", "500"]] {
        let mut bench = Command::new(machine.logs.with_file_name("release").join("tidelog-bench"));
        bench.current_dir(&machine.root).args(measured).args(["--runs", "1", "--busy"]);
        tally.add(one_check(machine, stage, bench, 5));
    }
    tally
}

pub(crate) fn cargo(machine: &Machine, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&machine.root).args(arguments);
    // Set by the `cargo run` that started us, for our own package: the tests must not see it.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    command
}

/// The command that runs `inner` with `server` beside it.
fn around(with_s3: &Path, server: &str, inner: &Command) -> Command {
    let mut command = Command::new(with_s3);
    command.arg(server).arg(inner.get_program()).args(inner.get_args());
    if let Some(folder) = inner.get_current_dir() {
        command.current_dir(folder);
    }
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// `cargo test` in the one profile, every test counted.
fn cargo_test(machine: &Machine, stage: &'static str, arguments: &[&str], minutes: u64) -> Tally {
    let mut command = cargo(machine, &["test", "--release", "--quiet", "--no-fail-fast"]);
    command.args(arguments);
    counted(machine, stage, command, minutes)
}

/// A command that is a `cargo test` in the end.
pub(crate) fn counted(machine: &Machine, stage: &'static str, command: Command, minutes: u64) -> Tally {
    let ended = match run(machine, stage, command, minutes) {
        Ok(ended) => ended,
        Err(tally) => return tally,
    };
    let mut tally = count_cargo_test(&ended.output);
    if tally.failed > 0 {
        tally.notes.push(format!("{} tests failed", tally.failed));
    } else if !ended.good {
        // It did not compile, aborted or hung: one failure that no test counted.
        tally.add(Tally::failed(ended.why.clone()));
    } else if tally.passed == 0 {
        // A filter that matches nothing would be green for ever.
        tally.add(Tally::failed("no test ran"));
    }
    with_tail(tally, &ended)
}

/// A command that is one check: good when it exits with 0.
pub(crate) fn one_check(machine: &Machine, stage: &'static str, command: Command, minutes: u64) -> Tally {
    match run(machine, stage, command, minutes) {
        Ok(ended) if ended.good => Tally::passed(1),
        Ok(ended) => with_tail(Tally::failed(ended.why.clone()), &ended),
        Err(tally) => tally,
    }
}

pub(crate) fn run(machine: &Machine, stage: &'static str, command: Command, minutes: u64) -> Result<Ended, Tally> {
    let log = machine.logs.join(format!("{stage}.log"));
    process::run(command, &log, Duration::from_secs(minutes * 60)).map_err(|error| Tally::failed(error.to_string()))
}

pub(crate) fn with_tail(mut tally: Tally, ended: &Ended) -> Tally {
    if tally.failed > 0 {
        tally.tail = process::tail(&ended.output, 60);
    }
    tally
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(chosen: Vec<&Stage>) -> Vec<&str> {
        chosen.into_iter().map(|stage| stage.name).collect()
    }

    #[test]
    fn no_name_means_all() {
        assert_eq!(select(&[]).unwrap().len(), STAGES.len());
    }

    #[test]
    fn names_and_groups_keep_the_running_order() {
        assert_eq!(names(select(&["unit", "lint"]).unwrap()), ["fmt", "unit", "clippy"]);
        assert_eq!(names(select(&["advisories"]).unwrap()), ["tidy"]);
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert!(select(&["unit", "unix"]).is_err());
    }
}
