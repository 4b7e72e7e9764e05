//! Reading the workspace: manifests, sources, texts. No rule is here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a dependency is written in a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `[dependencies]` and `[build-dependencies]`: part of what is shipped.
    Shipped,
    /// `[dev-dependencies]`.
    Tests,
}

/// One dependency as a manifest states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// Where it is written.
    pub kind: Kind,
    /// Whether version and features come from the root manifest.
    pub inherited: bool,
}

/// One crate of the workspace.
#[derive(Clone, Debug)]
pub struct Crate {
    /// The package's name.
    pub name: String,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
    /// Whether `[lints] workspace = true`.
    pub inherits_lints: bool,
    /// Its Rust files.
    pub files: Vec<SourceFile>,
}

/// One Rust file.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Relative to the workspace, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Compiled for tests only, as a whole.
    pub is_test: bool,
}

/// How the names of files end that people read.
const TEXTS: &[&str] = &[
    "rs", "md", "toml", "xml", "py", "sh", "json", "yml", "yaml", "svg", "txt", "html", "css", "js", "mjs", "cjs", "ts",
];

/// The folder of the root manifest.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate lies two folders down").to_path_buf()
}

/// The root manifest.
#[must_use]
pub fn root_manifest() -> toml::Table {
    read_toml(&root().join("Cargo.toml"))
}

/// Cargo.lock as text.
#[must_use]
pub fn lockfile() -> String {
    read(&root().join("Cargo.lock"))
}

/// Every member of the workspace.
///
/// # Panics
/// A manifest cannot be read: then nothing can be said about the rules.
#[must_use]
pub fn crates() -> Vec<Crate> {
    let root = root();
    let groups = ["storage", "control-plane", "services", "client", "openapi", "loadtest"];
    let folders = groups.iter().flat_map(|group| sorted_entries(&root.join(group)));
    folders.filter(|folder| folder.join("Cargo.toml").exists()).map(|folder| read_crate(&root, &folder)).collect()
}

/// Every text a person might read: sources, pages, manifests, scripts.
#[must_use]
pub fn texts() -> Vec<(String, String)> {
    let root = root();
    let is_text = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| TEXTS.contains(&extension)) || path.ends_with(".ci/run")
    };
    let files = files_below(&root).into_iter().filter(|path| is_text(path));
    files.map(|path| (relative(&root, &path), read(&path))).collect()
}

/// The names of all packages in the dependency tables of `manifest`.
#[must_use]
pub fn dependencies_of(manifest: &toml::Table) -> Vec<Dependency> {
    let tables =
        [("dependencies", Kind::Shipped), ("build-dependencies", Kind::Shipped), ("dev-dependencies", Kind::Tests)];
    let mut found = Vec::new();
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
    for holder in std::iter::once(manifest).chain(targets.filter_map(toml::Value::as_table)) {
        for (table, kind) in tables {
            let entries = holder.get(table).and_then(toml::Value::as_table);
            for (key, value) in entries.into_iter().flatten() {
                let name = value.get("package").and_then(toml::Value::as_str).unwrap_or(key).to_owned();
                let inherited = value.get("workspace").and_then(toml::Value::as_bool).unwrap_or(false);
                found.push(Dependency { name, kind, inherited });
            }
        }
    }
    found
}

/// The lines of `text` that are compiled into the product, numbered from 1: no comments, no `#[cfg(test)] mod … { }`.
///
/// Leans on rustfmt: an item at the left margin ends with a `}` at the left margin.
pub fn product_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut skipping = false;
    let mut kept = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let opens_tests = *line == "#[cfg(test)]"
            && lines[index + 1..].iter().find(|next| !next.starts_with("#[")).is_some_and(|next| next.ends_with('{'));
        if opens_tests {
            skipping = true;
        }
        if !skipping && !line.trim_start().starts_with("//") {
            kept.push((index + 1, *line));
        }
        if skipping && *line == "}" {
            skipping = false;
        }
    }
    kept.into_iter()
}

fn read_crate(root: &Path, folder: &Path) -> Crate {
    let manifest = read_toml(&folder.join("Cargo.toml"));
    let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    let paths = files_below(folder).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let mut files: Vec<SourceFile> = paths
        .map(|path| {
            let path_shown = relative(root, &path);
            let below = relative(folder, &path);
            let is_test = below.starts_with("tests/")
                || below.starts_with("src/tests/")
                || below.starts_with("benches/")
                || below.ends_with("_test.rs");
            SourceFile { path: path_shown, text: read(&path), is_test }
        })
        .collect();
    let declared: BTreeSet<String> = files.iter().flat_map(test_modules).collect();
    for file in &mut files {
        file.is_test |= declared.iter().any(|ending| file.path.ends_with(ending));
    }
    Crate { name, dependencies: dependencies_of(&manifest), inherits_lints: lints == Some(true), files }
}

/// The ends of the paths of the files that `file` declares as `#[cfg(test)] mod …;`.
fn test_modules(file: &SourceFile) -> Vec<String> {
    let mut endings = Vec::new();
    let mut lines = file.text.lines();
    while let Some(line) = lines.next() {
        if line != "#[cfg(test)]" {
            continue;
        }
        let declaration = lines.find(|next| !next.starts_with("#[")).unwrap_or_default();
        let words = declaration.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        if let Some(name) = words.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
            endings.push(format!("/{name}.rs"));
            endings.push(format!("/{name}/mod.rs"));
        }
    }
    endings
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    // Built and downloaded things are not ours to judge.
    let foreign = ["target", ".git", "node_modules", "tidelog-data"];
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for path in sorted_entries(&next) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !foreign.contains(&name) {
                folders.push(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn sorted_entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn relative(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).expect("found below it");
    inside.to_string_lossy().replace('\\', "/")
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read_toml(path: &Path) -> toml::Table {
    read(path).parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// How often each name occurs, for rules that ask for exactly one.
#[must_use]
pub fn counted<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_insert(0) += 1;
    }
    counts
}
