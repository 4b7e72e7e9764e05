//! Shows settings: the effective ones for `tidelog config`, and all of them for docs/configuration.md.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::sources::{Effective, Source};

/// A table for people: setting, value, source.
pub fn as_table(effective: &Effective) -> String {
    let mut rows = vec![["SETTING".to_owned(), "VALUE".to_owned(), "SOURCE".to_owned()]];
    for entry in &effective.entries {
        let value = entry.value.clone().unwrap_or_else(|| "(unset)".to_owned());
        rows.push([entry.setting.key.to_owned(), value, entry.source.to_string()]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    rows.iter().fold(String::new(), |mut table, [key, value, source]| {
        writeln!(table, "{key:<first$}  {value:<second$}  {source}").expect("a string takes everything");
        table
    })
}

/// One JSON object: for each key its `value` (text, or null when unset), its `source` (default, file, environment or
/// flag) and, except for defaults, the `name` of file, variable or flag.
pub fn as_json(effective: &Effective) -> String {
    let mut all = Map::new();
    for entry in &effective.entries {
        let (source, name) = match &entry.source {
            Source::Default => ("default", Value::Null),
            Source::File(path) => ("file", json!(path.to_string_lossy())),
            Source::Environment(variable) => ("environment", json!(variable)),
            Source::Flag(flag) => ("flag", json!(format!("--{flag}"))),
        };
        all.insert(entry.setting.key.to_owned(), json!({ "value": entry.value, "source": source, "name": name }));
    }
    format!("{:#}\n", Value::Object(all))
}
