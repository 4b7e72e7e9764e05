//! The command line: its commands, and one flag for each setting.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand};

use tidelog_cli::{ClientAction, Shell};

use crate::settings::{CONFIG_FLAG, Given, SETTINGS, Setting};
use crate::version::VERSION;

const EXAMPLES: &str = "\
Examples:
  tidelog dev                                      everything in one process, Kafka on 127.0.0.1:9092
  tidelog dev --data-dir /var/lib/tidelog          data somewhere else
  tidelog dev --store s3://bucket/prefix           objects in S3, with the usual AWS credentials
  tidelog dev --store memory: --kafka-listen 127.0.0.1:0
                                                   for play: nothing outlives the process, any free port
  tidelog config                                   what holds, and why: every setting with its source
  tidelog doctor                                   whether this machine is fit for it, and what to do
  echo hello | tidelog produce greetings           append a record
  tidelog consume greetings --follow               read them, and what comes

Settings come from flags, the environment (TIDELOG_*), a TOML file (--config), and defaults, in this order.
docs/configuration.md says what each one trades.";

const CONFIG_EXAMPLES: &str = "\
Examples:
  tidelog config --config /etc/tidelog/tidelog.toml
  tidelog config --json | jq '.[\"data_dir\"]'";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  tidelog doctor --data-dir /var/lib/tidelog
  tidelog doctor --store s3://bucket/prefix --json | jq '.checks[] | select(.state != \"ok\")'";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  tidelog completions bash > ~/.local/share/bash-completion/completions/tidelog
  tidelog completions zsh > \"${fpath[1]}/_tidelog\"
  tidelog completions fish > ~/.config/fish/completions/tidelog.fish";

/// A log service that speaks the Kafka protocol and HTTP, and keeps its data in an object store: a local folder, or S3.
#[derive(Debug, Parser)]
#[command(name = "tidelog", version = VERSION, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct CommandLine {
    #[command(subcommand)]
    pub command: Action,
}

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Run every role in this process, until Ctrl-C.
    #[command(after_help = EXAMPLES)]
    Dev {
        #[command(flatten)]
        settings: SettingFlags,
    },
    #[command(flatten)]
    Client(ClientAction),
    /// Show the settings that `dev` would run with, and where each comes from.
    ///
    /// Takes the same flags as `dev`, and refuses what `dev` would refuse. Starts nothing.
    #[command(after_help = CONFIG_EXAMPLES)]
    Config {
        /// One JSON object instead of a table.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: SettingFlags,
    },
    /// Look whether this machine and the store are fit for `dev` with the same settings, and say what to do.
    ///
    /// Tries disk, ports, memory, open files, clock, and what the store can do and allows, with throw-away files and objects.
    /// Exit code 1 when something is wrong.
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor {
        /// One JSON object instead of lines.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: SettingFlags,
    },
    /// Print completions for a shell.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// Which one.
        shell: Shell,
    },
}

/// The flags of all settings, made from their list, so that neither can lack one of the other.
#[derive(Debug)]
pub struct SettingFlags {
    config: Option<PathBuf>,
    flags: Vec<(&'static Setting, String)>,
}

impl SettingFlags {
    /// Together with the environment: all that the outside said.
    pub fn with_environment(self, environment: impl Iterator<Item = (OsString, OsString)>) -> Given {
        Given { config: self.config, flags: self.flags, environment: environment.collect() }
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG_FLAG)
            .long(CONFIG_FLAG)
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Settings file (TOML) [env TIDELOG_CONFIG]")
            .help_heading("Settings");
        SETTINGS.iter().fold(command.arg(config), |command, setting| command.arg(flag_of(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag_of(setting: &'static Setting) -> Arg {
    let default = setting.default.map(|default| format!(", default {default}")).unwrap_or_default();
    let summary = format!("{} [env {}{default}]", setting.summary.replace('`', ""), setting.variable);
    let flag = Arg::new(setting.flag)
        .long(setting.flag)
        .value_name(setting.placeholder)
        .action(ArgAction::Set)
        // A value is checked with all others, whatever its source.
        .value_parser(clap::value_parser!(String))
        .long_help(format!("{summary}\n{}", setting.trade))
        .help(summary)
        .help_heading("Settings");
    match setting.placeholder {
        // `--insecure` alone means true.
        "BOOL" => flag.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => flag,
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<SettingFlags, clap::Error> {
        let given = |setting: &'static Setting| Some((setting, matches.get_one::<String>(setting.flag)?.clone()));
        let config = matches.get_one::<PathBuf>(CONFIG_FLAG).cloned();
        Ok(SettingFlags { config, flags: SETTINGS.iter().filter_map(given).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = SettingFlags::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The commands of ours among the examples of a help text, without what is piped or redirected and what is said about them.
    fn examples(help: &str) -> Vec<String> {
        let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1).take_while(|line| !line.is_empty());
        let ours = lines.filter_map(|line| line.find("tidelog ").map(|start| &line[start..]));
        let end = |line: &str| ["  ", " | ", " < ", " > "].iter().filter_map(|mark| line.find(mark)).min();
        ours.map(|line| line[..end(line).unwrap_or(line.len())].to_owned()).collect()
    }

    /// Every command has examples, one of them of itself, and all of them can be typed as they are.
    fn check(command: &Command, path: &str) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = examples(&help);
        let is_of_itself = |example: &String| example == path || example.starts_with(&format!("{path} "));
        assert!(examples.iter().any(is_of_itself), "{path} --help has no example of it: {examples:?}");
        for example in &examples {
            let parsed = CommandLine::try_parse_from(example.split(' '));
            assert!(
                parsed.is_ok(),
                "{path} --help: {example:?}: {}",
                parsed.err().map_or_else(String::new, |it| it.to_string())
            );
        }
        for inner in command.get_subcommands() {
            check(inner, &format!("{path} {}", inner.get_name()));
        }
    }

    #[test]
    fn every_command_has_examples_that_can_be_typed() {
        check(&CommandLine::command(), "tidelog");
    }

    #[test]
    fn an_example_ends_where_something_else_begins() {
        let help = "Examples:\n  echo a | tidelog produce t\n  tidelog topic list --json | jq .\n  tidelog status  it\n\n  tidelog no";
        assert_eq!(examples(help), ["tidelog produce t", "tidelog topic list --json", "tidelog status"]);
    }
}
