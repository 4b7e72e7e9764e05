//! Where a stage's processor time goes, and its memory: the stage is run twice, once with `perf` around the server and once with
//! a server that writes down each allocation, and what was seen is drawn as flame graphs.

mod allocations;
mod flame;
mod perf;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use flame::Stacks;
use sources::Sources;

/// Lines of a table.
const ROWS: usize = 15;

/// Profiles what `stage` does with a server, given the server's binary. Leaves `cpu.svg`, `allocations.svg` and
/// `allocated-bytes.svg` in `folder`, and says in the terminal what is on top.
///
/// # Errors
/// `perf` is not there or not permitted, the server with its allocations cannot be built, or the stage fails.
pub fn of(binary: &Path, folder: &Path, stage: impl Fn(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let folder = folder.canonicalize()?;

    eprintln!("processor time: the stage runs with perf around the server");
    let recording = perf::Recording::of(binary, &folder)?;
    stage(&recording.program)?;
    let samples = recording.stacks()?;
    samples.draw("Processor time of the server", "ns", &folder.join("cpu.svg"))?;

    eprintln!("allocations: building a server that writes them down (minutes, the first time)");
    let counting = build_counting_server(&folder)?;
    eprintln!("allocations: the stage runs with it, some times slower");
    let written = folder.join("allocations.json");
    stage(&allocations::told_to_write(&counting, &folder, &written)?)?;
    let (count, bytes) = allocations::stacks(&written, &Sources::here())?;
    count.draw("Allocations of the server", "allocations", &folder.join("allocations.svg"))?;
    bytes.draw("Bytes that the server allocated", "bytes", &folder.join("allocated-bytes.svg"))?;

    println!("{}", samples.table("processor time in nanoseconds, by the function that runs", ROWS, Stacks::innermost));
    println!("{}", samples.table("processor time in nanoseconds, by what of ours is on the stack", ROWS, Stacks::ours));
    println!("{}", count.table("allocations, by the innermost function of ours", ROWS, Stacks::innermost_of_ours));
    println!("{}", bytes.table("allocated bytes, by the innermost function of ours", ROWS, Stacks::innermost_of_ours));
    println!(
        "{}/: cpu.svg, allocations.svg, allocated-bytes.svg (open them in a browser: they can be searched)",
        folder.display()
    );
    Ok(())
}

/// The same server with another allocator, which is kept beside its profiles.
fn build_counting_server(folder: &Path) -> anyhow::Result<PathBuf> {
    let built = PathBuf::from("target/release/tidelog");
    let into = folder.join("tidelog-allocations");
    let build = |features: &[&str]| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--release", "--workspace", "--bin", "tidelog"]).args(features);
        let status = cargo.status().context("cargo does not start")?;
        anyhow::ensure!(status.success(), "the server could not be built; run this in the project's folder");
        anyhow::Ok(())
    };
    let copied = build(&["--features", "tidelog-server/allocation-profile"])
        .and_then(|()| std::fs::copy(&built, &into).with_context(|| format!("copying {}", built.display())));
    // What others find there is the server as it is, also when this one could not be had.
    build(&[])?;
    copied.map(|_| into)
}
