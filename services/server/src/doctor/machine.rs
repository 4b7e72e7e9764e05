//! The machine: open files, memory, clocks.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};

use super::report::Report;
use crate::settings::Settings;

/// Below this, a few hundred clients and their objects are too many.
const OPEN_FILES_MIN: u64 = 1_024;
/// As many connections as the doors take, with files beside them.
const OPEN_FILES_WANTED: u64 = 32_768;
/// What a node takes beside the caches and what is in flight: the catalog of some thousand partitions, buffers, code.
const OTHER_BYTES: u64 = 256 << 20;
/// No clock that is right shows an earlier time: 2026-01-01.
const WALL_MIN: Duration = Duration::from_secs(1_767_225_600);
/// How long the clocks are watched, and how far they may part meanwhile.
const WATCHED: Duration = Duration::from_millis(100);
const PARTED_MAX: Duration = Duration::from_millis(20);

pub fn look(settings: &Settings, report: &mut Report) {
    open_files(report);
    memory(settings, report);
    clocks(report);
}

fn open_files(report: &mut Report) {
    const CHECK: &str = "open files";
    let advice = format!(
        "ulimit -n {OPEN_FILES_WANTED}, LimitNOFILE={OPEN_FILES_WANTED} of systemd, or --ulimit nofile={OPEN_FILES_WANTED} of a container"
    );
    // The soft limit is raised to the hard one when it starts.
    match getrlimit(Resource::Nofile).maximum {
        Some(limit) if limit < OPEN_FILES_MIN => {
            report.wrong(CHECK, format!("{limit} at most, which a few hundred clients take"), advice);
        }
        Some(limit) if limit < OPEN_FILES_WANTED => {
            report.warn(CHECK, format!("{limit} at most, which some thousand clients take"), advice);
        }
        Some(limit) => report.well(CHECK, format!("{limit} at most")),
        None => report.well(CHECK, "as many as there may be"),
    }
}

fn memory(settings: &Settings, report: &mut Report) {
    const CHECK: &str = "memory";
    let (cache, in_flight) = (settings.cache_memory_bytes, settings.in_flight_bytes_max);
    let wanted = cache.saturating_add(in_flight).saturating_add(OTHER_BYTES);
    let said = format!(
        "{} wanted: {} cache, {} in flight, {} for the rest",
        mebibytes(wanted),
        mebibytes(cache),
        mebibytes(in_flight),
        mebibytes(OTHER_BYTES)
    );
    let advice = "less for --cache-memory-bytes or --in-flight-bytes-max, or more memory";
    let Some(available) = memory_available() else {
        report.warn(CHECK, format!("{said}; how much there is cannot be found out here"), "see that there is as much");
        return;
    };
    let said = format!("{said}; {} available", mebibytes(available));
    if wanted > available {
        report.wrong(CHECK, said, advice);
    } else if wanted > available / 10 * 8 {
        report.warn(CHECK, format!("{said}, which is tight"), advice);
    } else {
        report.well(CHECK, said);
    }
}

/// What the machine has left, or what is left of the limit of this process's group.
fn memory_available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| in_meminfo(&text, "MemAvailable:"));
    let group = || {
        let number = |name: &str| {
            let text = fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok()?;
            text.trim().parse::<u64>().ok()
        };
        Some(number("memory.max")?.saturating_sub(number("memory.current")?))
    };
    machine.into_iter().chain(group()).min()
}

fn in_meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

fn clocks(report: &mut Report) {
    const CHECK: &str = "clock";
    let advice = "let chrony, systemd-timesyncd or the hypervisor keep this machine's time";
    let (wall, steady) = (SystemTime::now(), Instant::now());
    std::thread::sleep(WATCHED);
    let steady = steady.elapsed();
    let since_1970 = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    // An error says that it went back.
    let parted = wall.elapsed().map_or(Duration::MAX, |passed| passed.abs_diff(steady));
    if since_1970 < WALL_MIN {
        let days = since_1970.as_secs() / 86_400;
        report.wrong(CHECK, format!("it shows a time {days} days after 1970, before Tidelog was written"), advice);
    } else if parted > PARTED_MAX {
        let what = format!("within {} ms it jumped against the steady clock", WATCHED.as_millis());
        report.warn(CHECK, what, advice);
    } else {
        report.well(CHECK, "runs evenly");
    }
}

pub fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        let text = "MemTotal:       16316412 kB\nMemAvailable:    1024 kB\n";
        assert_eq!(in_meminfo(text, "MemAvailable:"), Some(1 << 20));
        assert_eq!(in_meminfo(text, "SwapFree:"), None);
    }
}
