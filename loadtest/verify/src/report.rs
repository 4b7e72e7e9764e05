//! What is printed: one line when a stage begins and ends, the end of a failing log, and the table.

use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use crate::tally::Tally;

/// The rows so far.
pub struct Report {
    rows: Vec<(&'static str, Duration, Tally)>,
    colour: bool,
}

impl Report {
    /// No rows; colours when a person is looking.
    pub fn new() -> Report {
        Report { rows: Vec::new(), colour: stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    /// Says that a stage runs now.
    pub fn begins(&self, stage: &str) {
        println!("{} {stage}", self.paint("34", "▶"));
        let _ = stdout().flush();
    }

    /// Says how it ended, with the end of its log when it failed.
    pub fn ends(&mut self, stage: &'static str, took: Duration, tally: Tally) {
        if tally.failed > 0 {
            println!("{}", tally.tail);
        }
        for note in &tally.notes {
            println!("  {stage}: {note}");
        }
        println!("{} {stage} {}", self.mark(&tally), minutes(took));
        self.rows.push((stage, took, tally));
    }

    /// Every stage with its minutes and counts, and their sum.
    pub fn print_table(&self) {
        println!("\n{:<12}{:>8}{:>9}{:>9}{:>9}", "stage", "minutes", "passed", "failed", "skipped");
        let whole: Duration = self.rows.iter().map(|(_, took, _)| *took).sum();
        for (stage, took, tally) in &self.rows {
            self.print_row(stage, *took, tally);
        }
        self.print_row("all", whole, &self.total());
        println!();
    }

    /// The sum of all rows.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for (_, _, tally) in &self.rows {
            total.passed += tally.passed;
            total.failed += tally.failed;
            total.skipped += tally.skipped;
        }
        total
    }

    fn print_row(&self, stage: &str, took: Duration, tally: &Tally) {
        let passed = self.paint(if tally.passed > 0 { "32" } else { "0" }, &format!("{:>9}", tally.passed));
        let failed = self.paint(if tally.failed > 0 { "31;1" } else { "0" }, &format!("{:>9}", tally.failed));
        let skipped = self.paint(if tally.skipped > 0 { "33" } else { "0" }, &format!("{:>9}", tally.skipped));
        println!("{stage:<12}{:>8}{passed}{failed}{skipped}", minutes(took));
    }

    fn mark(&self, tally: &Tally) -> String {
        match (tally.failed, tally.skipped) {
            (0, 0) => self.paint("32", "✔"),
            (0, _) => self.paint("33", "✔"),
            _ => self.paint("31", "✘"),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn minutes(took: Duration) -> String {
    format!("{:.1}", took.as_secs_f64() / 60.0)
}
