//! Completions for shells, made from the command line itself.

use std::io::{self, Write};

use clap::{Command, ValueEnum};

/// A shell that completions can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "each is the shell of that name")]
pub enum Shell {
    Bash,
    Elvish,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Zsh,
}

/// Writes the completions of a command line to standard output.
///
/// # Errors
/// It cannot be written; that nobody reads is no error.
pub fn write_completions(shell: Shell, command: &mut Command) -> io::Result<()> {
    let name = command.get_name().to_owned();
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Elvish => clap_complete::Shell::Elvish,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::PowerShell => clap_complete::Shell::PowerShell,
        Shell::Zsh => clap_complete::Shell::Zsh,
    };
    // It would panic where it cannot write.
    let mut text = Vec::new();
    clap_complete::generate(shell, command, name, &mut text);
    match io::stdout().write_all(&text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
