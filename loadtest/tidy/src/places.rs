//! Places: time, chance, tasks and files are taken from `host`, so that a seed decides a run.

use crate::workspace::{Crate, product_lines};

/// What is reached only through `host`, and through what there. The runtime's timers are not in the list: `host::Clock` reads
/// the same clock, which a test pauses and steps.
const THROUGH_HOST: &[(&str, &str)] = &[
    ("Instant::now", "host::Clock"),
    ("SystemTime::now", "host::Clock"),
    ("thread::sleep", "host::Clock"),
    ("tokio::spawn", "host::Tasks"),
    ("thread::spawn", "host::Tasks"),
    ("rand::", "host::Random"),
    ("getrandom::", "host::Random"),
    ("std::fs::", "host::Disk"),
    ("tokio::fs::", "host::Disk"),
    ("File::open", "host::Disk"),
    ("File::create", "host::Disk"),
];

/// Who makes the real ones, or stands outside the product.
const OUTSIDE: &[&str] = &[
    "tidelog-host",
    "tidelog-server",
    // Programs of users, on their own runtime.
    "tidelog",
    "tidelog-cli",
    "tidelog-history",
    "tidelog-clients",
    "tidelog-bench",
    "tidelog-microbench",
    "tidelog-parity",
    "tidelog-fuzz",
    "tidelog-store-proxy",
    "tidelog-loadgen",
    "tidelog-compare",
    "tidelog-verify",
    "tidelog-tidy",
];

/// A file that may, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("storage/blob/src/s3.rs", "std::fs::", "reads the operator's certificates, once, before anything is stored"),
    ("storage/cache-nvme/src/cache.rs", "std::fs::", "asks what the cache library's own files take of the disk"),
];

/// In the state machine the order of a hash map would be hidden chance.
const ORDERED: (&str, &[&str]) = ("tidelog-catalog", &["HashMap", "HashSet"]);

/// Every place that reaches past `host`.
#[must_use]
pub fn complaints(crates: &[Crate]) -> Vec<String> {
    let mut found = Vec::new();
    for one in crates.iter().filter(|one| !OUTSIDE.contains(&one.name.as_str())) {
        for file in one.files.iter().filter(|file| !file.is_test) {
            for (number, line) in product_lines(&file.text) {
                for (what, instead) in THROUGH_HOST.iter().filter(|(what, _)| names(line, what)) {
                    if !EXCEPTIONS.iter().any(|(path, word, _)| *path == file.path && word == what) {
                        found.push(format!("{}:{number}: {what}: use {instead}", file.path));
                    }
                }
                let hashed = ORDERED.1.iter().find(|word| one.name == ORDERED.0 && line.contains(**word));
                if let Some(word) = hashed {
                    found.push(format!("{}:{number}: {word}: use an ordered map", file.path));
                }
            }
        }
    }
    found
}

/// Whether `line` uses the path `what`, and not one that merely ends like it (`operand::`).
fn names(line: &str, what: &str) -> bool {
    line.match_indices(what).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::SourceFile;

    fn check(name: &str, line: &str) -> usize {
        let file = SourceFile { path: "a/src/x.rs".to_owned(), text: format!("//! x\n{line}\n"), is_test: false };
        complaints(&[Crate {
            name: name.to_owned(),
            dependencies: Vec::new(),
            inherits_lints: true,
            files: vec![file],
        }])
        .len()
    }

    #[test]
    fn only_host_looks_at_the_clock() {
        assert_eq!(check("tidelog-ingest", "let now = std::time::Instant::now();"), 1);
        assert_eq!(check("tidelog-host", "let now = std::time::Instant::now();"), 0);
        assert_eq!(check("tidelog-ingest", "operand::add();"), 0);
    }

    #[test]
    fn the_catalog_has_no_hash_order() {
        assert_eq!(check("tidelog-catalog", "use std::collections::HashMap;"), 1);
        assert_eq!(check("tidelog-fetch", "use std::collections::HashMap;"), 0);
    }
}
