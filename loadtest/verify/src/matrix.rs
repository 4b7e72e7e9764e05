//! The client matrix: what its languages need is fetched and built, then the table is printed.

use std::io::IsTerminal;
use std::process::Command;

use crate::machine::{Machine, Tool};
use crate::process::Ended;
use crate::stages::{Prepare, build_server, nothing_to_prepare, prepare_python, run};
use crate::tally::{Tally, count_cargo_test};

/// Each language of the clients' programs, what it needs, and how that is put together.
const LANGUAGES: &[(&str, &[Tool], Prepare)] =
    &[("python", &[Tool::Python], prepare_python), ("kcat", &[Tool::Kcat], nothing_to_prepare)];

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
