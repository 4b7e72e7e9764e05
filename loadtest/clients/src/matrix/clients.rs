//! The clients and how their programs are started. `cargo verify matrix` builds and installs what they need.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::tools::{bounded, python};

/// Nothing that a cell does takes half as long on a busy machine; a client that hangs is ended.
const CELL_SECONDS_MAX: u32 = 120;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// As its users call it.
    pub name: &'static str,
    /// What its program is written in.
    pub language: Language,
    /// The name of its script, or its own name for a program that holds several clients.
    program: &'static str,
}

/// What a program is written in, and so what the machine must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// The virtual environment with the packages.
    Python,
    /// This very program.
    Rust,
    /// This very program, which starts kcat.
    Kcat,
}

impl Language {
    /// The word for it on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Language::Python => "python",
            Language::Rust => "rust",
            Language::Kcat => "kcat",
        }
    }
}

/// All of them.
pub const CLIENTS: &[Client] = &[
    Client { name: "confluent-kafka", language: Language::Python, program: "matrix_confluent.py" },
    Client { name: "kafka-python", language: Language::Python, program: "matrix_kafka_python.py" },
    Client { name: "aiokafka", language: Language::Python, program: "matrix_aiokafka.py" },
    Client { name: "kcat", language: Language::Kcat, program: "kcat" },
    Client { name: "rdkafka", language: Language::Rust, program: "rdkafka" },
    Client { name: "rskafka", language: Language::Rust, program: "rskafka" },
];

impl Client {
    /// Its program, to which the arguments are added.
    ///
    /// # Errors
    /// What it needs is not installed.
    pub fn command(&self) -> anyhow::Result<Command> {
        let mut command;
        match self.language {
            Language::Python => {
                command = python(CELL_SECONDS_MAX)?;
                command.arg(existing(sources().join("python").join(self.program))?);
            }
            Language::Rust | Language::Kcat => {
                let this = std::env::current_exe()?;
                command = bounded(this.to_str().context("a path in UTF-8")?, CELL_SECONDS_MAX);
                command.args(["one", self.program]);
            }
        }
        Ok(command)
    }
}

/// The folder of this crate.
fn sources() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn existing(path: PathBuf) -> anyhow::Result<PathBuf> {
    ensure!(path.exists(), "{} is not there: run `cargo verify matrix`", path.display());
    Ok(path)
}
