//! `tidelog`: the one binary.
//!
//! **Owns:** the command line as a whole, the settings with their sources and checks, the log, the banner, signals, `doctor`, and
//! the process: its allocator, its runtime, its exit code. **Promises:** nothing is opened or made before all settings were
//! checked together; exit code 0 after a drained stop, 2 for a wrong command line or setting, 1 when running failed.
//! **Does not know:** records, topics, objects; the node is assembled in `tidelog_node`, and the commands that ask a server are
//! in `tidelog_cli`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(feature = "allocation-profile")]
mod allocation_profile;
#[cfg(not(feature = "allocation-profile"))]
mod allocator;
mod assemble;
mod banner;
mod command_line;
mod dev;
mod doctor;
mod logging;
mod open_files;
mod play_folder;
mod settings;
mod signals;
mod start_refusal;
mod store_advice;
mod telemetry;
mod version;

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;

use command_line::{Action, CommandLine, SettingFlags};
use settings::{Effective, Refused, Settings};

/// The command line or a setting is wrong; clap ends with the same code.
const EXIT_REFUSED: u8 = 2;
/// Running failed.
const EXIT_FAILED: u8 = 1;

fn main() -> ExitCode {
    #[cfg(feature = "allocation-profile")]
    let _written_at_the_end = allocation_profile::begin();
    #[cfg(not(feature = "allocation-profile"))]
    allocator::keep_what_is_used_again();
    let command_line = match tidelog_cli::parse::<CommandLine>(std::env::args_os()) {
        Ok(command_line) => command_line,
        Err(exit_code) => return exit_code,
    };
    let outcome = match command_line.command {
        Action::Dev { settings } => {
            gather(settings).map(|(effective, settings)| dev::run(&effective, &settings).map(|()| ExitCode::SUCCESS))
        }
        Action::Client(action) => return tidelog_cli::run(action),
        Action::Config { json, settings } => {
            gather(settings).map(|(effective, _)| show(&effective, json).map(|()| ExitCode::SUCCESS))
        }
        Action::Doctor { json, settings } => {
            gather(settings).map(|(effective, settings)| examine(&effective, &settings, json))
        }
        Action::Completions { shell } => Ok(complete(shell).map(|()| ExitCode::SUCCESS)),
    };
    match outcome {
        Ok(Ok(exit_code)) => exit_code,
        Ok(Err(error)) => {
            eprintln!("tidelog: {error:#}");
            ExitCode::from(EXIT_FAILED)
        }
        Err(refused) => {
            eprintln!("tidelog: {refused}");
            ExitCode::from(EXIT_REFUSED)
        }
    }
}

/// The settings that hold, with their sources and as checked values.
fn gather(flags: SettingFlags) -> Result<(Effective, Settings), Refused> {
    let effective = Effective::gather(flags.with_environment(std::env::vars_os()));
    let settings = Settings::check(&effective)?;
    Ok((effective, settings))
}

/// `tidelog doctor`.
fn examine(effective: &Effective, settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let is_well = doctor::run(effective, settings, json)?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}

/// `tidelog completions`.
fn complete(shell: tidelog_cli::Shell) -> anyhow::Result<()> {
    Ok(tidelog_cli::write_completions(shell, &mut CommandLine::command())?)
}

/// `tidelog config`.
fn show(effective: &Effective, json: bool) -> anyhow::Result<()> {
    let text = if json { settings::as_json(effective) } else { settings::as_table(effective) };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough: `tidelog config | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
