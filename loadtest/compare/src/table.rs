//! Tables for a terminal: what each system took, the ratios, and the bounds.

use std::fmt;
use std::io::IsTerminal;

use crate::comparison::{Comparison, Judged};
use crate::ratio::{Spread, Verdict};

const LABEL_WIDTH: usize = 38;
const COLUMN_WIDTH: usize = 20;

/// Shows a comparison to people.
pub struct Table<'a>(pub &'a Comparison);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comparison = self.0;
        writeln!(f, "{}: {}", comparison.scenario, comparison.about)?;
        writeln!(f, "{}", about_rate(comparison))?;
        for side in &comparison.sides {
            writeln!(f, "{:<18}{}; {}", side.system.name(), side.version, side.durability)?;
        }
        writeln!(f)?;
        write!(f, "{:<LABEL_WIDTH$}", format!("median / worst of {} rounds", comparison.rounds))?;
        for side in &comparison.sides {
            write!(f, "{:>COLUMN_WIDTH$}", side.system.name())?;
        }
        for other in comparison.others() {
            write!(f, "{:>COLUMN_WIDTH$}", format!("× {}", other.name()))?;
        }
        writeln!(f)?;
        for row in comparison.rows() {
            write!(f, "{:<LABEL_WIDTH$}", row.measure.label())?;
            for spread in row.values.iter().chain(&row.ratios) {
                write!(f, "{:>COLUMN_WIDTH$}", shown(*spread))?;
            }
            writeln!(f)?;
        }
        let judged = comparison.judged();
        if !judged.is_empty() {
            writeln!(f)?;
        }
        judged.iter().try_for_each(|judged| bound(f, judged))?;
        for why in comparison.not_to_be_quoted() {
            writeln!(f, "{}: {why}", coloured("not to be quoted", RED))?;
        }
        Ok(())
    }
}

/// The rate, and how it came about.
pub fn about_rate(comparison: &Comparison) -> String {
    let rate = comparison.workload.stages[0].rate_per_second;
    let why = match (&comparison.sweep, comparison.cores_max) {
        (Some(sweep), _) => {
            let maximum = comparison.trials.iter().find_map(|trial| trial.maximum_per_second);
            let maximum = maximum.map_or("an unknown rate".to_owned(), |rate| format!("{rate} records/s"));
            format!(", {} of the {maximum} that {} takes", sweep.share, sweep.of.name())
        }
        (None, Some(cores)) => format!(
            ", {:.2} of {} for all systems: server and generator together may need {cores} processors",
            comparison.share(),
            comparison.wanted_per_second
        ),
        (None, None) => String::new(),
    };
    format!("{rate} records/s{why}")
}

/// Median and worst, with three digits that count.
pub fn shown(spread: Option<Spread>) -> String {
    spread.map_or("–".to_owned(), |spread| format!("{} / {}", number(spread.median), number(spread.worst)))
}

/// With about three digits.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// A bound in words.
pub fn words(judged: &Judged) -> String {
    let bound = &judged.bound;
    match (bound.against, bound.ratio_max, bound.value_max) {
        (Some(other), Some(max), _) => format!("{}: at most {max} × {}", bound.measure.label(), other.name()),
        (_, _, Some(max)) => format!("{}: at most {max}", bound.measure.label()),
        _ => bound.measure.label().to_owned(),
    }
}

fn bound(f: &mut fmt::Formatter<'_>, judged: &Judged) -> fmt::Result {
    let colour = if judged.verdict == Verdict::Held { GREEN } else { RED };
    writeln!(f, "{}: {}, is {}", coloured(judged.verdict.words(), colour), words(judged), shown(judged.spread))
}

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";

fn coloured(text: &str, colour: &str) -> String {
    if std::io::stdout().is_terminal() { format!("{colour}{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_count() {
        assert_eq!([1234.5, 55.55, 1.234, 0.0456].map(number), ["1234", "55.5", "1.23", "0.046"]);
        assert_eq!(shown(Some(Spread { median: 0.5, worst: 12.0, count: 3 })), "0.500 / 12.0");
        assert_eq!(shown(None), "–");
    }
}
