//! `cargo verify`: everything that can be wrong with a checkout, looked at by one command.
//!
//! **Owns:** the list of stages, the search for and installation of the tools they need, and the final count.
//! **Promises:** the last line is `N passed, N failed, N skipped`, counting individual tests; the exit code is not 0 when
//! anything failed, or, with `CI=true`, when anything was skipped. Every stage has a time bound and leaves its whole
//! output in `target/verify/<stage>.log`. **Does not know:** what the tests test.
//!
//! Only the standard library is used, so that the command starts in seconds on a fresh machine.

mod console;
mod http;
mod machine;
mod matrix;
mod prepare;
mod process;
mod proofs;
mod report;
mod stages;
mod tally;

use std::process::ExitCode;
use std::time::Instant;

use machine::Machine;
use report::Report;
use stages::STAGES;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--list"] => {
            for stage in STAGES {
                println!("{:<10} {}", stage.name, stage.about);
            }
            ExitCode::SUCCESS
        }
        ["--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        names => match stages::select(names) {
            Ok(chosen) => verify(&chosen),
            Err(message) => {
                eprintln!("{message}\n\n{USAGE}");
                ExitCode::from(2)
            }
        },
    }
}

const USAGE: &str = "\
usage: cargo verify [stage ...]    run the named stages, or all of them
       cargo verify --list         name the stages

CI=true in the environment makes a skipped test a failure.";

fn verify(chosen: &[&stages::Stage]) -> ExitCode {
    let strict = std::env::var("CI").is_ok_and(|value| value == "true");
    let mut machine = match Machine::look_around() {
        Ok(machine) => machine,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::from(2);
        }
    };
    machine.describe();
    let mut report = Report::new();
    for stage in chosen {
        // Logs are appended to within a run; what an earlier run left would be mistaken for this one's.
        let _ = std::fs::remove_file(machine.logs.join(format!("{}.log", stage.name)));
        report.begins(stage.name);
        let started = Instant::now();
        let tally = (stage.run)(&mut machine, stage.name);
        report.ends(stage.name, started.elapsed(), tally);
    }
    report.print_table();
    let total = report.total();
    if strict && total.skipped > 0 {
        println!("CI=true: what was skipped counts as a failure");
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    let good = total.failed == 0 && !(strict && total.skipped > 0);
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
