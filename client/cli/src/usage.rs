//! The command line, and what is wrong with it in one line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Command, Parser};

use crate::exit;

/// Takes a command line apart.
///
/// # Errors
/// There is nothing more to do but to exit with this code: help or version were asked for and printed, or a mistake was told.
pub fn parse<C: Parser>(arguments: impl IntoIterator<Item = OsString>) -> Result<C, ExitCode> {
    let arguments = arguments.into_iter().collect::<Vec<_>>();
    C::try_parse_from(&arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Whoever reads may have seen enough.
            let _ = error.print();
            ExitCode::from(exit::DONE)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(exit::USAGE)
        }
        _ => {
            let line = one_line(&error.to_string(), &asked_for(&C::command(), &arguments));
            eprintln!("tidelog: {}", crate::escape::shown(&line));
            ExitCode::from(exit::USAGE)
        }
    })
}

/// The command that was asked for, as far as it is known: `tidelog topic create`.
fn asked_for(command: &Command, arguments: &[OsString]) -> String {
    let mut command = command;
    let mut path = vec![command.get_name()];
    for argument in arguments.iter().skip(1) {
        let Some(next) = argument.to_str().and_then(|name| command.find_subcommand(name)) else { break };
        path.push(next.get_name());
        command = next;
    }
    path.join(" ")
}

/// Clap's words, which are about what is wrong, what was probably meant, how it is used, and where there is help.
fn one_line(rendered: &str, asked_for: &str) -> String {
    let about = rendered.split("\nUsage:").next().unwrap_or_default();
    let about = about.split("\nFor more information").next().unwrap_or_default();
    let mut line = String::new();
    for part in about.lines().map(str::trim).filter(|part| !part.is_empty()) {
        let (joint, part) = match part.strip_prefix("tip: ").or(part.strip_prefix("error: ")) {
            Some(tip) => ("; ", tip),
            None if part.starts_with('[') => (" ", part),
            None => (" ", part),
        };
        if !line.is_empty() {
            line.push_str(joint);
        }
        line.push_str(part);
    }
    format!("{line}; `{asked_for} --help` shows what there is")
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    /// For tests.
    #[derive(Debug, Parser)]
    #[command(name = "tidelog")]
    struct Line {
        #[command(subcommand)]
        action: crate::ClientAction,
    }

    fn check(arguments: &[&str], expected: &str) {
        let arguments = std::iter::once("tidelog").chain(arguments.iter().copied()).map(OsString::from);
        let arguments = arguments.collect::<Vec<_>>();
        let error = Line::try_parse_from(&arguments).unwrap_err();
        assert_eq!(one_line(&error.to_string(), &asked_for(&Line::command(), &arguments)), expected);
    }

    #[test]
    fn mistakes_are_told_in_one_line() {
        check(
            &["consume", "orders", "--folow"],
            "unexpected argument '--folow' found; a similar argument exists: '--follow'; `tidelog consume --help` shows what there is",
        );
        check(
            &["topic", "create"],
            "the following required arguments were not provided: <TOPIC>; `tidelog topic create --help` shows what there is",
        );
        check(
            &["topic", "lisst"],
            "unrecognized subcommand 'lisst'; a similar subcommand exists: 'list'; `tidelog topic --help` shows what there is",
        );
        check(
            &["consume", "orders", "--limit", "x"],
            "invalid value 'x' for '--limit <COUNT>': invalid digit found in string; `tidelog consume --help` shows what there is",
        );
    }

    #[test]
    fn the_command_line_is_sound() {
        Line::command().debug_assert();
    }
}
