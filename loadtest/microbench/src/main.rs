//! `tidelog-microbench`: what single steps of the paths cost, in nanoseconds, by Criterion.
//!
//! **Owns:** the steps that are looked at alone ([`batch`], [`catalog`], [`wire`]) and the data that they are given. **Promises:** a step
//! is the function that the server calls, with data as clients send it; a run is compared with the one before
//! (`target/criterion`). **Does not know:** what a whole request costs: that is `tidelog-bench`'s.
//!
//! `target/release/tidelog-microbench`, or with a part of a name for some of them; `--quick` sees only that all of them run.

mod batch;
mod catalog;
mod wire;

use std::time::Duration;

use clap::Parser;
use criterion::Criterion;

#[derive(Parser)]
#[command(about = "Measures single steps of writing and reading, in nanoseconds", version)]
struct Arguments {
    /// A part of the names of those that are wanted.
    filter: Option<String>,
    /// A moment of each, which tells that it runs, and nothing of its speed.
    #[arg(long)]
    quick: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let mut criterion = Criterion::default().without_plots();
    if let Some(filter) = arguments.filter {
        criterion = criterion.with_filter(filter);
    }
    if arguments.quick {
        let moment = Duration::from_millis(20);
        criterion = criterion.sample_size(10).warm_up_time(moment).measurement_time(moment).nresamples(1_000);
    }
    batch::measure(&mut criterion);
    catalog::measure(&mut criterion);
    wire::measure(&mut criterion);
    criterion.final_summary();
}
