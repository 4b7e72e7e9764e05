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
    /// Makes it anew. What a comparison before has left there is gone; nothing else is touched.
    pub fn anew(results: &Path, scenario: &str) -> Result<Folder, Failure> {
        let path = results.join(scenario);
        fs::create_dir_all(&path).map_err(|error| refused(&path, &error))?;
        for entry in fs::read_dir(&path).map_err(|error| refused(&path, &error))?.flatten() {
            let file = entry.path();
            if file.extension().is_some_and(|extension| extension == "json") {
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

/// All comparisons of a folder, by name.
pub fn read_all(results: &Path) -> Result<Vec<Comparison>, Failure> {
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
    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file).map_err(|error| refused(file, &error))?;
        serde_json::from_str(&text).map_err(|error| Failure::Refused(format!("{}: {error}", file.display())))
    };
    files.iter().map(read).collect()
}

/// Writes the page of a folder's comparisons, and says where it is.
pub fn write_page(results: &Path, comparisons: &[Comparison]) -> Result<PathBuf, Failure> {
    let file = results.join(PAGE);
    write(&file, &page(comparisons))?;
    Ok(file)
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| refused(file, &error))
}

fn refused(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Refused(format!("{}: {error}", path.display()))
}
