//! What is told of a run: all of it in one value, which is the JSON, and what the table shows.

use serde::{Deserialize, Serialize};

use crate::check::Checks;
use crate::engine::{Outcome, is_acknowledged, is_held};
use crate::latency::{Latency, Point};
use crate::machine::Machine;
use crate::measure::Sample;
use crate::schedule::{Moment, Schedule};
use crate::store::{StoreReport, Told};
use crate::workload::Workload;

/// A p99 that is no more than so many times that of before counts as the same.
const STEADY_FACTOR: f64 = 2.0;
/// Of a core, what one thread of the generator may use: what waits for it longer than it works would be told of the server.
const THREAD_CORES_MAX: f64 = 0.8;
/// Of the processors, what the generator may use in all: with more the server would have less than who measures it.
const GENERATOR_SHARE_MAX: f64 = 0.5;

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// When it ended, in UTC.
    pub date: String,
    /// The workload as it was run, with all keys.
    pub workload: Workload,
    /// The server, as it was named or names itself.
    pub server: String,
    /// The driver and its version, and the generator's.
    pub client: String,
    /// Where.
    pub machine: Machine,
    /// Load average of the minute before the run began.
    pub load_average_before: Option<f64>,
    /// And when it had ended.
    pub load_average_after: Option<f64>,
    /// The load average above which the machine would have been too busy.
    #[serde(default)]
    pub load_average_max: f64,
    /// Every check held, and there are no reservations. No other result is to be quoted.
    pub is_quotable: bool,
    /// What did not hold, a line each.
    pub complaints: Vec<String>,
    /// Why it is not to be quoted although all held, a line each: how the machine was, or was allowed to be.
    #[serde(default)]
    pub reservations: Vec<String>,
    /// What is to be known beside the result, a line each.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// Counts of what was wrong.
    pub checks: Checks,
    /// Records handed over, the warm-up too.
    pub sent: u64,
    /// Records received, by all groups together.
    pub received: u64,
    /// From intended send to acknowledgement, without the warm-up.
    pub acknowledge: Latency,
    /// From intended send to receive, without the warm-up. Empty when the workload has no consumers.
    pub receive: Latency,
    /// Each stage.
    pub stages: Vec<StageReport>,
    /// The rate of the last stage that was held, where the run went on until one was too much.
    pub saturated_above_per_second: Option<u64>,
    /// Of a run with a late group: how those at the tail fared.
    pub catch_up: Option<CatchUp>,
    /// Processor time of the server for each GiB of values that it took, while it was measured; reading is in it.
    pub server_cpu_seconds_per_gibibyte: Option<f64>,
    /// The most that was seen.
    pub server_resident_mebibytes_max: Option<f64>,
    /// Processors that the server used, on average.
    pub server_cores: Option<f64>,
    /// Processors that the generator used, on average.
    pub generator_cores: f64,
    /// Of a core, what the busiest thread of the generator used in the busiest stage.
    #[serde(default)]
    pub generator_thread_cores_max: f64,
    /// What was asked of the store, where that was counted.
    #[serde(default)]
    pub store: Option<StoreReport>,
    /// Acknowledgements over the run, by when the record was to be sent.
    pub acknowledge_series: Vec<Point>,
    /// The same of receives.
    pub receive_series: Vec<Point>,
    /// Seconds of each point.
    pub interval_seconds: f64,
    /// Processor and memory over the run.
    pub samples: Vec<Sample>,
}

/// A stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageReport {
    /// What was asked for.
    pub rate_per_second: u64,
    /// What was sent while it lasted.
    pub sent_per_second: f64,
    /// What was acknowledged of it while it lasted, or in the second after that.
    pub acknowledged_per_second: f64,
    /// How late the generator itself was, of 999 of 1,000 records.
    pub lag_p99_9_ms: f64,
    /// Whether it was sent as it should have been.
    pub is_held: bool,
    /// Of a core, what the busiest thread of the generator used.
    #[serde(default)]
    pub generator_thread_cores: f64,
    /// From intended send to acknowledgement.
    pub acknowledge: Latency,
    /// From intended send to receive.
    pub receive: Latency,
    /// Of a stage behind one with a higher rate: seconds until the p99 of acknowledgements stays below twice that of the first
    /// stage; nothing when it never did.
    pub steady_after_seconds: Option<f64>,
}

/// A group that began late, beside those at the tail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatchUp {
    /// Seconds after the schedule began.
    pub began_seconds: f64,
    /// When it was at the tail, if ever.
    pub caught_up_seconds: Option<f64>,
    /// From intended send to receive at the tail, before it began.
    pub before: Latency,
    /// Meanwhile.
    pub meanwhile: Latency,
    /// And after.
    pub after: Latency,
}

/// Who took part, and under which circumstances.
pub(crate) struct Circumstances {
    pub(crate) server: String,
    pub(crate) client: String,
    pub(crate) load_average_before: Option<f64>,
    pub(crate) load_average_after: Option<f64>,
    pub(crate) load_average_max: f64,
    /// Why the result is not to be quoted, whatever it is.
    pub(crate) reservations: Vec<String>,
    pub(crate) remarks: Vec<String>,
    /// What the store's proxy told in the course of the run, or why it did not.
    pub(crate) told: Option<Result<Vec<Told>, String>>,
    pub(crate) machine: Machine,
    pub(crate) date: String,
}

impl Report {
    /// What is known of a run without complaints.
    pub(crate) fn what_held(&self) -> &'static str {
        if self.workload.consumers > 0 {
            "every acknowledged record came, once and in order, and the schedule was kept"
        } else {
            "every record was acknowledged, and the schedule was kept; nothing was read, so nothing is known of what is stored"
        }
    }

    /// A line for each reason; none for a result that may be quoted.
    pub(crate) fn why_not_quotable(&self) -> Vec<&str> {
        let failed = (!self.complaints.is_empty()).then_some("a check failed");
        failed.into_iter().chain(self.reservations.iter().map(String::as_str)).collect()
    }

    pub(crate) fn of(workload: Workload, outcome: Outcome, around: Circumstances) -> Report {
        let schedule = Schedule::of(&workload);
        let stages: Vec<StageReport> =
            (0..outcome.stages).map(|stage| stage_report(&workload, &schedule, &outcome, stage)).collect();
        let measured = (schedule.warm_up_ends().seconds(), schedule.stages()[outcome.stages - 1].ends.seconds());
        let usage = Usage::between(&outcome.samples, measured);
        let (acknowledge, receive) = (outcome.acknowledge.whole(outcome.stages), outcome.receive.whole(outcome.stages));
        // Of the same time as the processor time: what waited at its end has not cost all yet.
        let gibibytes = usage.acknowledged as f64 * workload.record_bytes as f64 / f64::from(1 << 30);
        let is_all_measured = outcome.stages == schedule.stages().len() && gibibytes > 0.0;
        let mut complaints = complaints(&workload, &schedule, &outcome, &stages, &acknowledge, &receive);
        complaints.extend(busy_generator(usage.generator / usage.seconds, around.machine.cores));
        if let Some(server) = usage.server.map(|spent| spent / usage.seconds)
            && server > around.machine.cores as f64 * 1.05
        {
            complaints.push(format!(
                "the server used {server:.2} of {} cores: its process is another one",
                around.machine.cores
            ));
        }
        let store = match around.told.map(|told| told.map(|told| store(&told, measured.0, workload.record_bytes))) {
            Some(Err(error)) => {
                complaints.push(format!("what was asked of the store is not known: {error}"));
                None
            }
            Some(Ok(store)) => store,
            None => None,
        };
        if let (Some(bound), Some(store)) = (workload.store_requests_per_gibibyte_max, &store) {
            complaints.extend(dear_store(store.requests_per_gibibyte(), bound));
        }
        Report {
            date: around.date,
            server: around.server,
            client: around.client,
            machine: around.machine,
            load_average_before: around.load_average_before,
            load_average_after: around.load_average_after,
            load_average_max: around.load_average_max,
            is_quotable: complaints.is_empty() && around.reservations.is_empty(),
            complaints,
            reservations: around.reservations,
            remarks: around.remarks,
            checks: outcome.checks,
            sent: outcome.sent,
            received: outcome.received,
            saturated_above_per_second: outcome.is_saturated.then(|| stages[stages.len() - 1].rate_per_second),
            catch_up: workload.catch_up_after_seconds.map(|seconds| catch_up(&schedule, &outcome, seconds)),
            server_cpu_seconds_per_gibibyte: usage.server.filter(|_| is_all_measured).map(|spent| spent / gibibytes),
            server_resident_mebibytes_max: usage.resident_max,
            server_cores: usage.server.map(|spent| spent / usage.seconds),
            generator_cores: usage.generator / usage.seconds,
            generator_thread_cores_max: stages.iter().map(|stage| stage.generator_thread_cores).fold(0.0, f64::max),
            store,
            acknowledge_series: outcome.acknowledge.series(),
            receive_series: outcome.receive.series(),
            interval_seconds: outcome.acknowledge.interval().as_secs_f64(),
            samples: outcome.samples,
            acknowledge,
            receive,
            stages,
            workload,
        }
    }
}

fn stage_report(workload: &Workload, schedule: &Schedule, outcome: &Outcome, stage: usize) -> StageReport {
    let (stretch, lag) = (schedule.stages()[stage], &outcome.lags[stage]);
    let seconds = stretch.begins.until(stretch.ends).as_secs_f64();
    StageReport {
        rate_per_second: stretch.rate_per_second,
        sent_per_second: lag.on_time as f64 / seconds,
        acknowledged_per_second: lag.acknowledged as f64 / seconds,
        lag_p99_9_ms: lag.behind.value_at_quantile(0.999) as f64 / 1000.0,
        is_held: is_held(lag, stretch.count, workload.lag_ms_max),
        generator_thread_cores: thread_cores(&outcome.samples, (stretch.begins.seconds(), stretch.ends.seconds())),
        acknowledge: outcome.acknowledge.stage(stage),
        receive: outcome.receive.stage(stage),
        steady_after_seconds: stage.checked_sub(1).and_then(|before| {
            let is_behind_a_burst = schedule.stages()[before].rate_per_second > stretch.rate_per_second;
            let bound_ms = outcome.acknowledge.stage(0).p99_ms * STEADY_FACTOR;
            let of_stage = (stretch.begins.seconds(), stretch.ends.seconds());
            is_behind_a_burst.then(|| steady_after(&outcome.acknowledge.series(), of_stage, bound_ms)).flatten()
        }),
    }
}

/// Of a core, what the busiest thread of the generator used between two moments, on average.
fn thread_cores(samples: &[Sample], (begins, ends): (f64, f64)) -> f64 {
    // A sample tells of the second before it.
    let inside = samples.iter().filter(|sample| (begins + 0.5..ends + 0.5).contains(&sample.at_seconds));
    let cores: Vec<f64> = inside.map(|sample| sample.generator_thread_cores).collect();
    cores.iter().sum::<f64>() / cores.len().max(1) as f64
}

/// What was asked of a store from the look that is nearest to a moment on.
fn store(told: &[Told], from: f64, record_bytes: usize) -> Option<StoreReport> {
    let distance = |told: &&Told| (told.at_seconds - from).abs();
    let first = told.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    Some(StoreReport::between(first, told.last()?, record_bytes))
}

/// That more was asked of a store than should be, or that nothing was stored for it.
fn dear_store(requests_per_gibibyte: Option<f64>, bound: f64) -> Option<String> {
    match requests_per_gibibyte {
        Some(requests) if requests <= bound => None,
        Some(requests) => Some(format!("the store was asked {requests:.0} times for each GiB, {bound} may be")),
        None => Some("how often the store is asked for a GiB is not known: nothing was acknowledged".to_owned()),
    }
}

/// Seconds from the beginning of a stage until the p99 stays below a bound.
fn steady_after(series: &[Point], (begins, ends): (f64, f64), bound_ms: f64) -> Option<f64> {
    let of_stage: Vec<&Point> = series.iter().filter(|point| (begins..ends).contains(&point.at_seconds)).collect();
    let steady = of_stage.iter().rev().take_while(|point| point.p99_ms < bound_ms).last()?;
    Some(steady.at_seconds - begins)
}

/// Memory that a server has at most in the second and in the last quarter of what is measured: what it grows by when it should not.
fn resident_growth(samples: &[Sample], (begins, ends): (f64, f64)) -> Option<f64> {
    let most = |from: f64, to: f64| {
        let (from, to) = (begins + (ends - begins) * from, begins + (ends - begins) * to);
        let inside = samples.iter().filter(|sample| (from..to).contains(&sample.at_seconds));
        inside.filter_map(|sample| sample.server_resident_mebibytes).reduce(f64::max)
    };
    Some(most(0.75, 1.0)? - most(0.25, 0.5)?)
}

fn catch_up(schedule: &Schedule, outcome: &Outcome, seconds: u32) -> CatchUp {
    let began = Moment::of_seconds(u64::from(seconds));
    let caught_up = outcome.caught_up.unwrap_or(schedule.ends());
    CatchUp {
        began_seconds: began.seconds(),
        caught_up_seconds: outcome.caught_up.map(Moment::seconds),
        before: outcome.receive.between(schedule.warm_up_ends(), began),
        meanwhile: outcome.receive.between(began, caught_up),
        after: outcome.receive.between(caught_up, schedule.ends()),
    }
}

fn complaints(
    workload: &Workload,
    schedule: &Schedule,
    outcome: &Outcome,
    stages: &[StageReport],
    acknowledge: &Latency,
    receive: &Latency,
) -> Vec<String> {
    let mut found = outcome.checks.complaints(workload.errors_max);
    if let (Some(error), false) = (&outcome.first_error, found.is_empty()) {
        found.push(format!("the first refusal: {error}"));
    }
    for stage in stages.iter().filter(|stage| !stage.is_held) {
        let (wanted, sent, lag) = (stage.rate_per_second, stage.sent_per_second, stage.lag_p99_9_ms);
        found.push(format!(
            "the schedule was not held: {wanted} records/s were wanted and {sent:.0} sent, {lag:.1} ms late (p99.9; {} may be)",
            workload.lag_ms_max
        ));
    }
    found.extend(busy_threads(schedule, outcome, stages));
    if let (true, Some(first)) = (workload.until_saturated, stages.first())
        && !is_acknowledged(&outcome.lags[0], schedule.stages()[0].count)
    {
        let (wanted, done) = (first.rate_per_second, first.acknowledged_per_second);
        found.push(format!(
            "the server did not keep up with the first stage: {wanted} records/s were wanted and {done:.0} acknowledged"
        ));
    }
    let bounds = [
        ("acknowledge", acknowledge, workload.acknowledge_p99_ms_max),
        ("receive", receive, workload.receive_p99_ms_max),
    ];
    for (what, latency, bound) in bounds {
        if let Some(bound) = bound.filter(|bound| latency.p99_ms > *bound) {
            found.push(format!("p99 from intended send to {what} is {:.1} ms, {bound} may be", latency.p99_ms));
        }
    }
    let measured = (schedule.warm_up_ends().seconds(), schedule.ends().seconds());
    let growth = resident_growth(&outcome.samples, measured);
    if let (Some(growth), Some(bound)) = (growth, workload.resident_growth_mebibytes_max) {
        if growth > bound {
            found.push(format!("memory grew by {growth:.0} MiB from the second to the last quarter, {bound} may be"));
        }
    } else if workload.resident_growth_mebibytes_max.is_some() {
        found.push(
            "whether memory grows is not known: say --start or --server-pid, and measure for some seconds".to_owned(),
        );
    }
    found
}

/// Stages in which a thread of the generator was so busy that what was measured is its own doing. The one that was too much is looked
/// at as well, because it would be the generator's.
fn busy_threads(schedule: &Schedule, outcome: &Outcome, stages: &[StageReport]) -> Vec<String> {
    let mut found = Vec::new();
    for stage in stages.iter().filter(|stage| stage.generator_thread_cores > THREAD_CORES_MAX) {
        let (rate, cores) = (stage.rate_per_second, stage.generator_thread_cores);
        found.push(format!(
            "a thread of the generator used {cores:.2} of a core at {rate} records/s, {THREAD_CORES_MAX} may be: latencies are its own"
        ));
    }
    if let Some(too_much) = schedule.stages().get(stages.len()).filter(|_| outcome.is_saturated) {
        let cores = thread_cores(&outcome.samples, (too_much.begins.seconds(), too_much.ends.seconds()));
        if cores > THREAD_CORES_MAX {
            let rate = too_much.rate_per_second;
            found.push(format!(
                "{rate} records/s were too much for the generator: a thread of it used {cores:.2} of a core, {THREAD_CORES_MAX} may be"
            ));
        }
    }
    found
}

/// A generator that takes the processors from the server, so that what was measured is its own doing.
fn busy_generator(cores: f64, of_machine: usize) -> Option<String> {
    let max = of_machine as f64 * GENERATOR_SHARE_MAX;
    (cores > max)
        .then(|| format!("the generator used {cores:.2} of {of_machine} cores, {max} may be: latencies are its own"))
}

/// Differences of samples.
struct Usage {
    seconds: f64,
    server: Option<f64>,
    acknowledged: u64,
    resident_max: Option<f64>,
    generator: f64,
}

impl Usage {
    /// Between the samples that are nearest to two moments.
    fn between(samples: &[Sample], (from, to): (f64, f64)) -> Usage {
        let nearest = |seconds: f64| {
            let distance = |sample: &&Sample| (sample.at_seconds - seconds).abs();
            samples.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).expect("one is taken at the beginning")
        };
        let (first, last) = (nearest(from), nearest(to));
        let server = last.server_cpu_seconds.zip(first.server_cpu_seconds);
        let resident = samples.iter().filter_map(|sample| sample.server_resident_mebibytes);
        Usage {
            seconds: (last.at_seconds - first.at_seconds).max(0.001),
            server: server.map(|(last, first)| last - first),
            acknowledged: last.acknowledged - first.acknowledged,
            resident_max: resident.reduce(f64::max),
            generator: last.generator_cpu_seconds - first.generator_cpu_seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_seconds: f64, resident: f64) -> Sample {
        Sample {
            at_seconds,
            server_cpu_seconds: Some(at_seconds / 2.0),
            server_resident_mebibytes: Some(resident),
            generator_cpu_seconds: 0.0,
            generator_thread_cores: 0.0,
            store_requests: None,
            store_bytes_in: None,
            store_bytes_out: None,
            sent: 0,
            acknowledged: (at_seconds * 10.0) as u64,
            received: 0,
        }
    }

    #[test]
    fn memory_that_settles_is_flat_and_one_that_goes_on_is_not() {
        let run = |resident: fn(f64) -> f64| {
            let samples: Vec<Sample> = (0..110).map(f64::from).map(|at| sample(at, resident(at))).collect();
            resident_growth(&samples, (10.0, 110.0)).unwrap()
        };
        assert_eq!(run(|at| at.min(20.0)), 0.0);
        assert_eq!(run(|at| at), 50.0);
        assert_eq!(resident_growth(&[], (10.0, 110.0)), None);
    }

    #[test]
    fn a_store_that_is_asked_too_often_fails_the_run() {
        assert_eq!(dear_store(Some(300.0), 300.0), None);
        assert_eq!(dear_store(Some(301.0), 300.0).unwrap(), "the store was asked 301 times for each GiB, 300 may be");
        assert!(dear_store(None, 300.0).unwrap().contains("nothing was acknowledged"));
    }

    #[test]
    fn a_generator_that_takes_more_than_half_of_the_machine_fails_the_run() {
        assert_eq!(busy_generator(1.0, 2), None);
        assert_eq!(busy_generator(1.11, 4), None);
        let complaint = busy_generator(1.11, 2).unwrap();
        assert_eq!(complaint, "the generator used 1.11 of 2 cores, 1 may be: latencies are its own");
    }

    #[test]
    fn threads_are_judged_by_the_samples_of_a_stage() {
        let samples: Vec<Sample> = (0..10)
            .map(|at| Sample { generator_thread_cores: f64::from(u8::from(at > 4)), ..sample(f64::from(at), 5.0) })
            .collect();
        assert_eq!(thread_cores(&samples, (0.0, 4.0)), 0.0);
        assert_eq!(thread_cores(&samples, (4.0, 8.0)), 1.0);
        assert_eq!(thread_cores(&samples, (0.0, 8.0)), 0.5);
        assert_eq!(thread_cores(&[], (0.0, 8.0)), 0.0);
    }

    #[test]
    fn what_was_used_is_counted_between_the_nearest_samples() {
        let samples: Vec<Sample> = (0..10).map(|at| sample(f64::from(at) + 0.01, 5.0)).collect();
        let usage = Usage::between(&samples, (2.0, 8.0));
        assert!((usage.seconds - 6.0).abs() < 1e-9 && (usage.server.unwrap() - 3.0).abs() < 1e-9);
        assert_eq!(usage.acknowledged, 60);
    }

    #[test]
    fn a_p99_is_steady_when_it_stays_so() {
        let point = |(at, p99_ms): (usize, &f64)| Point {
            at_seconds: at as f64,
            count: 1,
            p50_ms: 0.0,
            p99_ms: *p99_ms,
            max_ms: 0.0,
        };
        let check = |p99_ms: &[f64], steady: Option<f64>| {
            let series: Vec<Point> = p99_ms.iter().enumerate().map(point).collect();
            assert_eq!(steady_after(&series, (2.0, 6.0), 10.0), steady, "{p99_ms:?}");
        };
        check(&[99.0, 99.0, 1.0, 1.0, 1.0, 1.0, 99.0], Some(0.0));
        check(&[1.0, 1.0, 99.0, 1.0, 99.0, 1.0, 99.0], Some(3.0));
        check(&[1.0, 1.0, 1.0, 1.0, 1.0, 99.0, 1.0], None);
    }
}
