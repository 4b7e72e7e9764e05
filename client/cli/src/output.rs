//! What is printed: tables and colours on a terminal, fields with tabs between them elsewhere, JSON when asked for.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::escape::{field, shown, shown_bytes, shown_json};
use crate::failure::Failure;

/// Standard output, held back until it is flushed.
pub(crate) struct Output {
    out: io::BufWriter<io::Stdout>,
    is_terminal: bool,
    has_colours: bool,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// Of words.
    Left(&'static str),
    /// Of numbers.
    Right(&'static str),
}

impl Output {
    pub(crate) fn standard() -> Output {
        let is_terminal = io::stdout().is_terminal();
        Output { out: io::BufWriter::new(io::stdout()), is_terminal, has_colours: is_terminal && colours_suit() }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Prints bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    /// Prints what others wrote: byte for byte, but on a terminal nothing that it would act on.
    pub(crate) fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_terminal { self.out.write_all(shown_bytes(bytes).as_bytes()) } else { self.out.write_all(bytes) }
    }

    /// Prints JSON that is on one line.
    pub(crate) fn json_line(&mut self, json: &str) -> io::Result<()> {
        if self.is_terminal { self.line(&shown_json(json)) } else { self.line(json) }
    }

    /// Prints a line.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// Prints a line of something that is not data, in a colour that stays in the background.
    pub(crate) fn dim(&mut self, text: &str) -> io::Result<()> {
        if self.has_colours { write!(self.out, "\x1b[2m{text}\x1b[0m") } else { write!(self.out, "{text}") }
    }

    /// Prints a value as JSON: indented on a terminal, on one line elsewhere.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = if self.is_terminal { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        let text = text.map_err(|error| Failure::failed(format!("cannot print: {error}")))?;
        self.json_line(&text)?;
        Ok(self.flush()?)
    }

    /// Prints a table.
    pub(crate) fn table(&mut self, columns: &[Column], rows: &[Vec<String>]) -> Result<(), Failure> {
        let text = if self.is_terminal { aligned(columns, rows, self.has_colours) } else { separated(rows) };
        self.bytes(text.as_bytes())?;
        Ok(self.flush()?)
    }

    /// Says that there is nothing to print: data it is not, so elsewhere than on a terminal it goes to standard error.
    pub(crate) fn nothing(&mut self, text: &str) -> Result<(), Failure> {
        if self.is_terminal {
            self.line(&shown(text))?;
        } else {
            eprintln!("{}", shown(text));
        }
        Ok(self.flush()?)
    }

    /// Prints names and values.
    pub(crate) fn fields(&mut self, fields: &[(String, String)]) -> Result<(), Failure> {
        let rows = fields.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect::<Vec<_>>();
        if !self.is_terminal {
            return self.table(&[], &rows);
        }
        let width = fields.iter().map(|(name, _)| shown(name).chars().count()).max().unwrap_or(0);
        for (name, value) in fields {
            let name = shown(name);
            self.dim(&format!("{name:<width$}"))?;
            self.line(&format!("  {}", shown(value)))?;
        }
        Ok(self.flush()?)
    }

    /// Hands over what was printed.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether the user wants colours, where they can be shown: <https://no-color.org>.
pub(crate) fn colours_suit() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// For programs: one row a line, whatever is in it.
fn separated(rows: &[Vec<String>]) -> String {
    let line = |row: &Vec<String>| row.iter().map(|cell| field(cell)).collect::<Vec<_>>().join("\t") + "\n";
    rows.iter().map(line).collect()
}

/// For people: columns below their titles.
fn aligned(columns: &[Column], rows: &[Vec<String>], has_colours: bool) -> String {
    let row = |row: &Vec<String>| row.iter().map(|cell| shown(cell).into_owned()).collect::<Vec<_>>();
    let rows = &rows.iter().map(row).collect::<Vec<_>>();
    let title = |column: &Column| match column {
        Column::Left(title) | Column::Right(title) => *title,
    };
    let titles = columns.iter().map(|column| title(column).to_owned()).collect::<Vec<_>>();
    let width =
        |place: usize| std::iter::once(&titles).chain(rows).map(|row| row[place].chars().count()).max().unwrap_or(0);
    let widths = (0..columns.len()).map(width).collect::<Vec<_>>();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(columns).zip(&widths).map(|((cell, column), width)| {
            let room = " ".repeat(width - cell.chars().count());
            match column {
                Column::Left(_) => format!("{cell}{room}"),
                Column::Right(_) => format!("{room}{cell}"),
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut text = String::new();
    let head = line(&titles);
    text.push_str(&if has_colours { format!("\x1b[1m{head}\x1b[0m\n") } else { format!("{head}\n") });
    for row in rows {
        text.push_str(&line(row));
        text.push('\n');
    }
    text
}

/// Bytes as people say them.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut size = count as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        (size, unit) = (size / 1024.0, unit + 1);
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// A duration as people say it.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "10".to_owned()], vec!["long".to_owned(), "7".to_owned()]];
        let text = aligned(&[Column::Left("NAME"), Column::Right("COUNT")], &rows, false);
        assert_eq!(text, "NAME  COUNT\na        10\nlong      7\n");
        assert!(aligned(&[Column::Left("NAME"), Column::Right("N")], &rows, true).starts_with("\x1b[1mNAME"));
    }

    #[test]
    fn no_cell_makes_a_row_or_moves_the_cursor() {
        let rows = [vec!["a\nforged\t9\x1b[2J".to_owned(), "1".to_owned()]];
        assert_eq!(separated(&rows), "a\\nforged\\t9\x1b[2J\t1\n");
        let text = aligned(&[Column::Left("NAME"), Column::Right("N")], &rows, false);
        assert_eq!(text, "NAME                 N\na\\nforged\\t9\\x1b[2J  1\n");
    }

    #[test]
    fn numbers_are_said_as_people_do() {
        let check = |count, text: &str| assert_eq!(bytes(count), text);
        check(0, "0 B");
        check(1536, "1.5 KiB");
        check(5 << 30, "5.0 GiB");
        assert_eq!((duration(59).as_str(), duration(3_700).as_str()), ("59 s", "1 h 1 min"));
        assert_eq!(duration(90_000), "1 d 1 h");
    }
}
