//! The table that people look at: client × feature.

use std::fmt::Write;

use super::FEATURES;
use super::run::{Cell, Row};

/// Cells that were good, bad and skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// As they should be.
    pub good: usize,
    /// Not so.
    pub bad: usize,
    /// Not tried.
    pub skipped: usize,
}

/// Counts the cells that are not empty.
#[must_use]
pub fn count(rows: &[Row]) -> Counts {
    let mut counts = Counts::default();
    for cell in rows.iter().flat_map(|row| &row.cells) {
        match cell {
            Cell::Good => counts.good += 1,
            Cell::Bad(_) => counts.bad += 1,
            Cell::Skipped => counts.skipped += 1,
            Cell::NotApplicable(_) => {}
        }
    }
    counts
}

/// The table, and below it what is to be said about cells: failures whole, empty cells with their reason.
#[must_use]
pub fn render(rows: &[Row], title: &str, colour: bool) -> String {
    let name_width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max("client".len());
    let version_width = rows.iter().map(|row| row.version.len()).max().unwrap_or(0).max("version".len());
    let mut out = format!("{title}\n{:<name_width$}  {:<version_width$}", "client", "version");
    for feature in FEATURES {
        let _ = write!(out, "  {feature}");
    }
    out.push('\n');
    let mut notes = String::new();
    for row in rows {
        let _ = write!(out, "{:<name_width$}  {:<version_width$}", row.name, row.version);
        for (feature, cell) in FEATURES.iter().zip(&row.cells) {
            let (mark, code) = match cell {
                Cell::Good => ("ok", "32"),
                Cell::Bad(_) => ("FAIL", "31;1"),
                Cell::NotApplicable(_) => ("n/a", "2"),
                Cell::Skipped => ("-", "33"),
            };
            // Padded before it is painted: the codes have no width.
            let padded = format!("{mark:<width$}", width = feature.len());
            let _ = write!(out, "  {}", if colour { format!("\x1b[{code}m{padded}\x1b[0m") } else { padded });
            match cell {
                Cell::Bad(printed) => {
                    let _ = writeln!(notes, "FAIL {} {feature}: {}", row.name, printed.replace('\n', "\n     "));
                }
                Cell::NotApplicable(reason) => {
                    let _ = writeln!(notes, "n/a  {} {feature}: {reason}", row.name);
                }
                Cell::Good | Cell::Skipped => {}
            }
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out + &notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(first: Cell) -> Row {
        let mut cells = vec![Cell::Good; FEATURES.len()];
        cells[0] = first;
        Row { name: "kcat", version: "1.7".to_owned(), cells }
    }

    #[test]
    fn empty_cells_are_not_counted() {
        let counts = count(&[row(Cell::NotApplicable("why".to_owned())), row(Cell::Bad(String::new()))]);
        assert_eq!(counts, Counts { good: 2 * (FEATURES.len() - 1), bad: 1, skipped: 0 });
    }

    #[test]
    fn failures_and_reasons_are_told_below_the_table() {
        let text = render(&[row(Cell::Bad("lost: 7\nof 9".to_owned()))], "title", false);
        assert!(text.starts_with("title\nclient  version  produce  group"), "{text}");
        assert!(text.contains("\nkcat    1.7      FAIL     ok "), "{text}");
        assert!(text.ends_with("FAIL kcat produce: lost: 7\n     of 9\n"), "{text}");
        assert!(render(&[row(Cell::Skipped)], "title", true).contains("\x1b[33m-      \x1b[0m"));
    }
}
