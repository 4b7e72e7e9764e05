//! One run from beginning to end: is the machine idle, is the server there, make topics, carry it out, tell of it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::driver;
use crate::engine::carry_out;
use crate::failure::Failure;
use crate::machine;
use crate::measure::Gauge;
use crate::plan::Plan;
use crate::report::{Circumstances, Report};
use crate::target::Target;
use crate::workload::{Protocol, Workload};

/// Of the machine's processors, what may be in use before a run.
const LOAD_SHARE_MAX: f64 = 0.5;

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub target: Target,
    /// Also on a busy machine. The result is then marked as not to be quoted.
    pub busy: bool,
    /// The load average above which the machine is busy; half of its processors unless said.
    pub load_average_max: Option<f64>,
}

/// Runs `workload`.
///
/// # Errors
/// It could not be run at all, or broke off. What a whole run found wrong is in the report.
pub fn run(workload: Workload, options: &Options) -> Result<Report, Failure> {
    let load_average_before = machine::load_average();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let max = options.load_average_max.unwrap_or(cores as f64 * LOAD_SHARE_MAX);
    let is_busy = load_average_before.is_none_or(|load| load > max);
    if is_busy && !options.busy {
        let load = load_average_before.map_or("unknown".to_owned(), |load| load.to_string());
        return Err(Failure::Refused(format!(
            "the machine is busy: its load average is {load}, {max} may be; wait, or say --busy for a result that is not to be quoted"
        )));
    }
    machine::allow_open_files(open_files(&workload)).map_err(Failure::Refused)?;
    let reached = options.target.reach(workload.protocol)?;
    let driver = driver::of(workload.protocol, &reached.addresses);
    let plan = Plan::new(workload, number_of_this_run());
    driver.create_topics(&plan).map_err(|error| Failure::Unreachable(one_line(&error)))?;
    let gauge = Gauge::new(reached.process);
    let outcome = carry_out(&plan, &*driver, &gauge).map_err(|error| Failure::BrokeOff(one_line(&error)))?;
    let around = Circumstances {
        server: reached.name.clone(),
        client: format!("{}, tidelog-loadgen {}", driver.name(), env!("CARGO_PKG_VERSION")),
        load_average_before,
        load_average_after: machine::load_average(),
        is_busy: is_busy || options.busy,
        date: machine::date(),
    };
    Ok(Report::of(plan.workload, outcome, around))
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
