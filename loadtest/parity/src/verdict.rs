//! What two runs of the same scripts amount to.

use std::collections::{BTreeMap, BTreeSet};

use crate::compare::{ABSENT, Unlike, compare};
use crate::differences::Place;
use crate::exchange::{Offered, Step};
use crate::tree::Tree;

/// Everything that happened on one system.
#[derive(Debug, Default)]
pub struct Run {
    pub steps: Vec<Step>,
    /// Scripts that could not go on, each with its version and the reason.
    pub broken: Vec<(String, i16, String)>,
}

/// How one API fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Versions that a step asked in.
    pub versions: BTreeSet<i16>,
    pub same: usize,
    /// Steps that differ as listed, and only so.
    pub listed: usize,
    pub different: usize,
}

/// The outcome of a run.
#[derive(Debug, Default)]
pub struct Verdict {
    /// By API key.
    pub rows: BTreeMap<i16, Row>,
    /// In words, one for each thing that is not as it should be.
    pub surprises: Vec<String>,
}

/// Compares step by step. `offered` is what Tidelog advertises; every version of it must have been asked in.
#[must_use]
pub fn judge(ours: &Run, theirs: &Run, offered: &Offered, listed: &[(&str, &Place)]) -> Verdict {
    let mut verdict = Verdict::default();
    for (side, run) in [("Tidelog", ours), ("Kafka", theirs)] {
        for (script, version, reason) in &run.broken {
            verdict.surprises.push(format!("{script} v{version} broke off on {side}: {reason}"));
        }
    }
    let mut unlisted = Unlisted::default();
    let mut occurred: BTreeMap<usize, BTreeSet<i16>> = BTreeMap::new();
    for (step, ours, theirs) in pairs(ours, theirs) {
        let (mut is_listed, mut is_different) = (false, false);
        for found in unlike(ours, theirs) {
            let explains =
                |(_, one): &(&str, &Place)| one.explains(step.script, step.script_version, &step.name, &found);
            if let Some(place) = listed.iter().position(explains) {
                occurred.entry(place).or_default().insert(step.script_version);
                is_listed = true;
            } else {
                unlisted.add(step, &found);
                is_different = true;
            }
        }
        let row = verdict.rows.entry(step.api).or_default();
        row.versions.insert(step.version);
        match (is_different, is_listed) {
            (true, _) => row.different += 1,
            (false, true) => row.listed += 1,
            (false, false) => row.same += 1,
        }
    }
    verdict.surprises.extend(unlisted.in_words());
    for (place, (documented, Place(script, versions, step, field, ..))) in listed.iter().enumerate() {
        let seen = occurred.remove(&place).unwrap_or_default();
        for version in versions.clone().filter(|version| !seen.contains(version)) {
            verdict
                .surprises
                .push(format!("{script} v{version}, {step}: {field}: a listed difference is gone: {documented}"));
        }
    }
    for (api, versions) in offered {
        for version in versions.clone() {
            if !verdict.rows.get(api).is_some_and(|row| row.versions.contains(&version)) {
                verdict.surprises.push(format!("API {api} v{version} is advertised, and no script asks in it"));
            }
        }
    }
    verdict
}

/// What differs and is not listed. The same in several versions of a script is one surprise.
#[derive(Default)]
struct Unlisted {
    /// Script, and the rest in words.
    order: Vec<(&'static str, String)>,
    versions: BTreeMap<(&'static str, String), Vec<i16>>,
}

impl Unlisted {
    fn add(&mut self, step: &Step, found: &Unlike) {
        let Unlike { field, ours, theirs } = found;
        let words = format!("{}: {field}: Tidelog {ours}, Kafka {theirs}", step.name);
        let versions = self.versions.entry((step.script, words.clone())).or_default();
        if versions.is_empty() {
            self.order.push((step.script, words));
        }
        versions.push(step.script_version);
    }

    fn in_words(&self) -> impl Iterator<Item = String> {
        self.order.iter().map(|key| {
            let versions = &self.versions[key];
            let all = versions.iter().map(i16::to_string).collect::<Vec<_>>().join(" ");
            format!("{} v{all}, {}", key.0, key.1)
        })
    }
}

type Key<'s> = (&'s str, i16, &'s str);

/// Each step with its outcome on either side, in the order of ours, then what only they have.
fn pairs<'r>(ours: &'r Run, theirs: &'r Run) -> Vec<(&'r Step, Option<&'r Tree>, Option<&'r Tree>)> {
    fn key(step: &Step) -> Key<'_> {
        (step.script, step.script_version, step.name.as_str())
    }
    let by_key = |run: &'r Run| run.steps.iter().map(|step| (key(step), &step.outcome)).collect::<BTreeMap<_, _>>();
    let (by_ours, by_theirs) = (by_key(ours), by_key(theirs));
    let only_theirs = theirs.steps.iter().filter(|step| !by_ours.contains_key(&key(step)));
    let all = ours.steps.iter().chain(only_theirs);
    all.map(|step| (step, by_ours.get(&key(step)).copied(), by_theirs.get(&key(step)).copied())).collect()
}

fn unlike(ours: Option<&Tree>, theirs: Option<&Tree>) -> Vec<Unlike> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => compare(ours, theirs),
        _ => {
            let said = |tree: Option<&Tree>| tree.map_or(ABSENT, |_| "present").to_owned();
            vec![Unlike { field: "the step".to_owned(), ours: said(ours), theirs: said(theirs) }]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &[(&str, &Place)] = &[("it differs", &Place("s", 1..=1, "ask", "code", "3", "4"))];

    fn run(code: &str) -> Run {
        let outcome = Tree::Fields(vec![("code".to_owned(), Tree::leaf(code))]);
        let step = Step { script: "s", script_version: 1, name: "ask".to_owned(), api: 7, version: 1, outcome };
        Run { steps: vec![step], broken: Vec::new() }
    }

    fn check(ours: &Run, theirs: &Run, listed: &[(&str, &Place)], surprise: Option<&str>) {
        let offered = Offered::from([(7, 1..=1)]);
        let surprises = judge(ours, theirs, &offered, listed).surprises;
        assert_eq!(surprises.len(), usize::from(surprise.is_some()), "{surprises:?}");
        assert!(surprises.iter().all(|one| one.contains(surprise.unwrap_or_default())), "{surprises:?}");
    }

    #[test]
    fn what_is_the_same_or_listed_is_good() {
        check(&run("3"), &run("3"), &[], None);
        check(&run("3"), &run("4"), LISTED, None);
    }

    #[test]
    fn everything_else_is_a_surprise() {
        check(&run("3"), &run("4"), &[], Some("code: Tidelog 3, Kafka 4"));
        check(&run("3"), &run("3"), LISTED, Some("a listed difference is gone"));
        check(&run("3"), &Run::default(), &[], Some("the step: Tidelog present, Kafka absent"));
        check(&Run::default(), &Run::default(), &[], Some("API 7 v1 is advertised"));
        let broken = Run { broken: vec![("s".to_owned(), 1, "no".to_owned())], ..run("3") };
        check(&run("3"), &broken, &[], Some("broke off on Kafka: no"));
    }
}
