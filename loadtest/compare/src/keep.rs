//! Results on disk: a folder for each scenario, with every raw run and the comparison of them.

use std::fs;
use std::path::{Path, PathBuf};

use tidelog_loadgen::{Failure, Report};

use crate::comparison::Comparison;
use crate::page::page;

const COMPARISON: &str = "comparison.json";
/// Of all scenarios together.
const PAGE: &str = "report.html";

/// The folder of a scenario.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes it anew. What a comparison before has left there is gone; nothing else is touched, whatever it is.
    pub fn anew(results: &Path, scenario: &str) -> Result<Folder, Failure> {
        let path = results.join(scenario);
        fs::create_dir_all(&path).map_err(|error| refused(&path, &error))?;
        for entry in fs::read_dir(&path).map_err(|error| refused(&path, &error))?.flatten() {
            let file = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_run = (name.starts_with("round-") || name.starts_with("sweep-")) && name.ends_with(".json");
            if is_run || name == COMPARISON {
                fs::remove_file(&file).map_err(|error| refused(&file, &error))?;
            }
        }
        Ok(Folder { path })
    }

    /// Writes what there is of the comparison.
    pub fn keep(&self, comparison: &Comparison) -> Result<(), Failure> {
        let json = serde_json::to_string_pretty(comparison).expect("a comparison is plain values");
        write(&self.path.join(COMPARISON), &(json + "\n"))
    }

    /// Writes the whole result of a run.
    pub fn keep_raw(&self, file: &str, report: &Report) -> Result<(), Failure> {
        let json = serde_json::to_string_pretty(report).expect("a report is plain values");
        write(&self.path.join(file), &(json + "\n"))
    }
}

/// All comparisons of a folder, by name, and what is wrong with those that cannot be read.
pub fn read_all(results: &Path) -> Result<(Vec<Comparison>, Vec<Failure>), Failure> {
    let entries = fs::read_dir(results).map_err(|error| refused(results, &error))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path().join(COMPARISON)).collect();
    files.retain(|file| file.is_file());
    files.sort();
    if files.is_empty() {
        return Err(Failure::Refused(format!(
            "{} has no comparison: `tidelog-compare run` makes them",
            results.display()
        )));
    }
    let read = |file: &PathBuf| -> Result<Comparison, Failure> {
        let text = fs::read_to_string(file).map_err(|error| refused(file, &error))?;
        let damaged = |problem: &dyn std::fmt::Display| {
            let file = file.display();
            Failure::Refused(format!(
                "{file}: {problem}; half-written or of another version: run it again, or remove it"
            ))
        };
        let comparison: Comparison = serde_json::from_str(&text).map_err(|error| damaged(&error))?;
        comparison.damage().map_or(Ok(()), |damage| Err(damaged(&damage)))?;
        Ok(comparison)
    };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for file in &files {
        match read(file) {
            Ok(comparison) => good.push(comparison),
            Err(failure) => bad.push(failure),
        }
    }
    Ok((good, bad))
}

/// Writes the page of a folder's comparisons, and says where it is.
pub fn write_page(results: &Path, comparisons: &[Comparison]) -> Result<PathBuf, Failure> {
    let file = results.join(PAGE);
    write(&file, &page(comparisons))?;
    Ok(file)
}

/// A disk that fills up in the middle leaves what was there before.
fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let unfinished = file.with_extension("unfinished");
    let written = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, file));
    written.map_err(|error| {
        // It would only take room.
        let _ = fs::remove_file(&unfinished);
        refused(file, &error)
    })
}

fn refused(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Refused(format!("{}: {error}", path.display()))
}
