//! Runs the cells, some at a time, and judges them.

use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::clients::{CLIENTS, Client};
use super::not_applicable::NotApplicable;
use super::{FEATURES, codec};

/// Cells that run side by side. Most of the time a client waits, for a fetch, a heartbeat or its virtual machine.
const CELLS_AT_ONCE: usize = 4;
/// Of what a failing program printed.
const PRINTED_LINES_MAX: usize = 30;
/// What every program says when a record did not arrive.
const LOST: &str = "lost: ";

/// How one cell ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// As it should be: every record once and unaltered, or, where one is dropped, the client's check noticed.
    Good,
    /// Not so; what the program printed.
    Bad(String),
    /// The client does not have it, and why.
    NotApplicable(String),
    /// Not tried: not asked for, or the machine lacks what it needs.
    Skipped,
}

/// One client's cells, in the order of [`FEATURES`].
#[derive(Debug)]
pub struct Row {
    /// The client.
    pub name: &'static str,
    /// As the client itself says; empty when it was skipped.
    pub version: String,
    /// How each feature went.
    pub cells: Vec<Cell>,
}

/// What is run and how it is judged.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Clients by name; all when empty.
    pub clients: Vec<String>,
    /// Features by name; all when empty.
    pub features: Vec<String>,
    /// Languages that this machine lacks.
    pub skip_languages: Vec<String>,
    /// A record of each topic is dropped on the way, and must be missed.
    pub one_is_dropped: bool,
}

/// Runs the plan against the server at `address`. Topics are named after client and feature.
///
/// # Errors
/// A client cannot be started or says no version.
pub fn run(address: &str, plan: &Plan) -> anyhow::Result<(Vec<Row>, Duration)> {
    let started = Instant::now();
    let reasons = NotApplicable::load()?;
    let mut rows = Vec::new();
    let mut waiting = VecDeque::new();
    for (row, client) in CLIENTS.iter().enumerate() {
        let chosen = plan.clients.is_empty() || plan.clients.iter().any(|name| name == client.name);
        let skipped = !chosen || plan.skip_languages.iter().any(|name| name == client.language.name());
        let cells = FEATURES.iter().map(|feature| match reasons.reason(client.name, feature) {
            Some(reason) => Cell::NotApplicable(reason.to_owned()),
            None => Cell::Skipped,
        });
        let cells: Vec<Cell> = cells.collect();
        for (column, feature) in FEATURES.iter().enumerate() {
            let wanted = plan.features.is_empty() || plan.features.iter().any(|name| name == feature);
            if !skipped && wanted && cells[column] == Cell::Skipped {
                waiting.push_back((row, column, *client, *feature));
            }
        }
        let version = if skipped { String::new() } else { version(client)? };
        rows.push(Row { name: client.name, version, cells });
    }
    let (waiting, results) = (Mutex::new(waiting), Mutex::new(rows));
    std::thread::scope(|scope| {
        for _ in 0..CELLS_AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("nobody panics with it").pop_front();
                    let Some((row, column, client, feature)) = next else { break };
                    let cell = judge(attempt(&client, address, feature), plan.one_is_dropped);
                    results.lock().expect("nobody panics with it")[row].cells[column] = cell;
                }
            });
        }
    });
    Ok((results.into_inner().expect("all have ended"), started.elapsed()))
}

/// Whether the program ended well, and what it printed.
fn attempt(client: &Client, address: &str, feature: &str) -> (bool, String) {
    let topic = format!("{}-{feature}", client.name);
    let ended = client.command().and_then(|mut command| {
        command.args([address, &topic, feature]);
        let (good, printed) = run_quietly(command)?;
        if good {
            codec::check(address, &topic, feature)?;
        }
        Ok((good, printed))
    });
    ended.unwrap_or_else(|error| (false, format!("{error:#}")))
}

fn judge((good, printed): (bool, String), one_is_dropped: bool) -> Cell {
    match (good, one_is_dropped) {
        (true, false) => Cell::Good,
        (false, false) => Cell::Bad(printed),
        (true, true) => Cell::Bad("did not notice that a record was dropped".to_owned()),
        (false, true) if printed.contains(LOST) => Cell::Good,
        (false, true) => Cell::Bad(format!("failed, but not because a record was lost:\n{printed}")),
    }
}

fn version(client: &Client) -> anyhow::Result<String> {
    let mut command = client.command()?;
    command.arg("version");
    let (good, printed) = run_quietly(command)?;
    anyhow::ensure!(good, "{} does not start:\n{printed}", client.name);
    Ok(printed.trim().to_owned())
}

fn run_quietly(mut command: Command) -> anyhow::Result<(bool, String)> {
    let output = command.stdin(Stdio::null()).output()?;
    let mut printed = String::from_utf8_lossy(&output.stderr).into_owned();
    // Last, because what differed is there, and the end is what is kept.
    printed.push_str(&String::from_utf8_lossy(&output.stdout));
    if output.status.code() == Some(124) {
        printed.push_str("\nhung, and was ended");
    }
    let lines: Vec<&str> = printed.trim_end().lines().collect();
    let kept = lines[lines.len().saturating_sub(PRINTED_LINES_MAX)..].join("\n");
    Ok((output.status.success(), kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_dropped_record_a_cell_is_what_its_program_says() {
        assert_eq!(judge((true, String::new()), false), Cell::Good);
        assert_eq!(judge((false, "lost: 7".to_owned()), false), Cell::Bad("lost: 7".to_owned()));
    }

    #[test]
    fn with_a_dropped_record_only_its_absence_counts() {
        assert_eq!(judge((false, "lost: 7".to_owned()), true), Cell::Good);
        assert!(matches!(judge((true, String::new()), true), Cell::Bad(_)));
        assert!(matches!(judge((false, "connection refused".to_owned()), true), Cell::Bad(_)));
    }
}
