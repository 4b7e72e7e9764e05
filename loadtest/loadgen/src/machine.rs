//! The machine that a run was made on, as a result has to say it.

use std::fs::read_to_string;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The only one that results are quoted with: others cost 1.3 to 2.5 times the processor time on loopback.
pub(crate) const CONGESTION_CONTROL: &str = "cubic";

/// What a number depends on beside the two programs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Name and release of the kernel.
    pub kernel: String,
    /// As the processor calls itself.
    pub processor: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// All of it.
    pub memory_mebibytes: u64,
    /// `net.ipv4.tcp_congestion_control`.
    pub congestion_control: String,
}

impl Machine {
    /// The one that this program runs on.
    #[must_use]
    pub fn this() -> Machine {
        let first = |path: &str| read_to_string(path).unwrap_or_default().trim().to_owned();
        let value_of = |path: &str, name: &str| {
            let text = read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let memory = value_of("/proc/meminfo", "MemTotal");
        let kibibytes: u64 = memory.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0);
        Machine {
            kernel: format!("{} {}", first("/proc/sys/kernel/ostype"), first("/proc/sys/kernel/osrelease")),
            processor: value_of("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mebibytes: kibibytes / 1024,
            congestion_control: first("/proc/sys/net/ipv4/tcp_congestion_control"),
        }
    }
}

/// Lets this process, and a server that it starts, have as many sockets as the system permits them. Those wanted must be among them.
///
/// # Errors
/// They are not.
pub fn allow_open_files(wanted: u64) -> Result<(), String> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a value of the right type, and lives as long as the call.
    let told = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    let raised = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    if told != 0 || raised != 0 || limit.rlim_max < wanted {
        return Err(format!("this needs {wanted} open files, and {} are permitted; raise ulimit -n", limit.rlim_max));
    }
    Ok(())
}

/// How many programs wanted a processor in the last minute; nothing where it is not told.
#[must_use]
pub fn load_average() -> Option<f64> {
    read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Now, as `2026-01-31T12:00:00Z`.
#[must_use]
pub fn date() -> String {
    date_of(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// Days are turned into a date by counting years from March, so that the leap day is the last one
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn date_of(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", year + era * 400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(date_of(0), "1970-01-01T00:00:00Z");
        assert_eq!(date_of(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(date_of(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(date_of(1_709_251_199), "2024-02-29T23:59:59Z");
        assert_eq!(date_of(1_798_761_599), "2026-12-31T23:59:59Z");
    }
}
