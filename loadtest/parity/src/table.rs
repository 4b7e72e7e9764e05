//! What a run says on standard output: a row for each API, then what surprised.

use std::fmt::Write;
use std::ops::RangeInclusive;

use kafka_protocol::messages::ApiKey;

use crate::exchange::Offered;
use crate::tools;
use crate::verdict::{Row, Verdict};

/// Surprises that are printed; the first ones say most.
const SURPRISES_SHOWN_MAX: usize = 1_000;

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// The table and the surprises, coloured when `colour` says so.
#[must_use]
pub fn table(verdict: &Verdict, offered: &Offered, colour: bool) -> String {
    let mut text = format!("{:<22} {:>8} {:>6} {:>7} {:>10}\n", "API", "versions", "same", "listed", "different");
    let paint = |shade: &'static str| if colour { (shade, PLAIN) } else { ("", "") };
    let absent = Row::default();
    let mut keys: Vec<i16> = verdict.rows.keys().chain(offered.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let row = verdict.rows.get(&key).unwrap_or(&absent);
        let shade = match (row.different, row.listed, row.same) {
            (0, 0, 1..) => GREEN,
            (0, 1.., _) => YELLOW,
            _ => RED,
        };
        let (on, off) = paint(shade);
        let name = match ApiKey::try_from(key) {
            Ok(api) => format!("{api:?}"),
            Err(()) if key == tools::KEY => "command line tools".to_owned(),
            Err(()) => format!("API {key}"),
        };
        let versions = offered.get(&key).map_or_else(|| "none".to_owned(), span);
        let Row { same, listed, different, .. } = row;
        let _ = writeln!(text, "{on}{name:<22} {versions:>8} {same:>6} {listed:>7} {different:>10}{off}");
    }
    let (on, off) = paint(RED);
    for surprise in verdict.surprises.iter().take(SURPRISES_SHOWN_MAX) {
        let _ = writeln!(text, "{on}{surprise}{off}");
    }
    if verdict.surprises.len() > SURPRISES_SHOWN_MAX {
        let _ = writeln!(text, "and {} more", verdict.surprises.len() - SURPRISES_SHOWN_MAX);
    }
    text
}

fn span(versions: &RangeInclusive<i16>) -> String {
    format!("{}-{}", versions.start(), versions.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals() {
        let row = Row { versions: [0].into(), same: 2, listed: 1, different: 0 };
        let verdict = Verdict { rows: [(3, row)].into(), surprises: vec!["a surprise".to_owned()] };
        let plain = table(&verdict, &Offered::from([(3, 0..=13)]), false);
        assert!(plain.contains("Metadata                   0-13      2       1          0\n"), "{plain}");
        assert!(plain.ends_with("a surprise\n") && !plain.contains('\x1b'));
        assert!(table(&verdict, &Offered::new(), true).contains(YELLOW));
    }
}
