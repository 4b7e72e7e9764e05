//! The kill loop by hand: `cargo run --release -p tidelog-clients --bin kills -- --help`.

use std::process::ExitCode;

use clap::Parser;
use tidelog_clients::chance::Chance;
use tidelog_clients::kills::{self, Plan};
use tidelog_clients::s3_servers;
use tidelog_clients::server::Options;

/// Kills a server again and again under real clients, and judges what they saw.
#[derive(Debug, Parser)]
struct Arguments {
    /// Repeats the choices of another run.
    #[arg(long)]
    seed: Option<u64>,
    /// Kills at random moments.
    #[arg(long, default_value_t = 26)]
    random: u32,
    /// Kills at each failpoint.
    #[arg(long, default_value_t = 3)]
    per_failpoint: u32,
    /// Keep objects in an S3 server that is started for this run: `moto` or `radosgw`.
    #[arg(long)]
    s3: Option<String>,
    /// Flags for the server, after `--`.
    #[arg(last = true)]
    flags: Vec<String>,
}

fn main() -> ExitCode {
    let Arguments { seed, random, per_failpoint, s3, flags } = Arguments::parse();
    let seed = seed.unwrap_or_else(Chance::seed_of_this_run);
    let store = match s3.as_deref().map(s3_servers::start).transpose() {
        Ok(store) => store,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::from(2);
        }
    };
    let mut options = store.as_ref().map_or_else(Options::default, |store| store.options("kills"));
    options.flags.extend(flags);
    match kills::run(&Plan { seed, random_kills: random, kills_per_failpoint: per_failpoint, options }) {
        Ok(summary) => {
            println!("{summary}");
            if summary.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}
