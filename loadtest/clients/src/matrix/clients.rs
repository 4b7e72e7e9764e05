//! The clients and how their programs are started. `cargo verify matrix` builds and installs what they need.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::tools::{bounded, tools_folder};

/// Nothing that a cell does takes half as long on a busy machine; a client that hangs is ended.
const CELL_SECONDS_MAX: u32 = 120;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// As its users call it, with the release where there is an older one too. Topics are named after it.
    pub name: &'static str,
    /// What its program is written in.
    pub language: Language,
    /// Where below `target/verify-tools` it was built or installed; nothing for what is part of this program.
    build: &'static str,
    /// The name of its script, or its own name for a program that holds several clients.
    program: &'static str,
}

/// What a program is written in, and so what the machine must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Virtual environments with packages.
    Python,
    /// Binaries, each built from the module with all Go clients: with the newest and with older ones.
    Go,
    /// A folder with packages, among them a Node that is new enough.
    Node,
    /// Folders with classes and jars.
    Java,
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
            Language::Go => "go",
            Language::Node => "node",
            Language::Java => "java",
            Language::Rust => "rust",
            Language::Kcat => "kcat",
        }
    }
}

/// All of them; an older release stands where it speaks the protocol otherwise than the newest.
pub const CLIENTS: &[Client] = &[
    python("confluent-kafka", "venv", "matrix_confluent.py"),
    python("confluent-kafka-2.0", "venv-old", "matrix_confluent.py"),
    python("kafka-python", "venv", "matrix_kafka_python.py"),
    python("kafka-python-2.0", "venv-old", "matrix_kafka_python.py"),
    python("aiokafka", "venv", "matrix_aiokafka.py"),
    python("aiokafka-0.10", "venv-old", "matrix_aiokafka.py"),
    java("java", "java-matrix", "Matrix"),
    java("java-3.9", "java-matrix-3.9", "Matrix"),
    java("kafka-tools", "java-matrix", "ToolsMatrix"),
    java("kafka-tools-3.9", "java-matrix-3.9", "ToolsMatrix"),
    go("franz-go", "go/matrix", "franz-go"),
    go("franz-go-1.15", "go/matrix-old", "franz-go"),
    go("confluent-kafka-go-1.8", "go/matrix-old", "confluent-kafka-go"),
    go("sarama", "go/matrix", "sarama"),
    go("sarama-as-1.0", "go/matrix", "sarama-as-1.0"),
    go("kafka-go", "go/matrix", "kafka-go"),
    Client { name: "kafkajs", language: Language::Node, build: "node", program: "matrix_kafkajs.js" },
    Client { name: "platformatic-kafka", language: Language::Node, build: "node", program: "matrix_platformatic.js" },
    Client { name: "kcat", language: Language::Kcat, build: "", program: "kcat" },
    Client { name: "rdkafka", language: Language::Rust, build: "", program: "rdkafka" },
    Client { name: "rskafka", language: Language::Rust, build: "", program: "rskafka" },
];

const fn python(name: &'static str, build: &'static str, program: &'static str) -> Client {
    Client { name, language: Language::Python, build, program }
}

const fn java(name: &'static str, build: &'static str, program: &'static str) -> Client {
    Client { name, language: Language::Java, build, program }
}

const fn go(name: &'static str, build: &'static str, program: &'static str) -> Client {
    Client { name, language: Language::Go, build, program }
}

impl Client {
    /// Its program, to which the arguments are added.
    ///
    /// # Errors
    /// What it needs is not installed.
    pub fn command(&self) -> anyhow::Result<Command> {
        Ok(match self.language {
            Language::Python => {
                let mut command = program(&self.built("bin/python")?)?;
                command.arg(sources().join("python").join(self.program));
                command
            }
            Language::Go => {
                let mut command = program(&self.built("")?)?;
                command.arg(self.program);
                command
            }
            Language::Node => {
                let packages = self.built("node_modules")?;
                // The one that comes as a package, for the machine it is made for; else the machine's own.
                let brought = ["x64", "arm64"].map(|kind| packages.join(format!("node-linux-{kind}/bin/node")));
                let node = brought.into_iter().find(|node| node.exists()).unwrap_or_else(|| PathBuf::from("node"));
                let mut command = program(&node)?;
                command.arg(sources().join("node").join(self.program)).env("NODE_PATH", packages);
                command
            }
            Language::Java => {
                let classes = self.built("classes")?;
                let mut command = program(Path::new("java"))?;
                // A short life: little memory, no second compiler, one thread for the garbage.
                command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j2.level=OFF", "-cp"]);
                command.arg(format!("{}:{}/*", classes.display(), self.built("jars")?.display())).arg(self.program);
                command
            }
            Language::Rust | Language::Kcat => {
                let mut command = program(&std::env::current_exe()?)?;
                command.args(["one", self.program]);
                command
            }
        })
    }

    fn built(&self, what: &str) -> anyhow::Result<PathBuf> {
        let build = tools_folder()?.join(self.build);
        let path = if what.is_empty() { build } else { build.join(what) };
        ensure!(path.exists(), "{} is not there: run `cargo verify matrix`", path.display());
        Ok(path)
    }
}

/// The folder of this crate.
fn sources() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn program(path: &Path) -> anyhow::Result<Command> {
    Ok(bounded(path.to_str().context("a path in UTF-8")?, CELL_SECONDS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_topics_and_stand_once() {
        for (index, client) in CLIENTS.iter().enumerate() {
            assert!(client.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)));
            assert!(CLIENTS[..index].iter().all(|other| other.name != client.name), "{} twice", client.name);
        }
    }

    #[test]
    fn scripts_are_there() {
        for client in CLIENTS {
            let file = match client.language {
                Language::Python => format!("python/{}", client.program),
                Language::Node => format!("node/{}", client.program),
                Language::Java => format!("java/matrix/{}.java", client.program),
                Language::Go | Language::Rust | Language::Kcat => continue,
            };
            assert!(sources().join(&file).exists(), "{file}");
        }
    }
}
