//! The table that is printed: median and worst of the runs, beside the bound.

use std::fmt;
use std::io::IsTerminal;

/// Rows of measurements.
pub struct Table {
    runs: usize,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    median: f64,
    worst: f64,
    bound: Option<f64>,
}

impl Table {
    pub fn new(runs: usize) -> Table {
        Table { runs, rows: Vec::new() }
    }

    /// Something of which less is better.
    pub fn row(&mut self, name: &str, values: &[f64], bound: Option<f64>) {
        let worst = values.iter().copied().fold(f64::MIN, f64::max);
        self.rows.push(Row { name: name.to_owned(), median: median(values), worst, bound });
    }

    /// Something of which more is better.
    pub fn row_of_rates(&mut self, name: &str, values: &[f64]) {
        let worst = values.iter().copied().fold(f64::MAX, f64::min);
        self.rows.push(Row { name: name.to_owned(), median: median(values), worst, bound: None });
    }

    /// Rows whose median is over its bound.
    pub fn misses(&self) -> usize {
        self.rows.iter().filter(|row| row.bound.is_some_and(|bound| row.median > bound)).count()
    }
}

/// The middle value.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colours = std::io::stdout().is_terminal();
        let width = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        writeln!(f, "{:<width$}  {:>10}  {:>10}  {:>8}", format!("of {} runs", self.runs), "median", "worst", "bound")?;
        for row in &self.rows {
            let bound = row.bound.map_or(String::new(), |bound| format!("{}", (bound * 1e3).round() / 1e3));
            let verdict = match row.bound {
                Some(bound) if row.median > bound => ("missed", "\x1b[31m"),
                Some(_) => ("held", "\x1b[32m"),
                None => ("", ""),
            };
            let verdict = if colours { format!("{}{}\x1b[0m", verdict.1, verdict.0) } else { verdict.0.to_owned() };
            writeln!(f, "{:<width$}  {:>10.3}  {:>10.3}  {bound:>8}  {verdict}", row.name, row.median, row.worst)?;
        }
        Ok(())
    }
}
