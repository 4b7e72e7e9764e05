//! What is told of a comparison: all of it in one value, which is kept as JSON, and what tables and pages show.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidelog_loadgen::{Machine, Report, Workload};

use crate::machine::OTHERS_CORES_MAX;
use crate::measure::Measure;
use crate::ratio::{Spread, Verdict, ratios, spread};
use crate::scenario::{Bound, Sweep};
use crate::system::System;

/// Fewer rounds say too little.
pub const ROUNDS_MIN: u32 = 3;
/// More would take days.
pub const ROUNDS_MAX: u32 = 100;
/// A shorter warm-up leaves a JVM slower than it is.
pub const WARM_UP_SECONDS_MIN: u32 = 60;
/// What is acknowledged in time is that much of what was sent at least.
const KEPT_UP_SHARE_MIN: f64 = 0.99;
/// The generator's own lateness, p99.9, that nobody sees in latencies; and what it may be of the p99 that it is in.
const LAG_MS_UNSEEN: f64 = 2.0;
const LAG_SHARE_MAX: f64 = 0.5;
/// The load generator's bound of it, unless a workload says another.
const LAG_MS_MAX_BY_DEFAULT: u64 = 50;
const CONGESTION_CONTROL: &str = "cubic";

/// A comparison, or what there is of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub scenario: String,
    pub about: String,
    /// When it began, in UTC.
    pub date: String,
    pub machine: Machine,
    pub sides: Vec<Side>,
    pub rounds: u32,
    /// Of a JVM, before what is measured.
    pub warm_up_seconds: u32,
    /// As it was run.
    pub workload: Workload,
    /// What the scenario asks for.
    pub wanted_per_second: u64,
    pub cores_max: Option<f64>,
    pub sweep: Option<Sweep>,
    /// How the rate was found, where it had to be.
    pub trials: Vec<Trial>,
    pub bounds: Vec<Bound>,
    pub runs: Vec<Run>,
    /// What did not hold, with the system's name.
    pub complaints: Vec<String>,
    /// All rounds are over.
    pub is_complete: bool,
}

/// One of the systems.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    pub system: System,
    /// As it names itself.
    pub version: String,
    pub durability: String,
}

/// A run that was made to find the rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    pub system: System,
    pub rate_per_second: u64,
    /// Server and generator together.
    pub cores: Option<f64>,
    /// The system's maximum, of a sweep.
    pub maximum_per_second: Option<u64>,
}

/// One run of one system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub system: System,
    /// From 1.
    pub round: u32,
    /// The raw result, beside this one.
    pub file: String,
    pub date: String,
    pub client: String,
    pub load_average_before: Option<f64>,
    /// Processors that other programs used meanwhile.
    pub others_cores: f64,
    pub values: BTreeMap<Measure, f64>,
    /// Quantiles, and their milliseconds.
    pub acknowledge: Vec<(f64, f64)>,
    pub receive: Vec<(f64, f64)>,
    pub complaints: Vec<String>,
    /// Why it is not to be quoted although it held.
    pub reservations: Vec<String>,
}

impl Run {
    pub fn of(system: System, round: u32, others_cores: f64, load_average_before: Option<f64>, report: &Report) -> Run {
        let values = Measure::ALL.into_iter().filter(|measure| measure.is_of(&report.workload));
        let mut complaints = report.complaints.clone();
        if others_cores > OTHERS_CORES_MAX {
            complaints.push(format!(
                "the machine was busy: other programs used {others_cores:.2} processors meanwhile, {OTHERS_CORES_MAX} may be"
            ));
        }
        complaints.extend(behind(report));
        Run {
            system,
            round,
            file: format!("round-{round}-{}.json", system.name()),
            date: report.date.clone(),
            client: report.client.clone(),
            load_average_before,
            others_cores,
            values: values.filter_map(|measure| Some((measure, measure.of(report)?))).collect(),
            acknowledge: report.acknowledge.curve.clone(),
            receive: report.receive.curve.clone(),
            complaints,
            reservations: reservations(report),
        }
    }
}

/// That a system did not keep up: its latencies tell how long the queue had become.
fn behind(report: &Report) -> Option<String> {
    report.stages.iter().find_map(|stage| {
        let (wanted, done) = (stage.rate_per_second as f64, stage.acknowledged_per_second);
        (done < wanted * KEPT_UP_SHARE_MIN)
            .then(|| format!("it did not keep up: {done:.0} of {wanted} records/s were acknowledged in time"))
    })
}

/// Why a run that held says something else than it seems to.
fn reservations(report: &Report) -> Vec<String> {
    let mut found = Vec::new();
    let p99_ms = report.acknowledge.p99_ms;
    for stage in &report.stages {
        let lag_ms = stage.lag_p99_9_ms;
        if lag_ms > LAG_MS_UNSEEN.max(p99_ms * LAG_SHARE_MAX) {
            found.push(format!(
                "the generator was {lag_ms:.1} ms late (p99.9), and the p99 of acknowledgements is {p99_ms:.1} ms"
            ));
        }
    }
    if report.workload.lag_ms_max > LAG_MS_MAX_BY_DEFAULT {
        found.push(format!("the generator was allowed to be late: lag_ms_max is {}", report.workload.lag_ms_max));
    }
    if report.workload.errors_max > 0 {
        found.push(format!("records might be refused: errors_max is {}", report.workload.errors_max));
    }
    if report.machine.congestion_control != CONGESTION_CONTROL {
        found.push(format!(
            "the congestion control was {:?}, not {CONGESTION_CONTROL}",
            report.machine.congestion_control
        ));
    }
    found
}

/// A line of the table.
pub struct Row {
    pub measure: Measure,
    /// Each system's, in the order of `sides`.
    pub values: Vec<Option<Spread>>,
    /// Tidelog's by the other's, in the order of `Comparison::others`.
    pub ratios: Vec<Option<Spread>>,
}

/// A bound, and what became of it.
pub struct Judged {
    pub bound: Bound,
    pub spread: Option<Spread>,
    pub verdict: Verdict,
}

impl Comparison {
    /// Those that Tidelog is compared with.
    pub fn others(&self) -> impl Iterator<Item = System> {
        let has_tidelog = self.sides.iter().any(|side| side.system == System::Tidelog);
        self.sides.iter().map(|side| side.system).filter(move |system| has_tidelog && *system != System::Tidelog)
    }

    /// A system's number of each round, in order.
    pub fn by_round(&self, system: System, measure: Measure) -> Vec<Option<f64>> {
        let of_round = |round| self.runs.iter().find(|run| run.system == system && run.round == round);
        (1..=self.rounds).map(|round| of_round(round)?.values.get(&measure).copied()).collect()
    }

    fn spread_of(&self, system: System, measure: Measure) -> Option<Spread> {
        spread(&self.by_round(system, measure).into_iter().flatten().collect::<Vec<_>>())
    }

    fn ratio_to(&self, other: System, measure: Measure) -> Option<Spread> {
        spread(&ratios(&self.by_round(System::Tidelog, measure), &self.by_round(other, measure)))
    }

    /// Everything that was measured.
    pub fn rows(&self) -> Vec<Row> {
        let row = |measure| Row {
            measure,
            values: self.sides.iter().map(|side| self.spread_of(side.system, measure)).collect(),
            ratios: self.others().map(|other| self.ratio_to(other, measure)).collect(),
        };
        let rows = Measure::ALL.into_iter().map(row);
        rows.filter(|row| row.values.iter().any(Option::is_some)).collect()
    }

    /// The scenario's bounds.
    pub fn judged(&self) -> Vec<Judged> {
        let judge = |bound: &Bound| {
            let spread = match bound.against {
                Some(other) => self.ratio_to(other, bound.measure),
                None => self.spread_of(System::Tidelog, bound.measure),
            };
            let max = bound.ratio_max.or(bound.value_max).expect("looked at when it was read");
            Judged { bound: *bound, spread, verdict: Verdict::of(spread, max) }
        };
        self.bounds.iter().map(judge).collect()
    }

    /// Why nothing of it is to be quoted; nothing when it is.
    pub fn not_to_be_quoted(&self) -> Vec<String> {
        let mut why = self.complaints.clone();
        let of_runs = self.runs.iter().flat_map(|run| {
            let (system, round) = (run.system.name(), run.round);
            let all = run.complaints.iter().chain(&run.reservations);
            all.map(move |complaint| format!("{system}, round {round}: {complaint}"))
        });
        why.extend(of_runs);
        let has = |system: System| self.sides.iter().any(|side| side.system == system);
        let is_meagre = |judged: &Judged| {
            let count = judged.spread.map_or(0, |spread| spread.count);
            judged.bound.against.is_none_or(has) && count < self.rounds as usize
        };
        why.extend(self.judged().iter().filter(|judged| self.is_complete && is_meagre(judged)).map(|judged| {
            let (name, count) = (judged.bound.measure.label(), judged.spread.map_or(0, |spread| spread.count));
            format!("{name}: {count} of {} rounds have it", self.rounds)
        }));
        if !self.is_complete || self.runs.len() < self.runs_wanted() {
            why.push(format!("it was broken off after {} of {} runs", self.runs.len(), self.runs_wanted()));
        }
        if self.rounds < ROUNDS_MIN {
            why.push(format!("{} rounds, at least {ROUNDS_MIN} must be", self.rounds));
        }
        let has_kafka = self.sides.iter().any(|side| side.system.is_kafka());
        if has_kafka && self.warm_up_seconds < WARM_UP_SECONDS_MIN {
            why.push(format!("{} s of warm-up, at least {WARM_UP_SECONDS_MIN} must be", self.warm_up_seconds));
        }
        why
    }

    /// Of one that was read from a file: why nothing can be told of it.
    pub fn damage(&self) -> Option<&'static str> {
        let is_bound = |bound: &Bound| bound.ratio_max.or(bound.value_max).is_some_and(f64::is_finite);
        if self.workload.stages.is_empty() || self.sides.is_empty() || !(1..=ROUNDS_MAX).contains(&self.rounds) {
            return Some("its workload, systems or rounds are none");
        }
        (!self.bounds.iter().all(is_bound)).then_some("a bound of it has no number")
    }

    pub fn runs_wanted(&self) -> usize {
        self.rounds as usize * self.sides.len()
    }

    /// What the rate is of the one that was asked for.
    pub fn share(&self) -> f64 {
        self.workload.stages[0].rate_per_second as f64 / self.wanted_per_second as f64
    }
}

#[cfg(test)]
#[path = "comparison_test.rs"]
mod tests;
