//! In which order systems run, and how long it all takes.

use std::time::Duration;

use tidelog_clients::apache;
use tidelog_loadgen::Workload;

use crate::machine::{CALM_WAIT_MAX, CALM_WATCH};
use crate::measure::schedule_seconds;
use crate::scenario::Scenario;
use crate::system::System;

/// Runs of a system that look for a rate which the processors have room for, at most.
pub const TRIALS_MAX: u32 = 6;
/// Of each of them.
pub const TRIAL_SECONDS: u32 = 15;
/// Before that, so that connections are there.
pub const TRIAL_SETTLE_SECONDS: u32 = 3;
/// Tidelog has no JVM to be warmed; caches and files settle sooner.
const WARM_UP_SECONDS_OF_TIDELOG_MAX: u32 = 15;
/// Of the rate, what warms up: there is less to be read and wiped after it.
pub const WARM_UP_SHARE: f64 = 0.5;
/// Threads, topics and checks around a schedule.
const AROUND_A_SCHEDULE_SECONDS: u64 = 4;

/// Who runs when: A B C, then C B A, so that what a machine does over time hits all alike.
pub fn order(systems: &[System], rounds: u32) -> Vec<(u32, System)> {
    let of_round = |round: u32| {
        let mut systems = systems.to_vec();
        if round.is_multiple_of(2) {
            systems.reverse();
        }
        systems.into_iter().map(move |system| (round, system))
    };
    (1..=rounds).flat_map(of_round).collect()
}

/// What a system is warmed for.
pub fn warm_up_seconds(system: System, asked: u32) -> u32 {
    if system.is_kafka() { asked } else { asked.min(WARM_UP_SECONDS_OF_TIDELOG_MAX) }
}

/// How long something takes: about, and at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    pub about: Duration,
    pub at_most: Duration,
}

impl Takes {
    fn seconds(about: u64, at_most: u64) -> Takes {
        Takes { about: Duration::from_secs(about), at_most: Duration::from_secs(at_most) }
    }

    pub fn plus(self, other: Takes) -> Takes {
        Takes { about: self.about + other.about, at_most: self.at_most + other.at_most }
    }

    fn times(self, count: u32) -> Takes {
        Takes { about: self.about * count, at_most: self.at_most * count }
    }
}

/// One run, from watching the machine to the wiped folder.
pub fn of_run(scenario: &Scenario, system: System, warm_up: u32) -> Takes {
    let workload = &scenario.workload;
    let warm = warm_up_seconds(system, warm_up);
    let mut takes = of_start(system).plus(of_schedule(workload, schedule_seconds(workload)));
    if warm > 0 {
        takes = takes.plus(of_schedule(workload, warm));
    }
    takes
}

/// What comes before the first round.
pub fn of_trials(scenario: &Scenario, warm_up: u32) -> Takes {
    let warm = |system| of_start(system).plus(of_schedule(&scenario.workload, warm_up_seconds(system, warm_up).max(1)));
    if let Some(sweep) = &scenario.sweep {
        let seconds = sweep.seconds * sweep.rates_per_second.len() as u32;
        let schedule = of_schedule(&scenario.workload, seconds);
        // It ends at the stage that is too much.
        let about = Duration::from_secs(u64::from(seconds / 2) + AROUND_A_SCHEDULE_SECONDS);
        return warm(sweep.of).plus(Takes { about, ..schedule });
    }
    if scenario.cores_max.is_none() {
        return Takes::default();
    }
    let trial = of_schedule(&scenario.workload, TRIAL_SETTLE_SECONDS + TRIAL_SECONDS);
    let of_system = |system| {
        let most = trial.times(TRIALS_MAX);
        warm(system).plus(Takes { about: trial.about * 2, ..most })
    };
    scenario.systems.iter().map(|system| of_system(*system)).fold(Takes::default(), Takes::plus)
}

/// Everything that a scenario does.
pub fn of_all(scenario: &Scenario, rounds: u32, warm_up: u32) -> Takes {
    let runs = scenario.systems.iter().map(|system| of_run(scenario, *system, warm_up).times(rounds));
    runs.fold(of_trials(scenario, warm_up), Takes::plus)
}

fn of_start(system: System) -> Takes {
    let calm = Takes { about: CALM_WATCH, at_most: CALM_WAIT_MAX + CALM_WATCH };
    // Formatting is a start of a JVM too, and wiping takes a second.
    let start = if system.is_kafka() {
        Takes::seconds(10, 2 * apache::START_MAX.as_secs() + 30)
    } else {
        Takes::seconds(2, 60)
    };
    calm.plus(start)
}

fn of_schedule(workload: &Workload, seconds: u32) -> Takes {
    let reading = if workload.catch_up_after_seconds.is_some() { u64::from(seconds / 4) } else { 0 };
    let schedule = u64::from(seconds) + AROUND_A_SCHEDULE_SECONDS;
    // Topics are waited for, and what is on its way.
    Takes::seconds(schedule + reading, schedule + u64::from(workload.drain_seconds) + 60)
}

/// As `12 min`.
pub fn minutes(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds.div_ceil(60)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_run_forth_and_back() {
        let (a, b, c) = (System::Tidelog, System::KafkaFsync, System::KafkaPageCache);
        assert_eq!(order(&[a, b], 2), [(1, a), (1, b), (2, b), (2, a)]);
        let three: Vec<System> = order(&[a, b, c], 3).into_iter().map(|(_, system)| system).collect();
        assert_eq!(three, [a, b, c, c, b, a, a, b, c]);
    }

    #[test]
    fn a_jvm_is_warmed_as_long_as_was_asked_for() {
        assert_eq!(warm_up_seconds(System::KafkaFsync, 60), 60);
        assert_eq!(warm_up_seconds(System::Tidelog, 60), 15);
        assert_eq!(warm_up_seconds(System::Tidelog, 2), 2);
    }

    #[test]
    fn every_scenario_has_a_time_and_a_bound_above_it() {
        for scenario in Scenario::named() {
            let takes = of_all(&scenario, 5, 60);
            assert!(takes.about < takes.at_most, "{}: {takes:?}", scenario.name);
            assert!(of_all(&scenario, 6, 60).about > takes.about, "{}", scenario.name);
        }
        assert_eq!(minutes(Duration::from_secs(119)), "119 s");
        assert_eq!(minutes(Duration::from_secs(121)), "3 min");
    }
}
