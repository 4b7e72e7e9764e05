//! How a kill run went.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use tidelog_history::Report;

use super::clients::Work;

/// How it went.
#[derive(Debug)]
pub struct Summary {
    /// The plan's.
    pub seed: u64,
    /// Kills that count, by what made them: a failpoint, or a random moment with a request of a door in flight.
    pub kills: BTreeMap<&'static str, u32>,
    /// Kills without a request in flight, and failpoints that were not reached in time.
    pub not_counted: u32,
    /// What clients should never have been told, such as a fatal error or an offset out of range.
    pub troubles: Vec<String>,
    /// Fewer kills than planned, by what should have made them.
    pub missing: BTreeMap<&'static str, u32>,
    /// What each client did between the first life and the last.
    pub work: Vec<Work>,
    /// Lives in which each client must have done something, so that a client that never comes back does not go unnoticed.
    pub lives_min: u32,
    /// The history's.
    pub report: Report,
    /// Kept when the run was not good: the server's folder, with the history beside its data.
    pub kept: Option<PathBuf>,
}

impl Summary {
    /// Whether all was as promised, enough kills counted, and no client was idle.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.report.is_good()
            && self.troubles.is_empty()
            && self.missing.is_empty()
            && self.idle().next().is_none()
            && self.report.acknowledged > 0
    }

    fn idle(&self) -> impl Iterator<Item = &Work> {
        self.work.iter().filter(|work| work.done == 0 || work.lives < self.lives_min)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Work { client, done, lives, .. } in &self.work {
            writeln!(f, "{client}: {done} in {lives} lives")?;
        }
        for idle in self.idle() {
            writeln!(f, "idle: {}, which must have done something in {} lives", idle.client, self.lives_min)?;
        }
        for trouble in &self.troubles {
            writeln!(f, "trouble: {trouble}")?;
        }
        for (what, count) in &self.missing {
            writeln!(f, "{count} kills missing at {what}")?;
        }
        if let Some(folder) = &self.kept {
            writeln!(f, "kept for you: {}", folder.display())?;
        }
        let total: u32 = self.kills.values().sum();
        let each: Vec<String> = self.kills.iter().map(|(what, count)| format!("{what} {count}")).collect();
        writeln!(f, "{total} kills ({}), {} more did not count", each.join(", "), self.not_counted)?;
        writeln!(f, "{}", self.report)?;
        write!(f, "seed {}", self.seed)
    }
}
