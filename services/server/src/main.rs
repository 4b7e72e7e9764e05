//! `tidelog`: the one binary.
//!
//! **Owns:** the command line, the settings with their sources and checks, the log, the banner, signals, and the process:
//! its allocator, its runtime, its exit code. **Promises:** nothing is opened or made before all settings were checked
//! together; exit code 0 after a drained stop, 2 for a wrong command line or setting, 1 when running failed.
//! **Does not know:** records, topics, objects; the node is assembled in `tidelog_node`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod assemble;
mod banner;
mod command_line;
mod dev;
mod logging;
mod open_files;
mod play_folder;
mod settings;
mod signals;
mod start_refusal;
mod telemetry;
mod version;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use command_line::{Action, CommandLine, SettingFlags};
use settings::{Effective, Refused, Settings};

/// The command line or a setting is wrong; clap ends with the same code.
const EXIT_REFUSED: u8 = 2;
/// Running failed.
const EXIT_FAILED: u8 = 1;

fn main() -> ExitCode {
    let outcome = match CommandLine::parse().command {
        Action::Dev { settings } => gather(settings).map(|(effective, settings)| dev::run(&effective, &settings)),
        Action::Config { json, settings } => gather(settings).map(|(effective, _)| show(&effective, json)),
    };
    match outcome {
        Ok(Ok(())) => ExitCode::SUCCESS,
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

/// `tidelog config`.
fn show(effective: &Effective, json: bool) -> anyhow::Result<()> {
    let text = if json { settings::as_json(effective) } else { settings::as_table(effective) };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough: `tidelog config | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
