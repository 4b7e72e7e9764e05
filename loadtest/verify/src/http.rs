//! The HTTP door as its users see it: its document, clients that are generated from it, and the examples.

use std::path::PathBuf;
use std::process::Command;

use crate::console::{node, package, prepare_browser};
use crate::machine::{Machine, Tool};
use crate::prepare::{build_server, prepare_npm, prepare_venv};
use crate::stages::counted;
use crate::tally::Tally;

/// Pinned: a newer one may look for more in an old checkout, make other requests of the same seed, or generate other code.
const OPENAPI_TOOLS: &[&str] = &[
    "schemathesis==4.32.5",
    "hypothesis==6.170.17",
    "jsonschema-rs==0.60.3",
    "openapi-python-client==0.29.1",
    "mypy==2.4.1",
];
/// Of the clients: `package.json` and its lock file, of what the clients in TypeScript need.
const NPM_PACKAGES: &str = "openapi/typescript";
/// Where they are among the tools.
const NPM_FOLDER: &str = "openapi-typescript";

/// About 2 minutes once built, of an idle machine: a few hundred requests for each operation, then a client in each language.
pub fn openapi(machine: &mut Machine, stage: &'static str) -> Tally {
    if !machine.has(Tool::Python) {
        return Tally::skipped("the HTTP door's document skipped: Python not found");
    }
    let import = "import schemathesis, openapi_python_client, mypy";
    let mut tally = prepare_venv(machine, stage, "venv-openapi", import, OPENAPI_TOOLS);
    tally.add(build_server(machine, stage));
    if tally.failed > 0 {
        return tally;
    }
    let mut conformance = script(machine, "loadtest/clients/openapi/conformance.py");
    conformance.args(["--seed", "1"]);
    tally.add(counted(machine, stage, conformance, 6));
    let mut clients = script(machine, "loadtest/clients/openapi/generated_clients.py");
    clients.arg("--into").arg(machine.tools.join("openapi-python"));
    if packages(machine, stage, "the TypeScript client", &mut tally) {
        clients.arg("--typescript").arg(machine.tools.join(NPM_FOLDER));
    }
    tally.add(counted(machine, stage, clients, 6));
    tally
}

/// Less than a minute once built.
pub fn examples(machine: &mut Machine, stage: &'static str) -> Tally {
    if !machine.has(Tool::Python) {
        return Tally::skipped("the examples skipped: Python not found");
    }
    let mut tally = build_server(machine, stage);
    if tally.failed > 0 {
        return tally;
    }
    // Nothing is installed for them, as nothing should be needed.
    let mut run = Command::new("python3");
    run.arg(machine.root.join("docs/examples/tests/run.py")).arg("--binary").arg(server(machine));
    let problem = match [Tool::Node, Tool::Chromium].into_iter().find(|tool| !machine.has(*tool)) {
        Some(missing) => Tally::skipped(format!("the example in a browser skipped: {} not found", missing.name())),
        None => prepare_browser(machine, stage),
    };
    if problem.failed + problem.skipped == 0 {
        run.arg("--playwright").arg(package(machine, "playwright-core")).arg("--node").arg(node(machine));
    } else {
        tally.add(problem);
        run.arg("--without-browser");
    }
    tally.add(counted(machine, stage, run, 8));
    tally
}

/// Whether the packages of npm are there; else `tally` tells that `what` is left out.
fn packages(machine: &mut Machine, stage: &'static str, what: &str, tally: &mut Tally) -> bool {
    if !machine.has(Tool::Node) {
        tally.add(Tally::skipped(format!("{what} skipped: Node not found")));
        return false;
    }
    let prepared = prepare_npm(machine, stage, NPM_PACKAGES, NPM_FOLDER);
    let is_ready = prepared.failed == 0;
    tally.add(prepared);
    is_ready
}

fn script(machine: &Machine, path: &str) -> Command {
    let mut command = Command::new(machine.tools.join("venv-openapi/bin/python"));
    command.current_dir(&machine.root).arg(machine.root.join(path)).arg("--binary").arg(server(machine));
    command
}

fn server(machine: &Machine) -> PathBuf {
    machine.logs.with_file_name("release").join("tidelog")
}
