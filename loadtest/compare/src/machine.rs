//! The machine that everything runs on: whether others use it, and the congestion control that all systems have alike.

use std::fs;
use std::time::{Duration, Instant};

use tidelog_loadgen::{Failure, is_interrupted, load_average, processor_seconds_of_others};

/// Of the machine's processors, what the load average may be before anything has begun.
const LOAD_SHARE_MAX: f64 = 0.5;
/// Processors that other programs may use, before a run and while it lasts.
pub const OTHERS_CORES_MAX: f64 = 0.25;
/// How long others are watched before a run.
pub const CALM_WATCH: Duration = Duration::from_secs(2);
/// How long they are waited for.
pub const CALM_WAIT_MAX: Duration = Duration::from_secs(60);
const CONGESTION_CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
/// The one that is measured with: others cost far more on loopback, and not the same for everybody.
const CUBIC: &str = "cubic";

/// Refuses a machine whose load average says that somebody works on it.
pub fn refuse_a_busy_one() -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    refuse_a_load(load_average(), cores as f64 * LOAD_SHARE_MAX)
}

fn refuse_a_load(load: Option<f64>, max: f64) -> Result<(), Failure> {
    match load {
        Some(load) if load <= max => Ok(()),
        _ => {
            let load = load.map_or("unknown".to_owned(), |load| load.to_string());
            Err(Failure::Refused(format!(
                "the machine is busy: its load average is {load}, {max} may be; wait, or say --busy for a result that is not to be quoted"
            )))
        }
    }
}

/// What others use of the processors, from now on.
pub struct Others {
    since: Instant,
    seconds: f64,
}

impl Others {
    pub fn from_now() -> Others {
        Others { since: Instant::now(), seconds: processor_seconds_of_others() }
    }

    /// Processors, on average.
    pub fn cores(&self) -> f64 {
        let passed = self.since.elapsed().as_secs_f64().max(1e-3);
        ((processor_seconds_of_others() - self.seconds) / passed).max(0.0)
    }
}

/// Waits until others use next to nothing. A load average would also tell of our own last run.
pub fn wait_for_calm() -> Result<(), Failure> {
    // What the run before has left to the disk would be in the way of those that fsync.
    // SAFETY: the call has no preconditions.
    unsafe { libc::sync() };
    let deadline = Instant::now() + CALM_WAIT_MAX;
    loop {
        let others = Others::from_now();
        pause(CALM_WATCH)?;
        let cores = others.cores();
        if cores <= OTHERS_CORES_MAX {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Failure::Refused(format!(
                "the machine is busy: other programs use {cores:.2} processors, {OTHERS_CORES_MAX} may be; wait, or say --busy for a \
                 result that is not to be quoted"
            )));
        }
    }
}

/// Waits, unless it is interrupted.
fn pause(whole: Duration) -> Result<(), Failure> {
    let ends = Instant::now() + whole;
    while Instant::now() < ends {
        std::thread::sleep(Duration::from_millis(50));
        not_interrupted()?;
    }
    Ok(())
}

/// Ctrl-C ends everything between two steps too.
pub fn not_interrupted() -> Result<(), Failure> {
    if is_interrupted() { Err(Failure::BrokeOff("it was interrupted".to_owned())) } else { Ok(()) }
}

/// The machine's congestion control is `cubic` as long as this lives, and then what it was.
pub struct Cubic {
    before: Option<String>,
}

impl Cubic {
    /// Refuses where it may not be set.
    pub fn set() -> Result<Cubic, Failure> {
        let before = fs::read_to_string(CONGESTION_CONTROL).unwrap_or_default().trim().to_owned();
        if before == CUBIC {
            return Ok(Cubic { before: None });
        }
        fs::write(CONGESTION_CONTROL, CUBIC).map_err(|error| {
            Failure::Refused(format!(
                "the congestion control is {before:?} and cannot be set ({error}); say \
                 `sysctl -w net.ipv4.tcp_congestion_control=cubic`, or --busy for a result that is not to be quoted"
            ))
        })?;
        Ok(Cubic { before: Some(before) })
    }
}

impl Drop for Cubic {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Where it could be set, it can be set back.
            let _ = fs::write(CONGESTION_CONTROL, before);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_load_above_the_bound_or_unknown_is_refused_plainly() {
        assert!(refuse_a_load(Some(1.0), 1.0).is_ok());
        for load in [Some(1.1), None] {
            let failure = refuse_a_load(load, 1.0).expect_err("it is busy");
            assert!(failure.exit_code() == 2 && failure.to_string().contains("the machine is busy"), "{failure}");
        }
    }
}
