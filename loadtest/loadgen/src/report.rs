//! What is told of a run: all of it in one value, which is the JSON, and what the table shows.

use serde::{Deserialize, Serialize};

use crate::check::Checks;
use crate::engine::{Outcome, is_held};
use crate::latency::{Latency, Point};
use crate::machine::Machine;
use crate::measure::Sample;
use crate::schedule::{Moment, Schedule};
use crate::workload::Workload;

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
    /// Every check held, and the machine was idle before. No other result is to be quoted.
    pub is_quotable: bool,
    /// What did not hold, a line each.
    pub complaints: Vec<String>,
    /// Counts of what was wrong.
    pub checks: Checks,
    /// Records handed over, the warm-up too.
    pub sent: u64,
    /// Records received, by all groups together.
    pub received: u64,
    /// From intended send to acknowledgement, without the warm-up.
    pub acknowledge: Latency,
    /// From intended send to receive, without the warm-up.
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
    /// How late the generator itself was, of 999 of 1,000 records.
    pub lag_p99_9_ms: f64,
    /// Whether it was sent as it should have been.
    pub is_held: bool,
    /// From intended send to acknowledgement.
    pub acknowledge: Latency,
    /// From intended send to receive.
    pub receive: Latency,
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
    /// The machine was busy, or nobody looked.
    pub(crate) is_busy: bool,
    pub(crate) date: String,
}

impl Report {
    pub(crate) fn of(workload: Workload, outcome: Outcome, around: Circumstances) -> Report {
        let schedule = Schedule::of(&workload);
        let stages: Vec<StageReport> =
            (0..outcome.stages).map(|stage| stage_report(&workload, &schedule, &outcome, stage)).collect();
        let measured = (schedule.warm_up_ends().seconds(), schedule.stages()[outcome.stages - 1].ends.seconds());
        let usage = Usage::between(&outcome.samples, measured);
        let (acknowledge, receive) = (outcome.acknowledge.whole(outcome.stages), outcome.receive.whole(outcome.stages));
        let gibibytes = acknowledge.count as f64 * workload.record_bytes as f64 / f64::from(1 << 30);
        let is_all_measured = outcome.stages == schedule.stages().len() && gibibytes > 0.0;
        let complaints = complaints(&workload, &outcome, &stages, &acknowledge, &receive);
        Report {
            date: around.date,
            server: around.server,
            client: around.client,
            machine: Machine::this(),
            load_average_before: around.load_average_before,
            load_average_after: around.load_average_after,
            is_quotable: complaints.is_empty() && !around.is_busy,
            complaints,
            checks: outcome.checks,
            sent: outcome.sent,
            received: outcome.received,
            saturated_above_per_second: outcome.is_saturated.then(|| stages[stages.len() - 1].rate_per_second),
            catch_up: workload.catch_up_after_seconds.map(|seconds| catch_up(&schedule, &outcome, seconds)),
            server_cpu_seconds_per_gibibyte: usage.server.filter(|_| is_all_measured).map(|spent| spent / gibibytes),
            server_resident_mebibytes_max: usage.resident_max,
            server_cores: usage.server.map(|spent| spent / usage.seconds),
            generator_cores: usage.generator / usage.seconds,
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
    StageReport {
        rate_per_second: stretch.rate_per_second,
        sent_per_second: lag.on_time as f64 / stretch.begins.until(stretch.ends).as_secs_f64(),
        lag_p99_9_ms: lag.behind.value_at_quantile(0.999) as f64 / 1000.0,
        is_held: is_held(lag, stretch.count, workload.lag_ms_max),
        acknowledge: outcome.acknowledge.stage(stage),
        receive: outcome.receive.stage(stage),
    }
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
    let bounds = [
        ("acknowledge", acknowledge, workload.acknowledge_p99_ms_max),
        ("receive", receive, workload.receive_p99_ms_max),
    ];
    for (what, latency, bound) in bounds {
        if let Some(bound) = bound.filter(|bound| latency.p99_ms > *bound) {
            found.push(format!("p99 from intended send to {what} is {:.1} ms, {bound} may be", latency.p99_ms));
        }
    }
    let late_group_came = workload.catch_up_after_seconds.is_none() || outcome.caught_up.is_some();
    if !late_group_came {
        found.push("the group that began late did not catch up".to_owned());
    }
    found
}

/// Differences of samples.
struct Usage {
    seconds: f64,
    server: Option<f64>,
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
            resident_max: resident.reduce(f64::max),
            generator: last.generator_cpu_seconds - first.generator_cpu_seconds,
        }
    }
}
