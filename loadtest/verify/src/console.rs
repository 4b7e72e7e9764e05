//! The console and the reference of the API, in a real browser against a real server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::{Machine, Tool};
use crate::prepare::{build_server, prepare_npm};
use crate::stages::counted;
use crate::tally::Tally;

/// Of the clients, and among the tools.
const SOURCES: &str = "node/console";
const TOOLS: &str = "console";

/// About a minute once built. Screenshots of every page are in `target/verify/console`.
pub fn console(machine: &mut Machine, stage: &'static str) -> Tally {
    if let Some(missing) = [Tool::Node, Tool::Chromium].into_iter().find(|tool| !machine.has(*tool)) {
        return Tally::skipped(format!("the console in a browser skipped: {} not found", missing.name()));
    }
    let mut tally = prepare_browser(machine, stage);
    tally.add(build_server(machine, stage));
    if tally.failed > 0 {
        return tally;
    }
    let tools = machine.tools.join(TOOLS);
    if let Err(error) = copy_scripts(&machine.root.join("loadtest/clients").join(SOURCES), &tools) {
        return Tally::failed(format!("{}: {error}", tools.display()));
    }
    let mut browser = Command::new(node(machine));
    browser.current_dir(&tools).arg("run.mjs");
    browser.arg(machine.logs.with_file_name("release").join("tidelog")).arg(machine.logs.join(TOOLS));
    tally.add(counted(machine, stage, browser, 10));
    tally
}

/// Gets what drives a browser, with a Node that is new enough for it.
pub(crate) fn prepare_browser(machine: &mut Machine, stage: &'static str) -> Tally {
    prepare_npm(machine, stage, SOURCES, TOOLS)
}

/// The Node that came with the packages, where there is one for the machine; else its own, which may be too old.
pub(crate) fn node(machine: &Machine) -> PathBuf {
    let brought = ["x64", "arm64"].map(|kind| package(machine, &format!("node-linux-{kind}")).join("bin/node"));
    brought.into_iter().find(|node| node.exists()).unwrap_or_else(|| "node".into())
}

/// Where a package is that `prepare_browser` has got.
pub(crate) fn package(machine: &Machine, name: &str) -> PathBuf {
    machine.tools.join(TOOLS).join("node_modules").join(name)
}

/// A module finds its packages beside itself.
fn copy_scripts(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "mjs") {
            fs::copy(&path, to.join(path.file_name().expect("an entry of a folder has a name")))?;
        }
    }
    Ok(())
}
