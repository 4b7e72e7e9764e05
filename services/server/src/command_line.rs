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
#[command(disable_help_subcommand = true)]
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
