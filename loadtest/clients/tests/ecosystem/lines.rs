//! Lines in files: what sources write, and what must be in the file of the sink.
//!
//! Kafka Connect works at least once here. Each failure may repeat what was not committed yet, on the way into the topic and
//! once more on the way out of it; what was committed before comes once for ever. What is repeated comes later, so the first
//! time that each line comes is in the order of its source.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// How many differences are told.
const TOLD_MAX: usize = 10;

/// A file with numbered lines, which grows.
pub struct Source {
    number: usize,
    path: PathBuf,
    /// For each line how often it may come.
    most: Vec<u64>,
}

impl Source {
    pub fn create(folder: &Path, number: usize) -> anyhow::Result<Source> {
        let path = folder.join(format!("source-{number}.txt"));
        fs::write(&path, "")?;
        Ok(Source { number, path, most: Vec::new() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn bytes(&self) -> anyhow::Result<u64> {
        Ok(fs::metadata(&self.path)?.len())
    }

    /// Writes `count` more lines, which will live through `failures`.
    pub fn append(&mut self, count: usize, failures: u32) -> anyhow::Result<()> {
        let from = self.most.len();
        let text: String = (from..from + count).map(|line| format!("{} {line}\n", self.number)).collect();
        OpenOptions::new().append(true).open(&self.path)?.write_all(text.as_bytes())?;
        let times = u64::from(1 + failures).pow(2);
        self.most.extend(std::iter::repeat_n(times, count));
        Ok(())
    }
}

/// Compares the sink's file with its sources: how many lines came more than once; an error that begins with `lost` when one
/// did not come.
pub fn check(sources: &[Source], sink: &Path) -> anyhow::Result<u64> {
    let text = fs::read_to_string(sink).with_context(|| sink.display().to_string())?;
    let mut found: Vec<BTreeMap<usize, u64>> = vec![BTreeMap::new(); sources.len()];
    let mut next = vec![0; sources.len()];
    let mut early = Vec::new();
    for line in text.lines() {
        let parsed = line.split_once(' ').and_then(|(source, line)| Some((source.parse().ok()?, line.parse().ok()?)));
        let known = parsed.filter(|(source, line): &(usize, usize)| {
            sources.get(*source).is_some_and(|source| *line < source.most.len())
        });
        let (source, number) = known.with_context(|| format!("nobody wrote {line:?}"))?;
        *found[source].entry(number).or_default() += 1;
        if number > next[source] {
            early.push(line);
        }
        next[source] = next[source].max(number + 1);
    }
    let (mut lost, mut repeated, mut more) = (Vec::new(), Vec::new(), 0);
    for (source, found) in sources.iter().zip(&found) {
        for (line, most) in source.most.iter().enumerate() {
            match found.get(&line).copied().unwrap_or(0) {
                0 => lost.push(format!("{} {line}", source.number)),
                times if times > *most => repeated.push(format!("{} {line}: {times} times", source.number)),
                times => more += times - 1,
            }
        }
    }
    let told = |list: &[String]| list.iter().take(TOLD_MAX).cloned().collect::<Vec<_>>().join(", ");
    ensure!(lost.is_empty(), "lost: {} lines: {}", lost.len(), told(&lost));
    ensure!(repeated.is_empty(), "repeated: {} lines: {}", repeated.len(), told(&repeated));
    ensure!(early.is_empty(), "before what stands before them: {:?}", &early[..early.len().min(TOLD_MAX)]);
    Ok(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sink: &str, failures: u32) -> Result<u64, String> {
        let folder = tempfile::tempdir().unwrap();
        let mut source = Source::create(folder.path(), 0).unwrap();
        source.append(3, failures).unwrap();
        let path = folder.path().join("sink");
        fs::write(&path, sink).unwrap();
        check(&[source], &path).map_err(|error| error.to_string())
    }

    #[test]
    fn each_line_comes_once_and_in_order() {
        assert_eq!(said("0 0\n0 1\n0 2\n", 0), Ok(0));
        assert!(said("0 0\n0 2\n", 1).unwrap_err().starts_with("lost: 1 lines: 0 1"));
        assert!(said("0 0\n0 2\n0 1\n", 1).unwrap_err().starts_with("before"));
        assert!(said("0 0\n0 1\n0 2\n0 3\n", 1).unwrap_err().starts_with("nobody wrote"));
    }

    #[test]
    fn a_line_is_repeated_only_after_a_failure() {
        let twice = "0 0\n0 1\n0 0\n0 1\n0 2\n";
        assert!(said(twice, 0).unwrap_err().starts_with("repeated: 2 lines: 0 0: 2 times"));
        assert_eq!(said(twice, 1), Ok(2));
    }
}
