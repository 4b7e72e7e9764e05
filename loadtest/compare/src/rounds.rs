//! A comparison from its first step to its last: each system started, warmed, fed and wiped in turn.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tidelog_loadgen::{Failure, Machine, Options, Report, Workload, allow_open_files, date, load_average, run};

use crate::comparison::{Comparison, Run, Side, Trial};
use crate::keep::Folder;
use crate::machine::{OTHERS_CORES_MAX, Others, not_interrupted, wait_for_calm};
use crate::plan::{
    self, TRIAL_SECONDS, TRIAL_SETTLE_SECONDS, TRIALS_MAX, Takes, WARM_UP_SHARE, minutes, order, warm_up_seconds,
};
use crate::scenario::{Scenario, Sweep, with_rate};
use crate::system::{Running, System};

/// What a trial that needed too many processors is followed by: so much below what would just have had room.
const ROOM: f64 = 0.95;
/// Of the first rate of a sweep, what has to be acknowledged in time.
const KEPT_SHARE_MIN: f64 = 0.99;
/// Warming up, only what comes is checked.
const LAG_MS_MAX: u64 = 60_000;
/// The load generator asks for the load average, which is our own by then; others are watched here.
const LOAD_AVERAGE_ANY: f64 = 1e9;

/// How comparisons are made.
#[derive(Clone, Debug)]
pub struct Settings {
    pub rounds: u32,
    pub warm_up_seconds: u32,
    /// Tidelog's.
    pub binary: PathBuf,
    /// Where systems have their folders: the disk that is meant.
    pub beside: PathBuf,
    /// Nobody asks what else the machine does.
    pub busy: bool,
}

/// Compares, and keeps every run as soon as it has ended.
pub fn carry_out(scenario: &Scenario, settings: &Settings, folder: &Folder) -> Result<Comparison, Failure> {
    // Before systems start, which get the same limit.
    let workload = &scenario.workload;
    allow_open_files(1000 + 10 * u64::from(workload.connections)).map_err(Failure::Refused)?;
    let side = |system: &System| {
        let version = system.version(&settings.binary)?;
        Ok(Side { system: *system, version, durability: system.durability().to_owned() })
    };
    let mut comparison = Comparison {
        scenario: scenario.name.clone(),
        about: scenario.about.clone(),
        date: date(),
        machine: Machine::this(),
        sides: scenario.systems.iter().map(side).collect::<Result<_, Failure>>()?,
        rounds: settings.rounds,
        warm_up_seconds: settings.warm_up_seconds,
        workload: workload.clone(),
        wanted_per_second: scenario.rate_per_second(),
        cores_max: scenario.cores_max,
        sweep: scenario.sweep.clone(),
        trials: Vec::new(),
        bounds: scenario.bounds.clone(),
        runs: Vec::new(),
        complaints: Vec::new(),
        is_complete: false,
    };
    if settings.busy {
        comparison.complaints.push("the machine was allowed to be busy".to_owned());
    }
    let mut harness = Harness { scenario, settings, folder, comparison };
    let ended = harness.carry_out();
    if let Err(failure) = &ended {
        harness.comparison.complaints.push(failure.to_string());
    }
    let kept = folder.keep(&harness.comparison);
    // What ended it matters more than that it could not be written down.
    ended.and(kept).map(|()| harness.comparison)
}

struct Harness<'a> {
    scenario: &'a Scenario,
    settings: &'a Settings,
    folder: &'a Folder,
    comparison: Comparison,
}

impl Harness<'_> {
    fn carry_out(&mut self) -> Result<(), Failure> {
        let rate = match (&self.scenario.sweep, self.scenario.cores_max) {
            (Some(sweep), _) => self.share_of_maximum(sweep)?,
            (None, Some(cores_max)) => self.rate_with_room(cores_max)?,
            (None, None) => self.scenario.rate_per_second(),
        };
        let written = &self.scenario.workload;
        self.comparison.workload = with_rate(written, rate, written.warm_up_seconds, written.stages[0].seconds);
        if self.scenario.sweep.is_some() {
            self.comparison.wanted_per_second = rate;
        }
        let order = order(&self.scenario.systems, self.settings.rounds);
        for (index, (round, system)) in order.iter().enumerate() {
            let left = order[index..].iter().map(|(_, system)| self.takes(*system)).fold(Takes::default(), Takes::plus);
            tell(&format!(
                "{} of {} runs: round {round} of {}, {}; about {} remain, {} at most",
                index + 1,
                order.len(),
                self.settings.rounds,
                system.name(),
                minutes(left.about),
                minutes(left.at_most)
            ));
            self.one(*round, *system)?;
        }
        self.comparison.is_complete = true;
        Ok(())
    }

    fn takes(&self, system: System) -> Takes {
        plan::of_run(self.scenario, system, self.settings.warm_up_seconds)
    }

    /// One run of the comparison.
    fn one(&mut self, round: u32, system: System) -> Result<(), Failure> {
        let load_average_before = load_average();
        let workload = self.comparison.workload.clone();
        let running = self.started(system, &workload)?;
        tell(&format!("  {}: measuring", system.name()));
        let others = Others::from_now();
        let report = self.feed(system, &running, workload)?;
        let others_cores = if self.settings.busy { 0.0 } else { others.cores() };
        drop(running);
        let run = Run::of(system, round, others_cores, load_average_before, &report);
        self.folder.keep_raw(&run.file, &report)?;
        for complaint in &run.complaints {
            tell(&format!("  {} FAILED: {complaint}", system.name()));
        }
        // What was lost, doubled or reordered will not be better next time.
        let is_wrong = report.checks != Default::default();
        let first = run.complaints.first().cloned().unwrap_or_default();
        self.comparison.runs.push(run);
        self.folder.keep(&self.comparison)?;
        if is_wrong { Err(Failure::BrokeOff(format!("{}, round {round}: {first}", system.name()))) } else { Ok(()) }
    }

    /// A system that serves and is warm.
    fn started(&self, system: System, workload: &Workload) -> Result<Running, Failure> {
        not_interrupted()?;
        if !self.settings.busy {
            wait_for_calm()?;
        }
        let began = Instant::now();
        let running = system.start(&self.settings.binary, &self.settings.beside)?;
        not_interrupted()?;
        let seconds = warm_up_seconds(system, self.settings.warm_up_seconds);
        tell(&format!(
            "  {}: serves after {:.1} s, warming up for {seconds} s",
            system.name(),
            began.elapsed().as_secs_f64()
        ));
        if seconds > 0 {
            let rate = (workload.stages[0].rate_per_second as f64 * WARM_UP_SHARE).ceil() as u64;
            let mut warm = with_rate(workload, rate, 0, seconds);
            warm.lag_ms_max = LAG_MS_MAX;
            let report = self.feed(system, &running, warm)?;
            // A cold JVM may be late; what it has acknowledged has to come all the same.
            if report.checks != Default::default() {
                let why = report.complaints.join("; ");
                return Err(Failure::BrokeOff(format!("{}, warming up: {why}", system.name())));
            }
        }
        Ok(running)
    }

    fn feed(&self, system: System, running: &Running, workload: Workload) -> Result<Report, Failure> {
        // Topics are wiped with everything else: deleting them would be in the way of the run after a warm-up.
        let options =
            Options { load_average_max: Some(LOAD_AVERAGE_ANY), keep_topics: true, ..Options::of(running.target()) };
        run(workload, &options).map_err(|failure| {
            if !matches!(failure, Failure::Refused(_)) && not_interrupted().is_ok() {
                tell(&format!("  {} printed at last:\n{}", system.name(), running.output()));
            }
            system.blame(failure)
        })
    }

    /// How far one of the systems gets, and the rate that is a share of that.
    fn share_of_maximum(&mut self, sweep: &Sweep) -> Result<u64, Failure> {
        let system = sweep.of;
        tell(&format!(
            "how far {} gets: at most {} stages of {} s",
            system.name(),
            sweep.rates_per_second.len(),
            sweep.seconds
        ));
        let workload = self.scenario.sweeping(sweep).map_err(Failure::Refused)?;
        let running = self.started(system, &self.scenario.workload)?;
        let report = self.feed(system, &running, workload)?;
        self.folder.keep_raw(&format!("sweep-{}.json", system.name()), &report)?;
        // A rate that is too much for the generator ends a sweep as well; only the first one has to be well.
        let first = &report.stages[0];
        let is_kept = first.is_held && first.acknowledged_per_second >= first.rate_per_second as f64 * KEPT_SHARE_MIN;
        let why = report.complaints.join("; ");
        if !is_kept || report.checks != Default::default() {
            return Err(Failure::BrokeOff(format!("{}, looking for its maximum: {why}", system.name())));
        }
        if !why.is_empty() {
            // The maximum is the generator's, perhaps.
            self.comparison.complaints.push(format!("{}, looking for its maximum: {why}", system.name()));
        }
        let Some(maximum) = report.saturated_above_per_second else {
            let last = sweep.rates_per_second.iter().max().copied().unwrap_or(0);
            let why = format!("{} takes {last} records/s and more: the sweep has to go further", system.name());
            return Err(Failure::BrokeOff(why));
        };
        let cores = report.server_cores.map(|cores| cores + report.generator_cores);
        self.comparison.trials.push(Trial {
            system,
            rate_per_second: maximum,
            cores,
            maximum_per_second: Some(maximum),
        });
        let rate = ((maximum as f64 * sweep.share) as u64).max(1);
        tell(&format!("  {} takes {maximum} records/s; all are compared at {rate}", system.name()));
        Ok(rate)
    }

    /// The rate, or as much of it as server and generator have processors for, whichever system it is.
    fn rate_with_room(&mut self, cores_max: f64) -> Result<u64, Failure> {
        let wanted = self.scenario.rate_per_second();
        let mut rate = wanted;
        for system in self.scenario.systems.clone() {
            tell(&format!("whether {} has processors for {rate} records/s", system.name()));
            let running = self.started(system, &with_rate(&self.scenario.workload, rate, 0, TRIAL_SECONDS))?;
            let mut has_room = false;
            for _ in 0..TRIALS_MAX {
                let mut trial = with_rate(&self.scenario.workload, rate, TRIAL_SETTLE_SECONDS, TRIAL_SECONDS);
                trial.lag_ms_max = LAG_MS_MAX;
                let report = self.feed(system, &running, trial)?;
                if report.checks != Default::default() {
                    let why = report.complaints.join("; ");
                    return Err(Failure::BrokeOff(format!("{}, looking for a rate: {why}", system.name())));
                }
                let server = report
                    .server_cores
                    .ok_or_else(|| Failure::BrokeOff(format!("{}: its processor time is not known", system.name())))?;
                let cores = server + report.generator_cores;
                self.comparison.trials.push(Trial {
                    system,
                    rate_per_second: rate,
                    cores: Some(cores),
                    maximum_per_second: None,
                });
                tell(&format!("  {rate} records/s: {cores:.2} processors, {cores_max} may be"));
                if cores <= cores_max {
                    has_room = true;
                    break;
                }
                rate = reduced(rate, wanted, cores_max / cores);
            }
            if !has_room {
                let why = format!("{} has no processors for {rate} records/s after {TRIALS_MAX} trials", system.name());
                return Err(Failure::BrokeOff(why));
            }
        }
        Ok(rate)
    }
}

/// What comes after a rate that had too little room: a whole number of hundredths of what is wanted, and less than before.
fn reduced(rate: u64, wanted: u64, room: f64) -> u64 {
    let hundredths = (rate as f64 * room * ROOM * 100.0 / wanted as f64).floor();
    ((hundredths * wanted as f64 / 100.0) as u64).clamp(1, (rate - 1).max(1))
}

fn tell(line: &str) {
    eprintln!("{line}");
}

/// Told before anything is begun.
pub fn foretell(scenario: &Scenario, settings: &Settings) -> Duration {
    let takes = plan::of_all(scenario, settings.rounds, settings.warm_up_seconds);
    let systems = scenario.systems.iter().map(|system| system.name()).collect::<Vec<_>>().join(", ");
    tell(&format!("{}: {}", scenario.name, scenario.about));
    tell(&format!(
        "{} rounds of {systems}; about {}, {} at most; others may use {OTHERS_CORES_MAX} processors meanwhile",
        settings.rounds,
        minutes(takes.about),
        minutes(takes.at_most)
    ));
    takes.about
}

#[cfg(test)]
mod tests {
    use super::reduced;

    #[test]
    fn a_rate_is_reduced_to_what_has_room_and_never_stays() {
        // 3.6 processors where 1.8 may be: half of it, and a twentieth less.
        assert_eq!(reduced(50_000, 50_000, 0.5), 23_500);
        assert_eq!(reduced(23_500, 50_000, 0.9999), 22_000);
        assert_eq!(reduced(1, 50_000, 0.9), 1);
    }
}
