//! One run from beginning to end: is the machine idle, is the server there, make topics, carry it out, tell of it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::driver::{self, Driver};
use crate::engine::carry_out;
use crate::failure::Failure;
use crate::machine::{self, CONGESTION_CONTROL, Machine};
use crate::measure::Gauge;
use crate::plan::Plan;
use crate::report::{Circumstances, Report};
use crate::store::{Counter, Store};
use crate::target::Target;
use crate::workload::{LAG_MS_MAX_BY_DEFAULT, Protocol, Workload};

/// Of the machine's processors, what may be in use before a run.
const LOAD_SHARE_MAX: f64 = 0.5;

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub target: Target,
    /// Also on a busy machine. The result is then marked as not to be quoted.
    pub busy: bool,
    /// The load average above which the machine is busy; half of its processors unless said. With a higher one the result is not to be
    /// quoted either.
    pub load_average_max: Option<f64>,
    /// Where the server's requests to its store are counted.
    pub store: Store,
    /// Leaves the run's topics on a server that was there.
    pub keep_topics: bool,
}

impl Options {
    /// As runs are made unless something else is said.
    #[must_use]
    pub fn of(target: Target) -> Options {
        Options { target, busy: false, load_average_max: None, store: Store::Unseen, keep_topics: false }
    }
}

/// Runs `workload`.
///
/// # Errors
/// It could not be run at all, or broke off. What a whole run found wrong is in the report.
pub fn run(workload: Workload, options: &Options) -> Result<Report, Failure> {
    options.target.check()?;
    if workload.store_requests_per_gibibyte_max.is_some() && options.store == Store::Unseen {
        return Err(Failure::Refused(
            "the workload has a bound of the requests to the store, which nobody counts: say --store-latency s3-standard, or \
             --store-proxy HOST:PORT"
                .into(),
        ));
    }
    let load = Load::now(options)?;
    machine::allow_open_files(open_files(&workload)).map_err(Failure::Refused)?;
    let (store, how) = match &options.store {
        Store::Unseen => (None, None),
        Store::Proxy(control) => (Some(Counter::there(control)?), None),
        Store::Slowed { .. } if options.target.stays() => {
            return Err(Failure::Refused(
                "a store with latency is put behind a server that is started: say --start".into(),
            ));
        }
        Store::Slowed { profile, server } => {
            let (counter, how) = Counter::slowed(profile, server)?;
            (Some(counter), Some(how))
        }
    };
    let reached = options.target.reach(workload.protocol, how)?;
    let driver = driver::of(workload.protocol, &reached.addresses);
    let plan = Plan::new(workload, number_of_this_run());
    let gauge = Gauge::new(reached.process, store);
    let created = driver.create_topics(&plan).map_err(|error| Failure::Unreachable(one_line(&error)));
    let outcome =
        created.and_then(|()| carry_out(&plan, &*driver, &gauge).map_err(|error| Failure::BrokeOff(one_line(&error))));
    let left = if options.target.stays() && !options.keep_topics { delete_topics(&plan, &*driver) } else { None };
    let outcome = outcome.map_err(|failure| match &left {
        Some(left) => failure.and(left),
        None => failure,
    })?;
    let machine = Machine::this();
    let mut reservations = reservations(&load, options, &machine);
    reservations.extend(lenience(&plan.workload));
    let around = Circumstances {
        server: reached.name.clone(),
        client: format!("{}, tidelog-loadgen {}", driver.name(), env!("CARGO_PKG_VERSION")),
        load_average_before: load.before,
        load_average_after: machine::load_average(),
        load_average_max: load.max,
        reservations,
        remarks: left.into_iter().collect(),
        told: gauge.into_told(),
        machine,
        date: machine::date(),
    };
    Ok(Report::of(plan.workload, outcome, around))
}

/// How busy the machine is, and may be.
struct Load {
    before: Option<f64>,
    max: f64,
    /// Unless another one is said.
    max_by_default: f64,
}

impl Load {
    /// Refuses a machine that is busy, unless that does not matter.
    fn now(options: &Options) -> Result<Load, Failure> {
        let before = machine::load_average();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let max_by_default = cores as f64 * LOAD_SHARE_MAX;
        let max = options.load_average_max.unwrap_or(max_by_default);
        if !max.is_finite() {
            return Err(Failure::Refused(format!("--load-average-max {max}: {max_by_default} would work")));
        }
        let load = Load { before, max, max_by_default };
        if !load.is_at_most(max) && !options.busy {
            let before = before.map_or("unknown".to_owned(), |load| load.to_string());
            return Err(Failure::Refused(format!(
                "the machine is busy: its load average is {before}, {max} may be; wait, or say --busy for a result that is not to be quoted"
            )));
        }
        Ok(load)
    }

    fn is_at_most(&self, max: f64) -> bool {
        self.before.is_some_and(|load| load <= max)
    }
}

/// Why a result is not to be quoted although everything held, a line each.
fn reservations(load: &Load, options: &Options, machine: &Machine) -> Vec<String> {
    let Load { max, max_by_default, .. } = load;
    let mut found = Vec::new();
    if options.busy {
        found.push("the machine was allowed to be busy (--busy)".to_owned());
    }
    if max > max_by_default {
        found.push(format!(
            "the load average was allowed to be {max} (--load-average-max), and not {max_by_default} at most"
        ));
    }
    if machine.congestion_control != CONGESTION_CONTROL {
        found.push(format!(
            "tcp congestion control is {:?}, which costs other processor time on loopback; `sysctl -w net.ipv4.tcp_congestion_control={CONGESTION_CONTROL}`",
            machine.congestion_control
        ));
    }
    found
}

/// What a workload lets pass that others do not.
fn lenience(workload: &Workload) -> Vec<String> {
    let mut found = Vec::new();
    if workload.lag_ms_max > LAG_MS_MAX_BY_DEFAULT {
        found.push(format!("the generator was allowed to be {} ms late (lag_ms_max)", workload.lag_ms_max));
    }
    if workload.errors_max > 0 {
        found.push(format!("{} records were allowed to be refused (errors_max)", workload.errors_max));
    }
    found
}

/// Tells in a line why the run's topics are still there.
fn delete_topics(plan: &Plan, driver: &dyn Driver) -> Option<String> {
    let error = driver.delete_topics(plan).err()?;
    Some(format!("the topics load-{:08x}-… are left on the server: {}", plan.run, one_line(&error)))
}

/// What a run has open, about: a library has more than a socket for each of its clients.
fn open_files(workload: &Workload) -> u64 {
    let (senders, readers) = (u64::from(workload.connections), u64::from(workload.groups_in_all()));
    let consumers = readers * u64::from(workload.consumers);
    100 + match workload.protocol {
        Protocol::KafkaLibrdkafka => (senders + consumers) * 8,
        Protocol::KafkaRaw => senders + consumers,
        Protocol::Http => senders + readers * u64::from(workload.places()),
    }
}

fn one_line(error: &anyhow::Error) -> String {
    format!("{error:#}").replace('\n', " | ")
}

/// Another one each time, so that topics of runs before are left alone.
fn number_of_this_run() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_micros() as u32) ^ std::process::id().rotate_left(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(busy: bool, load: Load, congestion_control: &str, expected: &[&str]) {
        let target = Target::There { kafka: None, http: None, process: None, name: String::new() };
        let options = Options { busy, ..Options::of(target) };
        let machine = Machine { congestion_control: congestion_control.to_owned(), ..Machine::this() };
        let found = reservations(&load, &options, &machine);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(found.iter().zip(expected).all(|(found, part)| found.contains(part)), "{found:?}");
    }

    #[test]
    fn what_keeps_a_result_from_being_quoted_is_told() {
        let load = |before, max| Load { before: Some(before), max, max_by_default: 1.0 };
        check(false, load(0.5, 1.0), "cubic", &[]);
        check(false, load(0.5, 9.0), "cubic", &["allowed to be 9 (--load-average-max), and not 1"]);
        check(false, load(0.1, 0.5), "cubic", &[]);
        check(true, load(0.5, 1.0), "cubic", &["--busy"]);
        check(false, load(0.5, 1.0), "bbr", &["congestion control is \"bbr\""]);
    }
}
