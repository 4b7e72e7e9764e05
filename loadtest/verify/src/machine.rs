//! What this machine has, and getting what it lacks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process;

/// Something outside cargo that a stage needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    Python,
    Java,
    Maven,
    Kcat,
    Go,
    Node,
    Chromium,
    Ceph,
}

impl Tool {
    const ALL: [Tool; 8] =
        [Tool::Python, Tool::Java, Tool::Maven, Tool::Kcat, Tool::Go, Tool::Node, Tool::Chromium, Tool::Ceph];

    /// The commands that must run, and the Debian packages that bring them.
    fn facts(self) -> (&'static str, &'static [&'static [&'static str]], &'static [&'static str]) {
        match self {
            // Debian splits `venv` off its Python, so ask for the modules, not only for the interpreter.
            Tool::Python => ("Python", &[&["python3", "-c", "import venv, ensurepip"]], &["python3", "python3-venv"]),
            Tool::Java => ("Java", &[&["java", "-version"]], &["default-jdk-headless"]),
            Tool::Maven => ("Maven", &[&["mvn", "-version"]], &["maven"]),
            Tool::Kcat => ("kcat", &[&["kcat", "-V"]], &["kcat"]),
            // One of 1.21 or later fetches a newer one where a module asks for it.
            Tool::Go => ("Go", &[&["go", "version"]], &["golang-go"]),
            Tool::Node => ("Node", &[&["node", "--version"], &["npm", "--version"]], &["nodejs", "npm"]),
            Tool::Chromium => ("Chromium", &[&["chromium", "--version"]], &["chromium"]),
            Tool::Ceph => (
                "Ceph radosgw",
                &[
                    &["radosgw", "--version"],
                    &["ceph-mon", "--version"],
                    &["ceph-osd", "--version"],
                    &["radosgw-admin", "--version"],
                    &["monmaptool", "--version"],
                ],
                &["radosgw", "ceph-mon", "ceph-osd", "ceph-mgr", "ceph-common"],
            ),
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        self.facts().0
    }
}

/// The checkout, where to write, and which tools were found.
pub struct Machine {
    pub root: PathBuf,
    /// `target/verify`: logs.
    pub logs: PathBuf,
    /// `target/verify-tools`: what verify installed for itself; kept between runs.
    pub tools: PathBuf,
    found: BTreeMap<Tool, bool>,
    is_root: bool,
    /// Package lists are fetched once per run.
    lists_fetched: bool,
}

impl Machine {
    /// Finds the checkout (the folder of the workspace's Cargo.toml) and makes the folders.
    pub fn look_around() -> std::io::Result<Machine> {
        let from = std::env::var_os("CARGO_MANIFEST_DIR").map_or(std::env::current_dir()?, PathBuf::from);
        let is_workspace = |folder: &&Path| {
            fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|manifest| manifest.contains("[workspace]"))
        };
        let root = from.ancestors().find(is_workspace).ok_or_else(|| {
            std::io::Error::other(format!("{} is in no workspace: start me as `cargo verify`", from.display()))
        })?;
        // A run must read the target folder that its own build wrote, wherever the user put that.
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), |folder| root.join(folder));
        let (logs, tools) = (target.join("verify"), target.join("verify-tools"));
        fs::create_dir_all(&logs)?;
        fs::create_dir_all(&tools)?;
        let found = Tool::ALL.into_iter().map(|tool| (tool, runs_all(tool))).collect();
        let is_root = first_line(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
        Ok(Machine { root: root.to_path_buf(), logs, tools, found, is_root, lists_fetched: false })
    }

    /// One line about the toolchain, one about the tools.
    pub fn describe(&self) {
        let rustc = first_line(Command::new("rustc").arg("--version")).unwrap_or_else(|| "rustc not found".to_owned());
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        println!("{rustc}, {cores} cores");
        let known = self.found.iter().map(|(tool, found)| (tool.name(), *found));
        // Named although no stage needs it: whoever reads a log wants to know the machine.
        let make = ("make", runs(&["make", "--version"]));
        let (have, lack): (Vec<_>, Vec<_>) = known.chain([make]).partition(|(_, found)| *found);
        let names = |list: Vec<(&'static str, bool)>| list.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        println!("found: {}", names(have).join(", "));
        if !lack.is_empty() {
            println!("not found: {}", names(lack).join(", "));
        }
    }

    /// Whether `tool` can be used, after trying to install it when we may.
    pub fn has(&mut self, tool: Tool) -> bool {
        if self.found.get(&tool).copied().unwrap_or(false) {
            return true;
        }
        let installed = self.is_root && self.install(tool.facts().2) && runs_all(tool);
        self.found.insert(tool, installed);
        installed
    }

    /// Whether a small file system of one's own can be mounted here. Tried where nobody else sees it, and gone at once.
    pub fn may_mount(&self) -> bool {
        let folder = self.logs.to_string_lossy();
        runs(&["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", &folder])
    }

    /// Installs Debian packages; false where there is no apt or it failed.
    fn install(&mut self, packages: &[&str]) -> bool {
        if !runs(&["apt-get", "--version"]) {
            return false;
        }
        println!("  installing {}", packages.join(" "));
        let log = self.logs.join("apt.log");
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq").args(arguments);
            process::run(command, &log, Duration::from_secs(600)).is_ok_and(|ended| ended.good)
        };
        if !self.lists_fetched {
            self.lists_fetched = true;
            // A failure shows in the installation that follows; stale lists are often good enough.
            let _ = apt(&["update"]);
        }
        let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
        arguments.extend(packages);
        apt(&arguments)
    }
}

fn runs_all(tool: Tool) -> bool {
    tool.facts().1.iter().all(|command| runs(command))
}

/// Whether the command exists and exits with 0.
fn runs(command: &[&str]) -> bool {
    let mut process = Command::new(command[0]);
    process.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    process.status().is_ok_and(|status| status.success())
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(str::to_owned)
}
