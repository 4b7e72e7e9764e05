//! Comparisons of runs whose numbers are known.

use super::*;
use crate::scenario::Scenario;

const MEASURE: Measure = Measure::AcknowledgeP99Ms;

fn comparison(ours: &[f64], theirs: &[f64]) -> Comparison {
    let scenario = Scenario::load("acknowledge-20k").expect("it comes with the program");
    let run = |system, (round, value): (usize, &f64)| Run {
        system,
        round: round as u32 + 1,
        file: String::new(),
        date: String::new(),
        client: String::new(),
        load_average_before: None,
        others_cores: 0.0,
        values: [(MEASURE, *value)].into(),
        acknowledge: Vec::new(),
        receive: Vec::new(),
        complaints: Vec::new(),
        reservations: Vec::new(),
    };
    let mut runs: Vec<Run> = ours.iter().enumerate().map(|one| run(System::Tidelog, one)).collect();
    runs.extend(theirs.iter().enumerate().map(|one| run(System::KafkaFsync, one)));
    let side = |system: System| Side { system, version: String::new(), durability: system.durability().to_owned() };
    Comparison {
        scenario: scenario.name.clone(),
        about: scenario.about.clone(),
        date: String::new(),
        machine: Machine::this(),
        sides: vec![side(System::Tidelog), side(System::KafkaFsync)],
        rounds: 3,
        warm_up_seconds: 60,
        wanted_per_second: 20_000,
        workload: scenario.workload.clone(),
        cores_max: None,
        sweep: None,
        trials: Vec::new(),
        bounds: scenario.bounds.clone(),
        runs,
        complaints: Vec::new(),
        is_complete: true,
    }
}

fn verdicts(comparison: &Comparison) -> Vec<Verdict> {
    comparison.judged().iter().map(|judged| judged.verdict).collect()
}

#[test]
fn ratios_are_taken_round_by_round_and_judged() {
    let held = comparison(&[1.0, 2.0, 3.0], &[4.0, 4.0, 8.0]);
    let rows = held.rows();
    assert_eq!(rows.len(), 1);
    let ratio = rows[0].ratios[0].expect("both are there");
    assert_eq!((ratio.median, ratio.worst, ratio.count), (0.375, 0.5, 3));
    assert_eq!(rows[0].values[0].map(|ours| (ours.median, ours.worst)), Some((2.0, 3.0)));
    // The page cache was not run.
    assert_eq!(verdicts(&held), [Verdict::Held, Verdict::NotMeasured]);
    assert_eq!(verdicts(&comparison(&[1.0, 2.0, 3.0], &[4.0, 4.0, 4.0]))[0], Verdict::HeldByTheMedian);
    assert_eq!(verdicts(&comparison(&[9.0, 2.0, 3.0], &[4.0, 4.0, 4.0]))[0], Verdict::Missed);
    assert!(held.not_to_be_quoted().is_empty(), "{:?}", held.not_to_be_quoted());
}

#[test]
fn a_round_without_its_other_half_gives_no_ratio() {
    let half = comparison(&[1.0, 2.0, 3.0], &[4.0]);
    assert_eq!(half.rows()[0].ratios[0].map(|ratio| ratio.count), Some(1));
}

#[test]
fn what_is_not_to_be_quoted_says_why_and_of_whom() {
    let why = |change: &dyn Fn(&mut Comparison)| {
        let mut comparison = comparison(&[1.0, 2.0, 3.0], &[4.0, 4.0, 4.0]);
        change(&mut comparison);
        comparison.not_to_be_quoted().join("; ")
    };
    assert_eq!(why(&|_| {}), "");
    assert_eq!(why(&|one| one.rounds = 2), "2 rounds, at least 3 must be");
    assert_eq!(why(&|one| one.warm_up_seconds = 5), "5 s of warm-up, at least 60 must be");
    assert_eq!(why(&|one| one.is_complete = false), "it was broken off after 6 of 6 runs");
    let not_measured = |one: &mut Comparison| one.runs[5].values.clear();
    assert_eq!(why(&not_measured), "send to acknowledge, p99 ms: 2 of 3 rounds have it");
    let missing = |one: &mut Comparison| drop(one.runs.pop());
    assert!(why(&missing).contains("broken off after 5 of 6 runs"), "{}", why(&missing));
    let lost = |one: &mut Comparison| one.runs[3].complaints = vec!["7 records acknowledged and lost".to_owned()];
    assert_eq!(why(&lost), "kafka-fsync, round 1: 7 records acknowledged and lost");
}

#[test]
fn what_was_damaged_on_disk_is_not_shown() {
    let damage = |change: &dyn Fn(&mut Comparison)| {
        let mut comparison = comparison(&[1.0], &[4.0]);
        change(&mut comparison);
        comparison.damage().is_some()
    };
    assert!(!damage(&|_| {}));
    assert!(damage(&|one| one.workload.stages.clear()));
    assert!(damage(&|one| one.sides.clear()));
    assert!(damage(&|one| one.rounds = 2_000_000_000));
    assert!(damage(&|one| one.bounds[0].ratio_max = None));
}

#[test]
fn it_is_kept_and_read_back() {
    let comparison = comparison(&[1.0], &[4.0]);
    let text = serde_json::to_string(&comparison).expect("it is plain values");
    assert_eq!(serde_json::from_str::<Comparison>(&text).expect("it was written so"), comparison);
}
