//! A workload's text: what it says, and where it says something that cannot be.

use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{Problem, Workload};

/// Why a text is no workload.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// The line, where it is the text that is wrong.
    pub(crate) line: Option<usize>,
    /// With the key, and with what would work.
    pub(crate) text: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Reads a text, with some of its keys set to other values.
pub(super) fn read(text: &str, set: &[String]) -> Result<Workload, Wrong> {
    let mut table: toml::Table = text.parse().map_err(|error| of_text(text, &error))?;
    // What the text says by itself has to be right, but what it leaves out may be set.
    match toml::from_str::<Workload>(text) {
        Err(error) if !is_missing(&error) || set.is_empty() => return Err(of_text(text, &error)),
        _ => {}
    }
    let mut changed = Vec::new();
    for one in set {
        let wrong = |text: &str| Wrong { line: None, text: format!("--set {one}: {text}") };
        let (key, value) = one.split_once('=').ok_or_else(|| wrong("say key=value"))?;
        let key = key.trim();
        let value = value_of(value);
        if table.get(key) != Some(&value) && !["name", "about"].contains(&key) {
            changed.push(one.as_str());
        }
        // A single rate replaces stages.
        if key == "rate_per_second" {
            table.remove("stages");
        }
        table.insert(key.to_owned(), value);
        match table.clone().try_into::<Workload>() {
            Err(error) if !is_missing(&error) => return Err(wrong(&message(Some(key), &error))),
            _ => {}
        }
    }
    let mut workload: Workload = table.try_into().map_err(|error| Wrong { line: None, text: message(None, &error) })?;
    workload.settle().map_err(|problem| of_problem(text, set, problem))?;
    if !changed.is_empty() {
        let changed = changed.join(", ");
        let about = std::mem::take(&mut workload.about);
        workload.about = if about.is_empty() { format!("with {changed}") } else { format!("{about} (with {changed})") };
    }
    Ok(workload)
}

/// As in TOML. A word without quotes is meant as a text.
fn value_of(value: &str) -> toml::Value {
    let parsed = format!("value = {value}").parse::<toml::Table>();
    let parsed = parsed.ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| toml::Value::String(value.to_owned()))
}

fn is_missing(error: &toml::de::Error) -> bool {
    error.message().starts_with("missing field")
}

fn of_text(text: &str, error: &toml::de::Error) -> Wrong {
    let span = error.span().filter(|_| !is_missing(error) || error.span().is_some_and(|span| span.start > 0));
    let key = span.clone().and_then(|span| key_at(text, &span));
    Wrong { line: span.map(|span| line_of(text, span.start)), text: message(key.as_deref(), error) }
}

/// A value that cannot be: said outside, or in the text.
fn of_problem(text: &str, set: &[String], problem: Problem) -> Wrong {
    let Problem { key, text: what } = problem;
    let is_of_key = |one: &&String| one.split('=').next().is_some_and(|set| set.trim() == key);
    if let Some(one) = set.iter().rev().find(is_of_key) {
        return Wrong { line: None, text: format!("--set {one}: {what}") };
    }
    let mut found = None;
    walk(text, &mut |path, of_key, _| {
        if path == key {
            found = Some(of_key.start);
        }
    });
    Wrong { line: found.map(|at| line_of(text, at)), text: what }
}

/// One line that names the key and says what would work.
fn message(key: Option<&str>, error: &toml::de::Error) -> String {
    let said = error.message().replace('\n', " ");
    // A key that is not known, or is not there, is named in the message.
    let key = key.filter(|_| said.starts_with("invalid ")).map_or(String::new(), |key| format!("{key}: "));
    let number = "expected a whole number, 0 or more";
    let said = ["expected u8", "expected u16", "expected u32", "expected u64", "expected usize"]
        .iter()
        .fold(said, |said, kind| said.replace(kind, number));
    format!("{key}{}", said.replace("expected f64", "expected a number").replace("a boolean", "true or false"))
}

/// From 1.
fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The innermost key whose name or value is at `span`.
fn key_at(text: &str, span: &Range<usize>) -> Option<String> {
    let mut found = None;
    walk(text, &mut |path, of_key, of_value| {
        if of_key.contains(&span.start) || of_value.contains(&span.start) {
            found = Some(path.to_owned());
        }
    });
    found
}

/// Is told of each key by its path, with where the key stands and where its value does.
type Visit<'a> = &'a mut dyn FnMut(&str, &Range<usize>, &Range<usize>);

/// Shows every key with where it and its value are, outer ones first: `partitions`, `stages`, `stages[0].seconds`.
fn walk(text: &str, visit: Visit<'_>) {
    if let Ok(table) = DeTable::parse(text) {
        walk_table("", table.get_ref(), visit);
    }
}

fn walk_table(path: &str, table: &DeTable<'_>, visit: Visit<'_>) {
    for (key, value) in table.iter() {
        let path = format!("{path}{}", key.get_ref());
        visit(&path, &key.span(), &value.span());
        match value.get_ref() {
            DeValue::Table(inner) => walk_table(&format!("{path}."), inner, visit),
            DeValue::Array(all) => {
                for (index, one) in all.iter().enumerate() {
                    if let DeValue::Table(inner) = one.get_ref() {
                        walk_table(&format!("{path}[{index}]."), inner, visit);
                    }
                }
            }
            _ => {}
        }
    }
}
