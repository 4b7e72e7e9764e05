//! The same exchanges with Tidelog and with Apache Kafka, and what differs.
//!
//! **Owns:** the scripts, a Kafka of the newest release that is started for a run, the comparison of answers field by field,
//! and the list of what differs on purpose (`differences.rs`). **Promises:** every version of every API that Tidelog
//! advertises is asked in; a difference that is not listed fails the run, and so does a listed one that is gone; both
//! servers live on loopback, in folders of their own, and end with the run. **Does not know:** Tidelog's code, nor its
//! codec: requests and answers go through an independent one.
//!
//! A run's way: `scripts` ask by `exchange.rs`, which keeps each answer as a `tree.rs`, made comparable by `normal.rs`;
//! `verdict.rs` puts both runs side by side.
//!
//! Last come Kafka's command line tools (`tools`), whose output is compared line by line.
//!
//! `tidelog-parity [script ...]` runs all scripts, or some, and ends with 1 when anything is not as it should be.

mod apache;
mod batches;
mod compare;
mod differences;
mod exchange;
mod newer;
mod normal;
mod scripts;
mod table;
mod tools;
mod tree;
mod verdict;
mod wire;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use crate::differences::{Place, places};
use crate::exchange::Offered;
use crate::scripts::{SCRIPTS, Script};
use crate::table::table;
use crate::verdict::{Run, Verdict, judge};
use anyhow::{Context, ensure};
use tidelog_clients::Server;
use tidelog_clients::server::Options;

/// The id of Tidelog's one node, which Kafka's gets as well: that fewer fields have to be replaced.
const NODE: i32 = 1;

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    match compare(&names) {
        Ok((verdict, offered)) => {
            print!("{}", table(&verdict, &offered, std::io::stdout().is_terminal()));
            let steps: usize = verdict.rows.values().map(|row| row.same + row.listed).sum();
            // The last line is read by `cargo verify`.
            println!("{steps} steps as expected, {} surprises", verdict.surprises.len());
            if verdict.surprises.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn compare(names: &[String]) -> anyhow::Result<(Verdict, Offered)> {
    let chosen: Vec<&Script> =
        SCRIPTS.iter().filter(|script| names.is_empty() || names.iter().any(|name| name == script.name)).collect();
    let with_tools = names.is_empty() || names.iter().any(|name| name == tools::NAME);
    ensure!(
        names.is_empty() || chosen.len() + usize::from(with_tools) == names.len(),
        "no such script; there are {:?} and {:?}",
        scripts::names(),
        tools::NAME
    );
    let server = Server::start(Options::default()).context("Tidelog does not start")?;
    let apache = apache::start(NODE)?;
    let offered = scripts::offered(server.address())?;
    scripts::warm_up(apache.address())?;
    scripts::warm_up(server.address())?;
    let run = |side: &str, address: &str| {
        let begun = Instant::now();
        let mut run = scripts::run(&chosen, address, &offered);
        if with_tools {
            let (steps, broken) = tools::run(address);
            run.steps.extend(steps);
            run.broken.extend(broken.map(|reason| (tools::NAME.to_owned(), 0, reason)));
        }
        eprintln!("{side}: {} steps in {:.1} s", run.steps.len(), begun.elapsed().as_secs_f64());
        run
    };
    let address = server.address().to_owned();
    let (ours, theirs): (Run, Run) = std::thread::scope(|scope| {
        let ours = scope.spawn(|| run("Tidelog", &address));
        let theirs = run("Kafka", apache.address());
        (ours.join().expect("a script's failure is kept, not thrown"), theirs)
    });
    let of_chosen = |(_, place): &(&str, &Place)| {
        chosen.iter().any(|script| script.name == place.0) || (with_tools && place.0 == tools::NAME)
    };
    let listed: Vec<(&str, &Place)> = places().filter(of_chosen).collect();
    let expected = if names.is_empty() { offered.clone() } else { Offered::new() };
    Ok((judge(&ours, &theirs, &expected, &listed), offered))
}
