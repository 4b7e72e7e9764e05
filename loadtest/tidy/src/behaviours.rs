//! The table in CONTRIBUTING.md of what clients depend on: every test that it names is there.

use std::collections::BTreeSet;

use crate::workspace::SourceFile;

const HEADING: &str = "\n## What clients depend on\n";

/// The names in the last column of the table, in their order.
#[must_use]
pub fn named(contributing: &str) -> Vec<&str> {
    let section = contributing.split_once(HEADING).map_or("", |(_, after)| after);
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    let last_cells = rows.filter_map(|row| row.trim_end_matches('|').rsplit('|').next());
    last_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// Names without a test of that name.
#[must_use]
pub fn complaints<'a>(contributing: &str, files: impl Iterator<Item = &'a SourceFile>) -> Vec<String> {
    let tests = files.flat_map(|file| tests_in(&file.text)).collect::<BTreeSet<_>>();
    let missing = named(contributing).into_iter().filter(|name| !tests.contains(name));
    missing.map(|name| format!("CONTRIBUTING.md names the test `{name}`, which is not there")).collect()
}

/// The functions that an attribute makes a test.
fn tests_in(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
            return None;
        }
        if line.starts_with("#[") || line.starts_with("//") || !is_test {
            return None;
        }
        is_test = false;
        line.split_once("fn ").and_then(|(_, rest)| rest.split_once('(')).map(|(name, _)| name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_test_is_complained_of() {
        let text = "# A\n\n## What clients depend on\n\n| what | held by |\n|---|---|\n| order | `one`, `two` |\n\n## B\n| | `no` |\n";
        assert_eq!(named(text), ["one", "two"]);
        let file = |text: &str| SourceFile { path: "a.rs".to_owned(), text: text.to_owned(), is_test: true };
        let one = file("    #[tokio::test(start_paused = true)]\n    // Why.\n    async fn one() {\n");
        let helper = file("fn two() {\n");
        let found = complaints(text, [&one, &helper].into_iter());
        assert_eq!(found, ["CONTRIBUTING.md names the test `two`, which is not there"]);
        assert!(complaints(text, [&one, &file("#[test]\nfn two() {\n")].into_iter()).is_empty());
    }
}
