//! What is compared, on what, and what should hold: a TOML file, or one of those that come with the program.

mod named;

use std::path::Path;

use serde::{Deserialize, Serialize};
use tidelog_loadgen::{Failure, Protocol, Stage, Workload};

use crate::measure::Measure;
use crate::system::System;

/// Of a scenario, which is a folder's name too.
const NAME_BYTES_MAX: usize = 64;

/// A scenario, checked.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: String,
    pub about: String,
    /// In the order of the first round.
    pub systems: Vec<System>,
    /// The rate is reduced, for all systems, until server and generator together need no more processors than that.
    pub cores_max: Option<f64>,
    /// The rate is a share of what one of the systems can do.
    pub sweep: Option<Sweep>,
    pub workload: Workload,
    pub bounds: Vec<Bound>,
}

/// How far one of the systems gets, before the comparison begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    pub of: System,
    /// What of its maximum the rate of the comparison is.
    pub share: f64,
    /// One after the other, until one is too much.
    pub rates_per_second: Vec<u64>,
    /// Of each rate.
    pub seconds: u32,
}

/// What should hold of Tidelog.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    pub measure: Measure,
    /// Of the ratio to that system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<System>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio_max: Option<f64>,
    /// Of the number itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_max: Option<f64>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    about: String,
    #[serde(default = "all")]
    systems: Vec<System>,
    #[serde(default)]
    cores_max: Option<f64>,
    #[serde(default)]
    sweep: Option<Sweep>,
    workload: toml::Table,
    #[serde(default)]
    bounds: Vec<Bound>,
}

fn all() -> Vec<System> {
    vec![System::Tidelog, System::KafkaFsync, System::KafkaPageCache]
}

impl Scenario {
    /// The scenario of that name, or in that file.
    pub fn load(name_or_file: &str) -> Result<Scenario, Failure> {
        let text = match named::find(name_or_file) {
            Some(text) => text.to_owned(),
            None if name_or_file.ends_with(".toml") || Path::new(name_or_file).is_file() => {
                let text = std::fs::read_to_string(name_or_file);
                text.map_err(|error| Failure::Refused(format!("{name_or_file}: {error}")))?
            }
            None => {
                let names = named::names().collect::<Vec<_>>().join(", ");
                return Err(Failure::Refused(format!(
                    "no scenario is called {name_or_file:?}; there are {names}, and files"
                )));
            }
        };
        Scenario::read(&text).map_err(|problem| Failure::Refused(format!("scenario {name_or_file}: {problem}")))
    }

    /// Those that come with the program.
    pub fn named() -> impl Iterator<Item = Scenario> {
        named::names().filter_map(|name| Scenario::load(name).ok())
    }

    fn read(text: &str) -> Result<Scenario, String> {
        let one_line = |error: toml::de::Error| error.message().replace('\n', " ");
        let Written { name, about, systems, cores_max, sweep, mut workload, bounds } =
            toml::from_str(text).map_err(one_line)?;
        for key in ["name", "about"] {
            if workload.contains_key(key) {
                return Err(format!("workload.{key} is the scenario's: leave it out"));
            }
        }
        workload.insert("name".to_owned(), name.clone().into());
        workload.insert("about".to_owned(), about.clone().into());
        let workload = Workload::parse(&workload.to_string()).map_err(|problem| format!("workload: {problem}"))?;
        let scenario = Scenario { name, about, systems, cores_max, sweep, workload, bounds };
        scenario.settle()?;
        Ok(scenario)
    }

    /// On these systems and no others.
    pub fn only(mut self, systems: &[System]) -> Result<Scenario, Failure> {
        self.systems = systems.to_vec();
        self.bounds.retain(|bound| bound.against.is_none_or(|against| systems.contains(&against)));
        self.settle().map_err(|problem| Failure::Refused(format!("scenario {}: {problem}", self.name)))?;
        Ok(self)
    }

    /// What is sent each second, as it is written.
    pub fn rate_per_second(&self) -> u64 {
        self.workload.stages[0].rate_per_second
    }

    fn settle(&self) -> Result<(), String> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        // It is the name of a folder.
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || !self.name.chars().all(is_plain) {
            return Err(format!("name is {:?}; it must be letters, digits and -, {NAME_BYTES_MAX} at most", self.name));
        }
        let mut systems = self.systems.clone();
        systems.sort_unstable();
        systems.dedup();
        if systems.len() != self.systems.len() || self.systems.is_empty() {
            return Err("systems must be at least one, each of them once".to_owned());
        }
        if self.workload.protocol == Protocol::Http || self.workload.consumers == 0 {
            return Err(
                "workload must speak Kafka's protocol and have consumers: all systems are compared, and checked"
                    .to_owned(),
            );
        }
        if self.workload.stages.len() != 1 || self.workload.until_saturated {
            return Err("workload must have one rate: rate_per_second and duration_seconds".to_owned());
        }
        if self.workload.has_bounds() {
            return Err("workload has a bound of its own; say it in [[bounds]]".to_owned());
        }
        if let Some(cores) = self.cores_max.filter(|cores| !(*cores > 0.0 && cores.is_finite())) {
            return Err(format!("cores_max is {cores}; it must be above 0"));
        }
        if let Some(sweep) = &self.sweep {
            self.settle_sweep(sweep)?;
        }
        self.bounds.iter().try_for_each(|bound| self.settle_bound(bound))
    }

    fn settle_sweep(&self, sweep: &Sweep) -> Result<(), String> {
        if self.cores_max.is_some() {
            return Err("say either sweep or cores_max".to_owned());
        }
        if !self.systems.contains(&sweep.of) {
            return Err(format!("sweep.of is {}, which is not among the systems", sweep.of.name()));
        }
        if !(sweep.share > 0.0 && sweep.share <= 1.0) {
            return Err(format!("sweep.share is {}; it must be above 0 and at most 1", sweep.share));
        }
        if sweep.rates_per_second.len() < 2 || !sweep.rates_per_second.is_sorted_by(|one, next| one < next) {
            return Err("sweep.rates_per_second must be at least two, each above the one before".to_owned());
        }
        self.sweeping(sweep).map(|_| ())
    }

    fn settle_bound(&self, bound: &Bound) -> Result<(), String> {
        let name = bound.measure.name();
        if !bound.measure.is_of(&self.workload) {
            return Err(format!("bound of {name}: runs of this workload do not have it"));
        }
        let max = match (bound.against, bound.ratio_max, bound.value_max) {
            (Some(against), Some(max), None) => {
                if against == System::Tidelog || !self.systems.contains(&against) {
                    return Err(format!("bound of {name}: {} is not among the other systems", against.name()));
                }
                max
            }
            (None, None, Some(max)) => max,
            _ => return Err(format!("bound of {name}: say either against and ratio_max, or value_max")),
        };
        if !self.systems.contains(&System::Tidelog) {
            return Err(format!("bound of {name}: tidelog is not among the systems"));
        }
        if max > 0.0 && max.is_finite() { Ok(()) } else { Err(format!("bound of {name} is {max}; it must be above 0")) }
    }

    /// The workload of the sweep.
    pub fn sweeping(&self, sweep: &Sweep) -> Result<Workload, String> {
        let mut workload = self.workload.clone();
        let stage = |rate: &u64| format!("{{ rate_per_second = {rate}, seconds = {} }}", sweep.seconds);
        let stages = sweep.rates_per_second.iter().map(stage).collect::<Vec<_>>().join(", ");
        // Read anew, so that its limits are those of any workload.
        workload.stages.clear();
        workload.until_saturated = true;
        if workload.groups > 0 {
            workload.catch_up_after_seconds = None;
        }
        let mut table = toml::Table::try_from(&workload).map_err(|error| error.to_string())?;
        let written: toml::Table = format!("stages = [{stages}]").parse().map_err(|_| "sweep".to_owned())?;
        table.extend(written);
        Workload::parse(&table.to_string()).map_err(|problem| format!("sweep: {problem}"))
    }
}

/// `workload` with another rate and duration. What reads when all is sent still does.
pub fn with_rate(workload: &Workload, rate_per_second: u64, warm_up_seconds: u32, seconds: u32) -> Workload {
    let before = crate::measure::schedule_seconds(workload);
    let mut changed = workload.clone();
    changed.stages = vec![Stage { rate_per_second, seconds }];
    changed.warm_up_seconds = warm_up_seconds;
    let after = warm_up_seconds + seconds;
    changed.catch_up_after_seconds =
        workload.catch_up_after_seconds.map(|begins| (begins + after).saturating_sub(before));
    changed
}

#[cfg(test)]
#[path = "scenario_test.rs"]
mod tests;
