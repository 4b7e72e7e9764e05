//! `tidelog-compare`: the same workload on Tidelog and on Apache Kafka in turn, and a comparison that can come out against us.
//!
//! **Owns:** scenarios, the systems that are started, warmed, fed and wiped for them, the order of rounds, and what is told of it all:
//! ratios with the bounds that should hold, a page, and every raw run. **Promises:** all systems get the same client, settings, rate and
//! disk; what others do on the machine is watched before and during each run; a run that lost, doubled or reordered a record, or whose
//! generator was late, is named with its system and leaves nothing that could be quoted; no process and no folder outlives it.
//! **Does not know:** how load is made and judged, which is the load generator's.
//!
//! Ends with 0 when every bound was held, 1 when a run did not hold, 2 when a scenario or an argument is not as it should be or the
//! machine is busy, 3 when a system does not start, 4 when a bound was missed.

mod comparison;
mod keep;
mod machine;
mod measure;
mod page;
mod plan;
mod ratio;
mod rounds;
mod scenario;
mod system;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tempfile::TempDir;
use tidelog_clients::tools;
use tidelog_loadgen::{Failure, break_off_when_interrupted};

use crate::comparison::{Comparison, ROUNDS_MAX, WARM_UP_SECONDS_MIN};
use crate::keep::{Folder, read_all, write_page};
use crate::machine::{Cubic, refuse_a_busy_one};
use crate::plan::{minutes, of_all};
use crate::ratio::Verdict;
use crate::rounds::{Settings, carry_out, foretell};
use crate::scenario::Scenario;
use crate::system::System;
use crate::table::Table;

/// What the numbers to reach ask for.
const ROUNDS: u32 = 5;
/// A bound was missed, and all else was as it should be.
const MISSED: u8 = 4;
/// What was run is not to be quoted.
const NOT_TO_BE_QUOTED: u8 = 1;

#[derive(Parser)]
#[command(about = "The same workload on Tidelog and on Apache Kafka in turn", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Names the scenarios, and how long each takes.
    List,
    /// Compares, and keeps every run.
    Run(RunArguments),
    /// Makes one table and one page of all comparisons that a folder has.
    Report {
        /// What `run` was told as `--results`.
        folder: PathBuf,
    },
}

#[derive(clap::Args)]
struct RunArguments {
    /// Scenarios that come with this program (see `list`), or files.
    #[arg(required = true)]
    scenarios: Vec<String>,
    /// How often each system runs.
    #[arg(long, default_value_t = ROUNDS, value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUNDS_MAX)))]
    rounds: u32,
    /// Instead of the scenario's: tidelog, tidelog-again, kafka-fsync, kafka-page-cache.
    #[arg(long, value_delimiter = ',', value_parser = System::named)]
    systems: Vec<System>,
    /// Load before a JVM is measured, at half of the rate. Less makes a result that is not to be quoted.
    #[arg(long, default_value_t = WARM_UP_SECONDS_MIN, value_parser = clap::value_parser!(u32).range(0..=3600))]
    warm_up_seconds: u32,
    /// Where results are kept, a folder for each scenario.
    #[arg(long, default_value = "compared")]
    results: PathBuf,
    /// Where the systems have their folders, which are gone afterwards: the disk that is meant.
    #[arg(long, default_value = ".")]
    beside: PathBuf,
    /// Tidelog's binary; the one beside this program unless said.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Runs on a busy machine too, with the congestion control that it has; the result is then not to be quoted.
    #[arg(long)]
    busy: bool,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::List => Ok(list()),
        Command::Run(arguments) => {
            break_off_when_interrupted();
            run(&arguments)
        }
        Command::Report { folder } => report(&folder, None),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("tidelog-compare: {failure}");
        ExitCode::from(failure.exit_code())
    })
}

fn list() -> ExitCode {
    for scenario in Scenario::named() {
        let takes = minutes(of_all(&scenario, ROUNDS, WARM_UP_SECONDS_MIN).about);
        println!("{:<18}{takes:>7}  {}", scenario.name, scenario.about);
    }
    ExitCode::SUCCESS
}

fn run(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    // All of them, before an hour has passed.
    let mut scenarios = Vec::new();
    for name in &arguments.scenarios {
        let scenario = Scenario::load(name)?;
        scenarios.push(if arguments.systems.is_empty() { scenario } else { scenario.only(&arguments.systems)? });
    }
    let mut names: Vec<&str> = scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Failure::Refused(format!("two scenarios are called {:?}, and would share a folder", pair[0])));
    }
    let binary = system::binary(arguments.binary.clone())?;
    let beside = std::path::absolute(&arguments.beside).map_err(|error| Failure::Refused(error.to_string()))?;
    // A build, or a profile, may put another one there while hours pass.
    let kept = TempDir::with_prefix("tidelog-compare-binary-")
        .map_err(|error| Failure::Refused(format!("no folder for a copy of tidelog: {error}")))?;
    let binary = system::keep_binary(&binary, kept.path())?;
    if !beside.is_dir() {
        return Err(Failure::Refused(format!("--beside {}: this is no folder", beside.display())));
    }
    let settings = Settings {
        rounds: arguments.rounds,
        warm_up_seconds: arguments.warm_up_seconds,
        binary,
        beside,
        busy: arguments.busy,
    };
    if scenarios.iter().any(|scenario| scenario.systems.iter().any(|system| system.is_kafka())) {
        tools::jars_or_get_them().map_err(|error| Failure::Unreachable(format!("{error:#}")))?;
    }
    if !settings.busy {
        refuse_a_busy_one()?;
    }
    let _cubic = if settings.busy { None } else { Some(Cubic::set()?) };
    let total = scenarios.iter().map(|scenario| foretell(scenario, &settings)).sum();
    if scenarios.len() > 1 {
        eprintln!("about {} in all", minutes(total));
    }
    let mut failed = None;
    let mut ran = Vec::new();
    for scenario in &scenarios {
        ran.push(scenario.name.as_str());
        let folder = Folder::anew(&arguments.results, &scenario.name)?;
        match carry_out(scenario, &settings, &folder) {
            // Told at the end too, and that may be in some hours.
            Ok(comparison) if scenarios.len() > 1 => eprintln!("\n{}", Table(&comparison)),
            Ok(_) => {}
            // The next scenario may be well, unless somebody wants an end.
            Err(failure) => {
                if scenarios.len() > 1 {
                    eprintln!("tidelog-compare: {}: {failure}", scenario.name);
                }
                failed.get_or_insert(failure);
                if machine::not_interrupted().is_err() {
                    break;
                }
            }
        }
    }
    // Where there is nothing to tell of, the failure says why.
    let code = report(&arguments.results, Some(&ran));
    failed.map_or(code, Err)
}

/// Tells of all comparisons of a folder, and judges those that are named, or all.
fn report(folder: &Path, of: Option<&[&str]>) -> Result<ExitCode, Failure> {
    let (comparisons, damaged) = read_all(folder)?;
    damaged.iter().for_each(|failure| eprintln!("tidelog-compare: {failure}"));
    if let (None, Some(failure)) = (of, damaged.into_iter().next()) {
        return Err(failure);
    }
    let page = write_page(folder, &comparisons)?;
    let is_meant = |comparison: &&Comparison| of.is_none_or(|names| names.contains(&comparison.scenario.as_str()));
    let meant: Vec<&Comparison> = comparisons.iter().filter(is_meant).collect();
    for comparison in &meant {
        println!("{}", Table(comparison));
    }
    println!("{}", page.display());
    let is_missed =
        |comparison: &&Comparison| comparison.judged().iter().any(|judged| judged.verdict == Verdict::Missed);
    Ok(ExitCode::from(if meant.iter().any(|comparison| !comparison.not_to_be_quoted().is_empty()) {
        NOT_TO_BE_QUOTED
    } else if meant.iter().any(is_missed) {
        MISSED
    } else {
        0
    }))
}
