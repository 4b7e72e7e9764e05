//! The commands that ask a server: `tidelog topic`, `produce`, `consume`, `group`, `status`.
//!
//! **Owns:** these commands, their flags and help; what they print, for people and for programs; how mistakes are told, in one
//! line; exit codes. **Promises:** what a command prints on standard output is data, and the rest is on standard error; tables
//! and colours are for terminals; exit codes are those of [`exit`]. **Does not know:** the server, its settings, and HTTP, which
//! the crate `tidelog` speaks.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod completions;
mod consume;
mod escape;
pub mod exit;
mod failure;
mod flags;
mod group;
mod interrupt;
mod interruption;
mod lines;
mod notes;
mod output;
mod produce;
mod progress;
mod report;
mod server;
mod status;
mod topic;
mod usage;

use std::process::ExitCode;

use clap::Subcommand;

pub use completions::{Shell, write_completions};
pub use usage::parse;

use failure::Failure;
use interrupt::Interrupt;
use output::Output;

/// The commands that ask a server.
#[derive(Debug, Subcommand)]
pub enum ClientAction {
    /// Topics: list, create, describe, configure, delete.
    #[command(subcommand, arg_required_else_help = true, after_help = topic::EXAMPLES)]
    Topic(topic::TopicAction),
    /// Append records: a line each, from standard input or files.
    #[command(after_help = produce::EXAMPLES)]
    Produce(produce::ProduceArguments),
    /// Read records, and follow them.
    #[command(after_help = consume::EXAMPLES)]
    Consume(consume::ConsumeArguments),
    /// Consumer groups: list, describe, offsets, reset, delete.
    #[command(subcommand, arg_required_else_help = true, after_help = group::EXAMPLES)]
    Group(group::GroupAction),
    /// What the server knows about itself.
    #[command(after_help = status::EXAMPLES)]
    Status(status::StatusArguments),
}

/// Runs a command to its end, or until it is interrupted, and says what went wrong.
#[must_use]
pub fn run(action: ClientAction) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return told(&Failure::failed(format!("cannot start: {error}"))),
    };
    let outcome = runtime.block_on(async {
        let interrupt =
            Interrupt::take_over().map_err(|error| Failure::failed(format!("cannot take signals: {error}")))?;
        let mut output = Output::standard();
        match action {
            ClientAction::Topic(action) => interrupt.or(topic::run(action, &mut output)).await,
            ClientAction::Produce(arguments) => produce::run(arguments, &mut output, &interrupt).await,
            ClientAction::Consume(arguments) => consume::run(arguments, &mut output, &interrupt).await,
            ClientAction::Group(action) => interrupt.or(group::run(action, &mut output)).await,
            ClientAction::Status(arguments) => interrupt.or(status::run(arguments, &mut output)).await,
        }
    });
    // A thread may be waiting for a line of standard input.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => told(&failure),
    }
}

fn told(failure: &Failure) -> ExitCode {
    if let Some(text) = failure.text() {
        eprintln!("tidelog: {}", escape::shown(text));
    }
    ExitCode::from(failure.code())
}
