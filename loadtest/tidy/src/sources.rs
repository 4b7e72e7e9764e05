//! Sources: how a file begins, how long it gets, and what is not written outside tests.

use crate::workspace::{SourceFile, product_lines};

/// Above this a file holds more than one idea. Most have 60 to 200 lines, and 400 is where one starts to look.
pub const LINES_MAX: usize = 600;

/// Not outside tests. Written in two parts, so that this file does not accuse itself.
const NOT_IN_PRODUCT: &[(&str, &str)] = &[
    (concat!("todo", "!"), "unfinished"),
    (concat!("unimplemented", "!"), "unfinished"),
    (concat!("dbg", "!"), "left over from looking"),
    (concat!(".unwrap", "()"), "say why it cannot fail: expect(\"…\")"),
    (concat!("#[allow(dead", "_code)]"), "code is shipped with its caller"),
    (concat!("counter!", "(\""), UNDECLARED),
    (concat!("gauge!", "(\""), UNDECLARED),
    (concat!("histogram!", "(\""), UNDECLARED),
];

const UNDECLARED: &str = "a metric is declared, with its help, by declare_metrics!";

/// Not anywhere: an ignored test is a test that nobody runs.
const NOWHERE: &str = concat!("#[ig", "nore");

/// Texts that are about one machine or about how the text came to be, and say nothing to a reader of the project.
const FOREIGN: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("helper", " session"), concat!("sub", "agent")];

/// What is wrong with one Rust file.
#[must_use]
pub fn complaints(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    let path = &file.path;
    let header: Vec<&str> = file.text.lines().take_while(|line| line.starts_with("//!")).collect();
    if header.is_empty() {
        found.push(format!("{path}: does not begin with a //! header"));
    }
    let header = header.join("\n");
    if header.contains("To be written") {
        found.push(format!("{path}: is not written yet"));
    }
    if path.ends_with("src/lib.rs") {
        for part in ["**Owns", "**Promises", "**Does not know"] {
            if !header.contains(part) {
                found.push(format!("{path}: the header does not say {}", part.trim_start_matches('*')));
            }
        }
    }
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        found.push(format!("{path}: {lines} lines, at most {LINES_MAX}"));
    }
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with(NOWHERE) {
            found.push(format!("{path}:{}: an ignored test", index + 1));
        }
    }
    if !file.is_test {
        for (number, line) in product_lines(&file.text) {
            for (word, why) in NOT_IN_PRODUCT.iter().filter(|(word, _)| line.contains(word)) {
                found.push(format!("{path}:{number}: {word} outside tests: {why}"));
            }
        }
    }
    found
}

/// Where a text speaks of something that is no part of the project.
#[must_use]
pub fn foreign_words(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        for word in FOREIGN.iter().filter(|word| lower.contains(*word)) {
            found.push(format!("{path}:{}: speaks of {word:?}", index + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        complaints(&SourceFile { path: path.to_owned(), text: text.to_owned(), is_test: path.ends_with("_test.rs") })
    }

    #[test]
    fn a_file_needs_its_header() {
        assert!(check("a/src/x.rs", "//! What it is.\n").is_empty());
        assert_eq!(check("a/src/x.rs", "use std::fs;\n").len(), 1);
        assert_eq!(check("a/src/lib.rs", "//! **Owns:** a. **Promises:** b.\n").len(), 1);
    }

    #[test]
    fn a_long_file_is_named() {
        assert!(check("a/src/x.rs", &"//! x\n".repeat(LINES_MAX)).is_empty());
        assert_eq!(check("a/src/x.rs", &"//! x\n".repeat(LINES_MAX + 1)).len(), 1);
    }

    #[test]
    fn unwrap_is_for_tests() {
        let line = concat!("//! x\nfn f() { g().unwrap", "(); }\n");
        assert_eq!(check("a/src/x.rs", line).len(), 1);
        assert!(check("a/src/x_test.rs", line).is_empty());
        let inside = concat!("//! x\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n    g().unwrap", "();\n}\n");
        assert!(check("a/src/x.rs", inside).is_empty());
        let after = format!("{inside}fn f() {{ g(){} }}\n", NOT_IN_PRODUCT[3].0);
        assert_eq!(check("a/src/x.rs", &after).len(), 1);
    }

    #[test]
    fn an_ignored_test_is_named_even_in_tests() {
        assert_eq!(check("a/src/x_test.rs", &format!("//! x\n{NOWHERE}]\n")).len(), 1);
    }

    #[test]
    fn machine_paths_are_foreign() {
        assert_eq!(foreign_words("README.md", &format!("see {}main\n", FOREIGN[0])).len(), 1);
        assert!(foreign_words("README.md", "it works/fails\n").is_empty());
    }
}
