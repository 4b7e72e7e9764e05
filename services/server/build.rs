//! Finds the commit that is being built, without needing git: `TIDELOG_COMMIT` if set, else what `.git/HEAD` points at.
//!
//! Runs again when one of the files it read changes, which is when HEAD moves, and not otherwise.

use std::fs;
use std::path::{Path, PathBuf};

/// Hexadecimal digits shown.
const DIGITS: usize = 12;

fn main() {
    println!("cargo::rerun-if-env-changed=TIDELOG_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let given = std::env::var("TIDELOG_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(commit_of_checkout).unwrap_or_else(|| "unknown".to_owned());
    // `cargo run` hands what is set here on to the program, which takes every `TIDELOG_` variable for a setting.
    println!("cargo::rustc-env=BUILT_COMMIT={commit}");
}

/// The commit of the checkout that holds this workspace. None in an unpacked archive: a `.git` further up would be some
/// other project's.
fn commit_of_checkout() -> Option<String> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?).join("../..");
    let git = git_folder(&root.join(".git"))?;
    let head = read(&git.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref: ") else { return short(&head) };

    // In a linked worktree the branches live in the main checkout's folder.
    let shared = match read(&git.join("commondir")) {
        Some(folder) => git.join(folder),
        None => git.clone(),
    };
    if let Some(commit) = read(&shared.join(name)) {
        return short(&commit);
    }
    // A packed branch gets a file of its own with its next commit. A file that is not there cannot be watched, but the log
    // of HEAD grows at the same moment.
    watch(&git.join("logs/HEAD"));
    let packed = read(&shared.join("packed-refs"))?;
    let line = packed.lines().find(|line| line.split(' ').nth(1) == Some(name))?;
    short(line)
}

/// `.git` is a folder, or in a linked worktree a file that names one.
fn git_folder(dot_git: &Path) -> Option<PathBuf> {
    if dot_git.is_dir() {
        return Some(dot_git.to_owned());
    }
    let named = read(dot_git)?;
    let folder = PathBuf::from(named.strip_prefix("gitdir: ")?);
    Some(if folder.is_absolute() { folder } else { dot_git.parent()?.join(folder) })
}

fn short(commit: &str) -> Option<String> {
    let digits = commit.get(..DIGITS)?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| digits.to_owned())
}

/// A file's text, trimmed.
fn read(path: &Path) -> Option<String> {
    watch(path);
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Has cargo run this again when the file changes. Not for a file that is missing: cargo would then run it every time.
fn watch(path: &Path) {
    if path.is_file() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}
