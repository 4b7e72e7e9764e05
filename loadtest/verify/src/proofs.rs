//! Proofs that the tests test something: known bugs are planted, and decoders are fed with damage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::{Machine, Tool};
use crate::prepare::prepare_java;
use crate::stages::{cargo, one_check, run, with_tail};
use crate::tally::{Tally, count_cargo_test};

/// Each test binary, the folder it runs in, and the known bugs with which it must fail. Without any it is green.
const MUTANTS: &[(&str, &str, &[Mutant])] = &[
    (
        "path",
        "services/node",
        &[
            Mutant::of("acknowledge-before-commit", "I1"),
            Mutant::of("resequence-lost-answers", "I3 I8"),
            Mutant::of("reordered-seal", "I5"),
            Mutant::of("upload-overtaken", "I5"),
            Mutant::of("refusal-overtaken", "I5"),
            Mutant::of("stale-negative", "I7"),
            Mutant::of("unchecked-read", "I6"),
        ],
    ),
    (
        "tidelog_catalog",
        "control-plane/catalog",
        &[
            Mutant::of("dedup-outside-snapshot", "I8 I19"),
            Mutant::of("unfenced-orphan", "I15"),
            Mutant::of("wrong-repeated-outcome", "I3 I8"),
            Mutant::of("high-watermark-off-by-one", "I7"),
            Mutant::of("stale-epoch-accepted", "I9"),
            Mutant::of("continued-anywhere", "I5"),
            Mutant::of("claim-unchecked", "I13"),
            Mutant::of("log-start-goes-back", "I7 I16"),
            Mutant::of("fence-not-raised", "I10"),
            Mutant::of("expected-offset-ignored", "I10"),
            Mutant::of("key-other-body", "I1"),
            Mutant::of("halt-forgotten", "I5"),
            Mutant::of("guards-outside-snapshot", "I8 I10 I19"),
        ],
    ),
    (
        "tidelog_catalog_raft",
        "control-plane/catalog-raft",
        &[Mutant::of("skip_log_fsync", "I1"), Mutant::of("skip_part_fsync", "I1 I19")],
    ),
    (
        "tidelog_gateway_http",
        "services/gateway-http",
        &[
            Mutant::of("http-acknowledge-refused", "I1").seen_by("conditions_test"),
            Mutant::of("http-torn-body-taken", "I6").seen_by("encoding_test"),
            Mutant::of("http-resume-one-later", "I2").seen_by("follow_test"),
            Mutant::of("http-last-event-forgotten", "I3").seen_by("follow_test"),
            Mutant::of("http-cursor-behind", "I3").seen_by("read_test"),
            Mutant::of("http-read-again-repeats", "I3").seen_by("slow_test"),
        ],
    ),
];

/// A known bug.
struct Mutant {
    name: &'static str,
    /// The invariants.
    breaks: &'static str,
    /// What the names of tests contain that are run against it; all are, unless said. The rest may wait long for what never comes.
    tests: Option<&'static str>,
}

impl Mutant {
    const fn of(name: &'static str, breaks: &'static str) -> Mutant {
        Mutant { name, breaks, tests: None }
    }

    /// Only these tests are run against it.
    const fn seen_by(self, tests: &'static str) -> Mutant {
        Mutant { tests: Some(tests), ..self }
    }
}

/// Minutes that one run of one of these binaries may take.
const RUN_MINUTES: u64 = 5;

/// Plants each known bug: with none of them the tests are green, with any of them they are not.
pub fn mutants(machine: &mut Machine, stage: &'static str) -> Tally {
    let binaries = match build_with_mutants(machine, stage) {
        Ok(binaries) => binaries,
        Err(failed) => return failed,
    };
    let mut tally = Tally::default();
    for (binary, folder, mutants) in MUTANTS {
        let Some(program) = binaries.get(*binary) else {
            tally.add(Tally::failed(format!("no test binary {binary} was built")));
            continue;
        };
        match run_with(machine, stage, program, folder, ("none", None)) {
            Ok((true, counted, _)) if counted.passed > 0 => tally.passed += 1,
            Ok((_, _, red)) => tally.add(Tally { notes: vec![format!("{binary} is red without a bug")], ..red }),
            Err(failed) => tally.add(failed),
        }
        for Mutant { name, breaks, tests } in *mutants {
            match run_with(machine, stage, program, folder, (name, *tests)) {
                // A test that fails has caught the bug; a run that aborts or hangs has proved nothing.
                Ok((_, counted, _)) if counted.failed > 0 => {
                    tally.passed += 1;
                    let caught_by = counted.failed;
                    tally.notes.push(format!("{name}: breaks {breaks}, caught by {caught_by} tests of {binary}"));
                }
                Ok((_, _, green)) => {
                    tally.add(Tally {
                        notes: vec![format!("{name}: {binary} does not see it break {breaks}")],
                        ..green
                    });
                }
                Err(failed) => tally.add(failed),
            }
        }
    }
    tally
}

/// Runs some tests of a binary with a bug: whether it ended well, what it counted, and what to say when that was wrong.
fn run_with(
    machine: &Machine,
    stage: &'static str,
    program: &Path,
    folder: &str,
    (mutant, tests): (&str, Option<&str>),
) -> Result<(bool, Tally, Tally), Tally> {
    let mut command = Command::new(program);
    command.arg("--quiet").args(tests).current_dir(machine.root.join(folder));
    command.env("TIDELOG_MUTANT", mutant).env("RUST_BACKTRACE", "0");
    let ended = run(machine, stage, command, RUN_MINUTES)?;
    let wrong = with_tail(Tally::failed(""), &ended);
    Ok((ended.good, count_cargo_test(&ended.output), wrong))
}

/// Builds the test binaries that know bugs, and finds them by name. A crate's own tests know its bugs as they are; the path
/// through several crates is built once more with their feature.
fn build_with_mutants(machine: &Machine, stage: &'static str) -> Result<BTreeMap<String, PathBuf>, Tally> {
    let builds: [&[&str]; 2] = [&["--lib"], &["--test", "path", "--features", "tidelog-node/mutants"]];
    let mut programs = BTreeMap::new();
    for targets in builds {
        let mut build = cargo(machine, &["test", "--release", "--workspace", "--no-run"]);
        build.args(targets);
        let ended = run(machine, stage, build, 25)?;
        if !ended.good {
            return Err(with_tail(Tally::failed("the tests do not build with mutants"), &ended));
        }
        // `Executable unittests src/lib.rs (target/release/deps/tidelog_catalog-0123456789abcdef)`
        let lines = ended.output.lines().filter(|line| line.trim_start().starts_with("Executable"));
        programs.extend(lines.filter_map(|line| {
            let path = line.rsplit_once('(')?.1.strip_suffix(')')?;
            let name = Path::new(path).file_name()?.to_str()?.rsplit_once('-')?.0;
            Some((name.to_owned(), machine.root.join(path)))
        }));
    }
    Ok(programs)
}

/// Executions and seconds per target; the harness must also find a bug that is planted for it.
pub fn fuzz(machine: &mut Machine, stage: &'static str) -> Tally {
    let build = cargo(machine, &["build", "--release", "--quiet", "--workspace", "--bins"]);
    let built = one_check(machine, stage, build, 15);
    if built.failed > 0 {
        return built;
    }
    let (mut tally, java_frames) = record_java(machine, stage);
    let run_fuzzer = |more: &[&str]| {
        let mut command = Command::new(machine.root.join("target/release/tidelog-fuzz"));
        command.current_dir(&machine.root).args(more);
        run(machine, stage, command, 15)
    };
    let more: Vec<&str> = java_frames.iter().flat_map(|folder| ["--frames", folder]).collect();
    match run_fuzzer(&[&["--seconds", "30", "--executions", "100000"], &more[..]].concat()) {
        Ok(ended) => {
            let passed = ended.output.lines().filter(|line| line.contains(" ok, ")).count() as u64;
            tally.passed += passed;
            if !ended.good || passed == 0 {
                tally.add(with_tail(Tally::failed("fuzzing found something"), &ended));
            }
        }
        Err(failed) => tally.add(failed),
    }
    match run_fuzzer(&["planted", "--plant", "--seconds", "1", "--executions", "100000"]) {
        Ok(ended) if !ended.good && ended.output.contains("FAILED: took") => tally.passed += 1,
        Ok(ended) => tally.add(with_tail(Tally::failed("the planted count was not found"), &ended)),
        Err(failed) => tally.add(failed),
    }
    tally
}

/// Records what the Java client sends today, besides the frames that belong to the sources: its folder, if there is Java.
fn record_java(machine: &mut Machine, stage: &'static str) -> (Tally, Option<String>) {
    if let Some(missing) = [Tool::Java, Tool::Maven].into_iter().find(|tool| !machine.has(*tool)) {
        return (Tally::skipped(format!("recording of Java frames skipped: {} not found", missing.name())), None);
    }
    let prepared = prepare_java(machine, stage);
    if prepared.failed > 0 {
        return (prepared, None);
    }
    let folder = machine.logs.join("java-frames");
    // Frames of an earlier run, maybe of an earlier client, prove nothing about this one.
    let _ = std::fs::remove_dir_all(&folder);
    let mut command = Command::new(machine.root.join("target/release/record-java"));
    command.current_dir(&machine.root).arg(&folder);
    let tally = one_check(machine, stage, command, 10);
    let folder = (tally.failed == 0).then(|| folder.to_string_lossy().into_owned());
    (tally, folder)
}
