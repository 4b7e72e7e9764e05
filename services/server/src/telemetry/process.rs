//! What the operating system counts of this process, under the names that every exporter has for it. Read from `/proc`; where
//! there is none, these stay away.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};
use tidelog_host::declare_metrics;
use tidelog_host::metric::{counter, gauge};
use tidelog_model::TimestampMs;

declare_metrics! {
    counter CPU_SECONDS = "process_cpu_seconds_total", [],
        "CPU time of the process, in whole seconds. How busy is it?";
    gauge RESIDENT_BYTES = "process_resident_memory_bytes", [],
        "Memory of the process that is in use. Does it grow?";
    gauge OPEN_FILES = "process_open_fds", [],
        "Files that are open, connections among them. Is the bound near?";
    gauge MAX_FILES = "process_max_fds", [],
        "Files that may be open. Where is the bound?";
    gauge THREADS = "process_threads", [],
        "Threads of the process. Do they pile up?";
    gauge START_SECONDS = "process_start_time_seconds", [],
        "When it was started, in seconds since 1970. Was it started anew?";
}

/// What is read of `/proc/self/stat` and `statm`.
#[derive(Debug, PartialEq, Eq)]
struct Usage {
    cpu_ticks: u64,
    threads: u64,
    resident_pages: u64,
}

impl Usage {
    /// Counted from the name, which is in brackets and may have anything in it: field 3 of the manual page comes first.
    fn read(stat: &str, statm: &str) -> Option<Usage> {
        let fields = stat.rsplit_once(") ")?.1.split(' ').collect::<Vec<_>>();
        let number = |at: usize| fields.get(at - 3)?.parse::<u64>().ok();
        Some(Usage {
            cpu_ticks: number(14)? + number(15)?,
            threads: number(20)?,
            resident_pages: statm.split(' ').nth(1)?.parse().ok()?,
        })
    }
}

/// Says when the process began.
pub fn began(at: TimestampMs) {
    gauge!(START_SECONDS).set(at.0 as f64 / 1_000.0);
}

/// Looks at the process as it is now.
pub fn observe() {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let Some(usage) = Usage::read(&read("stat"), &read("statm")) else { return };
    counter!(CPU_SECONDS).absolute(usage.cpu_ticks / clock_ticks_per_second());
    gauge!(RESIDENT_BYTES).set(usage.resident_pages as f64 * page_size() as f64);
    gauge!(THREADS).set(usage.threads as f64);
    // One of them is the folder that is being read.
    let open_files = fs::read_dir("/proc/self/fd").map_or(0, |files| files.count().saturating_sub(1));
    gauge!(OPEN_FILES).set(open_files as f64);
    gauge!(MAX_FILES).set(getrlimit(Resource::Nofile).current.map_or(f64::INFINITY, |limit| limit as f64));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_whatever_the_process_is_called() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 9 0 0 0 150 50 0 0 20 0 12 0 100 5 6";
        let usage = Usage { cpu_ticks: 200, threads: 12, resident_pages: 34 };
        assert_eq!(Usage::read(stat, "99 34 5 1 0 6 0"), Some(usage));
        assert_eq!(Usage::read("", ""), None);
        assert_eq!(Usage::read("7 (a) S 1", "99 34"), None);
    }
}
