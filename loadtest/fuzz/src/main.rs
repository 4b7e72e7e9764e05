//! `tidelog-fuzz`: feeds damaged bytes to everything that decodes, on the stable toolchain.
//!
//! Each target starts from a corpus (frames of real clients, a plausible request of every API and version that is offered,
//! batches and parts of our own making), damages it in ways that decoders get wrong (counts, lengths, cuts, splices), repairs
//! checksums half of the time so that the damage gets past them, and demands: no panic, and no more memory than a stated
//! multiple of the input. One target goes on where decoding ends, and has a whole node answer (`node.rs`). A run is bounded by
//! executions *and* seconds, and prints its seed; `--seed` repeats it. `--plant` proves that the harness sees what it looks
//! for.

mod damage;
mod memory;
mod node;
mod panics;
mod plausible;
mod record;
mod targets;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use tidelog_host::Random;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

#[derive(Parser)]
#[command(about = "Feeds damaged bytes to everything that decodes")]
struct Arguments {
    /// Only the targets whose name contains this.
    target: Option<String>,
    /// Seconds per target, at least.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Executions per target, at least.
    #[arg(long, default_value_t = 100_000)]
    executions: u64,
    /// Repeats a run.
    #[arg(long)]
    seed: Option<u64>,
    /// Adds a target that trusts a count of i32::MAX; the run must fail.
    #[arg(long)]
    plant: bool,
    /// Instead of fuzzing: forward connections from this address…
    #[arg(long, requires = "to")]
    record: Option<std::net::SocketAddr>,
    /// …to this one, and keep what clients send as corpus.
    #[arg(long)]
    to: Option<std::net::SocketAddr>,
    /// Folder of that corpus.
    #[arg(long, default_value = "loadtest/fuzz/corpus", requires = "record")]
    into: std::path::PathBuf,
    /// Whose frames they are: the beginning of their files' names.
    #[arg(long, requires = "record")]
    client: Option<String>,
    /// A folder with more frames, besides those that belong to the sources.
    #[arg(long)]
    frames: Option<std::path::PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let (Some(listen), Some(to)) = (arguments.record, arguments.to) {
        return record::forward(listen, to, &record::Corpus::new(arguments.into, arguments.client.as_deref()));
    }
    let seed = arguments.seed.unwrap_or_else(|| Random::real().next());
    println!("seed {seed}");
    let wanted = |name: &str| arguments.target.as_ref().is_none_or(|part| name.contains(part.as_str()));
    panics::keep();
    let targets = targets::all(arguments.plant, arguments.frames.as_deref())?;
    let next = AtomicUsize::new(0);
    let (passed, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Memory is counted per thread, so targets can share the machine.
    let worker = || {
        while let Some(target) = targets.get(next.fetch_add(1, Ordering::SeqCst)) {
            if !wanted(target.name) {
                continue;
            }
            match fuzz(target, seed, &arguments) {
                Ok(executions) => {
                    passed.fetch_add(1, Ordering::SeqCst);
                    println!("{:<10} ok, {executions} executions from {} seeds", target.name, target.corpus.len());
                }
                Err(finding) => {
                    failed.fetch_add(1, Ordering::SeqCst);
                    println!("{:<10} FAILED: {finding}", target.name);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let named = std::thread::Builder::new().name(panics::WORKER.to_owned());
            named.spawn_scoped(scope, worker).expect("a thread can be started");
        }
    });
    // The node's folder goes with it.
    drop(targets);
    let (passed, failed) = (passed.into_inner(), failed.into_inner());
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

/// Runs one target until both bounds are reached; says what it found first.
fn fuzz(target: &targets::Target, seed: u64, arguments: &Arguments) -> Result<u64, String> {
    let random = Random::seeded(seed);
    let ends = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut executions = 0;
    while executions * target.worth < arguments.executions || Instant::now() < ends {
        executions += 1;
        let mut input = target.corpus[random.below(target.corpus.len() as u64) as usize].clone();
        let made = target.make.as_ref().filter(|_| random.one_in(2));
        if let Some(make) = made {
            input = make(&random);
        } else if executions > target.corpus.len() as u64 {
            damage::damage(&mut input, &target.corpus, &random);
            if random.one_in(2) {
                (target.repair)(&mut input);
            }
        }
        let allowed = target.bytes_fixed + target.bytes_per_byte * input.len();
        let run = || (target.run)(&input);
        let (result, peak) = memory::peak_during(|| std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)));
        if result.is_err() {
            let kept = keep(target.name, &input);
            return Err(format!("panicked at execution {executions} on {kept}: {}", panics::last()));
        }
        if peak > allowed {
            let kept = keep(target.name, &input);
            return Err(format!("took {peak} bytes for an input of {}, {allowed} are allowed: {kept}", input.len()));
        }
    }
    Ok(executions)
}

/// Writes an input that was a finding to the working folder, and says where.
fn keep(name: &str, input: &[u8]) -> String {
    let path = format!("target/fuzz-{name}.bin");
    match std::fs::write(&path, input) {
        Ok(()) => path,
        Err(error) => format!("an input that could not be kept ({error})"),
    }
}
