//! Allocations, as a server writes them down that was built with `allocation-profile` (the format of Valgrind's DHAT).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use super::flame::{OURS, Stacks};
use super::perf::{quoted, script};
use super::sources::Sources;

/// Where such a server writes them.
const FILE_VARIABLE: &str = "ALLOCATION_PROFILE";

#[derive(Deserialize)]
struct Profile {
    /// Places in the program.
    pps: Vec<Place>,
    #[serde(rename = "ftbl")]
    frames: Vec<String>,
}

#[derive(Deserialize)]
struct Place {
    #[serde(rename = "tb")]
    bytes: u64,
    #[serde(rename = "tbk")]
    count: u64,
    /// Innermost first.
    #[serde(rename = "fs")]
    frames: Vec<usize>,
}

/// A program that is that server, writing to `file` when it has ended.
pub fn told_to_write(binary: &Path, folder: &Path, file: &Path) -> anyhow::Result<PathBuf> {
    script(folder, "allocations", &format!("env {FILE_VARIABLE}={} {} \"$@\"", quoted(file), quoted(binary)))
}

/// How many there were, and how many bytes they were.
pub fn stacks(file: &Path, sources: &Sources) -> anyhow::Result<(Stacks, Stacks)> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{}: the server has not written its allocations", file.display()))?;
    let profile: Profile = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
    let names: Vec<Option<String>> = profile.frames.iter().map(|frame| name(frame, sources)).collect();
    let (mut count, mut bytes) = (BTreeMap::new(), BTreeMap::new());
    for place in profile.pps {
        let frames = place.frames.iter().rev().filter_map(|index| names.get(*index)?.as_deref());
        let stack = frames.collect::<Vec<_>>().join(";");
        *count.entry(stack.clone()).or_default() += place.count;
        *bytes.entry(stack).or_default() += place.bytes;
    }
    Ok((Stacks::new(count), Stacks::new(bytes)))
}

/// Of `0x55d3: name (src/file.rs:7:3)` the name, with the file and the line where that is ours; nothing of `[root]`.
fn name(frame: &str, sources: &Sources) -> Option<String> {
    let (_, named) = frame.split_once(": ")?;
    let (name, place) = named.rsplit_once(" (").unwrap_or((named, ""));
    // What separates frames in a line of stacks.
    let name = name.replace(';', ":");
    let mut place = place.trim_end_matches(')').split(':');
    let ours = place.next().and_then(|file| sources.find(file)).zip(place.next());
    Some(match ours {
        Some((file, line)) => format!("{OURS}{file}:{line} {name}"),
        None => name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_become_stacks_from_the_outermost() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("allocations.json");
        let text = r#"{"dhatFileVersion": 2, "pps": [
            {"tb": 96, "tbk": 3, "tl": 1, "mb": 1, "mbk": 1, "gb": 0, "gbk": 0, "eb": 0, "ebk": 0, "fs": [1, 2]},
            {"tb": 4, "tbk": 1, "tl": 1, "mb": 1, "mbk": 1, "gb": 0, "gbk": 0, "eb": 0, "ebk": 0, "fs": [1, 2]},
            {"tb": 7, "tbk": 1, "tl": 1, "mb": 1, "mbk": 1, "gb": 0, "gbk": 0, "eb": 0, "ebk": 0, "fs": [0]}],
            "ftbl": ["[root]", "0x1: alloc::vec::with_capacity (vec.rs:1:2)", "0x2: <a::B as c::D>::e (src/d.rs:17:1)"]}"#;
        std::fs::write(&file, text).unwrap();
        let (count, bytes) = stacks(&file, &Sources::of(&["storage/a/src/d.rs"])).unwrap();
        let stack = "tidelog: storage/a/src/d.rs:17 <a::B as c::D>::e;alloc::vec::with_capacity";
        assert_eq!(count.lines(), [" 1".to_owned(), format!("{stack} 4")]);
        assert_eq!(bytes.lines(), [" 7".to_owned(), format!("{stack} 100")]);
    }

    #[test]
    fn a_server_that_wrote_nothing_is_said() {
        let error = stacks(Path::new("/nowhere/allocations.json"), &Sources::of(&[])).unwrap_err();
        assert!(error.to_string().contains("has not written"), "{error}");
    }
}
